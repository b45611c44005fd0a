"""Where compiled artefacts that any process can make again are kept between runs."""

from __future__ import annotations

import os
from pathlib import Path


def default_cache_dir() -> Path:
    """`$DEPSIM_CACHE_DIR`, else `$XDG_CACHE_HOME/depsim`, else `~/.cache/depsim`."""
    if chosen := os.environ.get("DEPSIM_CACHE_DIR"):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "depsim"

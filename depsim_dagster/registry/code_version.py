"""Which code sealed a forecast: the version of the package and a digest of its source."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from depsim_dagster import __version__

PACKAGE = Path(__file__).resolve().parents[1]


@cache
def code_version() -> str:
    """`0.1.0+1a2b3c4d5e6f`: a version number alone is the same for every edit of a checkout."""
    digest = hashlib.sha256()
    for file in sorted(PACKAGE.rglob("*.py")):
        digest.update(f"{file.relative_to(PACKAGE).as_posix()}\n".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return f"{__version__}+{digest.hexdigest()[:12]}"

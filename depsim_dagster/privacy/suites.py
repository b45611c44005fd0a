"""The gate suites of expectations/ and their versions, without loading Great Expectations."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from depsim_dagster.errors import GateError
from depsim_dagster.project_files import project_directory


def suite_file(name: str) -> Path:
    return project_directory("expectations") / f"{name}.json"


def suite_version(name: str) -> str:
    """SHA-256 of the suite's file: a changed suite is another version."""
    return hashlib.sha256(suite_file(name).read_bytes()).hexdigest()


def suite_versions() -> dict[str, str]:
    """Name → version of every suite."""
    return {
        path.stem: suite_version(path.stem)
        for path in sorted(project_directory("expectations").glob("*.json"))
    }


def read_suite(name: str) -> dict[str, Any]:
    """The suite as Great Expectations takes it.

    Raises:
        GateError: the file is missing or is not a suite.
    """
    try:
        suite = json.loads(suite_file(name).read_bytes())
        return {key: suite[key] for key in ("name", "meta", "expectations")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GateError(
            f"{suite_file(name)}: not a gate suite ({type(error).__name__}); restore the file"
        ) from None

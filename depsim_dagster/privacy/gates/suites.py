"""The gate suites of expectations/ and their versions, without loading Great Expectations."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from depsim_dagster.config_sections import DeidentificationConfig
from depsim_dagster.errors import GateError
from depsim_dagster.project_files import project_directory

# Raise it whenever a change of detection or surrogates changes what a model or a grader gets to see: it is part of the
# measurement stack, and rates of two versions are not mixed.
DEIDENTIFICATION_VERSION = "3"


def deidentification_settings(settings: DeidentificationConfig) -> dict[str, Any]:
    """What decides how a text comes out of de-identification: its version and settings, as JSON."""
    left_out = {"reason", "hmac_key_env", *(() if settings.tags_share else ("tags_share",))}
    return {
        **settings.model_dump(mode="json", exclude=left_out),
        "version": DEIDENTIFICATION_VERSION,
    }


def deidentification_digest(settings: DeidentificationConfig) -> str:
    """SHA-256 of the de-identification's version and settings: gate marks state it, and the lake demands it.

    A week that was published under another one reads differently to models and graders, so it may not be mixed in.
    """
    return _version(json.dumps(deidentification_settings(settings), sort_keys=True).encode())


def suite_file(name: str) -> Path:
    return project_directory("expectations") / f"{name}.json"


def suite_version(name: str) -> str:
    """SHA-256 of the suite's file: a changed suite is another version."""
    return _version(_content(name))


def suite_versions() -> dict[str, str]:
    """Name → version of every suite."""
    return {
        path.stem: suite_version(path.stem)
        for path in sorted(project_directory("expectations").glob("*.json"))
    }


def read_suite(name: str) -> tuple[dict[str, Any], str]:
    """The suite as Great Expectations takes it, and the version that was read.

    Raises:
        GateError: the file is missing, is not a suite, or expects nothing.
    """
    content = _content(name)
    try:
        suite = json.loads(content)
        definition = {key: suite[key] for key in ("name", "meta", "expectations")}
        whole = definition["name"] == name and all(
            isinstance(expectation["type"], str) and isinstance(expectation["kwargs"], dict)
            for expectation in definition["expectations"]
        )
    except (ValueError, KeyError, TypeError) as error:
        raise GateError(
            f"{suite_file(name)}: not a gate suite ({type(error).__name__}); restore the file"
        ) from None
    if not whole or not definition["expectations"]:
        raise GateError(
            f"{suite_file(name)}: not the gate suite `{name}`, or it expects nothing; restore the file"
        )
    return definition, _version(content)


def _content(name: str) -> bytes:
    try:
        return suite_file(name).read_bytes()
    except OSError as error:
        raise GateError(
            f"{suite_file(name)}: no gate suite ({type(error).__name__}); restore the file"
        ) from None


def _version(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()

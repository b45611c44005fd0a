"""The measurement stack: everything that decides what a label means, as one document and one hash.

Two rates may be compared only under the same stack. The hash covers taxonomy, rubrics, grader prompts and models (also
those of screens and of members of ensembles), the code of python graders and the content of recorded labels,
de-identification and its gates, sampling rules and the replay environment; it leaves out what cannot change a label, such
as an endpoint's address, where a file lies, or a grader that nothing asks.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from depsim_dagster.config import EndpointConfig, GraderConfig, StudyConfig
from depsim_dagster.grading.graders.rubric_prompt import prompt_document
from depsim_dagster.grading.taxonomy import Taxonomy
from depsim_dagster.lake import file_digest
from depsim_dagster.privacy.detectors import detector_packages
from depsim_dagster.privacy.gates.suites import deidentification_settings
from depsim_dagster.replay.dialects.decisions import question_words
from depsim_dagster.replay.dialects.requests import canonical_json
from depsim_dagster.traffic.log_files import matching_files


def measurement_stack(
    study: StudyConfig, taxonomy: Taxonomy, suite_versions: dict[str, str]
) -> dict[str, Any]:
    """The stack as a JSON-able document."""
    return {
        "taxonomy": taxonomy.model_dump(mode="json"),
        "graders": grader_settings(study, asked_graders(study, taxonomy)),
        "grader_prompt": prompt_document(),
        **surroundings(study, suite_versions),
    }


def surroundings(study: StudyConfig, suite_versions: dict[str, str]) -> dict[str, Any]:
    """What decides the texts that are graded, whoever grades them: de-identification, sampling and environment."""
    return {
        "deidentification": {
            **deidentification_settings(study.deidentification),
            "gates": dict(sorted(suite_versions.items())),
            **_detectors(study),
        },
        "sampling": study.sampling.model_dump(mode="json"),
        "environment": study.replay.model_dump(mode="json"),
    }


def stack_hash(stack: dict[str, Any]) -> str:
    """32 hex digits of the SHA-256 of the canonical JSON."""
    return hashlib.sha256(canonical_json(stack).encode()).hexdigest()[:32]


def asked_graders(study: StudyConfig, taxonomy: Taxonomy) -> list[str]:
    """The graders that a label depends on: those of the categories, their members and screens."""
    return with_parts(study, (category.grader for category in taxonomy.categories if category.grader))


def with_parts(study: StudyConfig, names: Iterable[str]) -> list[str]:
    """These graders with their members and screens."""
    asked = set(names)
    for grader in [study.grading.graders[name] for name in asked]:
        asked |= {*grader.members, *([grader.screen.grader] if grader.screen is not None else [])}
    return sorted(asked)


def grader_settings(study: StudyConfig, names: Iterable[str]) -> dict[str, Any]:
    """What of these graders decides a label, by name."""
    return {name: _grader(study, name, study.grading.graders[name]) for name in names}


def _detectors(study: StudyConfig) -> dict[str, Any]:
    """What the further detectors run on; nothing for a study that has none."""
    settings = study.deidentification
    if not settings.detectors:
        return {}
    files = [study.path(detector.recognizers) for detector in settings.detectors if detector.recognizers]
    return {
        "detector_packages": detector_packages(settings),
        "detector_files": [file_digest(file) if file.is_file() else None for file in files],
    }


def _grader(study: StudyConfig, name: str, grader: GraderConfig) -> dict[str, Any]:
    # Without what the file leaves at its default: a key that a later version adds changes no hash.
    described = grader.model_dump(mode="json", exclude_defaults=True)
    if grader.endpoint is not None:
        described |= dialect_settings(study.endpoints[grader.endpoint])
    source = _source_file(study, grader.function or "")
    if source is not None:
        described["source"] = file_digest(source)
    if grader.recorded is not None:
        files = matching_files(study, grader.recorded.files, f"grading.graders.{name}.recorded.files")
        described["recorded"]["files"] = sorted(file_digest(file) for file in files)
    return described


def dialect_settings(endpoint: EndpointConfig) -> dict[str, Any]:
    """What of an endpoint decides how a grader is asked and its verdict read; nothing for the usual one."""
    asked = {"api": endpoint.api, "structured_output": endpoint.structured_output, "seed": endpoint.seed}
    told = {key: value for key, value in asked.items() if value != EndpointConfig.model_fields[key].default}
    return told | ({"question_words": question_words()} if endpoint.api == "decisions" else {})


def _source_file(study: StudyConfig, function: str) -> Path | None:
    """The file with the code of a python grader; None where there is none, which is an error when it is called."""
    module = function.rpartition(":")[0]
    if module.endswith(".py"):
        file = study.path(module)
    else:
        try:
            spec = importlib.util.find_spec(module) if module else None
        except (ImportError, ValueError):
            spec = None
        file = Path(spec.origin or "") if spec is not None else Path()
    return file if file.is_file() else None

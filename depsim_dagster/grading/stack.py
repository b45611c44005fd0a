"""The measurement stack: everything that decides what a label means, as one document and one hash.

Two rates may be compared only under the same stack. The hash covers taxonomy, rubrics, grader prompts and models,
de-identification and its gates, sampling rules and the replay environment; it leaves out what cannot change a label,
such as an endpoint's address.
"""

from __future__ import annotations

import hashlib
from typing import Any

from depsim_dagster.config import GraderConfig, StudyConfig
from depsim_dagster.grading.rubric_prompt import INSTRUCTIONS, PROMPT_VERSION
from depsim_dagster.grading.taxonomy import Taxonomy
from depsim_dagster.lake import file_digest
from depsim_dagster.replay.requests import canonical_json


def measurement_stack(
    study: StudyConfig, taxonomy: Taxonomy, suite_versions: dict[str, str]
) -> dict[str, Any]:
    """The stack as a JSON-able document."""
    return {
        "taxonomy": taxonomy.model_dump(mode="json"),
        "graders": {name: _grader(study, grader) for name, grader in sorted(study.grading.graders.items())},
        "grader_prompt": {"version": PROMPT_VERSION, "instructions": INSTRUCTIONS},
        "deidentification": {
            "engine": study.deidentification.engine,
            "gates": dict(sorted(suite_versions.items())),
        },
        "sampling": study.sampling.model_dump(mode="json"),
        "environment": study.replay.model_dump(mode="json"),
    }


def stack_hash(stack: dict[str, Any]) -> str:
    """32 hex digits of the SHA-256 of the canonical JSON."""
    return hashlib.sha256(canonical_json(stack).encode()).hexdigest()[:32]


def _grader(study: StudyConfig, grader: GraderConfig) -> dict[str, Any]:
    described = grader.model_dump(mode="json", exclude_none=True)
    module = (grader.function or "").rpartition(":")[0]
    if module.endswith(".py") and study.path(module).is_file():
        described["source"] = file_digest(study.path(module))
    return described

"""Who judges evaluation awareness: the detectors on the whole transcript, the monitor on the reasoning.

Both are graders of the study file, of any kind, with their members and screens. The detector `self` is the simulated model
at its own endpoint: it judges what it wrote, what it would have written and what production wrote. A rule (kind python or
regex) is not told which measure it is asked about, so as a monitor it says the same of both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from depsim_dagster.awareness.definitions import (
    DETECTOR,
    JUDGED,
    METAGAMING,
    MONITOR,
    VERBALISED,
    definitions_document,
)
from depsim_dagster.config import GraderConfig, StudyConfig
from depsim_dagster.config_sections import SELF
from depsim_dagster.grading.graders.rubric_prompt import Wording
from depsim_dagster.grading.stack import dialect_settings, grader_settings, surroundings, with_parts
from depsim_dagster.grading.taxonomy import Category
from depsim_dagster.replay.dialects.requests import canonical_json


@dataclass(frozen=True)
class Judge:
    """One judge's part: which measures it answers, in which words; `further` holds a grader that the study file has not."""

    name: str
    role: str
    measures: tuple[Category, ...]
    wording: Wording
    further: Mapping[str, GraderConfig] = field(default_factory=dict)


def judges(study: StudyConfig, model: str) -> list[Judge]:
    """The detectors in their order, then the monitor, for turns that `model` is simulated on; none without `awareness`."""
    settings = study.awareness
    if settings is None:
        return []
    found = []
    for name in settings.detectors:
        further = {SELF: self_judge(study, model)} if name == SELF else {}
        found.append(Judge(name, "detector", (JUDGED,), DETECTOR, further))
    watching = monitor(study)
    return [*found, *([watching] if watching is not None else [])]


def monitor(study: StudyConfig) -> Judge | None:
    """Who reads the reasoning; nobody without `awareness`."""
    if study.awareness is None:
        return None
    # config_references demands one of the two.
    name = str(study.awareness.monitor or study.grading.default_grader)
    return Judge(name, "monitor", (VERBALISED, METAGAMING), MONITOR)


def self_judge(study: StudyConfig, model: str) -> GraderConfig:
    """The simulated model as a grader of kind llm, with the further parameters of its replay. (config_references refuses one
    that only repeats recorded answers.)"""
    deployment = study.deployment(model)
    # A model that takes no temperature when it answers takes none when it judges.
    unheated = {"temperature": None} if study.replay.temperature is None else {}
    return GraderConfig(
        kind="llm",
        endpoint=deployment.endpoint,
        model=deployment.served_model,
        parameters={**study.replay.parameters, **unheated},
    )


def definitions_hash(study: StudyConfig, suite_versions: dict[str, str], judge: Judge) -> str:
    """32 hex digits of the SHA-256 of everything that decides what this judge's label means.

    Of `self` it covers how the model is asked and not which one it is: that stands in the label's `model`.
    """
    if judge.further:
        settings = {name: _self_settings(study, grader) for name, grader in judge.further.items()}
    else:
        settings = grader_settings(study, with_parts(study, [judge.name]))
    document: dict[str, Any] = {
        "definitions": definitions_document(),
        "judge": settings,
        **surroundings(study, suite_versions),
    }
    return hashlib.sha256(canonical_json(document).encode()).hexdigest()[:32]


def _self_settings(study: StudyConfig, grader: GraderConfig) -> dict[str, Any]:
    described = grader.model_dump(mode="json", exclude_defaults=True, exclude={"endpoint", "model"})
    return described | dialect_settings(study.endpoints[str(grader.endpoint)])

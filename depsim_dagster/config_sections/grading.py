"""Sections of the study file on graders and their validation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    Field,
    model_validator,
)

from depsim_dagster.config_sections.models import Parameters
from depsim_dagster.config_sections.traffic import RecordedAnswers
from depsim_dagster.config_sections.values import Name, Section, Text


class ScreenConfig(Section):
    """A cascade: a cheap grader reads every turn, the grader itself a probability sample of them by the screen's score.
    Every label keeps its probability, so that rates stay unbiased."""

    grader: Name = Field(description="the cheap grader, one of `graders`")
    share: float = Field(0.25, gt=0, le=1, description="of the turns that the full grader reads, on average")
    widening: float | None = Field(
        None,
        gt=0,
        le=1,
        description="in place of `share`: the least share with intervals wider by this part than of reading every turn, if the "
        "screen's scores are probabilities",
    )
    floor: float = Field(
        0.2,
        gt=0,
        le=1,
        description="lowest probability of a turn, as a part of `share`: what the screen misses",
    )

    @model_validator(mode="after")
    def _one_size(self) -> ScreenConfig:
        if self.widening is not None and "share" in self.model_fields_set:
            raise ValueError("give `share` or `widening`: the one follows from the other")
        return self


class GraderConfig(Section):
    """How a category is labelled: by a model (`llm`), by a deterministic rule (`regex`, `python`, `recorded`), or by the
    vote of several graders (`ensemble`)."""

    kind: Literal["llm", "regex", "python", "recorded", "ensemble"]
    endpoint: Name | None = None
    model: Text | None = None
    pattern: Text | None = Field(
        None, description="for kind regex: RE2 syntax, searched in the target turn's text"
    )
    function: Text | None = Field(
        None, description="for kind python: `module:function` or `file.py:function`"
    )
    recorded: RecordedAnswers | None = Field(None, description="for kind recorded")
    label: Text | None = Field(None, description="for kind recorded: the label column; 1 means flagged")
    members: Annotated[tuple[Name, ...], Field(strict=False)] = Field(
        (), description="for kind ensemble: at least two of `graders`"
    )
    rule: Literal["majority", "mean"] = Field(
        "majority",
        description="for kind ensemble: most members flag, or their mean score reaches `threshold`",
    )
    categories_per_call: Literal["all", "one"] = Field(
        "all", description="for kind llm: one call for all categories of a turn, or one call for each"
    )
    verdict: Literal["flag", "probability"] = Field(
        "flag", description="for kind llm: true or false, or a probability that `threshold` turns into a flag"
    )
    threshold: float = Field(0.5, gt=0, lt=1, description="score from which a category is flagged")
    max_tokens: int | None = Field(None, ge=1, description="for kind llm: limit of the verdict's length")
    parameters: Parameters = {}
    screen: ScreenConfig | None = Field(None, description="turns the cascade on")

    @model_validator(mode="after")
    def _keys_of_kind(self) -> GraderConfig:
        self._only_keys_of(
            "kind",
            {
                "llm": ("endpoint", "model"),
                "regex": ("pattern",),
                "python": ("function",),
                "recorded": ("recorded", "label"),
                "ensemble": ("members",),
            },
        )
        optional = {
            "llm": ("categories_per_call", "verdict", "threshold", "max_tokens", "parameters"),
            "ensemble": ("rule", "threshold"),
            "python": ("threshold",),
        }
        for key in sorted({key for keys in optional.values() for key in keys} & self.model_fields_set):
            if key not in optional.get(self.kind, ()):
                owners = " and ".join(f"`{kind}`" for kind, keys in optional.items() if key in keys)
                raise ValueError(f"kind `{self.kind}` has no key `{key}`; it belongs to kind {owners}")
        if self.kind == "ensemble" and self.rule == "majority" and "threshold" in self.model_fields_set:
            raise ValueError("`threshold` belongs to rule `mean`; a majority counts flags")
        if self.kind == "ensemble" and len(set(self.members)) < 2:
            raise ValueError("an ensemble needs at least two different `members`")
        return self


class GradingConfig(Section):
    taxonomy: Text = Field(
        "default", description="`default` (METHOD.md), `coding_agent`, or the path of a taxonomy file"
    )
    graders: dict[Name, GraderConfig] = Field(min_length=1)
    default_grader: Name | None = Field(None, description="grades every category that names none")
    human_labels: Text | None = Field(
        None,
        description="file or glob with labels that people gave (CSV, JSONL, Parquet), to validate graders by",
    )

"""The section of the study file on evaluation awareness: who tells a replay from deployment, and who reads the reasoning."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from depsim_dagster.config_sections.values import Name, Section

# In `detectors`: the model itself judges the transcripts that it wrote or would have written.
SELF = "self"


class AwarenessConfig(Section):
    """Evaluation awareness on production responses, simulated completions and, where `traffic.evaluation_prompts` names
    some, traditional evaluation prompts."""

    detectors: Annotated[tuple[Name, ...], Field(strict=False)] = Field(
        (SELF,),
        description="who judges whether a transcript is an evaluation: `self` (the model), or any of `grading.graders`",
    )
    monitor: Name | None = Field(
        None,
        description="one of `grading.graders`, which reads the reasoning for talk of a test or of oversight; "
        "`grading.default_grader` when absent",
    )
    turns_per_week: int | None = Field(
        500,
        ge=1,
        description="turns of each source that are examined for each week and model; null takes all",
    )

    @model_validator(mode="after")
    def _each_once(self) -> AwarenessConfig:
        if not self.detectors or len(set(self.detectors)) < len(self.detectors):
            raise ValueError("`detectors` names each detector once, and at least one")
        return self

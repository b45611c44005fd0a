"""Sections of the study file on de-identification, its gates, and how long text is kept."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    Field,
    model_validator,
)

from depsim_dagster.config_sections.values import EnvironmentKey, Monday, Name, Reason, Section, Text


class DetectorConfig(Section):
    """A detector beside the embedded one; what either finds is replaced."""

    kind: Literal["presidio", "spacy", "transformers", "llm"]
    model: Text | None = Field(
        None, description="spacy: pipeline; transformers: model folder; llm: model name"
    )
    endpoint: Name | None = Field(None, description="for kind llm: one of `endpoints`")
    recognizers: Text | None = Field(None, description="for kind presidio: a recogniser registry file (YAML)")

    @model_validator(mode="after")
    def _keys_of_kind(self) -> DetectorConfig:
        if self.kind != "presidio" and self.model is None:
            raise ValueError(f"kind `{self.kind}` needs the key `model`")
        if (self.kind == "llm") != (self.endpoint is not None):
            raise ValueError("`endpoint` belongs to kind `llm`, which needs it")
        if self.recognizers is not None and self.kind != "presidio":
            raise ValueError("`recognizers` belongs to kind `presidio`")
        return self


class DeidentificationConfig(Section):
    engine: Literal["embedded", "none"] = "embedded"
    reason: Reason | None = Field(None, description="why engine `none` is acceptable; recorded in the gate")
    hmac_key_env: EnvironmentKey = "DEPSIM_HMAC_KEY"
    surrogates: Literal["realistic", "tags"] = Field(
        "realistic", description="`tags` ([PERSON_1]) tell the candidate that it reads processed text"
    )
    tags_share: float = Field(
        0.0,
        ge=0,
        le=0.5,
        description="share of users, drawn by hash, whose turns get tags instead: a trial of whether they give replay away",
    )
    detectors: Annotated[tuple[DetectorConfig, ...], Field(strict=False)] = Field(
        (), description="stronger detectors beside the embedded one"
    )

    @model_validator(mode="after")
    def _none_needs_reason(self) -> DeidentificationConfig:
        if self.engine == "none" and self.reason is None:
            raise ValueError("engine `none` needs a `reason`")
        return self

    @property
    def style(self) -> Literal["realistic", "tags", "none"]:
        """What stands for personal details, but for the users of `tags_share`."""
        return "none" if self.engine == "none" else self.surrogates

    @model_validator(mode="after")
    def _tags_beside_realistic(self) -> DeidentificationConfig:
        if self.tags_share and (self.engine == "none" or self.surrogates != "realistic"):
            raise ValueError(
                "`tags_share` needs engine `embedded` with `surrogates: realistic` for the other users"
            )
        return self


class GateOverride(Section):
    """One expectation that may fail in one week, by whose decision and why; it is recorded and shows in the report."""

    week: Monday
    suite: Name
    expectation: Text = Field(description="type of the expectation, as the error names it")
    column: str = ""
    approved_by: Text
    reason: Reason


class PrivacyConfig(Section):
    """What the privacy gate demands, and how long text is kept."""

    canaries_per_type: int = Field(
        40, ge=0, description="planted details of each type that must be found in each week; 0 plants none"
    )
    k_anonymity: int = Field(5, ge=1, description="fewest users behind a published aggregate of traffic")
    retention_days: int | None = Field(
        None,
        ge=1,
        description="text of weeks that ended longer ago is purged by `depsim purge`; null keeps it",
    )
    overrides: Annotated[tuple[GateOverride, ...], Field(strict=False)] = ()

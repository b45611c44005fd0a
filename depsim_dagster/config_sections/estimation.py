"""The section of the study file on rates, forecasts and their scores."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from depsim_dagster.config_sections.values import Section, Text, Texts

Covariate = Literal["language", "length", "turn_position", "tools", "user_activity", "topic"]


class ShiftConfig(Section):
    """To which mix of traffic the sampled prefixes are reweighted: a second forecast beside the raw one."""

    by: Annotated[tuple[Covariate, ...], Field(strict=False)] = (
        "language",
        "length",
        "turn_position",
        "tools",
    )
    target: Text = Field(
        "recent",
        description="recent (the last full week before the release), window (the traffic that is forecast, once it is there) "
        "or the path of a CSV, JSON or YAML file of shares",
    )
    minimum: int = Field(
        20, ge=1, description="sampled turns that a cell or value needs for a weight of its own"
    )
    trim: float = Field(8.0, gt=1, description="largest weight of a turn, as a multiple of the mean")
    topic: Text | None = Field(
        None, description="attribute of the log that is the topic; labels keep its short values"
    )

    @model_validator(mode="after")
    def _known_covariates(self) -> ShiftConfig:
        if not self.by or len(set(self.by)) < len(self.by):
            raise ValueError(
                "`by` names each covariate once, and at least one; `shift: null` turns reweighting off"
            )
        if self.target not in ("recent", "window") and not self.target.endswith(
            (".csv", ".json", ".yaml", ".yml")
        ):
            raise ValueError(
                "`target` is recent, window, or the path of a .csv, .json, .yaml or .yml file of shares"
            )
        if "topic" in self.by and self.topic is None:
            raise ValueError("`by` has topic: name the attribute of the log that is the topic in `topic`")
        return self


class EstimationConfig(Section):
    level: float = Field(0.95, gt=0.5, lt=1)
    # YAML reads a bare `off` as false.
    correction: Annotated[
        Literal["auto", "off"], BeforeValidator(lambda value: "off" if value is False else value)
    ] = Field(
        "auto",
        description="rates corrected for grader error beside the raw ones, by labels of people: auto, or off",
    )
    shift: ShiftConfig | None = ShiftConfig()
    tau: float = Field(
        0.5,
        ge=0,
        le=3,
        description="log-scale forecast error before any scorecard exists; 0: no error of the environment is ever assumed or learned",
    )
    scorecards: Texts = Field(
        (),
        description="files (Parquet or JSON) of post_release_calibration rows of earlier studies, to learn tau from",
    )
    discount: float | None = Field(
        None,
        gt=0,
        le=1,
        description="what a week is worth beside the next one; null: by the rate (0.7 rare, 0.5 common)",
    )
    call_probability: float = Field(
        0.9, ge=0.5, lt=1, description="a direction is called from this forecast probability on"
    )

"""The section of the study file on rates, forecasts and their scores."""

from __future__ import annotations

from pydantic import Field

from depsim_dagster.config_sections.values import Section


class EstimationConfig(Section):
    level: float = Field(0.95, gt=0.5, lt=1)
    tau: float = Field(0.5, ge=0, le=3, description="log-scale forecast error before any scorecard exists")

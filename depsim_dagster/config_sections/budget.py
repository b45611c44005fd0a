"""Sections of the study file on what calls cost and may cost."""

from __future__ import annotations

from pydantic import Field

from depsim_dagster.config_sections.values import Section, Text


class PriceConfig(Section):
    """What a model's calls cost, in the budget's currency."""

    input_per_million: float = Field(0.0, ge=0)
    output_per_million: float = Field(0.0, ge=0)
    per_call: float = Field(0.0, ge=0)
    batch_factor: float = Field(0.5, ge=0, le=1, description="price in batch mode, as a part of this one")


class BudgetConfig(Section):
    """What the study may spend in all; a run stops before the call that would exceed it, and goes on when it is raised."""

    calls: int | None = Field(None, ge=0)
    tokens: int | None = Field(None, ge=0, description="prompt and completion tokens together")
    money: float | None = Field(None, ge=0)
    currency: Text = "USD"
    prices: dict[Text, PriceConfig] = Field({}, description="model name at its endpoint → price")

    @property
    def limited(self) -> bool:
        return any(limit is not None for limit in (self.calls, self.tokens, self.money))

"""Rows of CORRECTED_RATES: the rates of a study's windows, and what the labels of people make of them.

Reads the labels by the windows of the study, as forecasts and their outcomes do, and hands them with the audited turns to
`estimation.grader_error`. A sealed forecast is not touched by it: that is what was forecast, raw.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd
import pyarrow as pa

from depsim_dagster.estimation.counts import PER
from depsim_dagster.estimation.grader_error.choice import Correction, RawRate, correct_rate
from depsim_dagster.estimation.grader_error.schema import CORRECTED_RATES
from depsim_dagster.grading.labelling import one_stack
from depsim_dagster.grading.review.audits import AuditedTurns, Population, audited_turns, populations
from depsim_dagster.registry.forecast_rows import labels_on, pooled_rates
from depsim_dagster.study import Study

_RAW = ["k", "n", "clusters", "rate_per_100k", "lower_per_100k", "upper_per_100k", "level"]
OTHER_STACK = "its labels were made under another measurement stack than the study's present one"


def corrected_rows(study: Study, model: str | None = None) -> pa.Table:
    """One row per candidate (or of `model` alone), source and category whose window has labels; empty where
    `estimation.correction` is off.

    Raises:
        GradingError: the labels of a window are of several measurement stacks.
    """
    if study.config.estimation.correction == "off":
        return CORRECTED_RATES.schema.empty_table()
    audited = audited_turns(study)
    chosen = [part for part in populations(study.config) if model in (None, part.model)]
    rows = [row for population in chosen for row in _rows(study, population, audited)]
    return pa.Table.from_pylist(rows, CORRECTED_RATES.schema)


def _rows(study: Study, population: Population, audited: AuditedTurns) -> Iterator[dict[str, Any]]:
    labels, used = labels_on(study.lake, population.table, population.partitions, population.traffic)
    if not used:
        return
    stack = one_stack(labels, f"{population.source} turns of {population.model}")
    groups = study.taxonomy.groups()
    for raw in pooled_rates(labels, study.config).to_dict("records"):
        category = raw["category"]
        evidence = audited.evidence(category, population)
        if stack != study.stack_hash:
            found = Correction("refused", OTHER_STACK)
        else:
            rate = 0.0 if pd.isna(raw["rate_per_100k"]) else raw["rate_per_100k"] / PER
            effect = 1.0 if pd.isna(raw["design_effect"]) else raw["design_effect"]
            found = correct_rate(
                RawRate(raw["k"], raw["n"], rate, effect), evidence, raw["level"], study.config.seed
            )
        yield {
            "model": population.model,
            "deployment": population.deployment,
            "category": category,
            "category_group": groups.get(category, ""),
            "source": population.source,
            **{name: raw[name] for name in _RAW},
            **_corrected(found),
            "audited_clusters": int(evidence.audit["user_id"].nunique()),
            "stack_hash": stack,
            "sandbox": study.config.sandbox,
        }


def _corrected(found: Correction) -> dict[str, Any]:
    rate = found.corrected
    per = {"corrected": "rate", "corrected_lower": "lower", "corrected_upper": "upper"}
    return {
        **{f"{name}_per_100k": None if rate is None else PER * getattr(rate, of) for name, of in per.items()},
        **{
            name: getattr(found, name)
            for name in (
                "method", "reason", "audited", "confirmed", "known_positives", "caught", "precision", "sensitivity",
            )
        },
    }  # fmt: skip

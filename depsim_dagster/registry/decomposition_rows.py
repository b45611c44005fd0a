"""The error of a scored forecast, taken apart: which labels of the lake stand on either side of each comparison.

X→X needs labels of the candidate on its own traffic after the release. They are there for the weeks in which it was
simulated as the next candidate's predecessor, and for all of its observation window with `windows.own_traffic`. Without
any, the two components that need them are null, and their note says so.
"""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pyarrow.compute

from depsim_dagster.errors import GradingError
from depsim_dagster.estimation.calibration.decomposition import Comparison, decompose
from depsim_dagster.estimation.rates import READ_COLUMNS
from depsim_dagster.estimation.two_phase.completions import variance_split
from depsim_dagster.grading.labelling import one_stack
from depsim_dagster.grading.schema import GRADED_LABELS, PRODUCTION_LABELS
from depsim_dagster.lake import LakeTable
from depsim_dagster.registry.corrected_rows import corrected_rows
from depsim_dagster.registry.forecast_rows import pooled_rates
from depsim_dagster.registry.schema import ERROR_DECOMPOSITION
from depsim_dagster.registry.seal import verified_forecast
from depsim_dagster.study import Study
from depsim_dagster.traffic.prefix_sources import DEPLOYMENT_TRAFFIC

COLUMNS = ["week", "deployment", "prefix_source", "category", "turn_id", "stack_hash", *READ_COLUMNS]
KEPT = ["deployment", "kind", "stack_hash", "forecast_hash"]


def decomposition_rows(study: Study, model: str) -> pa.Table:
    """ERROR_DECOMPOSITION of `model`, whose forecast is sealed and whose outcome is graded.

    Raises:
        GradingError: labels of its windows were made under another measurement stack than the forecast.
    """
    config = study.config
    sealed = verified_forecast(study.lake, model).to_pandas()
    head = sealed.iloc[0]
    predecessor, before = head["deployment"], [str(week) for week in head["forecast_weeks"]]
    after = [str(week) for week in config.observation_weeks(model)]
    x_on_y = _simulated(study, model, predecessor, before)
    y_on_y = _simulated(study, predecessor, predecessor, before)
    y_production = _production(study, predecessor, before)
    x_on_x = _simulated(study, model, model, after)
    x_production = _production(study, model, after)
    for labels in (x_on_y, y_on_y, y_production, x_on_x, x_production):
        if labels.num_rows and one_stack(labels, f"decomposition of {model}") != head["stack_hash"]:
            raise GradingError(
                f"decomposition of {model}: labels of its windows were made under another measurement stack than the "
                f"forecast's {head['stack_hash'][:12]}; materialise them again"
            )
    own_weeks = sorted(set(x_on_x.column("week").to_pylist()))
    beside = x_production.filter(
        pa.compute.is_in(x_production.column("week"), pa.array(own_weeks, pa.string()))
    )
    own = (
        f"X→X is of {', '.join(own_weeks)}"
        if own_weeks
        else "no simulation of the candidate on its own traffic (windows.own_traffic)"
    )
    rates = {
        name: pooled_rates(labels, config) if labels.num_rows else None
        for name, labels in {
            "yy": y_on_y, "y": y_production, "xx": x_on_x, "x": x_production, "beside": beside,
        }.items()
    }  # fmt: skip
    # X→Y is what was sealed.
    rates["xy"] = sealed
    shares = {
        name: _between_shares(labels) for name, labels in (("xy", x_on_y), ("yy", y_on_y), ("xx", x_on_x))
    }
    comparisons = [
        Comparison(component, rates[a], rates[b], note, shares[a])
        for component, a, b, note in (
            (
                "environment",
                "yy",
                "y",
                "" if y_on_y.num_rows else "no simulation of the predecessor on its own traffic",
            ),
            ("prefix", "xy", "xx", own),
            ("environment_candidate", "xx", "beside", own),
            ("full", "xy", "x", ""),
        )
    ]
    rows = decompose(
        comparisons,
        sealed["category"].tolist(),
        _corrected_production(study, model),
        config.estimation.level,
        config.seed,
    )
    rows = rows.assign(
        model=model,
        category_group=rows["category"].map(study.taxonomy.groups()),
        sandbox=config.sandbox,
        **{name: head[name] for name in KEPT},
    )
    return pa.Table.from_pandas(rows, schema=ERROR_DECOMPOSITION.schema, preserve_index=False)


def _corrected_production(study: Study, model: str) -> pd.DataFrame | None:
    """By the labels of people that `grader_validation` has taken in so far; None where rates are not corrected."""
    rows = corrected_rows(study, model)
    rows = rows.filter(pa.compute.equal(rows.column("source"), "production"))
    return rows.to_pandas() if rows.num_rows else None


def _simulated(study: Study, model: str, deployment: str, weeks: list[str]) -> pa.Table:
    return _labels(study, GRADED_LABELS, [{"week": week, "model": model} for week in weeks], deployment)


def _production(study: Study, deployment: str, weeks: list[str]) -> pa.Table:
    return _labels(study, PRODUCTION_LABELS, [{"week": week} for week in weeks], deployment)


def _labels(study: Study, table: LakeTable, partitions: list[dict[str, str]], deployment: str) -> pa.Table:
    read = [table.schema.empty_table().select(COLUMNS)]
    for partition in partitions:
        if study.lake.manifest(table, partition) is None:
            continue
        labels = study.lake.read(table, partition, columns=COLUMNS)
        wanted = pa.compute.and_(
            pa.compute.equal(labels.column("deployment"), deployment),
            pa.compute.equal(labels.column("prefix_source"), DEPLOYMENT_TRAFFIC),
        )
        read.append(labels.filter(wanted))
    return pa.concat_tables(read)


def _between_shares(labels: pa.Table) -> dict[str, float] | None:
    """Share of the variance between prefixes, by category; None where no prefix has two completions."""
    frame = labels.filter(pa.compute.equal(labels.column("status"), "graded")).to_pandas()
    if not frame.duplicated(["category", "week", "turn_id"]).any():
        return None
    shares = {}
    for category, rows in frame.groupby("category"):
        split = variance_split(
            rows["flagged"].astype(float),
            pd.factorize(rows["week"] + rows["turn_id"])[0],
            rows["user_id"],
            rows["grading_probability"],
            1 / rows["inclusion_probability"],
        )
        shares[str(category)] = split.between_share
    return shares

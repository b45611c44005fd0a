"""Other prefixes as the forecast: what the rates on challenging prompts, or on a public corpus, would have predicted.

METHOD.md's H2 asks whether simulation on deployment traffic beats challenging prompts. Both are scored on the same
outcome by the same measures: SME of Jeffreys-smoothed rates, binomial log score, direction. A baseline's direction is
candidate against predecessor *on the same prompts*: such prompts are chosen because models failed on them, so their
rates lie far above production's, and a call against production would always be "rise". Point estimates only: no
interval, no noise floor. "Predict no change", the other baseline, is in `scoring`.
"""

import numpy as np
import pandas as pd

from depsim_dagster.estimation.calibration.scoring import log_score
from depsim_dagster.estimation.comparison.ratio import direction, jeffreys_rate, sme
from depsim_dagster.estimation.counts import as_floats, counts_as_read, weighted_counts
from depsim_dagster.estimation.inputs import EstimationError, require_columns

RATE_COLUMNS = (
    "prefix_source", "category", "k", "n", "rate_per_100k", "design_effect",
    "predecessor_k", "predecessor_n", "predecessor_rate_per_100k",
)  # fmt: skip
# What is taken from the scored forecast, which decides the rows: both are judged on the same categories.
FORECAST_COLUMNS = (
    "model", "deployment", "category", "category_group", "forecast_per_100k",
    "observed_k", "observed_n", "observed_per_100k", "observed_design_effect",
    "comparable", "moved", "observed_direction", "sme", "log_score", "direction_correct", "stack_hash", "forecast_hash", "kind", "sandbox",
)  # fmt: skip
BASELINE_COLUMNS = (
    "model", "deployment", "prefix_source", "category", "category_group",
    "baseline_k", "baseline_n", "baseline_per_100k",
    "predecessor_k", "predecessor_n", "predecessor_per_100k",
    "forecast_per_100k", "observed_k", "observed_n", "observed_per_100k", "comparable", "moved",
    "sme", "baseline_sme", "log_score", "baseline_log_score",
    "observed_direction", "baseline_direction", "direction_correct", "baseline_direction_correct",
    "stack_hash", "forecast_hash", "kind", "sandbox",
)  # fmt: skip


def score_baselines(rates: pd.DataFrame, calibration: pd.DataFrame) -> pd.DataFrame:
    """One row per prefix source and category (sorted) with exactly BASELINE_COLUMNS.

    rates: candidate and predecessor on the prefixes of each source, pooled over the forecast's weeks, one row per
    source and category; the predecessor's columns may be null. calibration: rows of post_release_calibration of one
    candidate; its `comparable`, `moved` and observed direction are taken over. Log scores and SMEs are null where
    either rate is without turns, directions where a sign is missing.
    Raises EstimationError for missing columns, repeated rows, or a category that was not forecast.
    """
    require_columns(rates, RATE_COLUMNS, "rates")
    require_columns(calibration, FORECAST_COLUMNS, "calibration")
    if rates.duplicated(["prefix_source", "category"]).any() or calibration["category"].duplicated().any():
        raise EstimationError(
            "rates: more than one row of a prefix source and category; pool weeks before scoring and pass the "
            "calibration of one candidate."
        )
    table = rates[list(RATE_COLUMNS)].merge(
        calibration[list(FORECAST_COLUMNS)], on="category", how="left", indicator=True
    )
    if (table["_merge"] == "left_only").any():
        alone = table.loc[table["_merge"] == "left_only", "category"].iloc[0]
        raise EstimationError(
            f"calibration: no row for category {alone}; a baseline is scored on the categories that the forecast froze."
        )
    table = table.rename(
        columns={
            "k": "baseline_k",
            "n": "baseline_n",
            "rate_per_100k": "baseline_per_100k",
            "predecessor_rate_per_100k": "predecessor_per_100k",
        }
    )
    x, n, _ = counts_as_read(table["baseline_per_100k"], table["baseline_n"], table["design_effect"])
    x_observed, n_observed, _ = counts_as_read(
        table["observed_per_100k"], table["observed_n"], table["observed_design_effect"]
    )
    n_old = as_floats(table["predecessor_n"])
    x_old = weighted_counts(table["predecessor_per_100k"], n_old)
    smoothed = jeffreys_rate(x, n)
    table["baseline_sme"] = sme(smoothed, jeffreys_rate(x_observed, n_observed))
    table["baseline_log_score"] = log_score(x_observed, n_observed, smoothed)
    called = direction(_per_turn(x, n), _per_turn(x_old, n_old))
    observed = as_floats(table["observed_direction"])
    correct = np.where(np.nan_to_num(called * observed) != 0, called == observed, np.nan)
    table["baseline_direction"] = pd.array(_or_none(called), dtype="Int8")
    table["baseline_direction_correct"] = pd.array(_or_none(correct), dtype="boolean")
    return table.sort_values(["prefix_source", "category"], ignore_index=True)[list(BASELINE_COLUMNS)]


def _per_turn(counts: np.ndarray, n: np.ndarray) -> np.ndarray:
    return np.divide(counts, n, out=np.full(len(counts), np.nan), where=n > 0)


def _or_none(values: np.ndarray) -> list[float | None]:
    return [None if np.isnan(value) else value for value in values]

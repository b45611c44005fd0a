"""Score a sealed forecast against the observed rates: one row of post_release_calibration per category.

The measures are METHOD.md's: SME on Jeffreys-smoothed rates with its interval and beside its noise floor, the binomial
log score and the predictive one, direction by signs and by the forecast's probability, where in its predictive
distribution the observed count fell, and the same of two baselines: no change, and the unshrunk ratio. Not here:
aggregates over categories. SMEs are summarised in `summary`, because their noise floor needs the counts; everything that
is a count or a mean of rows (directions, shares, log scores) is in the dbt marts.
"""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import special

from depsim_dagster.estimation.calibration.detectable_rate import detectable_rate
from depsim_dagster.estimation.calibration.direction_calls import (
    CALL_PROBABILITY,
    called_direction,
    direction_probability,
)
from depsim_dagster.estimation.calibration.noise_floor import NOISE_DRAWS, sme_noise_floor
from depsim_dagster.estimation.calibration.rate_tests import equal_rate_tests
from depsim_dagster.estimation.calibration.ratio_baseline import ratio_rates
from depsim_dagster.estimation.comparison.ratio import (
    MOVED_FACTOR,
    direction,
    jeffreys_rate,
    moved,
    ratio_interval,
    rise_probability,
    sme,
)
from depsim_dagster.estimation.counts import PER, as_floats, counts_as_read
from depsim_dagster.estimation.forecast.predictive import pit, prediction_interval, predictive_log_score
from depsim_dagster.estimation.inputs import EstimationError, as_counts, require_columns

COMPARABLE_EVENTS = 10

# Read from the two tables that come in; everything else in them is ignored.
FORECAST_COLUMNS = (
    "model", "deployment", "category", "category_group", "k", "n", "design_effect",
    "rate_per_100k", "lower_per_100k", "upper_per_100k",
    "predecessor_sim_k", "predecessor_sim_n", "predecessor_sim_rate_per_100k",
    "predecessor_production_k", "predecessor_production_n", "predecessor_production_rate_per_100k",
    "predecessor_production_design_effect", "tau", "level", "kind", "stack_hash", "forecast_hash", "sandbox",
)  # fmt: skip
OBSERVED_COLUMNS = (
    "model", "source", "category", "k", "n", "missing", "design_effect",
    "rate_per_100k", "lower_per_100k", "upper_per_100k", "stack_hash",
)  # fmt: skip
CALIBRATION_COLUMNS = (
    "model", "deployment", "category", "category_group",
    "forecast_k", "forecast_n", "forecast_per_100k", "forecast_lower_per_100k", "forecast_upper_per_100k",
    "observed_k", "observed_n", "observed_per_100k", "observed_lower_per_100k", "observed_upper_per_100k",
    "observed_missing", "forecast_design_effect", "observed_design_effect",
    "predecessor_sim_k", "predecessor_sim_n", "predecessor_sim_per_100k",
    "predecessor_production_k", "predecessor_production_n", "predecessor_production_per_100k",
    "predecessor_production_design_effect",
    "predicted_count_lower", "predicted_count_upper", "observed_in_prediction", "pit",
    "sme", "sme_lower", "sme_upper", "sme_noise_floor_median", "sme_noise_floor_p90", "baseline_sme", "comparable",
    "p_value", "p_benjamini_hochberg", "missed",
    "log_score", "baseline_log_score", "predictive_log_score",
    "observed_ratio", "observed_ratio_lower", "observed_ratio_upper", "observed_p_value", "moved",
    "forecast_direction", "observed_direction", "paired_direction",
    "direction_correct", "rise_probability", "direction_probability", "called_direction", "called_correct",
    "ratio_per_100k", "ratio_sme", "ratio_log_score", "ratio_direction", "detectable_per_100k",
    "stack_hash", "forecast_hash", "kind", "sandbox",
)  # fmt: skip


def log_score(k: ArrayLike, n: ArrayLike, rate: ArrayLike) -> np.ndarray:
    """Binomial negative log-likelihood (natural log, lower is better) of the observed (k, n) under a rate.

    Pass a Jeffreys-smoothed rate: a forecast of exactly 0 would score infinity at the first event. The
    binomial coefficient is included; it cancels between two forecasts of the same outcome. NaN where n = 0 or
    the rate is NaN.
    """
    k, n, rate = as_counts(k=k, n=n, rate=rate)
    if np.any((rate <= 0) | (rate >= 1)):
        raise EstimationError(
            "rate: the log score needs rates strictly between 0 and 1; pass jeffreys_rate(k, n)."
        )
    coefficient = special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)
    value = -(coefficient + special.xlogy(k, rate) + special.xlog1py(n - k, -rate))
    return np.where(n > 0, value, np.nan)


def sme_interval(
    k1: ArrayLike,
    n1: ArrayLike,
    k2: ArrayLike,
    n2: ArrayLike,
    level: float = 0.95,
    design_effect_1: ArrayLike = 1.0,
    design_effect_2: ArrayLike = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Limits (lower, upper) of the SME of the two rates behind the counts, element by element; lower >= 1.

    What max(r, 1/r) takes over the ratio's interval (`ratio_interval`): lower is 1 where that holds 1, because equal
    rates are then among the possible ones. Both counts' sampling error is in it, so it covers at least as often as the
    ratio's, and more often where the rates are nearly equal. NaN where an exposure is 0 or a value is NaN.
    """
    k1, n1, k2, n2, d1, d2 = as_counts(k1=k1, n1=n1, k2=k2, n2=n2, d1=design_effect_1, d2=design_effect_2)
    lower, upper = np.full(k1.shape, np.nan), np.full(k1.shape, np.nan)
    known = np.isfinite(k1 + k2 + d1 + d2) & (n1 > 0) & (n2 > 0)
    low, high = ratio_interval(k1[known], n1[known], k2[known], n2[known], level, d1[known], d2[known])
    lower[known] = np.maximum(np.maximum(low, 1 / high), 1.0)
    upper[known] = np.maximum(high, 1 / low)
    return lower, upper


def comparable(forecast_k: ArrayLike, observed_k: ArrayLike) -> np.ndarray:
    """Whether a category has enough events for its SME to mean something: forecast_k + observed_k >= 10."""
    forecast_k, observed_k = as_counts(forecast_k=forecast_k, observed_k=observed_k)
    return forecast_k + observed_k >= COMPARABLE_EVENTS


def score_forecast(
    forecast: pd.DataFrame,
    observed: pd.DataFrame,
    moved_factor: float = MOVED_FACTOR,
    seed: int = 0,
    noise_draws: int = NOISE_DRAWS,
    max_types: int = 10,
    min_hits: int = 10,
    familywise: float = 0.05,
    call_probability: float = CALL_PROBABILITY,
) -> pd.DataFrame:
    """One row per forecast category (sorted by model, category) with exactly CALIBRATION_COLUMNS.

    forecast: rows of registered_forecasts of one or more models; observed: rows of observed_rates, of which
    those with source 'production' are used, joined on (model, category). Both must carry the same stack hash.

    Counts in the measures are rate * n, which is k when every turn had the same inclusion probability; k
    itself is passed through, and decides `comparable`. Under a cascade they are those of `counts_as_read`, also the
    predicted ones. `predicted_count_*` and `rise_probability` use the effective counts; the predecessor carries no
    design effect, so the forecast's stands in for it. `rise_probability` holds sampling error only (no tau): P(X->Y
    rate >= moved_factor * predecessor's production rate). Directions compare raw rates, so two zero rates are no
    direction. `detectable_per_100k` is for forecast_n audited samples.

    `called_direction` is the sign of X's minus Y's production rate where the forecast gives it more than
    `call_probability` (`direction_probability`, tau included), 0 where it abstains; `called_correct` is null unless a
    direction was called and one was observed. `ratio_*` score the unshrunk ratio (`ratio_baseline`), null without Y→Y or
    Y's production; `ratio_per_100k` also where Y→Y shows no event.

    Measures that need an absent number (n = 0, no predecessor) are null.
    Raises EstimationError for missing columns, repeated or unmatched categories, or different stack hashes.
    """
    table = _joined(forecast, observed)
    # 1 the forecast, 2 the outcome, 0 the predecessor's production: weighted counts, turns, design effects.
    x1, n1, d1 = counts_as_read(table["rate_per_100k"], table["n"], table["design_effect"])
    x2, n2, d2 = counts_as_read(
        table["observed_per_100k"], table["observed_n"], table["observed_design_effect"]
    )
    x0, n0, d0 = counts_as_read(
        table["predecessor_production_rate_per_100k"],
        table["predecessor_production_n"],
        table["predecessor_production_design_effect"],
    )

    smoothed, smoothed_observed = jeffreys_rate(x1, n1), jeffreys_rate(x2, n2)
    smoothed_old = jeffreys_rate(x0, n0)
    tau = as_floats(table["tau"])
    lower, upper, sme_lower, sme_upper = _intervals(x1, n1, d1, x2, n2, d2, tau, as_floats(table["level"]))
    floor_median, floor_p90 = sme_noise_floor(x1, n1, x2, n2, noise_draws, seed, d1, d2)
    forecast_direction = direction(_per_turn(x1, n1), _per_turn(x0, n0))
    observed_direction = direction(_per_turn(x2, n2), _per_turn(x0, n0))
    sim, sim_n, _ = counts_as_read(
        table["predecessor_sim_rate_per_100k"], table["predecessor_sim_n"], table["design_effect"]
    )
    paired_direction = direction(_per_turn(x1, n1), _per_turn(sim, sim_n))
    probability = direction_probability(x1, n1, x0, n0, tau, d1, d0)
    called = called_direction(probability, call_probability)
    ratio, ratio_smoothed, ratio_direction = ratio_rates((x1, n1), (sim, sim_n), (x0, n0))
    pair = (n1 > 0) & (n0 > 0)
    rise = np.full(len(table), np.nan)
    rise[pair] = rise_probability(x1[pair], n1[pair], x0[pair], n0[pair], moved_factor, d1[pair], d0[pair])

    renamed = {
        "k": "forecast_k",
        "n": "forecast_n",
        "rate_per_100k": "forecast_per_100k",
        "lower_per_100k": "forecast_lower_per_100k",
        "upper_per_100k": "forecast_upper_per_100k",
        "design_effect": "forecast_design_effect",
        "predecessor_sim_rate_per_100k": "predecessor_sim_per_100k",
        "predecessor_production_rate_per_100k": "predecessor_production_per_100k",
    }
    out = table.rename(columns=renamed)
    for predecessor in (
        "predecessor_sim",
        "predecessor_production",
    ):  # absent for the first deployment of a study
        for count in ("k", "n"):
            out[f"{predecessor}_{count}"] = _nullable(as_floats(out[f"{predecessor}_{count}"]), "Int64")
        out[f"{predecessor}_per_100k"] = as_floats(out[f"{predecessor}_per_100k"])
    out["predecessor_production_design_effect"] = as_floats(out["predecessor_production_design_effect"])
    out["predicted_count_lower"], out["predicted_count_upper"] = (
        _nullable(lower, "Int64"),
        _nullable(upper, "Int64"),
    )
    # The predicted counts are whole; a weighted count of 5.02 is the count 5.
    whole = np.rint(x2)
    inside = np.where(np.isnan(lower), np.nan, (whole >= lower) & (whole <= upper))
    out["observed_in_prediction"] = _nullable(inside, "boolean")
    out["pit"] = pit(x2, x1, n1, n2, tau, d1, d2)
    out["sme"] = sme(smoothed, smoothed_observed)
    out["sme_lower"], out["sme_upper"] = sme_lower, sme_upper
    out["sme_noise_floor_median"], out["sme_noise_floor_p90"] = floor_median, floor_p90
    out["baseline_sme"] = sme(smoothed_old, smoothed_observed)
    out["comparable"] = (
        comparable(as_floats(table["k"]), as_floats(table["observed_k"])) & (n1 > 0) & (n2 > 0)
    )
    tests = equal_rate_tests(
        (x1, n1, d1), (x2, n2, d2), (x0, n0, d0), as_floats(table["level"]), table["model"].to_numpy()
    )
    out = out.assign(**tests | {"missed": _nullable(tests["missed"], "boolean")})
    out["log_score"] = log_score(x2, n2, smoothed)
    out["baseline_log_score"] = log_score(x2, n2, smoothed_old)
    out["predictive_log_score"] = predictive_log_score(x2, x1, n1, n2, tau, d1, d2)
    out["observed_ratio"] = smoothed_observed / smoothed_old
    known = (n2 > 0) & (n0 > 0)
    out["moved"] = _nullable(np.where(known, moved(x2, n2, x0, n0, moved_factor), np.nan), "boolean")
    out["forecast_direction"] = _nullable(forecast_direction, "Int8")
    out["observed_direction"] = _nullable(observed_direction, "Int8")
    out["paired_direction"] = _nullable(paired_direction, "Int8")
    out["direction_correct"] = _nullable(_agree(forecast_direction, observed_direction), "boolean")
    out["rise_probability"] = rise
    out["direction_probability"] = probability
    out["called_direction"] = _nullable(called, "Int8")
    out["called_correct"] = _nullable(_agree(called, observed_direction), "boolean")
    out["ratio_per_100k"] = PER * ratio
    out["ratio_sme"] = sme(ratio_smoothed, smoothed_observed)
    out["ratio_log_score"] = log_score(x2, n2, ratio_smoothed)
    out["ratio_direction"] = _nullable(ratio_direction, "Int8")
    out["detectable_per_100k"] = PER * detectable_rate(as_floats(table["n"]), max_types, min_hits, familywise)
    return out[list(CALIBRATION_COLUMNS)]


def _joined(forecast: pd.DataFrame, observed: pd.DataFrame) -> pd.DataFrame:
    """Forecast rows with the production columns beside them, or an EstimationError."""
    require_columns(forecast, FORECAST_COLUMNS, "forecast")
    require_columns(observed, OBSERVED_COLUMNS, "observed")
    models = set(forecast["model"])
    observed = observed[(observed["source"] == "production") & observed["model"].isin(models)]
    keys = ["model", "category"]
    for name, rows in (("forecast", forecast), ("observed", observed)):
        repeated = rows[rows.duplicated(keys)]
        if len(repeated):
            raise EstimationError(
                f"{name}: {len(repeated)} rows repeat a (model, category), first "
                f"{tuple(repeated[keys].iloc[0])}; pool weeks before scoring "
                "(estimate_rates by model and category)."
            )
    taken = [
        "k",
        "n",
        "missing",
        "design_effect",
        "rate_per_100k",
        "lower_per_100k",
        "upper_per_100k",
        "stack_hash",
    ]
    names = {column: f"observed_{column.replace('rate_per', 'per')}" for column in taken}
    table = forecast.merge(
        observed[[*keys, *taken]].rename(columns=names), on=keys, how="outer", indicator=True
    )
    alone = table[table["_merge"] != "both"]
    if len(alone):
        first = tuple(alone[keys].iloc[0])
        side = "observed" if alone["_merge"].iloc[0] == "left_only" else "forecast"
        raise EstimationError(
            f"{side}: no row for (model, category) {first}, {len(alone)} unmatched in all; a forecast "
            "is scored on the categories that it froze, so grade production with the same taxonomy."
        )
    different = table[table["stack_hash"] != table["observed_stack_hash"]]
    if len(different):
        raise EstimationError(
            f"observed.stack_hash differs from the forecast's for {len(different)} categories of "
            f"{set(different['model'])}; grade production again with the sealed measurement stack."
        )
    return table.sort_values(keys, ignore_index=True)


def _per_turn(counts: np.ndarray, n: np.ndarray) -> np.ndarray:
    return np.divide(counts, n, out=np.full(len(counts), np.nan), where=n > 0)


def _agree(called: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """1.0 or 0.0 where both are directions; NaN where one is absent or no direction."""
    return np.where(np.nan_to_num(called * seen) != 0, called == seen, np.nan)


def _intervals(x1, n1, d1, x2, n2, d2, tau, level) -> np.ndarray:
    """Limits of the predicted count and of the SME, four rows; NaN without turns on both sides."""
    limits = np.full((4, len(x1)), np.nan)
    for i in np.flatnonzero((n1 > 0) & (n2 > 0)):
        limits[:2, i] = prediction_interval(x1[i], n1[i], n2[i], tau[i], level[i], d1[i], d2[i])
        limits[2:, i] = sme_interval(x1[i], n1[i], x2[i], n2[i], level[i], d1[i], d2[i])
    return limits


def _nullable(values: np.ndarray, dtype: str) -> pd.Series:
    """Float array with NaN as a nullable column."""
    return pd.Series(
        pd.array([None if np.isnan(value) else value for value in values], dtype="Float64")
    ).astype(dtype)

"""Forecasts of the same rate by other routes, sealed beside the raw pooled one and scored like it.

`weeks` discounts the weeks of the window towards the newest (`estimation.forecast.weeks`); `reweighted` weighs the sampled
turns to the mix of the traffic that is forecast (`estimation.shift`), where that mix is known. Which route is better is decided
by scores and not beforehand; the main columns of the sealed forecast stay the raw pooled rate.
"""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pyarrow as pa

from depsim_dagster.config import WEEK, StudyConfig
from depsim_dagster.estimation.calibration.scoring import comparable, jeffreys_rate, log_score, sme
from depsim_dagster.estimation.counts import as_floats, counts_as_read
from depsim_dagster.estimation.forecast.components import shift_component
from depsim_dagster.estimation.forecast.predictive import pit, prediction_interval, predictive_log_score
from depsim_dagster.estimation.forecast.weeks import combine_weeks
from depsim_dagster.estimation.rates import estimate_rates
from depsim_dagster.estimation.shift.reweighted import reweighted_rates
from depsim_dagster.estimation.shift.schema import TRAFFIC_SHIFT
from depsim_dagster.lake import Lake
from depsim_dagster.registry.schema import POST_RELEASE_CALIBRATION, VARIANT_CALIBRATION
from depsim_dagster.registry.seal import verified_forecast

POOLED, WEEKS, REWEIGHTED = "pooled", "weeks", "reweighted"
VARIANT_COLUMNS = ["rate_per_100k", "lower_per_100k", "upper_per_100k", "n", "design_effect", "note"]


def forecast_variants(config: StudyConfig, lake: Lake, model: str, labels: pd.DataFrame) -> pd.DataFrame:
    """Rows `category`, `variant` and VARIANT_COLUMNS of the candidate's labels (with COVARIATE_COLUMNS) on the forecast weeks.

    Raises:
        EstimationError: traffic_shift of the candidate was made from other turns.
    """
    level = config.estimation.level
    weekly = estimate_rates(labels, ["week", "category"], level)
    ahead = _weeks_ahead(config, model, dt.date.fromisoformat(max(labels["week"])))
    found = [combine_weeks(weekly, config.estimation.discount, ahead, level).assign(variant=WEEKS)]
    shift = _shift(lake, model)
    if shift is not None:
        head = shift.iloc[0]
        note = f"{head['method']}, target {head['target_mix']}" + (
            f"; {head['warning']}" if pd.notna(head["warning"]) else ""
        )
        rates = reweighted_rates(labels, shift, ["category"], level)
        found.append(rates.assign(variant=REWEIGHTED, note=note))
    return pd.concat([rows[["category", "variant", *VARIANT_COLUMNS]] for rows in found], ignore_index=True)


def shift_errors(rates: pd.DataFrame, variants: pd.DataFrame) -> np.ndarray:
    """What the known shift of the traffic adds to the forecast error of each row of `rates`
    (`estimation.forecast.components.shift_component`); 0 without a reweighted rate."""
    reweighted = variants[variants["variant"] == REWEIGHTED].set_index("category").reindex(rates["category"])
    return shift_component(
        rates["rate_per_100k"],
        rates["n"],
        rates["design_effect"],
        reweighted["rate_per_100k"].to_numpy(),
        reweighted["design_effect"].to_numpy(),
    )


def variants_by_category(variants: pd.DataFrame) -> pd.Series:
    """The variants of each category as the list of the sealed row, in a fixed order."""
    ordered = variants.sort_values(["category", "variant"]).astype(object)
    ordered = ordered.where(ordered.notna(), None)
    return ordered.groupby("category")[["variant", *VARIANT_COLUMNS]].apply(
        lambda rows: rows.to_dict("records")
    )


def variant_calibration_rows(lake: Lake, model: str) -> pa.Table:
    """VARIANT_CALIBRATION of `model`: the pooled forecast and every sealed variant against the observed rates.

    Raises:
        LakeError: the forecast is not scored yet. RegistryError: it was edited after sealing.
    """
    scored = (
        lake.read(POST_RELEASE_CALIBRATION, {"model": model}).to_pandas().set_index("category", drop=False)
    )
    sealed = verified_forecast(lake, model).to_pandas().set_index("category", drop=False)
    pooled = sealed.assign(variant=POOLED)[["category", "variant", *VARIANT_COLUMNS[:-1]]]
    others = [
        {"category": category} | dict(variant)
        for category, variants in sealed["variants"].items()
        for variant in variants
    ]
    rows = pd.concat([pooled, pd.DataFrame(others, columns=[*pooled.columns, "note"])], ignore_index=True)
    of = scored.loc[rows["category"]].reset_index(drop=True)
    tau, level = (sealed.loc[rows["category"], name].to_numpy(dtype=float) for name in ("tau", "level"))
    # The reweighted rate has the shift in it that widens the others.
    shift = pd.Series(shift_errors(sealed, rows), sealed.index).loc[rows["category"]].to_numpy()
    tau = np.where(rows["variant"] == REWEIGHTED, np.sqrt(np.maximum(tau**2 - shift**2, 0.0)), tau)
    out = of.assign(
        variant=rows["variant"],
        forecast_per_100k=as_floats(rows["rate_per_100k"]),
        forecast_n=as_floats(rows["n"]),
        forecast_design_effect=as_floats(rows["design_effect"]),
        **score_variant(rows, of, tau, level),
    ).sort_values(["category", "variant"], ignore_index=True)
    return pa.Table.from_pandas(
        out[VARIANT_CALIBRATION.schema.names], schema=VARIANT_CALIBRATION.schema, preserve_index=False
    )


def score_variant(
    rows: pd.DataFrame, observed: pd.DataFrame, tau: np.ndarray, level: np.ndarray
) -> dict[str, object]:
    """The measures of `scoring.score_forecast` for forecasts of VARIANT_COLUMNS, row by row; null where a side has no turn."""
    x1, n1, d1 = counts_as_read(rows["rate_per_100k"], rows["n"], rows["design_effect"])
    sides = (observed[f"observed_{name}"] for name in ("per_100k", "n", "design_effect"))
    x2, n2, d2 = counts_as_read(*sides)
    smoothed, seen = jeffreys_rate(x1, n1), jeffreys_rate(x2, n2)
    known = (n1 > 0) & (n2 > 0)
    limits = [
        prediction_interval(x1[i], n1[i], n2[i], tau[i], level[i], d1[i], d2[i]) if known[i] else (None, None)
        for i in range(len(rows))
    ]
    lower, upper = (pd.array([pair[side] for pair in limits], dtype="Int64") for side in (0, 1))
    whole = pd.array([round(x) if some else None for x, some in zip(x2, known, strict=True)], dtype="Int64")
    return {
        "sme": sme(smoothed, seen),
        "log_score": log_score(x2, n2, smoothed),
        "predictive_log_score": predictive_log_score(x2, x1, n1, n2, tau, d1, d2),
        "predicted_count_lower": lower,
        "predicted_count_upper": upper,
        "observed_in_prediction": (whole >= lower) & (whole <= upper),
        "pit": pit(x2, x1, n1, n2, tau, d1, d2),
        "comparable": comparable(np.nan_to_num(x1), as_floats(observed["observed_k"])) & known,
    }


def variant_summary(rows: pd.DataFrame) -> pd.DataFrame:
    """What a reader compares: per variant the median SME of the comparable categories and the mean scores."""
    scored = rows[rows["observed_in_prediction"].notna()]
    grouped = scored.groupby("variant", sort=True)
    return pd.DataFrame(
        {
            "categories": grouped.size(),
            "median_sme": scored[scored["comparable"]].groupby("variant")["sme"].median(),
            "mean_log_score": grouped["log_score"].mean(),
            "mean_predictive_log_score": grouped["predictive_log_score"].mean(),
            "inside": grouped["observed_in_prediction"].sum(),
        }
    ).reset_index()


def _shift(lake: Lake, model: str) -> pd.DataFrame | None:
    """Weights of the candidate's turns; None where there is no target mix."""
    if lake.manifest(TRAFFIC_SHIFT, {"model": model}) is None:
        return None
    shift = lake.read(TRAFFIC_SHIFT, {"model": model}).to_pandas()
    return shift if len(shift) else None


def _weeks_ahead(config: StudyConfig, model: str, last: dt.date) -> float:
    """Weeks from the last sampled one to the middle of the window that is forecast."""
    window = config.observation_weeks(model)
    if not window:
        return 1.0
    return float(np.mean([(week - last) / WEEK for week in window]))

"""A study's scores in one row per candidate and group: the SME beside the noise floor of that very statistic, the
forecast error that remains without sampling noise, and how often intervals held and called directions were right.

A median SME is judged against the *median SME* that a perfect forecast would show over the same categories, which
is lower than the median of the categories' own floors (`noise_floor`). That is a bootstrap over counts, and tau a
likelihood of counts, so both are summarised here and nowhere else; report and marts read the rows. Not here: means of
scores and directions by signs, which the dbt marts aggregate.
"""

from itertools import product

import numpy as np
import pandas as pd
from scipy import stats

from depsim_dagster.estimation.calibration.noise_floor import NOISE_DRAWS, median_sme_noise_floor
from depsim_dagster.estimation.counts import as_floats, counts_as_read
from depsim_dagster.estimation.forecast.tau import TauEstimate, estimate_tau
from depsim_dagster.estimation.inputs import require_columns

ALL = "all"
MEDIAN_OF_ABSOLUTE_NORMAL = float(stats.norm.ppf(0.75))  # 0.6745
STUDY_KEYS = ["kind", "stack_hash", "sandbox"]  # never pooled over
SUMMARY_COLUMNS = (
    "model", "category_group", "kind", "stack_hash", "sandbox", "categories", "comparable_categories",
    "sme_median", "sme_median_noise_floor", "sme_median_noise_floor_p90", "baseline_sme_median",
    "sme_p90", "sme_worst", "sme_worst_category", "sme_worst_model", "ratio_sme_median",
    "tau", "tau_lower", "tau_upper", "intrinsic_sme", "intrinsic_sme_lower", "intrinsic_sme_upper",
    "inside", "inside_of", "called", "called_correct", "abstained", "called_movers", "called_movers_correct",
)  # fmt: skip
READ_COLUMNS = (
    "model", "category", "category_group", *STUDY_KEYS, "comparable", "sme", "baseline_sme", "ratio_sme",
    "forecast_n", "forecast_per_100k", "forecast_design_effect",
    "observed_n", "observed_per_100k", "observed_design_effect",
    "observed_in_prediction", "moved", "called_direction", "called_correct",
)  # fmt: skip


def calibration_summary(
    calibration: pd.DataFrame, seed: int = 0, noise_draws: int = NOISE_DRAWS, level: float = 0.95
) -> pd.DataFrame:
    """One row per kind, stack and sandbox flag, candidate and category group, `all` in either being the pooled row;
    sorted, with exactly SUMMARY_COLUMNS.

    calibration: rows of post_release_calibration (`scoring.score_forecast`). SMEs and tau are over the comparable rows,
    below ten events the ratio is mostly noise; without one they are null. Counts of intervals and calls are over all
    rows: `called` are those with a called and an observed direction, `abstained` those whose forecast calls none.

    `sme_median_noise_floor` and its p90 are the median and the 90th percentile of the median SME of a perfect forecast
    (`median_sme_noise_floor`, seeded, design effects as in the row). Quantiles interpolate linearly; of equal worst errors
    the first by name is named.

    tau: `estimate_tau` on effective counts, its interval at `level`, which takes the pairs as independent; common
    behaviours are left out, and without any other it is null. An upper limit that the data do not give is null.
    intrinsic_sme is exp(0.6745 tau), limits likewise.

    Raises EstimationError for missing columns.
    """
    require_columns(calibration, READ_COLUMNS, "calibration")
    calibration = calibration.reset_index(drop=True)
    rows, done = [], {}
    for key, study in calibration.groupby(STUDY_KEYS, sort=True):
        models, groups = sorted(study["model"].unique()), sorted(study["category_group"].unique())
        for model, group in product([*models, ALL], [*groups, ALL]):
            chosen = study[
                (study["model"].eq(model) | (model == ALL))
                & (study["category_group"].eq(group) | (group == ALL))
            ]
            if len(chosen):
                names = {"model": model, "category_group": group, **dict(zip(STUDY_KEYS, key, strict=True))}
                # With one candidate or one group the pooled row is over the same pairs.
                pairs = tuple(chosen.index)
                if pairs not in done:
                    done[pairs] = _summary(chosen, seed, noise_draws, level)
                rows.append({**names, **done[pairs]})
    out = pd.DataFrame(rows, columns=list(SUMMARY_COLUMNS))
    return out.sort_values([*STUDY_KEYS, "model", "category_group"], ignore_index=True)


def _summary(rows: pd.DataFrame, seed: int, noise_draws: int, level: float) -> dict[str, object]:
    """The statistics of one group of rows."""
    comparable = rows[rows["comparable"].astype(bool) & rows["sme"].notna()].sort_values(
        ["model", "category"]
    )
    out: dict[str, object] = {
        "categories": len(rows),
        "comparable_categories": len(comparable),
        **_intervals_and_calls(rows),
    }
    if comparable.empty:
        return out
    sides = [
        counts_as_read(*(comparable[f"{side}_{name}"] for name in ("per_100k", "n", "design_effect")))
        for side in ("forecast", "observed")
    ]
    (x1, n1, d1), (x2, n2, d2) = sides
    floor, floor_p90 = median_sme_noise_floor(x1, n1, x2, n2, noise_draws, seed, d1, d2)
    error = as_floats(comparable["sme"])
    worst = comparable.iloc[int(np.argmax(error))]
    return out | {
        "sme_median": float(np.median(error)),
        "sme_median_noise_floor": floor,
        "sme_median_noise_floor_p90": floor_p90,
        "baseline_sme_median": _median(comparable["baseline_sme"]),
        "sme_p90": float(np.quantile(error, 0.9)),
        "sme_worst": float(worst["sme"]),
        "sme_worst_category": worst["category"],
        "sme_worst_model": worst["model"],
        "ratio_sme_median": _median(comparable["ratio_sme"]),
        **_forecast_error(estimate_tau(x1 / d1, n1 / d1, x2 / d2, n2 / d2, level)),
    }


def _forecast_error(estimate: TauEstimate) -> dict[str, float | None]:
    """tau and what it does to the median SME; nothing where no pair is behind it."""
    if not estimate.forecasts:
        return {}
    limits = {"": estimate.tau, "_lower": estimate.lower, "_upper": estimate.upper}
    known = {end: value for end, value in limits.items() if np.isfinite(value)}
    return {f"tau{end}": value for end, value in known.items()} | {
        f"intrinsic_sme{end}": float(np.exp(MEDIAN_OF_ABSOLUTE_NORMAL * value))
        for end, value in known.items()
    }


def _intervals_and_calls(rows: pd.DataFrame) -> dict[str, int]:
    """How many intervals held, and how many directions were called, rightly called and abstained from."""
    inside = rows["observed_in_prediction"].astype("boolean")
    correct, moved = (rows[name].astype("boolean") for name in ("called_correct", "moved"))
    movers = correct[moved.fillna(False)]
    return {
        "inside": int(inside.sum()),
        "inside_of": int(inside.count()),
        "called": int(correct.count()),
        "called_correct": int(correct.sum()),
        "abstained": int((as_floats(rows["called_direction"]) == 0).sum()),
        "called_movers": int(movers.count()),
        "called_movers_correct": int(movers.sum()),
    }


def _median(column: pd.Series) -> float | None:
    values = as_floats(column)
    values = values[np.isfinite(values)]
    return float(np.median(values)) if len(values) else None

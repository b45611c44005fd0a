"""The SME of a whole study beside the noise floor of that very statistic: rows of calibration_summary.

A median SME is judged against the *median SME* that a perfect forecast would show over the same categories, which
is lower than the median of the categories' own floors (`noise_floor`). That is a bootstrap over counts, so SMEs
are summarised here and nowhere else; report and marts read the rows. Not here: anything that is a count or a mean
of rows (directions, log scores, shares), which the dbt marts aggregate.
"""

from itertools import product

import numpy as np
import pandas as pd

from depsim_dagster.estimation.calibration.noise_floor import NOISE_DRAWS, median_sme_noise_floor
from depsim_dagster.estimation.counts import as_floats, counts_as_read
from depsim_dagster.estimation.inputs import require_columns

ALL = "all"
STUDY_KEYS = ["kind", "stack_hash", "sandbox"]  # never pooled over
SUMMARY_COLUMNS = (
    "model", "category_group", "kind", "stack_hash", "sandbox", "categories", "comparable_categories",
    "sme_median", "sme_median_noise_floor", "sme_median_noise_floor_p90", "baseline_sme_median",
    "sme_p90", "sme_worst", "sme_worst_category", "sme_worst_model",
)  # fmt: skip
READ_COLUMNS = (
    "model", "category", "category_group", *STUDY_KEYS, "comparable", "sme", "baseline_sme",
    "forecast_n", "forecast_per_100k", "forecast_design_effect",
    "observed_n", "observed_per_100k", "observed_design_effect",
)  # fmt: skip


def calibration_summary(
    calibration: pd.DataFrame, seed: int = 0, noise_draws: int = NOISE_DRAWS
) -> pd.DataFrame:
    """One row per kind, stack and sandbox flag, candidate and category group, `all` in either being the pooled row;
    sorted, with exactly SUMMARY_COLUMNS.

    calibration: rows of post_release_calibration (`scoring.score_forecast`). Statistics are over the comparable rows,
    below ten events the ratio is mostly noise; without one they are null. `sme_median_noise_floor` and its p90 are
    the median and the 90th percentile of the median SME of a perfect forecast (`median_sme_noise_floor`, seeded,
    design effects as in the row). Quantiles interpolate linearly; of equal worst errors the first by name is named.
    Raises EstimationError for missing columns.
    """
    require_columns(calibration, READ_COLUMNS, "calibration")
    rows = []
    for key, study in calibration.groupby(STUDY_KEYS, sort=True):
        models, groups = sorted(study["model"].unique()), sorted(study["category_group"].unique())
        for model, group in product([*models, ALL], [*groups, ALL]):
            chosen = study[
                (study["model"].eq(model) | (model == ALL))
                & (study["category_group"].eq(group) | (group == ALL))
            ]
            if len(chosen):
                names = {"model": model, "category_group": group, **dict(zip(STUDY_KEYS, key, strict=True))}
                rows.append({**names, **_summary(chosen, seed, noise_draws)})
    out = pd.DataFrame(rows, columns=list(SUMMARY_COLUMNS))
    return out.sort_values([*STUDY_KEYS, "model", "category_group"], ignore_index=True)


def _summary(rows: pd.DataFrame, seed: int, noise_draws: int) -> dict[str, object]:
    """The statistics of one group of rows."""
    comparable = rows[rows["comparable"].astype(bool) & rows["sme"].notna()].sort_values(
        ["model", "category"]
    )
    out: dict[str, object] = {"categories": len(rows), "comparable_categories": len(comparable)}
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
    baseline = as_floats(comparable["baseline_sme"])
    baseline = baseline[np.isfinite(baseline)]
    return out | {
        "sme_median": float(np.median(error)),
        "sme_median_noise_floor": floor,
        "sme_median_noise_floor_p90": floor_p90,
        "baseline_sme_median": float(np.median(baseline)) if len(baseline) else None,
        "sme_p90": float(np.quantile(error, 0.9)),
        "sme_worst": float(worst["sme"]),
        "sme_worst_category": worst["category"],
        "sme_worst_model": worst["model"],
    }

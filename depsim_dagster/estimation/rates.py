"""Rates per 100,000 target turns from label rows, with weights, clusters and interval.

The estimate is Hájek's: sum of flagged weights over the sum of graded weights. A row was drawn twice, its prefix from
the traffic and, under a cascade, the turn for the full grader, so its weight is 1/(inclusion_probability *
grading_probability). Label rows of several weeks with different sampling shares pool rightly by leaving `week` out of
`by`. The interval takes users as clusters: the gamma method for rare behaviours, Korn-Graubard for common ones.
Under a cascade the known number of turns and the screen's scores of all of them would lessen the variance (by 1 % at a
rate of 0.1 %, 6 % at 1 %, 15 % at 3 %, simulated with a screen of AUC 0.95): from 1 % on they enter, by the difference
estimate of `two_phase`, and turns without a verdict still count as missing.

Outcomes that are missing may hide anything. The estimate takes them to be like the graded turns; beside it stand the
worst cases, which assume nothing: the rate if no missing turn showed the behaviour, and if all did (Manski 1989, J Human
Resources 24:343-360; 1990, Am Econ Rev 80(2):319-323). No correction for grader error: these are rates of what the
grader flags.
"""

from collections.abc import Collection

import numpy as np
import pandas as pd

from depsim_dagster.estimation.counts import PER, below_floor, resolvable_per_100k
from depsim_dagster.estimation.design_effect import WeightedSums, students_widening, variance_factors
from depsim_dagster.estimation.inputs import EstimationError, require_columns, require_level
from depsim_dagster.estimation.intervals import COMMON_FROM_RATE, gamma_limits, korn_graubard_limits
from depsim_dagster.estimation.label_rows import (
    design_weights,
    graded_flags,
    row_clusters,
    row_groups,
    status_masks,
)
from depsim_dagster.estimation.two_phase.difference import TwoPhaseRate
from depsim_dagster.estimation.two_phase.screened_groups import (
    DIFFERENCE_FROM_EVENTS,
    DIFFERENCE_FROM_RATE,
    power_tuned_groups,
)

# Only a cascade has scores of a screen; a table of labels without one may lack the column.
SCREEN_SCORE = "screen_score"
REQUIRED_COLUMNS = ("flagged", "status", "inclusion_probability", "grading_probability", "user_id")
READ_COLUMNS = (*REQUIRED_COLUMNS, SCREEN_SCORE)
RATE_COLUMNS = (
    "k", "n", "missing", "clusters", "design_effect", "effective_n", "rate_per_100k", "lower_per_100k",
    "upper_per_100k", "missing_low_per_100k", "missing_high_per_100k", "resolvable_per_100k", "level", "method",
    "below_floor",
)  # fmt: skip


def estimate_rates(
    labels: pd.DataFrame, by: list[str], level: float = 0.95, pool_over: Collection[str] = ("category",)
) -> pd.DataFrame:
    """One row per group of `by` (sorted), with the columns RATE_COLUMNS.

    labels: rows of graded_labels or production_labels; reads `flagged` (nullable bool), `status`,
    `inclusion_probability` and `grading_probability` (0 < p <= 1), `user_id` (the cluster; where null,
    `conversation_id` if the table has it, else `turn_id`) and the columns of `by`.

    Design effects are shrunk over groups that differ in the columns `pool_over` only: the categories of the same turns, and
    for strata, which have few events each, those of the other strata too. Within a group a null is a value like any other,
    and a user with rows in several groups is a cluster in each: their rates are not independent.

    k flagged rows among n graded ones, the turns that were read. `missing` counts unscored rows and missing completions,
    which are outside n. So are `screened_out` rows, for which the graded ones of the cascade stand with their weights,
    and `not_applicable` rows, which are counted nowhere. `clusters` counts users among the n. `design_effect` is the
    variance relative to n independent, equally weighted turns, shrunk over categories (`variance_factors`); under a
    cascade that reads the flagged turns with a higher probability it is below 1. effective_n = n / design_effect.
    Limits are per 100,000, two-sided at `level`, capped at 100,000.

    `missing_low_per_100k` and `missing_high_per_100k` are the worst cases of the estimate over the missing rows, each of
    which counts with its own weight; without missing rows both are the estimate. They hold no sampling error.

    method: below a rate of 5 % (`intervals.COMMON_FROM_RATE`) 'exact' or 'midp' (see `intervals.gamma_limits`);
    from 5 % on 'korn_graubard', where the Poisson limits would be more than 2.6 % too wide: at k = n the upper
    limit is 100,000 and the lower one still two-sided. 'difference_' before it: a rate from 1 % on with 30 effective
    events behind a screen, whose scores of all turns (`screen_score`) enter the power-tuned difference estimate
    (`two_phase.difference`); `design_effect` is then its variance, and k and n are still the turns that were read.
    'zero_events' when k = 0: rate 0.0, lower 0, and upper the one-sided bound to show as "below X", never below 3/n: a
    screen that finds other behaviours may be blind to this one; 'no_data' when n = 0: rate, limits and design effect NaN,
    effective_n 0, below_floor False.

    The limits widen where clusters say little of the design effect (`design_effect.students_widening`).
    `resolvable_per_100k` is the upper limit that these turns would give with no event. `below_floor` marks a rate of no
    event or below it: read it as "below 1 in N" (`counts.below_text` of the upper limit), not as a number.

    The rule looks at the estimate, so a true rate near 5 % is judged by either family; both cover it on their
    side of the rule. Raises EstimationError for missing columns, an unknown status, a graded row without label,
    or a probability outside (0, 1] on a graded or missing row.
    """
    require_level(level)
    require_columns(labels, [*by, *REQUIRED_COLUMNS], "labels")
    if not by:
        raise EstimationError("by=[]: name at least one column, for example ['model', 'category'].")
    group, out = row_groups(labels, by)
    graded, missing = status_masks(labels["status"])
    size = len(out)
    out["missing"] = np.bincount(group[missing], minlength=size)
    lost = np.bincount(group[missing], weights=design_weights(labels, missing), minlength=size)

    group_of_row, group = group, group[graded]
    flagged = graded_flags(labels["flagged"], graded)
    weight = design_weights(labels, graded)
    n = np.bincount(group, minlength=size)
    # Weights of mean 1 in each group: sums are then in units of turns, and equal weights are exactly 1.
    total = np.bincount(group, weights=weight, minlength=size)
    weight = weight * (n / np.where(total > 0, total, 1.0))[group]
    y = np.bincount(group[flagged], weights=weight[flagged], minlength=size)
    k = np.bincount(group[flagged], minlength=size)
    p = np.divide(y, n, out=np.zeros(size), where=n > 0)

    cluster, cluster_group = row_clusters(labels, graded, group)
    residual = weight * (flagged - p[group])
    square = residual * (flagged - p[group])
    users = len(cluster_group)
    totals = np.bincount(cluster, weights=residual, minlength=users) ** 2
    squares = np.bincount(cluster, weights=square, minlength=users)

    def summed(values: np.ndarray) -> np.ndarray:
        return np.bincount(cluster_group, weights=values, minlength=size)

    sums = WeightedSums(
        k=k,
        n=n,
        clusters=np.bincount(cluster_group, minlength=size),
        y=y,
        v_clustered=summed(totals),
        v_independent=np.bincount(group, weights=residual**2, minlength=size),
        kish=np.divide(
            np.bincount(group, weights=weight**2, minlength=size), n, out=np.ones(size), where=n > 0
        ),
        t4=summed(totals**2),
        t2a=summed(totals * squares),
        a2=summed(squares**2),
    )
    others = [column for column in by if column not in pool_over]
    pool = (
        out.groupby(others, dropna=False, sort=False, observed=True).ngroup().to_numpy()
        if others
        else np.zeros(size, dtype=int)
    )
    factor, relative_variance = variance_factors(sums, pool)
    tuned = _power_tuned(labels, group_of_row, graded, sums, factor)
    rates = _rates(sums, factor, relative_variance, level, tuned)
    estimate = np.nan_to_num(rates["rate_per_100k"].to_numpy()) / PER
    out["missing_low_per_100k"], out["missing_high_per_100k"] = _missing_bounds(estimate, total, lost)
    return pd.concat([out, rates], axis=1).sort_values(by, ignore_index=True)[[*by, *RATE_COLUMNS]]


def rates_of_sums(sums: WeightedSums, pool: np.ndarray, level: float = 0.95) -> pd.DataFrame:
    """The columns of `estimate_rates` that need no missing rows, one row per element of `sums`.

    This is all that `estimate_rates` does after counting, for callers that have the sums without the rows (a screen's
    difference estimate needs these); pool: see `design_effect.variance_factors`.
    """
    require_level(level)
    return _rates(sums, *variance_factors(sums, pool), level, {})


def _rates(
    sums: WeightedSums,
    factor: np.ndarray,
    relative_variance: np.ndarray,
    level: float,
    tuned: dict[int, TwoPhaseRate],
) -> pd.DataFrame:
    """Rates, limits and floor. `tuned` groups have their rate and variance from the screen's scores as well."""
    k, n, y = sums.k, sums.n, sums.y.copy()
    factor = factor.copy()
    for group, rate in tuned.items():
        y[group] = rate.rate * n[group]
        variance = max(rate.variance, rate.variance_independent)
        factor[group] = variance * n[group] / (rate.rate * (1 - rate.rate))
    widened = factor * students_widening(relative_variance, level)
    # One more event weighs as much as a turn read, or more: a factor below 1 is what the screen found, and says nothing of
    # what it does not see.
    lower, upper, method = gamma_limits(y, widened * y, np.maximum(widened, 1.0), level)
    scale = np.divide(PER, n, out=np.full(len(n), np.nan), where=n > 0)
    lower, upper = lower * scale, upper * scale
    # y sums floating-point weights, so k = n may come out a rounding error away from 1.
    p = np.divide(y, n, out=np.zeros(len(n)), where=n > 0)
    p = np.where(k == n, 1.0, np.minimum(p, 1.0))
    common = (p >= COMMON_FROM_RATE) & (n > 0)
    binomial = korn_graubard_limits(p[common], n[common], factor[common], sums.clusters[common], level)
    lower[common], upper[common] = PER * binomial[0], PER * binomial[1]
    method = np.where(common, "korn_graubard", method).astype(object)
    for group in tuned:
        method[group] = f"difference_{method[group]}"
    rate = np.where(n > 0, PER * p, np.nan)
    design_effect = np.where(n > 0, factor, np.nan)
    resolvable = resolvable_per_100k(n, design_effect, level)
    return pd.DataFrame(
        {
            "k": k,
            "n": n,
            "clusters": sums.clusters,
            "design_effect": design_effect,
            "effective_n": n / factor,
            "rate_per_100k": rate,
            "lower_per_100k": np.minimum(lower, rate),
            "upper_per_100k": np.minimum(upper, PER),
            "resolvable_per_100k": resolvable,
            "level": float(level),
            "method": np.where(n > 0, method, "no_data"),
            "below_floor": below_floor(k, rate, resolvable),
        }
    )


def _power_tuned(
    labels: pd.DataFrame,
    group: np.ndarray,
    graded: np.ndarray,
    sums: WeightedSums,
    factor: np.ndarray,
) -> dict[int, TwoPhaseRate]:
    """Groups whose rate the screen's scores sharpen: frequent enough, and with turns that the grader did not read."""
    events = np.divide(sums.y, factor)
    often = (sums.y >= DIFFERENCE_FROM_RATE * sums.n) & (events >= DIFFERENCE_FROM_EVENTS) & (sums.k < sums.n)
    if SCREEN_SCORE not in labels.columns or not often.any():
        return {}
    status = labels["status"].to_numpy(dtype=object)
    rows = (graded | np.isin(status, ("screened_out", "unscored"))) & often[group]
    if not (status[rows] == "screened_out").any():
        return {}
    flagged = np.full(int(rows.sum()), np.nan)
    read = graded[rows]
    flagged[read] = graded_flags(labels["flagged"], rows & graded)
    score = labels[SCREEN_SCORE][rows].to_numpy(dtype=float, na_value=np.nan)
    probability = labels["grading_probability"][rows].to_numpy(dtype=float, na_value=np.nan)
    weight = 1.0 / labels["inclusion_probability"][rows].to_numpy(dtype=float, na_value=np.nan)
    cluster, _ = row_clusters(labels, rows, group[rows])
    found = power_tuned_groups(
        np.flatnonzero(often).tolist(), group[rows], flagged, status[rows] != "screened_out", score, probability, weight,
        cluster,
    )  # fmt: skip
    return {number: rate for number, rate in found.items() if 0.0 < rate.rate < 1.0 and rate.variance > 0}


def _missing_bounds(p: np.ndarray, graded: np.ndarray, lost: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Per 100,000, the rate among all turns if none or all of the missing ones were flagged. `graded` and `lost` are the
    weights of the graded and of the missing rows."""
    asked = graded + lost
    share = np.divide(lost, asked, out=np.full(len(p), np.nan), where=asked > 0)
    low = p * (1 - share)
    return PER * low, PER * np.minimum(low + share, 1.0)

"""Rates per 100,000 target turns from label rows, with weights, clusters and interval.

The estimate is Hájek's: sum of flagged weights over the sum of graded weights. A row was drawn twice, its prefix from
the traffic and, under a cascade, the turn for the full grader, so its weight is 1/(inclusion_probability *
grading_probability). Label rows of several weeks with different sampling shares pool rightly by leaving `week` out of
`by`. The interval takes users as clusters: the gamma method for rare behaviours, Korn-Graubard for common ones.
Dividing by the known number of turns in place of the graded weights would lessen the variance under a cascade (by 1 % at
a rate of 0.1 %, 6 % at 1 %, 15 % at 3 %, simulated with a screen of AUC 0.95), but takes turns without a label for
turns without the behaviour.

Outcomes that are missing may hide anything. The estimate takes them to be like the graded turns; beside it stand the
worst cases, which assume nothing: the rate if no missing turn showed the behaviour, and if all did (Manski 1989, J Human
Resources 24:343-360; 1990, Am Econ Rev 80(2):319-323). No correction for grader error: these are rates of what the
grader flags.
"""

import numpy as np
import pandas as pd

from depsim_dagster.estimation.counts import PER
from depsim_dagster.estimation.inputs import EstimationError, require_columns, require_level
from depsim_dagster.estimation.intervals import COMMON_FROM_RATE, gamma_limits, korn_graubard_limits

STATUSES = ("graded", "not_applicable", "screened_out", "unscored", "missing_completion")
MISSING_STATUSES = ("unscored", "missing_completion")
READ_COLUMNS = ("flagged", "status", "inclusion_probability", "grading_probability", "user_id")
# Events' worth of the pooled design effect given to every category: ESTIMATION.md, "Small k".
POOL_EVENTS = 5.0
RATE_COLUMNS = (
    "k", "n", "missing", "clusters", "design_effect", "effective_n", "rate_per_100k", "lower_per_100k",
    "upper_per_100k", "missing_low_per_100k", "missing_high_per_100k", "level", "method", "below_floor",
)  # fmt: skip


def estimate_rates(
    labels: pd.DataFrame, by: list[str], level: float = 0.95, pool_over: str = "category"
) -> pd.DataFrame:
    """One row per group of `by` (sorted), with the columns RATE_COLUMNS.

    labels: rows of graded_labels or production_labels; reads `flagged` (nullable bool), `status`,
    `inclusion_probability` and `grading_probability` (0 < p <= 1), `user_id` (the cluster; where null,
    `conversation_id` if the table has it, else `turn_id`) and the columns of `by`.

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
    limit is 100,000 and the lower one still two-sided. 'zero_events' when k = 0: rate 0.0, below_floor True,
    lower 0, and upper the one-sided bound to show as "below X", never below 3/n: a screen that finds other behaviours
    may be blind to this one; 'no_data' when n = 0: rate, limits and design effect NaN, effective_n 0, below_floor False.

    The rule looks at the estimate, so a true rate near 5 % is judged by either family; both cover it on their
    side of the rule. Raises EstimationError for missing columns, an unknown status, a graded row without label,
    or a probability outside (0, 1] on a graded or missing row.
    """
    require_level(level)
    require_columns(labels, [*by, *READ_COLUMNS], "labels")
    if not by:
        raise EstimationError("by=[]: name at least one column, for example ['model', 'category'].")
    group, out = _groups(labels, by)
    graded, missing = _statuses(labels["status"])
    size = len(out)
    out["missing"] = np.bincount(group[missing], minlength=size)
    lost = np.bincount(group[missing], weights=_design_weights(labels, missing), minlength=size)

    group = group[graded]
    flagged = _graded_flags(labels["flagged"], graded)
    weight = _design_weights(labels, graded)
    n = np.bincount(group, minlength=size)
    # Weights of mean 1 in each group: sums are then in units of turns, and equal weights are exactly 1.
    total = np.bincount(group, weights=weight, minlength=size)
    weight = weight * (n / np.where(total > 0, total, 1.0))[group]
    y = np.bincount(group[flagged], weights=weight[flagged], minlength=size)
    k = np.bincount(group[flagged], minlength=size)
    p = np.divide(y, n, out=np.zeros(size), where=n > 0)

    cluster, cluster_group = _clusters(labels, graded, group)
    # Taylor linearisation of the ratio: residual flagged - p, summed within clusters (Cochran 1977, section
    # 11.7).
    residual = weight * (flagged - p[group])
    totals = np.bincount(cluster, weights=residual, minlength=len(cluster_group))
    v_clustered = np.bincount(cluster_group, weights=totals**2, minlength=size)
    v_independent = np.bincount(group, weights=residual**2, minlength=size)
    kish = np.divide(np.bincount(group, weights=weight**2, minlength=size), n, out=np.ones(size), where=n > 0)
    others = [column for column in by if column != pool_over]
    pool = (
        out.groupby(others, dropna=False, sort=False, observed=True).ngroup().to_numpy()
        if others
        else np.zeros(size, dtype=int)
    )
    factor = variance_factors(y, k, v_clustered, v_independent, kish, n, pool)

    clusters = np.bincount(cluster_group, minlength=size)
    # One more event weighs as much as a turn read, or more: a factor below 1 is what the screen found, and says nothing of
    # what it does not see.
    lower, upper, method = gamma_limits(y, factor * y, np.maximum(factor, 1.0), level)
    scale = np.divide(PER, n, out=np.full(size, np.nan), where=n > 0)
    lower, upper = lower * scale, upper * scale
    # y sums floating-point weights, so k = n may come out a rounding error away from 1.
    p = np.where(k == n, 1.0, np.minimum(p, 1.0))
    common = (p >= COMMON_FROM_RATE) & (n > 0)
    binomial = korn_graubard_limits(p[common], n[common], factor[common], clusters[common], level)
    lower[common], upper[common] = PER * binomial[0], PER * binomial[1]
    method = np.where(common, "korn_graubard", method)
    out["k"], out["n"], out["clusters"] = k, n, clusters
    out["design_effect"] = np.where(n > 0, factor, np.nan)
    out["effective_n"] = n / factor
    out["rate_per_100k"] = np.where(n > 0, PER * p, np.nan)
    out["lower_per_100k"] = np.minimum(lower, out["rate_per_100k"])
    out["upper_per_100k"] = np.minimum(upper, PER)
    out["missing_low_per_100k"], out["missing_high_per_100k"] = _missing_bounds(p, total, lost)
    out["level"] = float(level)
    out["method"] = np.where(n > 0, method, "no_data")
    out["below_floor"] = (n > 0) & (k == 0)
    return out.sort_values(by, ignore_index=True)[[*by, *RATE_COLUMNS]]


def variance_factors(
    y: np.ndarray,
    k: np.ndarray,
    v_clustered: np.ndarray,
    v_independent: np.ndarray,
    kish: np.ndarray,
    n: np.ndarray,
    pool: np.ndarray,
) -> np.ndarray:
    """Design effect of each group, shrunk towards its pool: s = (v + 5 m s_pool) / (e + 5 m), ESTIMATION.md.

    All arrays have one element per group, in units of turns (weights of mean 1): y the weighted count of the k
    flagged turns, v_clustered and v_independent its linearised variance with and without clusters, kish the
    mean squared weight, n the graded turns, pool an integer that groups share when they pool (the categories
    of one model).

    e = y (1 - y/n) is the variance that y would have with independent, equally weighted turns, so the factor is
    exactly 1 for these at any rate; it is also what v is worth as evidence: y events at a low rate, n - y
    non-events near a rate of 1, nothing where all turns agree. m is the weight of a flagged turn, pooled: 1 but
    for a screen that sends flagged turns to the grader with a higher probability, whose five events weigh less.

    The factor is never below the one for independent rows (no credit for a negative intraclass correlation). An
    event that was not seen may carry any weight, so the pool of the independent rows is shrunk in turn towards the
    pooled `kish`, what an event weighs whose risk has nothing to do with its weight, by the same five events.
    Always > 0.
    """
    e = y * np.clip(1 - y / np.maximum(n, 1), 0.0, 1.0)
    # Where all turns agree, rounding alone would be left over.
    e = np.where(e > 1e-9 * np.maximum(y, 1), e, 0.0)
    pools = int(pool.max()) + 1 if len(pool) else 0

    def summed(values: np.ndarray) -> np.ndarray:
        return np.bincount(pool, weights=values, minlength=pools)[pool]

    def ratio(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
        return np.divide(top, bottom, out=np.ones(len(pool)), where=bottom > 0)

    prior = POOL_EVENTS * ratio(summed(y), summed(k))
    pooled_e, s_kish = summed(e), ratio(summed(kish * n), summed(n))
    v_clustered, v_independent = (np.where(e > 0, v, 0.0) for v in (v_clustered, v_independent))
    least = (summed(v_independent) + prior * s_kish) / (pooled_e + prior)
    return np.maximum(
        *(
            (v + prior * np.maximum(ratio(summed(v), pooled_e), least)) / (e + prior)
            for v in (v_clustered, v_independent)
        )
    )


def _missing_bounds(p: np.ndarray, graded: np.ndarray, lost: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Per 100,000, the rate among all turns if none or all of the missing ones were flagged. `graded` and `lost` are the
    weights of the graded and of the missing rows."""
    asked = graded + lost
    share = np.divide(lost, asked, out=np.full(len(p), np.nan), where=asked > 0)
    low = p * (1 - share)
    return PER * low, PER * np.minimum(low + share, 1.0)


def _groups(labels: pd.DataFrame, by: list[str]) -> tuple[np.ndarray, pd.DataFrame]:
    """Group number of every row, and the groups' key columns in that order."""
    key = np.zeros(len(labels), dtype=np.int64)
    for column in by:
        codes, values = pd.factorize(labels[column], use_na_sentinel=False)
        key = key * max(len(values), 1) + codes
    group, keys = pd.factorize(key)
    first = np.full(len(keys), len(labels), dtype=np.int64)
    np.minimum.at(first, group, np.arange(len(labels)))
    return group, labels[by].iloc[first].reset_index(drop=True)


def _statuses(status: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Masks of graded and of missing rows."""
    codes, values = pd.factorize(status, use_na_sentinel=False)
    unknown = [value for value in values if value not in STATUSES]
    if unknown:
        raise EstimationError(f"labels.status: unknown values {unknown}; the vocabulary is {STATUSES}.")
    graded = np.array([value == "graded" for value in values], dtype=bool)
    missing = np.array([value in MISSING_STATUSES for value in values], dtype=bool)
    return graded[codes], missing[codes]


def _graded_flags(flagged: pd.Series, graded: np.ndarray) -> np.ndarray:
    """Booleans of the graded rows."""
    flags = pd.array(flagged[graded], dtype="boolean")
    if flags.isna().any():
        raise EstimationError(
            f"labels.flagged: null on {int(flags.isna().sum())} rows whose status is 'graded'; "
            "such a row is 'unscored'."
        )
    return flags.to_numpy(dtype=bool)


def _design_weights(labels: pd.DataFrame, rows: np.ndarray) -> np.ndarray:
    """1 / (inclusion probability * grading probability) of the masked rows."""
    weight = np.ones(int(rows.sum()))
    for name in ("inclusion_probability", "grading_probability"):
        probability = labels[name][rows].to_numpy(dtype=float, na_value=np.nan)
        bad = ~((probability > 0) & (probability <= 1))
        if bad.any():
            raise EstimationError(
                f"labels.{name}: {int(bad.sum())} graded or missing rows are null or outside (0, 1]; it is stored before "
                "the draw, so repair the partition of sampled_traffic or of the labels."
            )
        weight /= probability
    return weight


def _clusters(labels: pd.DataFrame, graded: np.ndarray, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(cluster number within its group for every graded row, group of every such cluster)."""
    codes, values = pd.factorize(labels["user_id"])
    codes = codes.astype(np.int64)[graded]
    alone = codes < 0
    span = len(values)
    if alone.any():
        column = next((name for name in ("conversation_id", "turn_id") if name in labels.columns), None)
        own = labels[column][graded][alone] if column else None
        if own is None or own.isna().any():
            raise EstimationError(
                f"labels.user_id: null on {int(alone.sum())} graded rows without a conversation_id or "
                "turn_id to stand in for the cluster."
            )
        own_codes, own_values = pd.factorize(own)
        codes[alone] = span + own_codes
        span += len(own_values)
    cluster, pairs = pd.factorize(group * np.int64(max(span, 1)) + codes)
    return cluster, pairs // max(span, 1)

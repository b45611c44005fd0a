"""The candidate beside its predecessor on the same prefixes, from the label rows of both: X→Y against Y→Y.

What the simulation gets wrong for both models alike (tools, system prompt, the prefixes themselves) cancels in the ratio,
which is why the comparison is worth more than the two rates. A pair is one prefix and completion index that both models
answered and whose label is known for both. Weights are 1/inclusion_probability of the prefix, times 1/grading_probability
of each side under a cascade: a turn that the cascade did not draw counts as not flagged, and the drawn ones stand for it.
Users are the clusters. Not here: counts to intervals (`paired`), the tables of the lake (`assets`).
"""

import numpy as np
import pandas as pd

from depsim_dagster.estimation.comparison.multiplicity import (
    FALSE_DISCOVERY_RATE,
    benjamini_hochberg,
    holm,
)
from depsim_dagster.estimation.comparison.paired import (
    mcnemar_p_value,
    paired_ratio_interval,
    paired_rise_probability,
)
from depsim_dagster.estimation.counts import PER
from depsim_dagster.estimation.inputs import EstimationError, require_columns, require_level

PAIR_KEYS = ["turn_id", "completion_index"]
PAIR_COLUMNS = (
    *PAIR_KEYS, "category", "flagged", "status", "inclusion_probability", "grading_probability", "user_id",
)  # fmt: skip
COMPARISON_COLUMNS = (
    "category", "pairs", "both", "only_candidate", "only_predecessor", "candidate_per_100k", "predecessor_per_100k",
    "ratio", "ratio_lower", "ratio_upper", "p_value", "p_benjamini_hochberg", "p_holm", "rise_probability", "rose",
    "design_effect", "method", "level", "users",
)  # fmt: skip
# Statuses under which a label is known, or known not to have been drawn.
_KNOWN = ("graded", "screened_out")
# Events' worth of the pooled design effect that every category is given (ESTIMATION.md, "Small k").
_POOL_EVENTS = 5.0


def compare_on_same_prefixes(
    candidate: pd.DataFrame, predecessor: pd.DataFrame, level: float = 0.95
) -> pd.DataFrame:
    """One row per category that either table has, sorted, with COMPARISON_COLUMNS.

    candidate, predecessor: rows of graded_labels with PAIR_COLUMNS, of one model each. both, only_candidate and
    only_predecessor count pairs as they were read; the rates are weighted, per 100,000 pairs; `ratio` is candidate over
    predecessor, NaN where neither was flagged and infinite where the predecessor never was. `design_effect` is the variance
    of the difference relative to independent pairs of equal weight, shrunk over categories. The interval
    ('paired_score'), McNemar's exact p-value and P(ratio >= 1.5) take the weighted counts divided by it. `rose` is a ratio
    above 1 that Benjamini-Hochberg names at 10 % over the categories. method 'no_pairs': nothing to compare, NaN.

    Raises EstimationError for missing columns, a pair with two labels, an unlabelled graded row, or a probability
    outside (0, 1].
    """
    require_level(level)
    for name, labels in (("candidate", candidate), ("predecessor", predecessor)):
        require_columns(labels, PAIR_COLUMNS, f"labels of the {name}")
    categories = sorted(set(candidate["category"]) | set(predecessor["category"]))
    sides = [dict(list(labels.groupby("category", sort=False))) for labels in (candidate, predecessor)]
    tables = [
        _paired_counts(*(side.get(category, candidate.iloc[:0]) for side in sides)) for category in categories
    ]
    out = pd.DataFrame(tables, columns=_COUNTED).assign(category=categories)
    effect = _design_effects(out)
    both, only_1, only_2 = (out[name].to_numpy(float) / effect for name in ("w_both", "w_only_1", "w_only_2"))
    lower, upper = paired_ratio_interval(both, only_1, only_2, level)
    there = out["pairs"].to_numpy() > 0

    def known(values: np.ndarray) -> np.ndarray:
        return np.where(there, values, np.nan)

    y1, y2 = out["w_both"] + out["w_only_1"], out["w_both"] + out["w_only_2"]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = y1.to_numpy() / y2.to_numpy()
        scale = PER / out["pairs"].to_numpy(float)
    p = known(mcnemar_p_value(only_1, only_2))
    adjusted = benjamini_hochberg(p)
    out = out.assign(
        candidate_per_100k=known(y1 * scale),
        predecessor_per_100k=known(y2 * scale),
        ratio=known(ratio),
        ratio_lower=known(lower),
        ratio_upper=known(upper),
        p_value=p,
        p_benjamini_hochberg=adjusted,
        p_holm=holm(p),
        rise_probability=known(paired_rise_probability(both, only_1, only_2)),
        rose=(adjusted <= FALSE_DISCOVERY_RATE) & (y1 > y2).to_numpy(),
        design_effect=known(effect),
        method=np.where(there, "paired_score", "no_pairs"),
        level=float(level),
    )
    return out[list(COMPARISON_COLUMNS)]


# What one category's pairs come to: counts as read, weighted counts in units of pairs, and the sums of squares that make
# its design effect: of users' totals, of pairs, and as independent pairs of equal weight would have it.
_COUNTED = [
    "pairs", "users", "both", "only_candidate", "only_predecessor", "w_both", "w_only_1", "w_only_2",
    "v_clustered", "v_independent", "v_model", "kish",
]  # fmt: skip


def _paired_counts(candidate: pd.DataFrame, predecessor: pd.DataFrame) -> dict[str, float]:
    sides = [labels[labels["status"].isin(_KNOWN)] for labels in (candidate, predecessor)]
    for side in sides:
        if side.duplicated(PAIR_KEYS).any():
            raise EstimationError(
                f"labels: {int(side.duplicated(PAIR_KEYS).sum())} rows repeat a turn_id and completion_index within a "
                "category; pass the labels of one model under one measurement stack."
            )
    pairs = sides[0].merge(
        sides[1][[*PAIR_KEYS, "flagged", "status", "grading_probability"]],
        on=PAIR_KEYS,
        suffixes=("_1", "_2"),
    )
    if not len(pairs):
        return dict.fromkeys(_COUNTED, 0.0) | {"kish": 1.0}
    base = 1.0 / _probabilities(pairs["inclusion_probability"], "inclusion_probability")
    base = base / base.mean()
    flags, weighted = [], []
    for side in ("_1", "_2"):
        read = (pairs[f"status{side}"] == "graded").to_numpy()
        flag = np.zeros(len(pairs), dtype=bool)
        labels = pairs[f"flagged{side}"][read]
        if labels.isna().any():
            raise EstimationError(
                f"labels.flagged: null on {int(labels.isna().sum())} rows whose status is 'graded'; such a row is 'unscored'."
            )
        flag[read] = labels.astype(bool)
        weight = base[flag] / _probabilities(pairs[f"grading_probability{side}"][flag], "grading_probability")
        flags.append(flag)
        weighted.append(np.zeros(len(pairs)))
        weighted[-1][flag] = weight
    one, two = weighted
    # Of two unequal weights (a cascade) the smaller is what the sides surely share; the rest counts as apart.
    shared = float(np.minimum(one, two).sum())
    y1, y2 = float(one.sum()), float(two.sum())
    # Of the difference and not of y1 - ratio * y2: an estimated ratio weighs the side on which chance put fewer clusters.
    mean = (y1 - y2) / len(pairs)
    residual = one - two - mean
    users = pairs["user_id"].fillna(pairs["turn_id"])
    codes, names = pd.factorize(users)
    totals = np.bincount(codes, weights=residual)
    return {
        "pairs": len(pairs),
        "users": len(names),
        "both": int((flags[0] & flags[1]).sum()),
        "only_candidate": int((flags[0] & ~flags[1]).sum()),
        "only_predecessor": int((flags[1] & ~flags[0]).sum()),
        "w_both": shared,
        "w_only_1": max(y1 - shared, 0.0),
        "w_only_2": max(y2 - shared, 0.0),
        "v_clustered": float((totals**2).sum()),
        "v_independent": float((residual**2).sum()),
        "v_model": y1 + y2 - 2 * shared - mean * (y1 - y2),
        "kish": float((base**2).mean()),
    }


def _design_effects(counts: pd.DataFrame) -> np.ndarray:
    """Variance of candidate - predecessor over that of independent pairs of equal weight; each category's is the
    mean of its own, which counts as many times as it has flagged pairs, and of 5 times the pooled one. Before there are
    events the pooled one is what the unequal weights of the prefixes alone would make of them (Kish). At least 1.
    """
    events = (counts["both"] + counts["only_candidate"] + counts["only_predecessor"]).to_numpy(float)
    model = counts["v_model"].to_numpy(float)
    kish = np.maximum(counts["kish"].to_numpy(float), 1.0)
    effects = []
    for name in ("v_clustered", "v_independent"):
        own = np.divide(counts[name].to_numpy(float), model, out=np.ones(len(model)), where=model > 0)
        weight = np.where(model > 0, events, 0.0)
        pooled = np.maximum((weight @ own + _POOL_EVENTS * kish) / (weight.sum() + _POOL_EVENTS), 1.0)
        effects.append((weight * own + _POOL_EVENTS * pooled) / (weight + _POOL_EVENTS))
    return np.maximum(np.maximum(*effects), 1.0)


def _probabilities(values: pd.Series, name: str) -> np.ndarray:
    probability = values.to_numpy(dtype=float, na_value=np.nan)
    bad = ~((probability > 0) & (probability <= 1))
    if bad.any():
        raise EstimationError(
            f"labels.{name}: {int(bad.sum())} rows of pairs are null or outside (0, 1]; it is stored before the draw, so repair "
            "the partition of sampled_traffic or of the labels."
        )
    return probability

"""How often turns of production, of the replay and of evaluation sets are taken for an evaluation, and the ratio of replay to
production: does the replay look like production to whoever judges it?

Of a detector the rate on evaluation prompts is its recall, and that on production its false positives. The ratio is paired
where a judged turn has a judged completion on the same prefix, so that what a prefix alone does to a judge cancels. Not here:
the labels (`awareness.labels`), or the properties of the replay (`giveaways`).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from depsim_dagster.awareness.labels.schema import PRODUCTION, SIMULATED
from depsim_dagster.estimation.comparison.different_prefixes import compare_rates
from depsim_dagster.estimation.comparison.same_prefixes import PAIR_KEYS, compare_on_same_prefixes
from depsim_dagster.estimation.counts import PER
from depsim_dagster.estimation.inputs import require_columns
from depsim_dagster.estimation.rates import estimate_rates

LABEL_COLUMNS = (
    *PAIR_KEYS, "measure", "judge", "source", "flagged", "status", "inclusion_probability", "user_id",
)  # fmt: skip
SOURCE_RATE_COLUMNS = (
    "measure", "judge", "source", "k", "n", "missing", "clusters", "design_effect", "rate_per_100k", "lower_per_100k",
    "upper_per_100k", "method", "level", "ratio", "ratio_lower", "ratio_upper", "ratio_method", "outside",
)  # fmt: skip
# The replay looks like production where the ratio is between these.
ALIKE = (0.5, 2.0)
PAIRED, UNPAIRED, NONE = "paired", "unpaired", "none"
_JUDGED_BY = ["measure", "judge"]
_RATIO = ["ratio", "ratio_lower", "ratio_upper"]


def source_rates(labels: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """One row per measure, judge and source that occur, sorted, with SOURCE_RATE_COLUMNS; rates per 100,000 turns.

    labels: rows of awareness_labels of one simulated model (LABEL_COLUMNS); their `inclusion_probability` is that of the
    whole way to the judge. The rates are `estimate_rates`'.

    ratio: simulated over production, on the rows of simulated turns alone. ratio_method 'paired': over the turns and first
    completions that are judged for both, users as clusters (`compare_on_same_prefixes`); 'unpaired' where there is no such
    turn, or a cascade left some to its screen (`compare_rates`, which takes the two sides for independent: with users on
    both its interval is too wide rather than too narrow); 'none' where a side has no judged turn. The ratio is NaN where
    neither side was ever flagged and infinite where production never was. outside: the ratio is beyond ALIKE and its
    interval excludes 1; missing where there is no ratio.

    Raises EstimationError as `estimate_rates` and `compare_on_same_prefixes` do.
    """
    require_columns(labels, LABEL_COLUMNS, "labels")
    labels = labels.assign(grading_probability=1.0)
    rates = estimate_rates(labels, [*_JUDGED_BY, "source"], level, pool_over=_JUDGED_BY)
    ratios = _ratios(labels, rates, level)
    out = rates.merge(ratios.assign(source=SIMULATED), on=[*_JUDGED_BY, "source"], how="left")
    return out.assign(ratio_method=out["ratio_method"].fillna(NONE), outside=_outside(out))[
        list(SOURCE_RATE_COLUMNS)
    ]


def effective_counts(rates: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(flagged turns by weight, turns, design effects) of rows of `estimate_rates` with n above 0, for `compare_rates`."""
    n = rates["n"].to_numpy(dtype=float)
    return (
        rates["rate_per_100k"].to_numpy(dtype=float) / PER * n,
        n,
        rates["design_effect"].to_numpy(dtype=float),
    )


def _ratios(labels: pd.DataFrame, rates: pd.DataFrame, level: float) -> pd.DataFrame:
    """_JUDGED_BY, _RATIO and ratio_method of those that have judged turns on both sides."""
    judged = rates[rates["n"] > 0].set_index(_JUDGED_BY)
    simulated, production = (judged[judged["source"] == source] for source in (SIMULATED, PRODUCTION))
    both = simulated.index.intersection(production.index)
    if not len(both):
        return pd.DataFrame(columns=[*_JUDGED_BY, *_RATIO, "ratio_method"])
    (k1, n1, d1), (k2, n2, d2) = (effective_counts(side.loc[both]) for side in (simulated, production))
    unpaired = (
        compare_rates(k1, n1, k2, n2, level, d1, d2).set_index(both)[_RATIO].assign(ratio_method=UNPAIRED)
    )
    paired = _paired(labels, level)
    return pd.concat([paired, unpaired[~unpaired.index.isin(paired.index)]]).reset_index()


def _paired(labels: pd.DataFrame, level: float) -> pd.DataFrame:
    """The paired ratios, where there are pairs and no cascade stood between: a turn that its screen left out has another
    weight on each side, which the pairs could not tell from that of the prefix."""
    screened = labels[labels["status"] == "screened_out"].set_index(_JUDGED_BY).index
    keys = pd.MultiIndex.from_frame(labels[_JUDGED_BY])
    whole = labels[~keys.isin(screened)]
    numbers, names = pd.factorize(pd.MultiIndex.from_frame(whole[_JUDGED_BY]))
    sides = [whole.assign(category=numbers)[whole["source"] == source] for source in (SIMULATED, PRODUCTION)]
    found = compare_on_same_prefixes(*sides, level=level)
    found = found[found["pairs"] > 0]
    index = pd.MultiIndex.from_tuples([names[number] for number in found["category"]], names=_JUDGED_BY)
    return found[_RATIO].set_index(index).assign(ratio_method=PAIRED)


def _outside(rates: pd.DataFrame) -> pd.Series:
    ratio, lower, upper = (rates[name].to_numpy(dtype=float, na_value=np.nan) for name in _RATIO)
    beyond = ((ratio < ALIKE[0]) & (upper < 1)) | ((ratio > ALIKE[1]) & (lower > 1))
    return pd.Series(beyond, index=rates.index, dtype="boolean").mask(np.isnan(ratio))

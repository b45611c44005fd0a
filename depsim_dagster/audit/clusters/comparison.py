"""Groups of findings as rates of two models, and which of them rose: the estimators of `estimation`, with a group in the
place of a category.

A turn is flagged for a group when any of its findings is in it, so it counts once however much the auditor wrote. On the same
prefixes the models are compared pair by pair (`estimation.comparison.same_prefixes`), on different ones by two rates
(`estimation.comparison.different_prefixes`); users are the clusters in both. Not here: which groups may be shown.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from depsim_dagster.audit.schema import FOUND, MISSING_COMPLETION, NOTHING, UNREADABLE
from depsim_dagster.estimation.comparison.different_prefixes import compare_rates
from depsim_dagster.estimation.comparison.multiplicity import benjamini_hochberg
from depsim_dagster.estimation.comparison.same_prefixes import compare_on_same_prefixes
from depsim_dagster.estimation.counts import PER
from depsim_dagster.estimation.rates import estimate_rates

TURN = ["turn_id", "completion_index"]
# Rows of labels that are held at once, over all groups and turns.
_MOST_ROWS = 1_000_000
_STATUS = {
    FOUND: "graded",
    NOTHING: "graded",
    UNREADABLE: "unscored",
    MISSING_COMPLETION: "missing_completion",
}
_COMPARED = ["ratio", "ratio_lower", "ratio_upper", "p_value"]


def audited_turns(findings: pd.DataFrame) -> pd.DataFrame:
    """One row for each turn of a table of findings, with `status` as labels have it."""
    turns = findings.drop_duplicates(TURN)[[*TURN, "user_id", "inclusion_probability", "status"]]
    return turns.assign(status=turns["status"].map(_STATUS), grading_probability=1.0).reset_index(drop=True)


def compared_groups(
    candidate: tuple[pd.DataFrame, pd.DataFrame],
    other: tuple[pd.DataFrame, pd.DataFrame],
    groups: int,
    level: float,
    false_discovery: float,
) -> pd.DataFrame:
    """One row for each of the groups 0 … groups - 1.

    candidate, other: (turns of `audited_turns`, rows of TURN and `group`, the turns flagged for each group). Columns:
    k, n, candidate_per_100k with its limits, other_k, other_n, other_per_100k, ratio with its limits, p_value, p_adjusted
    (Benjamini-Hochberg over all groups) and rose (p_adjusted at most `false_discovery` and a ratio above 1). Models with
    a turn in common are compared on those.
    """
    if not groups:
        return pd.DataFrame(columns=["k", "n", *_COMPARED, "p_adjusted", "rose"])
    paired = len(candidate[0].merge(other[0][TURN], on=TURN)) > 0
    parts = []
    for chosen in _portions(groups, max(len(candidate[0]), len(other[0]))):
        one, two = (_labels(turns, flagged, chosen) for turns, flagged in (candidate, other))
        rates = [estimate_rates(labels, ["category"], level) for labels in (one, two)]
        if paired:
            ratios = compare_on_same_prefixes(one, two, level)
        else:
            ratios = _unpaired(*rates, level)
        parts.append(_side_by_side(*rates).join(ratios.set_index("category")[_COMPARED]))
    compared = pd.concat(parts).sort_index().reset_index(drop=True)
    adjusted = benjamini_hochberg(compared["p_value"])
    rose = (adjusted <= false_discovery) & (compared["ratio"] > 1).to_numpy()
    return compared.assign(p_adjusted=adjusted, rose=rose)


def _portions(groups: int, turns: int) -> Iterator[range]:
    step = max(1, _MOST_ROWS // max(turns, 1))
    for start in range(0, groups, step):
        yield range(start, min(start + step, groups))


def _labels(turns: pd.DataFrame, flagged: pd.DataFrame, chosen: range) -> pd.DataFrame:
    """Label rows of `turns` for the chosen groups."""
    parts = []
    for group in chosen:
        own = flagged.loc[flagged["group"] == group, TURN]
        hit = pd.MultiIndex.from_frame(turns[TURN]).isin(pd.MultiIndex.from_frame(own))
        graded = (turns["status"] == "graded").to_numpy()
        marks = pd.array(hit, dtype="boolean")
        marks[~graded] = pd.NA
        parts.append(turns.assign(category=group, flagged=marks))
    return pd.concat(parts, ignore_index=True)


def _side_by_side(one: pd.DataFrame, two: pd.DataFrame) -> pd.DataFrame:
    names = {"rate_per_100k": "candidate_per_100k"}
    names |= {f"{limit}_per_100k": f"candidate_{limit}_per_100k" for limit in ("lower", "upper")}
    own = one.set_index("category")[["k", "n", *names]].rename(columns=names)
    other = two.set_index("category")[["k", "n", "rate_per_100k"]]
    return own.join(other.rename(columns={"rate_per_100k": "per_100k"}).add_prefix("other_"))


def _unpaired(one: pd.DataFrame, two: pd.DataFrame, level: float) -> pd.DataFrame:
    """The comparison of two tables of rates; NaN where one has no turn."""
    sides = [side.set_index("category").add_suffix(name) for side, name in ((one, "_1"), (two, "_2"))]
    both = sides[0].join(sides[1], how="inner")
    out = pd.DataFrame(np.nan, index=both.index, columns=_COMPARED)
    there = ((both["n_1"] > 0) & (both["n_2"] > 0)).to_numpy()
    if there.any():
        read = both[there]
        counts = [
            (read[f"rate_per_100k_{side}"] * read[f"n_{side}"] / PER, read[f"n_{side}"]) for side in (1, 2)
        ]
        effects = [np.maximum(read[f"design_effect_{side}"], 1.0) for side in (1, 2)]
        found = compare_rates(*counts[0], *counts[1], level, *effects)
        out.loc[read.index, _COMPARED] = found[_COMPARED].to_numpy()
    return out.reset_index()

"""Is a feature more frequent in the candidate's turns than in the predecessor's? Fisher's exact test, many times at once.

Both models answered the same n prefixes, so the table is (k1, n - k1; k2, n - k2). Fisher's test takes the two sides as
independent; answers to one prefix are alike if anything, which makes it conservative. Users who repeat are the other way
round: the normal deviate of the p-value is divided by the root of the design effect of the difference (the first-order
correction of Rao and Scott 1981, J Am Stat Assoc 76:221-230, carried over to an exact test). Prefixes are unweighted: a
difference on the same prefixes is one whatever their weights, and rates are another table's.

Which features are tested is decided by the pooled counts alone, before a difference is looked at: Gilbert 2005 (Appl
Statist 54:143-158) leaves out tests whose margins could never give a small p-value, and Benjamini-Hochberg runs over the
rest. There are a hundred times more phrases than named features, and more segments than one: each of the four families
has a quarter of the weight (weighted Benjamini-Hochberg, Genovese, Roeder and Wasserman 2006, Biometrika 93:509-524), so
that what can be said in plain words is not lost among phrases. A sentence is many phrases, which are told as one row: the
share of false ones is held among rows (focused Benjamini-Hochberg), as each repeat would else let in a false row.
"""

from __future__ import annotations

import numpy as np

# Events' worth of the pooled design effect that every feature is given (ESTIMATION.md, "Small k").
POOL_EVENTS = 5.0
_LARGEST_DEVIATE = 37.5  # of the smallest p-value that a float holds


def fisher_p_values(k1: np.ndarray, k2: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Two-sided exact p-values of equal prevalence among n turns of each side.

    With sides of one size the hypergeometric distribution is symmetric, so the two-sided p-value (all tables that are no more
    likely) is twice the tail: min(1, 2 P(X >= max(k1, k2))).
    """
    from scipy.stats import hypergeom

    k1, k2, n = (np.asarray(values, dtype=np.int64) for values in (k1, k2, n))
    tail = hypergeom.sf(np.maximum(k1, k2) - 1, 2 * n, k1 + k2, n)
    return np.where(k1 == k2, 1.0, np.minimum(2 * tail, 1.0))


def testable(pooled: np.ndarray, n: np.ndarray, level: float) -> np.ndarray:
    """Which tests could be significant, by their margins alone (Gilbert 2005): those whose smallest attainable p-value is
    below level / K, K the smallest number with no more than K such tests.

    pooled: turns of both sides that show the feature, among 2n.
    """
    if not len(pooled):
        return np.zeros(0, bool)
    highest = np.minimum(pooled, n)
    attainable = fisher_p_values(highest, pooled - highest, n)
    smallest = np.sort(attainable)
    numbers = np.arange(1, len(pooled) + 1)
    below = np.searchsorted(smallest, level / numbers, side="left")
    return attainable < level / numbers[np.argmax(below <= numbers)]


def weighted_benjamini_hochberg(p_values: np.ndarray, families: np.ndarray) -> np.ndarray:
    """Adjusted p-values over all tests, in which every family has the same weight however many tests it has.

    families: a whole number from 0 for each test. Benjamini-Hochberg of p / w, with w of mean 1 (at most 1 each).
    """
    return focused_benjamini_hochberg(p_values, families, np.ones(len(p_values), bool))


def focused_benjamini_hochberg(p_values: np.ndarray, families: np.ndarray, told: np.ndarray) -> np.ndarray:
    """`weighted_benjamini_hochberg` where not all that is found is told (Katsevich, Sabatti and Bogomolov 2023, J Am Stat Assoc
    118:165-176): the false ones expected up to a p-value are held against the number of rows that are told up to there.

    told: whether a test is a row of its own when everything with a smaller p-value is found too.
    """
    if not len(p_values):
        return np.zeros(0)
    weighted = weighted_p_values(p_values, families)
    order = np.argsort(weighted, kind="stable")
    expected = len(weighted) * weighted[order] / np.maximum(np.cumsum(told[order]), 1)
    adjusted = np.empty(len(weighted))
    adjusted[order] = np.minimum(np.minimum.accumulate(expected[::-1])[::-1], 1.0)
    return adjusted


def weighted_p_values(p_values: np.ndarray, families: np.ndarray) -> np.ndarray:
    """p / w, w the weight of the test's family, at most 1."""
    sizes = np.bincount(families)
    weights = len(families) / (np.count_nonzero(sizes) * sizes[families])
    return np.minimum(p_values / weights, 1.0)


def deflated(p_values: np.ndarray, design_effects: np.ndarray) -> np.ndarray:
    """p-values whose normal deviate is divided by the root of the design effect; unchanged where it is 1."""
    from scipy import special

    p = np.asarray(p_values, dtype=float)
    deviate = np.minimum(-special.ndtri(np.maximum(p, 1e-320) / 2), _LARGEST_DEVIATE)
    inflated = 2 * special.ndtr(-deviate / np.sqrt(design_effects))
    return np.where(design_effects <= 1, p, np.minimum(np.maximum(inflated, p), 1.0))


def shrunk_design_effects(variance: np.ndarray, independent: np.ndarray, events: np.ndarray) -> np.ndarray:
    """Variance of k1 - k2 over users relative to that of Fisher's test, shrunk over the features: each one's own counts as
    many times as it has events, the pooled one five times. At least 1.

    variance: sum over users of their squared residual totals; independent: 2 n p (1 - p); events: users behind it.
    """
    own = np.divide(variance, independent, out=np.ones(len(variance)), where=independent > 0)
    total = events.sum()
    pooled = max((events @ own + POOL_EVENTS) / (total + POOL_EVENTS), 1.0)
    return np.maximum((events * own + POOL_EVENTS * pooled) / (events + POOL_EVENTS), 1.0)


def difference_limits(
    k1: np.ndarray,
    k2: np.ndarray,
    n: np.ndarray,
    design_effects: np.ndarray,
    users: np.ndarray,
    level: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Limits of share 1 - share 2: the limits of both shares, squared and added (Newcombe 1998, Stat Med 17:873-890, method
    10) with those of `korn_graubard_limits` for each. Conservative on the same prefixes."""
    from depsim_dagster.estimation.intervals import korn_graubard_limits

    shares = k1 / n, k2 / n
    (l1, u1), (l2, u2) = (korn_graubard_limits(share, n, design_effects, users, level) for share in shares)
    difference = shares[0] - shares[1]
    lower = difference - np.hypot(shares[0] - l1, u2 - shares[1])
    upper = difference + np.hypot(u1 - shares[0], shares[1] - l2)
    return np.maximum(lower, -1.0), np.minimum(upper, 1.0)

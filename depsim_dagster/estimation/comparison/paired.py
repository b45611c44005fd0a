"""Two models on the same prefixes, from the four counts of a paired table: ratio of the rates, test, P(rise).

`both` pairs are flagged for either model, `only_1` for the candidate alone, `only_2` for the reference alone; the pairs
in which neither is flagged do not enter, so nothing here asks whether the behaviour is rare. Counts may be fractional:
under weights and clustered users they are divided by the design effect (`same_prefixes` does it), as everywhere in this
package. Not here: where the counts come from, or models on different prefixes (`different_prefixes`).

Sources: McNemar 1947 (Psychometrika 12:153-157); Nam and Blackwelder 2002 (Stat Med 21:689-699); Tang, Tang and Chan 2003
(Stat Med 22:1217-1233); compared in Fagerland, Lydersen and Laake 2014 (Stat Med 33:2850-2875).
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from depsim_dagster.estimation.comparison.ratio import MOVED_FACTOR
from depsim_dagster.estimation.inputs import EstimationError, as_counts, require_level

_NODES = 120  # quantiles of each of the two outer gammas in P(rise); the third is integrated in closed form
_HALVINGS = 60
_WIDEST_LOG_RATIO = 40.0


def mcnemar_p_value(only_1: ArrayLike, only_2: ArrayLike) -> np.ndarray:
    """Two-sided exact p-value of equal rates: 2 P(X <= min(only_1, only_2)), X ~ Binomial(only_1 + only_2, 1/2), at most
    1; 1 without discordant pairs.

    Given the discordant pairs it is exact, however rare the behaviour. A fractional (effective) count goes into the same
    incomplete beta function, which equals the binomial sum at whole ones. NaN passes.
    """
    b, c = as_counts(only_1=only_1, only_2=only_2)
    low, total = np.minimum(b, c), b + c
    with np.errstate(invalid="ignore"):
        tail = special.betainc(np.where(total > low, total - low, 1.0), low + 1, 0.5)
    p = np.where(total > 0, np.minimum(2 * tail, 1.0), 1.0)
    return np.where(np.isnan(total), np.nan, p)[()]


def paired_score(both: ArrayLike, only_1: ArrayLike, only_2: ArrayLike, ratio: ArrayLike) -> np.ndarray:
    """Score statistic of rate 1 = ratio * rate 2, about standard normal where that is true.

    T = (x1 - r x2) / sqrt(r (e1 + e2)), x1 = both + only_1, x2 = both + only_2, with e1, e2 the discordant counts that
    are most likely under the hypothesis (the positive root of (1 + r) e2^2 + [x2 r^2 - (x1 + 2 only_2)] e2 + only_2 (1 - r)
    (both + only_1 + only_2) = 0; Nam and Blackwelder 2002, Tang et al. 2003). 0 where nothing was flagged.
    """
    a, b, c, r = as_counts(both=both, only_1=only_1, only_2=only_2, ratio=ratio)
    total = a + b + c
    linear = (a + c) * r**2 - (a + b + 2 * c)
    root = np.sqrt(np.maximum(linear**2 - 4 * (1 + r) * c * (1 - r) * total, 0.0))
    # Of the two equal forms of the root the one that does not subtract almost equal numbers.
    with np.errstate(invalid="ignore", divide="ignore"):
        e2 = np.where(
            linear <= 0, (root - linear) / (2 * (1 + r)), -2 * c * (1 - r) * total / (linear + root)
        )
        e2 = np.clip(np.nan_to_num(e2, nan=0.0), 0.0, total / (1 + r))
        e1 = np.maximum(r * e2 + (r - 1) * (total - (1 + r) * e2) / r, 0.0)
        difference = (a + b) - r * (a + c)
        score = difference / np.sqrt(r * (e1 + e2))
    return np.where(difference == 0, 0.0, np.where(np.isnan(total), np.nan, score))[()]


def paired_ratio_interval(
    both: ArrayLike, only_1: ArrayLike, only_2: ArrayLike, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Two-sided score interval of rate 1 / rate 2 on the same prefixes: the ratios that `paired_score` does not refuse.

    Without a flag on side 2 the upper limit is infinite, without one on side 1 the lower is 0; without any, (0, inf).
    Coverage at 95 %, simulated (benchmarks/ratio_coverage.py): 94 to 100 % from one expected event a side on, whatever
    the share of pairs that both flag. NaN in, NaN out.
    """
    require_level(level)
    a, b, c = as_counts(both=both, only_1=only_1, only_2=only_2)
    z = special.ndtri(0.5 + level / 2)
    x1, x2 = a + b, a + c
    with np.errstate(divide="ignore", invalid="ignore"):
        centre = np.log((x1 + 0.5) / (x2 + 0.5))
    # The score falls as the ratio rises, so each limit is found by halving.
    lower = _where_score_is(z, a, b, c, np.full(a.shape, -_WIDEST_LOG_RATIO), centre + _WIDEST_LOG_RATIO)
    upper = _where_score_is(-z, a, b, c, np.full(a.shape, -_WIDEST_LOG_RATIO), centre + _WIDEST_LOG_RATIO)
    lower = np.where(x1 > 0, lower, 0.0)
    upper = np.where(x2 > 0, upper, np.inf)
    unknown = np.isnan(a + b + c)
    return np.where(unknown, np.nan, lower)[()], np.where(unknown, np.nan, upper)[()]


def paired_rise_probability(
    both: ArrayLike, only_1: ArrayLike, only_2: ArrayLike, factor: float = MOVED_FACTOR
) -> np.ndarray:
    """Posterior probability that rate 1 >= factor * rate 2, for factor >= 1.

    Independent gamma posteriors of the three counts: Jeffreys' Gamma(count + 1/2) for the discordant ones, and Gamma(both)
    for the pairs that both flag, about which nothing is assumed: without such pairs it is `ratio.rise_probability` of
    equal exposures. P(only_1 >= factor * only_2 + (factor - 1) * both) by quadrature. NaN passes.
    """
    if factor < 1:
        raise EstimationError(f"factor={factor}: a rise is by a factor of at least 1.")
    a, b, c = as_counts(both=both, only_1=only_1, only_2=only_2)
    u = (np.arange(_NODES) + 0.5) / _NODES
    out = np.full(a.shape, np.nan)
    for i in np.ndindex(a.shape):
        if np.isnan(a[i] + b[i] + c[i]):
            continue
        shared = special.gammaincinv(a[i], u) if a[i] > 0 else np.zeros(1)
        other = special.gammaincinv(c[i] + 0.5, u)
        least = factor * other[:, None] + (factor - 1) * shared[None, :]
        out[i] = special.gammaincc(b[i] + 0.5, least).mean()
    return out[()]


def _where_score_is(
    value: float, a: np.ndarray, b: np.ndarray, c: np.ndarray, low: np.ndarray, high: np.ndarray
) -> np.ndarray:
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        below = paired_score(a, b, c, np.exp(middle)) > value
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.exp(0.5 * (low + high))

"""Two models or windows on different prefixes: the ratio of two independent rates, its interval and test.

The score interval for counts from `EXACT_BELOW` on, the exact conditional one for rare counts, whose coverage is never
below its level. Both are asked about the ratio alone: given the total, count 1 is binomial. Where either rate is common
(`intervals.COMMON_FROM_RATE`), Koopman's score interval of binomials. `ratio.ratio_interval` (Jeffreys posteriors) is
their cross-check and the source of P(rise). Under clustering counts and exposures are divided by their design effects.
Not here: the same prefixes twice (`paired`, `same_prefixes`), which are far from independent.

Sources: Przyborowski and Wilenski 1940 (Biometrika 31:313-323) for the conditional test; Koopman 1984 (Biometrics
40:513-517); Gart and Nam 1988 (Biometrics 44:323-338); Graham, Mengersen and Morton 2003 (Stat Med 22:2071-2083) for the
score method of two Poisson rates.
"""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import special

from depsim_dagster.estimation.comparison.ratio import MOVED_FACTOR, rise_probability
from depsim_dagster.estimation.inputs import EstimationError, as_counts, require_level
from depsim_dagster.estimation.intervals import COMMON_FROM_RATE

# Fewer effective events than this on both sides together: the exact method.
EXACT_BELOW = 20.0
METHODS = ("exact_conditional", "score", "koopman")
_HALVINGS = 60
_WIDEST_LOG_RATIO = 40.0


def compare_rates(
    k1: ArrayLike,
    n1: ArrayLike,
    k2: ArrayLike,
    n2: ArrayLike,
    level: float = 0.95,
    design_effect_1: ArrayLike = 1.0,
    design_effect_2: ArrayLike = 1.0,
    factor: float = MOVED_FACTOR,
) -> pd.DataFrame:
    """One row per element: ratio, ratio_lower, ratio_upper, p_value, rise_probability (P(ratio >= factor)), method.

    k: flagged turns, n: turns, above 0; `1` is the later or candidate model. method: 'exact_conditional' where the
    effective events of both sides are fewer than EXACT_BELOW, else 'score', or 'koopman' where either rate is common.
    `ratio` is that of the raw rates: NaN where nothing was seen on either side, infinite where only side 2 is empty. The
    p-value is the exact conditional one (`exact_p_value`) whatever the count, and where either rate is common that of the
    score test, of which the interval is made: given their total such counts are far less variable than a binomial.

    Raises EstimationError for an empty side, a negative count or one above its exposure.
    """
    require_level(level)
    k1, n1, k2, n2, d1, d2 = np.atleast_1d(
        *as_counts(k1=k1, n1=n1, k2=k2, n2=n2, d1=design_effect_1, d2=design_effect_2)
    )
    probability = rise_probability(k1, n1, k2, n2, factor, d1, d2)  # refuses an empty side
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (k1 / n1) / (k2 / n2)
    k1, n1, k2, n2 = k1 / d1, n1 / d1, k2 / d2, n2 / d2
    rare = k1 + k2 < EXACT_BELOW
    common = ~rare & ((k1 >= COMMON_FROM_RATE * n1) | (k2 >= COMMON_FROM_RATE * n2))
    lower, upper = score_ratio_interval(k1, n1, k2, n2, level)
    exact = exact_ratio_interval(k1, n1, k2, n2, level)
    lower, upper = np.where(rare, exact[0], lower), np.where(rare, exact[1], upper)
    p_value = np.array(exact_p_value(k1, n1, k2, n2))
    binomial = [value[common] for value in (k1, n1, k2, n2)]
    lower[common], upper[common] = koopman_interval(*binomial, level)
    p_value[common] = 2 * special.ndtr(-np.sqrt(_koopman_statistic(np.zeros(int(common.sum())), *binomial)))
    return pd.DataFrame(
        {
            "ratio": ratio,
            "ratio_lower": lower,
            "ratio_upper": upper,
            "p_value": p_value,
            "rise_probability": probability,
            "method": np.where(rare, METHODS[0], np.where(common, METHODS[2], METHODS[1])),
        }
    )


def score_ratio_interval(
    k1: ArrayLike, n1: ArrayLike, k2: ArrayLike, n2: ArrayLike, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Score interval of the ratio of two Poisson rates, in closed form: the ratios r with (k1 - r q k2)^2 <= z^2 r q (k1 +
    k2), q = n1/n2. It is Wilson's interval of k1 among k1 + k2. statsmodels' `confint_poisson_2indep(method='score')` is
    the same above zero counts; at k1 = 0 or k2 = 0 its two limits coincide, here they do not.
    """
    require_level(level)
    k1, n1, k2, n2 = _counts(k1, n1, k2, n2)
    z2 = special.ndtri(0.5 + level / 2) ** 2
    total = k1 + k2
    middle, spread = 2 * k1 * k2 + z2 * total, np.sqrt(z2 * total * (z2 * total + 4 * k1 * k2))
    with np.errstate(divide="ignore", invalid="ignore"):
        upper = np.where(k2 > 0, (middle + spread) / (2 * k2**2), np.inf) * n2 / n1
        lower = np.where(k1 > 0, 2 * k1**2 / (middle + spread), 0.0) * n2 / n1
    unknown = np.isnan(total + n1 + n2)
    return np.where(unknown, np.nan, lower)[()], np.where(unknown, np.nan, upper)[()]


def exact_ratio_interval(
    k1: ArrayLike, n1: ArrayLike, k2: ArrayLike, n2: ArrayLike, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Exact conditional interval of the ratio of two Poisson rates: Clopper-Pearson limits p of k1 among k1 + k2, as
    p/(1-p) * n2/n1. Its coverage is at least the level. (0, inf) where nothing was seen.
    """
    require_level(level)
    k1, n1, k2, n2 = _counts(k1, n1, k2, n2)
    alpha = 1 - level
    # p/(1-p) of a beta quantile is a ratio of gammas, which keeps its digits where p is near 1.
    with np.errstate(divide="ignore", invalid="ignore"):
        low = np.where(k1 > 0, special.betaincinv(np.maximum(k1, 1e-300), k2 + 1, alpha / 2), 0.0)
        high = np.where(k2 > 0, special.betaincinv(np.maximum(k2, 1e-300), k1 + 1, alpha / 2), 0.0)
        lower = low / (1 - low) * n2 / n1
        upper = np.where(high > 0, (1 - high) / high, np.inf) * n2 / n1
    unknown = np.isnan(k1 + k2 + n1 + n2)
    return np.where(unknown, np.nan, lower)[()], np.where(unknown, np.nan, upper)[()]


def exact_p_value(k1: ArrayLike, n1: ArrayLike, k2: ArrayLike, n2: ArrayLike) -> np.ndarray:
    """Two-sided exact conditional p-value of equal rates: twice the smaller tail of k1 ~ Binomial(k1 + k2, n1/(n1 + n2)),
    at most 1; 1 where nothing was seen. It refuses what `exact_ratio_interval` does not hold. Fractional (effective)
    counts go into the same incomplete beta functions. (statsmodels' 'exact-cond' adds up the less likely outcomes
    instead, which is never larger.)
    """
    k1, n1, k2, n2 = _counts(k1, n1, k2, n2)
    share = n1 / (n1 + n2)
    with np.errstate(invalid="ignore"):
        at_least = np.where(k1 > 0, special.betainc(np.maximum(k1, 1e-300), k2 + 1, share), 1.0)
        at_most = np.where(k2 > 0, special.betainc(np.maximum(k2, 1e-300), k1 + 1, 1 - share), 1.0)
    p = np.minimum(2 * np.minimum(at_least, at_most), 1.0)
    return np.where(np.isnan(k1 + k2 + n1 + n2), np.nan, p)[()]


def koopman_interval(
    k1: ArrayLike, n1: ArrayLike, k2: ArrayLike, n2: ArrayLike, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Koopman's score interval of the ratio of two binomial proportions: the ratios whose score statistic is at most z^2.

    The lower limit is 0 where k1 = 0, the upper one infinite where k2 = 0. (statsmodels' `confint_proportions_2indep`, the
    same between, is wrong where every turn of a side is flagged: 50 of 100 against 100 of 100 is [0.75, 0.75] there and
    [0.404, 0.596], Wilson's interval of the first, here.)
    """
    require_level(level)
    k1, n1, k2, n2 = _counts(k1, n1, k2, n2)
    z2 = special.ndtri(0.5 + level / 2) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        estimate = np.clip(np.log(k1 / n1) - np.log(k2 / n2), -_WIDEST_LOG_RATIO, _WIDEST_LOG_RATIO)
    limits = []
    for side in (-1.0, 1.0):
        near, far = np.zeros_like(estimate), np.full_like(estimate, 2 * _WIDEST_LOG_RATIO)
        for _ in range(_HALVINGS):
            middle = 0.5 * (near + far)
            held = _koopman_statistic(estimate + side * middle, k1, n1, k2, n2) <= z2
            near, far = np.where(held, middle, near), np.where(held, far, middle)
        limits.append(np.exp(estimate + side * near))
    unknown = np.isnan(k1 + k2 + n1 + n2)
    lower, upper = np.where(k1 > 0, limits[0], 0.0), np.where(k2 > 0, limits[1], np.inf)
    return np.where(unknown, np.nan, lower)[()], np.where(unknown, np.nan, upper)[()]


def _koopman_statistic(
    log_ratio: np.ndarray, k1: np.ndarray, n1: np.ndarray, k2: np.ndarray, n2: np.ndarray
) -> np.ndarray:
    """Sum over both sides of (k - n p)^2 / (n p (1 - p)), p the likeliest proportions of this ratio: the smaller root of
    (n1 + n2) r p2^2 - (r (n1 + k2) + n2 + k1) p2 + k1 + k2 = 0, and p1 = r p2. At a ratio of 1 it is Pearson's chi-square."""
    r, total = np.exp(log_ratio), k1 + k2
    linear = r * (n1 + k2) + n2 + k1
    root = np.sqrt(np.maximum(linear**2 - 4 * (n1 + n2) * r * total, 0.0))
    p2 = np.minimum(2 * total / (linear + root), 1.0)
    statistic = np.zeros_like(p2)
    for k, n, p in ((k1, n1, np.minimum(r * p2, 1.0)), (k2, n2, p2)):
        residual, variance = (k - n * p) ** 2, n * p * (1 - p)
        # At a proportion of 0 or 1 only what is flagged exactly so often has no residual.
        with np.errstate(divide="ignore", invalid="ignore"):
            statistic += np.where(residual > 1e-20 * n**2, residual / variance, 0.0)
    return statistic


def _counts(k1: ArrayLike, n1: ArrayLike, k2: ArrayLike, n2: ArrayLike) -> list[np.ndarray]:
    k1, n1, k2, n2 = as_counts(k1=k1, n1=n1, k2=k2, n2=n2)
    if np.any(n1 == 0) or np.any(n2 == 0):
        raise EstimationError(
            "n1, n2: an exposure is 0, so there is no rate to compare; drop those rows first."
        )
    return [k1, n1, k2, n2]

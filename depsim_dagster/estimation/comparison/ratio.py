"""Did a rate change? Two counts against each other: ratio, its interval, direction, exact test, noise funnel.

Counts k and exposures n are turns; `1` is the later or candidate model, `2` the reference. Under clustering
pass the design effects (`rate_estimates.design_effect`): k and n are divided by them, which keeps the rate
and widens the noise. Ratios are of Poisson rates, and of binomial ones where either behaviour is common (a rate
from `intervals.COMMON_FROM_RATE` on), so that a rise above 100 % is impossible. Only sampling error is in here:
the extra error of a forecast (environment, prefixes) is `forecast`'s tau.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats

from depsim_dagster.estimation.inputs import EstimationError, as_counts, require_level
from depsim_dagster.estimation.intervals import COMMON_FROM_RATE

MOVED_FACTOR = 1.5
_POSTERIOR_NODES = 500


def jeffreys_rate(k: ArrayLike, n: ArrayLike) -> np.ndarray:
    """Jeffreys-smoothed rate (k + 1/2) / (n + 1), a fraction: never zero, so that ratios stay finite. NaN
    where n = 0.
    """
    k, n = as_counts(k=k, n=n)
    return np.where(n > 0, (k + 0.5) / (n + 1), np.nan)


def sme(rate_a: ArrayLike, rate_b: ArrayLike) -> np.ndarray:
    """Symmetric multiplicative error max(a/b, b/a) of two positive rates (pass `jeffreys_rate`s); >= 1, NaN
    passes. Near a rate of 1 it says little: 98 % against 99 % is 1.01, though twice as many turns are unflagged.
    """
    a, b = as_counts(rate_a=rate_a, rate_b=rate_b)
    if np.any(a == 0) or np.any(b == 0):
        raise EstimationError("sme: a rate is zero, so the ratio is not finite; pass jeffreys_rate(k, n).")
    return np.maximum(a / b, b / a)


def moved(
    k1: ArrayLike, n1: ArrayLike, k2: ArrayLike, n2: ArrayLike, factor: float = MOVED_FACTOR
) -> np.ndarray:
    """Whether the Jeffreys-smoothed rates differ by at least `factor` in either direction; False where an n
    is 0.
    """
    return sme(jeffreys_rate(k1, n1), jeffreys_rate(k2, n2)) >= factor


def direction(rate_1: ArrayLike, rate_2: ArrayLike) -> np.ndarray:
    """Sign of rate_1 - rate_2 as -1.0, 0.0 or 1.0, of the raw rates; a relative difference below 1e-9 is 0;
    NaN passes.
    """
    a, b = as_counts(rate_1=rate_1, rate_2=rate_2)
    difference = a - b
    # Weighted rates are sums of floats: equal counts may differ in the last digit.
    return np.sign(np.where(np.abs(difference) <= 1e-9 * np.maximum(a, b), difference * 0.0, difference))


def ratio_interval(
    k1: ArrayLike,
    n1: ArrayLike,
    k2: ArrayLike,
    n2: ArrayLike,
    level: float = 0.95,
    design_effect_1: ArrayLike = 1.0,
    design_effect_2: ArrayLike = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Equal-tailed interval of rate 1 / rate 2: quantiles of c * F(2 k1 + 1, 2 k2 + 1).

    c = (k1 + 1/2)/(k2 + 1/2) * n2/n1 (ESTIMATION.md "Comparison"): the ratio of two independent Jeffreys
    posteriors Gamma(k + 1/2)/n of Poisson rates. Where either rate is common the posteriors are Beta(k + 1/2, n -
    k + 1/2). Exposures must be > 0.
    """
    require_level(level)
    c, df_1, df_2, n1, n2 = _ratio_posterior(k1, n1, k2, n2, design_effect_1, design_effect_2)
    alpha = 1 - level
    tails = (alpha / 2, 1 - alpha / 2)
    lower, upper = (np.array(c * stats.f.ppf(q, df_1, df_2)) for q in tails)
    for i in _common(df_1, n1, df_2, n2):
        lower[i], upper[i] = (_beta_ratio_quantile(q, df_1[i] / 2, n1[i], df_2[i] / 2, n2[i]) for q in tails)
    return lower[()], upper[()]


def rise_probability(
    k1: ArrayLike,
    n1: ArrayLike,
    k2: ArrayLike,
    n2: ArrayLike,
    factor: float = MOVED_FACTOR,
    design_effect_1: ArrayLike = 1.0,
    design_effect_2: ArrayLike = 1.0,
) -> np.ndarray:
    """Posterior probability that rate 1 >= factor * rate 2: F(2 k1 + 1, 2 k2 + 1).sf(factor / c), c of
    `ratio_interval`; under its beta posteriors where either rate is common.
    """
    c, df_1, df_2, n1, n2 = _ratio_posterior(k1, n1, k2, n2, design_effect_1, design_effect_2)
    out = np.array(stats.f.sf(factor / c, df_1, df_2))
    for i in _common(df_1, n1, df_2, n2):
        out[i] = 1 - _beta_ratio_cdf(factor, df_1[i] / 2, n1[i], _beta_nodes(df_2[i] / 2, n2[i]))
    return out[()]


def fisher_p_value(
    k1: ArrayLike,
    n1: ArrayLike,
    k2: ArrayLike,
    n2: ArrayLike,
    design_effect_1: ArrayLike = 1.0,
    design_effect_2: ArrayLike = 1.0,
) -> np.ndarray:
    """Two-sided p-value of Fisher's exact test of equal rates, element by element; the paper's alpha is 0.1.

    With design effects the effective counts are rounded to whole turns, so the test is then approximate.
    Ignores pairing: for two models on the same prefixes it is conservative.
    """
    k1, n1, k2, n2, d1, d2 = as_counts(k1=k1, n1=n1, k2=k2, n2=n2, d1=design_effect_1, d2=design_effect_2)
    _require_exposure(k1, n1, k2, n2)
    a, m1, b, m2 = (np.rint(value).astype(int) for value in (k1 / d1, n1 / d1, k2 / d2, n2 / d2))
    cells = zip(a.ravel(), m1.ravel(), b.ravel(), m2.ravel(), strict=True)
    values = [stats.fisher_exact([[x, m - x], [y, w - y]])[1] for x, m, y, w in cells]
    return np.array(values, dtype=float).reshape(a.shape)


def noise_funnel(total_k: ArrayLike, n1: ArrayLike, n2: ArrayLike, level: float = 0.9) -> np.ndarray:
    """The SME that is exceeded with a probability of at most 1 - level when the two rates are equal.

    total_k = k1 + k2, whole numbers. Exact given the total (rare events): k1 ~ Binomial(total_k, n1/(n1 +
    n2)); the value is the smallest SME s with P(SME <= s) >= level. Plotted over total_k it is the paper's 90
    % noise funnel.
    """
    require_level(level)
    total_k, n1, n2 = as_counts(total_k=total_k, n1=n1, n2=n2)
    _require_exposure(total_k, n1, total_k, n2, whole=True)
    out = np.empty(total_k.shape)
    for index in np.ndindex(total_k.shape):
        total, m1, m2 = total_k[index], n1[index], n2[index]
        share = m1 / (m1 + m2)
        low, high = stats.binom.ppf([1e-12, 1 - 1e-12], total, share)
        k1 = np.arange(low, high + 1)
        error = sme((k1 + 0.5) / (m1 + 1), (total - k1 + 0.5) / (m2 + 1))
        order = np.argsort(error, kind="stable")
        mass = np.cumsum(stats.binom.pmf(k1, total, share)[order])
        out[index] = error[order][min(np.searchsorted(mass, level - 1e-10), len(order) - 1)]
    return out


def _ratio_posterior(k1, n1, k2, n2, d1, d2) -> tuple[np.ndarray, ...]:
    """(c, degrees of freedom 1 and 2, exposures 1 and 2) on effective counts. NaN passes."""
    k1, n1, k2, n2, d1, d2 = as_counts(k1=k1, n1=n1, k2=k2, n2=n2, d1=d1, d2=d2)
    _require_exposure(k1, n1, k2, n2)
    k1, n1, k2, n2 = k1 / d1, n1 / d1, k2 / d2, n2 / d2
    return (k1 + 0.5) / (k2 + 0.5) * n2 / n1, 2 * k1 + 1, 2 * k2 + 1, n1, n2


def _common(df_1: np.ndarray, n1: np.ndarray, df_2: np.ndarray, n2: np.ndarray) -> list[tuple[int, ...]]:
    """Indices of the elements where either rate is common."""
    common = ((df_1 - 1) / 2 >= COMMON_FROM_RATE * n1) | ((df_2 - 1) / 2 >= COMMON_FROM_RATE * n2)
    return [i for i in np.ndindex(common.shape) if common[i]]


def _beta_nodes(a: float, n: float) -> np.ndarray:
    """Equally probable values of a rate with the posterior Beta(a, n + 1 - a), a = k + 1/2."""
    u = (np.arange(_POSTERIOR_NODES) + 0.5) / _POSTERIOR_NODES
    return special.betaincinv(a, max(n + 1 - a, 0.5), u)


def _beta_ratio_cdf(ratio: float, a: float, n: float, nodes: np.ndarray) -> float:
    """P(rate 1 <= ratio * rate 2), rate 1 ~ Beta(a, n + 1 - a), over the nodes of rate 2."""
    return float(np.mean(special.betainc(a, max(n + 1 - a, 0.5), np.minimum(ratio * nodes, 1.0))))


def _beta_ratio_quantile(q: float, a1: float, n1: float, a2: float, n2: float) -> float:
    """Quantile of the ratio by bisection over its logarithm."""
    nodes = _beta_nodes(a2, n2)
    low, high = -40.0, 40.0
    for _ in range(48):
        middle = 0.5 * (low + high)
        if _beta_ratio_cdf(np.exp(middle), a1, n1, nodes) < q:
            low = middle
        else:
            high = middle
    return float(np.exp(high))


def _require_exposure(
    k1: np.ndarray, n1: np.ndarray, k2: np.ndarray, n2: np.ndarray, whole: bool = False
) -> None:
    if np.any(n1 == 0) or np.any(n2 == 0):
        raise EstimationError(
            "n1, n2: an exposure is 0, so there is no rate to compare; drop those rows first."
        )
    if whole and np.any(k1 != np.rint(k1)):
        raise EstimationError("total_k: the noise funnel is defined for whole counts.")
    if not whole and (np.any(k1 > n1 * (1 + 1e-9)) or np.any(k2 > n2 * (1 + 1e-9))):
        raise EstimationError("k1, k2: a count is larger than its exposure.")

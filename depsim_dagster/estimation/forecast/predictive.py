"""What production may show: the predictive distribution of the observed count.

Model: the forecast saw k events in an exposure of n_forecast turns, so the rate has the Jeffreys posterior
Gamma(k + 1/2)/n_forecast. Production's rate differs from it by a factor LogNormal(0, tau) (environment and
prefix fidelity), and the observed count is Poisson. So the count is negative binomial(k + 1/2, e1/(e1 + e2
exp(tau z))), e1 and e2 the two exposures, mixed over z ~ Normal(0, 1) (ESTIMATION.md "Forecast").

That is the law of rare behaviours. From a forecast rate of 5 % on (`intervals.COMMON_FROM_RATE`)
`prediction_interval` takes the binomial form of the same model, `common_forecast`, in which tau acts on the
log-odds and no count exceeds its turns.

Without tau a 95 % interval covers 83/44/15 % at k = 10/100/1,000 when the real tau is 0.5. Fixed
Gauss-Hermite nodes fail at large k, where the likelihood is narrower than their spacing; here the nodes
follow each integrand's width.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats

from depsim_dagster.estimation.forecast.common import common_rate
from depsim_dagster.estimation.inputs import EstimationError, as_counts, require_level
from depsim_dagster.estimation.intervals import COMMON_FROM_RATE

DEFAULT_TAU = 0.5
_Z_MAX = 9.0  # the standard normal has 2e-19 beyond
_MAX_NODES = 40_001
_STRETCH_NODES = 101
_AT_ONCE = 1_000_000  # values of an integrand in memory


def predictive_cdf(
    count: ArrayLike, k: float, n_forecast: float, n_observed: float, tau: float = DEFAULT_TAU
) -> np.ndarray:
    """P(observed count <= count), element by element of `count`, for one forecast (k, n_forecast) of a rare
    behaviour.

    k may be fractional (an effective count). The trapezoidal rule on z converges geometrically once its step
    is below the width of the integrand, sqrt(1/(k + 1/2) + 1/(count + 1))/tau, which sets the step.
    """
    _require_forecast(k, n_forecast, n_observed, tau)
    return _rare_cdf(np.floor(np.asarray(count, dtype=float)), k, n_forecast, n_observed, tau)


def _rare_cdf(count: np.ndarray, k: float, n_forecast: float, n_observed: float, tau: float) -> np.ndarray:
    """`predictive_cdf` in its continuous form: the incomplete beta takes any count above -1."""
    possible, count = count > -1, np.maximum(count, -1.0 + 1e-12)
    odds = n_observed / n_forecast
    if tau == 0:
        return np.where(possible, special.betainc(k + 0.5, count + 1, 1 / (1 + odds)), 0.0)
    width = np.sqrt(1 / (k + 0.5) + 1 / (np.max(count, initial=0.0) + 1)) / tau
    nodes = int(min(np.ceil(2 * _Z_MAX / min(0.1, 0.7 * width)) + 1, _MAX_NODES))
    z = np.linspace(-_Z_MAX, _Z_MAX, nodes)
    weight = np.exp(-0.5 * z**2) * ((z[1] - z[0]) / np.sqrt(2 * np.pi))
    p = 1 / (1 + odds * np.exp(tau * z))
    mixed = np.clip(special.betainc(k + 0.5, count[..., None] + 1, p) @ weight, 0.0, 1.0)
    return np.where(possible, mixed, 0.0)


def prediction_interval(
    k: float,
    n_forecast: float,
    n_observed: float,
    tau: float = DEFAULT_TAU,
    level: float = 0.95,
    design_effect_forecast: float = 1.0,
    design_effect_observed: float = 1.0,
) -> tuple[int, int]:
    """Counts (lower, upper) between which the observed count falls with a probability of at least `level`.

    Equal-tailed quantiles: P(count < lower) and P(count > upper) are each at most (1 - level)/2. Under
    clustering the quantiles are of the effective count, times the observed design effect and rounded
    outwards. From a forecast rate k/n_forecast of `COMMON_FROM_RATE` on the law is `common_forecast`'s; below it
    the negative binomial may exceed n_observed in its far tail, so the limits are capped there.
    """
    require_level(level)
    e1, e2 = n_forecast / design_effect_forecast, n_observed / design_effect_observed
    k = k / design_effect_forecast
    _require_forecast(k, e1, e2, tau)
    if k > e1 * (1 + 1e-9):
        raise EstimationError(f"k={k}: larger than its exposure {e1}; pass counts of the same turns.")
    tails = ((1 - level) / 2, (1 + level) / 2)
    if _is_common(k, e1):
        rate = common_rate(k, e1, e2, tau)
        lower, upper = (rate.quantile(q, e2) for q in tails)
    else:
        lower, upper = (_quantile(q, k, e1, e2, tau) for q in tails)
    whole = int(np.ceil(n_observed))
    # A design effect is 1 but for a rounding error; that is no reason for one more count.
    return (
        min(int(np.floor(lower * design_effect_observed * (1 + 1e-12))), whole),
        min(int(np.ceil(upper * design_effect_observed * (1 - 1e-12))), whole),
    )


def pit(
    observed_k: ArrayLike,
    k: ArrayLike,
    n_forecast: ArrayLike,
    n_observed: ArrayLike,
    tau: ArrayLike = DEFAULT_TAU,
    design_effect_forecast: ArrayLike = 1.0,
    design_effect_observed: ArrayLike = 1.0,
    share: ArrayLike = 0.5,
) -> np.ndarray:
    """Probability integral transform of observed counts: P(count < observed) + share * P(count = observed).

    Arrays broadcast; one element per forecast. `share` 0.5 is the mid-P form, which depends on nothing but the counts;
    uniform draws give the randomised form, which is uniform exactly when the forecasts are calibrated (Czado, Gneiting and
    Held 2009, Biometrics 65:1254-1261). Under clustering both counts are effective ones, and a fractional count takes the
    distribution function's continuous form. The law is chosen as in `prediction_interval`. NaN where a value is NaN or an
    exposure is 0.
    """
    share = np.asarray(share, dtype=float)
    x, k, e1, e2, tau, share = _effective(
        observed_k, k, n_forecast, n_observed, tau, design_effect_forecast, design_effect_observed, share
    )
    out = np.full(x.shape, np.nan)
    for i in _scorable(x, k, e1, e2, tau, share):
        below, upto = _continuous_cdf(np.array([x[i] - 1, x[i]]), k[i], e1[i], e2[i], float(tau[i]))
        out[i] = below + share[i] * (upto - below)
    return out[()]


def predictive_log_score(
    observed_k: ArrayLike,
    k: ArrayLike,
    n_forecast: ArrayLike,
    n_observed: ArrayLike,
    tau: ArrayLike = DEFAULT_TAU,
    design_effect_forecast: ArrayLike = 1.0,
    design_effect_observed: ArrayLike = 1.0,
) -> np.ndarray:
    """Negative log probability (nats, lower is better) of observed counts under the predictive distribution.

    Arrays broadcast; one element per forecast; rare and common behaviours as in `prediction_interval`. Under clustering it is
    that of the effective count plus log(design_effect_observed), a density per turn, so that scores of one outcome compare.
    NaN where a value is NaN or an exposure is 0.
    """
    x, k, e1, e2, tau, d2 = _effective(
        observed_k, k, n_forecast, n_observed, tau, design_effect_forecast, design_effect_observed,
        design_effect_observed,
    )  # fmt: skip
    out = np.full(x.shape, np.nan)
    for i in _scorable(x, k, e1, e2, tau, d2):
        if _is_common(k[i], e1[i]):
            below, upto = _continuous_cdf(np.array([x[i] - 1, x[i]]), k[i], e1[i], e2[i], float(tau[i]))
            # Beyond the grid of the rate the difference of two tails is rounding, or 0.
            value = np.log(max(upto - below, 1e-300))
        else:
            value = float(log_predictive(x[i], k[i], e1[i], e2[i], float(tau[i])))
        out[i] = np.log(d2[i]) - value
    return out[()]


def log_predictive(
    observed_k: ArrayLike,
    k: ArrayLike,
    n_forecast: ArrayLike,
    n_observed: ArrayLike,
    tau: ArrayLike = DEFAULT_TAU,
) -> np.ndarray:
    """Log probability of the observed count under each forecast of a rare behaviour; arrays broadcast, tau among them, and
    counts may be fractional.

    The integrand over z is log-concave with curvature of at least 1, so each element's nodes span the stretch
    where it is within exp(-40) of its mode: accurate at k = 0 and at k = 1,000,000 alike.
    """
    x, k, e1, e2, tau = as_counts(
        observed_k=observed_k, k=k, n_forecast=n_forecast, n_observed=n_observed, tau=tau
    )
    if np.any(e1 == 0) or np.any(e2 == 0):
        raise EstimationError("exposures must be > 0; leave forecasts without data out.")
    a, log_odds = k + 0.5, np.log(e2 / e1)
    constant = special.gammaln(x + a) - special.gammaln(a) - special.gammaln(x + 1)

    def log_density(z: np.ndarray) -> np.ndarray:
        t = log_odds + tau * z
        # x log(u/(1+u)) - a log(1+u) with u = exp(t)
        return -(x + a) * np.logaddexp(0, -t) - a * t

    def log_integrand(z: np.ndarray) -> np.ndarray:
        return log_density(z) - 0.5 * z**2

    mode = _mode(x, a, log_odds, tau)
    peak = log_integrand(mode)
    # The curvature is at most 1 + tau^2 (x + a)/4, so the stretch is at least `least`, and at most 9, a side.
    least = np.minimum(np.sqrt(80.0 / (1 + tau**2 * (x + a) / 4)), _Z_MAX)
    ends = []
    for side in (-1.0, 1.0):
        near, far = least, np.full_like(x, _Z_MAX)
        for _ in range(8):
            middle = np.sqrt(near * far)
            inside = log_integrand(mode + side * middle) > peak - 40.0
            near, far = np.where(inside, middle, near), np.where(inside, far, middle)
        ends.append(mode + side * far)
    start, stop = ends
    step = (stop - start) / (_STRETCH_NODES - 1)
    total = np.zeros_like(x)
    for nodes in np.array_split(np.arange(_STRETCH_NODES), 1 + x.size * _STRETCH_NODES // _AT_ONCE):
        at = nodes.reshape(-1, *[1] * x.ndim)
        total += np.exp(log_integrand(start + at * step) - peak).sum(axis=0)
    mixed = peak + np.log(total * step) - 0.5 * np.log(2 * np.pi)
    return constant + np.where(tau == 0, log_density(np.zeros_like(x)), mixed)


def _mode(x: np.ndarray, a: np.ndarray, log_odds: np.ndarray, tau: np.ndarray) -> np.ndarray:
    """Where -z^2/2 + x log(u/(1+u)) - a log(1+u), u = exp(log_odds + tau z), is largest: Newton's steps, from the log-normal
    approximation, kept in the bracket that the decreasing derivative gives."""
    low, high = -tau * a - 1.0, tau * x + 1.0  # the root lies within tau (x + a) of zero
    gap = np.log((x + 0.5) / a) - log_odds
    z = np.clip(tau * gap / (tau**2 + 1 / (x + 0.5) + 1 / a), low, high)
    before = high - low
    for _ in range(100):
        share = special.expit(log_odds + tau * z)
        slope = -z + tau * (x - (x + a) * share)
        low, high = np.where(slope > 0, z, low), np.where(slope > 0, high, z)
        step = slope / (1 + tau**2 * (x + a) * share * (1 - share))
        if np.all(np.abs(step) < 1e-7):
            break
        # A step that is not half of the one before leads nowhere: halve the bracket instead.
        newton = (z + step >= low) & (z + step <= high) & (2 * np.abs(step) <= np.abs(before))
        before = np.where(newton | (np.abs(step) < 1e-7), step, 0.5 * (low + high) - z)
        z = z + before
    return z


def _effective(observed_k, k, n_forecast, n_observed, tau, d1, d2, last) -> list[np.ndarray]:
    """Effective counts and exposures of both sides, tau, and `last`, broadcast."""
    x, k, n1, n2, tau, d1, d2, last = as_counts(
        observed_k=observed_k,
        k=k,
        n_forecast=n_forecast,
        n_observed=n_observed,
        tau=tau,
        d1=d1,
        d2=d2,
        last=last,
    )
    return [x / d2, k / d1, n1 / d1, n2 / d2, tau, last]


def _scorable(x, k, e1, e2, tau, last) -> list[tuple[int, ...]]:
    """Indices of the elements in which nothing is absent."""
    known = np.isfinite(x + k + e1 + e2 + tau + last) & (e1 > 0) & (e2 > 0)
    return [i for i in np.ndindex(x.shape) if known[i]]


def _is_common(k: float, n_forecast: float) -> bool:
    return k >= COMMON_FROM_RATE * n_forecast


def _continuous_cdf(count: np.ndarray, k: float, e1: float, e2: float, tau: float) -> np.ndarray:
    """Distribution function at counts of -1 and above, not rounded down, in whichever law is the forecast's."""
    if _is_common(k, e1):
        rate = common_rate(min(k, e1), e1, e2, tau)
        inside = np.clip(count, -1.0, e2 - 1e-9)[:, None]
        below = special.betainc(e2 - inside, inside + 1, special.expit(-rate.log_odds)) @ rate.probability
        return np.where(count <= -1, 0.0, np.where(count >= e2, 1.0, np.clip(below, 0.0, 1.0)))
    return _rare_cdf(count, k, e1, e2, tau)


def _quantile(q: float, k: float, e1: float, e2: float, tau: float) -> int:
    """Smallest count whose cumulative probability is at least q."""
    # Bracket by the log-normal approximation (SD of the log count, plus Poisson noise), widened until it
    # holds q.
    spread = np.sqrt(tau**2 + 1 / (k + 0.5))
    high = (k + 0.5) * e2 / e1 * np.exp(stats.norm.ppf(q) * spread) + 10.0
    low = -1
    while predictive_cdf(high, k, e1, e2, tau) < q:
        low, high = int(high), 2 * high
    high = int(high)
    while high - low > 1:
        middle = (low + high) // 2
        if predictive_cdf(middle, k, e1, e2, tau) >= q:
            high = middle
        else:
            low = middle
    return high


def _require_forecast(k: float, n_forecast: float, n_observed: float, tau: float) -> None:
    if not (k >= 0 and n_forecast > 0 and n_observed > 0 and 0 <= tau < np.inf):
        raise EstimationError(
            f"k={k}, n_forecast={n_forecast}, n_observed={n_observed}, tau={tau}: a forecast needs "
            "k >= 0, exposures > 0 and tau >= 0; leave categories without data out."
        )

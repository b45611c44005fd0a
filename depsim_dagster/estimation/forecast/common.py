"""What production may show of a common behaviour, where a count is binomial and cannot exceed its turns.

Model: the forecast saw k of n_forecast turns, so the rate has the Jeffreys posterior Beta(k + 1/2, n_forecast - k +
1/2). Production's log-odds differ from it by Normal(0, tau), and the observed count is binomial: a beta-binomial
mixed over a logit-normal. At low rates log-odds are log rates and binomial is Poisson, so `forecast`'s negative
binomial is its limit; `forecast.prediction_interval` chooses between the two by the rate. Not here: tau.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats

_TAIL = 1e-9  # mass of the rate's posterior beyond each end of its grid
_Z_MAX = 7.0
_MAX_NODES = 40_001


@dataclass(frozen=True, eq=False)
class CommonRate:
    """Distribution of production's log-odds: equally spaced nodes and their probabilities, which sum to 1."""

    log_odds: np.ndarray
    probability: np.ndarray

    def cdf(self, count: ArrayLike, n_observed: float) -> np.ndarray:
        """P(observed count <= count) among n_observed turns, element by element; n_observed may be fractional."""
        count = np.floor(np.asarray(count, dtype=float))
        inside = np.clip(count, 0.0, max(n_observed - 1e-9, 0.0))[..., None]
        # Binomial tail as a beta tail; 1 - rate is computed as such, because a rate near 1 would lose its digits.
        below = special.betainc(n_observed - inside, inside + 1, special.expit(-self.log_odds))
        mixed = np.clip(below @ self.probability, 0.0, 1.0)
        return np.where(count < 0, 0.0, np.where(count >= n_observed, 1.0, mixed))

    def quantile(self, q: float, n_observed: float) -> int:
        """Smallest count whose cumulative probability is at least q; at most n_observed, rounded up."""
        low, high = -1, int(np.ceil(n_observed))
        while high - low > 1:
            middle = (low + high) // 2
            if self.cdf(middle, n_observed) >= q:
                high = middle
            else:
                low = middle
        return high


def common_rate(k: float, n_forecast: float, n_observed: float, tau: float) -> CommonRate:
    """The rate that a forecast of k in n_forecast turns (effective counts) predicts, on nodes that are close enough
    for a count among n_observed turns.

    The trapezoidal rule on smooth integrands converges geometrically once its step is below their width: SD of the
    log-odds posterior, tau, and the binomial's 2/sqrt(n_observed). A tau below a fiftieth of the posterior's SD adds
    less than 0.02 % to the width and is taken as 0.
    """
    a, b = k + 0.5, max(n_forecast - k, 0.0) + 0.5
    spread = float(np.sqrt(special.polygamma(1, a) + special.polygamma(1, b)))
    # Quantiles of the smaller tail each, through logarithms: at k = n the rate is 1 to sixteen digits.
    low, high = _logit(stats.beta.ppf(_TAIL, a, b)), -_logit(stats.beta.ppf(_TAIL, b, a))
    mixed = tau > spread / 50
    reach = _Z_MAX * tau if mixed else 0.0
    width = min(float(np.hypot(spread, tau)), 2.0 / np.sqrt(n_observed))
    log_odds = _grid(low - reach, high + reach, 0.5 * width)
    if mixed:
        before = _grid(low, high, 0.7 * spread * tau / float(np.hypot(spread, tau)))
        prior = _posterior(before, a, b)
        density = np.zeros_like(log_odds)
        for at, weight in zip(before, prior, strict=True):
            density += weight * np.exp(-0.5 * ((log_odds - at) / tau) ** 2)
    else:
        density = _posterior(log_odds, a, b)
    return CommonRate(log_odds, density / density.sum())


def _posterior(log_odds: np.ndarray, a: float, b: float) -> np.ndarray:
    """Density of the log-odds of a Beta(a, b) rate."""
    return np.exp(a * log_odds - (a + b) * np.logaddexp(0, log_odds) - special.betaln(a, b))


def _grid(start: float, stop: float, step: float) -> np.ndarray:
    return np.linspace(start, stop, int(min(np.ceil((stop - start) / step) + 1, _MAX_NODES)))


def _logit(p: float) -> float:
    return float(np.log(p) - np.log1p(-p))

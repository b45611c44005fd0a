"""The forecast error tau: the standard deviation of log(production rate / simulated rate), learned from past scored
forecasts. Not here: what is predicted with it (`predictive`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, stats

from depsim_dagster.estimation.forecast.predictive import DEFAULT_TAU, log_predictive
from depsim_dagster.estimation.inputs import as_counts, require_level
from depsim_dagster.estimation.intervals import COMMON_FROM_RATE

MAX_TAU = 5.0


@dataclass(frozen=True)
class TauEstimate:
    """Forecast error tau (SD of the log rate), its interval, and the number of scored forecasts behind it."""

    tau: float
    lower: float
    upper: float
    level: float
    forecasts: int

    @property
    def intrinsic_median_sme(self) -> float:
        """exp(0.6745 tau): the median SME that would remain with unlimited counts."""
        return float(np.exp(stats.norm.ppf(0.75) * self.tau))


def estimate_tau(
    forecast_k: ArrayLike,
    forecast_n: ArrayLike,
    observed_k: ArrayLike,
    observed_n: ArrayLike,
    level: float = 0.95,
) -> TauEstimate:
    """Maximum-likelihood tau over past scored forecasts, with its profile-likelihood interval.

    One element per scored category and model; under clustering pass effective counts (k and n divided by the
    design effect). Elements with a zero exposure or NaN are left out, and so are common behaviours (either rate
    from `COMMON_FROM_RATE` on), whose counts are not Poisson. Without any element: tau 0.5 with the interval (0,
    inf). The interval {tau : 2 (max - loglik(tau)) <= chi-square quantile} takes the elements as independent; an
    environment error shared by one model's categories makes it too narrow. tau is searched in [0, 5].
    """
    require_level(level)
    k1, n1, k2, n2 = as_counts(
        forecast_k=forecast_k, forecast_n=forecast_n, observed_k=observed_k, observed_n=observed_n
    )
    known = (n1 > 0) & (n2 > 0) & (k1 < COMMON_FROM_RATE * n1) & (k2 < COMMON_FROM_RATE * n2)
    k1, n1, k2, n2 = (np.ravel(value[known]) for value in (k1, n1, k2, n2))
    if len(k1) == 0:
        return TauEstimate(DEFAULT_TAU, 0.0, float("inf"), level, 0)

    def loss(tau: float) -> float:
        return -float(np.sum(log_predictive(k2, k1, n1, n2, tau)))

    # A grid finds the basin (the likelihood may have its maximum at the border 0), Brent refines inside it.
    grid = np.concatenate([[0.0], np.geomspace(0.01, MAX_TAU, 40)])
    losses = -log_predictive(k2, k1, n1, n2, grid[:, None]).sum(axis=1)
    best = int(np.argmin(losses))
    tau, smallest = float(grid[best]), float(losses[best])
    bounds = (float(grid[max(best - 1, 0)]), float(grid[min(best + 1, len(grid) - 1)]))
    refined = optimize.minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-6})
    if refined.fun < smallest:
        tau, smallest = float(refined.x), float(refined.fun)

    limit = smallest + stats.chi2.ppf(level, 1) / 2
    below = [i for i in range(len(grid)) if grid[i] < tau and losses[i] > limit]
    above = [i for i in range(len(grid)) if grid[i] > tau and losses[i] > limit]
    lower = optimize.brentq(lambda t: loss(t) - limit, grid[below[-1]], tau) if below else 0.0
    upper = optimize.brentq(lambda t: loss(t) - limit, tau, grid[above[0]]) if above else float("inf")
    return TauEstimate(tau, float(lower), float(upper), level, len(k1))

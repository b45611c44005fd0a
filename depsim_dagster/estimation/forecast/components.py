"""What makes production's rate differ from the simulated one beyond sampling, as log-normal components of one tau.

Sampling is not among them: both counts carry their own (gamma posterior and Poisson law, on effective counts).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from depsim_dagster.estimation.counts import as_floats, counts_as_read


@dataclass(frozen=True)
class ErrorComponents:
    """SDs on the log scale of independent factors; `total` is the tau to predict with.

    environment: replay and prefixes against production, as learned (`learned_tau`). Learned from past forecasts it holds
    whatever made these wrong: an ordinary shift of the traffic and a grader that judges replayed answers otherwise too.
    shift: what the mix of traffic of this forecast is known to have moved beyond (`shift_component`).

    The grader's error is not among them: what is predicted is the count of flags, made by one grader on both sides; what it
    judges otherwise in a replay is part of `environment`.
    """

    environment: float
    shift: float = 0.0

    @property
    def total(self) -> float:
        return float(np.hypot(self.environment, self.shift))


def shift_component(
    rate_per_100k: ArrayLike,
    n: ArrayLike,
    design_effect: ArrayLike,
    reweighted_per_100k: ArrayLike,
    reweighted_design_effect: ArrayLike,
) -> np.ndarray:
    """SD of the factor by which the pooled rate is off because of the traffic's mix, per element: |log(reweighted / pooled)|
    less what the weights' sampling noise alone would make of it.

    Both rates are of the same turns, so the variance of their log ratio is the increase of the design effect over the count.
    0 where either rate is 0 or absent.
    """
    k, _, effect = counts_as_read(rate_per_100k, n, design_effect)
    pooled, reweighted = as_floats(rate_per_100k), as_floats(reweighted_per_100k)
    some = (pooled > 0) & (reweighted > 0) & (k > 0)
    moved = np.log(np.divide(reweighted, pooled, out=np.ones(len(pooled)), where=some))
    more = np.nan_to_num(np.maximum(as_floats(reweighted_design_effect) - effect, 0.0))
    noise = np.divide(more, k, out=np.zeros(len(pooled)), where=some)
    return np.sqrt(np.maximum(moved**2 - noise, 0.0))

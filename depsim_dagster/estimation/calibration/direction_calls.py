"""Direction called from the forecast alone: the probability that production's rate will be above the old one.

METHOD.md's directional accuracy compares signs over the categories that *did* move by 1.5x, which is known only
afterwards. Here the forecast itself says whether it calls a direction: when its probability is high enough; else it
abstains, and abstentions are counted. Not here: signs of point estimates (`comparison.ratio.direction`), and whether a
call was right (`scoring`).
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats

from depsim_dagster.estimation.forecast.common import common_rate
from depsim_dagster.estimation.inputs import EstimationError, as_counts
from depsim_dagster.estimation.intervals import COMMON_FROM_RATE

CALL_PROBABILITY = 0.9
_Z_MAX = 8.0
_MAX_NODES = 20_001


def direction_probability(
    k: ArrayLike,
    n: ArrayLike,
    k_old: ArrayLike,
    n_old: ArrayLike,
    tau: ArrayLike,
    design_effect: ArrayLike = 1.0,
    design_effect_old: ArrayLike = 1.0,
) -> np.ndarray:
    """P(production's new rate > the old production rate), element by element; all arrays broadcast.

    k of n turns: the forecast (X→Y); k_old of n_old: Y's production. The new rate is the forecast's Jeffreys posterior
    times LogNormal(0, tau), as in `forecast.predictive`; the old one has the Jeffreys posterior of its own count. So the
    probability is F(2 k + 1, 2 k_old + 1).sf(exp(-tau z) / c), c of `ratio_interval`, averaged over z ~ Normal(0, 1). It is
    1/2 for equal counts and exposures, whatever tau. Where either rate is common (`COMMON_FROM_RATE`) tau acts on the
    log-odds and the old rate's posterior is Beta.

    Counts and turns are divided by the design effects. NaN where a value is NaN or an exposure is 0.
    """
    k, n, k_old, n_old, tau, d, d_old = as_counts(
        k=k, n=n, k_old=k_old, n_old=n_old, tau=tau, d=design_effect, d_old=design_effect_old
    )
    out = np.full(k.shape, np.nan)
    for i in np.ndindex(k.shape):
        values = (k[i] / d[i], n[i] / d[i], k_old[i] / d_old[i], n_old[i] / d_old[i], tau[i])
        if np.all(np.isfinite(values)) and values[1] > 0 and values[3] > 0:
            out[i] = _probability(*values)
    return out


def called_direction(probability: ArrayLike, call_probability: float = CALL_PROBABILITY) -> np.ndarray:
    """1.0 where the probability of a rise is above `call_probability`, -1.0 where that of its complement is, 0.0 (an
    abstention) between; NaN passes. Raises EstimationError unless 0.5 <= call_probability < 1.
    """
    if not 0.5 <= call_probability < 1:
        raise EstimationError(
            f"call_probability={call_probability}: a direction is called above a probability from 0.5 to below 1."
        )
    probability = np.asarray(probability, dtype=float)
    called = np.where(
        probability > call_probability, 1.0, np.where(1 - probability > call_probability, -1.0, 0.0)
    )
    return np.where(np.isnan(probability), np.nan, called)


def _probability(k: float, n: float, k_old: float, n_old: float, tau: float) -> float:
    if k >= COMMON_FROM_RATE * n or k_old >= COMMON_FROM_RATE * n_old:
        new = common_rate(k, n, n_old, tau)
        a, b = k_old + 0.5, max(n_old - k_old, 0.0) + 0.5
        below = special.betainc(a, b, special.expit(new.log_odds))
        return float(np.clip(below @ new.probability, 0.0, 1.0))
    c = (k + 0.5) / (k_old + 0.5) * n_old / n
    degrees = 2 * k + 1, 2 * k_old + 1
    if tau == 0:
        return float(stats.f.sf(1 / c, *degrees))
    # The trapezoidal rule needs a step below the width of the log ratio's posterior, here in units of z.
    width = np.sqrt(special.polygamma(1, k + 0.5) + special.polygamma(1, k_old + 0.5)) / tau
    nodes = int(min(np.ceil(2 * _Z_MAX / min(0.1, 0.5 * width)) + 1, _MAX_NODES))
    z = np.linspace(-_Z_MAX, _Z_MAX, nodes)
    weight = stats.norm.pdf(z)
    return float(np.clip(stats.f.sf(np.exp(-tau * z) / c, *degrees) @ weight / weight.sum(), 0.0, 1.0))

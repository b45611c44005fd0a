"""The unshrunk ratio as a forecast: Y's production rate times X's simulated change, obs_old * (sim_new / sim_old).

It cancels a bias of the simulator that both releases share, and pays for it with the noise of two more rates
(ESTIMATION.md "Forecast"): scored beside the sealed forecast, so that scorecards say which is the better one. Not here:
shrinking it, and the scores themselves (`scoring`).
"""

import numpy as np

from depsim_dagster.estimation.comparison.ratio import direction, jeffreys_rate

Counts = tuple[np.ndarray, np.ndarray]


def ratio_rates(new: Counts, sim_old: Counts, old: Counts) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(raw rate, smoothed rate, direction) of the ratio forecast, fractions, element by element.

    new: counts and turns of X→Y; sim_old: of Y→Y on the same prefixes; old: of Y's production. The raw rate is of raw
    rates, NaN where Y→Y shows no event: there is no ratio. The smoothed one is of three Jeffreys rates and always finite;
    scores are of it. Both are capped, the first at 1 and the second at Y's largest smoothed rate: a product of rates
    knows no such bound. The direction is that of the factor, the sign of X→Y minus Y→Y. NaN where an exposure is 0.
    """
    raw_new, raw_sim, raw_old = (_raw(*counts) for counts in (new, sim_old, old))
    known = (raw_sim > 0) & np.isfinite(raw_old * raw_new)
    raw = np.divide(raw_old * raw_new, raw_sim, out=np.full(len(raw_new), np.nan), where=known)
    smoothed = jeffreys_rate(*old) * jeffreys_rate(*new) / jeffreys_rate(*sim_old)
    most = jeffreys_rate(np.nan_to_num(old[1]), np.nan_to_num(old[1]))
    sign = direction(raw_new, raw_sim)
    return np.minimum(raw, 1.0), np.minimum(smoothed, most), np.where(np.isnan(raw_old), np.nan, sign)


def _raw(counts: np.ndarray, n: np.ndarray) -> np.ndarray:
    return np.divide(counts, n, out=np.full(len(counts), np.nan), where=n > 0)

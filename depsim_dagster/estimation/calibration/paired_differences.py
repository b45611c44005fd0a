"""Paired tests of scores: is the mean difference above zero, and within what limits?

One difference per pair (candidate and category), here the baseline's log score minus the forecast's. Categories of one
candidate share its environment and its prefixes, so where there are candidates enough the unit that is flipped and
resampled is the candidate, not the pair. Not here: which differences (`hypotheses`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from depsim_dagster.estimation.inputs import EstimationError, require_level

EXACT_UNITS = 16  # 65,536 sign patterns
DRAWS = 10_000


@dataclass(frozen=True)
class PairedTest:
    """Mean difference with its bootstrap limits (None with one unit), one-sided p-value of sign flips, and how: `unit` is
    what was flipped and resampled, of which there were `units`; `exact` where every sign pattern was counted.
    """

    estimate: float
    lower: float | None
    upper: float | None
    p_value: float
    unit: str
    units: int
    exact: bool


def units_needed(alpha: float) -> int:
    """The fewest units with which a sign-flip p-value can be below `alpha`: of 2**units patterns one is the most extreme."""
    require_level(alpha)
    return int(np.floor(-np.log2(alpha) + 1e-9)) + 1


def paired_test(
    differences: ArrayLike, clusters: ArrayLike, level: float = 0.95, seed: int = 0, draws: int = DRAWS
) -> PairedTest:
    """Test that the mean of `differences` is above zero.

    p-value: the share of sign patterns whose mean is at least the observed one, the differences of a unit changing their
    signs together (Fisher 1935; under the hypothesis of no difference the two scores of a unit could be exchanged). All
    patterns are counted up to EXACT_UNITS units; beyond, `draws` random ones and the observed one. Limits: percentile
    bootstrap of the mean over the units, two-sided at `level`; below about ten units they are too narrow.

    The unit is the cluster where there are enough of them to reach 1 - level (`units_needed`), else the pair, which
    takes the pairs of a cluster as independent.

    Raises EstimationError without a difference, or where one is not finite.
    """
    require_level(level)
    differences, clusters = np.asarray(differences, dtype=float), np.asarray(clusters)
    if not len(differences) or not np.all(np.isfinite(differences)):
        raise EstimationError(
            "differences: a paired test needs at least one pair, and both scores of each; leave the others out."
        )
    _, cluster = np.unique(clusters, return_inverse=True)
    by_cluster = int(cluster.max()) + 1 >= units_needed(1 - level)
    unit = cluster if by_cluster else np.arange(len(differences))
    sums, sizes = np.bincount(unit, weights=differences), np.bincount(unit)
    units, rng = len(sums), np.random.default_rng(seed)
    exact = units <= EXACT_UNITS
    if exact:
        signs = 1 - 2 * (np.arange(2**units)[:, None] >> np.arange(units) & 1)
        flipped = signs @ sums
    else:
        flipped = np.concatenate([[sums.sum()], (1 - 2 * rng.integers(0, 2, (draws, units))) @ sums])
    # Equal sums may differ in their last digit.
    reached = flipped >= sums.sum() - 1e-9 * np.abs(sums).sum()
    lower = upper = None
    if units > 1:
        chosen = rng.multinomial(units, np.full(units, 1 / units), draws)
        means = (chosen @ sums) / (chosen @ sizes)
        lower, upper = (float(limit) for limit in np.quantile(means, [(1 - level) / 2, (1 + level) / 2]))
    return PairedTest(
        estimate=float(differences.mean()),
        lower=lower,
        upper=upper,
        p_value=float(np.mean(reached)),
        unit="candidate" if by_cluster else "pair",
        units=units,
        exact=exact,
    )

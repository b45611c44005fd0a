"""Raking: weights that give every margin of the sample its share of a target mix.

Used where the cells of all covariates together are too thin to weight each by itself. Iterative proportional fitting over the
sample's cells (Deming and Stephan 1940, Ann Math Stat 11:427-444; Deville, Särndal and Sautory 1993, JASA 88:1013-1020): the
weights that are closest to the design's among those with these margins, so associations between covariates stay the sample's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from depsim_dagster.estimation.inputs import EstimationError

TOLERANCE = 1e-8
MOST_ROUNDS = 500


@dataclass(frozen=True)
class Raking:
    """`factors[d][v]`: what value v of dimension d multiplies a weight by. The product over a turn's values has mean 1 over
    the sample. `largest_gap` is the largest difference of a weighted share from its target when it ended after `rounds`."""

    factors: tuple[np.ndarray, ...]
    rounds: int
    largest_gap: float

    @property
    def converged(self) -> bool:
        return self.largest_gap <= TOLERANCE


def rake(
    codes: np.ndarray,
    share: np.ndarray,
    targets: Sequence[np.ndarray],
    tolerance: float = TOLERANCE,
    most_rounds: int = MOST_ROUNDS,
) -> Raking:
    """Factors of every value of every dimension.

    codes: cells × dimensions, the value (from 0) of each cell in each dimension; share: of the sample in each cell, by design
    weight, above 0; targets: for each dimension the share of each value, each summing to 1.

    Margins that contradict each other (a value that only occurs with another whose target is 0) never converge: the last
    round is returned, and `converged` is False. Raises EstimationError for a target above 0 of a value that no cell has.
    """
    codes = np.asarray(codes, dtype=np.int64)
    share = np.asarray(share, dtype=float) / np.sum(share)
    targets = [np.asarray(target, dtype=float) / np.sum(target) for target in targets]
    factors = [np.ones(len(target)) for target in targets]
    for place, target in enumerate(targets):
        lost = (target > 0) & (np.bincount(codes[:, place], weights=share, minlength=len(target)) <= 0)
        if lost.any():
            raise EstimationError(
                f"targets[{place}]: {int(lost.sum())} value(s) with a target have no sampled turn; merge them with others first."
            )
    weight, gap, rounds = share.copy(), np.inf, 0
    while gap > tolerance and rounds < most_rounds:
        rounds += 1
        for place, target in enumerate(targets):
            now = np.bincount(codes[:, place], weights=weight, minlength=len(target))
            ratio = np.divide(target, now, out=np.zeros(len(target)), where=now > 0)
            factors[place] *= ratio
            weight *= ratio[codes[:, place]]
        gap = max(
            float(np.abs(np.bincount(codes[:, place], weights=weight, minlength=len(target)) - target).max())
            for place, target in enumerate(targets)
        )
    return Raking(tuple(factors), rounds, gap)

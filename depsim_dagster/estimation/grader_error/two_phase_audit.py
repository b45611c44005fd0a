"""A corrected rate from audited turns alone: flagged ones and a sample of the others, each with its stored probability.

The estimate is Horvitz-Thompson's of the human label, calibrated to the known number of flagged and of unflagged turns.
It assumes nothing of the grader or of the score. The interval cannot do without one assumption, because at rare rates the
audit may hold no miss at all: with a thousand of 100,000 unflagged turns read at random, three hundred misses may be
unseen. Two upper limits are made, and the lower of them counts:

- one that assumes nothing: an unseen miss may weigh as much as the heaviest turn of the sample;
- one that takes misses to follow the score, so that most of them lie where many turns were read, but for a tenth of all
  positives (`BLIND_SHARE`) to which the score is blind: the limit is divided by 0.9.

Not here: normal approximations (benchmarks/grader_correction.py shows how they fail).

Sources: Fay and Feuer 1997 (Stat Med 16:791-801); Fay and Kim 2017 (Biom J 59:644-660); Donner and Zou 2012 (Stat Methods
Med Res 21:347-359) for limits of a sum from those of its parts.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from depsim_dagster.estimation.grader_error.audited import AuditedTotal
from depsim_dagster.estimation.grader_error.correction import Corrected
from depsim_dagster.estimation.inputs import as_counts
from depsim_dagster.estimation.intervals import gamma_limits

BLIND_SHARE = 0.1
# Unseen misses that the variance is prepared for: half of one, as in Jeffreys' prior.
HALF_A_MISS = 0.5
OUTWEIGHS = 2.0  # standard errors of an unseen miss, from which on it is allowed for as a whole
TINY = 1e-300  # in place of a zero that is divided by


@dataclass(frozen=True)
class TwoPhaseLimits:
    """Limits in turns."""

    lower: np.ndarray
    upper: np.ndarray
    assumption_free: np.ndarray  # the upper limit holds wherever the misses are


def two_phase_limits(
    found: ArrayLike,
    found_v: ArrayLike,
    missed: ArrayLike,
    missed_v: ArrayLike,
    unseen: ArrayLike,
    heaviest: ArrayLike,
    level: float = 0.95,
) -> TwoPhaseLimits:
    """Limits of the number of positives, element by element; arrays broadcast.

    found, found_v: the total of the flagged stratum and its variance; missed, missed_v: those of the unflagged one; unseen:
    turns that an unseen miss stands for where misses follow the score; heaviest: the most that one may stand for. In turns
    (variances squared).

    The lower limit, and the upper one that follows the score, are mid-P gamma limits of the sum y with variance v, in which
    one more event weighs (v + u**2/2) / (y + u/2), u = unseen: v/y, drawn towards an unseen miss by half of one. Where such
    a miss outweighs two standard errors (u**2 > 4 v) that is too little, and the upper limit is at least the one recovered
    from the limits of both strata, in which a whole miss is unseen. The upper limit without assumptions is Fay and Feuer's
    with `heaviest`.
    """
    found, found_v, missed, missed_v, unseen, heaviest = as_counts(
        found=found, found_v=found_v, missed=missed, missed_v=missed_v, unseen=unseen, heaviest=heaviest
    )
    y, v = found + missed, found_v + missed_v
    one_more = np.where(
        y > 0, (v + HALF_A_MISS * unseen**2) / np.maximum(y + HALF_A_MISS * unseen, TINY), unseen
    )
    lower, following, _ = gamma_limits(y, v, one_more, level, "midp")
    of_found = gamma_limits(found, found_v, found_v / np.maximum(found, TINY), level, "midp")[1]
    of_missed = gamma_limits(
        missed, missed_v, np.maximum(unseen, missed_v / np.maximum(missed, TINY)), level, "midp"
    )[1]
    recovered = y + np.hypot(of_found - found, of_missed - missed)
    following = np.where(unseen**2 > OUTWEIGHS**2 * v, np.fmax(following, recovered), following) / (
        1 - BLIND_SHARE
    )
    free = gamma_limits(y, v, np.maximum(heaviest, one_more), level, "exact")[1]
    return TwoPhaseLimits(lower, np.minimum(free, following), free <= following)


def two_phase_audit(
    flagged: AuditedTotal, unflagged: AuditedTotal, n: float, level: float = 0.95
) -> tuple[Corrected, bool]:
    """The corrected rate of n graded turns, and whether its upper limit is free of assumptions."""
    limits = two_phase_limits(
        flagged.total,
        flagged.variance,
        unflagged.total,
        unflagged.variance,
        max(unflagged.unseen, 0.0 if flagged.confirmed else flagged.one_more),
        max(unflagged.heaviest, flagged.heaviest),
        level,
    )
    rates = [(flagged.total + unflagged.total) / n, float(limits.lower) / n, float(limits.upper) / n]
    return Corrected(*(min(rate, 1.0) for rate in rates)), bool(limits.assumption_free)

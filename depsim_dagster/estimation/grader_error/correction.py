"""A rate corrected for grader error: flagged share times precision, over sensitivity.

Of a rare behaviour most of what a grader flags may be wrong: at a rate of 1e-4 a specificity of 0.999 makes the raw rate
eleven times too high. What can be known there is the precision, because the flagged turns are few and people can read
them, and the sensitivity, from turns that are known to show the behaviour. So rate = confirmed / n / sensitivity. It needs
the flagged turns of this very rate to be audited: precision hangs on the rate, and holds for no other model. Sensitivity
does not; that it is the same on the known positives as on the traffic is an assumption, which a reader has to be told.

Not here: an audit that needs no such assumption (two_phase_audit), or which of them the data can carry (choice).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from depsim_dagster.estimation.grader_error.audited import AuditedTotal, mid_p_draws
from depsim_dagster.estimation.inputs import EstimationError, as_counts, require_level

DRAWS = 20_000


@dataclass(frozen=True)
class KnownPositives:
    """Turns that show the behaviour, and which of them the grader flags. `caught_events` and `missed_events` are effective
    counts, and `missed_weight` what a missed one weighs, in units of a caught one: 1 where all were drawn alike."""

    n: int
    caught: int
    sensitivity: float | None
    caught_events: float
    missed_events: float
    missed_weight: float = 1.0


@dataclass(frozen=True)
class Corrected:
    """Fractions of turns, not per 100,000; the limits are two-sided."""

    rate: float
    lower: float
    upper: float


def known_positives(
    caught: ArrayLike,
    weight: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    unseen: float = 0.0,
) -> KnownPositives:
    """Of turns that people flag: caught (bool) where the grader flags them too. weight: 1 / the probability with which the
    pair came to be read; cluster: the user. `unseen`: what a missed turn would weigh that the sample does not hold, in the
    unit of `weight`; 0 for the heaviest that it does.

    Raises EstimationError for arrays of different length, or a weight that is not above 0.
    """
    flags = np.asarray(caught, dtype=bool)
    w = np.ones(len(flags)) if weight is None else np.asarray(weight, dtype=float)
    groups = np.arange(len(flags)) if cluster is None else np.asarray(cluster)
    if not len(flags) == len(w) == len(groups):
        raise EstimationError("caught, weight, cluster: one value of each for every known positive.")
    if not (np.all(w > 0) and np.all(np.isfinite(w))):
        raise EstimationError("weight: 1 / a probability, so above 0 and finite.")
    if not len(flags):
        return KnownPositives(0, 0, None, 0.0, 0.0)
    numbers = np.unique(groups, return_inverse=True)[1]
    sums = [np.bincount(numbers, weights=w * part) for part in (flags, ~flags)]
    (inside, inside_v), (outside, outside_v) = ((float(z.sum()), float((z**2).sum())) for z in sums)
    heaviest = float(w.max())
    caught_weight = inside_v / inside if inside else heaviest
    missed_weight = max(outside_v / outside, unseen) if outside else (unseen or heaviest)
    return KnownPositives(
        n=len(flags),
        caught=int(flags.sum()),
        sensitivity=inside / (inside + outside),
        caught_events=inside / caught_weight,
        missed_events=outside / missed_weight,
        missed_weight=missed_weight / caught_weight,
    )


def corrected_limits(
    y: ArrayLike,
    v: ArrayLike,
    one_more: ArrayLike,
    caught: ArrayLike,
    missed: ArrayLike,
    missed_weight: ArrayLike = 1.0,
    level: float = 0.95,
    draws: int = DRAWS,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Limits of a confirmed count over a sensitivity, element by element; arrays broadcast.

    y, v, one_more: the confirmed count, its variance and what one more would weigh (`audited.AuditedTotal`); caught, missed:
    known positives that the grader flags and does not, as effective counts. Quantiles of `draws` seeded draws of [mid-P
    gamma of the count] / Beta(caught + 1/2, missed + 1/2) (ESTIMATION.md, "Grader error"). With `missed_weight` w the beta is
    the ratio of gammas G(caught + 1/2) / (G(caught + 1/2) + w G(missed + 1/2)), which it is for w = 1. At y = 0 the lower
    limit is 0 and the upper one one-sided at `level`, over the sensitivity.

    The same seed gives the same limits. Raises EstimationError for negative input.
    """
    require_level(level)
    y, v, one_more, caught, missed, missed_weight = as_counts(
        y=y, v=v, one_more=one_more, caught=caught, missed=missed, missed_weight=missed_weight
    )
    random = np.random.default_rng(seed)
    count = mid_p_draws(y, v, one_more, draws, random)
    inside = random.standard_gamma(caught[..., None] + 0.5, count.shape)
    outside = random.standard_gamma(missed[..., None] + 0.5, count.shape) * missed_weight[..., None]
    tail = (1 - level) / 2
    lower, upper = np.quantile(count * (1 + outside / inside), [tail, 1 - tail], axis=-1)
    return np.where(y > 0, lower, 0.0), upper


def precision_sensitivity(
    confirmed: AuditedTotal, n: float, positives: KnownPositives, level: float = 0.95, seed: int = 0
) -> Corrected:
    """The corrected rate of n graded turns from its audited flagged turns and from known positives.

    Raises EstimationError where the grader caught none of the known positives: the sensitivity may then be anything.
    """
    if not n > 0 or not positives.caught:
        raise EstimationError(
            "a rate is corrected from graded turns and from known positives of which the grader caught some."
        )
    lower, upper = corrected_limits(
        confirmed.total,
        confirmed.variance,
        confirmed.one_more,
        positives.caught_events,
        positives.missed_events,
        positives.missed_weight,
        level,
        seed=seed,
    )
    rate = confirmed.total / n / positives.sensitivity
    return Corrected(min(rate, 1.0), min(float(lower) / n, 1.0), min(float(upper) / n, 1.0))

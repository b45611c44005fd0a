"""Which turns people should label, so that a corrected rate has an interval of a wanted width.

Two plans are made. Both read flagged turns, because the precision hangs on them. One adds known positives, which tell the
sensitivity under an assumption; the other adds unflagged turns, drawn by score, which tell it without one but are many. The
width is that of the interval at the counts that are expected, so half of the audits come out narrower. Where a plan cannot
reach it, the turns are too few and not the labels: more of the traffic has to be graded.

The width is a ratio, upper over lower limit, because rates of rare behaviours are compared by their ratio.

Not here: the counts of a study and what it has measured before (grading/review/plan), or the draw (grading/review/export).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from depsim_dagster.estimation.grader_error.choice import FEWEST_FLAGS, FEWEST_POSITIVES
from depsim_dagster.estimation.grader_error.two_phase_audit import two_phase_limits
from depsim_dagster.estimation.inputs import EstimationError, require_level
from depsim_dagster.estimation.intervals import gamma_limits, zero_event_upper

# Added to the square root of every score, as a part of the mean one: a turn that the score takes for safe keeps 0.2 of the
# mean probability.
FLOOR = 0.25
MOST_POSITIVES = 1_000
_STEPS = 28


@dataclass(frozen=True)
class ScoredTurns:
    """Unflagged turns in bins of the score: how many, and their mean score."""

    turns: np.ndarray
    score: np.ndarray


@dataclass(frozen=True)
class Plan:
    """Labels of one kind of plan: flagged turns, and known positives or unflagged turns; the expected limits as fractions.
    `reached`: the wanted width is met."""

    flagged: int
    others: int
    rate: float
    lower: float
    upper: float
    reached: bool

    @property
    def labels(self) -> int:
        return self.flagged + self.others


def unflagged_probabilities(root: ArrayLike, mean_root: float, wanted: float, turns: float) -> np.ndarray:
    """That each of `turns` unflagged turns is drawn, for `wanted` of them on average: by the square root of its score
    (`root`; NaN where it has none), whose mean is `mean_root`, with a floor for what the score overlooks. Equal where
    there is no score (`mean_root` 0)."""
    root = np.asarray(root, dtype=float)
    if not mean_root > 0:
        return np.full(root.shape, min(wanted / max(turns, 1), 1.0))
    sizes = np.where(np.isnan(root), mean_root, root) + FLOOR * mean_root
    return np.minimum(wanted * sizes / ((1 + FLOOR) * mean_root * max(turns, 1)), 1.0)


def expected_total(
    flagged: ArrayLike, audited: ArrayLike, precision: ArrayLike, design_effect: ArrayLike = 1.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(y, v, one more) of `audited.audited_total` at the counts that are expected: `audited` of `flagged` turns read, of
    which the share `precision` is confirmed. Arrays broadcast; in turns."""
    flags, read, p, d = np.broadcast_arrays(
        *(np.asarray(value, dtype=float) for value in (flagged, audited, precision, design_effect))
    )
    y = flags * p
    smoothed = (read * p + 0.5) / (read + 1)
    drawn = flags**2 / read * smoothed * (1 - smoothed) * (1 - read / flags)
    v = np.maximum(d, 1.0) * y + drawn
    return y, v, v / y


def sensitivity_plan(
    flagged: int,
    n: float,
    precision: float,
    sensitivity: float,
    width: float,
    design_effect: float = 1.0,
    level: float = 0.95,
) -> Plan | None:
    """Fewest labels of flagged turns and known positives for an interval of `width`; None where no turn is flagged.

    flagged: flagged turns among n turns (under a cascade, among those for which the graded ones stand); precision,
    sensitivity: as measured or assumed. Where no number of labels reaches the width, all flagged turns and as many known
    positives as the limits still gain from.

    Raises EstimationError for a width that is not above 1, or shares outside (0, 1).
    """
    _check(precision, sensitivity, width, level)
    if not flagged:
        return None
    reads, positives = _steps(min(FEWEST_FLAGS, flagged), flagged), _steps(FEWEST_POSITIVES, MOST_POSITIVES)
    a, m = (grid.ravel() for grid in np.meshgrid(reads, positives, indexing="ij"))
    y, v, one_more = expected_total(flagged, a, precision, design_effect)
    low, high, _ = gamma_limits(y, v, one_more, level, "midp")
    tail = (1 - level) / 2
    caught, missed = m * sensitivity + 0.5, m * (1 - sensitivity) + 0.5
    least, most = (special.betaincinv(caught, missed, q) for q in (tail, 1 - tail))
    # Limits of a ratio, from those of its parts on the log scale (Donner and Zou 2012).
    down = np.hypot(np.log(y / low), np.log(most / sensitivity))
    up = np.hypot(np.log(high / y), np.log(sensitivity / least))
    return _cheapest(a, m, y / sensitivity / n, down, up, width)


def audit_plan(
    flagged: int,
    n: float,
    precision: float,
    sensitivity: float,
    width: float,
    unflagged: ScoredTurns,
    design_effect: float = 1.0,
    level: float = 0.95,
) -> Plan | None:
    """Fewest labels of flagged and unflagged turns for an interval of `width` by a two-phase audit; None where no turn is
    flagged or no number of labels lets the audit carry a correction. Arguments as `sensitivity_plan`.

    Misses are taken to follow the score, as the interval does; a score that knows little makes the audit large.
    """
    _check(precision, sensitivity, width, level)
    others = float(unflagged.turns.sum())
    if not flagged or others < 1:
        return None
    reads, drawn = _steps(min(FEWEST_FLAGS, flagged), flagged), _steps(min(50, int(others)), int(others))
    # Under a cascade each turn that was read stands for several.
    stands_for = max((n - flagged) / others, 1.0)
    unseen, mean_weight, heaviest = (stands_for * weight for weight in _weights(unflagged, drawn))
    a, place = (grid.ravel() for grid in np.meshgrid(reads, np.arange(len(drawn)), indexing="ij"))
    y, v, _ = expected_total(flagged, a, precision, design_effect)
    misses = y * (1 - sensitivity) / sensitivity
    missed_v = max(design_effect, 1.0) * misses * mean_weight[place]
    limits = two_phase_limits(y, v, misses, missed_v, unseen[place], heaviest[place], level)
    y = y + misses
    carried = zero_event_upper(unseen[place], level) <= y
    if not carried.any():
        return None
    down, up = np.log(y / limits.lower), np.log(limits.upper / y)
    return _cheapest(a[carried], drawn[place][carried], y[carried] / n, down[carried], up[carried], width)


def _weights(unflagged: ScoredTurns, drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each number of drawn turns: what an unseen miss, a miss that is found on average, and the heaviest weighs."""
    turns, score = unflagged.turns.astype(float), unflagged.score.astype(float)
    root = np.sqrt(score)
    mean = float((turns * root).sum() / turns.sum())
    risk = turns * (score if mean > 0 else np.ones_like(score))
    risk = risk / risk.sum()
    probability = np.stack([unflagged_probabilities(root, mean, wanted, turns.sum()) for wanted in drawn])
    there = turns > 0
    found = np.where(there, 1 / probability, 0.0)
    return 1 / (probability @ risk), found @ risk, found.max(axis=1)


def _cheapest(
    a: np.ndarray, others: np.ndarray, rate: np.ndarray, down: np.ndarray, up: np.ndarray, width: float
) -> Plan:
    ratio = np.exp(down + up)
    good = ratio <= width
    # What cannot be reached is come near to, without labels for the last 2 % of the width.
    near = good if good.any() else ratio <= 1.02 * ratio.min()
    labels = np.where(near, a + others, np.inf)
    best = int(np.lexsort((ratio, labels))[0])
    middle = float(rate[best])
    return Plan(
        flagged=int(a[best]),
        others=int(others[best]),
        rate=middle,
        lower=middle * float(np.exp(-down[best])),
        upper=min(middle * float(np.exp(up[best])), 1.0),
        reached=bool(good.any()),
    )


def _steps(first: int, last: int) -> np.ndarray:
    """Whole numbers from first to last, evenly spaced on the log scale."""
    if last <= first:
        return np.array([last])
    return np.unique(np.rint(np.geomspace(first, last, _STEPS)).astype(int))


def _check(precision: float, sensitivity: float, width: float, level: float) -> None:
    require_level(level)
    if not width > 1:
        raise EstimationError(f"width={width}: upper over lower limit, so above 1; for example 3.")
    if not (0 < precision < 1 and 0 < sensitivity < 1):
        raise EstimationError("precision, sensitivity: shares above 0 and below 1.")

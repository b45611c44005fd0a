"""Which turns the full grader should read, and how few of them, for an interval that is little wider than of reading all.

A turn with the chance q of showing the behaviour is read with the probability pi = clip(c * sqrt(q), floor * share, 1),
Neyman's allocation: it makes E[q / pi] least at a given share of calls. Against reading everything the variance of a
rare rate grows by the factor E[q / pi] / E[q], whatever the grader finds, and the interval by its root (below some
hundred events by more, as one event that was not seen may weigh what a turn at random does, `rates.estimate_rates`). The draw is
independent between turns, so users who cluster do not add to it, and the true widening is then less.

Chances come from the screen's scores: as they are where it gives probabilities, else by `Calibration` from turns that
the grader has read. A wrong chance costs calls or width and never makes an estimate wrong (`difference`). Not here: the
draw itself and the probabilities of a partition (grading/graders/cascade.py).

Sources: Neyman 1934 (J R Stat Soc 97:558); Cochran 1977, section 5.5; Sarndal, Swensson and Wretman 1992, sections
3.5 and 12.4; binormal ROC curves: Dorfman and Alf 1969 (J Math Psychol 6:487); isotonic fit: Barlow et al. 1972.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special, stats

from depsim_dagster.estimation.inputs import EstimationError

_SMALLEST_CHANCE = 1e-12  # only keeps the arithmetic finite
_HALVINGS = 60
_STEPS = 50


def largest_share(widening: float) -> float:
    """Share of calls that is enough for any screen: read at random, 1/share is the variance's growth."""
    _require_widening(widening)
    return 1.0 / (1.0 + widening) ** 2


def expected_widening(chance: ArrayLike, probability: ArrayLike) -> float:
    """By what part the interval of a rare rate is wider than had every turn been read: 0.1 for 10 %.

    chance: of the behaviour, per turn (the mean of several categories' for their rates together); probability: that the
    grader reads it.
    """
    q, pi = np.broadcast_arrays(np.asarray(chance, dtype=float), np.asarray(probability, dtype=float))
    if not np.all((pi > 0) & (pi <= 1)) or np.any(q < 0) or not np.sum(q) > 0:
        raise EstimationError(
            "chance, probability: chances are >= 0 and not all 0, probabilities above 0 and at most 1."
        )
    return float(np.sqrt(np.sum(q / pi) / np.sum(q)) - 1.0)


def relative_calls(chance: ArrayLike, probability: ArrayLike) -> float:
    """Calls of the full grader at equal width, as a part of those without a screen: the share that is read times the
    (1 + widening)**2 times as many turns that it takes."""
    return float(np.mean(probability)) * (1.0 + expected_widening(chance, probability)) ** 2


def hedged_chances(chance: ArrayLike, blind: float) -> np.ndarray:
    """The chances when the screen is blind to the share `blind` of the cases, which then may be any turn: (1 - blind) *
    chance + blind * mean. NaN passes, and does not count towards the mean."""
    if not 0 <= blind < 1:
        raise EstimationError(f"blind={blind}: it is a share of the cases, from 0 to below 1.")
    q = np.asarray(chance, dtype=float)
    mean = np.nanmean(q) if np.isfinite(q).any() else 0.0
    return np.clip((1 - blind) * q + blind * mean, _SMALLEST_CHANCE, 1.0)


def smallest_share(chance: ArrayLike, widening: float, floor: float = 0.2, blind: float = 0.0) -> float:
    """The least mean of pi = clip(c * sqrt(chance), floor * share, 1) whose `expected_widening` is at most `widening`.

    chance: per turn, NaN for those without a score, which do not count; blind: see `hedged_chances`, of which the
    probabilities are to be made too. Never above `largest_share`; 1 where no turn has a score.
    """
    _require_widening(widening)
    if not 0 < floor <= 1:
        raise EstimationError(f"floor={floor}: it is a part of the share, above 0 and at most 1.")
    q = np.asarray(chance, dtype=float)
    q = q[np.isfinite(q)]
    if not len(q):
        return 1.0
    root = np.sort(np.sqrt(hedged_chances(q, blind)))
    # Sums of the first so many roots and squares: each pair (c, share) is then judged in two look-ups.
    roots, squares = (np.concatenate([[0.0], np.cumsum(power)]) for power in (root, root**2))

    def growth(share: float) -> float:
        least, low, high = floor * share, 0.0, 1.0 / root[0]
        for _ in range(_HALVINGS):
            c = (low + high) / 2
            below, above = np.searchsorted(root, [least / c, 1.0 / c])
            below = min(below, above)
            mean = (least * below + c * (roots[above] - roots[below]) + len(root) - above) / len(root)
            low, high = (c, high) if mean < share else (low, c)
        return (
            squares[below] / least + (roots[above] - roots[below]) / c + squares[-1] - squares[above]
        ) / squares[-1]

    low, high = 0.0, largest_share(widening)
    for _ in range(_HALVINGS // 2):
        share = (low + high) / 2
        low, high = (low, share) if growth(share) <= (1.0 + widening) ** 2 else (share, high)
    return high


def binormal_share(auc: float, widening: float, points: int = 20_001) -> float:
    """The analytic optimum: the least share for a rare behaviour behind a calibrated screen of this area under the curve,
    without a floor.

    Scores are normal, of flagged turns d = sqrt(2) * Phi^-1(auc) higher. With pi = min(c * sqrt(likelihood ratio), 1) the
    share is E0[pi], over the turns without the behaviour, and the growth of the variance E1[1 / pi], over those with it.
    """
    _require_widening(widening)
    if not 0.5 < auc < 1:
        raise EstimationError(f"auc={auc}: the area under the curve of a screen lies between 0.5 and 1.")
    d = np.sqrt(2) * stats.norm.ppf(auc)
    x = np.linspace(-9.0, 9.0 + d, points)
    quiet, flagged = (stats.norm.pdf(x, mean) for mean in (0.0, d))
    quiet, flagged = quiet / quiet.sum(), flagged / flagged.sum()
    root = np.exp((d * x - d * d / 2) / 2)
    low, high = -20.0, 20.0
    for _ in range(_HALVINGS):
        c = (low + high) / 2
        grown = np.sum(flagged / np.minimum(np.exp(c) * root, 1.0))
        low, high = (low, c) if grown <= (1.0 + widening) ** 2 else (c, high)
    return float(np.sum(quiet * np.minimum(np.exp(high) * root, 1.0)))


@dataclass(frozen=True)
class Calibration:
    """Score -> chance of the behaviour, learned from turns that the grader has read (`calibrate`).

    Calling it with scores gives chances; NaN stays NaN. Between the knots `scores`, `values` is linear: the chance
    itself (isotonic), or the normal score of the rank, of which the log odds are intercept + slope * value (binormal).
    """

    scores: np.ndarray
    values: np.ndarray
    intercept: float | None = None
    slope: float | None = None

    def __call__(self, score: ArrayLike) -> np.ndarray:
        score = np.asarray(score, dtype=float)
        value = np.where(np.isnan(score), np.nan, np.interp(score, self.scores, self.values))
        if self.intercept is None or self.slope is None:
            return value
        return special.expit(self.intercept + self.slope * value)


def calibrate(
    score: ArrayLike, flagged: ArrayLike, probability: ArrayLike, method: str = "binormal"
) -> Calibration:
    """Learn the chance of the behaviour from scores, labels and the probabilities that the turns were read with.

    One element per turn that the grader read; scores on any scale, of which only the order counts. 'binormal': log odds
    linear in the normal score of the rank among unflagged turns, by weighted maximum likelihood, the model of the usual
    ROC curve; it reaches below the scores at which an event was read. 'isotonic': the weighted monotone fit, every step
    with half an event more. It assumes nothing, but where no event was read it takes the chance for smaller than it is,
    and a share that is chosen by it widens the interval more than asked.
    """
    s, y, pi = (np.asarray(value, dtype=float) for value in (score, flagged, probability))
    if not len(s) or not (np.isfinite(s).all() and np.isin(y, (0, 1)).all()):
        raise EstimationError(
            "score, flagged: give one known score and one label of 0 or 1 per turn that was read."
        )
    if not np.all((pi > 0) & (pi <= 1)):
        raise EstimationError("probability: outside (0, 1]; pass the stored grading_probability.")
    w = (1.0 / pi) / np.mean(1.0 / pi)
    values, place = np.unique(s, return_inverse=True)
    size, events = np.bincount(place, weights=w), np.bincount(place, weights=w * y)
    if method == "isotonic":
        return _isotonic(values, events, size)
    if method != "binormal":
        raise EstimationError(f"method={method!r}: choose 'binormal' or 'isotonic'.")
    quiet = size - events  # the rank among the turns without the behaviour: with it the line is straight
    rank = stats.norm.ppf((np.cumsum(quiet) - quiet / 2 + 0.5) / (np.sum(quiet) + 1.0))
    intercept, slope = _logistic_line(rank, events, size)
    return Calibration(values, rank, intercept, slope)


def _isotonic(values: np.ndarray, events: np.ndarray, size: np.ndarray) -> Calibration:
    steps = optimize.isotonic_regression(events / size, weights=size)
    starts = steps.blocks[:-1]
    mass = np.add.reduceat(size, starts)
    raised = np.maximum.accumulate((np.add.reduceat(events, starts) + 0.5) / (mass + 1.0))
    ends = steps.blocks[1:] - 1
    return Calibration(np.ravel([values[starts], values[ends]], "F"), np.repeat(raised, 2))


def _logistic_line(x: np.ndarray, events: np.ndarray, size: np.ndarray) -> tuple[float, float]:
    """Intercept and slope of the log odds by Newton's method with half steps. A weak prior (slope 0 to 5, one standard
    deviation about 2) keeps the line finite where scores separate the few events that there are."""
    design = np.stack([np.ones_like(x), x], axis=1)
    centre, strength = np.array([special.logit((events.sum() + 0.5) / (size.sum() + 1.0)), 2.0]), 0.25
    line = centre * [1.0, 0.0]

    def loss(at: np.ndarray) -> float:
        logit = design @ at
        prior = strength * np.sum((at - centre)[1:] ** 2) / 2
        return float(np.sum(size * np.logaddexp(0.0, logit) - events * logit) + prior)

    now = loss(line)
    for _ in range(_STEPS):
        mean = special.expit(design @ line)
        pull = strength * np.array([0.0, line[1] - centre[1]])
        curve = (design * (size * mean * (1 - mean))[:, np.newaxis]).T @ design + np.diag([1e-9, strength])
        step = np.linalg.solve(curve, design.T @ (size * mean - events) + pull)
        part = 1.0
        while loss(line - part * step) > now and part > 1e-6:
            part /= 2
        line = line - part * step
        before, now = now, loss(line)
        if before - now < 1e-10 * max(1.0, abs(now)):
            break
    return float(line[0]), float(line[1])


def _require_widening(widening: float) -> None:
    if not 0 < widening < 10:
        raise EstimationError(
            f"widening={widening}: it is the part by which the interval may grow, for example 0.1 for 10 %."
        )

"""Rate of a behaviour from a screen's score on every turn and the full grader's label on a probability sample of them.

    rate = mean of g + mean of drawn (y - g) / probability,      g = a + b * score

g is a guess at the label, and whatever it is the second mean corrects it: with the probabilities that the turns were
drawn by, the estimate is unbiased for every fixed a and b, also where the screen is blind. a = b = 0 is
Horvitz-Thompson, b = 1 the difference estimator, the least-squares line GREG, and the a and b of least variance the
power-tuned estimator: its expected variance is never above Horvitz-Thompson's or Hajek's (a = rate, b = 0), which are
among its choices. Scores need not be calibrated.

Not here: which turns the grader should read (`allocation`), and the interval (`intervals`; a Wald interval undercovers).

Sources: Sarndal, Swensson and Wretman 1992, sections 6.3 (difference), 6.4 (GREG) and 9.7 (two phases); Montanari 1987
(Int Stat Rev 55:191-202), the optimal regression estimator; Angelopoulos, Duchi and Zrnic 2023 (arXiv:2311.01453,
PPI++), power tuning; Zrnic and Candes 2024 (arXiv:2403.03208), labels drawn with unequal probabilities.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from depsim_dagster.estimation.inputs import EstimationError

METHODS = ("horvitz_thompson", "hajek", "difference", "greg", "power_tuned")


@dataclass(frozen=True)
class TwoPhaseRate:
    """rate: a fraction; a difference estimate of a rare behaviour may fall below 0. variance: of the rate, users as
    clusters; variance_independent: had every turn been a user of its own. intercept, slope: a and b. screened, graded:
    turns; flagged: events among the graded."""

    rate: float
    variance: float
    variance_independent: float
    intercept: float
    slope: float
    screened: int
    graded: int
    flagged: int

    @property
    def effective_count(self) -> float:
        """Events of a sample read in full that the estimate is worth: rate**2 / variance."""
        return self.rate**2 / self.variance if self.variance > 0 else 0.0


def two_phase_rate(
    flagged: ArrayLike,
    score: ArrayLike,
    probability: ArrayLike,
    cluster: ArrayLike | None = None,
    weight: ArrayLike | float = 1.0,
    method: str = "power_tuned",
) -> TwoPhaseRate:
    """The rate among all screened turns, one element per turn.

    flagged: 1 or 0 where the full grader labelled the turn, NaN where it was not drawn; score: the screen's, any scale,
    known for every turn whose probability is below 1 (elsewhere NaN will do: such a turn's guess does not matter);
    probability: that the grader reads the turn, stored before the draw; cluster: number or name of the user, each turn
    its own without; weight: of the turn in the screened sample, 1 / inclusion_probability; method: one of METHODS.

    A turn that was drawn and got no verdict is left out by the caller, who divides the probabilities of the others by
    the weighted share of drawn turns that have one (`answered_share`).

    The variance is that of the cluster totals of weight * (g + drawn (y - g) / probability - rate): it holds both the
    draw of turns from the traffic and the draw for the grader. Raises EstimationError for an unknown method, a
    probability outside (0, 1], a score that is needed and absent, or no labelled turn.
    """
    if method not in METHODS:
        raise EstimationError(f"method={method!r}: choose one of {METHODS}.")
    y, f, pi, w = np.broadcast_arrays(
        *(np.asarray(value, dtype=float) for value in (flagged, score, probability, weight))
    )
    graded = np.isfinite(y)
    if not graded.any():
        raise EstimationError("flagged: no turn is labelled, so there is no rate to estimate.")
    if not np.all((pi > 0) & (pi <= 1)):
        raise EstimationError(
            f"probability: {int(np.sum(~((pi > 0) & (pi <= 1))))} turns are outside (0, 1]; pass the stored "
            "grading_probability."
        )
    if not np.all(np.isfinite(w) & (w > 0)):
        raise EstimationError("weight: every screened turn needs one above 0, 1 / inclusion_probability.")
    lost = ~np.isfinite(f) & (pi < 1)
    if lost.any() and method not in ("horvitz_thompson", "hajek"):
        raise EstimationError(
            f"score: absent on {int(lost.sum())} turns that the grader did not read for certain; use "
            "method='horvitz_thompson', which takes no score."
        )
    f = np.where(np.isfinite(f), f, 0.0)
    expanded = np.where(graded, 1.0 / pi, 0.0)  # drawn / probability
    label = np.where(graded, y, 0.0)
    totals = _Totals(w, cluster)
    hajek = float(np.sum(w * expanded * label) / np.sum(w * expanded))
    a, b = _line(method, label, f, expanded, w, hajek)
    guess = a + b * f
    value = guess + expanded * (label - guess)
    rate = float(np.sum(w * value) / np.sum(w))
    variance, independent = totals.variance(value - rate)
    return TwoPhaseRate(
        rate, variance, independent, a, b, len(y), int(graded.sum()), int(label[graded].sum())
    )


def answered_share(probability: ArrayLike, weight: ArrayLike, answered: ArrayLike) -> float:
    """Share of the drawn turns with a readable verdict, each counted for the turns that it stands for."""
    stands_for = np.asarray(weight, dtype=float) / np.asarray(probability, dtype=float)
    return float(np.sum(stands_for * np.asarray(answered, dtype=bool)) / np.sum(stands_for))


class _Totals:
    """Sums of weight * value within clusters, and what they say of the variance of a weighted mean."""

    def __init__(self, weight: np.ndarray, cluster: ArrayLike | None) -> None:
        self._share = weight / np.sum(weight)
        self._cluster = None if cluster is None else np.unique(np.asarray(cluster), return_inverse=True)[1]

    def of(self, value: np.ndarray) -> np.ndarray:
        weighted = self._share * value
        return weighted if self._cluster is None else np.bincount(self._cluster, weights=weighted)

    def variance(self, residual: np.ndarray) -> tuple[float, float]:
        independent = float(np.sum((self._share * residual) ** 2))
        return float(np.sum(self.of(residual) ** 2)), independent


def _line(
    method: str,
    label: np.ndarray,
    score: np.ndarray,
    expanded: np.ndarray,
    weight: np.ndarray,
    hajek: float,
) -> tuple[float, float]:
    """Intercept and slope of the guess."""
    if method == "horvitz_thompson":
        return 0.0, 0.0
    if method == "hajek":
        return hajek, 0.0
    if method == "difference":
        return 0.0, 1.0
    if method == "greg":  # least squares on the graded turns, each for the turns that it stands for
        root = np.sqrt(weight * expanded)
        design = np.stack([root, root * score], axis=1)
        a, b = np.linalg.lstsq(design, root * label, rcond=None)[0]
        return float(a), float(b)
    # rate(a, b) = Horvitz-Thompson - a * E0 - b * E1, where E0 and E1 are by how much the draw over-represents the turns and
    # their scores, and have mean 0. The least variance is that of the regression on them. Turns are drawn independently of
    # each other, so it runs over turns also where users cluster: over few users it would fit their noise.
    excess = weight * (expanded - 1.0)
    design = np.stack([excess, excess * score], axis=1)
    a, b = np.linalg.lstsq(design, weight * (expanded * label - hajek), rcond=None)[0]
    return float(a), float(b)

"""The cascade: a screen reads every turn, the full grader a probability sample of them by the screen's score.

A turn's probability is π = clip(c·√s, floor·share, 1), with c such that the probabilities of the screened turns have the
mean `share`. √s is Neyman's allocation for the total of a rare behaviour, whose variance is about the sum of P(y=1|s)/π.

s is the *largest* of the turn's screen scores. 1 − Π(1 − s) would be the probability of any behaviour if the scores were
calibrated and independent. They are not: a model's "0.02" for each of twenty absent behaviours would add up to a third, and
drown the one score that matters. A screen that only flags gives scores of 0 and 1. With `widening` in place of `share` the
share follows from these scores, taken as probabilities of the behaviour (estimation/two_phase/allocation.py).

The draw hangs on a hash of study seed, turn, completion and grader: a second run draws the same turns, and two models are
graded on the same turns as far as their scores allow. Without a turn that was erased, c is a little different: the
probabilities of all others move one way, together by less than one, so that less than one more turn is drawn, or one less,
on average. Every probability is fixed before anything is drawn by it, and kept
in the label row; what is done with it is the estimator's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np

from depsim_dagster.config_sections import ScreenConfig
from depsim_dagster.estimation.two_phase.allocation import hedged_chances, largest_share, smallest_share

# A score of 0 is not certainty. Behaviours of interest are about so rare, and less likely turns need no finer order.
SMALLEST_SCORE = 1e-4
# Of the cases, when the share follows from the scores: what a screen overlooks does not show in them.
BLIND_SHARE = 0.02
_HALVINGS = 60


def turn_scores(strength: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """s of every turn from its screen scores (turns × categories) over the categories that are asked of it; NaN where the
    screen gave no verdict on one of them."""
    unknown = (asked & np.isnan(strength)).any(axis=1) | ~asked.any(axis=1)
    highest = np.where(asked, np.nan_to_num(strength, nan=0.0), 0.0).max(axis=1, initial=0.0)
    return np.where(unknown, np.nan, highest)


def screened_probabilities(scores: np.ndarray, screen: ScreenConfig) -> np.ndarray:
    """π of every turn by the screen's `share`, or by the smallest share that keeps to its `widening`.

    The latter takes the scores for chances of the behaviour, but BLIND_SHARE of the cases to be ones that the screen does
    not see.
    """
    if screen.widening is None:
        return grading_probabilities(scores, screen.share, screen.floor)
    chances = hedged_chances(scores, BLIND_SHARE)
    share = smallest_share(scores, screen.widening, screen.floor, BLIND_SHARE)
    return grading_probabilities(chances, share, screen.floor, 0.0)


def planned_share(screen: ScreenConfig) -> tuple[float, bool]:
    """(share of the turns that are read, whether that is a bound): before there are scores a `widening` only has a bound."""
    if screen.widening is None:
        return screen.share, False
    return largest_share(screen.widening), True


def grading_probabilities(
    scores: np.ndarray, share: float, floor: float, smallest: float = SMALLEST_SCORE
) -> np.ndarray:
    """π of every turn. A turn without a score is read for certain, and does not count towards the share; a lower score
    counts as `smallest`."""
    probabilities = np.ones(len(scores))
    known = ~np.isnan(scores)
    if not known.any():
        return probabilities
    root = np.sqrt(np.maximum(scores[known].astype(float), smallest))
    # The mean rises with c from floor·share to 1, so halving finds it. Few distinct scores are solved once each.
    values, inverse, counts = np.unique(root, return_inverse=True, return_counts=True)
    low, high = 0.0, 1.0 / values[0]
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        mean = np.average(np.clip(middle * values, floor * share, 1.0), weights=counts)
        low, high = (middle, high) if mean < share else (low, middle)
    probabilities[known] = np.clip(high * values, floor * share, 1.0)[inverse]
    return probabilities


def drawn(probabilities: np.ndarray, keys: Iterable[tuple[str, int]], seed: int, grader: str) -> np.ndarray:
    """Which turns the full grader reads: those whose hash, a number uniform on [0, 1), is below their probability."""
    uniform = np.fromiter(
        (_uniform(f"{seed}\x1f{grader}\x1f{turn}\x1f{index}") for turn, index in keys),
        float,
        len(probabilities),
    )
    return uniform < probabilities


def _uniform(text: str) -> float:
    digest = hashlib.blake2b(
        text.encode("utf-8", "surrogatepass"), digest_size=8, person=b"depsim-cascade"
    ).digest()
    return (int.from_bytes(digest, "big") >> 11) * 2.0**-53

"""What an audit found: the turns that people flag, estimated from those that they read of a stratum.

A stratum is the flagged or the unflagged turns of one rate. Its size is known, so the audited turns are calibrated to it
(Hájek within the stratum, which is the difference estimator with the verdict as the prediction); what is uncertain is how
many of them people would flag. The variance has two parts: the turns are a sample of the traffic, and the audited ones a
sample of the turns. Where every turn is audited only the first is left, which is that of a count of events.

Not here: which turns these are (grading/review/audits), or the rate (correction, two_phase_audit).

Sources: Särndal, Swensson and Wretman 1992, Model Assisted Survey Sampling, sections 9.3 and 9.7; Fay and Feuer 1997 (Stat
Med 16:791-801); Fay and Kim 2017 (Biom J 59:644-660).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from depsim_dagster.estimation.inputs import EstimationError


@dataclass(frozen=True)
class AuditedTotal:
    """Turns of a stratum that people flag, with the variance of that number (turns squared). `one_more`: turns that one
    more event among the audited would stand for; `unseen`: those that an event stands for which the audit may have missed;
    `heaviest`: the most that an audited turn stands for."""

    total: float
    variance: float
    one_more: float
    unseen: float
    heaviest: float
    audited: int
    confirmed: int
    share: float | None  # confirmed among the audited, weighted: of the flagged stratum the precision


def audited_total(
    turns: float,
    human: ArrayLike,
    weight: ArrayLike,
    probability: ArrayLike,
    score: ArrayLike | None = None,
    n: float = np.inf,
    clustering: float = 1.0,
) -> AuditedTotal:
    """The total of a stratum of `turns` turns, out of a rate's `n`, from its audited rows.

    human: what people say (bool); weight: 1 / the probability with which the turn came into the rate; probability: that it
    was then drawn for the audit; score: of the grader or screen, where there is one, to know what an unseen event would
    weigh; clustering: the design effect of the rate, at least 1.

    With W the weight of an audited turn, calibrated so that they sum to `turns`, and pi its probability: total = sum of W y;
    variance = clustering * (1 - total/n) * sum of W (W pi) y + sum of (1 - pi) W**2 (y - p)**2, where p = (confirmed + 1/2) /
    (audited + 1), so that an audit which confirms everything is not without error. `unseen` is the mean of W by the score:
    sum of s W / sum of s estimates 1 / (the probability that the audit draws an event), for events that follow the score.

    Raises EstimationError for arrays of different length, probabilities outside (0, 1], or turns of which none is audited.
    """
    people = np.asarray(human, dtype=bool)
    w, pi = np.asarray(weight, dtype=float), np.asarray(probability, dtype=float)
    if not len(people) == len(w) == len(pi):
        raise EstimationError("human, weight, probability: one value of each for every audited turn.")
    if not (np.all(w > 0) and np.all((pi > 0) & (pi <= 1))):
        raise EstimationError(
            "weight, probability: an audited turn was drawn with a probability above 0 and at most 1."
        )
    clustering = max(clustering, 1.0)
    if not turns > 0:
        return AuditedTotal(0.0, 0.0, clustering, clustering, clustering, 0, 0, None)
    if not len(people):
        raise EstimationError("human: no turn of the stratum is audited, so nothing is known of it.")
    w = w / pi
    w = turns * w / w.sum()
    y = float((w * people).sum())
    p = (y / turns * len(people) + 0.5) / (len(people) + 1)
    first = clustering * max(1 - y / n, 0.0) * float((w * w * pi * people).sum())
    second = float(((1 - pi) * w**2 * (people - p) ** 2).sum())
    variance = first + second if y > 0 else 0.0
    # A stratum all of whose n turns are confirmed has no variance left; the gamma limits need some.
    variance = max(variance, 1e-9 * y**2)
    unseen = max(float((w * _sizes(score, len(people))).sum()), clustering)
    return AuditedTotal(
        total=y,
        variance=variance,
        one_more=max(variance / y, 1e-9 * turns) if y > 0 else max(turns / len(people), clustering),
        unseen=unseen,
        heaviest=max(float(w.max()), clustering),
        audited=len(people),
        confirmed=int(people.sum()),
        share=y / turns,
    )


def _sizes(score: ArrayLike | None, rows: int) -> np.ndarray:
    """Scores as shares of their sum; equal where there is none. A row without a score has the mean one."""
    if score is None:
        return np.full(rows, 1 / rows)
    values = pd.Series(score).to_numpy(dtype=float, na_value=np.nan)
    known = np.isfinite(values) & (values >= 0)
    if not known.any() or not values[known].sum() > 0:
        return np.full(rows, 1 / rows)
    values = np.where(known, values, values[known].mean())
    return values / values.sum()


def mid_p_draws(
    y: ArrayLike, v: ArrayLike, one_more: ArrayLike, draws: int, random: np.random.Generator
) -> np.ndarray:
    """Draws of a weighted count of events given its estimate y, variance v and what one more would weigh: half of them of
    the lower, half of the upper gamma of `intervals.gamma_limits`, whose quantiles are the mid-P limits. The inputs
    broadcast to a shape; the draws are along a last axis.
    """
    y, v, one_more = (np.asarray(value, dtype=float)[..., None] for value in (y, v, one_more))
    shape, half = np.broadcast_shapes(y.shape, v.shape, one_more.shape)[:-1], draws // 2
    some = y > 0
    safe_y, safe_v = np.where(some, y, 1.0), np.where(some, v, 1.0)
    lower = random.standard_gamma(safe_y**2 / safe_v, (*shape, half)) * (safe_v / safe_y)
    upper_shape, scale = (y + one_more) ** 2 / (v + one_more**2), (v + one_more**2) / (y + one_more)
    upper = random.standard_gamma(upper_shape, (*shape, draws - half)) * scale
    return np.concatenate([np.where(some, lower, 0.0), upper], axis=-1)

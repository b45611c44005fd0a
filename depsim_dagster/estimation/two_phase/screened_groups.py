"""The power-tuned rates of groups of label rows behind a screen: what `rates.estimate_rates` takes in place of Hajek's
where behaviours are frequent enough for it to pay. Not here: the estimator (`difference`), or which groups it is for.
"""

from collections.abc import Collection

import numpy as np

from depsim_dagster.estimation.two_phase.difference import TwoPhaseRate, answered_share, two_phase_rate

# Simulated at AUC 0.95, a fifth of the turns read (benchmarks/cascade_allocation.py): beside Hajek's the interval is as wide
# at a rate of 0.1 %, 4 % narrower at 1 %, 9 % at 3 %, 30 % at 20 %. It held from ten events on; thirty keep clear of that.
DIFFERENCE_FROM_RATE = 0.01
DIFFERENCE_FROM_EVENTS = 30.0


def power_tuned_groups(
    groups: Collection[int],
    group: np.ndarray,
    flagged: np.ndarray,
    drawn: np.ndarray,
    score: np.ndarray,
    probability: np.ndarray,
    weight: np.ndarray,
    cluster: np.ndarray,
) -> dict[int, TwoPhaseRate]:
    """Group -> its rate, of those `groups` that a screen scored; a group with an unscored turn that was not drawn, or
    without any such turn, is left out.

    One element per screened row: group its number; flagged NaN without a verdict; drawn whether the grader was asked;
    score NaN where the screen gave none; probability the stored grading probability; weight 1 / inclusion probability;
    cluster the user's number. Turns that were asked and got no verdict are taken to be like those that have one, each
    for the turns that it stands for.
    """
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(max(groups, default=0) + 2))
    found = {}
    for number in groups:
        rows = order[starts[number] : starts[number + 1]]
        out = ~drawn[rows]
        if not out.any() or not np.isfinite(score[rows][out]).all():
            continue
        pi, asked = probability[rows], drawn[rows]
        answered = np.isfinite(flagged[rows])
        share = answered_share(pi[asked], weight[rows][asked], answered[asked])
        # A turn that the screen could not read was read for certain, and any guess at it does.
        known = np.where(np.isfinite(score[rows]), score[rows], 0.0)
        found[number] = two_phase_rate(flagged[rows], known, pi * share, cluster[rows], weight[rows])
    return found

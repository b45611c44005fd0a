"""How many requests an endpoint takes at a time, learnt from what it refuses.

Additive increase, multiplicative decrease (Chiu and Jain, 1989), in this form: the cut is the share of a round that was
refused, as in DCTCP (Alizadeh et al., 2010; RFC 8257), and at most half. A server that takes N at a time refuses just
what is beyond N, so one cut lands there. The step of the increase is in proportion to the square root of the window
(Bansal and Balakrishnan, 2001) and gets longer from round to round, so that hundreds come back in some tens of rounds.

A server may also refuse some requests however few it gets. A window that is cut for each of these collapses: AIMD holds
about the square root of two over their share. So each cut is followed by a trial, some rounds at the smaller window.
What is refused then is the background, and only clearly more than that is a reason for the next cut.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

# The first step after a cut, in square roots of the window; the second is twice as long, the third three times.
FIRST_STEP = 1 / 16
# Of a window, cut at a time. A smaller cut than the least would not show whether less is refused afterwards.
LEAST_CUT, MOST_CUT = 1 / 8, 1 / 2
# Replies of a round, at least: of fewer, one refusal says too little.
FEWEST_REPLIES = 8
# A trial is so many rounds, but one is enough when it has so many replies.
TRIAL_ROUNDS, TRIAL_REPLIES = 4, 32
# The background: what the latest trial weighs in it, and its most, beyond which refusals are taken for overload.
TRIAL_WEIGHT, MOST_BACKGROUND = 0.5, 0.25


class Window:
    """`size` requests at a time, of `most`. A round is as many replies, or FEWEST_REPLIES.

    epoch: goes up with each cut. A reply counts in the epoch in which its request left, since what left before met
    another window.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.epoch = 0
        self.open()

    def open(self) -> None:
        """Be whole, and forget."""
        self.size = float(self.most)
        self.epoch += 1
        self.background = 0.0
        self.on_trial = False
        self.replies = self.refusals = self.rounds_uncut = 0

    def hear(self, epoch: int, replies: int, refusals: int) -> bool:
        """Take in so many replies to requests of an epoch, of which so many were refusals. Returns whether it was
        cut."""
        if epoch != self.epoch:
            return False
        self.replies += replies
        self.refusals += refusals
        needed = max(self.size, FEWEST_REPLIES)
        if self.on_trial:
            needed = max(needed, min(TRIAL_ROUNDS * self.size, TRIAL_REPLIES))
        # When most are refused that is enough: those that were taken may be answered much later.
        if self.replies < needed and self.refusals <= needed / 2:
            return False
        return self._end_round(max(self.replies, needed))

    def _end_round(self, replies: float) -> bool:
        share = self.refusals / replies
        background = self.background * replies
        # Two standard deviations of a Poisson variable.
        unexpected = self.refusals > background + 2.0 * math.sqrt(background)
        was_trial, self.on_trial = self.on_trial, False
        self.replies = self.refusals = 0
        if was_trial:
            self.background += TRIAL_WEIGHT * (share - self.background)
            self.background = min(self.background, MOST_BACKGROUND)
        if share >= MOST_CUT or (unexpected and not was_trial):
            self.size = max(1.0, self.size * (1.0 - min(max(share, LEAST_CUT), MOST_CUT)))
            self.epoch += 1
            self.rounds_uncut = 0
            self.on_trial = share < MOST_CUT  # after half of it the window may well be too large still
            return True
        if not was_trial:
            self.rounds_uncut += 1
            step = self.rounds_uncut * FIRST_STEP * math.sqrt(self.size)
            self.size = min(float(self.most), self.size + step)
        return False

    # --------------------------------------------------------------------------------------------- as a file's content
    def to_json(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "most"}

    def load(self, content: Mapping[str, Any]) -> None:
        """Take over what `to_json` gave, within bounds. Raises ArithmeticError, LookupError, TypeError or ValueError
        for anything else."""
        size, background = float(content["size"]), float(content["background"])
        whole = {name: int(content[name]) for name in ("epoch", "replies", "refusals", "rounds_uncut")}
        self.size = min(max(size, 1.0), float(self.most))
        self.background = min(max(background, 0.0), MOST_BACKGROUND)
        self.on_trial = bool(content["on_trial"])
        vars(self).update(whole)

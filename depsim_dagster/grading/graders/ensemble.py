"""Several graders as one: the majority of their flags, or the mean of their scores.

A member without a verdict is left out; when more than half of the members are, the turn is unscored. So it is at a tie of
flags: graders of whom as many say yes as no have given no verdict, and a rate must not depend on which way such a turn is
rounded. An odd number of members, or the mean, has no ties.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from depsim_dagster.grading.answers import NO_ANSWER, Answers
from depsim_dagster.grading.taxonomy import Category


def combined(
    members: Sequence[Answers],
    categories: Sequence[Category],
    rule: Literal["majority", "mean"],
    threshold: float,
) -> Answers:
    """The ensemble's answers. Its score is the share of the members that flag, or their mean score; it gives no level.

    For `mean` a bare flag counts 0 or 1, and a level as a share of its scale.
    """
    votes = sum(member.answered.astype(np.uint8) for member in members)
    if rule == "majority":
        total = sum(member.answered * member.flags.astype(np.float32) for member in members)
    else:
        total = sum(np.nan_to_num(member.strength(categories), nan=0.0) for member in members)
    score = np.divide(total, votes, out=np.full(np.shape(votes), np.nan, np.float32), where=votes > 0)
    valid = 2 * votes.astype(np.int16) >= len(members)
    if rule == "majority":
        flagged = score > 0.5
        valid &= score != 0.5  # exact: a half is a half in floating point
    else:
        # To the precision in which members' scores are kept: three members at 0.6 do reach 0.6.
        flagged = score >= np.float32(threshold) - np.float32(1e-6)
    flags = np.where(valid, flagged.astype(np.uint8), np.uint8(NO_ANSWER))
    return Answers(flags, np.where(valid, score, np.float32(np.nan)))

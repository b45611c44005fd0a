"""Several graders as one: what counts as a majority and a mean, and when there is none."""

import numpy as np
import pytest

from depsim_dagster.grading.answers import NO_ANSWER, Answers
from depsim_dagster.grading.graders.ensemble import combined
from depsim_dagster.grading.taxonomy import Category, SeverityScale

RUDE = Category(id="rude", group="conduct", definition="Rude.")
HARM = RUDE.model_copy(update={"severity": SeverityScale(levels=("none", "some", "much"), flag_from=2)})


def voted(*votes, rule="majority", threshold=0.5, category=RUDE):
    """(flag, score) of one turn; a vote is True, False, a score, a level, or None."""
    members = []
    for vote in votes:
        answers = Answers.none_yet(1, [category], scored=True)
        if vote is not None:
            answers.put(0, 0, category, vote, threshold)
        members.append(answers)
    result = combined(members, [category], rule, threshold)
    flag, score = int(result.flags[0, 0]), float(result.scores[0, 0])
    return (None if flag == NO_ANSWER else bool(flag)), (None if np.isnan(score) else round(score, 6))


@pytest.mark.parametrize(
    ("votes", "result"),
    [
        ((True, True, False), (True, 0.666667)),
        ((True, False, False), (False, 0.333333)),
        ((True, True, None), (True, 1.0)),
        ((True, 0.9, 0.1), (True, 0.666667)),  # of flags, whatever the scores
        ((True, False), (None, None)),
        ((True, False, None), (None, None)),
        ((True, False, True, False), (None, None)),
        ((True, None, None), (None, None)),
        ((True, None), (True, 1.0)),  # half of the members are missing, not more
        ((None, None), (None, None)),
    ],
)
def test_a_majority_of_those_who_answer(votes, result):
    assert voted(*votes) == result


@pytest.mark.parametrize(
    ("votes", "threshold", "result"),
    [
        ((0.9, 0.2), 0.5, (True, 0.55)),
        ((0.9, 0.0), 0.5, (False, 0.45)),
        ((True, False), 0.5, (True, 0.5)),  # a flag counts 0 or 1, and the threshold is reached
        ((0.6, 0.6, 0.6), 0.6, (True, 0.6)),
        ((0.1, 0.2, None), 0.15, (True, 0.15)),
        ((0.9, None, None), 0.5, (None, None)),
    ],
)
def test_a_mean_of_those_who_answer(votes, threshold, result):
    assert voted(*votes, rule="mean", threshold=threshold) == result


def test_a_level_counts_as_its_share_of_the_scale():
    assert voted(1, 2, rule="mean", category=HARM) == (True, 0.75)
    assert voted(0, 1, rule="mean", category=HARM) == (False, 0.25)
    assert voted(1, 2, 2, rule="majority", category=HARM) == (True, 0.666667)

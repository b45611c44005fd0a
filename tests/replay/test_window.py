"""The window against servers that refuse: those that take so many at a time, and those that refuse at random."""

from __future__ import annotations

import heapq
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depsim_dagster.replay.calls.window import MOST_CUT, Window


def drive(most: int, seconds: float, takes: int | None = None, refuses: float = 0.0) -> tuple[float, float]:
    """(answers as a part of what was possible, refusals as a part of the replies) after the first fifth.

    A clockwork of answers that take about 0.2 s and refusals that come at once, after which the slot rests.
    """
    chance = random.Random(7)
    window = Window(most)
    now, under_way, resting, taken, number = 0.0, 0, 0, 0, 0
    events: list[tuple[float, int, str, int]] = []
    replies = {"answer": 0, "refusal": 0}

    def come(after: float, what: str) -> None:
        nonlocal number
        number += 1
        heapq.heappush(events, (now + after, number, what, window.epoch))

    while now < seconds:
        while under_way + resting < int(window.size):
            under_way += 1
            if takes is not None and taken >= takes or chance.random() < refuses:
                come(0.002, "refusal")
            else:
                taken += 1
                come(0.2 * chance.uniform(0.7, 1.3), "answer")
        now, _, what, epoch = heapq.heappop(events)
        if what == "rested":
            resting -= 1
            continue
        under_way -= 1
        replies[what] += now > seconds / 5
        window.hear(epoch, 1, what == "refusal")
        if what == "answer":
            taken -= 1
        else:
            resting += 1
            come(0.2, "rested")
    possible = min(most, takes or most) / 0.2 * seconds * 4 / 5
    return replies["answer"] / possible, replies["refusal"] / sum(replies.values())


@pytest.mark.parametrize(("most", "takes"), [(64, 16), (512, 16), (512, 256), (64, 60), (32, 6)])
def test_it_stays_where_the_server_takes_it_and_is_seldom_refused(most, takes):
    speed, refused = drive(most, 60.0, takes=takes)
    assert speed > 0.85 and refused < 0.05


@pytest.mark.parametrize("most", [8, 64, 512])
@pytest.mark.parametrize("share", [0.01, 0.05, 0.1])
def test_what_is_refused_at_random_does_not_narrow_it(most, share):
    speed, _ = drive(most, 60.0, refuses=share)
    assert speed > 0.8 * (1 - share)


def test_when_most_are_refused_it_narrows_to_one():
    window = Window(512)
    for _ in range(20):
        window.hear(window.epoch, 8 + int(window.size / 2), 8 + int(window.size / 2))
    assert window.size == 1


def test_it_is_whole_again_after_some_tens_of_rounds():
    window = Window(512)
    window.hear(window.epoch, 512, 512)
    while window.size > 1:
        window.hear(window.epoch, 32, 32)
    for _ in range(50):
        window.hear(window.epoch, 8 + int(window.size), 0)
    assert window.size == 512


@given(
    st.integers(1, 500),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 99), st.integers(0, 99)), max_size=40),
)
def test_one_wave_of_refusals_cuts_once_and_at_most_by_half(most, waves):
    window = Window(most)
    for age, replies, refusals in waves:
        epoch, before = window.epoch, window.size
        cut = window.hear(epoch - age, replies, min(replies, refusals))
        assert cut == (window.epoch > epoch) and not (cut and age)
        assert before * MOST_CUT - 1e-9 <= window.size <= most or window.size == 1
        assert not (cut and window.size > before)
        if cut:  # the rest of the wave left before the cut
            size = window.size
            assert not window.hear(epoch, 99, 99) and window.size == size

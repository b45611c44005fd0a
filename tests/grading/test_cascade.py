"""The cascade's design: probabilities with the wanted mean, a draw that repeats itself, and totals without bias."""

import numpy as np
import pytest

from depsim_dagster.config_sections import ScreenConfig
from depsim_dagster.estimation.two_phase.allocation import expected_widening
from depsim_dagster.grading.graders.cascade import (
    BLIND_SHARE,
    drawn,
    grading_probabilities,
    planned_share,
    screened_probabilities,
    turn_scores,
)


def keys(size):
    return [(f"turn {number}", 0) for number in range(size)]


@pytest.fixture
def scores():
    generator = np.random.default_rng(5)
    return generator.beta(0.1, 3, 5_000).astype(np.float32)


@pytest.mark.parametrize(("share", "floor"), [(0.25, 0.2), (0.05, 0.5), (0.9, 0.2), (0.25, 1.0), (1.0, 0.2)])
def test_the_mean_probability_is_the_share(scores, share, floor):
    probabilities = grading_probabilities(scores, share, floor)
    assert probabilities.mean() == pytest.approx(share, abs=1e-9)
    assert probabilities.min() >= share * floor * (1 - 1e-12) and probabilities.max() <= 1
    order = np.argsort(scores)
    assert (np.diff(probabilities[order]) >= -1e-12).all()


def test_between_its_limits_a_probability_goes_with_the_root_of_the_score():
    probabilities = grading_probabilities(np.array([0.16, 0.04, 0.36] * 100), 0.2, 0.1)
    assert probabilities[:3] == pytest.approx([0.2, 0.1, 0.3])


def test_a_screen_of_flags_sends_all_it_flags_and_fills_up_with_the_others():
    flags = np.array([1.0] * 10 + [0.0] * 990)
    probabilities = grading_probabilities(flags, 0.25, 0.2)
    assert probabilities[:10] == pytest.approx(1.0) and probabilities.mean() == pytest.approx(0.25)
    many = np.array([1.0] * 500 + [0.0] * 500)
    assert grading_probabilities(many, 0.25, 0.2)[[0, -1]] == pytest.approx([0.45, 0.05])


def test_a_turn_that_the_screen_cannot_read_is_read_for_certain():
    scores = np.array([np.nan, 0.5, 0.5, np.nan])
    assert grading_probabilities(scores, 0.5, 0.2).tolist() == pytest.approx([1.0, 0.5, 0.5, 1.0])
    assert grading_probabilities(np.array([np.nan]), 0.5, 0.2).tolist() == [1.0]
    assert len(grading_probabilities(np.array([]), 0.5, 0.2)) == 0


def test_the_score_of_a_turn_is_the_highest_of_what_is_asked_of_it():
    strength = np.array([[0.1, 0.7], [0.1, 0.7], [np.nan, 0.7], [np.nan, 0.7], [0.2, 0.3]])
    asked = np.array([[1, 1], [1, 0], [1, 1], [0, 1], [0, 0]], bool)
    assert turn_scores(strength, asked) == pytest.approx([0.7, 0.1, np.nan, 0.7, np.nan], nan_ok=True)


def test_a_draw_repeats_itself_and_hangs_on_turn_seed_and_grader():
    probabilities = np.full(2_000, 0.3)
    first = drawn(probabilities, keys(2_000), 7, "judge")
    assert (first == drawn(probabilities, keys(2_000), 7, "judge")).all()
    assert first.mean() == pytest.approx(0.3, abs=0.05)
    reordered = drawn(probabilities, keys(2_000)[::-1], 7, "judge")
    assert (reordered[::-1] == first).all()
    other_completion = drawn(probabilities, [(turn, 1) for turn, _ in keys(2_000)], 7, "judge")
    for other in (
        drawn(probabilities, keys(2_000), 8, "judge"),
        drawn(probabilities, keys(2_000), 7, "b"),
        other_completion,
    ):
        assert np.corrcoef(first, other)[0, 1] == pytest.approx(0, abs=0.1)
    larger = drawn(np.full(2_000, 0.5), keys(2_000), 7, "judge")
    assert not (first & ~larger).any()  # a turn drawn at a lower probability is drawn at a higher one


def test_without_an_erased_turn_the_draw_of_the_others_stays():
    """Their probabilities all move one way, by what its own was above or below the share: all together by less than one."""
    rng = np.random.default_rng(4)
    scores = (rng.random(3000) ** 8).astype(np.float32)
    keys = np.array([(f"t{number}", 0) for number in range(3000)], dtype=object)
    before = grading_probabilities(scores, 0.2, 0.2)
    was_drawn = drawn(before, keys, 3, "judge")
    flips = 0
    for erased in range(0, 3000, 100):
        left = np.arange(3000) != erased
        after = grading_probabilities(scores[left], 0.2, 0.2)
        moved = after - before[left]
        assert (moved >= -1e-12).all() or (moved <= 1e-12).all()
        assert np.abs(moved).sum() < 1
        flips += int((drawn(after, keys[left], 3, "judge") != was_drawn[left]).sum())
    assert flips <= 3


def test_horvitz_thompson_totals_are_those_of_grading_everything():
    """3,000 turns, behaviours of 1 %, a screen that separates them fairly; 400 draws by seed."""
    generator = np.random.default_rng(11)
    flagged = generator.random(3_000) < 0.01
    scores = np.where(flagged, generator.beta(2, 2, 3_000), generator.beta(0.2, 6, 3_000)).astype(np.float32)
    probabilities = grading_probabilities(scores, 0.25, 0.2)
    turns, totals, shares = keys(3_000), [], []
    for seed in range(400):
        chosen = drawn(probabilities, turns, seed, "judge")
        totals.append((flagged[chosen] / probabilities[chosen]).sum())
        shares.append(chosen.mean())
    exact = np.sqrt((flagged * (1 - probabilities) / probabilities).sum())  # of a Poisson sample
    uniform = np.sqrt(flagged.sum() * 3)
    error = exact / np.sqrt(len(totals))
    assert np.mean(totals) == pytest.approx(flagged.sum(), abs=4 * error)
    assert np.std(totals) == pytest.approx(exact, rel=0.2)
    assert exact < 0.6 * uniform  # what the screen is for
    assert np.mean(shares) == pytest.approx(0.25, abs=0.005)


def test_a_widening_in_place_of_a_share_gives_the_least_share_for_it(scores):
    """By the scores as chances, of which a fiftieth is taken to be anywhere."""
    rare = scores.astype(float) ** 2
    probabilities = screened_probabilities(rare, ScreenConfig(grader="cheap", widening=0.1))
    chances = (1 - BLIND_SHARE) * rare + BLIND_SHARE * rare.mean()
    assert expected_widening(chances, probabilities) == pytest.approx(0.1, abs=1e-6)
    assert probabilities.min() >= 0.2 * probabilities.mean() * (1 - 1e-9)
    wider = screened_probabilities(rare, ScreenConfig(grader="cheap", widening=0.25))
    assert 0 < wider.mean() < 0.8 * probabilities.mean()
    assert probabilities.mean() < planned_share(ScreenConfig(grader="cheap", widening=0.1))[0]
    # A turn that the screen cannot read is read for certain, and the others are as without it.
    with_unread = screened_probabilities(np.append(rare, np.nan), ScreenConfig(grader="cheap", widening=0.1))
    assert with_unread[-1] == 1 and with_unread[:-1] == pytest.approx(probabilities)
    share = screened_probabilities(scores, ScreenConfig(grader="cheap", share=0.25))
    assert (share == grading_probabilities(scores, 0.25, 0.2)).all()


def test_a_share_and_a_widening_are_one_too_many():
    assert planned_share(ScreenConfig(grader="cheap")) == (0.25, False)
    assert planned_share(ScreenConfig(grader="cheap", widening=0.1)) == (pytest.approx(1 / 1.21), True)
    with pytest.raises(ValueError, match="`share` or `widening`"):
        ScreenConfig(grader="cheap", share=0.25, widening=0.1)

"""How few turns the full grader must read: the analytic optimum, the chosen share, and chances learned from labels."""

import numpy as np
import pytest
from scipy import stats

from depsim_dagster.estimation.inputs import EstimationError
from depsim_dagster.estimation.two_phase.allocation import (
    binormal_share,
    calibrate,
    expected_widening,
    hedged_chances,
    largest_share,
    relative_calls,
    smallest_share,
)
from depsim_dagster.grading.graders.cascade import grading_probabilities

RATE = 1e-3


def screen(rng, auc, turns=100_000, rate=RATE):
    d = np.sqrt(2) * stats.norm.ppf(auc)
    flagged = rng.random(turns) < rate
    score = rng.normal(size=turns) + d * flagged
    return flagged, 1 / (1 + (1 - rate) / rate * np.exp(-(d * score - d * d / 2)))


def test_the_analytic_optimum_is_the_published_one():
    """ESTIMATION.md "Cascade": shares for an interval 10 % (25 %) wider, to their printed digits."""
    shares = {
        (auc, wider): binormal_share(auc, wider) for auc in (0.90, 0.95, 0.98) for wider in (0.10, 0.25)
    }
    assert {key: round(share, 2) for key, share in shares.items()} == {
        (0.90, 0.10): 0.46, (0.90, 0.25): 0.31, (0.95, 0.10): 0.32, (0.95, 0.25): 0.20, (0.98, 0.10): 0.18, (0.98, 0.25): 0.10,
    }  # fmt: skip


@pytest.mark.parametrize("auc", [0.95, 0.98])
def test_the_chosen_share_is_near_the_optimum_and_widens_as_asked(auc):
    _, chance = screen(np.random.default_rng(21), auc)
    share = smallest_share(chance, 0.10, floor=0.2)
    assert share <= 1.1 * binormal_share(auc, 0.10)
    probability = grading_probabilities(chance, share, 0.2, smallest=0.0)
    assert probability.mean() == pytest.approx(share)
    assert expected_widening(chance, probability) == pytest.approx(0.10, abs=1e-6)


def test_the_widening_is_what_the_draws_show():
    """Standard deviation of the estimate over draws, beside that of the sample itself."""
    rng = np.random.default_rng(22)
    flagged, chance = screen(rng, 0.95, turns=20_000, rate=0.01)
    probability = grading_probabilities(chance, smallest_share(chance, 0.25), 0.2, smallest=0.0)
    counts = [np.sum(1 / probability[flagged & (rng.random(20_000) < probability)]) for _ in range(2_000)]
    grown = 1 + np.var(counts) / flagged.sum()
    assert grown == pytest.approx(1.25**2, rel=0.12)  # 200 cases: their scores are one sample of many


def test_calls_at_equal_width():
    """A screen of AUC 0.95 saves three calls of four and more; one of sensitivity 0.97 that passes 1 % nine of ten."""
    _, chance = screen(np.random.default_rng(23), 0.95)
    shares = np.geomspace(0.01, 0.9, 40)
    assert (
        min(
            relative_calls(chance, grading_probabilities(chance, share, 0.2, smallest=0.0))
            for share in shares
        )
        < 1 / 3
    )
    passed = np.arange(100_000) < 1_000
    flags = np.where(passed, 0.97 * RATE / 0.01, 0.03 * RATE / 0.99)
    assert (
        min(relative_calls(flags, grading_probabilities(flags, share, 0.2, smallest=0.0)) for share in shares)
        < 1 / 10
    )
    assert relative_calls(chance, np.full(len(chance), 0.3)) == pytest.approx(
        1.0
    )  # at random nothing is saved


def test_a_screen_that_tells_nothing_needs_the_largest_share():
    assert largest_share(0.10) == pytest.approx(1 / 1.21)
    assert smallest_share(np.full(100, 0.02), 0.10) == pytest.approx(largest_share(0.10), rel=1e-6)
    rng = np.random.default_rng(24)
    for chance in (rng.beta(0.05, 2, 3_000), rng.random(3_000), np.array([1.0] * 5 + [0.0] * 500)):
        for floor in (0.05, 1.0):
            assert smallest_share(chance, 0.10, floor) <= largest_share(0.10) + 1e-9
    assert smallest_share([np.nan, np.nan], 0.10) == 1.0
    unread = np.append(rng.beta(0.05, 2, 3_000), np.nan)
    assert smallest_share(unread, 0.10) == smallest_share(unread[:-1], 0.10)


def test_a_blind_share_costs_calls_and_keeps_the_width_when_it_is_true():
    _, chance = screen(np.random.default_rng(25), 0.98)
    share = smallest_share(chance, 0.10, blind=0.05)
    assert share > 1.3 * smallest_share(chance, 0.10)
    hedged = hedged_chances(chance, 0.05)
    assert hedged.mean() == pytest.approx(chance.mean())
    assert expected_widening(
        hedged, grading_probabilities(hedged, share, 0.2, smallest=0.0)
    ) == pytest.approx(0.10, abs=1e-6)


@pytest.mark.parametrize("method", ["binormal", "isotonic"])
def test_chances_are_learned_from_labels_that_were_drawn_by_them(method):
    rng = np.random.default_rng(26)
    flagged, chance = screen(rng, 0.95, turns=200_000, rate=0.01)
    score = -np.log(-np.log(chance))  # any scale of the same order
    probability = grading_probabilities(chance**0.4, 0.25, 0.2)
    read = rng.random(len(score)) < probability
    learned = calibrate(score[read], flagged[read], probability[read], method)
    found = learned(score)
    assert found.mean() == pytest.approx(flagged.mean(), rel=0.15)
    # Where most cases are, and as a plan: the share that follows from what was learned.
    edges = np.quantile(chance, [0.9, 0.99, 0.999])
    for low, high in zip(edges, [*edges[1:], 1.0], strict=True):
        part = (chance > low) & (chance <= high)
        assert found[part].mean() == pytest.approx(chance[part].mean(), rel=0.3)
    assert smallest_share(found, 0.10) == pytest.approx(smallest_share(chance, 0.10), rel=0.2)
    assert (np.diff(learned(np.sort(score))) >= -1e-12).all() and np.isnan(learned(np.nan))


@pytest.mark.parametrize("method", ["binormal", "isotonic"])
def test_chances_hold_where_another_behaviour_s_score_drew_the_turns(method):
    """Flagged turns were four times as likely to be read, whatever the score says."""
    rng = np.random.default_rng(27)
    flagged, chance = screen(rng, 0.95, turns=50_000, rate=0.02)
    probability = np.where(flagged, 0.8, 0.2)
    read = rng.random(len(chance)) < probability
    learned = calibrate(chance[read], flagged[read], probability[read], method)
    naive = calibrate(chance[read], flagged[read], np.ones(read.sum()), method)
    assert learned(chance).mean() == pytest.approx(flagged.mean(), rel=0.15)
    assert naive(chance).mean() > 2 * flagged.mean()


def test_what_cannot_be_planned_is_refused():
    for call, message in (
        (lambda: smallest_share([0.1], 0.0), "part by which"),
        (lambda: smallest_share([0.1], 0.1, floor=0.0), "part of the share"),
        (lambda: binormal_share(0.5, 0.1), "between 0.5 and 1"),
        (lambda: expected_widening([0.1], [0.0]), "above 0"),
        (lambda: hedged_chances([0.1], 1.0), "share of the cases"),
        (lambda: calibrate([0.1], [1], [1.0], "spline"), "choose 'binormal'"),
        (lambda: calibrate([np.nan], [1], [1.0]), "one known score"),
    ):
        with pytest.raises(EstimationError, match=message):
            call()

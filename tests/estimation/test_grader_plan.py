"""The planner: what it promises is what audits of the planned sizes reach."""

import numpy as np
import pytest
from scipy import special, stats

from depsim_dagster.estimation.grader_error.audit_plan import (
    ScoredTurns,
    audit_plan,
    sensitivity_plan,
    unflagged_probabilities,
)
from depsim_dagster.estimation.grader_error.audited import audited_total
from depsim_dagster.estimation.grader_error.correction import corrected_limits
from depsim_dagster.estimation.grader_error.two_phase_audit import two_phase_audit
from depsim_dagster.estimation.inputs import EstimationError


def simulated_widths(flagged, n, precision, sensitivity, plan, size, seed):
    """Upper over lower limit of `size` audits as planned."""
    rng = np.random.default_rng(seed)
    true, false = rng.poisson(flagged * precision, size), rng.poisson(flagged * (1 - precision), size)
    caught = rng.binomial(plan.others, sensitivity, size)
    rows = []
    for t, f in zip(true, false, strict=True):
        read = min(plan.flagged, t + f)
        human = np.arange(read) < rng.hypergeometric(t, f, read)
        rows.append(audited_total(t + f, human, np.ones(read), np.full(read, read / (t + f)), n=n))
    limits = corrected_limits(
        [row.total for row in rows],
        [row.variance for row in rows],
        [row.one_more for row in rows],
        caught,
        plan.others - caught,
        draws=2_000,
    )
    return limits[1] / limits[0], np.array(limits) / n


@pytest.mark.parametrize(
    ("flagged", "precision", "sensitivity", "width"),
    [(400, 0.1, 0.8, 3.0), (1_000, 0.5, 0.8, 1.5), (3_000, 0.8, 0.6, 1.3)],
)
def test_the_promised_width_is_reached(flagged, precision, sensitivity, width):
    plan = sensitivity_plan(flagged, 1_000_000, precision, sensitivity, width)
    assert plan.reached and plan.flagged <= flagged and plan.upper / plan.lower <= width
    widths, limits = simulated_widths(flagged, 1_000_000, precision, sensitivity, plan, 400, 7)
    # The interval at the expected counts is the median one, and that is as narrow as was wanted.
    assert np.median(widths) == pytest.approx(plan.upper / plan.lower, rel=0.05)
    assert np.median(widths) <= 1.04 * width
    assert np.median(limits, axis=1) == pytest.approx([plan.lower, plan.upper], rel=0.06)
    # It is no larger than needed: with half the labels the width is missed.
    smaller = plan.__class__(plan.flagged // 2, plan.others // 2, plan.rate, 0, 0, False)
    assert np.median(simulated_widths(flagged, 1_000_000, precision, sensitivity, smaller, 200, 8)[0]) > width


def test_what_no_labels_can_reach_is_said():
    plan = sensitivity_plan(110, 100_000, 0.07, 0.8, 1.5)
    assert not plan.reached and plan.upper / plan.lower > 1.5 and plan.flagged == 110
    assert sensitivity_plan(0, 100_000, 0.5, 0.8, 3) is None


def test_a_narrower_interval_takes_more_labels_and_a_worse_grader_too():
    labels = [sensitivity_plan(2_000, 10**6, 0.3, 0.8, width).labels for width in (3, 2, 1.5)]
    assert labels == sorted(labels) and labels[0] < labels[2]
    assert (
        sensitivity_plan(2_000, 10**6, 0.1, 0.8, 2).labels
        > sensitivity_plan(2_000, 10**6, 0.6, 0.8, 2).labels
    )


def test_the_promised_width_of_an_audit_by_score_is_reached():
    rng = np.random.default_rng(9)
    n, rate, threshold = 50_000, 2e-3, float(stats.norm.isf(0.001))
    others = rng.standard_normal(n)
    quiet = others[others <= threshold]
    false, shift = len(others) - len(quiet), threshold - stats.norm.isf(0.8)
    scores = special.expit(4 * (quiet - threshold))
    turns, edges = np.histogram(np.log(scores), 300)
    bins = ScoredTurns(turns, np.exp((edges[1:] + edges[:-1]) / 2))
    flagged = false + int(n * rate * 0.8)
    plan = audit_plan(flagged, n, 1 - false / flagged, 0.8, 2.0, bins)
    assert plan.reached and plan.others < 5_000
    mean, widths = float(np.sqrt(scores).mean()), []
    for _ in range(150):
        k = rng.poisson(n * rate)
        latent = rng.standard_normal(k) + shift
        caught = int((latent > threshold).sum())
        score = np.concatenate([special.expit(4 * (latent[latent <= threshold] - threshold)), scores])
        human = np.arange(len(score)) < k - caught
        chance = unflagged_probabilities(np.sqrt(score), mean, plan.others, len(score))
        drawn = rng.random(len(score)) < chance
        flags = false + caught
        read = min(plan.flagged, flags)
        found, _ = two_phase_audit(
            audited_total(
                flags,
                np.arange(read) < rng.hypergeometric(caught, false, read),
                np.ones(read),
                np.full(read, read / flags),
                n=n,
            ),
            audited_total(len(score), human[drawn], np.ones(drawn.sum()), chance[drawn], score[drawn], n=n),
            n,
        )
        widths.append(found.upper / found.lower)
    assert np.median(widths) == pytest.approx(plan.upper / plan.lower, rel=0.15)
    assert np.median(widths) <= 1.1 * 2.0


def test_without_a_score_rare_misses_take_more_labels_than_there_are_people():
    bins = ScoredTurns(np.array([100_000]), np.array([0.0]))
    plan = audit_plan(110, 100_000, 0.1, 0.8, 5.0, bins)
    assert plan is None or plan.others > 20_000


def test_probabilities_of_the_draw():
    equal = unflagged_probabilities([np.nan, np.nan], 0.0, 10, 100)
    assert equal.tolist() == [0.1, 0.1]
    root = np.sqrt(np.array([0.0, 0.01, 0.04, 0.09]))
    chance = unflagged_probabilities(root, root.mean(), 0.4, 4)
    assert chance.sum() == pytest.approx(0.4) and chance[0] == pytest.approx(0.2 * 0.1)
    assert unflagged_probabilities([np.nan], root.mean(), 0.4, 4)[0] == pytest.approx(0.1)


@pytest.mark.parametrize("wrong", [{"width": 1.0}, {"precision": 0.0}, {"sensitivity": 1.0}, {"level": 95}])
def test_malformed_wishes_are_refused(wrong):
    wish = {"flagged": 10, "n": 100, "precision": 0.5, "sensitivity": 0.8, "width": 2.0} | wrong
    with pytest.raises(EstimationError):
        sensitivity_plan(**wish)

"""Rates corrected by precision and sensitivity: the audited total, known positives, and the promised bias and coverage."""

import numpy as np
import pytest

from depsim_dagster.estimation.grader_error.audited import audited_total
from depsim_dagster.estimation.grader_error.correction import (
    corrected_limits,
    known_positives,
    precision_sensitivity,
)
from depsim_dagster.estimation.inputs import EstimationError
from depsim_dagster.estimation.intervals import gamma_limits

RATE, SENSITIVITY, SPECIFICITY, TURNS = 1e-4, 0.8, 0.999, 100_000


def audit(flags, read, confirmed, n=np.inf, clustering=1.0):
    return audited_total(
        flags,
        np.arange(read) < confirmed,
        np.ones(read),
        np.full(read, read / flags),
        n=n,
        clustering=clustering,
    )


def test_where_every_flag_is_audited_the_uncertainty_is_that_of_the_confirmed_count():
    found = audit(108, 108, 8)
    assert (found.total, found.share, found.audited, found.confirmed) == (8, pytest.approx(8 / 108), 108, 8)
    assert found.variance == pytest.approx(8) and found.one_more == pytest.approx(1)
    clustered = audit(108, 108, 8, clustering=2.5)
    assert clustered.variance == pytest.approx(20) and clustered.one_more == pytest.approx(2.5)
    # Far from rare, the count is binomial.
    assert audit(500, 500, 500, n=1000).variance == pytest.approx(250)


def test_where_a_part_is_audited_both_count_and_precision_matter():
    """Against simulation of both phases: flagged turns are a Poisson number, the audit a sample of them."""
    rng = np.random.default_rng(3)
    for mean, precision, read in ((1000, 0.1, 200), (1000, 0.9, 100), (400, 0.5, 300)):
        true, false = rng.poisson(mean * precision, 4000), rng.poisson(mean * (1 - precision), 4000)
        flags = true + false
        estimates = flags * rng.hypergeometric(true, false, read) / read
        planned = audit(mean, read, int(precision * read))
        assert planned.total == pytest.approx(estimates.mean(), rel=0.02)
        assert planned.variance == pytest.approx(estimates.var(), rel=0.12)


def test_unequal_probabilities_weigh_and_are_calibrated_to_the_known_number():
    human, weight = np.array([1, 1, 0, 0, 0], bool), np.array([1, 2, 1, 1, 2.0])
    found = audited_total(70, human, weight, np.array([1, 0.5, 1, 0.5, 0.25]))
    w = np.array([1, 4, 1, 2, 8]) * 70 / 16
    assert found.total == pytest.approx(w[:2].sum()) and found.heaviest == pytest.approx(w.max())
    nothing = audited_total(70, ~human & False, weight, np.full(5, 0.5))
    assert (nothing.total, nothing.variance) == (0, 0) and nothing.one_more == pytest.approx(14)


def test_an_unseen_event_weighs_what_turns_of_its_score_do():
    """By the probability with which the audit draws an event that follows the score."""
    rng = np.random.default_rng(8)
    score = rng.beta(0.2, 8, 50_000)
    chance = np.clip(20 * np.sqrt(score) * 0.002 + 0.002, 0, 1)
    truth = 1 / np.average(chance, weights=score)
    drawn = rng.random(50_000) < chance
    found = audited_total(
        50_000, np.zeros(drawn.sum(), bool), np.ones(drawn.sum()), chance[drawn], score[drawn]
    )
    assert found.unseen == pytest.approx(truth, rel=0.1)
    uniform = audited_total(
        50_000, np.zeros(500, bool), np.ones(500), np.full(500, 0.01), np.full(500, np.nan)
    )
    assert uniform.unseen == pytest.approx(100) and truth < 70


def test_limits_are_the_quantiles_of_a_gamma_over_a_beta():
    lower, upper = corrected_limits(8, 8, 1, 160, 40, draws=200_000, seed=1)
    rng = np.random.default_rng(2)
    count = np.concatenate([rng.gamma(8, size=200_000), rng.gamma(9, size=200_000)])
    wanted = np.quantile(count / rng.beta(160.5, 40.5, 400_000), [0.025, 0.975])
    assert [float(lower), float(upper)] == pytest.approx(wanted.tolist(), rel=0.01)
    # With a sensitivity that is as good as known they are the mid-P limits of the count.
    known = corrected_limits(8, 8, 1, 8e7, 2e7, draws=200_000)
    mid = gamma_limits(8, 8, 1, method="midp")[:2]
    assert [float(x) * 0.8 for x in known] == pytest.approx([float(x) for x in mid], rel=0.01)
    assert corrected_limits(8, 8, 1, 160, 40) == corrected_limits(8, 8, 1, 160, 40)


def test_no_confirmed_turn_is_an_upper_limit_and_no_zero():
    lower, upper = corrected_limits(0, 0, 1, 8e6, 2e6, draws=100_000)
    assert lower == 0 and float(upper) == pytest.approx(-np.log(0.05) / 0.8, rel=0.02)


def test_known_positives_by_weight_and_by_user():
    flags = np.array([1] * 30 + [0] * 10, bool)
    equal = known_positives(flags)
    assert (equal.n, equal.caught, equal.sensitivity) == (40, 30, 0.75)
    assert (equal.caught_events, equal.missed_events, equal.missed_weight) == (30, 10, 1)
    # Each miss was drawn with a probability of 0.2: five times as many are missed, known as well as ten events are.
    weighted = known_positives(flags, np.where(flags, 1.0, 5.0))
    assert weighted.sensitivity == pytest.approx(30 / 80)
    assert (weighted.caught_events, weighted.missed_events, weighted.missed_weight) == (30, 10, 5)
    users = known_positives(flags, cluster=np.repeat(np.arange(20), 2))
    assert (users.caught_events, users.missed_events) == (15, 5) and users.sensitivity == 0.75
    # A sample without a miss says what the misses that it cannot see would weigh.
    assert known_positives(flags[:30], unseen=200.0).missed_weight == 200


def test_malformed_input_is_refused():
    with pytest.raises(EstimationError, match="no turn of the stratum is audited"):
        audited_total(5, [], [], [])
    with pytest.raises(EstimationError, match="above 0 and at most 1"):
        audited_total(5, [True], [1.0], [0.0])
    with pytest.raises(EstimationError, match="one value of each"):
        known_positives([True], [1.0, 2.0])
    with pytest.raises(EstimationError, match="caught some"):
        precision_sensitivity(audit(10, 10, 2), 1000, known_positives([False] * 30))


def test_bias_coverage_and_width_where_the_raw_rate_is_eleven_times_too_high():
    """Issue 5: at most 1,000 audited flags and 200 known positives; benchmarks/grader_correction.py in full size."""
    rng = np.random.default_rng(11)
    size, positives = 2_000, 200
    true = rng.poisson(TURNS * RATE * SENSITIVITY, size).astype(float)
    flags = true + rng.poisson(TURNS * (1 - RATE) * (1 - SPECIFICITY), size)
    assert flags.max() <= 1_000 and flags.mean() / TURNS / RATE == pytest.approx(10.8, rel=0.02)
    caught = rng.binomial(positives, SENSITIVITY, size)
    estimate = true / TURNS / (caught / positives)
    lower, upper = (
        np.concatenate(values) / TURNS
        for values in zip(
            *(
                corrected_limits(
                    true[part], true[part], 1.0, caught[part], positives - caught[part], draws=2_000
                )
                for part in np.split(np.arange(size), 20)
            ),
            strict=True,
        )
    )
    assert estimate.mean() / RATE == pytest.approx(1, abs=0.05)
    assert 0.93 <= np.mean((lower <= RATE) & (upper >= RATE)) <= 0.97
    raw = gamma_limits(flags, flags, 1.0)
    assert np.mean((raw[0] / TURNS <= RATE) & (raw[1] / TURNS >= RATE)) == 0
    k = rng.poisson(TURNS * RATE, size).astype(float)
    perfect = gamma_limits(k, k, 1.0, method="midp")
    assert (upper - lower).mean() <= 1.25 * (perfect[1] - perfect[0]).mean() / TURNS


def test_coverage_where_a_part_of_clustered_flags_is_audited():
    """Design effect 3: three turns of a user at a time. A third of the flags is read."""
    rng = np.random.default_rng(12)
    size, n, covered = 1_000, 200_000, []
    y, v, more, caught = [], [], [], rng.binomial(100, SENSITIVITY, size)
    for _ in range(size):
        true, false = 3 * rng.poisson(n * 5e-4 * SENSITIVITY / 3), 3 * rng.poisson(n * 5e-4 / 3)
        read = (true + false) // 3
        found = audit(true + false, read, rng.hypergeometric(true, false, read), n, clustering=3.0)
        y.append(found.total), v.append(found.variance), more.append(found.one_more)
    for part in np.split(np.arange(size), 20):
        low, high = corrected_limits(
            np.array(y)[part],
            np.array(v)[part],
            np.array(more)[part],
            caught[part],
            100 - caught[part],
            draws=2_000,
        )
        covered += list((low / n <= 5e-4) & (high / n >= 5e-4))
    assert 0.93 <= np.mean(covered) <= 0.975
    assert np.mean(y) / n / SENSITIVITY == pytest.approx(5e-4, rel=0.03)

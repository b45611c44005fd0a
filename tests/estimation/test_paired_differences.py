"""Sign-flip tests of paired scores: p-values by hand, their size under the null, and which unit is flipped."""

import itertools

import numpy as np
import pytest

from depsim_dagster.estimation.calibration.paired_differences import paired_test, units_needed
from depsim_dagster.estimation.inputs import EstimationError


def test_every_sign_pattern_is_counted():
    differences = np.array([3.0, 1.0, 2.0, -0.5, 4.0])
    test = paired_test(differences, ["v2"] * 5)
    patterns = [np.dot(signs, differences) for signs in itertools.product((1, -1), repeat=5)]
    assert test.p_value == np.mean([total >= 9.5 for total in patterns]) == 2 / 32
    assert (test.exact, test.unit, test.units) == (True, "pair", 5)
    assert test.estimate == pytest.approx(1.9)
    assert test.lower < 1.9 < test.upper


def test_the_least_p_value_is_one_pattern_in_all():
    assert paired_test([1.0] * 5, range(5)).p_value == 1 / 32
    assert paired_test([-1.0] * 5, range(5)).p_value == 1.0
    assert paired_test([0.1, 0.2, 0.3] * 2, ["v"] * 6).p_value == 1 / 64, (
        "sums of floats that are equal count"
    )
    assert [units_needed(alpha) for alpha in (0.05, 0.025, 1 / 32, 0.5)] == [5, 6, 6, 2]


def test_candidates_are_flipped_where_there_are_enough():
    differences = np.repeat([1.0, 2.0, -0.5, 1.5, 3.0], 4)
    clusters = np.repeat(["v1", "v2", "v3", "v4", "v5"], 4)
    test = paired_test(differences, clusters)
    # Two patterns reach the sum: all as they are, and the third candidate turned round.
    assert (test.unit, test.units, test.p_value) == ("candidate", 5, 2 / 32)
    few = paired_test(differences[:16], clusters[:16])
    assert (few.unit, few.units) == ("pair", 16) and few.p_value < 0.01


def test_random_patterns_agree_with_all_of_them():
    rng = np.random.default_rng(71)
    differences = rng.normal(0.3, 1.0, 16)
    exact = paired_test(differences, np.zeros(16))
    random = paired_test(np.append(differences, 0.0), np.zeros(17))  # a difference of zero changes no sum
    assert exact.exact and not random.exact
    assert random.p_value == pytest.approx(exact.p_value, abs=0.01)
    assert random == paired_test(np.append(differences, 0.0), np.zeros(17))
    assert random.p_value != paired_test(np.append(differences, 0.0), np.zeros(17), seed=1).p_value


def test_the_size_holds_for_candidates_whose_categories_move_together():
    """No difference on average, half of its variance shared within a candidate: 400 studies of 8 x 10. Flipped by pair, the
    same studies are rejected more than twice as often as the level."""
    rng = np.random.default_rng(72)
    by_candidate, by_pair = [], []
    for _ in range(400):
        differences = (rng.standard_normal((8, 1)) + rng.standard_normal((8, 10))).ravel()
        by_candidate.append(paired_test(differences, np.repeat(np.arange(8), 10), draws=300).p_value)
        by_pair.append(paired_test(differences, np.zeros(80), draws=300).p_value)
    assert np.mean(np.array(by_candidate) < 0.05) == pytest.approx(
        0.05, abs=0.03
    )  # standard error 1.1 points
    assert np.mean(np.array(by_pair) < 0.05) > 0.1


def test_the_bootstrap_limits_cover_the_mean():
    rng = np.random.default_rng(73)
    held = []
    for _ in range(300):
        test = paired_test(rng.gamma(1.0, 1.0, 60), np.zeros(60), draws=400)
        held.append(test.lower <= 1.0 <= test.upper)
    assert 0.90 <= np.mean(held) <= 0.97  # a skewed mean of 60: the percentile bootstrap is a little short


def test_one_pair_has_no_limits_and_none_is_refused():
    test = paired_test([2.0], ["v2"])
    assert (test.p_value, test.lower, test.upper) == (0.5, None, None)
    for differences in ([], [1.0, np.nan]):
        with pytest.raises(EstimationError, match="both scores of each"):
            paired_test(differences, ["v2"] * len(differences))

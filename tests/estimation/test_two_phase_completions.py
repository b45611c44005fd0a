"""Several completions of one prefix: the split of the variance, and how many are worth their cost."""

import numpy as np
import pandas as pd
import pytest

from depsim_dagster.estimation.inputs import EstimationError
from depsim_dagster.estimation.rates import estimate_rates
from depsim_dagster.estimation.two_phase.completions import best_completions, variance_split


def labels(rng, prefixes, completions, rate, share):
    strength = (1 - share) / share
    risk = rng.beta(rate * strength, (1 - rate) * strength, prefixes)
    flagged = rng.random((prefixes, completions)) < risk[:, np.newaxis]
    return flagged.ravel(), np.repeat(np.arange(prefixes), completions)


def test_a_literal_split():
    """Four prefixes of two completions: both, one, none, none. rate 3/8, one pair of four is flagged twice."""
    found = variance_split([1, 1, 1, 0, 0, 0, 0, 0], [0, 0, 1, 1, 2, 2, 3, 3])
    assert found.between == pytest.approx(1 / 4 - (3 / 8) ** 2)
    assert found.within == pytest.approx(3 / 8 * 5 / 8 - found.between)
    assert found.between_share + found.within_share == 1 and (found.pairs_flagged, found.prefixes) == (1, 4)
    assert np.isnan(found.between_share_lower), "one pair says too little for an interval"
    assert np.isnan(variance_split([1, 0], [0, 1]).between_share), "one completion each"


@pytest.mark.parametrize("cascade", [False, True])
def test_the_split_is_found_and_its_interval_covers(cascade):
    rng = np.random.default_rng(31)
    shares, inside = [], []
    for _ in range(150):
        flagged, prefix = labels(rng, 5_000, 3, 0.02, 0.3)
        # A cascade draws every completion by itself, flagged ones more often.
        probability = np.where(flagged, 0.8, 0.3) if cascade else np.ones(len(flagged))
        read = rng.random(len(flagged)) < probability
        found = variance_split(flagged[read], prefix[read], None, probability[read], 2.0)
        shares.append(found.between_share)
        inside.append(found.between_share_lower <= 0.3 <= found.between_share_upper)
    assert np.mean(shares) == pytest.approx(0.3, abs=0.015)
    assert np.mean(inside) >= 0.89


def test_the_plan_is_the_optimum_of_the_variance():
    found = best_completions(0.01, between_share=0.2, budget=60_000, prefix_cost=9.0, completion_cost=1.0)
    assert found.completions == 6  # sqrt(0.8 / 0.2 * 9)
    assert (found.prefixes, found.cost) == (4_000, 60_000)
    assert found.variance == pytest.approx(0.01 * 0.99 / 4_000 * (0.2 + 0.8 / 6))
    # Where the prefix decides, where it costs nothing, and where there are no more of them.
    assert best_completions(0.01, 1.0, 1_000, 9.0, 1.0).completions == 1
    assert best_completions(0.01, 0.2, 1_000, 0.0, 1.0).completions == 1
    assert best_completions(0.01, 0.2, 60_000, 9.0, 1.0, prefixes_available=2_000).completions == 21
    assert best_completions(0.01, 0.2, 60_000, 9.0, 1.0, user_design_effect=4.0).completions == 3
    with pytest.raises(EstimationError, match="does not buy one completion"):
        best_completions(0.01, 0.2, 5.0, 9.0, 1.0)


def test_the_variance_of_several_completions_is_the_one_of_the_rates():
    """Two completions of a prefix whose users have two prefixes: intervals cover and the error is the planned one."""
    rng = np.random.default_rng(32)
    rates, errors, inside = [], [], []
    for _ in range(200):
        flagged, prefix = labels(rng, 4_000, 2, 0.02, 0.4)
        row = estimate_rates(
            pd.DataFrame(
                {
                    "category": "hate",
                    "status": "graded",
                    "flagged": flagged,
                    "inclusion_probability": 0.5,
                    "grading_probability": 1.0,
                    "user_id": prefix // 2,
                }
            ),
            ["category"],
        ).iloc[0]
        rates.append(row["rate_per_100k"] / 1e5)
        errors.append(row["design_effect"])
        inside.append(row["lower_per_100k"] <= 2_000 <= row["upper_per_100k"])
    planned = 0.02 * 0.98 / 4_000 * (0.4 + 0.6 / 2)
    assert np.var(rates) == pytest.approx(planned, rel=0.25)
    assert np.mean(errors) == pytest.approx(1.4, rel=0.05)  # relative to 8,000 independent turns
    assert np.mean(inside) >= 0.92

"""Where an observed count falls in its predictive distribution, and how probable it was."""

import numpy as np
import pytest
from scipy import stats

from depsim_dagster.estimation.forecast.predictive import (
    log_predictive,
    pit,
    predictive_cdf,
    predictive_log_score,
)
from depsim_dagster.estimation.inputs import EstimationError

N = 100_000


def drawn(k, tau, size, rng, design_effect=1.0):
    """Observed counts of the model that the forecast assumes."""
    rate = rng.gamma(k / design_effect + 0.5, design_effect / N, size) * np.exp(
        tau * rng.standard_normal(size)
    )
    return design_effect * rng.poisson(N / design_effect * rate)


@pytest.mark.parametrize("k", [2, 40, 900])
@pytest.mark.parametrize("design_effect", [1.0, 3.0])
def test_randomised_pit_of_calibrated_forecasts_is_uniform(k, design_effect):
    rng = np.random.default_rng(31)
    observed = drawn(k, 0.5, 400, rng, design_effect)
    values = pit(observed, k, N, N, 0.5, design_effect, design_effect, share=rng.random(400))
    assert stats.kstest(values, "uniform").pvalue > 0.01
    # Without tau the same counts lie in the tails.
    if k >= 40:
        narrow = pit(observed, k, N, N, 0.0, design_effect, design_effect, share=rng.random(400))
        assert stats.kstest(narrow, "uniform").pvalue < 1e-6


def test_pit_is_the_distribution_function_half_way_up_its_step():
    cdf = predictive_cdf(np.arange(-1, 9), 3, N, N, 0.5)
    np.testing.assert_allclose(pit(np.arange(9), 3, N, N, 0.5), (cdf[:-1] + cdf[1:]) / 2, rtol=1e-9)
    assert pit(0, 3, N, N, 0.5, share=0.0) == 0.0 and pit(0, 3, N, N, share=1.0) == pytest.approx(cdf[1])


def test_log_score_is_that_of_the_predictive_distribution():
    observed = np.array([0, 3, 40])
    np.testing.assert_allclose(
        predictive_log_score(observed, 7, N, 2 * N, [0.0, 0.5, 1.0]),
        [-log_predictive(x, 7, N, 2 * N, tau) for x, tau in zip(observed, (0.0, 0.5, 1.0), strict=True)],
    )
    # Of a common behaviour the law is binomial: the probabilities of all counts sum to 1 and none exceeds its turns.
    total = np.exp(-predictive_log_score(np.arange(121), 50, 100, 120, 0.5)).sum()
    assert total == pytest.approx(1, abs=1e-6)
    assert np.isfinite(predictive_log_score(0, 90, 100, 10_000, 0.01))


def test_clustered_counts_score_by_their_effective_ones():
    """Twelve events in clusters of three are four: less surprising beside a forecast of thirty than twelve would be."""
    clustered, plain = (predictive_log_score(12, 30, N, N, 0.2, d, d) for d in (3.0, 1.0))
    assert clustered == pytest.approx(predictive_log_score(4, 10, N / 3, N / 3, 0.2) + np.log(3))
    assert clustered < plain
    # Half a count is between its neighbours.
    low, middle, high = pit([2.0, 2.5, 3.0], 4, N, N, 0.5)
    assert low < middle < high


def test_absent_numbers_give_no_score_and_impossible_ones_an_error():
    absent = [(np.nan, 3, N, N), (3, 3, 0, N), (3, 3, N, 0), (3, np.nan, N, N)]
    for values in absent:
        assert np.isnan(pit(*values)) and np.isnan(predictive_log_score(*values))
    for score in (pit, predictive_log_score):
        with pytest.raises(EstimationError, match="negative"):
            score(-1, 3, N, N)
        with pytest.raises(EstimationError, match="negative"):
            score(1, 3, N, N, tau=-0.1)

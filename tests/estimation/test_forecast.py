"""The predictive distribution against Monte Carlo, and what its interval covers."""

import numpy as np
import pytest
from scipy import stats

from depsim_dagster.estimation.forecast.predictive import (
    DEFAULT_TAU,
    log_predictive,
    prediction_interval,
    predictive_cdf,
)
from depsim_dagster.estimation.forecast.tau import estimate_tau
from depsim_dagster.estimation.inputs import EstimationError

N = 100_000


@pytest.mark.parametrize("k", [0, 3, 10, 100, 1000, 100_000])
@pytest.mark.parametrize("tau", [0.1, 0.5, 1.5])
def test_cdf_agrees_with_monte_carlo(k, tau):
    rng = np.random.default_rng(21)
    draws = 400_000
    rate = rng.gamma(k + 0.5, 1 / 1e6, draws) * np.exp(tau * rng.standard_normal(draws))
    counts = rng.poisson(7e5 * rate)
    at = np.quantile(counts, [0.025, 0.5, 0.975]).astype(int)
    empirical = [np.mean(counts <= x) for x in at]
    np.testing.assert_allclose(
        predictive_cdf(at, k, 1e6, 7e5, tau), empirical, atol=0.0033
    )  # 4 standard errors


@pytest.mark.parametrize("k", [0, 10, 1000])
def test_cdf_and_probabilities_are_two_quadratures_of_one_distribution(k):
    top = int(prediction_interval(k, N, N)[1])
    total = np.exp(log_predictive(np.arange(top + 1), k, N, N)).sum()
    assert total == pytest.approx(float(predictive_cdf(top, k, N, N)), abs=1e-9)


def test_coarse_gauss_hermite_fails_where_this_does_not():
    """At k = 1000 the likelihood is narrower than the spacing of the 21 nodes: the probability is 1.5-2.8 x
    too large.
    """
    z, weight = np.polynomial.hermite_e.hermegauss(21)
    x = np.array([260, 700, 1872])
    coarse = stats.nbinom.pmf(x[:, None], 1000.5, 1 / (1 + 0.7 * np.exp(0.5 * z))) @ (weight / weight.sum())
    fine_z = np.linspace(-10, 10, 200_001)
    fine = [
        np.trapezoid(
            stats.norm.pdf(fine_z) * stats.nbinom.pmf(c, 1000.5, 1 / (1 + 0.7 * np.exp(0.5 * fine_z))), fine_z
        )
        for c in x
    ]
    np.testing.assert_allclose(np.exp(log_predictive(x, 1000, 1e6, 7e5, 0.5)), fine, rtol=1e-8)
    assert (coarse > 1.4 * np.array(fine)).all()


def test_log_predictive_survives_forecasts_that_were_badly_wrong():
    value = log_predictive([0, 100_000, 35], [5000, 0, 2], 1e6, 1e6, 0.05)
    assert np.isfinite(value).all() and (value < -3).all()


def test_without_tau_it_is_the_negative_binomial():
    x = np.array([0, 5, 40])
    np.testing.assert_allclose(
        predictive_cdf(x, 7, 1e5, 2e5, 0.0), stats.nbinom.cdf(x, 7.5, 1 / 3), rtol=1e-10
    )
    np.testing.assert_allclose(
        log_predictive(x, 7, 1e5, 2e5, 0.0), stats.nbinom.logpmf(x, 7.5, 1 / 3), rtol=1e-10
    )
    np.testing.assert_allclose(
        log_predictive(x, 7, 1e5, 2e5, 1e-4), stats.nbinom.logpmf(x, 7.5, 1 / 3), rtol=1e-5
    )
    assert predictive_cdf(-1, 7, 1e5, 2e5) == 0


@pytest.mark.parametrize("k", [0, 1, 8, 300])
@pytest.mark.parametrize("level", [0.5, 0.95])
def test_interval_ends_are_quantiles(k, level):
    lower, upper = prediction_interval(k, N, 3 * N, 0.5, level)
    cdf = predictive_cdf([lower - 1, lower, upper - 1, upper], k, N, 3 * N, 0.5)
    assert cdf[0] < (1 - level) / 2 <= cdf[1] and cdf[2] < (1 + level) / 2 <= cdf[3]


def test_interval_grows_with_tau_and_with_clusters():
    widths = [np.subtract(*prediction_interval(50, N, N, tau)[::-1]) for tau in (0.0, 0.2, 0.5, 1.0)]
    assert (np.diff(widths) > 0).all()
    plain, clustered = prediction_interval(50, N, N), prediction_interval(50, N, N, 0.5, 0.95, 3.0, 3.0)
    assert clustered[0] < plain[0] and plain[1] < clustered[1]


@pytest.mark.parametrize(("k", "without"), [(10, 0.83), (100, 0.44), (1000, 0.15)])
def test_coverage_of_the_interval(k, without):
    """True tau 0.5, expected forecast count k, 1,000 replicates (standard error 0.7 points at 95 %).

    The shares without tau are ESTIMATION.md's 83/44/15 %.
    """
    rng = np.random.default_rng(22)
    forecast = rng.poisson(k, 1000)
    observed = rng.poisson(k * np.exp(0.5 * rng.standard_normal(1000)))

    def share(tau):
        bounds = {x: prediction_interval(x, N, N, tau) for x in set(forecast.tolist())}
        return np.mean(
            [
                bounds[x][0] <= y <= bounds[x][1]
                for x, y in zip(forecast.tolist(), observed.tolist(), strict=True)
            ]
        )

    assert share(0.5) >= 0.93
    assert share(0.0) == pytest.approx(without, abs=0.05)


def scored(tau, size, rng):
    rate = 10 ** rng.uniform(-4.5, -2, size)
    return rng.poisson(N * rate), N, rng.poisson(N * rate * np.exp(tau * rng.standard_normal(size))), N


def test_tau_by_maximum_likelihood():
    rng = np.random.default_rng(23)
    estimates = [estimate_tau(*scored(0.5, 60, rng)) for _ in range(25)]
    assert np.mean([e.tau for e in estimates]) == pytest.approx(0.5, abs=0.04)
    assert sum(e.lower <= 0.5 <= e.upper for e in estimates) >= 21  # at 95 %: P(< 21 of 25) = 0.7 %
    assert all(0 <= e.lower <= e.tau <= e.upper and e.forecasts == 60 for e in estimates)


def test_the_tau_interval_is_where_the_likelihood_falls_by_half_the_chi_square():
    counts = scored(0.5, 30, np.random.default_rng(25))
    estimate = estimate_tau(*counts)

    def likelihood(tau):
        return log_predictive(counts[2], counts[0], N, N, tau).sum()

    for end in (estimate.lower, estimate.upper):
        assert likelihood(estimate.tau) - likelihood(end) == pytest.approx(1.9207, abs=1e-3)  # 3.8415 / 2
    assert likelihood(estimate.tau) > max(likelihood(estimate.tau * 0.98), likelihood(estimate.tau * 1.02))


def test_tau_of_a_perfect_simulator_is_zero_within_its_interval():
    estimate = estimate_tau(*scored(0.0, 80, np.random.default_rng(24)))
    assert estimate.lower == 0.0 and estimate.tau < 0.05 and estimate.upper < 0.1


def test_tau_before_any_scored_forecast():
    estimate = estimate_tau([], [], [], [])
    assert (estimate.tau, estimate.lower, estimate.upper, estimate.forecasts) == (DEFAULT_TAU, 0.0, np.inf, 0)
    assert estimate_tau([3, np.nan], [0, 10], [1, 1], [10, 10]).forecasts == 0
    # ESTIMATION.md: a median error of 1.45 is a tau of about 0.55.
    assert estimate.intrinsic_median_sme == pytest.approx(1.401, abs=1e-3)


def test_impossible_forecasts_are_refused():
    with pytest.raises(EstimationError, match="exposures"):
        prediction_interval(3, 0, 100)
    with pytest.raises(EstimationError, match="tau"):
        predictive_cdf(3, 1, 10, 10, tau=-1)

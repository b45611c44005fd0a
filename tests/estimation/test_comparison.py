"""Comparisons of two counts against closed forms, published tests and simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from depsim_dagster.estimation.comparison.ratio import (
    direction,
    fisher_p_value,
    jeffreys_rate,
    moved,
    noise_funnel,
    ratio_interval,
    rise_probability,
    sme,
)
from depsim_dagster.estimation.inputs import EstimationError
from depsim_dagster.estimation.intervals import COMMON_FROM_RATE

rates = st.floats(1e-9, 1.0)


def test_jeffreys_rate():
    assert jeffreys_rate([0, 3], [9, 999]).tolist() == [0.05, 0.0035]
    assert np.isnan(jeffreys_rate(0, 0))


@given(a=rates, b=rates, scale=st.floats(1e-3, 1e3))
def test_sme_is_symmetric_at_least_one_and_free_of_the_unit(a, b, scale):
    assert sme(a, b) == sme(b, a) >= 1
    assert sme(scale * a, scale * b) == pytest.approx(float(sme(a, b)), rel=1e-9)
    assert sme(a, a) == 1


def test_sme_refuses_a_zero_rate():
    with pytest.raises(EstimationError, match="jeffreys_rate"):
        sme(0.0, 0.1)


def test_the_paper_s_worst_tail_error():
    # METHOD.md: calculator hacking forecast at 1.7 and observed at 35.2 per 100k, "worst 21x".
    assert float(sme(1.7, 35.2)) == pytest.approx(20.7, abs=0.05)


def test_moved_is_on_smoothed_rates():
    assert moved([15, 14, 0], [1000] * 3, [10, 10, 0], [1000] * 3).tolist() == [
        False,
        False,
        False,
    ]  # 15.5/10.5 = 1.476
    assert moved([16, 10], [1000] * 2, [10, 16], [1000] * 2).tolist() == [True, True]
    assert not moved(3, 0, 3, 100)


def test_direction():
    out = direction([0.2, 0.1, 0.0, 0.3, np.nan], [0.1, 0.2, 0.0, 0.3 + 1e-16, 0.1])
    np.testing.assert_array_equal(out, [1, -1, 0, 0, np.nan])


@given(
    k1=st.integers(0, 500), k2=st.integers(0, 500), n1=st.integers(1000, 10**6), n2=st.integers(1000, 10**6)
)
def test_ratio_interval_inverts_when_the_sides_swap(k1, k2, n1, n2):
    low, high = ratio_interval(k1, n1, k2, n2)
    assert 0 < low < high
    rare = max(k1 / n1, k2 / n2) < COMMON_FROM_RATE  # common ratios are integrated over one side's posterior
    np.testing.assert_allclose(
        [1 / high, 1 / low], ratio_interval(k2, n2, k1, n1), rtol=1e-8 if rare else 1e-3
    )
    assert 0 <= rise_probability(k1, n1, k2, n2) <= 1


def test_ratio_posterior_is_that_of_two_gammas():
    rng = np.random.default_rng(3)
    draws = (rng.gamma(30.5, 1 / 1e5, 400_000)) / (rng.gamma(10.5, 1 / 2e5, 400_000))
    np.testing.assert_allclose(
        ratio_interval(30, 1e5, 10, 2e5), np.quantile(draws, [0.025, 0.975]), rtol=0.01
    )
    assert float(rise_probability(30, 1e5, 10, 2e5, factor=5)) == pytest.approx(
        np.mean(draws >= 5), abs=0.003
    )


def test_a_design_effect_is_the_same_rate_with_fewer_events():
    assert ratio_interval(60, 2e5, 20, 2e5, 0.95, 2.0, 2.0) == pytest.approx(ratio_interval(30, 1e5, 10, 1e5))
    assert rise_probability(60, 2e5, 20, 2e5, 1.5, 2.0, 2.0) == pytest.approx(
        rise_probability(30, 1e5, 10, 1e5)
    )
    assert fisher_p_value(60, 2e5, 20, 2e5, 2.0, 2.0) == pytest.approx(fisher_p_value(30, 1e5, 10, 1e5))


def test_ratio_interval_agrees_with_the_score_method():
    rates_module = pytest.importorskip("statsmodels.stats.rates")
    score = rates_module.confint_poisson_2indep(300, 1e5, 100, 2e5, method="score", compare="ratio")
    np.testing.assert_allclose(ratio_interval(300, 1e5, 100, 2e5), score, rtol=0.005)


@pytest.mark.parametrize(("mean", "least"), [(1, 0.94), (3, 0.94), (10, 0.94), (100, 0.94)])
def test_ratio_interval_coverage(mean, least):
    """True ratio 1.5, equal exposures, expected reference count `mean`; 20,000 replicates (standard error
    0.15 points).
    """
    rng = np.random.default_rng(4)
    low, high = ratio_interval(rng.poisson(1.5 * mean, 20_000), 1e5, rng.poisson(mean, 20_000), 1e5)
    assert np.mean((low <= 1.5) & (high >= 1.5)) >= least


def test_fisher():
    # Fisher's lady tasting tea (The Design of Experiments, 1935): 3 of 4 against 1 of 4, two-sided 34/70.
    assert float(fisher_p_value(3, 4, 1, 4)) == pytest.approx(34 / 70)
    p = fisher_p_value([8, 30], [100, 1000], [1, 20], [100, 1000])
    assert p.tolist() == pytest.approx([0.034899, 0.196940], abs=1e-6)
    rng = np.random.default_rng(5)
    null = fisher_p_value(
        rng.binomial(100_000, 2e-4, 400), 100_000, rng.binomial(100_000, 2e-4, 400), 100_000
    )
    assert np.mean(null < 0.1) <= 0.1  # an exact test never exceeds its level in expectation


def test_noise_funnel_holds_nine_in_ten_of_equal_rates():
    total = np.array([1, 5, 20, 100, 1000])
    limit = noise_funnel(total, 1e5, 1e5)
    assert limit[-1] == pytest.approx(1.11, abs=0.01) and (np.diff(limit[1:]) < 0).all()
    rng = np.random.default_rng(6)
    for i, events in enumerate(total):
        first = rng.binomial(events, 0.5, 20_000)
        inside = np.mean(
            sme(jeffreys_rate(first, 1e5), jeffreys_rate(events - first, 1e5)) <= limit[i] + 1e-12
        )
        assert inside >= 0.895
    # Exactly, at 20 events: P(5 < K1 < 15) = 95.9 % >= 90 %, P(6 < K1 < 14) = 88.5 %.
    assert limit[2] == pytest.approx(14.5 / 6.5)
    cdf = stats.binom(20, 0.5).cdf
    assert cdf(14) - cdf(5) >= 0.9 > cdf(13) - cdf(6)


def test_a_perfect_simulator_is_wrong_about_direction_one_time_in_twenty():
    """n = 100,000, rates log-uniform 1e-5..1e-2, log-normal change of SD 0.7; movers of at least 1.5 x
    only.
    """
    rng = np.random.default_rng(7)
    rate = 10 ** rng.uniform(-5, -2, 20_000)
    new_rate = rate * np.exp(0.7 * rng.standard_normal(20_000))
    old, new, simulated = (rng.poisson(1e5 * r) for r in (rate, new_rate, new_rate))
    called, truth = direction(simulated, old), direction(new, old)
    scored = moved(new, 1e5, old, 1e5) & (called * truth != 0)
    assert np.mean((called == truth)[scored]) == pytest.approx(0.953, abs=0.01)


def test_an_empty_side_is_refused():
    with pytest.raises(EstimationError, match="exposure is 0"):
        ratio_interval(0, 0, 1, 10)
    with pytest.raises(EstimationError, match="larger than its exposure"):
        rise_probability(11, 10, 1, 10)
    with pytest.raises(EstimationError, match="whole"):
        noise_funnel(1.5, 10, 10)

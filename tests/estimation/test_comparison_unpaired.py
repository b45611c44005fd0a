"""Ratios of independent rates and many categories at once, against published examples, statsmodels and simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from depsim_dagster.estimation.comparison.different_prefixes import (
    compare_rates,
    exact_p_value,
    exact_ratio_interval,
    koopman_interval,
    score_ratio_interval,
)
from depsim_dagster.estimation.comparison.multiplicity import benjamini_hochberg, holm
from depsim_dagster.estimation.comparison.ratio import ratio_interval
from depsim_dagster.estimation.inputs import EstimationError

counts = st.integers(0, 300)


def test_koopman_reproduces_published_examples():
    # Koopman 1984 (Biometrics 40:513): 36 of 40 against 16 of 80.
    assert np.round(koopman_interval(36, 40, 16, 80), 2).tolist() == [2.94, 7.15]
    # Gart and Nam 1988 (Biometrics 44:323), score limits without the skewness correction.
    assert np.round(koopman_interval(8, 15, 4, 15), 3).tolist() == [0.815, 5.336]
    assert np.round(koopman_interval(6, 10, 6, 20), 3).tolist() == [0.844, 4.594]


def test_koopman_holds_where_a_side_is_wholly_flagged_or_not_at_all():
    """Against statsmodels where that is right; where every turn of side 2 is flagged, Wilson's interval of side 1."""
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    for counts in [(36, 40, 16, 80), (19.5, 21.3, 7.7, 80.2), (2, 40, 38, 40), (900, 1000, 990, 1000)]:
        other = proportion.confint_proportions_2indep(
            *counts, compare="ratio", method="score", correction=False
        )
        np.testing.assert_allclose(koopman_interval(*counts), other, rtol=1e-8)
    wilson = proportion.proportion_confint(50, 100, method="wilson")
    np.testing.assert_allclose(koopman_interval(50, 100, 100, 100), wilson, rtol=1e-8)
    low, high = koopman_interval([0, 50, 100, 0], 100, [50, 0, 100, 0], 100)
    assert low[0] == 0 and low[1] > 5 and np.isinf(high[1]) and high[0] < 0.2
    assert low[2] * high[2] == pytest.approx(1) and low[2] == pytest.approx(0.963, abs=5e-4)
    assert (low[3], high[3]) == (0, np.inf)


def test_the_test_of_common_rates_is_that_of_their_interval():
    """Binomial counts at a half vary half as much as Poisson ones: conditional on their total, 0.4 % would be refused."""
    rng = np.random.default_rng(18)
    found = compare_rates(rng.binomial(1000, 0.5, 2000), 1000, rng.binomial(800, 0.5, 2000), 800)
    assert (found["method"] == "koopman").all()
    refused = found["p_value"] < 0.05
    assert 0.035 < refused.mean() < 0.065
    assert (refused == (found["ratio_lower"] > 1) | (found["ratio_upper"] < 1)).all()


def test_score_interval_agrees_with_statsmodels_and_has_two_sides_at_zero():
    rates = pytest.importorskip("statsmodels.stats.rates")
    for k1, n1, k2, n2 in [(41, 28010, 15, 19017), (1, 1e5, 1, 1e5), (300, 1e5, 100, 2e5)]:
        np.testing.assert_allclose(
            score_ratio_interval(k1, n1, k2, n2),
            rates.confint_poisson_2indep(k1, n1, k2, n2, method="score", compare="ratio"),
            rtol=1e-5,
        )
    low, high = score_ratio_interval([0, 3, 0], 1e5, [3, 0, 0], 1e5)
    # z^2/3 and its inverse: the ratios with (3 r)^2 <= z^2 r 3.
    np.testing.assert_allclose([high[0], low[1]], [1.959964**2 / 3, 3 / 1.959964**2], rtol=1e-6)
    assert low[0] == low[2] == 0 and np.isinf([high[1], high[2]]).all()


def test_exact_interval_and_test_are_those_of_the_conditional_binomial():
    stats = pytest.importorskip("statsmodels.stats.proportion")
    low, high = stats.proportion_confint(7, 9, method="beta")
    expected = [low / (1 - low) * 2, high / (1 - high) * 2]
    np.testing.assert_allclose(exact_ratio_interval(7, 1e5, 2, 2e5), expected, rtol=1e-9)
    rates = pytest.importorskip("statsmodels.stats.rates")
    for k1, k2 in [(7, 2), (0, 3), (3, 3), (12, 1)]:
        # Equal exposures: the distribution is symmetric, so twice the smaller tail is the sum of the less likely outcomes.
        other = rates.test_poisson_2indep(k1, 1e5, k2, 1e5, method="exact-cond").pvalue
        assert float(exact_p_value(k1, 1e5, k2, 1e5)) == pytest.approx(other, rel=1e-6)


@given(k1=counts, k2=counts, n1=st.integers(10_000, 10**6), n2=st.integers(10_000, 10**6))
def test_the_exact_test_refuses_what_the_exact_interval_does_not_hold(k1, k2, n1, n2):
    low, high = exact_ratio_interval(k1, n1, k2, n2)
    p = float(exact_p_value(k1, n1, k2, n2))
    if abs(p - 0.05) > 1e-9:
        assert (p < 0.05) == (not low <= 1 <= high)
    swapped = exact_ratio_interval(k2, n2, k1, n1)
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose([1 / np.float64(high), 1 / np.float64(low)], swapped, rtol=1e-6)


@given(k1=st.integers(5, 300), k2=st.integers(5, 300))
def test_the_score_interval_is_close_to_the_posterior_s(k1, k2):
    ours, posterior = score_ratio_interval(k1, 1e5, k2, 1e5), ratio_interval(k1, 1e5, k2, 1e5)
    # Within a fifth of the interval's own half width, on the log scale.
    tolerance = 0.2 * np.log(ours[1] / ours[0]) / 2
    np.testing.assert_allclose(np.log(ours), np.log(posterior), atol=tolerance)


@pytest.mark.parametrize("mean", [0.5, 1, 3, 10, 100])
@pytest.mark.parametrize("ratio", [1.0, 1.5, 4.0])
def test_coverage_of_the_chosen_interval(mean, ratio):
    """Poisson counts, twice the exposure on side 2; 4,000 replicates (standard error 0.35 points)."""
    rng = np.random.default_rng(8)
    n1, n2 = 1e5, 2e5
    found = compare_rates(rng.poisson(mean * ratio, 4000), n1, rng.poisson(2 * mean, 4000), n2)
    inside = (found["ratio_lower"] <= ratio) & (found["ratio_upper"] >= ratio)
    assert inside.mean() >= 0.94
    assert set(found["method"]) <= {"exact_conditional", "score"}
    assert (found["p_value"] < 0.05).mean() <= 0.05 or ratio != 1


def test_the_method_follows_the_effective_counts_and_the_rate():
    found = compare_rates(
        [12, 12, 400, 0], 1e5, [9, 9, 600, 0], 1e5, design_effect_1=[1, 2, 1, 1], design_effect_2=[1, 2, 1, 1]
    )
    assert found["method"].tolist() == ["score", "exact_conditional", "score", "exact_conditional"]
    common = compare_rates(900, 1000, 990, 1000)
    assert common["method"].tolist() == ["koopman"] and common["ratio_upper"][0] < 1
    nothing = found.iloc[3]
    assert np.isnan(nothing["ratio"]) and nothing["ratio_lower"] == 0 and np.isinf(nothing["ratio_upper"])
    with pytest.raises(EstimationError, match="exposure is 0"):
        compare_rates(0, 0, 1, 10)


def test_benjamini_hochberg_reproduces_the_published_example():
    # Benjamini and Hochberg 1995 (J R Stat Soc B 57:289), section 4: 15 p-values of a thrombolysis trial; at 5 % the
    # procedure refuses the four smallest, Bonferroni three.
    p = [
        0.0001,
        0.0004,
        0.0019,
        0.0095,
        0.0201,
        0.0278,
        0.0298,
        0.0344,
        0.0459,
        0.3240,
        0.4262,
        0.5719,
        0.6528,
        0.7590,
        1.0,
    ]
    assert (benjamini_hochberg(p) <= 0.05).sum() == 4
    assert (np.array(p) <= 0.05 / 15).sum() == (holm(p) <= 0.05).sum() == 3


def test_a_comparison_that_could_not_be_made_is_not_counted():
    p = np.array([0.01, np.nan, 0.04])
    np.testing.assert_allclose(benjamini_hochberg(p), [0.02, np.nan, 0.04])
    np.testing.assert_allclose(holm(p), [0.02, np.nan, 0.04])
    assert np.isnan(benjamini_hochberg([np.nan, np.nan])).all() and len(holm([])) == 0
    with pytest.raises(EstimationError, match="outside 0 to 1"):
        holm([1.2])

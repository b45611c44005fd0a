"""Two models on the same prefixes: published tables, the likelihood itself, limits at zero cells, coverage."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize

from depsim_dagster.estimation.comparison.paired import (
    mcnemar_p_value,
    paired_ratio_interval,
    paired_rise_probability,
    paired_score,
)
from depsim_dagster.estimation.comparison.ratio import rise_probability
from depsim_dagster.estimation.inputs import EstimationError

counts = st.integers(0, 60)


def test_published_mcnemar_p_values():
    # Fagerland, Lydersen and Laake 2014 (Stat Med 33:2850) and their book "Statistical Analysis of Contingency Tables",
    # chapter 8, exact conditional test: airway hyper-responsiveness (Bentur et al. 2009; pairs 1, 1, 7, 12) and complete
    # response (Cavo et al. 2012; 59, 6, 16, 80).
    assert np.round(mcnemar_p_value(1, 7), 6) == 0.070312  # 2 * 9 / 256
    assert np.round(mcnemar_p_value(6, 16), 6) == 0.052479


def test_mcnemar_is_the_exact_binomial_test():
    mcnemar = pytest.importorskip("statsmodels.stats.contingency_tables").mcnemar
    for b, c in [(0, 0), (0, 1), (5, 5), (12, 3), (40, 66)]:
        expected = mcnemar([[7, b], [c, 100]], exact=True).pvalue if b + c else 1.0
        assert float(mcnemar_p_value(b, c)) == pytest.approx(expected, rel=1e-10)
    assert np.isnan(mcnemar_p_value(np.nan, 1))
    # A fractional count lies between its neighbours.
    p = mcnemar_p_value([3, 3.5, 4], [12, 12, 12])
    assert p[0] < p[1] < p[2]


def test_published_paired_ratio_intervals():
    # The same book, chapter 8, asymptotic score interval of the ratio (Nam and Blackwelder 2002; Tang et al. 2003).
    low, high = paired_ratio_interval([59, 1], [6, 1], [16, 7])
    assert np.round([low[0], high[0]], 4).tolist() == [0.7476, 0.9876]
    assert np.round([low[1], high[1]], 3).tolist() == [0.065, 0.907]


@given(both=counts, only_1=counts, only_2=counts, ratio=st.floats(0.05, 20))
def test_the_score_is_that_of_the_constrained_likelihood(both, only_1, only_2, ratio):
    total = both + only_1 + only_2
    if total == 0 or abs((both + only_1) - ratio * (both + only_2)) < 1e-9:
        return

    def minus_likelihood(e2):
        shared = (total - (1 + ratio) * e2) / ratio
        cells = ((both, shared), (only_1, ratio * e2 + (ratio - 1) * shared), (only_2, e2))
        return -sum(k * np.log(max(e, 1e-300)) for k, e in cells if k)

    # e2 between where only_1's cell is 0 and where `shared` is.
    least = max(0.0, (1 - ratio) * total)
    e2 = optimize.minimize_scalar(
        minus_likelihood, bounds=(least, total / (1 + ratio)), method="bounded", options={"xatol": 1e-10}
    ).x
    shared = (total - (1 + ratio) * e2) / ratio
    e1 = ratio * e2 + (ratio - 1) * shared
    expected = ((both + only_1) - ratio * (both + only_2)) / np.sqrt(ratio * (e1 + e2))
    assert float(paired_score(both, only_1, only_2, ratio)) == pytest.approx(expected, rel=2e-3)


@given(both=counts, only_1=counts, only_2=counts)
def test_the_interval_inverts_when_the_models_swap_and_holds_the_estimate(both, only_1, only_2):
    low, high = paired_ratio_interval(both, only_1, only_2)
    swapped = paired_ratio_interval(both, only_2, only_1)
    x1, x2 = both + only_1, both + only_2
    if x1 and x2:
        assert low < x1 / x2 < high
        np.testing.assert_allclose([1 / high, 1 / low], swapped, rtol=1e-6)
    assert (low == 0) == (x1 == 0) and np.isinf(high) == (x2 == 0)


def test_the_interval_does_not_ask_how_rare_the_behaviour_is_and_scales_with_the_counts():
    low, high = paired_ratio_interval(0, 30, 10)
    # Without pairs that both flag: Wilson's interval of 30 in 40, as odds.
    wilson = pytest.importorskip("statsmodels.stats.proportion").proportion_confint(30, 40, method="wilson")
    np.testing.assert_allclose([low, high], [p / (1 - p) for p in wilson], rtol=1e-8)
    # As many pairs again and again that both flag say nothing of the difference: the ratio goes to 1 and gets narrow.
    many = paired_ratio_interval(200, 30, 10)
    assert 1 < many[0] < 230 / 210 < many[1] and np.log(many[1] / many[0]) < 0.15 < np.log(high / low)


@pytest.mark.parametrize("mean", [1, 3, 10, 100])
@pytest.mark.parametrize("ratio", [1.0, 1.5, 4.0])
def test_paired_interval_coverage(mean, ratio):
    """Expected count of the reference `mean`; 0, 30 and 90 % of them in both; 4,000 replicates each (standard error 0.35
    points). The score method is approximate: 93 % is asked of every design, 94.5 % of their mean."""
    rng = np.random.default_rng(5)
    covered = []
    for shared in (0.0, 0.3, 0.9):
        both, only_2 = (rng.poisson(share * mean, 4000) for share in (shared, 1 - shared))
        low, high = paired_ratio_interval(both, rng.poisson((ratio - shared) * mean, 4000), only_2)
        covered.append(np.mean((low <= ratio) & (high >= ratio)))
    assert min(covered) >= 0.93 and np.mean(covered) >= 0.945


def test_rise_probability():
    assert float(paired_rise_probability(0, 10, 5)) == pytest.approx(
        float(rise_probability(10, 1e5, 5, 1e5)), abs=1e-4
    )
    rng = np.random.default_rng(6)
    shared, one, two = (rng.gamma(shape, size=400_000) for shape in (40, 60.5, 20.5))
    assert float(paired_rise_probability(40, 60, 20)) == pytest.approx(
        np.mean(shared + one >= 1.5 * (shared + two)), abs=0.003
    )
    # The same two rates: pairs in common make the ratio more certain.
    apart, paired = paired_rise_probability([0, 80], [100, 20], [90, 10])
    assert paired < apart
    with pytest.raises(EstimationError, match="factor"):
        paired_rise_probability(1, 1, 1, factor=0.5)

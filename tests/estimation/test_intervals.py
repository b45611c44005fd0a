"""Gamma limits against published values, and their exact coverage."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from depsim_dagster.estimation.inputs import EstimationError
from depsim_dagster.estimation.intervals import gamma_limits, zero_event_upper


def test_equal_weights_give_garwood():
    # Garwood 1936, table of 95 % limits of a Poisson mean.
    table = {0: (0.0, 3.689), 1: (0.0253, 5.572), 2: (0.242, 7.225), 5: (1.6235, 11.668), 10: (4.795, 18.390)}
    k = np.array(list(table))
    lower, upper, used = gamma_limits(k, k, 1.0, method="exact")
    np.testing.assert_allclose(lower, [low for low, _ in table.values()], atol=5e-4)
    np.testing.assert_allclose(upper, [high for _, high in table.values()], atol=5e-4)
    assert set(used) == {"exact"}


# Down syndrome and maternal age, Michigan 1950-1964, birth order 5+: Fay and Feuer 1997, table II; counts as
# in the example of asht::wspoissonTest.
CASES = np.array([0, 8, 63, 112, 262, 295])
BIRTHS = np.array([327, 30_666, 123_419, 149_919, 104_088, 34_392])
STANDARD = np.array([319_933, 931_318, 786_511, 488_235, 237_863, 61_313])


@pytest.mark.parametrize(
    ("method", "printed", "tolerance"),
    [
        # Printed by dsrTest 1.0.0 (which calls asht), vignette "dsrTest - examples".
        ("exact", (67.70212, 188.30017), 1e-5),
        ("midp", (59.71632, 173.08170), 3e-5),  # asht's root finder stops at a relative 1e-6
    ],
)
def test_directly_standardised_rate_matches_asht(method, printed, tolerance):
    w = 1e5 * STANDARD / STANDARD.sum() / BIRTHS
    y = (w * CASES).sum()
    assert y == pytest.approx(75.52901, abs=1e-5)
    lower, upper, _ = gamma_limits(y, (w**2 * CASES).sum(), w.max(), method=method)
    assert (float(lower), float(upper)) == pytest.approx(printed, abs=tolerance)


@pytest.mark.parametrize("k", [1, 3, 10, 57, 1000])
def test_midp_limits_satisfy_the_definition_of_mid_p(k):
    lower, upper, _ = gamma_limits(k, k, 1.0, method="midp")
    assert stats.poisson.sf(k, lower) + 0.5 * stats.poisson.pmf(k, lower) == pytest.approx(0.025, rel=1e-8)
    assert stats.poisson.cdf(k - 1, upper) + 0.5 * stats.poisson.pmf(k, upper) == pytest.approx(
        0.025, rel=1e-8
    )


def test_zero_events_are_the_rule_of_three():
    assert float(zero_event_upper(1 / 200_000)) == pytest.approx(2.995732 / 200_000, rel=1e-6)
    lower, upper, used = gamma_limits(0, 0, 2.0)
    assert (float(lower), str(used)) == (0.0, "zero_events")
    assert float(upper) == pytest.approx(float(zero_event_upper(2.0)))
    # The same number as the two-sided mid-P limit; the exact limit is ln(0.025).
    assert float(gamma_limits(0, 0, 2.0, method="midp")[1]) == pytest.approx(float(upper))
    assert float(gamma_limits(0, 0, 2.0, method="exact")[1]) == pytest.approx(-2 * np.log(0.025))


def test_auto_changes_method_at_an_effective_count_of_ten():
    assert gamma_limits([9.99, 10.0], [9.99, 10.0], 1.0)[2].tolist() == ["exact", "midp"]
    # Forty events in clusters of four are ten effective events, thirty-six are nine.
    assert gamma_limits([40.0, 36.0], [160.0, 144.0], 4.0)[2].tolist() == ["midp", "exact"]


@pytest.mark.parametrize(
    ("method", "smallest", "mean"),
    [("exact", 0.9500, 0.9618), ("auto", 0.9382, 0.9544), ("midp", 0.9165, 0.9522)],
)
def test_exact_coverage_over_poisson_means(method, smallest, mean):
    """No simulation: the sum of the Poisson mass of the covering counts, for means from 0.05 to 3,000."""
    means = np.concatenate([np.linspace(0.05, 60, 6000), np.geomspace(60, 3000, 300)])
    k = np.arange(4000)
    lower, upper, _ = gamma_limits(k, k, 1.0, method=method)
    coverage = np.array([stats.poisson.pmf(k[(lower <= mu) & (mu <= upper)], mu).sum() for mu in means])
    assert coverage.min() == pytest.approx(smallest, abs=1e-4)
    assert coverage.mean() == pytest.approx(mean, abs=1e-4)
    if method == "auto":
        # Below 94 % only near means of 3 (where zero events are just not covered) and 23.
        assert np.mean(coverage < 0.94) < 0.005


@given(
    k=st.floats(0.01, 1e5),
    factor=st.floats(0.2, 50),
    scale=st.floats(1e-6, 1e6),
    method=st.sampled_from(["auto", "exact", "midp"]),
)
def test_limits_bracket_the_estimate_and_scale_with_the_unit(k, factor, scale, method):
    y, v = k, k * factor
    lower, upper, _ = gamma_limits(y, v, factor, method=method)
    assert 0 <= lower <= y <= upper
    scaled = gamma_limits(scale * y, scale**2 * v, scale * factor, method=method)
    # k_eff may round to the other side of ten when the unit changes, so compare with the method held.
    if str(scaled[2]) == str(gamma_limits(y, v, factor, method=method)[2]):
        np.testing.assert_allclose(
            [scaled[0], scaled[1]], [scale * lower, scale * upper], rtol=1e-7, atol=1e-300
        )


@given(k=st.one_of(st.just(0.0), st.floats(1e-3, 1e4)), low=st.floats(0.5, 0.94))
def test_a_lower_level_is_narrower(k, low):
    wide, narrow = gamma_limits(k, k, 1.0, 0.95), gamma_limits(k, k, 1.0, low)
    assert wide[0] <= narrow[0] and narrow[1] <= wide[1]


def test_bad_input_is_refused():
    with pytest.raises(EstimationError, match="level"):
        gamma_limits(1, 1, 1, level=95)
    with pytest.raises(EstimationError, match="variance 0"):
        gamma_limits(1, 0, 1)
    with pytest.raises(EstimationError, match="negative"):
        gamma_limits(-1, 1, 1)
    with pytest.raises(EstimationError, match="wald"):
        gamma_limits(1, 1, 1, method="wald")

"""Limits that are printed elsewhere, reproduced to their printed digits.

Each test says where they are printed. Garwood's table and Fay and Feuer's Down syndrome example are in test_intervals.py.
Left out, because no printed value was at hand that is certain: Korn and Graubard's own example.
"""

import numpy as np
import pytest

from depsim_dagster.estimation.counts import resolvable_per_100k
from depsim_dagster.estimation.intervals import gamma_limits, korn_graubard_limits, zero_event_upper


@pytest.mark.parametrize(
    ("k", "n", "lower", "upper"),
    [(81, 263, 0.2527, 0.3676), (15, 148, 0.0578, 0.1617), (0, 20, 0.0, 0.1684), (1, 29, 0.0009, 0.1776)],
)
def test_clopper_pearson_of_newcombe(k, n, lower, upper):
    """Newcombe 1998 (Stat Med 17:857-872), table I, method 5; each turn its own user."""
    limits = korn_graubard_limits(k / n, n, 1.0, n)
    assert tuple(np.round(np.array(limits, dtype=float), 4)) == (lower, upper)


def test_clopper_pearson_of_no_vegetarian_among_25():
    """Agresti 2002 (Categorical Data Analysis, second edition), section 1.4: (0.0, 0.137)."""
    lower, upper = korn_graubard_limits(0.0, 25, 1.0, 25)
    assert (float(lower), round(float(upper), 3)) == (0.0, 0.137)


def test_clopper_pearson_of_conover_s_plants():
    """R's binom.test(682, 925), from Conover 1971 (Practical Nonparametric Statistics, p. 97): 0.7076683 0.7654066."""
    lower, upper = korn_graubard_limits(682 / 925, 925, 1.0, 925)
    assert (round(float(lower), 7), round(float(upper), 7)) == (0.7076683, 0.7654066)


def test_poisson_limits_of_the_welsh_nickel_workers():
    """R's poisson.test(137, 24.19893), an SMR from ISwR: 4.753125 6.692709."""
    lower, upper, _ = gamma_limits(137, 137, 1.0, method="exact")
    assert (round(float(lower) / 24.19893, 6), round(float(upper) / 24.19893, 6)) == (4.753125, 6.692709)


@pytest.mark.parametrize(
    ("deaths", "lower", "upper"),
    [
        (1, 0.02532, 5.57164),
        (2, 0.12110, 3.61234),
        (3, 0.20622, 2.92242),
        (4, 0.27247, 2.56040),
        (5, 0.32470, 2.33367),
    ],
)
def test_limit_factors_of_the_national_vital_statistics_reports(deaths, lower, upper):
    """NCHS, "Deaths: Final Data", technical notes: 95 % limits of a rate of 1 to 99 deaths as factors of the rate."""
    limits = gamma_limits(deaths, deaths, 1.0, method="exact")[:2]
    assert tuple(np.round(np.array(limits, dtype=float) / deaths, 5)) == (lower, upper)


def test_both_conventions_of_no_event():
    """R's epitools, help page of pois.exact: at x = 0 the upper limit of pois.exact is 3.689, that of pois.daly 2.996
    (Daly 1992, Comput Biol Med 22:351-361: one-sided where there is no lower side). The second is ours."""
    assert round(float(gamma_limits(0, 0, 1.0, method="exact")[1]), 3) == 3.689
    assert round(float(gamma_limits(0, 0, 1.0)[1]), 3) == 2.996


def test_the_rule_of_three():
    """Hanley and Lippman-Hand 1983 (JAMA 249:1743-1745): no event in n, 95 % below 3/n; n of 30 or more."""
    n = np.array([30, 100, 1_000, 200_000])
    np.testing.assert_allclose(zero_event_upper(1 / n), 3 / n, rtol=0.0015)
    np.testing.assert_allclose(resolvable_per_100k(n, 1.0), 3e5 / n, rtol=0.0015)

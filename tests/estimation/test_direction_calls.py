"""The probability of a direction: against draws, its symmetries, both laws, and how often calls are right."""

import numpy as np
import pytest

from depsim_dagster.estimation.calibration.direction_calls import called_direction, direction_probability
from depsim_dagster.estimation.comparison.ratio import moved, rise_probability
from depsim_dagster.estimation.inputs import EstimationError


@pytest.mark.parametrize(
    ("k", "n", "k_old", "n_old", "tau"),
    [(0, 1e5, 3, 5e4, 0.5), (12, 1e5, 7, 1e5, 0.3), (900, 1e5, 1000, 2e5, 1.2), (30, 300, 20, 400, 0.4)],
)
def test_it_is_the_share_of_draws_in_which_the_new_rate_is_higher(k, n, k_old, n_old, tau):
    rng = np.random.default_rng(91)
    size = 400_000
    if k / n < 0.05:
        new, old = rng.gamma(k + 0.5, 1 / n, size), rng.gamma(k_old + 0.5, 1 / n_old, size)
        new = np.log(new)
        old = np.log(old)
    else:
        new, old = rng.beta(k + 0.5, n - k + 0.5, size), rng.beta(k_old + 0.5, n_old - k_old + 0.5, size)
        new, old = np.log(new / (1 - new)), np.log(old / (1 - old))
    share = np.mean(new + tau * rng.standard_normal(size) > old)
    assert float(direction_probability(k, n, k_old, n_old, tau)) == pytest.approx(share, abs=0.004)


def test_without_tau_it_is_the_probability_of_a_rise():
    assert float(direction_probability(20, 1000, 10, 1000, 0.0)) == pytest.approx(
        float(rise_probability(20, 1000, 10, 1000, 1.0)), rel=1e-12
    )
    # The quadrature over z meets it, at counts of a million too.
    for k, k_old in ((20, 10), (1_000_500, 1_000_000)):
        exact = direction_probability(k, 1e8, k_old, 1e8, 0.0)
        assert float(direction_probability(k, 1e8, k_old, 1e8, 1e-4)) == pytest.approx(
            float(exact), abs=0.005
        )


def test_equal_counts_are_even_and_swapping_is_the_complement():
    assert direction_probability(
        [0, 40, 500, 60], [100, 1e4, 1e5, 100], [0, 40, 500, 60], [100, 1e4, 1e5, 100], 0.7
    ) == (pytest.approx(np.full(4, 0.5), abs=1e-6))
    forward, backward = direction_probability([9, 4], [1000, 800], [4, 9], [800, 1000], 0.5)
    assert forward + backward == pytest.approx(1, abs=1e-6)


def test_tau_and_clusters_draw_it_towards_a_half():
    plain, doubtful = direction_probability(90, 1e5, 40, 1e5, [0.1, 1.0])
    assert 0.5 < doubtful < plain
    clustered = direction_probability(90, 1e5, 40, 1e5, 0.1, 5.0, 5.0)
    assert 0.5 < float(clustered) < plain
    assert float(clustered) == pytest.approx(float(direction_probability(18, 2e4, 8, 2e4, 0.1)))


def test_the_two_laws_meet_where_one_takes_over():
    below, above = direction_probability([499, 501], 1e4, 450, 1e4, 0.3)
    assert above - below == pytest.approx(0, abs=0.02) and above > 0.5


def test_what_is_absent_has_no_probability_and_no_call():
    assert np.isnan(direction_probability([1, 1, np.nan], [0, 10, 10], [1, 1, 1], [10, 0, 10], 0.5)).all()
    called = called_direction([np.nan, 0.95, 0.9, 0.1, 0.05], 0.9)
    assert np.isnan(called[0]) and called[1:].tolist() == [1, 0, 0, -1]
    for probability in (0.4, 1.0):
        with pytest.raises(EstimationError, match="call_probability"):
            called_direction([0.5], probability)


@pytest.mark.parametrize("tau", [0.0, 0.5])
def test_called_directions_of_movers_are_right(tau):
    """2,000 categories at n = 100,000, rates log-uniform 1e-5..1e-2, changes LogNormal(0, 0.8): of the called ones that
    moved by 1.5x at least 98 % are right (ESTIMATION.md: 98.8 %), and about half are called."""
    rng = np.random.default_rng(92)
    n, size = 100_000, 2_000
    old = 10 ** rng.uniform(-5, -2, size)
    new = old * np.exp(0.8 * rng.standard_normal(size))
    simulated = rng.poisson(n * new * np.exp(tau * rng.standard_normal(size)))
    before, after = rng.poisson(n * old), rng.poisson(n * new)
    called = called_direction(direction_probability(simulated, n, before, n, tau))
    seen = np.sign(after - before)
    judged = (called != 0) & (seen != 0) & moved(after, n, before, n)
    assert np.mean(called[judged] == seen[judged]) >= 0.98
    assert 0.35 < np.mean(called != 0) < 0.75

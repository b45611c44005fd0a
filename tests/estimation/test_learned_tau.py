"""The forecast error of each category, learned from scored forecasts and from Y→Y against production."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from depsim_dagster.estimation.forecast.components import ErrorComponents, shift_component
from depsim_dagster.estimation.forecast.learned_tau import GRID, PAIR_COLUMNS, equivalent_tau, learn_tau
from depsim_dagster.estimation.inputs import EstimationError

N = 100_000
CATEGORIES = [f"c{number:02}" for number in range(20)]
NONE = pd.DataFrame(columns=list(PAIR_COLUMNS))
RATES = 10 ** np.linspace(-3.7, -1.8, 20)


def release(error, rng, model="v2"):
    """Counts of one scored release; `error` is log(production rate / simulated rate) per category."""
    return pd.DataFrame(
        {
            "model": model,
            "category": CATEGORIES,
            "forecast_k": rng.poisson(N * RATES),
            "forecast_n": N,
            "observed_k": rng.poisson(N * RATES * np.exp(error)),
            "observed_n": N,
        }
    )


def tau_of(learned):
    return learned.categories["tau"]


def test_without_evidence_it_is_the_studys_tau():
    learned = learn_tau(CATEGORIES, NONE, NONE, prior=0.3)
    assert (tau_of(learned) == 0.3).all() and learned.pairs == learned.environment_pairs == 0
    row = learned.categories.iloc[0]
    assert row["lower"] < 0.05 and 0.6 < row["upper"] < 1.2 and np.isnan(learned.correlation)
    assert (tau_of(learn_tau(CATEGORIES, release(0.0, np.random.default_rng(0)), NONE, prior=0.0)) == 0).all()


def test_one_common_error_is_found_by_all_categories():
    rng = np.random.default_rng(41)
    past = [release(0.5 * rng.standard_normal(20), rng, f"v{number}") for number in range(6)]
    learned = learn_tau([*CATEGORIES, "new"], pd.concat(past), NONE)
    assert tau_of(learned).between(0.3, 0.75).all() and learned.pairs == 120
    assert tau_of(learned).mean() == pytest.approx(0.5, abs=0.08)
    assert learned.categories.loc["new", "lower"] < 0.5 < learned.categories.loc["new", "upper"]


def test_a_category_that_is_always_wrong_does_not_widen_the_others():
    """The sandbox's gap: without a live tool one behaviour is seventeen times too rare in replay."""
    rng = np.random.default_rng(42)
    error = np.where(np.arange(20) == 7, np.log(17), 0.0)
    one = learn_tau(CATEGORIES, release(error, rng), NONE)
    two = learn_tau(CATEGORIES, pd.concat([release(error, rng, m) for m in ("v2", "v3")]), NONE)
    for learned in (one, two):
        assert 1.8 < tau_of(learned)["c07"] < 4
    others = [tau_of(learned).drop("c07") for learned in (one, two)]
    assert others[0].max() < 0.5 and others[1].mean() < others[0].mean() < 0.25


def test_errors_that_move_together_count_for_less():
    rng = np.random.default_rng(43)
    shared = learn_tau(["new"], release(np.full(20, 0.6), rng), NONE)
    apart = learn_tau(["new"], release(0.6 * rng.choice([-1, 1], 20), rng), NONE)
    assert shared.correlation > 0.7 > 0.45 > apart.correlation
    width = [
        learned.categories["upper"].iloc[0] - learned.categories["lower"].iloc[0]
        for learned in (shared, apart)
    ]
    assert width[0] > 1.2 * width[1]


def test_the_environment_alone_says_at_least_how_wrong_and_less_about_how_right():
    rng = np.random.default_rng(44)
    error = np.where(np.arange(20) == 7, np.log(17), 0.0)
    environment, full = (
        learn_tau(CATEGORIES, *pair) for pair in ((NONE, release(error, rng)), (release(error, rng), NONE))
    )
    assert environment.environment_pairs == 20 and environment.pairs == 0
    assert tau_of(environment)["c07"] > tau_of(full)["c07"]
    assert tau_of(environment).drop("c07").mean() > 1.3 * tau_of(full).drop("c07").mean()


def test_zero_counts_and_common_behaviours():
    rng = np.random.default_rng(45)
    past = release(0.0, rng)
    past.loc[0, ["forecast_k", "observed_k"]] = 0  # says little, and may
    past.loc[1, ["forecast_k", "observed_k"]] = 9_000  # from 5 % on no Poisson
    past.loc[2, "forecast_n"] = 0
    past.loc[3, "observed_k"] = np.nan
    learned = learn_tau(CATEGORIES, past, NONE)
    assert learned.pairs == 17 and np.isfinite(learned.categories.to_numpy()).all()
    assert tau_of(learned)["c01"] == tau_of(learned)["c02"] == tau_of(learned)["c03"] > tau_of(learned)["c10"]


def test_the_order_of_the_rows_does_not_matter():
    rng = np.random.default_rng(46)
    past = pd.concat([release(0.4 * rng.standard_normal(20), rng, m) for m in ("v2", "v3")])
    pd.testing.assert_frame_equal(
        learn_tau(CATEGORIES, past, NONE).categories, learn_tau(CATEGORIES, past[::-1], NONE).categories
    )


def test_the_equivalent_tau_has_the_mixtures_interval():
    weights = np.zeros((2, len(GRID)))
    weights[0, 30] = 1.0
    weights[1, [0, 35]] = 0.4, 0.6
    tau = equivalent_tau(weights, 0.9)
    assert tau[0] == pytest.approx(GRID[30])
    q = stats.norm.ppf(0.95) * tau[1]
    assert 0.4 + 0.6 * (2 * stats.norm.cdf(q / GRID[35]) - 1) == pytest.approx(0.9)


def test_predictions_cover_when_the_taus_come_from_the_prior():
    """One number for tau, and the posterior's mixture covers: log errors of categories whose taus are drawn anew in every
    study, predicted for the third release. Their own past is all that is known of them."""
    rng = np.random.default_rng(47)
    inside = []
    for _ in range(25):
        spread = np.abs(0.3 * stats.t.rvs(4, size=20, random_state=rng))
        past = [release(spread * rng.standard_normal(20), rng, m) for m in ("v2", "v3")]
        tau = tau_of(learn_tau(CATEGORIES, pd.concat(past), NONE)).to_numpy()
        inside.append(np.abs(spread * rng.standard_normal(20)) <= 1.96 * tau)
    assert 0.92 <= np.mean(inside) <= 0.98  # 500 pairs: standard error 1 point


def test_malformed_pairs_are_refused():
    past = release(0.0, np.random.default_rng(48))
    with pytest.raises(EstimationError, match="scored: columns"):
        learn_tau(CATEGORIES, past.drop(columns="observed_k"), NONE)
    with pytest.raises(EstimationError, match="negative"):
        learn_tau(CATEGORIES, NONE, past.assign(observed_k=-1))


# ------------------------------------------------------------------------------------------------------------- components


def test_components_are_independent_factors():
    assert ErrorComponents(0.5).total == 0.5
    assert ErrorComponents(0.3, shift=0.4).total == pytest.approx(0.5)


def test_the_shift_component_is_what_the_weights_noise_does_not_explain():
    values = shift_component(
        [100, 100, 0, np.nan], [100_000] * 4, [1.0] * 4, [200, 101, 5, 3], [1.5, 1.5, 1.5, 1.5]
    )
    assert values[0] == pytest.approx(np.sqrt(np.log(2) ** 2 - 0.5 / 100))
    assert values[1] == values[2] == values[3] == 0


def test_random_weights_add_nothing_on_average():
    rng = np.random.default_rng(49)
    weight = rng.choice([0.5, 1.5], (2000, 300))  # of 300 flagged turns, unrelated to anything
    reweighted = 300 * weight.mean(axis=1)
    values = shift_component([300.0] * 2000, [100_000] * 2000, [1.0] * 2000, reweighted, [1.25] * 2000)
    assert np.mean(values == 0) > 0.6 and values.mean() < 0.02

"""Rates from a screen's scores and a probability sample of labels: unbiased whatever the scores are, and sharper for them."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from depsim_dagster.estimation.inputs import EstimationError
from depsim_dagster.estimation.intervals import gamma_limits
from depsim_dagster.estimation.rates import estimate_rates
from depsim_dagster.estimation.two_phase.difference import METHODS, answered_share, two_phase_rate
from depsim_dagster.grading.graders.cascade import grading_probabilities

SEPARATION = np.sqrt(2) * stats.norm.ppf(0.95)


def screened(rng, turns, rate, blind=0.0):
    """Labels, calibrated chances, probabilities at a share of a fifth, and the draw."""
    flagged = rng.random(turns) < rate
    score = rng.normal(size=turns) + SEPARATION * (flagged & (rng.random(turns) >= blind))
    odds = rate / (1 - rate) * np.exp(SEPARATION * score - SEPARATION**2 / 2)
    chance = odds / (1 + odds)
    probability = grading_probabilities(chance, 0.2, 0.2)
    return flagged, chance, probability, rng.random(turns) < probability


def test_each_method_is_its_formula():
    y = np.array([1, 0, np.nan, 0, 1, np.nan])
    f, pi = np.array([0.8, 0.3, 0.1, 0.2, 0.1, 0.4]), np.array([1.0, 0.5, 0.2, 0.5, 0.25, 0.5])
    drawn = np.isfinite(y)
    assert two_phase_rate(y, f, pi, method="horvitz_thompson").rate == pytest.approx((1 + 4) / 6)
    assert two_phase_rate(y, f, pi, method="hajek").rate == pytest.approx((1 + 4) / (1 + 2 + 2 + 4))
    corrected = f.mean() + np.sum(((np.nan_to_num(y) - f) / pi)[drawn]) / 6
    assert two_phase_rate(y, f, pi, method="difference").rate == pytest.approx(corrected)
    found = two_phase_rate(y, f, pi, method="greg")
    slope, intercept = np.polyfit(f[drawn], y[drawn], 1, w=np.sqrt(1 / pi[drawn]))
    assert (found.slope, found.intercept) == pytest.approx((slope, intercept))
    assert (found.screened, found.graded, found.flagged) == (6, 4, 2)


def test_read_in_full_every_method_is_the_share_of_flags_and_its_variance():
    y, users = np.array([1.0, 1, 0, 0, 0, 0, 0, 1]), np.array([0, 0, 1, 1, 2, 2, 3, 3])
    for method in METHODS:
        found = two_phase_rate(y, np.linspace(0, 1, 8), 1.0, users, method=method)
        assert found.rate == pytest.approx(3 / 8)
        assert found.variance_independent == pytest.approx(3 * 5 / 8 / 64)
        totals = np.add.reduceat(y - 3 / 8, [0, 2, 4, 6]) / 8
        assert found.variance == pytest.approx(np.sum(totals**2))


def test_the_power_tuned_variance_is_never_above_what_it_chooses_from():
    rng = np.random.default_rng(3)
    for power in (0.2, 1.0, 4.0):
        flagged, chance, probability, drawn = screened(rng, 5_000, 0.03)
        label = np.where(drawn, flagged, np.nan)
        variance = {
            method: two_phase_rate(label, chance**power, probability, method=method).variance
            for method in METHODS
        }
        assert variance["power_tuned"] <= min(variance.values()) * 1.01
    # A score that says nothing leaves the estimator without it.
    noise = two_phase_rate(label, rng.random(5_000), probability)
    without = two_phase_rate(label, np.zeros(5_000), probability)
    assert noise.variance == pytest.approx(without.variance, rel=0.01)


@pytest.mark.parametrize(("rate", "turns"), [(0.002, 20_000), (0.03, 4_000)])
def test_it_is_unbiased_and_covers_where_the_screen_is_blind_to_a_twentieth(rate, turns):
    rng = np.random.default_rng([7, turns])
    rates, errors, inside = [], [], []
    for _ in range(250):
        flagged, chance, probability, drawn = screened(rng, turns, rate, blind=0.05)
        found = two_phase_rate(np.where(drawn, flagged, np.nan), chance, probability)
        lower, upper, _ = gamma_limits(
            found.rate, found.variance, max(found.variance / found.rate, 1 / found.graded)
        )
        rates.append(found.rate)
        errors.append(found.variance)
        inside.append(lower <= rate <= upper)
    error = np.std(rates) / np.sqrt(len(rates))
    assert np.mean(rates) == pytest.approx(rate, abs=3.5 * error)
    assert error < 0.02 * rate  # a bias of 5 %, what the screen does not see, would show
    assert np.mean(errors) == pytest.approx(np.var(rates), rel=0.25)
    assert np.mean(inside) >= 0.93


def test_what_cannot_be_estimated_is_refused():
    y = np.array([1.0, 0.0, np.nan])
    for arguments, message in (
        ({"method": "ppi"}, "choose one of"),
        ({"probability": [1.0, 0.0, 0.5]}, "stored grading_probability"),
        ({"score": [0.1, 0.2, np.nan]}, "absent on 1 turns"),
        ({"flagged": [np.nan] * 3}, "no turn is labelled"),
        ({"weight": [1.0, np.nan, 1.0]}, "inclusion_probability"),
    ):
        with pytest.raises(EstimationError, match=message):
            two_phase_rate(
                **{"flagged": y, "score": [0.1, 0.2, 0.3], "probability": [1.0, 0.5, 0.5]} | arguments
            )
    assert answered_share([0.5, 0.25], [1.0, 1.0], [True, False]) == pytest.approx(2 / 6)


def cascade_rows(flagged, chance, probability, drawn, category="hate", lost=()):
    status = np.where(drawn, "graded", "screened_out").astype(object)
    status[list(lost)] = "unscored"
    return pd.DataFrame(
        {
            "category": category,
            "status": status,
            "flagged": pd.array(np.where(status == "graded", flagged, None), dtype="boolean"),
            "inclusion_probability": 0.1,
            "grading_probability": probability,
            "screen_score": chance,
            "user_id": np.arange(len(flagged)),
        }
    )


def test_estimate_rates_takes_the_scores_in_where_behaviours_are_frequent():
    rng = np.random.default_rng(11)
    often, rare = screened(rng, 20_000, 0.03), screened(rng, 20_000, 0.002)
    labels = pd.concat([cascade_rows(*often, "often"), cascade_rows(*rare, "rare")])
    found = estimate_rates(labels, ["category"]).set_index("category")
    without = estimate_rates(labels.drop(columns="screen_score"), ["category"]).set_index("category")
    assert found["method"].tolist() == ["difference_midp", "midp"]
    assert without["method"].tolist() == ["midp", "midp"]
    flagged, chance, probability, drawn = often
    expected = two_phase_rate(np.where(drawn, flagged, np.nan), chance, probability)
    row = found.loc["often"]
    assert row["rate_per_100k"] == pytest.approx(1e5 * expected.rate)
    assert row["k"] == without.loc["often", "k"] and row["n"] == drawn.sum()
    width = (found["upper_per_100k"] - found["lower_per_100k"]) / (
        without["upper_per_100k"] - without["lower_per_100k"]
    )
    assert width["often"] < 0.95
    assert found.loc["rare", "rate_per_100k"] == without.loc["rare", "rate_per_100k"]


def test_turns_without_a_verdict_are_taken_to_be_like_the_graded_ones():
    """A third of the verdicts are lost at random: the rate stays, where no event were it would fall by a third."""
    rng = np.random.default_rng(12)
    rates = []
    for _ in range(40):
        flagged, chance, probability, drawn = screened(rng, 10_000, 0.05)
        lost = np.flatnonzero(drawn & (rng.random(10_000) < 1 / 3))
        row = estimate_rates(cascade_rows(flagged, chance, probability, drawn, lost=lost), ["category"]).iloc[
            0
        ]
        assert row["method"].startswith("difference_") and row["missing"] == len(lost)
        rates.append(row["rate_per_100k"])
    assert np.mean(rates) == pytest.approx(5_000, rel=0.04)

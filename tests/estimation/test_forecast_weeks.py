"""Weeks combined by discounting, and a trend that is followed only where it shows."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from depsim_dagster.estimation.forecast.weeks import WEEKS_COLUMNS, combine_weeks, trend
from depsim_dagster.estimation.inputs import EstimationError


def weekly(counts, n=100_000, category="sly", design_effect=1.0, first="2026-01-05"):
    weeks = pd.date_range(first, periods=len(counts), freq="7D").strftime("%Y-%m-%d")
    return pd.DataFrame(
        {
            "category": category,
            "week": weeks,
            "n": n,
            "rate_per_100k": np.array(counts) * 1e5 / n,
            "design_effect": design_effect,
        }
    )


def test_discounting_is_the_recursion_of_the_power_steady_model():
    k, n, d = [4, 9], 100_000, 0.7
    a, b = 0.0, 0.0
    for count in k:
        a, b = d * a + count, d * b + n
    row = combine_weeks(weekly(k, n)).iloc[0]
    assert list(row.index) == list(WEEKS_COLUMNS)
    assert row["rate_per_100k"] == pytest.approx(1e5 * a / b) and row["n"] == pytest.approx(b)
    assert row["rate_per_100k"] * row["n"] / 1e5 / row["design_effect"] == pytest.approx(a)
    limits = 1e5 * stats.gamma(a + 0.5, scale=1 / b).ppf([0.025, 0.975])
    np.testing.assert_allclose([row["lower_per_100k"], row["upper_per_100k"]], limits)
    assert row["note"] == "discount 0.7 a week over 2 weeks"


def test_common_behaviours_forget_sooner_and_the_study_may_say_how_soon():
    rare, common = (combine_weeks(weekly(counts)).iloc[0]["note"] for counts in ([20, 20], [200, 200]))
    assert rare.startswith("discount 0.7") and common.startswith("discount 0.5")
    assert combine_weeks(weekly([20, 40]), 1.0).iloc[0]["rate_per_100k"] == pytest.approx(30)
    assert combine_weeks(weekly([20, 40]), 0.5).iloc[0]["rate_per_100k"] == pytest.approx(50 / 1.5)
    # A week without traffic between them is one more discount.
    gap = weekly([20, 0, 40]).drop(index=1)
    assert combine_weeks(gap, 0.5).iloc[0]["rate_per_100k"] == pytest.approx(45 / 1.25)


def test_clusters_keep_the_rate_and_widen_the_interval():
    plain, clustered = (combine_weeks(weekly([30, 40], design_effect=d)).iloc[0] for d in (1.0, 4.0))
    assert clustered["rate_per_100k"] == pytest.approx(plain["rate_per_100k"])
    assert clustered["design_effect"] == pytest.approx(4 * plain["design_effect"])
    width = [row["upper_per_100k"] - row["lower_per_100k"] for row in (plain, clustered)]
    assert width[1] > 1.8 * width[0]


def test_a_trend_needs_three_weeks_and_evidence():
    growing = [100, 200, 400]
    assert trend(np.arange(2.0), np.array(growing[:2], float), np.full(2, 1e5)) is None
    found = trend(np.arange(3.0), np.array(growing, float), np.full(3, 1e5))
    assert found.slope == pytest.approx(np.log(2), rel=0.02) and found.p_value < 1e-6
    row = combine_weeks(weekly(growing), ahead=1.5).iloc[0]
    assert row["rate_per_100k"] == pytest.approx(2**1.5 * 400, rel=0.05) and "trend +" in row["note"]
    flat = combine_weeks(weekly([100, 104, 99]), 0.7, ahead=1.5).iloc[0]
    assert flat["note"].endswith("no trend") and 95 < flat["rate_per_100k"] < 105


def test_the_trend_test_holds_its_level():
    rng = np.random.default_rng(33)
    counts = rng.poisson(40, (2000, 4)).astype(float)
    found = sum(trend(np.arange(4.0), k, np.full(4, 1e5)) is not None for k in counts)
    assert 5 <= found <= 36  # 1 % of 2,000 is 20


@pytest.mark.parametrize("rate", [3e-5, 3e-3])
def test_the_interval_covers_a_steady_rate(rate):
    """It covers more than 95 %, because it keeps the doubt about change that a steady rate does not need."""
    rng = np.random.default_rng(34)
    counts = rng.poisson(1e5 * rate, (200, 2))
    tables = [weekly(k, category=f"c{i:03}") for i, k in enumerate(counts)]
    rows = combine_weeks(pd.concat(tables))
    inside = (rows["lower_per_100k"] <= 1e5 * rate) & (1e5 * rate <= rows["upper_per_100k"])
    assert inside.mean() >= 0.93


def test_discounting_beats_pooling_when_rates_wander_and_not_when_they_do_not():
    rng = np.random.default_rng(35)

    def error(drift):
        steps = drift * rng.standard_normal((150, 5)).cumsum(axis=1)
        rate = 0.004 * np.exp(steps)
        counts = rng.poisson(1e5 * rate[:, :4])
        tables = [weekly(k, category=f"c{i:03}") for i, k in enumerate(counts)]
        weeks = combine_weeks(pd.concat(tables), ahead=1.0)["rate_per_100k"].to_numpy() / 1e5
        pooled = counts.mean(axis=1) / 1e5
        return [np.median(np.abs(np.log(forecast / rate[:, 4]))) for forecast in (weeks, pooled)]

    weeks, pooled = error(0.3)
    assert weeks < 0.9 * pooled
    weeks, pooled = error(0.0)
    assert weeks > pooled


def test_nothing_seen_is_an_upper_limit_and_nothing_graded_is_no_rate():
    nothing = combine_weeks(weekly([0, 0])).iloc[0]
    assert nothing["rate_per_100k"] == nothing["lower_per_100k"] == 0 and 1 < nothing["upper_per_100k"] < 4
    none = combine_weeks(weekly([0, 0]).assign(n=0, rate_per_100k=np.nan)).iloc[0]
    assert np.isnan(none["rate_per_100k"]) and none["n"] == 0 and none["note"] == "no graded turn"
    always = combine_weeks(weekly([100, 100], n=100)).iloc[0]
    assert always["upper_per_100k"] == 100_000 and always["lower_per_100k"] > 95_000


def test_malformed_input_is_refused():
    with pytest.raises(EstimationError, match="discount=0"):
        combine_weeks(weekly([1, 2]), discount=0.0)
    with pytest.raises(EstimationError, match="two rows of one week"):
        combine_weeks(pd.concat([weekly([1, 2]), weekly([1])]))
    with pytest.raises(EstimationError, match="week"):
        combine_weeks(weekly([1]).drop(columns="week"))

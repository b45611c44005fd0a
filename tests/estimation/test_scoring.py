"""Scores of a forecast: literal rows by hand, the noise floor, and a perfect simulator."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from depsim_dagster.estimation.calibration.direction_calls import direction_probability
from depsim_dagster.estimation.calibration.noise_floor import median_sme_noise_floor, sme_noise_floor
from depsim_dagster.estimation.calibration.rate_tests import equal_rate_tests
from depsim_dagster.estimation.calibration.scoring import (
    CALIBRATION_COLUMNS,
    comparable,
    log_score,
    score_forecast,
    sme_interval,
)
from depsim_dagster.estimation.comparison.different_prefixes import compare_rates, exact_p_value
from depsim_dagster.estimation.comparison.ratio import (
    jeffreys_rate,
    ratio_interval,
    rise_probability,
    sme,
)
from depsim_dagster.estimation.forecast.predictive import pit, prediction_interval, predictive_log_score
from depsim_dagster.estimation.inputs import EstimationError


def rate_columns(k, n):
    return {"k": k, "n": n, "rate_per_100k": 1e5 * k / n if n else np.nan}


def forecast_row(k, n, sim=(10, 1000), production=(10, 1000), **changes):
    row = {
        "model": "v2",
        "deployment": "v1",
        "category": "hate",
        "category_group": "disallowed_content",
        "released_at": pd.Timestamp("2026-01-26", tz="UTC"),
        "forecast_weeks": ["2026-01-12", "2026-01-19"],
        **rate_columns(k, n),
        "clusters": n,
        "design_effect": 1.0 if n else np.nan,
        "lower_per_100k": 1.0,
        "upper_per_100k": 2.0,
        "predecessor_production_design_effect": 1.0 if production else None,
        "tau": 0.5,
        "level": 0.95,
        "kind": "registered",
        "stack_hash": "s",
        "labels_hash": "l",
        "sealed_at": pd.Timestamp("2026-01-25", tz="UTC"),
        "previous_hash": None,
        "forecast_hash": "f",
        "sandbox": True,
    }
    for name, counts in (("predecessor_sim", sim), ("predecessor_production", production)):
        for column, value in (
            rate_columns(*counts).items() if counts else dict.fromkeys(("k", "n", "rate_per_100k")).items()
        ):
            row[f"{name}_{column}"] = value
    return {**row, **changes}


def observed_row(k, n, **changes):
    row = {
        "model": "v2",
        "source": "production",
        "category": "hate",
        **rate_columns(k, n),
        "missing": 7,
        "design_effect": 1.0 if n else np.nan,
        "lower_per_100k": 3.0,
        "upper_per_100k": 4.0,
        "stack_hash": "s",
    }
    return {**row, **changes}


def score(forecast, observed, **options):
    return score_forecast(pd.DataFrame([forecast]), pd.DataFrame([observed]), **options).iloc[0]


def test_a_row_by_hand():
    row = score(forecast_row(20, 1000), observed_row(30, 2000))
    assert list(row.index) == list(CALIBRATION_COLUMNS)
    assert (row["model"], row["deployment"], row["category_group"], row["kind"]) == (
        "v2", "v1", "disallowed_content", "registered",
    )  # fmt: skip
    assert (row["forecast_k"], row["forecast_n"], row["observed_k"], row["observed_n"]) == (
        20,
        1000,
        30,
        2000,
    )
    assert row["observed_missing"] == 7
    assert (row["forecast_per_100k"], row["observed_per_100k"]) == (2000.0, 1500.0)
    assert (row["forecast_lower_per_100k"], row["observed_upper_per_100k"]) == (1.0, 4.0)
    smoothed, seen, old = 20.5 / 1001, 30.5 / 2001, 10.5 / 1001
    assert row["sme"] == pytest.approx(smoothed / seen)
    assert row["baseline_sme"] == pytest.approx(seen / old)
    assert row["observed_ratio"] == pytest.approx(seen / old)
    assert row["log_score"] == pytest.approx(-stats.binom.logpmf(30, 2000, smoothed))
    assert row["baseline_log_score"] == pytest.approx(-stats.binom.logpmf(30, 2000, old))
    assert not row["moved"]  # 1.4531 < 1.5
    assert (row["forecast_direction"], row["observed_direction"], row["paired_direction"]) == (1, 1, 1)
    assert row["direction_correct"] and row["comparable"] and row["observed_in_prediction"]
    assert (row["predicted_count_lower"], row["predicted_count_upper"]) == prediction_interval(20, 1000, 2000)
    assert row["rise_probability"] == pytest.approx(float(rise_probability(20, 1000, 10, 1000)))
    assert stats.binom.cdf(9, 1000, row["detectable_per_100k"] / 1e5) == pytest.approx(0.005)
    assert 1 < row["sme_noise_floor_median"] < row["sme_noise_floor_p90"]
    low, high = ratio_interval(20, 1000, 30, 2000)
    assert low < 1 and (row["sme_lower"], row["sme_upper"]) == (1.0, pytest.approx(float(high)))
    assert row["pit"] == pytest.approx(float(pit(30, 20, 1000, 2000, 0.5))) and 0.2 < row["pit"] < 0.4
    assert row["predictive_log_score"] == pytest.approx(float(predictive_log_score(30, 20, 1000, 2000, 0.5)))
    probability = float(direction_probability(20, 1000, 10, 1000, 0.5))
    assert row["direction_probability"] == pytest.approx(probability) and 0.8 < probability < 0.9
    assert row["called_direction"] == 0 and pd.isna(row["called_correct"]), "an abstention"
    # Y→Y shows 10 too, so the ratio is 2.
    assert row["ratio_per_100k"] == pytest.approx(2000.0) and row["ratio_direction"] == 1
    assert row["ratio_sme"] == pytest.approx(smoothed / seen)
    assert row["ratio_log_score"] == pytest.approx(row["log_score"])


def test_a_direction_is_called_when_it_is_probable_enough():
    sure = score(forecast_row(90, 1000), observed_row(30, 1000))
    assert (sure["called_direction"], sure["called_correct"]) == (1, True)
    wrong = score(forecast_row(90, 1000), observed_row(5, 1000))
    assert (wrong["called_direction"], wrong["called_correct"]) == (1, False)
    fall = score(forecast_row(10, 1000, production=(90, 1000)), observed_row(5, 1000))
    assert (fall["called_direction"], fall["called_correct"]) == (-1, True)
    tie = score(forecast_row(90, 1000), observed_row(10, 1000))
    assert tie["called_direction"] == 1 and pd.isna(tie["called_correct"]), (
        "nothing was observed to be right about"
    )
    stricter = score(forecast_row(40, 1000), observed_row(30, 1000), call_probability=0.999)
    assert stricter["called_direction"] == 0 and stricter["direction_probability"] > 0.98
    doubtful = score(forecast_row(40, 1000, tau=3.0), observed_row(30, 1000))
    assert doubtful["called_direction"] == 0, "tau is in the probability"


def test_the_ratio_without_an_event_in_its_denominator_is_scored_on_smoothed_rates():
    row = score(forecast_row(4, 1000, sim=(0, 1000)), observed_row(30, 1000))
    assert pd.isna(row["ratio_per_100k"]) and row["ratio_direction"] == 1
    assert row["ratio_sme"] == pytest.approx((10.5 * 4.5 / 0.5) / 30.5)
    nothing = score(forecast_row(0, 1000, (5, 1000), (10, 1000)), observed_row(2, 1000))
    assert nothing["ratio_per_100k"] == 0.0 and nothing["ratio_direction"] == -1
    assert nothing["ratio_sme"] == pytest.approx(2.5 / (10.5 * 0.5 / 5.5))
    # 30 % of 60 %: no rate is above 1
    common = score(forecast_row(90, 100, (30, 100), (60, 100)), observed_row(99, 100))
    assert common["ratio_per_100k"] == 1e5 and np.isfinite(common["ratio_log_score"])


def test_direction_is_null_without_two_signs():
    tie = score(forecast_row(10, 1000), observed_row(30, 1000))
    assert tie["forecast_direction"] == 0 and pd.isna(tie["direction_correct"])
    wrong = score(forecast_row(5, 1000), observed_row(30, 1000))
    assert wrong["direction_correct"] is np.False_ or wrong["direction_correct"] == False  # noqa: E712
    assert wrong["moved"]


def test_no_events_anywhere_is_finite_and_no_direction():
    row = score(forecast_row(0, 1000, (0, 1000), (0, 1000)), observed_row(0, 500))
    assert (row["forecast_direction"], row["observed_direction"], row["paired_direction"]) == (0, 0, 0)
    assert pd.isna(row["direction_correct"]) and not row["comparable"]
    assert np.isfinite([row["sme"], row["log_score"], row["baseline_sme"]]).all()
    assert row["predicted_count_lower"] == 0 and row["observed_in_prediction"]


def test_what_is_absent_is_null():
    first = score(forecast_row(5, 1000, sim=None, production=None), observed_row(8, 1000))
    for column in (
        "baseline_sme", "baseline_log_score", "observed_ratio", "moved", "forecast_direction",
        "observed_direction", "paired_direction", "direction_correct", "rise_probability",
        "predecessor_sim_k", "predecessor_production_per_100k", "direction_probability", "called_direction",
        "called_correct", "ratio_per_100k", "ratio_sme", "ratio_log_score", "ratio_direction",
    ):  # fmt: skip
        assert pd.isna(first[column]), column
    assert first["sme"] == pytest.approx(8.5 / 5.5) and first["observed_in_prediction"]

    unobserved = score(forecast_row(15, 1000), observed_row(0, 0))
    for column in (
        "sme",
        "log_score",
        "sme_noise_floor_p90",
        "observed_in_prediction",
        "predicted_count_lower",
        "moved",
        "sme_lower",
        "sme_upper",
        "pit",
        "predictive_log_score",
        "ratio_sme",
        "called_correct",
    ):
        assert pd.isna(unobserved[column]), column
    assert not unobserved["comparable"] and unobserved["forecast_direction"] == 1

    nothing = score(forecast_row(0, 0), observed_row(20, 1000))
    assert pd.isna(nothing["sme"]) and pd.isna(nothing["detectable_per_100k"]) and not nothing["comparable"]


def test_types_survive_nulls():
    out = score_forecast(
        pd.DataFrame([forecast_row(5, 100), forecast_row(0, 0, None, None, category="violence")]),
        pd.DataFrame([observed_row(5, 100), observed_row(0, 0, category="violence")]),
    )
    assert out["category"].tolist() == ["hate", "violence"]
    for column in ("observed_in_prediction", "missed", "moved", "direction_correct", "called_correct"):
        assert out[column].dtype == "boolean"
    for column in (
        "forecast_direction",
        "observed_direction",
        "paired_direction",
        "called_direction",
        "ratio_direction",
    ):
        assert out[column].dtype == "Int8"
    for column in (
        "predicted_count_lower",
        "predicted_count_upper",
        "predecessor_sim_k",
        "predecessor_production_n",
    ):
        assert out[column].dtype == "Int64"
    assert out["comparable"].dtype == bool


def test_comparable_is_ten_events_together():
    assert comparable([4, 5, 0], [5, 5, 10]).tolist() == [False, True, True]


def test_missed_is_what_is_named_over_the_categories_of_a_candidate():
    counts = {"a": (20, 45), "b": (20, 31), "c": (5, 5), "d": (0, 0), "unseen": (9, None)}
    forecast = [forecast_row(k, 10_000, category=name) for name, (k, _) in counts.items()]
    observed = [
        observed_row(x or 0, 0 if x is None else 10_000, category=name) for name, (_, x) in counts.items()
    ]
    # Of another candidate: its p-values are not adjusted along with these.
    forecast.append(forecast_row(20, 10_000, model="v3"))
    observed.append(observed_row(45, 10_000, model="v3"))
    out = score_forecast(pd.DataFrame(forecast), pd.DataFrame(observed), noise_draws=10)
    p = [float(exact_p_value(x, 10_000, k, 10_000)) for k, x in [(20, 45), (20, 31), (5, 5), (0, 0)]]
    assert 0.001 < p[0] < 0.005 and 0.1 < p[1] < 0.2 and p[2] == p[3] == 1
    np.testing.assert_allclose(out["p_value"], [*p, np.nan, p[0]])
    np.testing.assert_allclose(out["p_benjamini_hochberg"], [4 * p[0], 2 * p[1], 1, 1, np.nan, p[0]])
    assert out["missed"].tolist()[:4] == [True, False, False, False] and out["missed"].isna().tolist()[4]
    old = compare_rates([45, 31], 10_000, 10, 1000)
    np.testing.assert_allclose(out["observed_ratio_lower"][:2], old["ratio_lower"])
    np.testing.assert_allclose(out["observed_p_value"][:2], old["p_value"])
    narrow = score(forecast_row(20, 1000, level=0.5), observed_row(30, 1000))
    assert (
        narrow["observed_ratio_lower"]
        > score(forecast_row(20, 1000), observed_row(30, 1000))["observed_ratio_lower"]
    )
    without = score(forecast_row(20, 1000, production=None), observed_row(30, 1000))
    assert pd.isna(without["observed_p_value"]) and without["p_value"] < 1


def test_one_in_ten_perfect_forecasts_has_a_miss_named():
    """Benjamini-Hochberg under the hypothesis: some category of 20 is named with a probability of at most 10 %."""
    rng = np.random.default_rng(9)
    rate = np.geomspace(1e-5, 0.3, 20)
    sides = [
        (rng.binomial(50_000, rate, (150, 20)).astype(float).ravel(), np.full(3000, 5e4), np.ones(3000))
        for _ in "12"
    ]
    tests = equal_rate_tests(*sides, sides[0], np.full(3000, 0.95), np.repeat(np.arange(150), 20))
    named = tests["missed"].reshape(150, 20).any(axis=1).mean()
    assert 0.01 < named <= 0.1 + 3 * 0.025


def test_measures_use_the_weighted_rate():
    """5 flagged of 1,000, but their weights make it 1 %: the measures see 10 of 1,000, the row still shows k
    = 5.
    """
    weighted = forecast_row(5, 1000, rate_per_100k=1000.0)
    row = score(weighted, observed_row(12, 1000))
    assert row["forecast_k"] == 5
    assert row["sme"] == pytest.approx(12.5 / 10.5)


def test_a_weighted_count_is_inside_by_the_whole_number_that_it_stands_for():
    """Five events whose weights make them 5.02: the limits 0 to 5 hold them, and not 5.6."""
    upper = prediction_interval(0, 2000, 2000)[1]
    row = score(forecast_row(0, 2000), observed_row(upper, 2000, rate_per_100k=1e5 * (upper + 0.02) / 2000))
    assert row["predicted_count_upper"] == upper and row["observed_in_prediction"]
    row = score(forecast_row(0, 2000), observed_row(upper, 2000, rate_per_100k=1e5 * (upper + 0.6) / 2000))
    assert not row["observed_in_prediction"]


def test_a_common_behaviour_is_scored_within_its_turns():
    """98 % of 410 turns: no count above 410 is predicted, and no rise of 1.5x is possible."""
    row = score(forecast_row(402, 410, production=(390, 410)), observed_row(405, 410))
    assert row["predicted_count_upper"] <= 410 and row["observed_in_prediction"]
    assert row["rise_probability"] == pytest.approx(0, abs=1e-9)
    everything = score(forecast_row(11, 11, (11, 11), (11, 11)), observed_row(11, 11))
    assert everything["predicted_count_upper"] == 11 and everything["observed_in_prediction"]
    assert np.isfinite([everything["sme"], everything["log_score"], everything["rise_probability"]]).all()


def test_clusters_widen_the_prediction_and_the_floor():
    plain = score(forecast_row(20, 1000), observed_row(30, 1000))
    # Each side has its own: production's users repeat themselves less than those of the simulated prefixes.
    forecast = forecast_row(20, 1000, design_effect=4.0, predecessor_production_design_effect=2.0)
    clustered = score(forecast, observed_row(30, 1000, design_effect=4.0))
    assert clustered["predicted_count_upper"] > plain["predicted_count_upper"]
    assert clustered["sme_noise_floor_p90"] > plain["sme_noise_floor_p90"]
    assert clustered["sme"] == plain["sme"]
    assert clustered["sme_upper"] > plain["sme_upper"]
    assert abs(clustered["direction_probability"] - 0.5) < abs(plain["direction_probability"] - 0.5)
    expected = rise_probability(20, 1000, 10, 1000, 1.5, 4.0, 2.0)
    assert clustered["rise_probability"] == pytest.approx(float(expected))
    expected = direction_probability(20, 1000, 10, 1000, 0.5, 4.0, 2.0)
    assert clustered["direction_probability"] == pytest.approx(float(expected))
    assert clustered["p_value"] > plain["p_value"]
    assert clustered["observed_ratio_upper"] == pytest.approx(
        compare_rates(30, 1000, 10, 1000, 0.95, 4.0, 2.0)["ratio_upper"][0]
    )


def test_under_a_cascade_a_forecast_is_scored_as_if_every_turn_had_been_read():
    """A screen that is never wrong: all flagged turns are read, with a fifth of the turns, and nothing is lost."""

    def read(row, **changes):
        return {**row, "n": row["n"] // 5, "design_effect": 0.2, **changes}

    whole = score(forecast_row(3, 50_000, sim=(2, 50_000), production=(1, 50_000)), observed_row(8, 50_000))
    old = {
        "predecessor_production_n": 10_000,
        "predecessor_production_design_effect": 0.2,
        "predecessor_sim_n": 10_000,
    }
    cascade = score(
        read(forecast_row(3, 50_000, sim=(2, 50_000), production=(1, 50_000)), **old),
        read(observed_row(8, 50_000)),
    )
    for name in (
        "sme", "baseline_sme", "log_score", "baseline_log_score", "observed_ratio", "rise_probability",
        "sme_noise_floor_median", "sme_noise_floor_p90", "predicted_count_lower", "predicted_count_upper",
        "sme_lower", "sme_upper", "pit", "predictive_log_score", "direction_probability",
        "ratio_per_100k", "ratio_sme", "ratio_log_score",
    ):  # fmt: skip
        assert cascade[name] == pytest.approx(whole[name], rel=1e-6), name
    assert cascade["sme"] == pytest.approx(8.5 / 3.5)
    assert cascade["forecast_n"] == 10_000 and cascade["observed_in_prediction"]
    # What can be detected rests on the turns that were read.
    assert cascade["detectable_per_100k"] == pytest.approx(5 * whole["detectable_per_100k"], rel=0.01)


@pytest.mark.parametrize(("rate", "ratio"), [(1e-4, 1.0), (1e-4, 3.0), (1e-3, 1.2), (1e-2, 2.0)])
def test_the_interval_of_an_sme_covers(rate, ratio):
    """2,000 pairs of counts among 100,000: at least nominal, and near it once the rates are well apart."""
    rng = np.random.default_rng(36)
    k1, k2 = rng.binomial(100_000, rate, 2000), rng.binomial(100_000, rate * ratio, 2000)
    lower, upper = sme_interval(k1, 100_000, k2, 100_000)
    error = sme(jeffreys_rate(k1, 100_000), jeffreys_rate(k2, 100_000))
    assert lower.min() >= 1 and np.all((lower <= error) & (error <= upper))
    covered = np.mean((lower <= ratio) & (ratio <= upper))
    assert 0.94 <= covered <= (0.965 if ratio >= 2 else 0.985)  # standard error 0.5 points


def test_the_interval_of_an_sme_is_the_ratios_folded_at_one():
    low, high = (float(limit) for limit in ratio_interval(10, 1000, 60, 1000))
    assert high < 1
    assert [float(limit) for limit in sme_interval(10, 1000, 60, 1000)] == pytest.approx([1 / high, 1 / low])
    assert np.isnan(sme_interval(1, 0, 1, 10)).all()


def test_log_score():
    assert float(log_score(3, 100, 0.02)) == pytest.approx(-stats.binom.logpmf(3, 100, 0.02))
    assert np.isnan(log_score(0, 0, 0.5))
    with pytest.raises(EstimationError, match="jeffreys_rate"):
        log_score(1, 10, 0.0)


def test_simulated_rows_of_the_observed_table_are_ignored():
    observed = pd.DataFrame(
        [observed_row(30, 1000), observed_row(1, 1000, source="simulated"), observed_row(1, 10, model="v3")]
    )
    assert score_forecast(pd.DataFrame([forecast_row(20, 1000)]), observed)["observed_k"].tolist() == [30]


@pytest.mark.parametrize(
    ("forecast", "observed", "message"),
    [
        ([forecast_row(1, 10)], [observed_row(1, 10, stack_hash="other")], "stack_hash differs"),
        ([forecast_row(1, 10)], [observed_row(1, 10)] * 2, "repeat"),
        ([forecast_row(1, 10)] * 2, [observed_row(1, 10)], "repeat"),
        ([forecast_row(1, 10)], [observed_row(1, 10, category="violence")], "unmatched"),
        ([forecast_row(1, 10)], [observed_row(1, 10, source="simulated")], "unmatched"),
        ([{k: v for k, v in forecast_row(1, 10).items() if k != "tau"}], [observed_row(1, 10)], "'tau'"),
    ],
)
def test_mismatched_tables_are_refused(forecast, observed, message):
    with pytest.raises(EstimationError, match=message):
        score_forecast(pd.DataFrame(forecast), pd.DataFrame(observed))


# --- the noise floor ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "all_categories", "comparable_only"),
    [
        (10_000, 1.30, 1.24),
        (65_000, 1.19, 1.13),
        (100_000, 1.16, 1.11),
        (250_000, 1.10, 1.09),
        (1_300_000, 1.045, 1.044),
    ],
)
def test_the_floor_s_median(n, all_categories, comparable_only):
    """Median SME over 20 categories of equal rates log-uniform in 1e-5..1e-2; mean of 600 such studies.

    The first figure is ESTIMATION.md's, which counts every category. Over comparable categories the floor is
    lower.
    """
    rng = np.random.default_rng(31)
    rate = 10 ** rng.uniform(-5, -2, (600, 20))
    a, b = rng.binomial(n, rate), rng.binomial(n, rate)
    errors = sme(jeffreys_rate(a, n), jeffreys_rate(b, n))
    assert np.median(errors, axis=1).mean() == pytest.approx(all_categories, abs=0.02)
    enough = np.where(comparable(a, b), errors, np.nan)
    assert np.nanmedian(enough, axis=1).mean() == pytest.approx(comparable_only, abs=0.02)


def test_the_bootstrap_reproduces_it_from_one_study_s_counts():
    rng = np.random.default_rng(32)
    rate = 10 ** rng.uniform(-5, -2, 2000)
    a, b = rng.binomial(100_000, rate), rng.binomial(100_000, rate)
    errors = sme(jeffreys_rate(a, 1e5), jeffreys_rate(b, 1e5))
    assert median_sme_noise_floor(a, 100_000, b, 100_000, draws=200)[0] == pytest.approx(
        np.median(errors), abs=0.01
    )
    # The median of the categories' own floors is another, larger number.
    median, p90 = sme_noise_floor(a, 100_000, b, 100_000, draws=1000)
    assert np.median(median) > np.median(errors) + 0.01
    # Nine of ten equal-rate categories stay below their own 90th percentile (discreteness makes it a little
    # more).
    assert 0.88 <= np.mean(errors <= p90) <= 0.95


def test_the_floor_of_a_median_of_twenty_categories():
    """20 expected counts spread evenly over log rates 1e-5..1e-2 at n = 100,000.

    1.145, a little below the 1.16 of randomly drawn rates: their median rate varies, and the floor is convex
    in it.
    """
    counts = np.rint(100_000 * 10 ** (-5 + 3 * (np.arange(20) + 0.5) / 20))
    median, p90 = median_sme_noise_floor(counts, 100_000, counts, 100_000)
    assert median == pytest.approx(1.145, abs=0.01) and median < p90 < 1.3
    assert np.isnan(median_sme_noise_floor([], [], [], [])[0])


def test_categories_with_equal_counts_are_drawn_apart():
    """The median of 25 independent errors varies far less than one error does."""
    median, p90 = median_sme_noise_floor([50] * 25, 100_000, [50] * 25, 100_000, draws=500)
    alone = sme_noise_floor(50, 100_000, 50, 100_000)
    assert median == pytest.approx(float(alone[0]), abs=0.02)
    assert p90 - median < 0.4 * float(alone[1] - alone[0])


def test_the_floor_does_not_depend_on_the_other_rows_but_on_the_seed():
    together = sme_noise_floor([3, 40], [1000, 1000], [5, 30], [1000, 500], draws=500)
    alone = sme_noise_floor(40, 1000, 30, 500, draws=500)
    assert together[0][1] == alone[0] and together[1][1] == alone[1]
    assert sme_noise_floor(40, 1000, 30, 500, draws=500, seed=1)[0] != alone[0]
    assert np.isnan(sme_noise_floor(1, 0, 1, 10)[0])


def study(models, tau, rng, assumed_tau):
    """Forecasts and outcomes of `models` releases x 20 categories at n = 100,000; the simulator errs by
    LogNormal(0, tau).
    """
    n, forecast, observed = 100_000, [], []
    for model in range(models):
        for category in range(20):
            old = 10 ** rng.uniform(-4.5, -2)
            new = old * np.exp(0.5 * rng.standard_normal())
            key = {"model": f"v{model}", "category": f"c{category:02d}"}
            counts = [int(rng.poisson(n * rate)) for rate in (new, old, old)]
            forecast.append(
                forecast_row(counts[0], n, (counts[1], n), (counts[2], n), tau=assumed_tau, **key)
            )
            observed.append(
                observed_row(int(rng.poisson(n * new * np.exp(tau * rng.standard_normal()))), n, **key)
            )
    return pd.DataFrame(forecast), pd.DataFrame(observed)


def test_a_perfect_simulator_scores_at_the_noise_floor():
    out = score_forecast(*study(40, 0.0, np.random.default_rng(33), 0.0), noise_draws=400)
    assert len(out) == 800
    assert out["observed_in_prediction"].mean() >= 0.94  # 800 rows, standard error 0.8 points
    counts = [out[name].to_numpy() for name in ("forecast_k", "forecast_n", "observed_k", "observed_n")]
    assert out["sme"].median() == pytest.approx(median_sme_noise_floor(*counts, draws=200)[0], abs=0.01)
    assert 0.88 <= (out["sme"] <= out["sme_noise_floor_p90"]).mean() <= 0.94
    assert out["log_score"].mean() < out["baseline_log_score"].mean()
    movers = out[out["moved"].fillna(False) & out["direction_correct"].notna()]
    assert movers["direction_correct"].mean() >= 0.92
    called = out[out["called_correct"].notna()]
    assert called["called_correct"].mean() >= 0.97 and 0.4 < len(called) / len(out) < 0.75
    movers = called[called["moved"].fillna(False)]
    assert movers["called_correct"].mean() >= 0.98
    # Scored by the law that they were drawn from, PITs are uniform: 800 of them, standard error of a tenth 1.1 points.
    shares = np.histogram(out["pit"], bins=10, range=(0, 1))[0] / len(out)
    assert np.all(np.abs(shares - 0.1) < 0.04), shares


def test_a_simulator_that_errs_shows_above_the_floor_and_needs_its_tau():
    rng = np.random.default_rng(34)
    forecast, observed = study(40, 0.5, rng, 0.5)
    out = score_forecast(forecast, observed, noise_draws=400)
    assert 0.93 <= out["observed_in_prediction"].mean() <= 0.98
    # exp(0.6745 * 0.5) = 1.40 intrinsic, and sampling noise on top.
    assert 1.40 < out["sme"].median() < 1.55 and out["sme_noise_floor_median"].median() < 1.15
    blind = score_forecast(forecast.assign(tau=0.0), observed, noise_draws=10)
    assert blind["observed_in_prediction"].mean() < 0.6


def test_scoring_is_deterministic_and_free_of_row_order():
    forecast, observed = study(2, 0.5, np.random.default_rng(35), 0.5)
    once = score_forecast(forecast, observed, noise_draws=200)
    again = score_forecast(
        forecast.sample(frac=1, random_state=1), observed.sample(frac=1, random_state=2), noise_draws=200
    )
    pd.testing.assert_frame_equal(once, again)

"""The summary of a study's SMEs: what is pooled, what is left out, and the floor of the median itself."""

import numpy as np
import pandas as pd
import pytest

from depsim_dagster.estimation.calibration.noise_floor import median_sme_noise_floor, sme_noise_floor
from depsim_dagster.estimation.calibration.summary import READ_COLUMNS, SUMMARY_COLUMNS, calibration_summary
from depsim_dagster.estimation.comparison.ratio import jeffreys_rate, sme
from depsim_dagster.estimation.forecast.tau import estimate_tau
from depsim_dagster.estimation.inputs import EstimationError


def row(category, k1, k2, group="g", model="v2", n=1000, **changes):
    error = float(sme(jeffreys_rate(k1, n), jeffreys_rate(k2, n)))
    return {
        "model": model,
        "category": category,
        "category_group": group,
        "kind": "retrospective",
        "stack_hash": "s",
        "sandbox": True,
        "comparable": k1 + k2 >= 10,
        "sme": error,
        "baseline_sme": 2.0,
        "forecast_n": n,
        "forecast_per_100k": 1e5 * k1 / n,
        "forecast_design_effect": 1.0,
        "observed_n": n,
        "observed_per_100k": 1e5 * k2 / n,
        "observed_design_effect": 1.0,
        "ratio_sme": 3.0,
        "observed_in_prediction": k1 < 30,
        "moved": k2 >= 30,
        "called_direction": 0 if k1 + k2 < 10 else 1,
        "called_correct": None if k1 + k2 < 10 else k2 >= 20,
        **changes,
    }


def summary(rows, **options):
    return calibration_summary(pd.DataFrame(rows), **options).set_index(["model", "category_group"])


ROWS = [
    row("a", 20, 20),
    row("b", 20, 40),
    row("c", 30, 10, group="h"),
    row("rare", 1, 5, group="rare"),
    row("a", 90, 30, model="v3", baseline_sme=None),
]


def test_a_summary_by_hand():
    out = summary(ROWS)
    assert list(out.reset_index().columns) == [*SUMMARY_COLUMNS[:2], *SUMMARY_COLUMNS[2:]]
    assert sorted(out.index) == sorted(
        [("v2", g) for g in ("g", "h", "rare", "all")]
        + [("v3", g) for g in ("g", "all")]
        + [("all", g) for g in ("g", "h", "rare", "all")]
    )
    whole = out.loc[("v2", "all")]
    errors = sorted([1.0, 40.5 / 20.5, 30.5 / 10.5])
    assert (whole["categories"], whole["comparable_categories"]) == (4, 3)
    assert whole["sme_median"] == pytest.approx(errors[1])
    assert whole["sme_p90"] == pytest.approx(errors[1] + 0.8 * (errors[2] - errors[1]))
    assert (whole["sme_worst"], whole["sme_worst_category"]) == (pytest.approx(errors[2]), "c")
    assert whole["baseline_sme_median"] == 2.0 and np.isnan(out.loc[("v3", "all"), "baseline_sme_median"])
    pooled = out.loc[("all", "g")]
    assert (pooled["comparable_categories"], pooled["sme_worst_model"]) == (3, "v3")


def test_without_a_comparable_pair_there_is_no_statistic():
    rare = summary(ROWS).loc[("v2", "rare")]
    assert (rare["categories"], rare["comparable_categories"]) == (1, 0)
    assert rare[["sme_median", "sme_median_noise_floor", "sme_worst", "sme_worst_category"]].isna().all()


def test_intervals_and_calls_are_counted_over_all_pairs():
    out = summary(ROWS).loc[("v2", "all")]
    # observed 20, 40, 10, 5: all pairs have an interval, c's 30 in the forecast is out of it
    assert (out["inside"], out["inside_of"]) == (3, 4)
    assert (out["called"], out["called_correct"], out["abstained"]) == (3, 2, 1)
    assert (out["called_movers"], out["called_movers_correct"]) == (1, 1)
    absent = [
        row("a", 20, 20, observed_in_prediction=None, called_direction=None, called_correct=None, moved=None),
        row("b", 20, 20, called_correct=None),
    ]
    out = summary(absent).loc[("v2", "all")]
    assert (out["inside"], out["inside_of"], out["called"], out["abstained"]) == (1, 1, 0, 0)


def test_tau_is_what_sampling_noise_leaves():
    """60 pairs with an error of 0.5: tau's interval holds it, and the intrinsic SME is exp(0.6745 tau)."""
    rng = np.random.default_rng(62)
    n, rate = 100_000, 10 ** rng.uniform(-3.5, -2, 60)
    k1 = rng.poisson(n * rate)
    k2 = rng.poisson(n * rate * np.exp(0.5 * rng.standard_normal(60)))
    rows = [row(f"c{i:02d}", int(a), int(b), n=n) for i, (a, b) in enumerate(zip(k1, k2, strict=True))]
    out = summary(rows, noise_draws=20).loc[("v2", "all")]
    expected = estimate_tau(k1, n, k2, n, 0.95)
    assert (out["tau"], out["tau_lower"], out["tau_upper"]) == (expected.tau, expected.lower, expected.upper)
    assert out["tau_lower"] < 0.5 < out["tau_upper"] and out["tau_lower"] > 0.3
    assert out["intrinsic_sme"] == pytest.approx(np.exp(0.67449 * out["tau"]), rel=1e-5)
    assert out["intrinsic_sme_lower"] < out["intrinsic_sme"] < out["intrinsic_sme_upper"]
    assert out["intrinsic_sme"] < out["sme_median"] + 0.1 and out["ratio_sme_median"] == 3.0
    clustered = [{**item, "forecast_design_effect": 5.0, "observed_design_effect": 5.0} for item in rows]
    wider = summary(clustered, noise_draws=20).loc[("v2", "all")]
    assert wider["tau_upper"] - wider["tau_lower"] > out["tau_upper"] - out["tau_lower"]
    narrower = summary(rows, noise_draws=20, level=0.5).loc[("v2", "all")]
    assert narrower["tau"] == out["tau"] and narrower["tau_upper"] < out["tau_upper"]


def test_common_behaviours_alone_have_no_tau():
    out = summary([row("a", 600, 500)]).loc[("v2", "all")]
    assert out["sme_median"] > 1 and out[["tau", "tau_lower", "tau_upper", "intrinsic_sme"]].isna().all()


def test_an_upper_limit_that_the_data_do_not_give_is_null():
    """One pair without an event on one side: a tau of any size would explain it."""
    out = summary([row("a", 0, 12)]).loc[("v2", "all")]
    assert out["tau"] > 1 and np.isnan(out["tau_upper"]) and np.isnan(out["intrinsic_sme_upper"])


def test_the_floor_is_that_of_the_median_over_the_comparable_rows():
    out = summary(ROWS, seed=3, noise_draws=300).loc[("v2", "all")]
    expected = median_sme_noise_floor([20, 20, 30], 1000, [20, 40, 10], 1000, 300, 3)
    assert (out["sme_median_noise_floor"], out["sme_median_noise_floor_p90"]) == expected


def test_a_perfect_simulator_shows_the_floor_of_the_median_and_not_the_median_of_floors():
    """100 studies of twenty categories, rates log-uniform 1e-5..1e-2 at n = 100,000, simulator without error."""
    rng = np.random.default_rng(61)
    n, shown, own, of_floors = 100_000, [], [], []
    for _ in range(100):
        rate = 10 ** rng.uniform(-5, -2, 20)
        counts = rng.binomial(n, rate), rng.binomial(n, rate)
        rows = [row(f"c{i}", int(a), int(b), n=n) for i, (a, b) in enumerate(zip(*counts, strict=True))]
        out = summary(rows, noise_draws=100).loc[("v2", "all")]
        kept = [i for i, item in enumerate(rows) if item["comparable"]]
        shown.append(out["sme_median"])
        own.append(out["sme_median_noise_floor"])
        of_floors.append(np.median(sme_noise_floor(counts[0][kept], n, counts[1][kept], n, draws=100)[0]))
    assert np.mean(own) == pytest.approx(np.mean(shown), abs=0.01)  # standard error 0.003
    assert np.mean(of_floors) > np.mean(shown) + 0.01


def test_clusters_raise_the_floor():
    clustered = [{**item, "forecast_design_effect": 4.0, "observed_design_effect": 4.0} for item in ROWS]
    one, four = (summary(rows).loc[("all", "all"), "sme_median_noise_floor"] for rows in (ROWS, clustered))
    assert four > one + 0.05


def test_kinds_stacks_and_sandboxes_are_never_pooled():
    rows = [
        row("a", 20, 20),
        row("a", 20, 40, model="v3", stack_hash="t"),
        row("a", 20, 40, model="v4", sandbox=False),
    ]
    out = calibration_summary(pd.DataFrame(rows), noise_draws=20)
    assert len(out) == 3 * 4 and set(out["categories"]) == {1}


def test_it_is_deterministic_free_of_row_order_and_refuses_other_tables():
    frame = pd.DataFrame(ROWS)
    pd.testing.assert_frame_equal(
        calibration_summary(frame, noise_draws=50),
        calibration_summary(frame.sample(frac=1, random_state=1), noise_draws=50),
    )
    assert len(calibration_summary(frame.iloc[:0])) == 0
    with pytest.raises(EstimationError, match="forecast_design_effect"):
        calibration_summary(frame.drop(columns="forecast_design_effect"))
    assert set(READ_COLUMNS) == set(frame.columns)

"""How far missing outcomes could move a pooled rate, and when the report says so."""

import json

import pandas as pd
import pytest
from fake_study import content

from depsim_dagster.report.missing_bounds import missing_bounds_text, with_missing_bounds
from depsim_dagster.report.page import render_report
from depsim_dagster.report.study_report import report_json


def weekly(week, n, missing, share, category="hate", model="v2"):
    rate = 1000.0
    low = rate * (1 - share)
    return {
        "week": week,
        "model": model,
        "category": category,
        "n": n,
        "missing": missing,
        "rate_per_100k": rate,
        "missing_low_per_100k": low,
        "missing_high_per_100k": low + 1e5 * share,
    }


def test_weeks_weigh_by_their_turns_and_only_the_windows_count():
    rows = pd.DataFrame(
        {"model": ["v2", "v2"], "category": ["hate", "violence"], "rate_per_100k": [800.0, 1.0]}
    )
    rates = pd.DataFrame(
        [
            weekly("a", 90, 10, 0.1),
            weekly("b", 300, 0, 0.0),
            weekly("c", 1, 99, 0.99),
            weekly("a", 1, 99, 0.99, model="v1"),
        ]
    )
    out = with_missing_bounds(rows, rates, {"v2": {"a", "b"}}, "rate_per_100k")
    assert out["missing_low_per_100k"][0] == pytest.approx(800 * 0.975)
    assert out["missing_high_per_100k"][0] == pytest.approx(800 * 0.975 + 2500)
    assert out["missing_high_per_100k"].isna().tolist() == [False, True], "no weekly rate, no bound"
    assert out[list(rows.columns)].equals(rows)


def test_without_rates_or_rows_there_is_nothing_to_say():
    rows = pd.DataFrame({"model": ["v2"], "category": ["hate"], "observed_per_100k": [None]})
    out = with_missing_bounds(rows, pd.DataFrame(), {}, "observed_per_100k", "observed_")
    assert out["observed_missing_low_per_100k"].isna().all()
    assert with_missing_bounds(pd.DataFrame(), pd.DataFrame(), {}, "rate_per_100k").empty


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (99.0, 140.0, False),
        (79.0, 140.0, True),
        (99.0, 160.0, True),
        (None, None, False),
    ],
)
def test_it_is_said_where_the_worst_cases_leave_the_interval(low, high, said):
    row = {
        "forecast_lower_per_100k": 80.0,
        "forecast_upper_per_100k": 150.0,
        "forecast_missing_low_per_100k": low,
        "forecast_missing_high_per_100k": high,
    }
    text = missing_bounds_text(row, "forecast")
    assert text == (f"missing outcomes could move it to {low:.1f}–{high:.0f}" if said else "")


def test_the_page_says_it_beside_forecast_and_outcome():
    whole = content()
    first = whole.calibration.index[0]
    whole.calibration.loc[first, ["observed_missing_low_per_100k", "observed_missing_high_per_100k"]] = [
        0.5,
        81_234.0,
    ]
    model, category = whole.calibration.loc[first, ["model", "category"]]
    sealed = (whole.forecasts["model"] == model) & (whole.forecasts["category"] == category)
    whole.forecasts.loc[sealed, ["missing_low_per_100k", "missing_high_per_100k"]] = [0.25, 71_234.0]
    page = render_report(whole)
    assert page.count("missing outcomes could move it") == 2, "nothing is said of the other rows"
    assert page.count("missing outcomes could move it to 0.50–81,234") == 1
    assert page.count("missing outcomes could move it to 0.25–71,234") == 1
    numbers = json.loads(report_json(whole))
    assert numbers["calibration"][0]["observed_missing_high_per_100k"] == 81_234.0
    assert [row["missing_high_per_100k"] for row in numbers["forecasts"]].count(71_234.0) == 1

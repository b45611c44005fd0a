"""The marts over what the Python functions really return: every figure that both know agrees to 1e-9."""

import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from depsim_dagster.estimation.calibration.baselines import score_baselines
from depsim_dagster.estimation.calibration.scoring import score_forecast
from depsim_dagster.estimation.calibration.summary import calibration_summary
from depsim_dagster.estimation.comparison.ratio import jeffreys_rate
from depsim_dagster.estimation.counts import counts_as_read
from depsim_dagster.marts.dbt_build import build_marts

from .literal_lake import forecast_row

# group and category: forecast k, observed k, observed n, Y→Y k, Y's production k and n, out of 20,000
COUNTS = {
    "v2": [
        ("disallowed_content", "hate", 12, 30, 18_000, 3, 4, 20_000),
        ("disallowed_content", "self_harm", 60, 44, 18_000, 20, 16, 20_000),
        ("misalignment", "bio_risk", 6, 9, 18_000, 3, 4, 20_000),
        ("misalignment", "flattery", 1_900, 1_600, 18_000, 900, 1_000, 20_000),  # a common behaviour
        ("misalignment", "fabricated_facts", 0, 0, 0, 3, 4, 20_000),  # without outcome
        ("other", "novel_other", 0, 2, 18_000, 0, 0, 0),  # without predecessor
    ],
    "v3": [
        ("disallowed_content", "hate", 40, 11, 20_000, 30, 30, 18_000),
        ("disallowed_content", "self_harm", 41, 44, 20_000, 60, 44, 18_000),
        ("misalignment", "bio_risk", 2, 9, 20_000, 0, 9, 18_000),
        ("other", "novel_other", 3, 1, 20_000, 0, 2, 18_000),
    ],
}


def rates(prefix: str, k: int, n: int, weight: float = 1.0) -> dict:
    return {f"{prefix}k": k, f"{prefix}n": n, f"{prefix}rate_per_100k": 1e5 * weight * k / n if n else None}


def tables() -> dict[str, pd.DataFrame]:
    """Forecasts with their outcome scored: unequal inclusion probabilities (so rate * n is not k), one cascade."""
    forecasts, observed, prompts = [], [], {}
    for model, categories in COUNTS.items():
        for group, category, forecast_k, observed_k, observed_n, sim_k, old_k, old_n in categories:
            cascade = category == "bio_risk"
            forecasts.append(
                {
                    **forecast_row(model, category, group),
                    **rates("", forecast_k, 20_000, weight=1.5),
                    **rates("predecessor_sim_", sim_k, 20_000, weight=1.5),
                    **rates("predecessor_production_", old_k, old_n, weight=0.8),
                    "lower_per_100k": 0.0,
                    "upper_per_100k": 9e3,
                    "design_effect": 0.25 if cascade else 1.2,
                    "predecessor_production_design_effect": 1.3,
                    "tau": 0.5,
                    "level": 0.95,
                }  # fmt: skip
            )
            observed.append(
                {
                    **rates("", observed_k, observed_n, weight=0.7),
                    "model": model,
                    "source": "production",
                    "category": category,
                    "missing": 1,
                    "design_effect": 0.4 if cascade else 1.1,
                    "lower_per_100k": 0.0,
                    "upper_per_100k": 9e3,
                    "stack_hash": "stack-1",
                }  # fmt: skip
            )
            prompts.setdefault(model, []).append(
                {
                    "prefix_source": "challenging_prompts",
                    "category": category,
                    **rates("", 5 * forecast_k % 400, 400),
                    "design_effect": 1.0,
                    **rates("predecessor_", 5 * sim_k % 400, 400),
                }  # fmt: skip
            )
    calibration = score_forecast(pd.DataFrame(forecasts), pd.DataFrame(observed), noise_draws=50)
    return {
        "registered_forecasts": pd.DataFrame(forecasts),
        "post_release_calibration": calibration,
        "baseline_calibration": pd.concat(
            [
                score_baselines(pd.DataFrame(rows), calibration[calibration["model"] == model])
                for model, rows in prompts.items()
            ]
        ),
        "calibration_summary": calibration_summary(calibration, noise_draws=50),
    }


@pytest.fixture(scope="module")
def python() -> dict[str, pd.DataFrame]:
    return tables()


@pytest.fixture(scope="module")
def marts(python, tmp_path_factory) -> dict[str, pd.DataFrame]:
    """Every mart, after all data tests passed over these tables."""
    folder = tmp_path_factory.mktemp("scored")
    for name, frame in python.items():
        parquet.write_table(pa.Table.from_pandas(frame, preserve_index=False), folder / f"{name}.parquet")
    built = build_marts({name: [folder / f"{name}.parquet"] for name in python}, folder / "marts")
    return {name: parquet.read_table(file).to_pandas() for name, file in built.files.items()}


def assert_equal(found, expected, what) -> None:
    """Equal to 1e-9, null where the other is null."""
    if expected is None or pd.isna(expected):
        assert found is None or pd.isna(found), (what, found, expected)
    elif isinstance(expected, str):
        assert found == expected, (what, found, expected)
    else:
        assert found == pytest.approx(float(expected), rel=1e-9, abs=1e-12), (what, found, expected)


def selected(rows: pd.DataFrame, candidate: str, group: str = "all") -> pd.DataFrame:
    chosen = rows["model"].eq(candidate) | (candidate == "all")
    return rows[chosen & (rows["category_group"].eq(group) | (group == "all"))]


def mean_of(rows: pd.DataFrame, name: str, *both: str) -> float | None:
    kept = rows.dropna(subset=[name, *both])
    return kept[name].mean() if len(kept) else None


def test_rate_calibration_is_what_python_summarised(python, marts):
    summary, mart = python["calibration_summary"], marts["rate_calibration"]
    assert len(mart) == len(summary) == 12
    found = mart.set_index(["candidate", "category_group"])
    shared = (set(summary.columns) | {"sme_worst_candidate"}) & set(mart.columns)
    assert {
        "tau",
        "tau_lower",
        "intrinsic_sme",
        "ratio_sme_median",
        "inside",
        "called",
        "abstained",
    } <= shared
    assert summary["tau"].notna().sum() >= 8 and summary["called"].max() >= 5
    for row in summary.to_dict("records"):
        key = row["model"], row["category_group"]
        for name in shared - {"category_group"}:
            expected = row["sme_worst_model" if name == "sme_worst_candidate" else name]
            assert_equal(found.loc[key, name], expected, (*key, name))


def test_rate_calibration_counts_the_rows_that_python_scored(python, marts):
    rows = python["post_release_calibration"]
    log_rates = {
        side: np.log(
            jeffreys_rate(
                *counts_as_read(rows[f"{side}_per_100k"], rows[f"{side}_n"], rows[f"{side}_design_effect"])[
                    :2
                ]
            )
        )
        for side in ("forecast", "observed")
    }
    rows = rows.assign(**{f"log_{side}": values for side, values in log_rates.items()})
    for row in marts["rate_calibration"].to_dict("records"):
        key = row["candidate"], row["category_group"]
        chosen = selected(rows, *key)
        both = chosen.dropna(subset=["log_score", "baseline_log_score"])
        for name, expected in {
            "candidates": chosen["model"].nunique(),
            "missed": chosen["missed"].sum(),
            "missed_of": chosen["missed"].count(),
            "log_score_mean": mean_of(both, "log_score"),
            "baseline_log_score_mean": mean_of(both, "baseline_log_score"),
            "ratio_log_score_mean": mean_of(both, "ratio_log_score"),
            "predictive_log_score_mean": mean_of(chosen, "predictive_log_score"),
            "observed_in_prediction_share": mean_of(
                chosen.assign(share=chosen["observed_in_prediction"].astype("Float64")), "share"
            ),
        }.items():
            assert_equal(row[name], expected, (*key, name))
        comparable = chosen[chosen["comparable"]]
        spread = comparable[["log_forecast", "log_observed"]].std().min() if len(comparable) > 1 else 0
        expected = comparable["log_forecast"].corr(comparable["log_observed"]) if spread > 0 else None
        assert_equal(row["log_rate_pearson_r"], expected, (*key, "pearson"))


FILTERS = {
    "moved": lambda rows: rows["moved"].astype("boolean").fillna(False),
    "comparable": lambda rows: rows["comparable"].astype(bool),
    "all": lambda rows: rows["category"].notna(),
}
CALLS = {
    ("previous_production", "sign"): ("forecast_direction", "direction_correct"),
    ("predecessor_simulation", "sign"): ("paired_direction", None),
    ("previous_production", "probability"): ("called_direction", "called_correct"),
}


def test_directional_accuracy_counts_the_calls_that_python_made(python, marts):
    rows = python["post_release_calibration"]
    seen = rows["observed_direction"].astype("Float64")
    paired = rows["paired_direction"].astype("Float64")
    agree = (paired == seen).where((paired * seen).fillna(0) != 0)
    rows = rows.assign(paired_correct=agree.astype("boolean"))
    mart = marts["directional_accuracy"]
    assert len(mart) == 3 * 3 * 3
    for row in mart.to_dict("records"):
        calls, correct = CALLS[row["compared_with"], row["called_by"]]
        chosen = selected(rows, row["candidate"])
        chosen = chosen[FILTERS[row["filter"]](chosen)]
        right = chosen[correct or "paired_correct"].dropna()
        key = tuple(row[name] for name in ("candidate", "filter", "compared_with", "called_by"))
        assert (row["categories"], row["called"], row["correct"]) == (len(chosen), len(right), right.sum()), (
            key
        )
        assert row["abstained"] == (chosen[calls].dropna() == 0).sum(), key
        assert_equal(row["accuracy"], right.mean() if len(right) else None, key)
    assert mart.loc[mart["called_by"] == "probability", "abstained"].max() >= 2


def test_baseline_comparison_compares_what_python_scored(python, marts):
    rows = python["post_release_calibration"]
    sources = {
        "previous_production": rows.assign(
            other_sme=rows["baseline_sme"], other_log=rows["baseline_log_score"]
        ),
        "unshrunk_ratio": rows.assign(other_sme=rows["ratio_sme"], other_log=rows["ratio_log_score"]),
        "challenging_prompts": python["baseline_calibration"].assign(
            other_sme=lambda frame: frame["baseline_sme"], other_log=lambda frame: frame["baseline_log_score"]
        ),
    }
    mart = marts["baseline_comparison"]
    assert len(mart) == 3 * 3 * 3 and set(mart["baseline"]) == set(sources)
    for row in mart.to_dict("records"):
        key = row["candidate"], row["baseline"], row["filter"]
        chosen = selected(sources[row["baseline"]], row["candidate"])
        chosen = chosen[FILTERS[row["filter"]](chosen)]
        logs = chosen.dropna(subset=["log_score", "other_log"])
        smes = chosen.dropna(subset=["sme", "other_sme"])
        for name, expected in {
            "categories": len(chosen),
            "log_scored": len(logs),
            "log_score_mean": mean_of(logs, "log_score"),
            "baseline_log_score_mean": mean_of(logs, "other_log"),
            "forecast_better": int((logs["log_score"] < logs["other_log"]).sum()),
            "sme_mean": math.exp(np.log(smes["sme"]).mean()) if len(smes) else None,
            "baseline_sme_mean": math.exp(np.log(smes["other_sme"]).mean()) if len(smes) else None,
        }.items():
            assert_equal(row[name], expected, (*key, name))


def test_taxonomy_coverage_shows_the_detectable_rate_that_python_computed(python, marts):
    rows = python["post_release_calibration"].set_index(["model", "category"])
    for row in marts["taxonomy_coverage"].to_dict("records"):
        novel = rows.loc[(row["candidate"], "novel_other")]
        assert_equal(row["detectable_per_100k"], novel["detectable_per_100k"], row["candidate"])
        assert_equal(row["novel_other_observed_per_100k"], novel["observed_per_100k"], row["candidate"])
        assert (row["novel_other_forecast_k"], row["novel_other_observed_k"]) == (
            novel["forecast_k"], novel["observed_k"],
        )  # fmt: skip

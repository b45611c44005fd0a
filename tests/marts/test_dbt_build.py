import json
import math
import os
import statistics
import subprocess
import sys
import threading
from pathlib import Path

import pandas as pd
import pyarrow.parquet as parquet
import pytest

from depsim_dagster.errors import LakeError
from depsim_dagster.marts.dbt_build import MARTS, MartsError, build_marts, lake_tables
from depsim_dagster.marts.project import dbt_project_dir
from depsim_dagster.registry.schema import CALIBRATION_SUMMARY

from .literal_lake import (
    SCORED,
    baseline_row,
    calibration_row,
    forecast_row,
    rate_row,
    small_lake,
    summary_of,
)


def rows_of(file: Path, *grain: str) -> dict[tuple, dict]:
    rows = parquet.read_table(file).to_pylist()
    keyed = {tuple(row[column] for column in grain): row for row in rows}
    assert len(keyed) == len(rows), f"{file.name} is not unique over {grain}"
    return keyed


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    lake = small_lake(tmp_path_factory.mktemp("lake"))
    return build_marts(lake_tables(lake), lake.root / "marts", unit_tests=True)


def test_every_unit_and_data_test_ran_and_passed(built):
    assert {test.status for test in built.tests} == {"pass"}
    unit_tests = [test for test in built.tests if test.unique_id.startswith("unit_test.")]
    assert len(unit_tests) >= 5 and len(built.tests) >= 50
    assert built.warnings == ()
    assert set(built.files) == set(MARTS)


def test_rate_calibration_of_one_candidate(built):
    rows = rows_of(built.files["rate_calibration"], "candidate", "category_group")
    row = rows["v2", "all"]
    assert (row["categories"], row["comparable_categories"], row["candidates"]) == (4, 2, 1)
    # comparable: self_harm 20.5/20.5 = 1 and hate 21.5/10.5
    assert row["sme_median"] == pytest.approx((1 + 21.5 / 10.5) / 2)
    assert row["sme_p90"] == pytest.approx(1 + 0.9 * (21.5 / 10.5 - 1))
    assert row["sme_worst"] == pytest.approx(21.5 / 10.5)
    assert (row["sme_worst_category"], row["sme_worst_candidate"]) == ("hate", "v2")
    assert 1 < row["sme_median_noise_floor"] < row["sme_median_noise_floor_p90"]
    assert row["baseline_sme_median"] == 2.0
    assert row["observed_in_prediction_share"] == 0.75
    # the pairs without a baseline score (NaN) are left out of both means
    assert (row["log_score_mean"], row["baseline_log_score_mean"]) == (3.0, 4.0)
    # two points, forecast up and observed down
    assert row["log_rate_pearson_r"] == pytest.approx(-1)
    assert (row["stack_hash"], row["sandbox"], row["kind"]) == ("stack-1", True, "retrospective")


def test_rate_calibration_pools_candidates_and_leaves_empty_groups_null(built):
    rows = rows_of(built.files["rate_calibration"], "candidate", "category_group")
    pooled = rows["all", "all"]
    assert (pooled["categories"], pooled["comparable_categories"], pooled["candidates"]) == (6, 3, 2)
    low, worst = 21.5 / 10.5, 41.5 / 13.5
    assert pooled["sme_median"] == pytest.approx(low)
    assert pooled["sme_p90"] == pytest.approx(low + 0.8 * (worst - low))
    assert (pooled["sme_worst_category"], pooled["sme_worst_candidate"]) == ("hate", "v3")
    logs = [
        (math.log((k + 0.5) / 1001), math.log((o + 0.5) / 1001))
        for *_, k, o in [s[:5] for s in SCORED]
        if k + o >= 10
    ]
    assert pooled["log_rate_pearson_r"] == pytest.approx(statistics.correlation(*zip(*logs, strict=True)))
    other = rows["all", "other"]
    assert (other["categories"], other["comparable_categories"]) == (2, 0)
    assert other["sme_median"] is None and other["sme_worst_category"] is None
    assert other["log_rate_pearson_r"] is None
    assert rows["v3", "disallowed_content"]["log_rate_pearson_r"] is None, "one point has no correlation"


@pytest.mark.parametrize(
    ("candidate", "chosen", "compared_with", "called_by", "categories", "called", "abstained", "correct"),
    [
        ("v2", "moved", "previous_production", "sign", 2, 1, 1, 1),
        ("v2", "comparable", "previous_production", "sign", 2, 2, 0, 1),
        ("v2", "all", "previous_production", "sign", 4, 2, 2, 1),
        ("v2", "all", "predecessor_simulation", "sign", 4, 2, 2, 2),
        ("v2", "comparable", "predecessor_simulation", "sign", 2, 1, 1, 1),
        ("v3", "moved", "previous_production", "sign", 2, 1, 1, 0),
        ("v3", "moved", "predecessor_simulation", "sign", 2, 2, 0, 2),
        ("all", "moved", "previous_production", "sign", 4, 2, 2, 1),
        ("all", "all", "predecessor_simulation", "sign", 6, 4, 2, 4),
        # by probability the pairs below ten events abstain
        ("v2", "all", "previous_production", "probability", 4, 2, 2, 1),
        ("all", "all", "previous_production", "probability", 6, 3, 3, 1),
        ("all", "moved", "previous_production", "probability", 4, 2, 2, 1),
    ],
)
def test_directional_accuracy(
    built, candidate, chosen, compared_with, called_by, categories, called, abstained, correct
):
    rows = rows_of(built.files["directional_accuracy"], "candidate", "filter", "compared_with", "called_by")
    assert len(rows) == 3 * 3 * 3
    row = rows[candidate, chosen, compared_with, called_by]
    assert (row["categories"], row["called"], row["abstained"], row["correct"]) == (
        categories, called, abstained, correct,
    )  # fmt: skip
    assert row["accuracy"] == pytest.approx(correct / called)


def test_the_summary_of_intervals_calls_and_tau_is_in_the_mart(built):
    rows = rows_of(built.files["rate_calibration"], "candidate", "category_group")
    pooled = rows["all", "all"]
    assert (pooled["inside"], pooled["inside_of"]) == (5, 6)
    assert pooled["observed_in_prediction_share"] == pytest.approx(5 / 6)
    assert (pooled["called"], pooled["called_correct"], pooled["abstained"]) == (3, 1, 3)
    assert (pooled["called_movers"], pooled["called_movers_correct"]) == (2, 1)
    assert (pooled["ratio_sme_median"], pooled["ratio_log_score_mean"]) == (4.0, 5.0)
    assert pooled["predictive_log_score_mean"] == 3.5
    assert 0 < pooled["tau_lower"] < pooled["tau"]
    assert pooled["intrinsic_sme"] == pytest.approx(math.exp(0.67449 * pooled["tau"]), rel=1e-5)
    other = rows["all", "other"]
    assert other["tau"] is None and other["ratio_sme_median"] is None and other["called"] == 0


def test_the_latest_amendment_is_the_forecast(lake):
    """An amendment that lacks a category and adds one: of the first forecast nothing is left, the other candidates keep
    theirs, and a score of the first forecast is stale."""
    amended = [
        forecast_row("v4", category, "misalignment", forecast_hash="amended", amendment=1, sequence=9)
        for category in ("sly", "wrong")
    ]
    lake.publish("registered_forecasts", "model=v4-amended", amended)
    built = build_marts(lake_tables(lake), lake.root / "marts")
    rows = rows_of(built.files["taxonomy_coverage"], "candidate")
    assert (rows[("v4",)]["categories_tracked"], rows[("v2",)]["categories_tracked"]) == (2, 3)
    changed = [
        forecast_row(*scored[:3], forecast_hash="amended", amendment=1, sequence=10)
        for scored in SCORED
        if scored[0] == "v2"
    ]
    lake.publish("registered_forecasts", "model=v2-amended", changed)
    with pytest.raises(MartsError, match="calibration_matches_sealed_forecast"):
        build_marts(lake_tables(lake), lake.root / "marts")


def test_taxonomy_coverage(built):
    rows = rows_of(built.files["taxonomy_coverage"], "candidate")
    v2, v3, v4 = rows[("v2",)], rows[("v3",)], rows[("v4",)]
    assert (v2["categories_tracked"], v2["categories_observed"], v2["observed_n"]) == (3, 3, 1000)
    assert (v2["unforeseen_categories"], v2["unforeseen_category_names"]) == (1, ["fabricated_facts"])
    assert (v2["novel_behaviour_found"], v2["novel_behaviour_above_detectable"]) == (False, False)
    assert (v2["simulated_weeks"], v2["production_weeks"]) == (2, 0)
    assert (v3["novel_other_forecast_k"], v3["novel_other_observed_k"]) == (0, 2)
    assert (v3["novel_other_observed_per_100k"], v3["detectable_per_100k"]) == (200.0, 150.0)
    assert (v3["novel_behaviour_found"], v3["novel_behaviour_above_detectable"]) == (True, True)
    assert (v3["production_weeks"], v3["novel_other_production_weeks"]) == (3, 2)
    assert v3["unforeseen_category_names"] == [], "novel_other is counted apart"
    assert (v4["scored"], v4["observed_n"], v4["novel_behaviour_found"]) == (False, None, None)


def test_without_further_prefix_sources_the_forecast_is_compared_with_no_change(built):
    rows = rows_of(built.files["baseline_comparison"], "candidate", "baseline", "filter")
    assert set(rows) == {
        (candidate, baseline, chosen)
        for candidate in ("v2", "v3", "all")
        for baseline in ("previous_production", "unshrunk_ratio")
        for chosen in ("moved", "comparable", "all")
    }
    row = rows["v2", "previous_production", "all"]
    # the two pairs below ten events have no baseline score (NaN)
    assert (row["categories"], row["log_scored"], row["forecast_better"]) == (4, 2, 2)
    assert (row["log_score_mean"], row["baseline_log_score_mean"]) == (3.0, 4.0)
    assert (row["called"], row["correct"], row["baseline_called"]) == (2, 1, 0)
    ratio = rows["v2", "unshrunk_ratio", "all"]
    assert (ratio["log_scored"], ratio["baseline_log_score_mean"]) == (2, 5.0)
    assert ratio["baseline_sme_mean"] == pytest.approx(4.0)
    # paired direction against the observed one: hate and fabricated_facts
    assert (ratio["baseline_called"], ratio["baseline_correct"]) == (2, 2)


def test_a_prefix_source_is_compared_with_the_forecast(lake, marts_of_lake):
    rows = [baseline_row(scored, "challenging_prompts") for scored in SCORED[:4]]
    lake.publish("baseline_calibration", "model=v2", rows)
    built = build_marts(lake_tables(lake), lake.root / "marts")
    found = rows_of(built.files["baseline_comparison"], "candidate", "baseline", "filter")
    row = found["v2", "challenging_prompts", "comparable"]
    assert (row["categories"], row["log_scored"], row["forecast_better"]) == (2, 2, 2)
    assert (row["log_score_mean"], row["baseline_log_score_mean"]) == (3.0, 8.0)
    assert row["sme_mean"] == pytest.approx(math.sqrt(21.5 / 10.5)) and row[
        "baseline_sme_mean"
    ] == pytest.approx(9)
    assert (row["called"], row["correct"], row["baseline_called"], row["baseline_correct"]) == (2, 1, 2, 0)
    assert ("v3", "challenging_prompts", "all") not in found
    for mart in ("rate_calibration", "directional_accuracy", "taxonomy_coverage"):
        # Sums of floats hang on the order in which DuckDB's threads come to the rows.
        files = (built.files[mart], marts_of_lake / f"{mart}.parquet")  # with the source, and without it
        frames = [parquet.read_table(file).to_pandas() for file in files]
        keys = [name for name in frames[0].columns if pd.api.types.is_string_dtype(frames[0][name])]
        pd.testing.assert_frame_equal(
            *(frame.sort_values(keys, ignore_index=True) for frame in frames), check_exact=False, rtol=1e-12
        )


def test_a_baseline_beside_another_forecast_fails(lake):
    rows = [baseline_row(SCORED[0], "external_corpus", forecast_hash="older")]
    lake.publish("baseline_calibration", "model=v2", rows)
    with pytest.raises(MartsError, match="baselines_are_beside_the_scored_forecast"):
        build_marts(lake_tables(lake), lake.root / "marts")


def test_rates_on_other_prefix_sources_are_no_weeks_of_the_simulation(lake):
    other = rate_row("2026-02-16", "v2", "v1", "hate", 5) | {"prefix_source": "external_corpus"}
    lake.publish("rate_estimates", "week=2026-02-16/model=v2", [other])
    built = build_marts(lake_tables(lake), lake.root / "marts")
    assert rows_of(built.files["taxonomy_coverage"], "candidate")[("v2",)]["simulated_weeks"] == 2


def test_weekly_tables_may_be_absent(lake):
    lake.withdraw("rate_estimates")
    lake.withdraw("observed_rates")
    built = build_marts(lake_tables(lake), lake.root / "marts")
    coverage = rows_of(built.files["taxonomy_coverage"], "candidate")
    assert {row["simulated_weeks"] + row["production_weeks"] for row in coverage.values()} == {0}


def test_odd_characters_in_paths_open_exactly_the_listed_files(tmp_path):
    lake = small_lake(tmp_path / """it's [1] a*b "q" {{ var('x') }} 100% ünï""")
    # unpublished neighbours that the patterns `[1]` and `a*b` would match if they were not escaped
    for name in ("it's 1 a*b", "it's [1] aXb"):
        neighbour = tmp_path / f"""{name} "q" {{{{ var('x') }}}} 100% ünï"""
        small_lake(neighbour).publish(
            "post_release_calibration", "model=v2", [calibration_row(SCORED[0])] * 3
        )
    built = build_marts(lake_tables(lake), lake.root / "marts")
    assert (
        rows_of(built.files["rate_calibration"], "candidate", "category_group")["all", "all"]["categories"]
        == 6
    )
    assert built.files["rate_calibration"].parent == lake.root / "marts"


@pytest.mark.parametrize("table", ["registered_forecasts", "post_release_calibration", "calibration_summary"])
def test_a_missing_table_is_named(lake, table):
    lake.withdraw(table)
    with pytest.raises(LakeError, match=f"{table} has no published partition"):
        build_marts(lake_tables(lake), lake.root / "marts")


def test_a_table_without_rows_is_named(lake):
    schema = parquet.read_schema(lake.files("post_release_calibration")[0])
    lake.withdraw("post_release_calibration")
    lake.publish("post_release_calibration", "model=none", [], schema)
    with pytest.raises(LakeError, match="post_release_calibration has no row"):
        build_marts(lake_tables(lake), lake.root / "marts")


def test_a_vanished_file_and_an_unknown_table_are_named(lake):
    tables = lake_tables(lake)
    Path(tables["observed_rates"][0]).unlink()
    with pytest.raises(LakeError, match="observed_rates: published file .* is gone"):
        build_marts(tables, lake.root / "marts")
    with pytest.raises(LakeError, match="do not read sampled_traffic"):
        build_marts({"sampled_traffic": []}, lake.root / "marts")


def test_a_missing_column_is_named(lake):
    lake.withdraw("post_release_calibration")
    rows = [calibration_row(scored) for scored in SCORED]
    for row in rows:
        del row["paired_direction"]
    lake.publish("post_release_calibration", "all", rows)
    with pytest.raises(
        MartsError, match=r"'post_release_calibration' lacks the column\(s\) paired_direction"
    ):
        build_marts(lake_tables(lake), lake.root / "marts")


def test_a_column_that_only_newer_partitions_have_is_null_in_older_ones(lake):
    newer = parquet.read_table(lake.files("registered_forecasts")[0]).append_column(
        "added_later", [["x"] * 4]
    )
    parquet.write_table(newer, lake.files("registered_forecasts")[0])
    assert build_marts(lake_tables(lake), lake.root / "marts").rows["taxonomy_coverage"] == 3


@pytest.mark.parametrize(
    ("changes", "failing"),
    [
        (
            {"forecast_hash": "made-later", "kind": "guess"},
            {
                "calibration_matches_sealed_forecast",
                "accepted_values_stg_post_release_calibration_kind__retrospective__registered",
            },
        ),
        (
            {"sme": 9.0, "direction_correct": False},
            {"sme_is_of_smoothed_rates", "direction_correct_agrees_with_signs", "sme_interval_holds_the_sme"},
        ),
        ({"called_direction": 0, "called_correct": None}, {"called_counts_agree_with_the_summary"}),
        ({"observed_in_prediction": False}, {"prediction_share_is_of_the_summary_counts"}),
        ({"sme_lower": 0.9}, {"sme_interval_holds_the_sme"}),
    ],
)
def test_failing_data_tests_are_named_and_publish_nothing(lake, changes, failing):
    last_good = lake.root / "marts" / "rate_calibration.parquet"
    last_good.parent.mkdir()
    last_good.write_bytes(b"the last good build")
    lake.withdraw("post_release_calibration")
    rows = [calibration_row(SCORED[0], **changes), *(calibration_row(scored) for scored in SCORED[1:])]
    lake.publish("post_release_calibration", "all", rows)
    with pytest.raises(MartsError, match="nothing was published") as caught:
        build_marts(lake_tables(lake), lake.root / "marts")
    assert {test.name for test in caught.value.tests if test.status == "fail"} == failing
    assert all(name in str(caught.value) for name in failing)
    assert [file.read_bytes() for file in last_good.parent.iterdir()] == [b"the last good build"]


def test_two_copies_of_a_scored_row_fail(lake):
    lake.publish("post_release_calibration", "again", [calibration_row(SCORED[0])])
    with pytest.raises(MartsError, match="unique_grain_stg_post_release_calibration"):
        build_marts(lake_tables(lake), lake.root / "marts")


@pytest.mark.parametrize(
    "rows", [SCORED[:4], [*SCORED[:5], ("v3", "novel_other", "other", 9, 9, True, 0, 1, 1)]]
)
def test_a_summary_of_other_rows_fails(lake, rows):
    lake.withdraw("calibration_summary")
    stale = summary_of([calibration_row(scored) for scored in rows])
    lake.publish("calibration_summary", "", stale, CALIBRATION_SUMMARY.schema)
    with pytest.raises(MartsError, match="calibration_summary_is_of_these_rows"):
        build_marts(lake_tables(lake), lake.root / "marts")


def test_the_noise_floor_of_the_mart_is_the_one_that_python_computed(built):
    rows = rows_of(built.files["rate_calibration"], "candidate", "category_group")
    expected = summary_of([calibration_row(scored) for scored in SCORED])
    assert len(rows) == len(expected)
    for row in expected:
        found = rows[row["model"], row["category_group"]]
        for column in ("sme_median_noise_floor", "sme_median_noise_floor_p90", "comparable_categories"):
            assert found[column] == row[column], (row["model"], row["category_group"], column)
    assert rows["all", "other"]["sme_median_noise_floor"] is None, "nothing comparable has no floor"


def test_two_stacks_for_one_candidate_fail(lake):
    lake.publish(
        "registered_forecasts", "again", [forecast_row("v4", "hate2", "misalignment", stack_hash="stack-2")]
    )
    with pytest.raises(MartsError, match="one_stack_per_candidate"):
        build_marts(lake_tables(lake), lake.root / "marts")


BUILD = """
import json, sys
from pathlib import Path
from depsim_dagster.marts.dbt_build import build_marts
build = build_marts(json.loads(sys.argv[1]), Path(sys.argv[2]))
print(json.dumps(dict(build.rows)))
"""


def test_two_processes_build_at_once_and_write_nothing_beside_the_project(lake, tmp_path):
    project = dbt_project_dir()
    before = sorted(project.rglob("*"))
    arguments = [sys.executable, "-c", BUILD, json.dumps(lake_tables(lake)), str(lake.root / "marts")]
    running = [
        subprocess.Popen(
            arguments,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
            text=True,
            env={**os.environ, "PYTHONPATH": str(project.parent)},
        )
        for _ in range(2)
    ]
    for process in running:
        output, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (0, "")
        # nothing of dbt on the console: the one line is ours
        assert json.loads(output) == {
            "taxonomy_coverage": 3,
            "directional_accuracy": 27,
            "rate_calibration": 11,
            "baseline_comparison": 18,
            "evaluation_awareness": 0,
        }
    assert sorted(project.rglob("*")) == before
    assert sorted(file.name for file in (lake.root / "marts").iterdir()) == sorted(
        f"{mart}.parquet" for mart in MARTS
    )
    assert [path for path in tmp_path.iterdir() if path != lake.root] == []


def test_two_threads_build_two_lakes(tmp_path):
    lakes = [small_lake(tmp_path / name) for name in ("first", "second")]
    lakes[1].withdraw("post_release_calibration")
    lakes[1].publish("post_release_calibration", "model=v2", [calibration_row(SCORED[0])])
    lakes[1].summarise()
    found: dict[str, int] = {}

    def build(lake):
        rows = rows_of(
            build_marts(lake_tables(lake), lake.root / "marts").files["rate_calibration"],
            "candidate",
            "category_group",
        )
        found[lake.root.name] = rows["all", "all"]["categories"]

    threads = [threading.Thread(target=build, args=(lake,)) for lake in lakes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {"first": 6, "second": 1}

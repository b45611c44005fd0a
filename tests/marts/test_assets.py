import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from depsim_dagster.config_sections import PrivacyConfig
from depsim_dagster.marts.dbt_build import EXAMINATION_TABLES

from .literal_lake import SCORED, calibration_row


@pytest.fixture(scope="module")
def marts(manifest_cache):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEPSIM_CACHE_DIR", str(manifest_cache))
        from depsim_dagster.marts.assets import marts_assets
    return marts_assets


def materialize(marts, lake, selection=None, raise_on_error=True):
    import dagster

    sources = [
        dagster.AssetSpec(name, partitions_def=dagster.StaticPartitionsDefinition(["v2", "v3"]))
        for name in (
            "registered_forecasts",
            "post_release_calibration",
            "baseline_calibration",
            "rate_estimates",
            "observed_rates",
            *EXAMINATION_TABLES,
        )  # fmt: skip
    ]
    sources.append(dagster.AssetSpec("calibration_summary"))
    study = SimpleNamespace(lake=lake, config=SimpleNamespace(privacy=PrivacyConfig()))
    with dagster.DagsterInstance.ephemeral() as instance:
        return dagster.materialize(
            [marts, *sources],
            resources={"study": dagster.ResourceDefinition.hardcoded_resource(SimpleNamespace(study=study))},
            selection=selection,
            instance=instance,
            raise_on_error=raise_on_error,
        )


def test_lineage_groups_kinds_and_schemas(marts):
    deps = {
        spec.key.path[-1]: sorted(dependency.asset_key.path[-1] for dependency in spec.deps)
        for spec in marts.specs
    }
    assert deps == {
        "stg_registered_forecasts": ["calibration_summary", "registered_forecasts"],
        "stg_post_release_calibration": ["calibration_summary", "post_release_calibration"],
        "stg_baseline_calibration": ["baseline_calibration", "calibration_summary"],
        "stg_rate_estimates": ["calibration_summary", "rate_estimates"],
        "stg_observed_rates": ["calibration_summary", "observed_rates"],
        "int_scored_categories": ["stg_post_release_calibration"],
        "int_direction_calls": ["int_scored_categories"],
        "int_baseline_scores": ["int_scored_categories", "stg_baseline_calibration"],
        "baseline_comparison": ["int_baseline_scores"],
        "stg_calibration_summary": ["calibration_summary"],
        "rate_calibration": ["int_scored_categories", "stg_calibration_summary"],
        "directional_accuracy": ["int_direction_calls"],
        "taxonomy_coverage": [
            "int_scored_categories", "stg_behaviour_decisions", "stg_behaviour_differences", "stg_category_ablation",
            "stg_novel_behaviours", "stg_observed_rates", "stg_post_release_behaviours", "stg_rate_estimates",
            "stg_registered_forecasts",
        ],
        "evaluation_awareness": ["stg_awareness_rates", "stg_replay_giveaways"],
        **{f"stg_{table}": sorted(["calibration_summary", table]) for table in EXAMINATION_TABLES},
    }  # fmt: skip
    by_name = {spec.key.path[-1]: spec for spec in marts.specs}
    assert {spec.group_name for spec in marts.specs} == {"marts"}
    assert by_name["rate_calibration"].kinds == {"dbt", "duckdb", "parquet"}
    assert by_name["stg_rate_estimates"].kinds == {"dbt", "duckdb"}
    assert by_name["int_direction_calls"].tags["depsim/layer"] == "intermediate"
    assert by_name["taxonomy_coverage"].description.startswith("Whether the frozen taxonomy covered")
    schema = by_name["rate_calibration"].metadata["dagster/column_schema"]
    assert {column.name: column.type for column in schema.columns}["sme_median"] == "double"
    assert all(column.description for column in schema.columns)


def test_materialisation_carries_rows_preview_and_checks(marts, lake):
    result = materialize(marts, lake)
    assert result.success
    by_name = {event.asset_key.path[-1]: event.materialization.metadata for event in
               result.get_asset_materialization_events()}  # fmt: skip
    assert len(by_name) == 21
    assert by_name["taxonomy_coverage"]["dagster/row_count"].value == 3
    assert "| v2 | v1 | retrospective | stack-1 |" in by_name["taxonomy_coverage"]["preview"].value
    assert len(by_name["rate_calibration"]["preview"].value.splitlines()) == 2 + 10
    checks = result.get_asset_check_evaluations()
    assert {check.asset_check_key for check in checks} == set(marts.check_keys)
    assert all(check.passed for check in checks)
    names = {check.check_name for check in checks}
    assert {"calibration_matches_sealed_forecast", "sme_is_of_smoothed_rates"} <= names


def test_one_mart_can_be_selected(marts, lake):
    result = materialize(marts, lake, selection=["rate_calibration"])
    assert result.success
    assert [event.asset_key.path for event in result.get_asset_materialization_events()] == [
        ["rate_calibration"]
    ]
    assert {check.asset_check_key.asset_key.path[-1] for check in result.get_asset_check_evaluations()} == {
        "rate_calibration"
    }


def test_a_failed_data_test_is_a_failed_check_and_materialises_nothing(marts, lake):
    lake.withdraw("post_release_calibration")
    rows = [
        calibration_row(SCORED[0], sme=9.0, sme_upper=20.0),
        *(calibration_row(scored) for scored in SCORED[1:]),
    ]
    lake.publish("post_release_calibration", "all", rows)
    result = materialize(marts, lake, raise_on_error=False)
    assert not result.success
    assert result.get_asset_materialization_events() == []
    failed = [check.check_name for check in result.get_asset_check_evaluations() if not check.passed]
    assert failed == ["sme_is_of_smoothed_rates"]
    assert not (lake.root / "marts").exists()


LOAD = """
import warnings
import dagster_dbt  # warnings of its own dependencies are not ours
warnings.simplefilter("error")
import dagster
from depsim_dagster.marts.assets import marts_assets
definitions = dagster.Definitions(
    assets=[marts_assets],
    resources={"study": dagster.ResourceDefinition.hardcoded_resource(None)},
)
dagster.Definitions.validate_loadable(definitions)
print(len(list(marts_assets.keys)))
"""


def test_definitions_load_without_a_warning(manifest_cache, tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", LOAD], cwd=tmp_path, text=True, capture_output=True, timeout=60,
        env={**os.environ, "DEPSIM_CACHE_DIR": str(manifest_cache), "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert (run.returncode, run.stdout, run.stderr) == (0, "21\n", "")
    assert list(tmp_path.iterdir()) == []


def test_nothing_but_assets_imports_dagster(tmp_path):
    code = (
        "import sys\n"
        "from depsim_dagster.marts import dbt_build, preview, warehouse\n"
        "print(sorted({'dagster', 'dagster_dbt', 'dbt', 'duckdb', 'pyarrow'} & set(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], text=True, capture_output=True, timeout=30,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert run.stdout == "[]\n", run.stderr


def test_preview_is_readable(tmp_path):
    import pyarrow
    import pyarrow.parquet as parquet

    from depsim_dagster.marts.preview import preview

    file = tmp_path / "mart.parquet"
    parquet.write_table(
        pyarrow.table({"a": ["x", None, "z"], "b": [1 / 3, 2.0, 0.0], "c": [["p", "q"], [], []]}), file
    )
    assert preview(file, limit=2) == (["a", "b", "c"], [["x", "0.3333", "p, q"], ["", "2", ""]])

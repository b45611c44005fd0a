"""The whole study through Dagster, over HTTP, on a small sandbox world."""

import json
from pathlib import Path

import dagster as dg
import duckdb
import pyarrow.parquet as pq
import pytest

from depsim_dagster.config import load_study
from depsim_dagster.definitions import build_definitions
from depsim_dagster.registry.schema import POST_RELEASE_CALIBRATION
from depsim_dagster.registry.seal import chain_entries, graded_outcome
from depsim_dagster.registry.verify import verify_study
from depsim_dagster.report.content import report_content
from depsim_dagster.sandbox.truth import consenting, eligible_turns
from depsim_dagster.study import Study
from depsim_dagster.study_status import status_rows
from depsim_dagster.traffic.schema import SAMPLED_TRAFFIC, SAMPLING_FUNNEL

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@pytest.fixture
def study(finished_study: Path) -> Study:
    return Study(load_study(finished_study))


@pytest.fixture
def instance(finished_study: Path):
    home = finished_study.parent / "dagster_home"
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        yield instance


def run(study: Study, instance: dg.DagsterInstance, job: str, key: str | None = None):
    definitions = build_definitions(study.config, study.config.file)
    return definitions.resolve_job_def(job).execute_in_process(
        instance=instance, partition_key=key, run_config=QUIET, raise_on_error=False
    )


def test_every_partition_is_published_under_one_stack(study):
    rows = status_rows(study)
    assert len(rows) == 4 - 1 + 2 + 1 + 3 + 1  # traffic, simulation, forecast, observation, calibration
    assert {row.state for row in rows} == {"published"}


def test_every_step_is_a_run_that_the_ui_shows(instance):
    jobs = [record.job_name for record in instance.get_runs()]
    assert set(jobs) == {
        "study",
        "traffic",
        "simulation",
        "forecast",
        "observation",
        "calibration",
        "outcome",
        "report",
    }
    assert {record.status for record in instance.get_runs()} == {dg.DagsterRunStatus.SUCCESS}


def test_forecast_is_sealed_before_the_outcome_is_graded(study, instance):
    (sealed,) = instance.fetch_materializations(dg.AssetKey("registered_forecasts"), limit=50).records
    graded = {
        record.partition_key: record.timestamp
        for record in instance.fetch_materializations(dg.AssetKey("production_labels"), limit=50).records
    }
    outcome = graded_outcome(study.lake, "sandbox-v2")
    assert outcome and sealed.timestamp < min(graded[week] for week in outcome)
    entries = [(entry.kind, entry.model) for entry in chain_entries(study.lake)]
    assert entries == [
        ("outcome_opened", "sandbox-v1"),
        ("forecast", "sandbox-v2"),
        ("outcome_opened", "sandbox-v2"),
    ]
    assert verify_study(study).intact


def test_report_marts_and_warehouse_hold_the_same_score(study):
    calibration = study.lake.read(POST_RELEASE_CALIBRATION, {"model": "sandbox-v2"}).to_pandas()
    assert len(calibration) == 20 and calibration["sandbox"].all()
    page = study.config.path("report.html").read_text(encoding="utf-8")
    assert "SANDBOX" in page and all(category in page for category in calibration["category"])
    exported = json.loads(study.config.path("report.json").read_text(encoding="utf-8"))
    assert exported["study"] == "small"
    with duckdb.connect(str(study.config.path("warehouse.duckdb")), read_only=True) as warehouse:
        tables = {row[0] for row in warehouse.execute("show tables").fetchall()}
        assert {"taxonomy_coverage", "directional_accuracy", "rate_calibration"} <= tables
        assert {"corrected_rates", "stratum_rates"} <= tables  # what the last job of a first run makes
        worst = warehouse.execute("select max(sme) from post_release_calibration where comparable").fetchall()
        mart = warehouse.execute(
            "select sme_worst from rate_calibration where candidate = 'sandbox-v2' and category_group = 'all'"
        ).fetchall()
        assert mart == worst
    assert set(report_content(study).marts) == {
        "taxonomy_coverage",
        "directional_accuracy",
        "rate_calibration",
        "baseline_comparison",
        "evaluation_awareness",
    }


def test_funnel_agrees_with_the_planted_eligibility(study):
    """The sandbox knows which turns are eligible; the product has to find the same number by its own rules."""
    consent = pq.read_table(study.config.path("consent.parquet")).to_pylist()
    for week in ("2026-01-05", "2026-01-12", "2026-01-19"):
        planted = pq.ParquetFile(study.config.path(f"traffic/week={week}.parquet")).read().to_pylist()
        funnel = study.lake.read(SAMPLING_FUNNEL, {"week": week}).to_pylist()
        counted = {row["rule"]: row["turns"] for row in funnel}
        assert counted["sampled"] == 120
        eligible = ("repeated_prompt", "near_duplicate", "not_sampled", "sampled")
        assert sum(counted.get(rule, 0) for rule in eligible) == len(
            list(eligible_turns(planted, consenting(consent)))
        )
        user_turns = sum(message["role"] == "user" for row in planted for message in row["messages"])
        assert sum(counted.values()) == user_turns


def test_a_partition_asked_for_twice_sends_nothing_and_publishes_the_same(study, instance):
    before = {
        manifest.partition["week"]: manifest.content for manifest in study.lake.published(SAMPLED_TRAFFIC)
    }
    assert run(study, instance, "traffic", "2026-01-12").success
    after = {
        manifest.partition["week"]: manifest.content for manifest in study.lake.published(SAMPLED_TRAFFIC)
    }
    assert after == before
    key = dg.MultiPartitionKey({"week": "2026-01-12", "model": "sandbox-v2"})
    again = run(study, instance, "simulation", key)
    assert again.success
    for asset in ("regenerated_completions", "graded_labels"):
        (event,) = [e for e in again.get_asset_materialization_events() if e.asset_key == dg.AssetKey(asset)]
        metadata = event.materialization.metadata
        assert metadata["calls_sent"].value == 0 and metadata["calls_reused"].value == 120


def test_no_conversation_text_outside_the_text_tables(study, finished_study):
    """Planted personal data and whole messages, looked for in every byte of Dagster's storage, report and marts."""
    sampled = [
        message["content"]
        for manifest in study.lake.published(SAMPLED_TRAFFIC)
        for row in study.lake.read(
            SAMPLED_TRAFFIC, manifest.partition, columns=["prefix", "target"]
        ).to_pylist()
        for column in ("prefix", "target")
        for message in json.loads(row[column])
        if len(message.get("content") or "") > 25
    ]
    planted = (
        pq.read_table(study.config.path("sandbox/planted_identifiers.parquet")).column("value").to_pylist()
    )
    needles = {text.encode() for text in [*sampled[:400], *planted[:400]]}
    text_tables = {
        "sampled_traffic",
        "deidentified_prefixes",
        "regenerated_completions",
        "_journal",
        "_quarantine",
    }
    searched = 0
    for path in finished_study.parent.rglob("*"):
        relative = path.relative_to(finished_study.parent)
        if path.is_symlink() or not path.is_file() or relative.parts[0] in ("traffic", "sandbox"):
            continue
        if relative.parts[0] == "store" and relative.parts[1] in text_tables:
            continue
        content = path.read_bytes()
        searched += 1
        assert not [needle for needle in needles if needle in content], f"{relative} holds conversation text"
    assert searched > 20 and len(needles) > 100


def test_replay_refuses_an_edited_partition_in_a_later_run(study, instance):
    """The gate is in the data: another run, another process object, the same refusal."""
    from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES

    (file,) = [path for path in study.lake.files(DEIDENTIFIED_PREFIXES) if "2026-01-12" in str(path)]
    original = file.read_bytes()
    try:
        file.write_bytes(original[:-1] + bytes([original[-1] ^ 1]))
        key = dg.MultiPartitionKey({"week": "2026-01-12", "model": "sandbox-v1"})
        refused = run(study, instance, "simulation", key)
        assert not refused.success
        (failure,) = [e for e in refused.all_events if e.is_step_failure]
        assert "changed or damaged" in failure.step_failure_data.error_display_string
    finally:
        file.write_bytes(original)


def test_store_is_closed_to_other_accounts(study):
    assert study.lake.root.stat().st_mode & 0o077 == 0

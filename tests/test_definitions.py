"""The shape of the project as Dagster sees it: a change of it shows in review as a change of the snapshot.

To accept a new shape: DEPSIM_UPDATE_SNAPSHOTS=1 pytest tests/test_definitions.py
"""

import datetime as dt
import json
import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from small_study import REPOSITORY

from depsim_dagster.config import load_study
from depsim_dagster.definitions import build_definitions
from depsim_dagster.jobs import JOB_ASSETS
from depsim_dagster.templates import DEMO_TEMPLATE

SNAPSHOT = Path(__file__).parent / "snapshots" / "asset_graph.json"
LINEAGE = [
    "sampled_traffic", "deidentified_prefixes", "regenerated_completions", "graded_labels", "rate_estimates",
    "registered_forecasts", "production_labels", "observed_rates", "post_release_calibration",
]  # fmt: skip


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return build_definitions(load_study(DEMO_TEMPLATE), DEMO_TEMPLATE)


def asset_graph(definitions: dg.Definitions) -> dict:
    graph = definitions.resolve_asset_graph()
    return {
        key.to_user_string(): {
            "group": graph.get(key).group_name,
            "upstream": sorted(parent.to_user_string() for parent in graph.get(key).parent_keys),
            "partitions": type(graph.get(key).partitions_def).__name__
            if graph.get(key).partitions_def
            else None,
            "kinds": sorted(graph.get(key).kinds),
            "checks": sorted(check.name for check in graph.get_check_keys_for_assets({key})),
        }
        for key in sorted(graph.get_all_asset_keys())
    }


def test_asset_graph_is_the_reviewed_one(definitions):
    found = asset_graph(definitions)
    if os.environ.get("DEPSIM_UPDATE_SNAPSHOTS"):
        SNAPSHOT.parent.mkdir(exist_ok=True)
        SNAPSHOT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    assert found == json.loads(SNAPSHOT.read_text(encoding="utf-8"))


def test_lineage_flows_in_the_order_of_the_method(definitions):
    graph = definitions.resolve_asset_graph()
    for before, after in zip(LINEAGE, LINEAGE[1:], strict=False):
        upstream = {key.to_user_string() for key in graph.get(dg.AssetKey(after)).parent_keys}
        ancestors = set(upstream)
        while upstream:
            upstream = {
                p.to_user_string() for name in upstream for p in graph.get(dg.AssetKey(name)).parent_keys
            } - ancestors
            ancestors |= upstream
        assert before in ancestors, f"{after} does not come after {before}"


def test_every_asset_says_what_it_is(definitions):
    for spec in definitions.resolve_all_asset_specs():
        name = spec.key.to_user_string()
        assert spec.description and len(spec.description) > 20, name
        assert spec.group_name != "default", name
        assert spec.kinds, name
        if spec.group_name not in ("marts", "report"):
            schema = spec.metadata["dagster/column_schema"]
            assert all(column.description for column in schema.columns), name


def test_jobs_schedules_and_sensors(definitions):
    repository = definitions.get_repository_def()
    single = {"outcome", "report", "study", "forget_revoked", "purge_expired_text"}
    assert {*JOB_ASSETS, *single} <= set(repository.job_names)
    assert {schedule.name for schedule in repository.schedule_defs} == {
        "weekly_traffic",
        "purge_expired_text",
    }
    schedule = repository.get_schedule_def("weekly_traffic")
    monday, long_after = dt.datetime(2026, 2, 2, 2, tzinfo=dt.UTC), dt.datetime(2026, 6, 1, 2, tzinfo=dt.UTC)
    with dg.DagsterInstance.ephemeral() as instance:

        def tick(time: dt.datetime):
            context = dg.build_schedule_context(
                instance, scheduled_execution_time=time, repository_def=repository
            )
            return schedule.evaluate_tick(context)

        (request,) = tick(monday).run_requests
        assert request.partition_key == "2026-01-26"
        assert "outside the weeks" in tick(long_after).skip_message
    assert {sensor.name for sensor in repository.sensor_defs if "default" not in sensor.name} == {
        "simulate_fresh_traffic",
        "honour_revocations",
    }


def test_sensor_replays_the_live_deployment_and_its_candidate(definitions):
    """Week of 2026-01-19: sandbox-v1 is live and sandbox-v2 is to replace it."""
    sensor = definitions.resolve_sensor_def("simulate_fresh_traffic")
    with dg.DagsterInstance.ephemeral() as instance:
        run = instance.create_run_for_job(
            definitions.resolve_job_def("traffic"),
            tags={"dagster/partition": "2026-01-19"},
            status=dg.DagsterRunStatus.SUCCESS,
        )
        event = dg.DagsterEvent(event_type_value="PIPELINE_SUCCESS", job_name="traffic")
        context = dg.build_run_status_sensor_context(
            sensor_name=sensor.name, dagster_instance=instance, dagster_run=run, dagster_event=event
        )
        requests = list(sensor(context))
    assert {str(request.partition_key) for request in requests} == {
        "sandbox-v1|2026-01-19",
        "sandbox-v2|2026-01-19",
    }
    assert len({request.run_key for request in requests}) == 2


@pytest.mark.parametrize("folder", ["repository", "empty"])
def test_code_location_loads_without_a_warning_of_ours(folder, tmp_path):
    """Also in a fresh clone, before there is any study."""
    script = """
import sys, warnings
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import dagster as dg
    from depsim_dagster.definitions import defs
    dg.Definitions.validate_loadable(defs())
ours = [str(w.message) for w in caught if "depsim_dagster" in w.filename or "dagster" in type(w.message).__name__.lower()]
print("\\n".join(ours)); sys.exit(bool(ours))
"""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    environment.pop("DEPSIM_STUDY", None)
    loaded = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY if folder == "repository" else tmp_path, env=environment,
        capture_output=True, text=True,
    )  # fmt: skip
    assert loaded.returncode == 0, loaded.stdout + loaded.stderr[-2000:]

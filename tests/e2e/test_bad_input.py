"""What a person does wrong at first: each gives one clear error, leaves nothing half-written, and a re-run completes."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from small_study import BEFORE_RELEASE, SMALL_STUDY, write_study

from depsim_dagster.cli import main
from depsim_dagster.replay.calls.embedded import EmbeddedServer

KEY = "sandbox-key-7f3a"
FEW_TURNS = {"sampling": {"turns_per_week": 12}}


def depsim(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def over_http(base_url: str, **more: object) -> dict:
    """The small study's endpoint as a server that somebody else runs."""
    return {"endpoints": {"sandbox": {"kind": "openai", "base_url": base_url, **more}}, **FEW_TURNS}


@pytest.fixture(scope="module")
def guarded_server(small_world: Path) -> Iterator[EmbeddedServer]:
    """The sandbox behind an API key."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SANDBOX_KEY", KEY)
        with EmbeddedServer(
            ["--world", str(small_world / "world.json"), "--api-key-env", "SANDBOX_KEY"]
        ) as server:
            yield server


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPSIM_HMAC_KEY", "a-test-key-that-is-long-enough")
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.delenv("DEPSIM_STUDY", raising=False)


def tables(directory: Path) -> set[str]:
    """Lake tables that hold a published partition."""
    return {
        path.relative_to(directory / "store").parts[0]
        for path in (directory / "store").rglob("_manifest.json")
    }


def test_no_study_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = depsim("study", "run")
    assert result.exit_code == 1
    assert "study.yaml: no such study file" in result.output and "depsim demo" in result.output


def test_unreachable_endpoint_stops_before_any_work(tmp_path, small_world):
    file = write_study(tmp_path, small_world, **over_http("http://127.0.0.1:9/v1"))
    result = depsim("study", "run", "-c", file)
    assert result.exit_code == 1
    assert "endpoint `sandbox` is unreachable at http://127.0.0.1:9/v1" in result.output
    assert tables(tmp_path) == set()


def test_wrong_key_names_the_variable_and_not_the_key(tmp_path, small_world, guarded_server, monkeypatch):
    file = write_study(tmp_path, small_world, **over_http(guarded_server.base_url, api_key_env="MY_KEY"))
    monkeypatch.delenv("MY_KEY", raising=False)
    unset = depsim("study", "run", "-c", file)
    assert unset.exit_code == 1 and "environment variable MY_KEY is not set" in unset.output
    monkeypatch.setenv("MY_KEY", "wrong-key-5d1c")
    wrong = depsim("study", "run", "-c", file)
    assert wrong.exit_code == 1
    assert (
        "refuses the key" in wrong.output
        and "MY_KEY" in wrong.output
        and "wrong-key-5d1c" not in wrong.output
    )
    assert tables(tmp_path) == set()


def test_unknown_model_names_what_the_endpoint_has(tmp_path, small_world):
    study = {**SMALL_STUDY["deployments"][1], "served_as": "sandbox-v9"}
    file = write_study(tmp_path, small_world, deployments=[SMALL_STUDY["deployments"][0], study], **FEW_TURNS)
    result = depsim("study", "run", "-c", file)
    assert result.exit_code == 1
    assert "does not know the model `sandbox-v9`" in result.output and "sandbox-v2" in result.output
    assert tables(tmp_path) == set()


def test_truncated_traffic_file_then_whole_again(tmp_path, small_world):
    file = write_study(tmp_path, small_world, weeks=BEFORE_RELEASE, **FEW_TURNS)
    (tmp_path / "traffic").unlink()
    shutil.copytree(small_world / "traffic", tmp_path / "traffic")
    broken = tmp_path / "traffic" / "week=2026-01-12.parquet"
    whole = broken.read_bytes()
    broken.write_bytes(whole[: len(whole) // 2])
    result = depsim("study", "run", "-c", file)
    assert result.exit_code == 1
    assert f"{broken}: not a readable Parquet file" in result.output
    # The whole logs before it are indexed, which holds no text; nothing is sampled.
    assert tables(tmp_path) <= {"turn_index", "ingested_files", "rejected_records"}
    broken.write_bytes(whole)
    again = depsim("study", "run", "-c", file)
    assert again.exit_code == 0, again.output
    status = depsim("study", "status", "-c", file)
    assert "7 of 7 partitions published" in status.output


def test_empty_week_is_skipped_and_said_so(tmp_path, small_world):
    """Traffic of one of the two forecast weeks is missing: the other one carries the forecast."""
    file = write_study(
        tmp_path, small_world, windows={"forecast_weeks": 2, "observation_weeks": 1}, **FEW_TURNS
    )
    (tmp_path / "traffic").unlink()
    shutil.copytree(small_world / "traffic", tmp_path / "traffic")
    (tmp_path / "traffic" / "week=2026-01-05.parquet").unlink()
    result = depsim("study", "run", "-c", file)
    assert result.exit_code == 0, result.output
    assert "skipped traffic [2026-01-05]" in result.output and "no eligible user turn" in result.output
    status = depsim("study", "status", "-c", file)
    assert "open" in status.output


def test_traffic_of_unknown_format_version_is_one_error(tmp_path, small_world):
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = write_study(tmp_path, small_world, **FEW_TURNS)
    (tmp_path / "traffic").unlink()
    (tmp_path / "traffic").mkdir()
    pq.write_table(pa.table({"id": ["x"], "text": ["secret words"]}), tmp_path / "traffic" / "other.parquet")
    result = depsim("study", "run", "-c", file)
    assert result.exit_code == 1
    assert "other.parquet: no column conversation_id" in result.output and "secret words" not in result.output


def test_doctor_reports_each_part(tmp_path, small_world):
    file = write_study(tmp_path, small_world)
    healthy = depsim("doctor", "-c", file)
    assert healthy.exit_code == 0, healthy.output
    for part in (
        "study file",
        "traffic and consent",
        "gate suites",
        "endpoint sandbox",
        "store",
        "dbt project",
    ):
        assert part in healthy.output
    broken = yaml.safe_load(file.read_text())
    broken["traffic"]["consent"]["ledger"] = "nowhere.parquet"
    file.write_text(yaml.safe_dump(broken))
    sick = depsim("doctor", "-c", file)
    assert sick.exit_code == 1 and "nothing matches" in sick.output and "nowhere.parquet" in sick.output

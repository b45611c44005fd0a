"""A server that is down, then fails some calls, then is well: no forecast of an outage, and a study that can be run again."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from small_study import TWO_WEEKS, write_study

from depsim_dagster.cli import main
from depsim_dagster.config import load_study
from depsim_dagster.grading.schema import GRADED_LABELS
from depsim_dagster.registry.schema import REGISTERED_FORECASTS
from depsim_dagster.registry.seal import verified_forecast
from depsim_dagster.replay.calls.embedded import EmbeddedServer
from depsim_dagster.study import Study


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPSIM_HMAC_KEY", "a-test-key-that-is-long-enough")
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.delenv("DEPSIM_STUDY", raising=False)


def run_against(directory: Path, world: Path, failing: float) -> tuple[Result, Study]:
    """`depsim study run` while the server answers a share of the calls with HTTP 500."""
    with EmbeddedServer(["--world", str(world / "world.json"), "--rate-5xx", str(failing)]) as server:
        endpoint = {"kind": "openai", "base_url": server.base_url, "max_attempts": 1}
        file = write_study(
            directory,
            world,
            weeks=TWO_WEEKS,
            endpoints={"sandbox": endpoint},
            sampling={"turns_per_week": 40},
        )
        return CliRunner().invoke(main, ["study", "run", "-c", str(file)]), Study(load_study(file))


def unlabelled(study: Study) -> int:
    labels = study.lake.read(GRADED_LABELS, {"week": "2026-01-12", "model": "sandbox-v2"}).to_pandas()
    return int((labels["status"] != "graded").sum())


def test_an_outage_is_not_sealed_and_failed_calls_do_not_block_a_later_run(tmp_path, small_world):
    down, study = run_against(tmp_path, small_world, failing=1.0)
    assert down.exit_code == 1
    assert "800 of 800 labels of its forecast window (2026-01-12) are missing" in down.output
    assert study.lake.published(REGISTERED_FORECASTS) == []

    shaky, study = run_against(tmp_path, small_world, failing=0.2)
    assert shaky.exit_code == 0, shaky.output
    sealed = verified_forecast(study.lake, "sandbox-v2")
    missing = unlabelled(study)
    assert missing > 0 and set(sealed.column("missing").to_pylist()) == {missing // 20}

    # The outcome is graded: answers that come now belong to no forecast any more.
    well, study = run_against(tmp_path, small_world, failing=0.0)
    assert well.exit_code == 0, well.output
    assert verified_forecast(study.lake, "sandbox-v2").equals(sealed) and unlabelled(study) == missing

"""A study whose process is killed in the middle of its calls: the next run finishes it and pays only for what was in flight."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from pathlib import Path

import dagster as dg
from click.testing import CliRunner
from small_study import REPOSITORY, TWO_WEEKS, write_study

from depsim_dagster.cli import main
from depsim_dagster.config import load_study
from depsim_dagster.replay.calls.embedded import EmbeddedServer
from depsim_dagster.replay.journal.response_journal import FLUSH_ROWS
from depsim_dagster.replay.schema import REGENERATED_COMPLETIONS
from depsim_dagster.study import Study

TURNS, IN_FLIGHT = 180, 16
DEADLINE_S = 120


def answered(server: EmbeddedServer) -> int:
    with urllib.request.urlopen(server.base_url.removesuffix("/v1") + "/sandbox/stats") as response:
        return sum(json.load(response)["completions_by_model"].values())


def start(study_file: Path) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-m", "depsim_dagster.cli", "study", "run", "-c", str(study_file)]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def test_killed_study_is_finished_by_the_next_run(tmp_path, small_world, monkeypatch):
    monkeypatch.setenv("DEPSIM_HMAC_KEY", "a-test-key-that-is-long-enough")
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.delenv("DEPSIM_STUDY", raising=False)
    with EmbeddedServer(["--world", str(small_world / "world.json"), "--latency-ms", "20"]) as server:
        endpoint = {"kind": "openai", "base_url": server.base_url, "max_in_flight": IN_FLIGHT}
        study_file = write_study(
            tmp_path,
            small_world,
            weeks=TWO_WEEKS,
            endpoints={"sandbox": endpoint},
            sampling={"turns_per_week": TURNS},
        )
        killed = start(study_file)
        deadline = time.monotonic() + DEADLINE_S
        # So late that a journal which lost everything would cost more than the bound below.
        while answered(server) < 3 * TURNS and killed.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
        before = answered(server)
        assert IN_FLIGHT + FLUSH_ROWS < 3 * TURNS <= before < 5 * TURNS, "the kill was to hit the calls"

        # The same command in this process, which has imported everything.
        finished = CliRunner().invoke(main, ["study", "run", "-c", str(study_file)])
        assert finished.exit_code == 0, finished.output
        total = answered(server)

    study = Study(load_study(study_file))
    for model in ("sandbox-v1", "sandbox-v2"):
        rows = study.lake.read(REGENERATED_COMPLETIONS, {"week": "2026-01-12", "model": model}).to_pandas()
        assert len(rows) == TURNS and rows["turn_id"].is_unique
        assert set(rows["status"]) == {"ok"}
    with dg.DagsterInstance.from_config(str(tmp_path / "dagster_home")) as instance:
        states = Counter(record.status for record in instance.get_runs())
    # The run that was killed does not look as if it were still at work.
    assert states.pop(dg.DagsterRunStatus.FAILURE) == 1 and set(states) == {dg.DagsterRunStatus.SUCCESS}
    # Two models on one week, both graded, and the production of two weeks.
    needed = 2 * TURNS + 2 * TURNS + 2 * TURNS
    assert needed <= total <= needed + IN_FLIGHT + FLUSH_ROWS

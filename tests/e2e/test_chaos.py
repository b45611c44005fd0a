"""A replay under planted faults whose process is killed again and again: the table is whole, and little is paid twice."""

import json
import subprocess
import sys

from small_study import REPOSITORY

from depsim_dagster.replay.journal.response_journal import FLUSH_ROWS

CALLS, KILLS, IN_FLIGHT = 1200, 3, 32


def test_replay_survives_faults_and_kills():
    command = [sys.executable, str(REPOSITORY / "benchmarks" / "chaos.py")]
    options = {
        "calls": CALLS,
        "kills": KILLS,
        "in-flight": IN_FLIGHT,
        "timeout": 1.5,
        "seed": 3,
    }
    command += [part for name, value in options.items() for part in (f"--{name}", str(value))]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stdout + run.stderr
    found = json.loads(run.stdout)
    assert (found["rows"], found["missing"], found["duplicates"]) == (CALLS, 0, 0)
    assert found["kills"] == KILLS and set(found["faults"]) == {
        "429",
        "5xx",
        "reset",
        "late_reset",
        "truncated",
        "invalid_json",
        "timeout",
        "slow",
    }
    # A journal that lost everything would have every answer before a kill repeated.
    bound = KILLS * (IN_FLIGHT + FLUSH_ROWS)
    assert found["repeated_requests"] <= bound < sum(found["kills_after_answers"])

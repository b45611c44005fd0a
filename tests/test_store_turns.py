"""Runs share a store; an erasure has it alone, waits for the runs that are in, and is not overtaken by later ones."""

import subprocess
import sys
import threading

import pytest
from small_study import REPOSITORY

from depsim_dagster.errors import LakeError
from depsim_dagster.store_turns import alone, at_work

RUN = """
import sys
from depsim_dagster.store_turns import at_work
with at_work(sys.argv[1]):
    print("in", flush=True)
    sys.stdin.read()
"""
ERASURE = """
import sys
from depsim_dagster.store_turns import alone
with alone(sys.argv[1], on_wait=lambda: print("waits", flush=True)):
    print("alone", flush=True)
"""


def process(code: str, root) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", code, str(root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": str(REPOSITORY)},
    )


def test_an_erasure_waits_for_the_runs_that_are_in(tmp_path):
    with process(RUN, tmp_path) as first, process(RUN, tmp_path) as second:
        assert (first.stdout.readline(), second.stdout.readline()) == ("in\n", "in\n")
        with process(ERASURE, tmp_path) as erasure:
            assert erasure.stdout.readline() == "waits\n"
            first.communicate("")
            second.communicate("")
            assert erasure.stdout.readline() == "alone\n"


def test_a_run_that_comes_while_an_erasure_waits_is_behind_it(tmp_path):
    with process(RUN, tmp_path) as first:
        first.stdout.readline()
        with process(ERASURE, tmp_path) as erasure:
            assert erasure.stdout.readline() == "waits\n"
            with process(RUN, tmp_path) as later:
                came = []
                reader = threading.Thread(target=lambda: came.append(later.stdout.readline()))
                reader.start()
                first.communicate("")
                assert erasure.stdout.readline() == "alone\n"
                erasure.wait()
                reader.join()
                assert came == ["in\n"]
                later.communicate("")


def test_a_killed_run_lets_go(tmp_path):
    with process(RUN, tmp_path) as run:
        run.stdout.readline()
        run.kill()
        run.wait()
    waited = []
    with alone(tmp_path, lambda: waited.append(True)):
        assert waited == []


def test_a_run_that_starts_runs_enters_again(tmp_path):
    with (
        at_work(tmp_path),
        at_work(tmp_path),
        pytest.raises(LakeError, match="a run of this process is at work"),
        alone(tmp_path),
    ):
        pass
    with alone(tmp_path):
        pass

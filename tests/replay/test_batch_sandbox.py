"""Batch mode against the sandbox server in its own process, in both dialects that go in batches."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request

import pytest
from small_study import write_study

from depsim_dagster import doctor
from depsim_dagster.config import load_study
from depsim_dagster.config_sections import BatchConfig
from depsim_dagster.replay.calls import in_flight
from depsim_dagster.replay.calls.endpoints import Endpoint
from depsim_dagster.replay.calls.engine import complete_calls
from depsim_dagster.replay.dialects.apis import model_call, request_body
from depsim_dagster.replay.journal.response_journal import Journal
from depsim_dagster.sandbox.world import World
from depsim_dagster.study import Study


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    """The address of a server whose batches expire, are cancelled and fail in part."""
    world = tmp_path_factory.mktemp("world") / "world.json"
    World(seed=11, weeks=4, conversations_per_week=20, releases={"sandbox-v1": 0, "sandbox-v2": 1}).save(
        world
    )
    options = ["--batch-fates", "expired:0.5,completed,token_limit,cancelled:0.3", "--batch-rate-5xx", "0.1"]
    command = [
        sys.executable,
        "-m",
        "depsim_dagster.sandbox",
        "serve",
        "--exit-with-parent",
        "--world",
        str(world),
    ]
    process = subprocess.Popen([*command, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield json.loads(process.stdout.readline())["base_url"]
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_the_answers_are_those_of_online_mode(sandbox, tmp_path, monkeypatch, api):
    monkeypatch.setattr(in_flight, "FIRST_BACKOFF_S", 0.01)
    online = Endpoint("local", sandbox, api=api)
    batch = BatchConfig(requests_per_file=15, poll_seconds=0.05)
    calls = []
    for i in range(60):
        message = {"role": "user", "content": f"Make a training plan for rowing. There are {i} of us."}
        calls.append(model_call(online, request_body(online, "sandbox-v2", [message]), 0))
    journals = {}
    for mode, endpoint in (("online", online), ("batch", Endpoint("local", sandbox, api=api, batch=batch))):
        journals[mode] = Journal(tmp_path / mode)
        assert complete_calls(endpoint, calls, journals[mode]).requested == 60

    def kept(mode):
        rows = journals[mode].outcomes().read_all().to_pylist()
        return {row["request_id"]: (row["status"], row["completion"], row["prompt_tokens"]) for row in rows}

    assert kept("batch") == kept("online") and len(kept("batch")) == 60
    with urllib.request.urlopen(sandbox.replace("/v1", "/sandbox/batches"), timeout=10) as response:
        told = json.load(response)
    answered = {call.request_id: told["answers"][call.request_id] for call in calls}
    assert set(answered.values()) == {1} and told["files"] == 0


def test_doctor_says_whether_an_endpoint_takes_batches(server, sandbox, small_world, tmp_path):
    def found(name, base_url):
        endpoint = {"kind": "openai", "base_url": base_url, "batch": {}}
        study = Study(load_study(write_study(tmp_path / name, small_world, endpoints={"sandbox": endpoint})))
        return doctor._check("endpoint", lambda: doctor._endpoint(study, "sandbox"))

    server.models = {"sandbox-v1", "sandbox-v2", "sandbox-grader"}
    without = found("without", server.base_url)
    assert (
        not without.passed
        and "has no Files and Batches" in without.detail
        and "remove `batch`" in without.detail
    )
    able = found("able", sandbox)
    assert able.passed and able.detail.endswith("and takes batches")

"""Worker processes: the same rows as from one process, whoever dies, and nothing private outside the pipes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from fault_server import KEY
from test_replay_engine import PRIVATE, assert_silent

from depsim_dagster.errors import EndpointError, LakeError
from depsim_dagster.replay.calls import in_flight
from depsim_dagster.replay.calls.engine import complete_calls
from depsim_dagster.replay.dialects.requests import ModelCall
from depsim_dagster.replay.journal.claims import Subject
from depsim_dagster.replay.journal.response_journal import FLUSH_ROWS, Journal

pytestmark = pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks at processes in /proc")


@pytest.fixture
def started(monkeypatch):
    """Process ids of the workers, as they are started."""
    pids: list[int] = []
    spawn = asyncio.create_subprocess_exec

    async def noted(*arguments, **options):
        process = await spawn(*arguments, **options)
        pids.append(process.pid)
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", noted)
    return pids


def kept(journal: Journal) -> list[dict]:
    return journal.outcomes().read_all().to_pylist()


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False


def test_workers_keep_what_one_process_would(server, endpoint, journal, call, tmp_path, started):
    plans = [
        f"[{plan}] {i}"
        for i in range(12)
        for plan in ("ok", "500 ok", "refusal", "400", "nochoices", "length")
    ]
    subject = [Subject("2026-01-05", f"turn {i}", "user") for i in range(len(plans))]
    calls = [ModelCall(c.request_id, c.body, s) for c, s in zip(map(call, plans), subject, strict=True)]
    reports = []
    done = complete_calls(
        endpoint(workers=2), [*calls, calls[0]], journal, progress=lambda *seen: reports.append(seen)
    )
    alone = Journal(tmp_path / "alone")
    server.hits.clear()
    same = complete_calls(endpoint(), [*calls, calls[0]], alone)
    columns = ("request_id", "status", "completion", "error_code", "attempts", "prompt_tokens")
    assert sorted(tuple(row[c] for c in columns) for row in kept(journal)) == sorted(
        tuple(row[c] for c in columns) for row in kept(alone)
    )
    assert len(started) == 2 and not any(map(alive, started))
    for name in ("requested", "reused", "sent", "retries", "by_status", "prompt_tokens", "completion_tokens"):
        assert getattr(done, name) == getattr(same, name), name
    assert reports[-1] == (73, 73)


def test_the_limit_holds_over_all_workers(server, endpoint, journal, call):
    server.latency_s = 0.02
    complete_calls(endpoint(workers=2, max_in_flight=7), [call(str(i)) for i in range(100)], journal)
    assert 3 < server.most_at_once <= 7 and len(kept(journal)) == 100


def test_a_worker_that_is_killed_loses_nothing(server, endpoint, journal, call, started):
    n, max_in_flight = 700, 8
    server.latency_s = 0.005

    def kill() -> None:
        server.wait_for(300)
        os.kill(started[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    calls = [call(f"prompt {i}") for i in range(n)]
    done = complete_calls(endpoint(workers=2, max_in_flight=max_in_flight), calls, journal)
    killer.join()
    assert len(started) == 3 and (done.sent, done.by_status) == (n, {"ok": n})
    assert len(kept(journal)) == n == len(server.hits)
    repeated = Counter(server.hits.values())
    assert set(repeated) <= {1, 2} and repeated[2] <= max_in_flight + FLUSH_ROWS


def test_workers_that_keep_dying_end_the_run(server, endpoint, journal, call, started, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(EndpointError, match="exit code 1"):
        complete_calls(endpoint(workers=2), [call("x")], journal)
    assert len(started) <= 8


@pytest.mark.parametrize("plan", ["401", "404model"])
def test_what_would_fail_every_call_ends_the_run_once(server, endpoint, journal, call, started, plan):
    calls = [call(f"[{plan}] {PRIVATE} {i}") for i in range(300)]
    settings = endpoint(api_key=KEY, api_key_env="MY_KEY", workers=2)
    with pytest.raises(EndpointError) as caught:
        complete_calls(settings, calls, journal)
    assert ("MY_KEY" if plan == "401" else "`m`") in str(caught.value)
    assert_silent(caught.value)
    assert server.requests <= 2 * 8 and not any(map(alive, started))


def test_no_server_ends_the_run(endpoint, journal, call, monkeypatch):
    lost = endpoint(base_url="http://127.0.0.1:9/v1", workers=2, max_attempts=1)
    with pytest.raises(EndpointError, match="unreachable"):
        complete_calls(lost, [call(str(i)) for i in range(5)], journal)


def test_a_journal_that_cannot_be_written_ends_the_run(server, endpoint, journal, call):
    def calls():
        for i in range(3000):
            if i == 700:
                journal.directory.rename(journal.directory.with_name("away"))
            yield call(str(i))

    with pytest.raises(LakeError, match="not on disk|cannot be"):
        complete_calls(endpoint(workers=2), calls(), journal)


def test_key_and_conversations_go_through_the_pipes_alone(
    server, endpoint, journal, call, started, tmp_path, capfd
):
    server.key = KEY
    seen = []

    def look() -> None:
        server.wait_for(2)
        for pid in started:
            seen.append(Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes())

    looker = threading.Thread(target=look)
    looker.start()
    calls = [call(f"[stall] {PRIVATE} {i}") for i in range(2)] + [call(PRIVATE)]
    complete_calls(endpoint(api_key=KEY, workers=2, request_timeout_s=1.0, max_attempts=1), calls, journal)
    looker.join()
    assert len(seen) == 2 and not any(KEY.encode() in text or PRIVATE.encode() in text for text in seen)
    files = [path for path in journal.directory.rglob("*") if path.is_file() and path.suffix != ".parquet"]
    assert not any(
        PRIVATE.encode() in path.read_bytes() or KEY.encode() in path.read_bytes() for path in files
    )
    output = "".join(capfd.readouterr())
    assert KEY not in output and PRIVATE not in output


CHILD = """
import signal, sys
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)
from depsim_dagster.replay.calls.endpoints import Endpoint
from depsim_dagster.replay.calls.engine import complete_calls
from depsim_dagster.replay.journal.response_journal import Journal
from depsim_dagster.replay.dialects.requests import CHAT_PATH, ModelCall, chat_request, request_id
base_url, directory, n = sys.argv[1:]
def calls():
    for i in range(int(n)):
        body = chat_request("m", [{"role": "user", "content": f"prompt {i}"}])
        yield ModelCall(request_id("local", CHAT_PATH, body, 0), body)
endpoint = Endpoint("local", base_url, max_in_flight=8, workers=2)
complete_calls(endpoint, calls(), Journal(Path(directory)))
"""


def start_child(server, directory: Path, n: int) -> subprocess.Popen:
    arguments = [sys.executable, "-c", CHILD, server.base_url, str(directory), str(n)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.Popen(arguments, env=environment, stderr=subprocess.PIPE, start_new_session=True)


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def gone(pids: list[int]) -> bool:
    until = time.monotonic() + 20
    while any(map(alive, pids)) and time.monotonic() < until:
        threading.Event().wait(0.05)
    return not any(map(alive, pids))


def test_the_parents_death_ends_the_workers_and_a_rerun_completes(server, tmp_path):
    server.latency_s = 0.005
    n = 700
    child = start_child(server, tmp_path, n)
    server.wait_for(200)
    workers = children(child.pid)
    child.kill()
    child.wait(10)
    child.stderr.close()
    assert len(workers) == 2 and gone(workers)
    assert server.requests < n
    # The workers wrote what they had: only what was in flight is missing.
    assert server.requests - len(kept(Journal(tmp_path))) <= 8
    again = start_child(server, tmp_path, n)
    assert again.wait(60) == 0
    again.stderr.close()
    repeated = Counter(server.hits.values())
    assert (
        len(server.hits) == n == len(kept(Journal(tmp_path))) and set(repeated) <= {1, 2} and repeated[2] <= 8
    )


def test_an_interrupt_loses_only_what_was_in_flight(server, tmp_path):
    server.latency_s = 0.005
    child = start_child(server, tmp_path, 5000)
    server.wait_for(300)
    workers = children(child.pid)
    os.killpg(child.pid, signal.SIGINT)  # as a terminal does: to the whole group
    assert child.wait(30) != 0
    assert b"KeyboardInterrupt" in child.stderr.read()
    child.stderr.close()
    assert gone(workers) and server.requests - len(kept(Journal(tmp_path))) <= 8


@pytest.fixture(autouse=True)
def short_backoff(monkeypatch):
    monkeypatch.setattr(in_flight, "FIRST_BACKOFF_S", 0.01)

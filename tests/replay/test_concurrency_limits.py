"""Limits as a server sees them: one that admits so many at a time, several runs and processes at one endpoint."""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from limited_server import LimitedServer
from test_replay_engine import start_child

from depsim_dagster.replay.calls import in_flight, shared_limits
from depsim_dagster.replay.calls.concurrency import EndpointLimits
from depsim_dagster.replay.calls.endpoint_gate import EndpointGate
from depsim_dagster.replay.calls.engine import complete_calls, run_calls
from depsim_dagster.replay.calls.exchange import TIMEOUT, Reply
from depsim_dagster.replay.calls.shared_limits import SharedLimits, limits_directory
from depsim_dagster.replay.journal.response_journal import Journal, journal_directory


@pytest.fixture(autouse=True)
def short_backoff(monkeypatch):
    monkeypatch.setattr(in_flight, "FIRST_BACKOFF_S", 0.02)


@pytest.fixture
def limited(request):
    server = LimitedServer(**request.param)
    yield server
    server.close()


@pytest.mark.parametrize("limited", [{"admits": 6}], indirect=True)
def test_the_window_finds_what_the_server_takes(limited, endpoint, journal, call):
    limited.latency_s = 0.02
    settings = endpoint(base_url=limited.base_url, max_in_flight=32, max_attempts=50)
    done = complete_calls(settings, (call(str(i)) for i in range(500)), journal)
    assert done.by_status == {"ok": 500}
    late = limited.crowd[250:]
    assert sum(late) / len(late) > 3  # no collapse below what the server takes
    # Of the first wave 26 are refused, of the next one or two about half; after that one in several rounds.
    assert 26 <= limited.refused < 80
    assert done.retries == limited.refused


@pytest.mark.parametrize("limited", [{"bucket": (40, 100)}], indirect=True)
def test_rate_headers_are_heeded_before_a_429(limited, endpoint, journal, call):
    limited.latency_s = 0.01
    settings = endpoint(base_url=limited.base_url, max_in_flight=32, max_attempts=50)
    complete_calls(settings, (call(str(i)) for i in range(120)), journal)
    heeding = limited.refused
    limited.silent, limited.refused = True, 0
    complete_calls(settings, (call(f"again {i}") for i in range(120)), journal)
    assert limited.refused > 5 and heeding <= limited.refused / 4


def test_a_server_that_says_nothing_is_left_for_years_is_asked_one_at_a_time(server, endpoint, journal, call):
    server.latency_s = 0.01

    async def main():
        async with asyncio.timeout(10):
            calls = [call("[left0] first"), *(call(f"[left0] {i}") for i in range(20))]
            await run_calls(endpoint(), calls, journal)

    asyncio.run(main())
    ends = sorted(at for arrivals in server.arrivals.values() for at in arrivals)
    assert len(ends) == 21 and ends[-1] - ends[8] >= 12 * 0.01


def test_requests_per_minute_are_kept_to(server, endpoint, journal, call):
    settings = endpoint(max_in_flight=16, requests_per_minute=1200)  # 20 at once, 20 a second
    complete_calls(settings, (call(str(i)) for i in range(50)), journal)
    times = sorted(at for arrivals in server.arrivals.values() for at in arrivals)
    assert times[-1] - times[0] >= (50 - 20) / 20


def test_tokens_per_minute_are_reckoned_from_the_body_and_corrected_by_usage(
    server, endpoint, tmp_path, call
):
    text = "x" * 3800  # reckoned at about 970 tokens, used: 10
    settings = endpoint(max_in_flight=1, tokens_per_minute=120_000)  # 2000 at once, 2000 a second
    complete_calls(settings, (call(f"{i} {text}") for i in range(12)), Journal(tmp_path / "one"))
    times = sorted(at for arrivals in server.arrivals.values() for at in arrivals)
    assert times[-1] - times[0] < 4  # without the correction it would be 5 s
    server.arrivals.clear()
    server.latency_s = 0.6
    settings = endpoint(max_in_flight=12, tokens_per_minute=120_000)
    complete_calls(
        settings, (call(f"{i} {text}", sample_index=1) for i in range(5)), Journal(tmp_path / "two")
    )
    times = sorted(at for arrivals in server.arrivals.values() for at in arrivals)
    assert times[-1] - times[0] > 0.3  # five at once would be 4850 tokens


def test_a_retry_after_pauses_every_run_of_the_store(server, endpoint, tmp_path, call):
    server.latency_s = 0.02

    async def both():
        journals = [Journal(journal_directory(tmp_path, "local", model)) for model in ("m1", "m2")]
        plain = [call(f"plain {i}") for i in range(250)]
        pausing = [call("[ok] first"), call("[429:1.5 ok]"), *(call(f"other {i}") for i in range(5))]
        await asyncio.gather(
            run_calls(endpoint(max_in_flight=2), plain, journals[0]),
            run_calls(endpoint(max_in_flight=2), pausing, journals[1]),
        )

    asyncio.run(both())
    first, second = server.arrivals["[429:1.5 ok]"]
    assert second - first >= 1.5
    plain = [at for text, arrivals in server.arrivals.items() if text.startswith("plain") for at in arrivals]
    assert any(at < first for at in plain) and any(at >= first + 1.5 for at in plain)
    assert not [at for at in plain if first + 0.75 < at < first + 1.5]


def test_processes_together_stay_within_the_limit(server, tmp_path):
    server.latency_s = 0.02
    directories = [journal_directory(tmp_path, "local", f"m{i}") for i in range(2)]
    children = [start_child(server, directory, 250 + i, 8) for i, directory in enumerate(directories)]
    assert [child.wait(40) for child in children] == [0, 0]
    assert server.requests == 501
    assert 4 < server.most_at_once <= 8
    assert not list(limits_directory(directories[0], "local").glob("*.alive"))


HOLDER = """
import asyncio, sys
from pathlib import Path
from depsim_dagster.replay.calls.concurrency import EndpointLimits
from depsim_dagster.replay.calls.shared_limits import SharedLimits
shared = SharedLimits(Path(sys.argv[1]), EndpointLimits(8))
asyncio.run(shared.join(EndpointLimits(8)))
with shared.exchange() as limits:
    limits.allot(shared.key, 8, 8, 0.0)
print("holds", flush=True)
sys.stdin.read()
"""


def test_the_slots_of_a_dead_process_come_back(tmp_path):
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert child.stdout.readline() == b"holds\n"
    shared = SharedLimits(tmp_path, EndpointLimits(8))
    asyncio.run(shared.join(EndpointLimits(8)))
    with shared.exchange() as limits:
        assert len(limits.rows) == 2 and limits.allot(shared.key, 0, 8, 0.0) == 0
    child.kill()
    child.communicate()
    with shared.exchange() as limits:
        assert list(limits.rows) == [shared.key] and limits.allot(shared.key, 0, 8, 0.0) == 8
    shared.leave()
    assert {path.name for path in tmp_path.iterdir()} <= {"state.json"}


def test_a_spoilt_state_file_is_begun_anew(server, endpoint, journal, call):
    directory = limits_directory(journal.directory, "local")
    directory.mkdir(parents=True)
    for i, content in enumerate((b"", b"[1]", b'{"window": "wide"}', b"[" * 100_000, b"9" * 2**21)):
        (directory / "state.json").write_bytes(content)
        assert complete_calls(endpoint(), [call(f"call {i}")], journal).by_status == {"ok": 1}


def test_what_stands_in_place_of_the_state_is_left_alone(tmp_path):
    directory, foreign = tmp_path / "limits", tmp_path / "foreign"
    foreign.write_text("precious")
    shared = SharedLimits(directory, EndpointLimits(8))
    asyncio.run(shared.join(EndpointLimits(8)))

    def granted() -> int:
        with shared.exchange() as limits:
            return limits.allot(shared.key, 0, 8, 0.0)

    for name in ("state.json", "state.json.new"):
        (directory / name).unlink(missing_ok=True)
        (directory / name).symlink_to(foreign)
        assert granted() == 8
        (directory / name).unlink(missing_ok=True)
        os.mkfifo(directory / name)  # who reads or writes it plainly waits for ever
        assert granted() == 8
        (directory / name).unlink(missing_ok=True)
    assert foreign.read_text() == "precious"
    for number in ("NaN", "Infinity", "-Infinity", "1e999", "-1e999", '"8"', "null", "[]"):
        (directory / "state.json").write_text(SPOILT.replace("?", number))
        with shared.exchange() as limits:
            assert 1 <= limits.window.size <= 8 and limits.paused_until == limits.paused_until
        assert granted() >= 1
    shared.leave()


# Every number that a state has is `?`.
SPOILT = """{"window": {"size": ?, "background": ?, "on_trial": 0, "epoch": ?, "replies": ?, "refusals": ?,
"rounds_uncut": ?}, "paused_until": ?, "buckets": {}, "processes": {"x": [?, ?]}}"""


def test_a_busy_lock_is_not_waited_for_during_a_run(tmp_path):
    shared = SharedLimits(tmp_path, EndpointLimits(8))
    asyncio.run(shared.join(EndpointLimits(8)))
    other = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    with shared.exchange() as limits:
        assert limits is None
    os.close(other)
    with shared.exchange() as limits:
        assert limits is not None
    shared.leave()


def test_without_locks_each_process_keeps_to_the_limits_and_says_so_once(
    server, endpoint, journal, call, monkeypatch, caplog
):
    flock = fcntl.flock

    def refuse(descriptor, operation):
        if "_limits" in os.readlink(f"/proc/self/fd/{descriptor}"):
            raise OSError(95, "Operation not supported")
        flock(descriptor, operation)

    monkeypatch.setattr(shared_limits.fcntl, "flock", refuse)
    server.latency_s = 0.01
    with caplog.at_level(logging.WARNING):
        for run in range(2):
            calls = [call(f"{run} {i}") for i in range(40)]
            assert complete_calls(endpoint(max_in_flight=4), calls, journal).sent == 40
    assert server.most_at_once <= 4
    assert len([record for record in caplog.records if "cannot be shared" in record.message]) == 1


def test_the_state_on_disk_holds_no_text(server, endpoint, journal, call):
    complete_calls(endpoint(api_key="sk-secret"), [call("my private words")], journal)
    files = [path for path in limits_directory(journal.directory, "local").rglob("*") if path.is_file()]
    assert files
    assert not any(b"private" in path.read_bytes() or b"sk-secret" in path.read_bytes() for path in files)


def test_many_time_outs_in_a_row_narrow_the_window_and_single_ones_do_not(endpoint, tmp_path):
    async def size_after(*replies: Reply) -> float:
        async with EndpointGate(endpoint(max_in_flight=16), tmp_path) as gate:
            for reply in replies:
                gate.end(gate.begin(100), reply)
        return json.loads((tmp_path / "state.json").read_bytes())["window"]["size"]

    lost, answered = Reply(code=TIMEOUT, repeatable=True), Reply(200)
    assert asyncio.run(size_after(*[lost] * 16)) == 8
    assert asyncio.run(size_after(*[lost, lost, answered] * 16)) == 16

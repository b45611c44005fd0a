from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from fault_server import KEY, completion, tool_call

from depsim_dagster.errors import EndpointError, LakeError
from depsim_dagster.replay.calls import call_intake, exchange, in_flight
from depsim_dagster.replay.calls.engine import complete_calls, run_calls
from depsim_dagster.replay.calls.in_flight import backoff
from depsim_dagster.replay.dialects.outcomes import read_completion
from depsim_dagster.replay.dialects.requests import ModelCall
from depsim_dagster.replay.journal.response_journal import FLUSH_ROWS, Journal

PRIVATE = "my private words"


@pytest.fixture(autouse=True)
def short_backoff(monkeypatch):
    monkeypatch.setattr(in_flight, "FIRST_BACKOFF_S", 0.01)


def kept(journal: Journal) -> list[dict]:
    return journal.outcomes().read_all().to_pylist()


@pytest.mark.parametrize(
    ("plan", "status", "finish_reason", "error_code"),
    [
        ("ok", "ok", "stop", None),
        ("parts", "ok", "stop", None),
        ("reasoning", "ok", "stop", None),
        ("tool", "ok", "tool_calls", None),
        ("tool_dict", "ok", "tool_calls", None),
        ("tool_blank", "ok", "tool_calls", None),
        ("surrogate", "ok", "stop", None),
        ("empty", "empty", "stop", None),
        ("blank", "empty", "stop", None),
        ("null", "empty", "stop", None),
        ("length", "truncated", "length", None),
        ("length_badargs", "truncated", "length", None),
        ("filter", "filtered", "content_filter", None),
        ("400filter", "filtered", None, "content_filter"),
        ("refusal", "refused", "stop", None),
        ("badargs", "malformed", "tool_calls", "tool_call_arguments"),
        ("listargs", "malformed", "tool_calls", "tool_call_arguments"),
        ("toolstring", "malformed", "tool_calls", "tool_call_arguments"),
        ("number", "malformed", "stop", "content_type"),
        ("nochoices", "malformed", None, "not_a_completion"),
        ("nomessage", "malformed", None, "not_a_completion"),
        ("list", "malformed", None, "not_a_completion"),
        ("jsonnull", "malformed", None, "not_a_completion"),
        ("cutjson", "malformed", None, "not_a_completion"),
        ("html", "malformed", None, "not_a_completion"),
        ("400", "failed", None, "context_length_exceeded"),
        ("422", "failed", None, "http_422"),
        ("404recording", "failed", None, "recording_not_found"),
    ],
)
def test_every_end_of_a_call_is_one_row(
    server, endpoint, journal, call, plan, status, finish_reason, error_code
):
    statistics = complete_calls(endpoint(), [call(f"[{plan}]")], journal)
    [row] = kept(journal)
    assert (row["status"], row["finish_reason"], row["error_code"]) == (status, finish_reason, error_code)
    assert statistics.by_status == {status: 1}
    answered = error_code in (None, "tool_call_arguments", "content_type")
    assert (row["completion"] is not None) == answered
    if answered:
        assert json.loads(row["completion"])["role"] == "assistant"
        assert (row["served_model"], row["prompt_tokens"], row["completion_tokens"]) == ("served-2026", 7, 3)
    # What is no completion is asked for once more; nothing else here is worth another request.
    assert server.requests == row["attempts"] == (2 if error_code == "not_a_completion" else 1)


def test_what_a_completion_holds():
    def message(payload):
        return json.loads(read_completion(payload).completion)

    assert message(completion("hi")) == {"role": "assistant", "content": "hi"}
    assert message(completion("hi", reasoning_content="r"))["reasoning"] == "r"
    assert message(completion("hi", reasoning="r"))["reasoning"] == "r"
    assert message(completion(None, refusal="no")) == {"role": "assistant", "content": None, "refusal": "no"}
    calls = tool_call('{"q": "x')
    assert (
        message(completion(None, tool_calls=calls))["tool_calls"] == calls
    )  # kept for whoever looks into it
    assert message(completion("x\ud83d"))["content"] == "x\ufffd"
    odd = completion("hi") | {"usage": {"prompt_tokens": "7", "completion_tokens": True}, "model": 5}
    reading = read_completion(odd)
    assert (reading.prompt_tokens, reading.completion_tokens, reading.served_model) == (None, None, None)


@pytest.mark.parametrize("fault", ["429", "500", "utf16", "reset", "cutbody", "upstream", "nochoices"])
def test_a_passing_fault_is_repeated(server, endpoint, journal, call, fault):
    statistics = complete_calls(endpoint(), [call(f"[{fault} ok]")], journal)
    [row] = kept(journal)
    assert (row["status"], row["attempts"], server.requests) == ("ok", 2, 2)
    assert (statistics.sent, statistics.retries) == (1, 1)


@pytest.mark.parametrize("plan", ["endless", "endless:201", "endless:400", "endless:503"])
def test_an_answer_that_does_not_end_is_broken_off(server, endpoint, journal, call, monkeypatch, plan):
    monkeypatch.setattr(exchange, "LONGEST_RESPONSE_BYTES", 2**16)
    statistics = complete_calls(endpoint(), [call(f"[{plan}]"), call("fine")], journal)
    row = next(row for row in kept(journal) if row["status"] == "failed")
    assert (row["error_code"], row["attempts"]) == ("response_too_long", 1)
    assert statistics.by_status == {"failed": 1, "ok": 1}


@pytest.mark.parametrize("fault", ["stall", "drip"])
def test_an_attempt_has_a_time_limit_even_when_bytes_drip(server, endpoint, journal, call, fault):
    complete_calls(endpoint(request_timeout_s=0.3), [call(f"[{fault} ok]")], journal)
    [row] = kept(journal)
    assert (row["status"], row["attempts"]) == ("ok", 2)
    assert row["latency_ms"] < 300  # the latency of the attempt that was answered


@pytest.mark.parametrize(
    ("fault", "code"),
    [("429", "rate_limit_exceeded"), ("500", "http_500"), ("upstream", "http_502")],
)
def test_a_lasting_fault_uses_the_attempts_up(server, endpoint, journal, call, fault, code):
    statistics = complete_calls(endpoint(max_attempts=3), [call(f"[{fault}]"), call("fine")], journal)
    row = next(row for row in kept(journal) if row["status"] == "failed")
    assert (row["error_code"], row["attempts"], row["completion"]) == (code, 3, None)
    assert server.hits[f"[{fault}]"] == 3 and statistics.retries == 2
    assert statistics.by_status == {"failed": 1, "ok": 1}


@pytest.mark.parametrize(
    ("fault", "code"), [("reset", "disconnected"), ("stall", "timeout"), ("cutbody", "disconnected")]
)
def test_a_lost_connection_is_told_apart_from_a_time_limit(server, endpoint, journal, call, fault, code):
    complete_calls(
        endpoint(max_attempts=1, request_timeout_s=0.5, max_in_flight=2),
        [call("ok"), call(f"[{fault}]")],
        journal,
    )
    row = next(row for row in kept(journal) if row["status"] == "failed")
    assert row["error_code"] == code


def test_retry_after_is_waited_for(server, endpoint, journal, call):
    complete_calls(endpoint(), [call("[429:0.4 ok]")], journal)
    first, second = server.arrivals["[429:0.4 ok]"]
    assert second - first >= 0.4


def test_a_retry_after_of_hours_is_left_to_a_later_run(server, endpoint, journal, call):
    started = time.monotonic()
    complete_calls(endpoint(), [call("[429:3600]")], journal)
    assert time.monotonic() - started < 5 and server.requests == 1
    assert kept(journal)[0]["status"] == "failed"


def test_backoff_grows_and_never_undercuts_the_server(monkeypatch):
    monkeypatch.setattr(in_flight, "FIRST_BACKOFF_S", 0.5)
    waits = {attempt: [backoff(attempt, None) for _ in range(300)] for attempt in (1, 4, 5000)}
    assert max(waits[1]) <= 0.5 and 2 < max(waits[4]) <= 4 and 15 < max(waits[5000]) <= 30
    assert min(waits[4]) < 1  # full jitter
    assert all(7.0 <= backoff(1, 7.0) <= 7.5 for _ in range(50))


def test_a_second_run_sends_only_what_has_no_answer(server, endpoint, journal, call):
    plans = ["a", "b", "[500]", "[nochoices]", "[badargs]", "[refusal]"]
    first = complete_calls(endpoint(max_attempts=1), map(call, plans), journal)
    assert first.by_status == {"failed": 1, "malformed": 2, "ok": 2, "refused": 1}
    before = server.hits.copy()
    second = complete_calls(endpoint(max_attempts=1), map(call, plans + ["new"]), journal)
    assert set(server.hits - before) == {"[500]", "[nochoices]", "new"}
    assert (second.requested, second.reused, second.sent) == (7, 4, 3)


def test_duplicates_within_a_run_are_sent_once(server, endpoint, journal, call):
    statistics = complete_calls(endpoint(), [call("same") for _ in range(50)], journal)
    assert server.requests == 1
    assert (statistics.requested, statistics.reused, statistics.sent) == (50, 49, 1)
    assert len(kept(journal)) == 1


def test_samples_of_one_prompt_are_separate_calls(server, endpoint, journal, call):
    complete_calls(endpoint(), [call("same", sample_index=i) for i in range(3)], journal)
    assert server.hits["same"] == 3 and len(kept(journal)) == 3


def test_calls_are_pulled_when_a_worker_is_free(server, endpoint, journal, call):
    server.latency_s = 0.005
    pulled = 0
    ahead = []

    def calls():
        nonlocal pulled
        for i in range(200):
            pulled += 1
            ahead.append(pulled - server.requests)
            yield call(str(i))

    complete_calls(endpoint(max_in_flight=8), calls(), journal)
    assert server.requests == 200
    assert max(ahead) <= 8 + 1
    assert 4 <= server.most_at_once <= 8


def test_an_endless_iterator_is_only_read_as_far_as_needed(server, endpoint, journal, call):
    taken = 0

    def endless():
        nonlocal taken
        while True:
            taken += 1
            yield call(f"[401] {taken}")

    with pytest.raises(EndpointError):
        complete_calls(endpoint(max_in_flight=4), endless(), journal)
    assert taken <= 8


def test_progress_counts_what_is_on_disk(server, endpoint, journal, call):
    seen = []
    on_disk = []

    def progress(durable, requested):
        seen.append((durable, requested))
        on_disk.append(len(Journal(journal.directory).known_ids()))

    complete_calls(endpoint(), (call(str(i)) for i in range(300)), journal, progress=progress)
    assert [durable for durable, _ in seen] == on_disk
    assert seen[-1] == (300, 300) and len(seen) >= 2


def test_a_slow_answer_does_not_keep_others_off_the_disk(server, endpoint, journal, call):
    """One call answers, the other never does: only the clock can write the first, long before a time-out."""

    async def main():
        run = asyncio.create_task(run_calls(endpoint(), [call("quick"), call("[stall]")], journal))
        while not journal.known_ids():
            await asyncio.sleep(0.05)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

    started = time.monotonic()
    asyncio.run(main())
    assert time.monotonic() - started < 4
    assert [row["status"] for row in kept(journal)] == ["ok"]


@pytest.mark.parametrize("plan", ["401", "403", "404model", "404bare", "quota"])
def test_what_would_fail_every_call_ends_the_run(server, endpoint, journal, call, plan):
    calls = [call("fine")] + [call(f"[{plan}] {PRIVATE} {i}") for i in range(500)]
    settings = endpoint(api_key=KEY, api_key_env="MY_KEY", max_in_flight=1)
    with pytest.raises(EndpointError) as caught:
        complete_calls(settings, calls, journal)
    message = str(caught.value)
    assert "local" in message and server.base_url in message
    assert ("MY_KEY" if plan in ("401", "403") else "quota" if plan == "quota" else "`m`") in message
    assert server.requests == 2
    assert [row["status"] for row in kept(journal)] == ["ok"]  # what was answered before is kept
    assert_silent(caught.value)


def assert_silent(error: BaseException) -> None:
    """Neither the key nor the conversation is in the message or in any exception that hangs on it."""
    seen = []
    while error is not None:
        seen.append(f"{error!r} {error}")
        error = error.__cause__ or error.__context__
    assert not any(KEY in text or PRIVATE in text for text in seen), seen


def test_no_server_ends_the_run(journal, call, endpoint):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        lost = endpoint(base_url=address, max_attempts=2)
        with pytest.raises(EndpointError, match="no server accepts connections") as caught:
            complete_calls(lost, (call(f"{PRIVATE} {i}") for i in range(10_000)), journal)
        assert address in str(caught.value)
        assert_silent(caught.value)
        assert call_intake.UNREACHABLE_AFTER <= len(kept(journal)) <= call_intake.UNREACHABLE_AFTER + 8
        with pytest.raises(EndpointError, match="no server"):  # also when there are fewer calls than that
            complete_calls(lost, [call("one")], Journal(journal.directory / "other"))


def test_a_server_that_answered_once_is_not_unreachable(server, endpoint, journal, call):
    calls = [call("[400]")] + [call(f"[reset] {i}") for i in range(60)]
    statistics = complete_calls(endpoint(max_attempts=1, max_in_flight=1), calls, journal)
    assert statistics.by_status == {"failed": 61} and len(kept(journal)) == 61


def test_the_key_and_the_conversation_stay_out_of_logs(server, endpoint, journal, call, caplog, monkeypatch):
    server.key = KEY
    caplog.set_level(logging.DEBUG)
    settings = endpoint(api_key=KEY, max_attempts=2)
    plans = ["ok", "500", "400", "400sentence", "nochoices", "reset", "badargs"]
    complete_calls(settings, [call(f"[{plan}] {PRIVATE}") for plan in plans], journal)
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert KEY not in repr(settings) and KEY not in str(settings)
    text = caplog.text + "".join(str(vars(record)) for record in caplog.records)
    assert KEY not in text and PRIVATE not in text
    assert not any(PRIVATE in str(row["error_code"]) for row in kept(journal))


def test_the_users_openai_key_is_not_sent_to_other_servers(server, endpoint, journal, call, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    complete_calls(endpoint(), [call("hello")], journal)
    assert KEY not in str(server.headers)


def test_a_conversation_does_not_follow_a_redirect(server, endpoint, journal, call):
    moved = endpoint(base_url=server.base_url.replace("/v1", "/moved"))
    with pytest.raises(EndpointError, match="redirects"):
        complete_calls(moved, [call(PRIVATE)], journal)
    assert server.requests == 0


def test_the_body_on_the_wire_is_the_body_of_the_call(server, endpoint, journal, call):
    sent = call("é😀 half an emoji: \ud83d")
    complete_calls(endpoint(), [sent], journal)
    assert json.loads(server.bodies[0]) == sent.body
    assert server.headers[0]["Content-Type"] == "application/json"


def test_an_error_of_the_caller_keeps_what_was_answered(server, endpoint, journal, call):
    def calls():
        for i in range(20):
            yield call(str(i))
        server.wait_for(20)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        complete_calls(endpoint(max_in_flight=1), calls(), journal)
    assert len(kept(journal)) == 20


def test_a_journal_that_cannot_be_written_ends_the_run(server, endpoint, journal, call):
    def calls():
        for i in range(10_000):
            if i == 10:
                journal.directory.rename(journal.directory.with_name("away"))
            yield call(str(i))

    with pytest.raises(LakeError, match="not on disk"):
        complete_calls(endpoint(), calls(), journal)
    assert server.requests < 10_000


# A shell that starts the tests in the background has them ignore the interrupt, which a child would inherit.
CHILD = """
import signal, sys
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)
from depsim_dagster.replay.calls.endpoints import Endpoint
from depsim_dagster.replay.calls.engine import complete_calls
from depsim_dagster.replay.journal.response_journal import Journal
from depsim_dagster.replay.dialects.requests import CHAT_PATH, ModelCall, chat_request, request_id
base_url, directory, n, in_flight = sys.argv[1:]
def calls():
    for i in range(int(n)):
        body = chat_request("m", [{"role": "user", "content": f"prompt {i}"}])
        yield ModelCall(request_id("local", CHAT_PATH, body, 0), body)
endpoint = Endpoint("local", base_url, max_in_flight=int(in_flight))
print(complete_calls(endpoint, calls(), Journal(Path(directory))))
"""


def start_child(server, directory: Path, n: int, in_flight: int) -> subprocess.Popen:
    arguments = [sys.executable, "-c", CHILD, server.base_url, str(directory), str(n), str(in_flight)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.Popen(arguments, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def test_a_killed_run_goes_on_where_it_was(server, tmp_path):
    n, in_flight = 1500, 16
    child = start_child(server, tmp_path, n, in_flight)
    server.wait_for(700)
    child.kill()
    assert child.wait(10) == -signal.SIGKILL
    assert server.requests < n
    assert len(Journal(tmp_path).known_ids()) >= 700 - in_flight - FLUSH_ROWS

    assert start_child(server, tmp_path, n, in_flight).wait(30) == 0
    assert len(server.hits) == n
    repeated = Counter(server.hits.values())[2]
    assert max(server.hits.values()) <= 2 and repeated <= in_flight + FLUSH_ROWS
    rows = kept(Journal(tmp_path))
    assert len(rows) == n == len({row["request_id"] for row in rows})
    assert {row["status"] for row in rows} == {"ok"}


def test_an_interrupted_run_loses_only_what_was_in_flight(server, tmp_path):
    in_flight = 8
    server.latency_s = 0.01  # a child that is not interrupted would take seconds
    child = start_child(server, tmp_path, 5000, in_flight)
    server.wait_for(300)
    child.send_signal(signal.SIGINT)
    assert child.wait(20) != 0
    assert b"KeyboardInterrupt" in child.stderr.read()
    child.stderr.close()
    assert server.requests - len(kept(Journal(tmp_path))) <= in_flight


def test_two_runs_at_once_share_a_journal_and_pay_once(server, tmp_path):
    server.latency_s = 0.01
    children = [start_child(server, tmp_path, 400, 8) for _ in range(2)]
    assert [child.wait(30) for child in children] == [0, 0]
    assert len(kept(Journal(tmp_path))) == 400 == server.requests
    assert server.most_at_once <= 8


def test_two_runs_on_one_event_loop_take_turns(server, endpoint, tmp_path, call):
    async def both():
        runs = [run_calls(endpoint(), [call(str(i)) for i in range(20)], Journal(tmp_path)) for _ in range(2)]
        return await asyncio.gather(*runs)

    assert sorted(run.sent for run in asyncio.run(both())) == [0, 20] and server.requests == 20


def test_a_call_is_frozen(call):
    one = call("x")
    assert isinstance(one, ModelCall)
    with pytest.raises(AttributeError):
        one.request_id = "y"

"""Planted faults: their rates, their independence of order, and how the real client meets them."""

from __future__ import annotations

import http.client
import json
import threading
from collections import Counter

import openai
import pytest

from depsim_dagster.sandbox.faults import Faults, FaultSchedule
from depsim_dagster.sandbox.limits import Limits, duration

ASK = [{"role": "user", "content": "Plan a weekend trip to Porto. There are 3 of us."}]


def test_rates_are_as_planted_and_order_does_not_matter():
    faults = Faults(
        seed=4,
        rate_429=0.1,
        rate_5xx=0.05,
        rate_timeout=0.02,
        rate_truncated=0.03,
        rate_reset=0.02,
        rate_slow=0.01,
    )
    bodies = [str(i).encode() for i in range(8000)]
    schedule = FaultSchedule(faults)
    met = {body: schedule.next(body) for body in bodies}
    counts = Counter(met.values())
    for name, rate in faults.rates:
        assert abs(counts[name] / 8000 - rate) <= 4 * (rate * (1 - rate) / 8000) ** 0.5
    schedule = FaultSchedule(faults)
    assert {body: schedule.next(body) for body in reversed(bodies)} == met
    assert {schedule.next(bodies[0]) for _ in range(200)} >= {None, "429"}, "a retry draws again"


def test_no_rates_mean_no_faults():
    assert FaultSchedule(Faults()).next(b"x") is None


def test_rate_limits_name_the_wait_and_a_retry_succeeds(start, world_file):
    with start("--world", world_file, "--rate-429", "0.4", "--retry-after", "0.01") as running:
        with running.client() as client:
            outcomes = Counter()
            for seed in range(40):
                try:
                    client.chat.completions.create(model="sandbox-v1", messages=ASK, seed=seed)
                    outcomes["ok"] += 1
                except openai.RateLimitError as error:
                    assert error.response.headers["Retry-After"] == "0.01"
                    assert error.code == "rate_limit_exceeded"
                    outcomes["limited"] += 1
            assert 5 < outcomes["limited"] < 28
            client.models.list()  # only completions meet faults
        with running.client(max_retries=8) as client:
            for seed in range(40, 60):
                client.chat.completions.create(model="sandbox-v1", messages=ASK, seed=seed)
        assert running.stats()["faults"]["429"] > outcomes["limited"]


def test_server_errors_have_an_error_body(start, world_file):
    with start("--world", world_file, "--rate-5xx", "1") as running, running.client() as client:
        with pytest.raises(openai.InternalServerError) as caught:
            client.chat.completions.create(model="sandbox-v1", messages=ASK)
        assert caught.value.status_code in (500, 503) and caught.value.type == "server_error"


def test_a_stall_ends_in_the_clients_timeout_and_leaves_the_server_well(start, world_file):
    with start("--world", world_file, "--rate-timeout", "1") as running:
        with running.client(timeout=0.3) as client, pytest.raises(openai.APITimeoutError):
            client.chat.completions.create(model="sandbox-v1", messages=ASK)
        with running.client() as client:
            assert client.models.list().data
        assert running.stats()["faults"] == {"timeout": 1}


def test_a_cut_body_is_an_error_not_an_answer(start, world_file):
    with start("--world", world_file, "--rate-truncated", "1") as running, running.client() as client:
        with pytest.raises(Exception) as caught:
            client.chat.completions.create(model="sandbox-v1", messages=ASK)
        assert not isinstance(caught.value, openai.APIStatusError)
        chunks = []
        with pytest.raises(Exception):  # noqa: B017
            for chunk in client.chat.completions.create(model="sandbox-v1", messages=ASK, stream=True):
                chunks.append(chunk)
        assert not any(c.choices[0].finish_reason for c in chunks)
        assert running.stats()["faults"] == {"truncated": 2}


def test_latency_is_added(start, world_file):
    import time

    with start("--world", world_file, "--latency-ms", "80") as running, running.client() as client:
        began = time.monotonic()
        client.chat.completions.create(model="sandbox-v1", messages=ASK)
        assert time.monotonic() - began >= 0.08


def post(port: int, **body) -> tuple[http.client.HTTPResponse, bytes]:
    """One request below any client that would repair or retry something."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        document = {"model": "sandbox-v1", "messages": ASK, **body}
        connection.request(
            "POST", "/v1/chat/completions", json.dumps(document), {"Content-Type": "application/json"}
        )
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def test_a_reset_comes_before_any_byte_or_after_the_headers(start, world_file):
    with start("--world", world_file, "--rate-reset", "1") as running:
        with pytest.raises(ConnectionResetError):
            post(running.port)
        stats = running.stats()
    assert stats["faults"] == {"reset": 1} and (stats["requests_seen"], stats["answered"]) == (1, 0)
    with start("--world", world_file, "--rate-late-reset", "1") as running:
        with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
            post(running.port)
        assert running.stats()["answered"] == 0


def test_json_that_is_none_has_the_length_that_was_announced(start, world_file):
    with start("--world", world_file, "--rate-invalid-json", "1") as running:
        response, content = post(running.port)
        assert response.status == 200 and int(response.headers["Content-Length"]) == len(content) > 50
        with pytest.raises(json.JSONDecodeError):
            json.loads(content)
        assert running.stats()["answered"] == 0


def test_a_slow_body_is_whole_in_the_end(start, world_file):
    with start("--world", world_file, "--rate-slow", "1", "--slow-seconds", "0.1") as running:
        _, content = post(running.port)
        assert json.loads(content)["choices"]
        assert running.stats()["answered"] == 1


def test_answers_that_were_given_before_are_counted(start, world_file):
    with start("--world", world_file) as running:
        for seed in (1, 2, 1, 1):
            post(running.port, seed=seed)
        with running.client() as client:
            client.responses.create(model="sandbox-v1", input="Hello", temperature=0)
        stats = running.stats()
    assert (stats["requests_seen"], stats["distinct_requests"]) == (5, 3)
    assert (stats["answered"], stats["repeated_requests"], stats["repeated_answers"]) == (3, 2, 2)


def test_requests_at_a_time_have_a_limit(start, world_file):
    statuses: Counter[int] = Counter()
    options = ("--latency-ms", "400", "--max-concurrent", "2", "--retry-after", "0.5")
    with start("--world", world_file, *options) as running:

        def ask(seed: int) -> None:
            response, _ = post(running.port, seed=seed)
            statuses[response.status] += 1
            assert response.status == 200 or response.headers["Retry-After"] == "0.5"

        threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        stats = running.stats()
    assert statuses[200] >= 2 and statuses[429] >= 1 and statuses.total() == 6
    assert stats["most_concurrent"] == 2 and stats["refused_by_limit"] == statuses[429]


def test_requests_a_minute_have_a_limit_and_the_headers_say_how_many_are_left(start, world_file):
    with start("--world", world_file, "--requests-per-minute", "3") as running:
        replies = [post(running.port, seed=seed)[0] for seed in range(4)]
    assert [reply.status for reply in replies] == [200, 200, 200, 429]
    assert [reply.headers["x-ratelimit-remaining-requests"] for reply in replies] == ["2", "1", "0", "0"]
    assert {reply.headers["x-ratelimit-limit-requests"] for reply in replies} == {"3"}
    assert 0 < int(replies[3].headers["Retry-After"]) <= 20
    assert 0 < int(replies[3].headers["retry-after-ms"]) <= 20_001


def test_durations_are_written_as_openai_writes_them():
    assert [duration(seconds) for seconds in (0.12, 1.5, 12.0, 360.0, 83.4)] == [
        "120ms",
        "1.5s",
        "12s",
        "6m0s",
        "1m23s",
    ]


def test_what_a_limit_refuses_uses_none_of_it():
    limits = Limits(max_concurrent=1)
    with limits.admitted() as first, limits.admitted() as second:
        assert (first, second) == (True, False)
    with limits.admitted() as third:
        assert third
    assert (limits.most_concurrent, limits.refused, limits.concurrent) == (1, 1, 0)

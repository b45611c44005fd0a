"""Planted faults: their rates, their independence of order, and how the real client meets them."""

from __future__ import annotations

from collections import Counter

import openai
import pytest

from depsim_dagster.sandbox.faults import Faults, FaultSchedule

ASK = [{"role": "user", "content": "Plan a weekend trip to Porto. There are 3 of us."}]


def test_rates_are_as_planted_and_order_does_not_matter():
    faults = Faults(seed=4, rate_429=0.1, rate_5xx=0.05, rate_timeout=0.02, rate_truncated=0.03)
    bodies = [str(i).encode() for i in range(8000)]
    schedule = FaultSchedule(faults)
    met = {body: schedule.next(body) for body in bodies}
    counts = Counter(met.values())
    for name, rate in faults.rates:
        assert abs(counts[name] / 8000 - rate) < 4 * (rate * (1 - rate) / 8000) ** 0.5
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

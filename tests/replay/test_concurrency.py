"""The arithmetic of the limits, with a clock that the tests turn."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depsim_dagster.replay.calls.concurrency import EndpointLimits, TokenBucket
from depsim_dagster.replay.calls.rate_headers import ServerAllowance, duration

NAMES = ("a", "b", "c", "d")
STEPS = st.lists(
    st.tuples(
        st.sampled_from(("join", "leave", "allot", "hear")),
        st.sampled_from(NAMES),
        st.integers(0, 40),
        st.integers(0, 40),
    ),
    max_size=60,
)


@given(st.integers(1, 40), STEPS)
def test_the_processes_together_never_hold_more_than_the_limit(limit, steps):
    limits = EndpointLimits(limit)
    in_flight: dict[str, int] = {}  # what each process really has under way
    granted: dict[str, int] = {}
    for now, (what, name, amount, wanted) in enumerate(steps):
        if what == "leave":
            limits.leave(name)
            in_flight.pop(name, None), granted.pop(name, None)
        elif name not in in_flight:
            limits.join(name)
            in_flight[name] = granted[name] = 0
        elif what == "allot":
            granted[name] = limits.allot(name, in_flight[name], wanted, float(now))
            # It may send up to what it was granted; what is under way beyond that can only end.
            in_flight[name] = min(amount, max(granted[name], in_flight[name]))
        elif what == "hear":
            limits.window.hear(limits.window.epoch, amount, min(amount, wanted))
        assert sum(in_flight.values()) <= limit
        assert 1 <= limits.window.size <= limit
        assert sum(max(granted[n], in_flight[n]) for n in granted) <= limit


def test_what_one_process_does_not_want_the_others_get():
    limits = EndpointLimits(10)
    for name in ("a", "b", "c"):
        limits.join(name)
    assert limits.allot("a", 0, 1, 0.0) == 1
    assert limits.allot("b", 0, 50, 0.0) + limits.allot("c", 0, 50, 0.0) == 9


def test_with_fewer_slots_than_processes_each_gets_a_turn():
    limits = EndpointLimits(1)
    served = set()
    for name in ("a", "b", "c"):
        limits.join(name)
    for second in range(60):
        for name in ("a", "b", "c"):
            if limits.allot(name, 0, 5, float(second)):
                served.add(name)
                limits.allot(name, 0, 0, float(second))
    assert served == {"a", "b", "c"}


def test_a_newcomer_waits_until_the_others_have_let_go():
    limits = EndpointLimits(8)
    limits.join("a")
    assert limits.allot("a", 0, 8, 0.0) == 8
    limits.join("b")
    assert limits.allot("b", 0, 8, 0.0) == 0
    assert limits.allot("a", 8, 8, 1.0) == 4  # eight are still under way
    assert limits.allot("b", 0, 8, 1.0) == 0
    limits.allot("a", 4, 8, 2.0)
    assert limits.allot("b", 0, 8, 2.0) == 4


@given(
    st.integers(1, 6000),
    st.lists(st.tuples(st.floats(0, 3), st.floats(0.1, 5), st.integers(1, 4)), min_size=1, max_size=80),
)
def test_no_minute_gets_more_than_the_limit(per_minute, asked):
    bucket = TokenBucket(per_minute)
    now, taken = 0.0, []
    for elapsed, cost, processes in asked:
        now += elapsed
        bucket.refill(now)
        cost = min(cost, bucket.capacity)
        taken.append((now, bucket.lease(cost, processes)))
    for start, _ in taken:
        in_minute = sum(amount for at, amount in taken if start <= at < start + 60)
        # Above 60 a minute the burst is within the limit; below, one that had been saved may come on top.
        assert in_minute <= per_minute + (1 if per_minute <= 60 else 0) + 1e-6


def test_a_cost_beyond_the_capacity_is_paid_as_a_debt():
    bucket = TokenBucket(600)  # 10 at once
    bucket.refill(0.0)
    assert bucket.lease(50, 1) == 50
    bucket.refill(1.0)
    assert bucket.lease(1, 1) == 0
    wait = bucket.seconds_until(1)
    assert 3 < wait < 3.5
    bucket.refill(1.0 + wait)
    assert bucket.lease(1, 1) >= 1


def test_limits_survive_as_json_and_refuse_nonsense():
    limits = EndpointLimits(8, 600, 6000)
    limits.join("a")
    limits.allot("a", 3, 5, 0.0)
    limits.window.hear(limits.window.epoch, 8, 2)
    limits.pause(9.0, 120.0)
    limits.buckets["tokens"].refill(4.0)
    copy = EndpointLimits(8, 600, 6000)
    copy.load(json.loads(json.dumps(limits.to_json())))
    assert copy.to_json() == limits.to_json()
    smaller = EndpointLimits(2)
    smaller.load(limits.to_json())
    assert smaller.window.size == 2
    before = copy.to_json()
    for spoilt in ({"window": "wide"}, {**before, "window": {}}, {**before, "buckets": {"tokens": [1]}}):
        with pytest.raises((LookupError, TypeError, ValueError)):
            copy.load(spoilt)
    assert copy.to_json() == before


def test_no_pause_outlasts_what_a_server_may_ask_for():
    limits = EndpointLimits(8)
    limits.pause(
        until=90_000.0, latest=120.0
    )  # another process wrote it before the clock was set back by a day
    limits.pause(until=0.0, latest=125.0)
    assert limits.paused_until == 120.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1),
        ("6m0s", 360),
        ("20ms", 0.02),
        ("1h2m3.5s", 3723.5),
        ("1d", 86400),
        ("0", 0),
        ("2.5", 2.5),
        ("", None),
        (None, None),
        ("soon", None),
        ("-1", None),
        ("nan", None),
        ("1s later", None),
    ],
)
def test_durations_as_openai_spells_them(text, seconds):
    assert duration(text) == (None if seconds is None else pytest.approx(seconds))


def headers(left: str, reset: str, limit: str | None = None) -> dict[str, str]:
    told = {"x-ratelimit-remaining-requests": left, "x-ratelimit-reset-requests": reset}
    return told if limit is None else {**told, "x-ratelimit-limit-requests": limit}


def test_what_the_server_says_is_left_holds_until_it_is_whole_again():
    allowance = ServerAllowance("requests")
    assert allowance.at(0.0) == float("inf")
    assert allowance.hear(headers("3", "20ms"), 100.0) == 0
    assert allowance.at(100.01) == 3 and allowance.at(100.03) == float("inf")
    assert allowance.hear(headers("0", "6m0s", "60"), 100.0) == pytest.approx(6.0)
    assert allowance.hear(headers("0", "2s"), 100.0) == pytest.approx(2.0)
    for nonsense in ({}, headers("many", "1s"), headers("3", "soon")):
        assert ServerAllowance("requests").hear(nonsense, 0.0) == 0.0

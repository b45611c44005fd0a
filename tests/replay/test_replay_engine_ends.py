"""How calls and runs end early: deadlines, waiting calls that hold no slot, and a budget that is used up."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from depsim_dagster.errors import BudgetError
from depsim_dagster.replay.calls import in_flight
from depsim_dagster.replay.calls.engine import complete_calls
from depsim_dagster.replay.journal.response_journal import Journal


class Allowance:
    """Stands in for a `Spending` that covers a number of calls, and notes what it is told."""

    def __init__(self, calls: int) -> None:
        self.left = calls
        self.open: set[str] = set()
        self.settled: dict[str, str | None] = {}

    def admit(self, call):
        if self.left == 0:
            raise BudgetError("the budget covers no more calls")
        self.left -= 1
        self.open.add(call.request_id)
        return SimpleNamespace(request_id=call.request_id)

    def settle(self, ticket, outcome):
        self.open.remove(ticket.request_id)
        self.settled[ticket.request_id] = outcome and outcome.status


def kept(journal: Journal) -> list[dict]:
    return journal.outcomes().read_all().to_pylist()


@pytest.mark.parametrize("fault", ["stall", "500", "429", "nochoices"])
def test_a_call_has_a_deadline_over_all_its_attempts(server, endpoint, journal, call, monkeypatch, fault):
    monkeypatch.setattr(in_flight, "backoff", lambda attempt, retry_after_s: 0.1)
    monkeypatch.setattr(in_flight, "BODY_ATTEMPTS", 1000)
    settings = endpoint(request_timeout_s=0.2, total_timeout_s=0.5, max_attempts=1000)
    complete_calls(settings, [call(f"[{fault}]"), call("fine")], journal)
    row = next(row for row in kept(journal) if row["status"] != "ok")
    if fault == "nochoices":  # it was answered, if not with a completion
        assert (row["status"], row["error_code"]) == ("malformed", "not_a_completion")
    else:
        assert (row["status"], row["error_code"]) == ("failed", "deadline")
    assert 1 <= row["attempts"] <= 5 and server.hits[f"[{fault}]"] == row["attempts"]
    before = server.requests
    complete_calls(settings, [call(f"[{fault}]"), call("fine"), call("new")], journal)
    assert server.requests > before + 1 and server.hits["fine"] == 1  # a later run asks again


def test_a_call_that_waits_holds_no_slot(server, endpoint, journal, call, monkeypatch):
    monkeypatch.setattr(in_flight, "backoff", lambda attempt, retry_after_s: 0.3)
    complete_calls(endpoint(max_in_flight=1), [call("[500 ok]"), call("meanwhile")], journal)
    (first, second), [meanwhile] = server.arrivals["[500 ok]"], server.arrivals["meanwhile"]
    assert first < meanwhile < second


def test_calls_that_wait_are_few_however_many_fail(server, endpoint, journal, call, monkeypatch):
    monkeypatch.setattr(in_flight, "backoff", lambda attempt, retry_after_s: 0.2)
    taken = [0]

    def calls():
        for i in range(60):
            taken.append(i)
            yield call(f"[500 ok] {i}")

    ahead = []
    append = journal.append

    def appended(outcome):
        ahead.append(len(taken) - len(ahead))
        return append(outcome)

    monkeypatch.setattr(journal, "append", appended)
    complete_calls(endpoint(max_in_flight=4), calls(), journal)
    assert len(ahead) == 60 and max(ahead) <= in_flight.FEWEST_WAITING + 4 + 1


@pytest.mark.parametrize("workers", [1, 2])
def test_a_budget_stops_the_run_after_those_in_flight(server, endpoint, journal, call, monkeypatch, workers):
    monkeypatch.setattr(in_flight, "FIRST_BACKOFF_S", 0.01)
    server.latency_s = 0.01
    plans = [f"[500 ok] {i}" if i % 5 == 0 else f"plain {i}" for i in range(100)]
    spending = Allowance(40)
    settings = endpoint(workers=workers)
    with pytest.raises(BudgetError, match="covers no more"):
        complete_calls(settings, map(call, plans), journal, spending=spending)
    assert len(server.hits) == 40 == len(kept(journal))
    assert not spending.open and list(spending.settled.values()) == ["ok"] * 40
    again = Allowance(60)
    done = complete_calls(settings, map(call, plans), journal, spending=again)
    assert (done.reused, done.sent) == (40, 60) and again.left == 0
    assert {row["status"] for row in kept(journal)} == {"ok"} and len(kept(journal)) == 100


def test_what_a_stopped_run_leaves_is_settled_as_unanswered(server, endpoint, journal, call, monkeypatch):
    monkeypatch.setattr(in_flight, "backoff", lambda attempt, retry_after_s: 30.0)
    spending = Allowance(100)

    def calls():
        yield call("first")
        yield call("[500]")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        complete_calls(endpoint(max_in_flight=1), calls(), journal, spending=spending)
    assert spending.settled == {call("first").request_id: "ok", call("[500]").request_id: None}
    assert not spending.open

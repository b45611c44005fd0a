"""Batch mode against a real server: the rows of online mode, files within their limits, and every end of a batch."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path

import pytest
from batch_server import CONTENT, CREATE, DELETE, LIST_BATCHES, LIST_FILES, RETRIEVE, UPLOAD, BatchServer
from fault_server import KEY

from depsim_dagster.config_sections import BatchConfig, BudgetConfig, PriceConfig
from depsim_dagster.errors import BudgetError, EndpointError
from depsim_dagster.replay.batch import provider as batch_provider
from depsim_dagster.replay.batch import rounds as batch_rounds
from depsim_dagster.replay.batch.mode import TOO_LARGE
from depsim_dagster.replay.batch.records import FOLDER
from depsim_dagster.replay.budget.spending import Prices, Spending
from depsim_dagster.replay.budget.spent import JournalName
from depsim_dagster.replay.calls import in_flight
from depsim_dagster.replay.calls.engine import complete_calls, run_calls
from depsim_dagster.replay.journal.response_journal import Journal, journal_directory

PRIVATE = "my private words"


@pytest.fixture(autouse=True)
def short_backoff(monkeypatch):
    monkeypatch.setattr(in_flight, "FIRST_BACKOFF_S", 0.01)
    monkeypatch.setattr(batch_provider, "LOOK_AGAIN_S", (0.01,))


@pytest.fixture
def serve():
    servers = []

    def start(*fates, **options):
        servers.append(BatchServer(*fates, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def in_batches(endpoint):
    def make(server, batch=None, **changes):
        settings = BatchConfig(**{"poll_seconds": 0.02, **(batch or {})})
        return endpoint(base_url=server.base_url, batch=settings, **{"total_timeout_s": 1.0, **changes})

    return make


def rows(journal):
    return journal.outcomes().read_all().to_pylist()


def open_records(journal):
    return list((journal.directory / FOLDER).glob("*"))


PLANS = [
    *(
        "ok parts reasoning tool surrogate empty null length filter 400filter refusal badargs nochoices list".split()
    ),
    *("400 422 404recording".split()),
    *("500 ok|nochoices ok|500".split("|")),
]


def test_the_rows_are_those_of_online_mode(server, endpoint, serve, in_batches, journal, tmp_path, call):
    batches, other = serve(), Journal(tmp_path / "online")
    calls = [call(f"[{plan}] {i}") for i, plan in enumerate(PLANS)]
    online = complete_calls(endpoint(max_attempts=3), calls, other)
    statistics = complete_calls(in_batches(batches, max_attempts=3), calls, journal)

    def comparable(kept):
        untimed = [{k: v for k, v in row.items() if k not in ("latency_ms", "answered_at")} for row in kept]
        return sorted(untimed, key=lambda row: row["request_id"])

    assert comparable(rows(journal)) == comparable(rows(other))
    assert len(rows(journal)) == len(PLANS) and batches.hits == server.hits
    assert statistics.by_status == online.by_status
    assert (statistics.requested, statistics.sent, statistics.retries) == (
        online.requested,
        online.sent,
        online.retries,
    )
    assert (statistics.prompt_tokens, statistics.completion_tokens) == (
        online.prompt_tokens,
        online.completion_tokens,
    )
    assert batches.file_contents() == [] and open_records(journal) == []


def test_files_keep_to_both_limits(serve, in_batches, journal, call):
    server = serve()
    calls = [call(f"{i} {'é' * (300 if i % 7 else 5_000)}") for i in range(40)] + [call("x" * 60_000)]
    settings = in_batches(server, {"requests_per_file": 6, "megabytes_per_file": 0.05, "files_in_flight": 2})
    statistics = complete_calls(settings, calls, journal)
    contents = [[json.loads(line) for line in content.splitlines()] for content in server.uploads]
    assert max(map(len, server.uploads)) <= 50_000 and max(map(len, contents)) == 6
    lines = [line for content in contents for line in content]
    assert [line["custom_id"] for line in lines] == [
        c.request_id for c in calls if len(c.body["messages"][0]["content"]) < 60_000
    ]
    assert lines[3] == {
        "custom_id": calls[3].request_id,
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": calls[3].body,
    }
    assert statistics.by_status == {"failed": 1, "ok": 40}
    assert [row["error_code"] for row in rows(journal) if row["status"] == "failed"] == [TOO_LARGE]


def test_no_more_files_are_open_than_allowed(serve, in_batches, journal, call):
    server = serve(delay=0.1)
    create, unfinished = server.runner.create, []

    def counted(body):
        made = create(body)
        states = [batch["status"] for batch in server.runner.list({"limit": "100"})["data"]]
        unfinished.append(sum(state != "completed" for state in states))
        return made

    server.runner.create = counted
    settings = in_batches(server, {"requests_per_file": 4, "files_in_flight": 3})
    complete_calls(settings, [call(str(i)) for i in range(24)], journal)
    assert len(unfinished) == 6 and max(unfinished) <= 3


def test_a_second_run_sends_only_what_has_no_answer(serve, in_batches, journal, call):
    server = serve()
    plans = ["a", "b", "[500]", "[badargs]", "a"]
    first = complete_calls(in_batches(server, max_attempts=1), map(call, plans), journal)
    assert first.by_status == {"failed": 1, "malformed": 1, "ok": 2}
    assert (first.requested, first.reused, first.sent) == (5, 1, 4)
    before = server.hits.copy()
    second = complete_calls(in_batches(server, max_attempts=1), map(call, [*plans, "new"]), journal)
    assert set(server.hits - before) == {"[500]", "new"}
    assert (second.requested, second.reused, second.sent) == (6, 4, 2)
    asked = len(server.seen)
    third = complete_calls(in_batches(server), map(call, ["a", "b"]), journal)
    assert third.reused == 2 and len(server.seen) == asked


@pytest.mark.parametrize("fate", ["expired:0.5", "cancelled:0.4", "expired:0", "cancelled:1"])
def test_what_a_batch_answered_is_taken_and_the_rest_is_sent_again(serve, in_batches, journal, call, fate):
    server = serve(fate)
    statistics = complete_calls(in_batches(server), [call(str(i)) for i in range(20)], journal)
    done = round(20 * float(fate.partition(":")[2]))
    assert statistics.by_status == {"ok": 20} and statistics.retries == 20 - done
    assert sorted(row["attempts"] for row in rows(journal)) == [1] * done + [2] * (20 - done)
    assert set(server.run_lines.values()) == {1} and server.file_contents() == []


def test_lines_that_keep_failing_use_their_attempts_up(serve, in_batches, journal, call):
    server = serve("expired:0.5", "expired:0.5")
    statistics = complete_calls(
        in_batches(server, max_attempts=2), [call("ok"), call("[500]"), call("late"), call("later")], journal
    )
    found = sorted(
        (row["status"], row["error_code"], row["attempts"]) for row in rows(journal) if row["error_code"]
    )
    assert found == [("failed", "batch_expired", 2), ("failed", "http_500", 2)]
    assert statistics.by_status == {"failed": 2, "ok": 2} and len(server.created) == 2


def test_a_full_queue_is_waited_for_and_files_get_smaller(serve, in_batches, journal, call):
    server = serve("token_limit", queue_lines=8)
    settings = in_batches(server, {"requests_per_file": 16, "files_in_flight": 3})
    statistics = complete_calls(settings, [call(str(i)) for i in range(32)], journal)
    assert statistics.by_status == {"ok": 32} and statistics.retries == 0
    assert set(server.run_lines.values()) == {1} and {row["attempts"] for row in rows(journal)} == {1}
    assert server.file_contents() == []


def test_a_file_that_is_refused_as_a_whole_ends_the_run(serve, in_batches, journal, call):
    server = serve("invalid")
    with pytest.raises(
        EndpointError, match=r"refuses a file of 2 calls: invalid_request\. Nothing of it was run"
    ):
        complete_calls(in_batches(server), [call(PRIVATE), call("b")], journal)
    assert rows(journal) == [] and server.file_contents() == [] and open_records(journal) == []
    assert complete_calls(in_batches(server), [call(PRIVATE), call("b")], journal).sent == 2


def test_the_lines_of_a_refused_file_are_named_and_its_words_are_not(serve, in_batches, journal, call):
    server = serve()
    state = {
        "status": "failed",
        "errors": {
            "data": [
                *({"code": "invalid_json_line", "line": n, "message": PRIVATE} for n in range(3, 11)),
                {"code": f"a sentence: {PRIVATE}", "line": 1},
                {"code": "mismatched_model", "message": PRIVATE},
                "text",
            ]
        },
    }
    create = server.runner.create
    server.runner.create = lambda body: {**create(body), "id": "batch_x"}
    server.runner.get = lambda number: {"id": number, **state}
    with pytest.raises(EndpointError) as caught:
        complete_calls(in_batches(server), [call(PRIVATE)], journal)
    assert "invalid_json_line (line 3, 4, 5, 6, 7 and 3 more); mismatched_model." in str(caught.value)
    assert PRIVATE not in str(caught.value)


@pytest.mark.parametrize("plan", ["404model", "quota", "403", "unsupported"])
def test_what_would_fail_every_line_ends_the_run(serve, in_batches, journal, call, plan):
    server = serve()
    body = {**call(f"[{plan}] {PRIVATE}").body, "temperature": 0.5}
    bad = type(call("x"))("f" * 64, body)
    with pytest.raises(EndpointError) as caught:
        complete_calls(in_batches(server), [call("fine"), bad], journal)
    expected = {
        "404model": "does not know",
        "quota": "quota",
        "403": "refuses the key",
        "unsupported": "temperature",
    }
    assert expected[plan] in str(caught.value) and PRIVATE not in str(caught.value)
    assert [row["status"] for row in rows(journal)] == ["ok"]
    assert server.file_contents() == [] and open_records(journal) == []


def test_a_refused_key_is_told_as_online(serve, in_batches, journal, call, caplog):
    server = serve()
    server.key = KEY
    settings = in_batches(server, api_key="sk-wrong", api_key_env="MY_KEY")
    with pytest.raises(EndpointError, match=r"refuses the key \(HTTP 401\); set MY_KEY"):
        complete_calls(settings, [call(PRIVATE)], journal)
    assert server.uploads == []
    caplog.set_level(logging.DEBUG)
    complete_calls(in_batches(server, api_key=KEY), [call(PRIVATE), call(f"[500 ok] {PRIVATE}")], journal)
    assert KEY not in caplog.text and PRIVATE not in caplog.text


def test_a_server_without_batches_is_named(server, in_batches, journal, call):
    with pytest.raises(EndpointError, match="has no Files and Batches.*remove `batch`"):
        complete_calls(in_batches(server), [call(PRIVATE)], journal)


@pytest.mark.parametrize("step", [UPLOAD, CREATE])
@pytest.mark.parametrize("fault", ["lost", "500", "429", "cut"])
def test_a_lost_answer_makes_nothing_twice(serve, in_batches, journal, call, step, fault):
    server = serve()
    server.plans[step] = [fault]
    statistics = complete_calls(in_batches(server), [call(str(i)) for i in range(5)], journal)
    assert statistics.by_status == {"ok": 5} and (statistics.sent, statistics.retries) == (5, 0)
    assert len(server.uploads) == len(server.created) == 1 and set(server.run_lines.values()) == {1}
    assert server.file_contents() == []


@pytest.mark.parametrize("fault", ["500", "lost", "cut", "429"])
def test_polling_and_reading_outlive_a_fault(serve, in_batches, journal, call, fault):
    server = serve()
    server.plans = {RETRIEVE: [fault], CONTENT: [fault], DELETE: [fault]}
    statistics = complete_calls(in_batches(server), [call(str(i)) for i in range(9)], journal)
    assert statistics.by_status == {"ok": 9} and len(rows(journal)) == 9 and server.file_contents() == []


def test_lines_that_are_not_what_was_asked_for_are_counted(serve, in_batches, journal, call, caplog):
    server = serve()

    def spoil(content):
        lines = content.splitlines()
        odd = [
            b"{",
            b"[" * 10_000,
            b"7",
            b'{"custom_id": 5}',
            b'{"custom_id": "\\ud83d", "response": null}',
            b"",
        ]
        broken = json.dumps(
            {"custom_id": json.loads(lines[0])["custom_id"], "response": {"status_code": "x"}}
        )
        return b"\n".join([*odd, broken.encode(), *lines, lines[1]])  # and no newline at the end

    server.spoil = spoil
    statistics = complete_calls(in_batches(server), [call(str(i)) for i in range(4)], journal)
    assert statistics.by_status == {"ok": 4} and len(rows(journal)) == 4
    assert "malformed lines 5, unknown lines 1, duplicate lines 1" in caplog.text


def test_a_call_without_a_line_is_sent_again(serve, in_batches, journal, call):
    server = serve()
    server.spoil = lambda content: content.split(b"\n", 1)[1]
    statistics = complete_calls(in_batches(server, max_attempts=3), [call(str(i)) for i in range(4)], journal)
    assert statistics.by_status == {"failed": 1, "ok": 3} and statistics.retries == 2
    assert [row["error_code"] for row in rows(journal) if row["status"] == "failed"] == ["no_result"]


def test_results_that_have_gone_are_asked_for_again(serve, in_batches, journal, call):
    server = serve()
    server.plans[CONTENT] = ["404"]
    statistics = complete_calls(in_batches(server), [call(str(i)) for i in range(4)], journal)
    assert statistics.by_status == {"ok": 4} and statistics.retries == 4


def test_a_batch_that_has_gone_is_made_again(serve, in_batches, journal, call):
    server = serve()
    server.plans[RETRIEVE] = ["404"]
    statistics = complete_calls(in_batches(server), [call(str(i)) for i in range(4)], journal)
    assert statistics.by_status == {"ok": 4} and statistics.retries == 4


def test_files_stay_where_the_study_says_so(serve, in_batches, journal, call):
    server = serve()
    complete_calls(in_batches(server, {"delete_files": False}), [call("a"), call("[400]")], journal)
    assert len(server.file_contents()) == 3 and DELETE not in server.seen and open_records(journal) == []


def test_files_that_cannot_be_deleted_are_deleted_by_a_later_run(serve, in_batches, journal, call, caplog):
    server = serve()
    server.plans[DELETE] = ["400", "400"]
    assert complete_calls(in_batches(server), [call("a")], journal).by_status == {"ok": 1}
    assert "files not deleted 2" in caplog.text
    assert len(server.file_contents()) == 2 and len(open_records(journal)) == 1
    assert complete_calls(in_batches(server), [call("a")], journal).reused == 1
    assert server.file_contents() == [] and open_records(journal) == []


def test_the_records_hold_no_words(serve, in_batches, journal, call):
    server = serve()
    server.plans[DELETE] = ["400"] * 5
    complete_calls(in_batches(server), [call(PRIVATE)], journal)
    assert PRIVATE not in "".join(path.read_text() for path in open_records(journal)) and open_records(
        journal
    )


def test_progress_counts_what_is_on_disk(serve, in_batches, journal, call):
    server = serve("expired:0.5")
    seen, on_disk = [], []

    def progress(durable, requested, waits_for=""):
        seen.append((durable, requested))
        on_disk.append(len(Journal(journal.directory).known_ids()))

    settings = in_batches(server, {"requests_per_file": 10})
    complete_calls(settings, [call(str(i)) for i in range(30)], journal, progress=progress)
    assert [durable for durable, _ in seen] == on_disk and seen[-1] == (30, 30) and len(seen) >= 4


def test_progress_says_what_a_run_waits_for(serve, in_batches, journal, call):
    server = serve("completed", "token_limit", delay=0.2)
    seen = []
    settings = in_batches(server, {"requests_per_file": 4, "files_in_flight": 1})
    calls = [call(str(i)) for i in range(8)]
    complete_calls(settings, calls, journal, progress=lambda *told: seen.append(told))
    waits_for = [told[2] for told in seen]
    assert (
        waits_for.count("1 open batch (1 validating): 0 of 4 calls done") > 1
    )  # again, though nothing has changed
    assert "waiting for room in the provider's queue: 2 calls" in waits_for
    assert seen[-1] == (8, 8, "")


class Purse:
    """A budget of so many calls."""

    def __init__(self, calls):
        self.calls, self.settled = calls, []

    def admit(self, call):
        if not self.calls:
            raise BudgetError("the budget is used up")
        self.calls -= 1
        return call.request_id

    def settle(self, ticket, outcome):
        self.settled.append((ticket, outcome and outcome.status))


def test_a_budget_ends_the_run_when_what_was_sent_is_answered(serve, in_batches, journal, call):
    server = serve()
    calls, purse = [call(str(i)) for i in range(9)], Purse(5)
    with pytest.raises(BudgetError, match="used up"):
        complete_calls(in_batches(server, {"requests_per_file": 3}), calls, journal, spending=purse)
    assert len(rows(journal)) == 5 and server.file_contents() == []
    assert sorted(purse.settled) == sorted((c.request_id, "ok") for c in calls[:5])


def spending(root, **limits):
    prices = Prices({"m": PriceConfig(per_call=0.1)}, frozenset({"local"}))
    return Spending(root, BudgetConfig(**limits), prices, JournalName("local", "m"), Path("study.yaml"))


def test_a_budget_holds_over_runs_and_halves_prices(serve, in_batches, tmp_path, call):
    server, into = serve(), Journal(journal_directory(tmp_path, "local", "m"))
    calls, settings = [call(str(i)) for i in range(9)], in_batches(server, {"requests_per_file": 2})
    for limits in ({"calls": 3}, {"money": 0.25}):  # five at half of 0.1 each
        with pytest.raises(BudgetError, match="3 of 3 calls|0.25 of 0.25 USD"):
            complete_calls(settings, calls, into, spending=spending(tmp_path, **limits))
    assert server.run_lines.total() == len(rows(into)) == 5 and open_records(into) == []
    complete_calls(settings, calls, into, spending=spending(tmp_path, calls=9))
    assert server.run_lines.total() == len(rows(into)) == 9


def test_a_call_waits_for_the_files_whose_estimates_fill_the_budget(serve, in_batches, tmp_path, call):
    server, into = serve(), Journal(journal_directory(tmp_path, "local", "m"))
    purse = spending(tmp_path, tokens=2_100)  # two answers of unknown length at a time
    assert complete_calls(in_batches(server), map(call, "abcdef"), into, spending=purse).sent == 6
    assert [len(content.splitlines()) for content in server.uploads] == [2, 2, 2]


def test_the_lists_are_read_for_what_is_looked_for_only(serve, in_batches, journal, call):
    """A run that finds nothing open asks for no list: an account may have thousands of files."""
    server = serve()
    complete_calls(in_batches(server), [call("a")], journal)
    assert LIST_FILES not in server.seen and LIST_BATCHES not in server.seen


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("invalid_value", r"does not take a batch \(HTTP 400, invalid_value\)"),
        ("model_not_found", "does not know the model `m`"),
        ("billing_hard_limit_reached", "quota is used up"),
    ],
)
def test_a_batch_that_is_refused_at_once_ends_the_run(serve, in_batches, journal, call, code, message):
    server = serve()
    server.plans[CREATE] = ["code", code]
    with pytest.raises(EndpointError, match=message):
        complete_calls(in_batches(server), [call(PRIVATE)], journal)
    assert server.file_contents() == [] and open_records(journal) == [] and rows(journal) == []


def test_a_queue_that_is_full_from_the_start_is_waited_for(serve, in_batches, journal, call):
    server = serve()
    server.plans[CREATE] = ["code", "token_limit_exceeded", "code", "token_limit_exceeded"]
    assert complete_calls(in_batches(server), [call("a")], journal).by_status == {"ok": 1}
    assert len(server.created) == 1 and server.file_contents() == []


def test_a_queue_that_is_full_for_too_long_ends_the_run(serve, in_batches, journal, call, monkeypatch):
    monkeypatch.setattr(batch_rounds, "LONGEST_QUEUE_WAIT_S", 0.05)
    server = serve(*["token_limit"] * 50)
    with pytest.raises(EndpointError, match="queue of batches was full"):
        complete_calls(in_batches(server), [call("a"), call("b")], journal)
    assert server.file_contents() == [] and open_records(journal) == []


def test_no_server_and_a_redirect_end_the_run(serve, in_batches, journal, call):
    server = serve()
    server.plans[UPLOAD] = ["307"]
    with pytest.raises(EndpointError, match="redirects.*set base_url to the final address"):
        complete_calls(in_batches(server), [call(PRIVATE)], journal)
    server.close()
    with pytest.raises(EndpointError, match="no server accepts connections") as caught:
        complete_calls(in_batches(server, max_attempts=2), [call(PRIVATE)], journal)
    assert PRIVATE not in str(caught.value)


def test_an_error_of_the_caller_leaves_the_open_batch_to_the_next_run(serve, in_batches, journal, call):
    server = serve(delay=0.2)

    def calls():
        yield from (call(str(i)) for i in range(4))
        raise ZeroDivisionError

    settings = in_batches(server, {"requests_per_file": 3})
    with pytest.raises(ZeroDivisionError):
        complete_calls(settings, calls(), journal)
    statistics = complete_calls(settings, [call(str(i)) for i in range(5)], journal)
    assert (statistics.requested, statistics.reused, statistics.sent) == (5, 3, 2)
    assert statistics.by_status == {"ok": 5} and set(server.run_lines.values()) == {1}


def test_a_notebook_awaits_the_same(serve, in_batches, journal, call):
    server = serve()
    statistics = asyncio.run(run_calls(in_batches(server), [call("a")], journal))
    assert statistics.by_status == {"ok": 1} and len(server.created) == 1

"""Batch mode under SIGKILL: whatever request the process dies at, a re-run finds what is open and pays for nothing twice."""

from __future__ import annotations

import json
import random
import signal
from collections import Counter
from pathlib import Path

import batch_child
import pytest
from batch_server import CONTENT, CREATE, DELETE, LIST_BATCHES, RETRIEVE, UPLOAD, BatchServer

from depsim_dagster.config_sections import BudgetConfig
from depsim_dagster.errors import BudgetError
from depsim_dagster.replay.batch import provider as batch_provider
from depsim_dagster.replay.batch.records import FOLDER, UPLOADING
from depsim_dagster.replay.budget.spending import Prices, Spending
from depsim_dagster.replay.budget.spent import Amounts, JournalName, _removed
from depsim_dagster.replay.calls import in_flight
from depsim_dagster.replay.calls.engine import complete_calls
from depsim_dagster.replay.journal.removal import Doomed, journals, remove_answers
from depsim_dagster.replay.journal.response_journal import FLUSH_ROWS, Journal, journal_directory

# Two files, one after the other; two lines of the first go into a second round.
TEXTS = ["[ok] a", "[500 ok] b", "[429 ok] c", "[400filter] d", "[ok] e", "[ok] f", "[ok] g"]
SETTINGS = {"requests_per_file": 4, "files_in_flight": 1}
PRIVATE = "[ok] my private words"


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(in_flight, "FIRST_BACKOFF_S", 0.01)
    monkeypatch.setattr(batch_provider, "LOOK_AGAIN_S", batch_child.LOOKS)


@pytest.fixture
def serve():
    servers = []

    def start(*fates, **options):
        servers.append(BatchServer(*fates, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def kill_at(server, directory, step, number, obeyed, texts=TEXTS, **settings):
    """Have a process run until the server was asked for a step, and kill it there."""
    server.hold = (step, number, obeyed)
    child = batch_child.start(server.base_url, directory, texts, **{**SETTINGS, **settings})
    assert server.held.wait(20)
    child.kill()
    child.join(10)
    assert child.exitcode == -signal.SIGKILL
    server.let_go()


def kept(directory):
    return Journal(directory).outcomes().read_all().to_pylist()


def stored_rows(directory):
    """Rows as they are in the segments, with those that readers pass over."""
    import pyarrow.parquet as pq

    return [
        row for segment in Journal(directory).segments() for row in pq.ParquetFile(segment).read().to_pylist()
    ]


POINTS = [
    *((step, number, obeyed) for step in (UPLOAD, CREATE) for number in (1, 2) for obeyed in (False, True)),
    (UPLOAD, 3, True),
    (RETRIEVE, 1, True),
    *((CONTENT, number, True) for number in (2, 3, 5)),
    *((DELETE, number, obeyed) for number, obeyed in ((1, True), (4, True), (7, False))),
]


@pytest.mark.parametrize(("step", "number", "obeyed"), POINTS)
def test_a_killed_run_is_taken_up_where_it_was(serve, tmp_path, step, number, obeyed):
    server = serve()
    kill_at(server, tmp_path, step, number, obeyed)
    statistics = batch_child.run(server.base_url, tmp_path, TEXTS, **SETTINGS)
    assert statistics.requested == statistics.reused + statistics.sent == len(TEXTS)
    rows = kept(tmp_path)
    assert sorted(row["status"] for row in rows) == ["filtered"] + ["ok"] * 6
    assert {row["request_id"] for row in rows} == {call.request_id for call in batch_child.batch_calls(TEXTS)}
    assert len(stored_rows(tmp_path)) == len(TEXTS)
    assert len(server.created) == len(server.uploads) == 3
    assert set(server.run_lines.values()) == {1} and max(server.hits.values()) <= 2
    assert server.file_contents() == [] and not list((tmp_path / FOLDER).glob("*"))


def test_answers_on_disk_are_not_written_again(serve, tmp_path):
    """A process dies between two result files: what the journal had written of the first is passed over."""
    server = serve()
    texts = [str(i) for i in range(FLUSH_ROWS + 20)] + ["[400filter] x"]
    settings = {"requests_per_file": len(texts)}
    kill_at(server, tmp_path, CONTENT, 2, True, texts, **settings)
    assert len(stored_rows(tmp_path)) >= FLUSH_ROWS
    statistics = batch_child.run(server.base_url, tmp_path, texts, **settings)
    assert len(stored_rows(tmp_path)) == len(kept(tmp_path)) == len(texts)
    assert statistics.reused == len(texts) and set(server.run_lines.values()) == {1}


def test_an_open_batch_is_known_without_any_list(serve, tmp_path):
    server = serve()
    server.lists = False
    kill_at(server, tmp_path, RETRIEVE, 1, True)
    batch_child.run(server.base_url, tmp_path, TEXTS, **SETTINGS)
    assert len(server.created) == 3 and set(server.run_lines.values()) == {1}


def test_a_batch_that_turns_up_late_is_not_made_twice(serve, tmp_path):
    server = serve()
    kill_at(server, tmp_path, CREATE, 1, False)
    (file,) = server.files.list({})["data"]
    submission = file["filename"].removeprefix("depsim-").removesuffix(".jsonl")
    body = {
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
        "input_file_id": file["id"],
        "metadata": {"depsim_submission": submission},
    }
    server.after[LIST_BATCHES] = lambda: server.runner.create(body)  # behind the first look
    batch_child.run(server.base_url, tmp_path, TEXTS, **SETTINGS)
    assert set(server.run_lines.values()) == {1} and len(kept(tmp_path)) == len(TEXTS)


def behind(server, looks):
    """The list of batches has a new one only when it was looked at so often."""
    listed, left = server.runner.list, [looks]

    def late(query):
        left[0] -= 1
        return listed(query) if left[0] < 0 else {"data": [], "has_more": False}

    server.runner.list = late


@pytest.mark.parametrize("killed", [True, False])
def test_a_list_that_is_behind_makes_no_batch_twice(serve, tmp_path, killed):
    server = serve()
    behind(server, len(batch_child.LOOKS))
    if killed:
        kill_at(server, tmp_path, CREATE, 1, True)
    else:
        server.plans[CREATE] = ["lost"]
    batch_child.run(server.base_url, tmp_path, TEXTS, **SETTINGS)
    assert len(server.created) == 3 and set(server.run_lines.values()) == {1}


def test_a_batch_is_found_by_its_file_where_no_metadata_is_kept(serve, tmp_path):
    server = serve()
    create = server.runner.create
    server.runner.create = lambda body: create({**body, "metadata": None})
    kill_at(server, tmp_path, CREATE, 1, True)
    batch_child.run(server.base_url, tmp_path, TEXTS, **SETTINGS)
    assert len(server.created) == 3 and set(server.run_lines.values()) == {1}


def test_calls_that_are_open_have_their_place_in_the_budget(serve, tmp_path):
    """Also when the next run asks for others first."""
    server, directory = serve(), journal_directory(tmp_path, "local", "m")
    directory.mkdir(parents=True)
    kill_at(server, directory, RETRIEVE, 1, True)
    name, texts = JournalName("local", "m"), ["[ok] other 1", "[ok] other 2", *TEXTS]
    spending = Spending(tmp_path, BudgetConfig(calls=5), Prices({}), name, Path("study.yaml"))
    with pytest.raises(BudgetError, match="5 of 5 calls are spent"):
        batch_child.run(server.base_url, directory, texts, spending=spending, **SETTINGS)
    assert len(kept(directory)) == 5
    spending = Spending(tmp_path, BudgetConfig(calls=9), Prices({}), name, Path("study.yaml"))
    batch_child.run(server.base_url, directory, texts, spending=spending, **SETTINGS)
    assert len(kept(directory)) == 9 and set(server.run_lines.values()) == {1}


def test_a_server_without_lists_runs_one_file_twice_at_most(serve, tmp_path, caplog):
    server = serve()
    server.lists = False
    texts = [f"[ok] {i}" for i in range(12)]
    kill_at(server, tmp_path, CREATE, 2, True, texts, files_in_flight=3)
    batch_child.run(server.base_url, tmp_path, texts, **SETTINGS)
    assert len(kept(tmp_path)) == 12 and len(server.created) == 4
    assert Counter(server.run_lines.values()) == {1: 8, 2: SETTINGS["requests_per_file"]}
    assert "does not list its batches" in caplog.text


def test_a_file_of_which_nothing_is_known_is_named_in_the_log(serve, tmp_path, caplog):
    server = serve()
    server.lists = False
    kill_at(server, tmp_path, UPLOAD, 1, True)
    (name,) = [file["filename"] for file in server.files.list({})["data"]]
    batch_child.run(server.base_url, tmp_path, TEXTS, **SETTINGS)
    assert f"cannot be looked for: {name}" in caplog.text and len(kept(tmp_path)) == len(TEXTS)


def test_who_turns_batches_off_meanwhile_is_told_that_it_costs(
    serve, server, endpoint, call, tmp_path, caplog
):
    batches = serve()
    kill_at(batches, tmp_path, RETRIEVE, 1, True)
    complete_calls(endpoint(), [call("a")], Journal(tmp_path))
    assert "up to 4 calls are open in batches of an earlier run" in caplog.text


def test_an_upload_that_turns_up_late_is_deleted(serve, tmp_path):
    server = serve()
    kill_at(server, tmp_path, UPLOAD, 1, False)
    (record,) = (tmp_path / FOLDER).glob("*.json")
    late = f"depsim-{record.stem}-1.jsonl"
    server.after[CREATE] = lambda: server.files.add(b"late", late, "batch")
    batch_child.run(server.base_url, tmp_path, TEXTS, **SETTINGS)
    assert server.file_contents() == [] and len(kept(tmp_path)) == len(TEXTS)


def test_a_file_that_was_deleted_meanwhile_is_made_again(serve, tmp_path):
    server = serve()
    kill_at(server, tmp_path, CREATE, 1, False)
    for file in server.files.list({})["data"]:
        server.files.delete(file["id"])
    # Nothing is lost: calls that the run has not come to are sent, the others fail until the next run sends them.
    batch_child.run(server.base_url, tmp_path, TEXTS, **SETTINGS)
    batch_child.run(server.base_url, tmp_path, TEXTS, **SETTINGS)
    assert sorted(row["status"] for row in kept(tmp_path)) == ["filtered"] + ["ok"] * 6
    assert set(server.run_lines.values()) == {1}


@pytest.mark.parametrize(
    ("step", "obeyed"), [(UPLOAD, True), (CREATE, False), (CREATE, True), (RETRIEVE, True), (CONTENT, True)]
)
def test_what_was_erased_meanwhile_does_not_come_back(serve, tmp_path, step, obeyed):
    server = serve()
    texts = [PRIVATE, "[500 ok] b", "[ok] c"]
    kill_at(server, tmp_path, step, 1, obeyed, texts)
    ran = server.run_lines.total()
    assert journals(tmp_path) == [tmp_path]
    remove_answers(tmp_path, Doomed(turns=[PRIVATE]))
    assert PRIVATE not in "".join(path.read_text() for path in (tmp_path / FOLDER).glob("*"))
    erased, *others = batch_child.batch_calls(texts)
    assert erased.request_id not in "".join(path.read_text() for path in (tmp_path / FOLDER).glob("*"))
    uploaded = len(server.uploads)
    batch_child.run(server.base_url, tmp_path, texts[1:], **SETTINGS, delete_files=False)
    assert {row["request_id"] for row in kept(tmp_path)} == {call.request_id for call in others}
    assert not any(PRIVATE.encode() in content for content in server.uploads[uploaded:])
    # An answer that nobody may keep was paid for all the same.
    spent = sum((lost for lost in _removed(tmp_path, ())), Amounts())
    assert spent == Amounts(*[server.run_lines[erased.request_id] * amount for amount in (1, 7, 3)])
    assert server.run_lines[erased.request_id] == (
        step in (RETRIEVE, CONTENT) or obeyed and step == CREATE
    ), ran
    assert not any(PRIVATE.encode() in content for content in server.file_contents())
    assert not list((tmp_path / FOLDER).glob("*"))


def test_a_round_of_which_all_was_erased_leaves_the_next_one(serve, tmp_path):
    server = serve()
    texts = [PRIVATE, "[ok] b", "[ok] c"]
    kill_at(server, tmp_path, CREATE, 1, False, texts)
    (path,) = (tmp_path / FOLDER).glob("*.json")
    record = json.loads(path.read_text())
    first, *others = record["sent"]  # as where the provider's queue takes one line at a time
    split = {"sent": {first: 1}, "waiting": dict.fromkeys(others, 1), "state": UPLOADING, "round": 2}
    path.write_text(json.dumps(record | split | {"input_file": None, "most_lines": 1}))
    remove_answers(tmp_path, Doomed(turns=[PRIVATE]))
    batch_child.run(server.base_url, tmp_path, texts[1:], **SETTINGS)
    assert [row["status"] for row in kept(tmp_path)] == ["ok"] * 2 and server.file_contents() == []


def test_a_batch_of_which_all_was_erased_is_cancelled(serve, tmp_path):
    server = serve(delay=0.3)
    kill_at(server, tmp_path, RETRIEVE, 1, True, [PRIVATE])
    remove_answers(tmp_path, Doomed(turns=[PRIVATE]))
    assert batch_child.run(server.base_url, tmp_path, [], **SETTINGS).requested == 0
    assert [batch["status"] for batch in server.runner.list({})["data"]] == ["cancelled"]
    assert kept(tmp_path) == [] and server.file_contents() == [] and not server.run_lines


def test_chaos(serve, tmp_path):
    """Hundreds of calls, batches that expire, are cancelled, refused and partly failed, and five kills."""
    draw = random.Random(4)
    fates = [
        "expired:0.5",
        "completed",
        "token_limit",
        "cancelled:0.3",
        "expired:0.1",
        "expired:0.9",
        "token_limit",
    ]
    server = serve(*fates, *fates, delay=0.01, rate_429=0.06, rate_5xx=0.06, queue_lines=150)
    texts = [
        f"[{draw.choice(['ok', 'ok', 'ok', 'tool', 'empty', '500 ok', 'nochoices ok'])}] {i}"
        for i in range(400)
    ]
    settings = {"requests_per_file": 40, "files_in_flight": 4, "attempts": 20}
    for _ in range(5):
        child = batch_child.start(server.base_url, tmp_path, texts, **settings)
        until = len(server.seen) + draw.randint(4, 30)
        while len(server.seen) < until and child.is_alive():
            child.join(0.002)
        child.kill()
        child.join(10)
        assert child.exitcode == -signal.SIGKILL
    statistics = batch_child.run(server.base_url, tmp_path, texts, **settings)
    rows = kept(tmp_path)
    assert len(rows) == statistics.requested == 400
    assert {row["request_id"] for row in rows} == {call.request_id for call in batch_child.batch_calls(texts)}
    assert {row["status"] for row in rows} == {"ok", "empty"}
    # An answer that is no completion is asked for once more; nothing else is paid for twice.
    again = {
        call.request_id
        for call, text in zip(batch_child.batch_calls(texts), texts, strict=True)
        if "noch" in text
    }
    assert {request for request, times in server.run_lines.items() if times > 1} <= again
    assert max(server.run_lines.values()) <= 2
    assert server.file_contents() == [] and not list((tmp_path / FOLDER).glob("*"))

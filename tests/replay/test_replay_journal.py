from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from depsim_dagster.errors import LakeError
from depsim_dagster.replay.dialects.outcomes import Outcome
from depsim_dagster.replay.journal.response_journal import (
    ABANDONED_AFTER_S,
    FLUSH_ROWS,
    FLUSH_SECONDS,
    JOURNAL_SCHEMA,
    Journal,
    journal_directory,
)

NOON = dt.datetime(2026, 1, 5, 12, tzinfo=dt.UTC)


def outcome(request_id: str, status: str = "ok", minute: int = 0, **fields) -> Outcome:
    fields = {"completion": None if status == "failed" else '{"role":"assistant","content":"x"}', **fields}
    return Outcome(request_id, status, answered_at=NOON + dt.timedelta(minutes=minute), **fields)


def rows(journal: Journal, ids=None) -> dict[str, dict]:
    table = journal.outcomes(ids).read_all()
    found = {row["request_id"]: row for row in table.to_pylist()}
    assert len(found) == table.num_rows, "a request id came twice"
    return found


def test_an_outcome_comes_back_as_it_was(journal):
    kept = Outcome("a", "ok", '{"content":"é😀"}', "stop", "served", 7, 3, 12.5, 2, None, NOON)
    journal.append(kept)
    journal.flush()
    reader = journal.outcomes(["a", "unknown"])
    assert reader.schema == JOURNAL_SCHEMA
    assert [Outcome(**row) for row in reader.read_all().to_pylist()] == [kept]


def test_nothing_counts_before_it_is_on_disk(journal):
    assert journal.append(outcome("a")) is False
    assert (journal.known_ids(), journal.segments(), journal.buffered) == (set(), [], 1)
    assert journal.flush() is True
    assert (journal.known_ids(), journal.buffered) == ({"a"}, 0)
    assert journal.flush() is False and len(journal.segments()) == 1


def test_a_full_buffer_is_written(journal):
    written = [journal.append(outcome(str(i))) for i in range(FLUSH_ROWS + 1)]
    assert written.count(True) == 1 and written[FLUSH_ROWS - 1] is True
    assert len(Journal(journal.directory).known_ids()) == FLUSH_ROWS


def test_an_old_buffer_is_written(journal, monkeypatch):
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    journal.append(outcome("a"))
    assert journal.seconds_until_due() == FLUSH_SECONDS and not journal.flush_if_due()
    monkeypatch.setattr(time, "monotonic", lambda: now + FLUSH_SECONDS)
    assert journal.seconds_until_due() == 0.0
    assert journal.append(outcome("b")) is True
    assert journal.known_ids() == {"a", "b"}


def test_failures_are_asked_again_and_every_other_status_is_not(journal):
    for status in ("ok", "refused", "filtered", "truncated", "empty", "malformed", "failed"):
        journal.append(outcome(status, status))
    journal.append(outcome("no-body", "malformed", completion=None, error_code="not_a_completion"))
    journal.append(outcome("bad-arguments", "malformed", error_code="tool_call_arguments"))
    journal.flush()
    assert journal.known_ids() == {
        "ok",
        "refused",
        "filtered",
        "truncated",
        "empty",
        "malformed",
        "bad-arguments",
    }
    assert rows(journal)["failed"]["status"] == "failed"


def test_an_answer_wins_over_failures_and_the_last_answer_over_earlier_ones(journal):
    for status, minute in (("truncated", 1), ("failed", 0), ("ok", 3), ("ok", 2), ("failed", 9)):
        journal.append(outcome("a", status, minute))
        journal.append(outcome("f", "failed", minute, error_code=f"at{minute}"))
        journal.flush()
    found = rows(journal)
    assert (found["a"]["status"], found["a"]["answered_at"]) == ("ok", NOON + dt.timedelta(minutes=3))
    assert found["f"]["error_code"] == "at9"
    assert set(rows(journal, {"a"})) == {"a"}
    assert rows(journal, []) == {}


def test_duplicates_inside_one_segment_and_an_empty_journal(journal):
    assert rows(journal) == {} and journal.outcomes(["a"]).read_all().num_rows == 0
    for _ in range(3):
        journal.append(outcome("a"))
        journal.append(outcome("b"))
    journal.flush()
    assert set(rows(journal)) == {"a", "b"}


def test_streaming_holds_one_segment_at_a_time(journal):
    for segment in range(4):
        for i in range(10):
            journal.append(outcome(f"{segment}-{i}"))
        journal.flush()
    assert [batch.num_rows for batch in journal.outcomes()] == [40]


def test_what_a_killed_writer_left_is_ignored_and_removed(tmp_path):
    fresh, old = tmp_path / ".a.tmp", tmp_path / ".b.tmp"
    for file in (fresh, old):
        file.write_bytes(b"PAR1 half a segment")
    os.utime(old, (time.time() - 2 * ABANDONED_AFTER_S,) * 2)
    journal = Journal(tmp_path)
    assert journal.known_ids() == set() and journal.segments() == []
    assert fresh.exists() and not old.exists()  # a fresh one may be another process's, about to be renamed


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "foreign"])
def test_a_damaged_segment_is_named_with_the_way_out(journal, damage):
    for i in range(FLUSH_ROWS):
        journal.append(outcome(f"{i:064d}", completion=f'{{"content":"private words {i * 7919}"}}'))
    segment = journal.segments()[0]
    content = bytearray(segment.read_bytes())
    if damage == "foreign":
        pq.write_table(pa.table({"x": [1]}), segment)
    else:
        content[len(content) // 4] ^= 0xFF
        segment.write_bytes({"empty": b"", "cut": content[:-100], "flipped": content}[damage])
    for read in (journal.known_ids, lambda: journal.outcomes().read_all()):
        if damage == "flipped" and read == journal.known_ids:
            continue  # only the pages that are read are checked
        with pytest.raises(LakeError) as caught:
            read()
        assert str(segment) in str(caught.value)
        assert "delete it" in str(caught.value) or "move it" in str(caught.value)
        assert "private words" not in str(caught.value)


def test_a_directory_that_cannot_be_written_names_itself_and_keeps_the_answers(journal):
    journal.append(outcome("a"))
    journal.directory.rename(journal.directory.with_name("away"))
    with pytest.raises(LakeError, match="1 answers are not on disk") as caught:
        journal.flush()
    assert str(journal.directory) in str(caught.value)
    journal.directory.mkdir()
    journal.flush()
    assert journal.known_ids() == {"a"}


def test_threads_may_share_a_journal(journal):
    def write(name: str) -> None:
        for i in range(500):
            journal.append(outcome(f"{name}{i}"))

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.flush()
    assert len(rows(journal)) == 2000


def test_two_processes_may_write_to_one_directory(tmp_path):
    script = (
        "import sys; from pathlib import Path\n"
        "from depsim_dagster.replay.journal.response_journal import Journal\n"
        "from depsim_dagster.replay.dialects.outcomes import Outcome\n"
        "j = Journal(Path(sys.argv[1]))\n"
        "for i in range(300):\n"
        "    j.append(Outcome(f'{sys.argv[2]}{i}', 'ok', '{}'))\n"
        "    j.append(Outcome(f'both{i}', 'ok', '{}'))\n"
        "j.flush()\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", script, str(tmp_path), name]) for name in "ab"]
    assert [writer.wait(30) for writer in writers] == [0, 0]
    assert len(rows(Journal(tmp_path))) == 900
    assert not list(tmp_path.glob(".*.tmp"))


def test_the_directory_of_an_endpoint_and_model_survives_any_name():
    path = journal_directory(Path("s") / "_journal", "e/1", "org/model:v 2|x")
    assert path == Path("s/_journal/endpoint=e%2F1/model=org%2Fmodel%3Av%202%7Cx")


def test_duckdb_reads_the_stream(journal):
    duckdb = pytest.importorskip("duckdb")
    journal.append(outcome("a"))
    journal.append(outcome("b", "failed"))
    journal.flush()
    reader = journal.outcomes()  # noqa: F841 (DuckDB finds it by its name)
    counted = duckdb.connect().execute("select status, count(*) from reader group by 1 order by 1").fetchall()
    assert counted == [("failed", 1), ("ok", 1)]

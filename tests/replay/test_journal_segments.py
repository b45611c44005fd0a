"""Many small segments become few: no answer is lost or doubled, whenever the process dies, and no reader is in its way."""

from __future__ import annotations

import asyncio
import datetime as dt

import pyarrow as pa
import pytest

from depsim_dagster.errors import LakeError
from depsim_dagster.replay.dialects.outcomes import Outcome
from depsim_dagster.replay.journal import segments
from depsim_dagster.replay.journal.claims import CLAIMS_SCHEMA, FOLDER, Subject, read_claims
from depsim_dagster.replay.journal.removal import Doomed, remove_answers
from depsim_dagster.replay.journal.response_journal import JOURNAL_SCHEMA, Journal

NOON = dt.datetime(2026, 1, 5, 12, tzinfo=dt.UTC)


@pytest.fixture
def full(journal, monkeypatch) -> Journal:
    """Twelve segments of five answers; six are many, and thirty rows are a merged segment."""
    monkeypatch.setattr(segments, "MOST_SMALL", 6)
    monkeypatch.setattr(segments, "MERGED_ROWS", 30)
    monkeypatch.setattr(segments, "ROWS_AT_A_TIME", 8)
    for number in range(60):
        request = f"{number:064x}"
        journal.claim(request, Subject("2026-01-05", f"turn {number % 20}", f"user {number % 20}"))
        journal.append(Outcome(request, "ok", f'"{number}"', answered_at=NOON + dt.timedelta(minutes=number)))
        if number % 5 == 4:
            journal.flush()
    assert len(journal.segments()) == 12
    return journal


def take_turn(journal: Journal) -> None:
    async def turn() -> None:
        async with journal.alone():
            pass

    asyncio.run(turn())


def held(journal: Journal) -> list[dict]:
    return sorted(journal.outcomes().read_all().to_pylist(), key=lambda row: row["request_id"])


def claimed(journal: Journal) -> set[tuple]:
    return {
        tuple(row.values()) for batch in read_claims(journal.directory / FOLDER) for row in batch.to_pylist()
    }


def test_whoever_has_the_journal_alone_merges_it(full):
    answers, claims = held(full), claimed(full)
    take_turn(full)
    assert len(full.segments()) == 2 and len(list((full.directory / FOLDER).glob("*.parquet"))) == 2
    assert held(full) == answers and len(answers) == 60 and claimed(full) == claims and len(claims) == 60
    assert len(full.known_ids()) == 60
    merged = full.segments()
    take_turn(full)
    assert full.segments() == merged, "what is merged is left alone"


def test_few_segments_are_left_alone(full, monkeypatch):
    before = full.segments()
    monkeypatch.setattr(segments, "MOST_SMALL", 13)
    take_turn(full)
    assert full.segments() == before


@pytest.mark.parametrize("deleted", [0, 1, 3, 5])
def test_a_merge_that_was_cut_short_loses_and_doubles_nothing(full, monkeypatch, deleted):
    answers = held(full)
    unlink = segments.Path.unlink
    left = [deleted]

    def die(self, missing_ok=False):
        if self.suffix == ".parquet":
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
        unlink(self, missing_ok=missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(segments.Path, "unlink", die)
        with pytest.raises(KeyboardInterrupt):
            segments.merge_small(full.directory, JOURNAL_SCHEMA)
    assert len(full.segments()) == 13 - deleted
    assert held(full) == answers and len(full.known_ids()) == 60
    take_turn(full)
    assert held(full) == answers


def test_a_full_disk_is_no_reason_not_to_make_calls(full, monkeypatch):
    def refuse(*_: object, **__: object):
        raise OSError(28, "No space left on device")

    before, answers = full.segments(), held(full)
    monkeypatch.setattr(segments, "write_segment", refuse)
    take_turn(full)
    assert full.segments() == before and held(full) == answers


def test_a_reader_keeps_the_segments_where_they_are(full):
    before = full.segments()
    reader = full.outcomes()
    first = reader.read_next_batch()
    take_turn(full)
    assert full.segments() == before
    assert first.num_rows + sum(batch.num_rows for batch in reader) == 60
    take_turn(full)
    assert len(full.segments()) == 2


def test_only_the_rows_that_are_asked_for_are_read(full):
    take_turn(full)
    asked = [f"{number:064x}" for number in (3, 17, 44)]
    batches = list(full.outcomes(asked))
    assert sorted(value for batch in batches for value in batch.column("completion").to_pylist()) == [
        '"17"',
        '"3"',
        '"44"',
    ]
    assert all(batch.num_rows <= 16 for batch in full.outcomes())


def test_answers_are_removed_from_merged_segments(full):
    take_turn(full)
    assert remove_answers(full.directory, Doomed(turns=["turn 3", "turn 4"])) == 6
    assert len(held(full)) == 54 and len(claimed(full)) == 54
    assert not {row["completion"] for row in held(full)} & {'"3"', '"24"', '"43"'}
    assert remove_answers(full.directory, Doomed(weeks=["2026-01-05"])) == 54
    assert full.segments() == [] and claimed(full) == set()


@pytest.mark.parametrize("damage", ["whole", "page"])
def test_a_damaged_segment_is_named_by_whoever_needs_it(full, damage):
    segment = full.segments()[4]
    content = bytearray(segment.read_bytes())
    content[len(content) // 4] ^= 0xFF  # in the text
    segment.write_bytes(b"x" if damage == "whole" else content)
    take_turn(full)  # no reason not to make calls
    with pytest.raises(LakeError, match="cannot be read"):
        full.outcomes().read_all()


def test_rows_that_are_none_make_no_segment(tmp_path):
    table = pa.Table.from_pylist(
        [{"request_id": "r", "week": "w", "turn_id": "t", "user_id": "u"}], CLAIMS_SCHEMA
    )
    segment = segments.write_segment(tmp_path, table)
    segments.rewrite(tmp_path, [segment], CLAIMS_SCHEMA, lambda rows: pa.array([False] * len(rows)))
    assert segments.segments_in(tmp_path) == []

"""Removal of answers from the response journals: those made for some turns or weeks and for nobody else.

An answer of which no claim says for whom it was asked (of an older version, or of a caller that names none) may be
anybody's: an erasure takes it along, and a later run that needs it asks again.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from depsim_dagster.errors import LakeError
from depsim_dagster.replay.claims import CLAIMS_SCHEMA, FOLDER, read_claims, write_segment


@dataclass(frozen=True)
class Doomed:
    """Which answers have to go: by the turn or the week that they were asked for, and what nobody claims and is older
    than a moment."""

    turns: Collection[str] = ()
    weeks: Collection[str] = ()
    unclaimed_before: dt.datetime | None = None

    def among(self, claims: pa.RecordBatch | pa.Table) -> pa.Array | pa.ChunkedArray:
        """Which of these claims fall away."""
        return pc.or_(
            pc.is_in(claims.column("turn_id"), value_set=pa.array(list(self.turns), pa.string())),
            pc.is_in(claims.column("week"), value_set=pa.array(list(self.weeks), pa.string())),
        )


def journals(root: Path) -> list[Path]:
    """The folders below `root` that hold answers or claims."""
    found = {path.parent for pattern in ("*.parquet", ".*.tmp") for path in root.rglob(pattern)}
    return sorted({folder.parent if folder.name == FOLDER else folder for folder in found})


def turns_of(root: Path, users: Collection[str]) -> set[str]:
    """The turns for which some answer was asked on behalf of these users."""
    wanted, turns = pa.array(sorted(users), pa.string()), set()
    for journal in journals(root):
        for batch in read_claims(journal / FOLDER):
            own = batch.filter(pc.is_in(batch.column("user_id"), value_set=wanted))
            turns.update(own.column("turn_id").to_pylist())
    return turns


def claimed_weeks(root: Path) -> set[str]:
    """The weeks for whose turns some answer was asked."""
    return _claimed(root, "week")


def users_of(root: Path) -> set[str]:
    """The users on whose behalf some answer was asked."""
    return _claimed(root, "user_id")


def _claimed(root: Path, column: str) -> set[str]:
    values: set[str] = set()
    for journal in journals(root):
        for batch in read_claims(journal / FOLDER):
            values.update(batch.column(column).unique().to_pylist())
    return values


def count_answers(journal: Path, doomed: Doomed) -> int:
    """How many rows `remove_answers` would remove."""
    wanted = _wanted(journal, doomed)
    return sum(sum(wanted(_rows(segment, ["request_id", "answered_at"]))) for segment in _segments(journal))


def remove_answers(journal: Path, doomed: Doomed) -> int:
    """Rewrite the segments of one journal without these answers, then its claims; returns the rows removed.

    A process that dies in the middle leaves at worst an answer in two segments, of which readers take one, and a claim
    without an answer: a second call does the rest. Waits until no run makes calls into this journal.

    Raises:
        LakeError: a segment cannot be read or written.
    """
    removed = 0
    with _alone(journal):
        _remove_unfinished(journal)
        wanted = _wanted(journal, doomed)
        for segment in _segments(journal):
            gone = wanted(_rows(segment, ["request_id", "answered_at"]))
            if any(gone):
                removed += sum(gone)
                kept = pc.invert(pa.array(gone, pa.bool_()))
                _replace(journal, [segment], _rows(segment).filter(kept))
        _remove_claims(journal / FOLDER, doomed)
    return removed


def _wanted(journal: Path, doomed: Doomed) -> Callable[[pa.Table], list[bool]]:
    """A function from rows of a segment to whether each has to go."""
    claimed: set[str] = set()
    kept: set[str] = set()
    for batch in read_claims(journal / FOLDER):
        claimed.update(batch.column("request_id").to_pylist())
        kept.update(batch.filter(pc.invert(doomed.among(batch))).column("request_id").to_pylist())

    def wanted(rows: pa.Table) -> list[bool]:
        before = doomed.unclaimed_before
        pairs = zip(
            rows.column("request_id").to_pylist(), rows.column("answered_at").to_pylist(), strict=True
        )
        return [
            request not in kept if request in claimed else before is not None and answered < before
            for request, answered in pairs
        ]

    return wanted


def _remove_claims(folder: Path, doomed: Doomed) -> None:
    segments = sorted(folder.glob("*.parquet"))
    claims = pa.Table.from_batches(read_claims(folder), CLAIMS_SCHEMA)
    gone = doomed.among(claims)
    if pc.any(gone, min_count=0).as_py():
        _replace(folder, segments, claims.filter(pc.invert(gone)))


def _replace(folder: Path, segments: list[Path], rows: pa.Table) -> None:
    try:
        if rows.num_rows:
            write_segment(folder, rows)
        for segment in segments:
            segment.unlink(missing_ok=True)
    except OSError as error:
        raise LakeError(
            f"response journal {folder}: a segment cannot be replaced ({error.strerror or type(error).__name__}); make "
            "room or restore write access and run again"
        ) from None


def _segments(journal: Path) -> list[Path]:
    return sorted(journal.glob("*.parquet"))


def _rows(segment: Path, columns: list[str] | None = None) -> pa.Table:
    try:
        with pq.ParquetFile(segment, page_checksum_verification=True) as file:
            return file.read(columns=columns)
    except (pa.ArrowException, OSError) as error:
        raise LakeError(
            f"response journal: segment {segment} cannot be read ({type(error).__name__}), so nobody knows whose answers "
            "it holds; restore it from a backup or delete it"
        ) from None


def _remove_unfinished(journal: Path) -> None:
    """Segments that a killed process had not finished: the erasure has the store alone, so no writer misses them."""
    for folder in (journal, journal / FOLDER):
        for temporary in folder.glob(".*.tmp"):
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def _alone(journal: Path) -> Iterator[None]:
    """As `Journal.alone`, for code without an event loop."""
    descriptor = os.open(journal, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)

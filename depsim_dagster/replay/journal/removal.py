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

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from depsim_dagster.errors import LakeError
from depsim_dagster.replay.batch import records as batch_records
from depsim_dagster.replay.budget.spent import TOKENS, Amounts, amounts_of, keep_removed
from depsim_dagster.replay.journal.claims import CLAIMS_SCHEMA, FOLDER, read_claims
from depsim_dagster.replay.journal.id_set import KEY, IdSet, id_keys
from depsim_dagster.replay.journal.kept_answers import JOURNAL_SCHEMA
from depsim_dagster.replay.journal.segments import (
    Keep,
    read_segment,
    remove_replaced,
    replaced,
    rewrite,
    segments_in,
)


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
    """The folders below `root` that hold answers, claims or records of batches."""
    found = {path.parent for pattern in ("*.parquet", ".*.tmp") for path in root.rglob(pattern)}
    found |= {path.parent for path in root.rglob(f"{batch_records.FOLDER}/*.json")}
    inner = (FOLDER, batch_records.FOLDER)
    return sorted({folder.parent if folder.name in inner else folder for folder in found})


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
    segments = set(segments_in(journal)) - replaced(journal)
    return sum(_count(segment, wanted) for segment in segments)


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
        try:
            remove_replaced(journal)
        except OSError as error:
            raise _unwritable(journal, error) from None
        wanted = _wanted(journal, doomed)
        for segment in segments_in(journal):
            if gone := _count(segment, wanted):
                removed += gone
                _keep_cost(journal, segment, wanted)
                _rewrite(journal, [segment], JOURNAL_SCHEMA, lambda rows: pc.invert(wanted(rows)))
        _forget_open_calls(journal, wanted)
        _remove_claims(journal / FOLDER, doomed)
    return removed


def _wanted(journal: Path, doomed: Doomed) -> Callable[[pa.RecordBatch], pa.Array]:
    """A function from rows of a segment to whether each has to go."""
    keys, kept_keys = [np.array([], KEY)], [np.array([], KEY)]
    for batch in read_claims(journal / FOLDER):
        keys.append(id_keys(batch.column("request_id")))
        kept_keys.append(keys[-1][pc.invert(doomed.among(batch)).to_numpy(zero_copy_only=False)])
    claimed, kept = (IdSet.of_keys(np.concatenate(parts)) for parts in (keys, kept_keys))

    def wanted(rows: pa.RecordBatch) -> pa.Array:
        answered, before = rows.column("answered_at"), doomed.unclaimed_before
        old = (
            pa.repeat(False, len(rows))
            if before is None
            else pc.less(answered, pa.scalar(before, answered.type))
        )
        requests = rows.column("request_id")
        return pc.if_else(claimed.holds(requests), pc.invert(kept.holds(requests)), old)

    return wanted


def _count(segment: Path, wanted: Callable[[pa.RecordBatch], pa.Array]) -> int:
    rows = read_segment(segment, ["request_id", "answered_at"])
    return sum(pc.sum(wanted(batch), min_count=0).as_py() for _, batch in rows)


def _forget_open_calls(journal: Path, wanted: Callable[[pa.RecordBatch], pa.Array]) -> None:
    """Calls in a batch that is open, whose answers a later run would have kept."""
    schema = pa.schema([JOURNAL_SCHEMA.field(name) for name in ("request_id", "answered_at")])

    def doomed(ids: list[str], since: float) -> list[bool]:
        moment = dt.datetime.fromtimestamp(since, dt.UTC)
        rows = pa.record_batch(
            [pa.array(ids, pa.string()), pa.array([moment] * len(ids), schema.types[1])], schema=schema
        )
        return wanted(rows).to_pylist() if ids else []

    batch_records.forget_calls(journal, doomed)


def _remove_claims(folder: Path, doomed: Doomed) -> None:
    if any(pc.any(doomed.among(batch), min_count=0).as_py() for batch in read_claims(folder)):
        _rewrite(folder, segments_in(folder), CLAIMS_SCHEMA, lambda claims: pc.invert(doomed.among(claims)))


def _keep_cost(journal: Path, segment: Path, wanted: Callable[[pa.RecordBatch], pa.Array]) -> None:
    """What was paid for stays spent: an erasure refills no budget."""
    rows = read_segment(segment, ["request_id", "answered_at", *TOKENS])
    lost = sum((amounts_of(batch.filter(wanted(batch))) for _, batch in rows), Amounts())
    try:
        keep_removed(journal, segment.name, lost)
    except OSError as error:
        raise _unwritable(journal, error) from None


def _rewrite(folder: Path, segments: list[Path], schema: pa.Schema, keep: Keep) -> None:
    try:
        rewrite(folder, segments, schema, keep)
    except OSError as error:
        raise _unwritable(folder, error) from None


def _unwritable(folder: Path, error: OSError) -> LakeError:
    return LakeError(
        f"response journal {folder}: a segment cannot be replaced ({error.strerror or type(error).__name__}); make "
        "room or restore write access and run again"
    )


def _remove_unfinished(journal: Path) -> None:
    """Segments that a killed process had not finished: the erasure has the store alone, so no writer misses them."""
    for folder in (journal, journal / FOLDER, journal / batch_records.FOLDER):
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

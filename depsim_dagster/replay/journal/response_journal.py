"""The response journal: answers that were paid for, on disk before they count.

A journal is a directory of immutable Parquet segments. A segment is written under a temporary name, synced
and renamed, so a reader sees all of it or none of it, whatever kills the writer. At most FLUSH_ROWS answers,
none older than FLUSH_SECONDS, are in memory only: with the calls in flight, that is what a SIGKILL can cost.
Any number of processes may write to one directory; `alone` has those that make calls take turns, so that no
answer is paid for twice, and merges what many flushes left (segments.py). It is a store of answers by request
id, not a table of the lake: assets copy from it. Beside the answers stand the claims (claims.py): for whom
each was asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import threading
import time
from collections.abc import AsyncIterator, Collection, Iterator
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pyarrow as pa

from depsim_dagster.errors import LakeError
from depsim_dagster.replay.dialects.outcomes import Outcome
from depsim_dagster.replay.journal.claims import CLAIMS_SCHEMA, Claims, Subject
from depsim_dagster.replay.journal.id_set import IdSet
from depsim_dagster.replay.journal.kept_answers import (
    JOURNAL_SCHEMA,
    answered_ids,
    winning_rows,
    winning_rows_in_order,
)
from depsim_dagster.replay.journal.segments import (
    coalesced,
    merge_small,
    reading,
    segments_in,
    unread,
    write_segment,
)

FLUSH_ROWS = 256
FLUSH_SECONDS = 1.0
# A segment is written in milliseconds, so an hour-old temporary file has no living writer, on this machine or
# another.
ABANDONED_AFTER_S = 3600.0
TURN_POLL_S = 0.1
LONGEST_CLAIMS = 4096  # claims in memory while every answer is known already and nothing else is written


def journal_directory(root: Path, endpoint_name: str, model: str) -> Path:
    """`<root>/endpoint=<e>/model=<m>`: one journal per endpoint and served model, as hive partitions."""
    return root / f"endpoint={quote(endpoint_name, safe='')}" / f"model={quote(model, safe='')}"


class Journal:
    """One directory of segments. Thread-safe; the directory is made when missing."""

    def __init__(self, directory: Path) -> None:
        self.directory = Path(directory)
        self._lock = threading.Lock()
        self._buffer: list[Outcome] = []
        self._oldest = 0.0
        self._claims = Claims(self.directory)
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LakeError(f"response journal {self.directory} cannot be made: {error.strerror}") from None
        self._remove_abandoned()

    @property
    def buffered(self) -> int:
        """Answers that are not on disk yet."""
        return len(self._buffer)

    def claim(self, request_id: str, subject: Subject) -> None:
        """Note for whom a request is made, whether or not its answer is here already.

        It is on disk before the answer, and after `flush`. Raises LakeError when it cannot be written.
        """
        with self._lock:
            self._claims.add(request_id, subject)
            if self._claims.buffered >= LONGEST_CLAIMS:
                self._write_claims()

    def append(self, outcome: Outcome) -> bool:
        """Take one outcome; flush when FLUSH_ROWS are buffered or the oldest is FLUSH_SECONDS old.

        Returns whether a segment was written. Raises LakeError when it cannot be.
        """
        with self._lock:
            if not self._buffer:
                self._oldest = time.monotonic()
            self._buffer.append(outcome)
            return self._write() if len(self._buffer) >= FLUSH_ROWS or self._seconds_left() <= 0 else False

    def flush(self) -> bool:
        """Put every buffered answer and claim on disk now. Returns whether there was an answer."""
        with self._lock:
            self._write_claims()
            return self._write()

    def flush_if_due(self) -> bool:
        """Flush when the oldest buffered answer is FLUSH_SECONDS old: for a writer that has nothing to
        append."""
        with self._lock:
            return self._write() if self._buffer and self._seconds_left() <= 0 else False

    def seconds_until_due(self) -> float:
        """Seconds after which `flush_if_due` would write; FLUSH_SECONDS when nothing is buffered."""
        with self._lock:
            return max(self._seconds_left(), 0.0) if self._buffer else FLUSH_SECONDS

    def segments(self) -> list[Path]:
        """The segment files that are complete, in a stable order."""
        return segments_in(self.directory)

    @contextlib.asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Wait until no other run, of this process or another, is inside; a process that dies leaves."""
        try:
            descriptor = os.open(self.directory, os.O_RDONLY)
        except OSError as error:
            raise LakeError(f"response journal {self.directory} cannot be opened: {error.strerror}") from None
        try:
            while True:
                # Polled: a thread that waits for the lock could not be cancelled, and would keep it.
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                await asyncio.sleep(TURN_POLL_S)
            self._merge()
            yield
        finally:
            os.close(descriptor)

    def known_ids(self) -> IdSet:
        """Request ids that have an answer on disk and need no other call.

        Not those that failed, nor those whose response was no completion at all: a later run sends them
        again.
        """
        with reading(self.directory):
            return IdSet(answered_ids(self.segments()))

    def outcomes(self, request_ids: IdSet | Collection[str] | None = None) -> pa.RecordBatchReader:
        """Stream the outcomes of these requests (all of them for None), one row per request id,
        JOURNAL_SCHEMA.

        Where a request has several rows (two processes asked at once, or a failed call was repeated), an
        answer wins over a failure and the last one over the earlier. Order is that of the segments. Memory:
        an index of about 60 bytes a row, plus some batches. Ids without any row are absent. No segments are
        merged until the stream is read to its end or dropped.
        """
        if request_ids is None or isinstance(request_ids, IdSet):
            wanted = request_ids
        else:
            wanted = IdSet([pa.array(list(request_ids), pa.string())])
        return pa.RecordBatchReader.from_batches(
            JOURNAL_SCHEMA, coalesced(self._winners(wanted), JOURNAL_SCHEMA)
        )

    def outcomes_in_order(self, keys: np.ndarray) -> Iterator[pa.RecordBatch]:
        """`outcomes` in the order of these requests, given by their keys (`id_set.id_keys`)."""
        with reading(self.directory):
            yield from winning_rows_in_order(self.segments(), keys)

    def _winners(self, wanted: IdSet | None) -> Iterator[pa.RecordBatch]:
        with reading(self.directory):
            yield from winning_rows(self.segments(), wanted)

    def _merge(self) -> None:
        """Make few segments of many, unless somebody is reading them: opening one takes a millisecond."""
        # A disk without room for the copy is no reason not to make calls, nor is a damaged segment whose rows nobody needs.
        with unread(self.directory) as free, contextlib.suppress(OSError, LakeError):
            if free:
                merge_small(self.directory, JOURNAL_SCHEMA)
                merge_small(self._claims.directory, CLAIMS_SCHEMA)

    def _seconds_left(self) -> float:
        return self._oldest + FLUSH_SECONDS - time.monotonic()

    def _write(self) -> bool:
        if not self._buffer:
            return False
        rows = [vars(outcome) for outcome in self._buffer]
        table = pa.Table.from_pylist(rows, JOURNAL_SCHEMA)
        self._write_claims()
        try:
            write_segment(self.directory, table)
        except OSError as error:
            raise self._unwritable(error, len(rows)) from None
        # Only now: an interrupt before this line has the rows written twice, and readers take one of them.
        self._buffer = []
        return True

    def _write_claims(self) -> None:
        try:
            self._claims.flush()
        except OSError as error:
            raise self._unwritable(error, len(self._buffer)) from None

    def _unwritable(self, error: OSError, answers: int) -> LakeError:
        reason = error.strerror or type(error).__name__
        return LakeError(
            f"response journal {self.directory}: a segment cannot be written ({reason}); "
            f"{answers} answers are not on disk. Make room or restore write access and run again: only "
            "unanswered calls are sent"
        )

    def _remove_abandoned(self) -> None:
        for temporary in (*self.directory.glob(".*.tmp"), *self._claims.directory.glob(".*.tmp")):
            try:
                if time.time() - temporary.stat().st_mtime > ABANDONED_AFTER_S:
                    temporary.unlink()
            except OSError:
                continue  # renamed or removed meanwhile by its writer or by another reader

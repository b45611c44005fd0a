"""The response journal: answers that were paid for, on disk before they count.

A journal is a directory of immutable Parquet segments. A segment is written under a temporary name, synced
and renamed, so a reader sees all of it or none of it, whatever kills the writer. At most FLUSH_ROWS answers,
none older than FLUSH_SECONDS, are in memory only: with the calls in flight, that is what a SIGKILL can cost.
Any number of processes may write to one directory; `alone` has those that make calls take turns, so that no
answer is paid for twice. It is a store of answers by request id, not a table of the
lake: assets copy from it. Beside the answers stand the claims (claims.py): for whom each was asked.
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

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from depsim_dagster.errors import LakeError
from depsim_dagster.replay.claims import Claims, Subject, write_segment
from depsim_dagster.replay.outcomes import FAILED, NOT_A_COMPLETION, Outcome

FLUSH_ROWS = 256
FLUSH_SECONDS = 1.0
# A segment is written in milliseconds, so an hour-old temporary file has no living writer, on this machine or
# another.
ABANDONED_AFTER_S = 3600.0
TURN_POLL_S = 0.1
LONGEST_CLAIMS = 20_000  # claims in memory while every answer is known already and nothing else is written

JOURNAL_SCHEMA = pa.schema(
    [
        pa.field("request_id", pa.string(), nullable=False),
        pa.field("status", pa.string(), nullable=False),
        pa.field("completion", pa.string()),
        pa.field("finish_reason", pa.string()),
        pa.field("served_model", pa.string()),
        pa.field("prompt_tokens", pa.int64()),
        pa.field("completion_tokens", pa.int64()),
        pa.field("latency_ms", pa.float64()),
        pa.field("attempts", pa.int32(), nullable=False),
        pa.field("error_code", pa.string()),
        pa.field("answered_at", pa.timestamp("us", tz="UTC"), nullable=False),
    ]
)


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
        return sorted(self.directory.glob("*.parquet"))

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
            yield
        finally:
            os.close(descriptor)

    def known_ids(self) -> set[str]:
        """Request ids that have an answer on disk and need no other call.

        Not those that failed, nor those whose response was no completion at all: a later run sends them
        again.
        """
        known: set[str] = set()
        for segment in self.segments():
            for batch in _read(segment, ["request_id", "status", "error_code"]):
                known.update(batch.filter(pc.invert(_unanswered(batch))).column("request_id").to_pylist())
        return known

    def outcomes(self, request_ids: Collection[str] | None = None) -> pa.RecordBatchReader:
        """Stream the outcomes of these requests (all of them for None), one row per request id,
        JOURNAL_SCHEMA.

        Where a request has several rows (two processes asked at once, or a failed call was repeated), an
        answer wins over a failure and the last one over the earlier. Order is that of the segments. Memory:
        an index of about 100 bytes a row, plus one segment. Ids without any row are absent.
        """
        wanted = None if request_ids is None else pa.array(list(request_ids), pa.string())
        return pa.RecordBatchReader.from_batches(JOURNAL_SCHEMA, _winning_rows(self.segments(), wanted))

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


def _winning_rows(segments: list[Path], wanted: pa.Array | None) -> Iterator[pa.RecordBatch]:
    index = _index(segments, wanted)
    ids = index.column("request_id").combine_chunks()
    first_of_id = pc.not_equal(ids.slice(1), ids.slice(0, max(len(ids) - 1, 0)))
    winners = index.filter(pa.concat_arrays([pa.array([True] * min(len(ids), 1), pa.bool_()), first_of_id]))
    winners = winners.select(["segment", "row"]).sort_by([("segment", "ascending"), ("row", "ascending")])
    counts = winners.column("segment").value_counts() if len(winners) else []
    position = 0
    for number, count in ((entry["values"].as_py(), entry["counts"].as_py()) for entry in counts):
        rows = winners.column("row").slice(position, count).combine_chunks()
        position += count
        start = 0
        for batch in _read(segments[number], JOURNAL_SCHEMA.names):
            here = rows.filter(pc.and_(pc.greater_equal(rows, start), pc.less(rows, start + len(batch))))
            if len(here):
                yield batch.take(pc.subtract(here, start)).cast(JOURNAL_SCHEMA)
            start += len(batch)


def _index(segments: list[Path], wanted: pa.Array | None) -> pa.Table:
    """One line per row of interest, the row that wins a request id first among its lines."""
    schema = pa.schema(
        [
            pa.field("request_id", pa.string()),
            pa.field("unanswered", pa.bool_()),
            pa.field("answered_at", JOURNAL_SCHEMA.field("answered_at").type),
            pa.field("segment", pa.int64()),
            pa.field("row", pa.int64()),
        ]
    )
    lines: list[pa.RecordBatch] = []
    for number, segment in enumerate(segments):
        start = 0
        for batch in _read(segment, ["request_id", "status", "error_code", "answered_at"]):
            size = len(batch)
            columns = [
                batch.column("request_id"),
                _unanswered(batch),
                batch.column("answered_at"),
                pa.repeat(pa.scalar(number, pa.int64()), size),
                pa.array(range(start, start + size), pa.int64()),
            ]
            lines.append(pa.record_batch(columns, schema=schema))
            start += size
    index = pa.Table.from_batches(lines, schema)
    if wanted is not None:
        index = index.filter(pc.is_in(index.column("request_id"), value_set=wanted))
    return index.sort_by(
        [
            ("request_id", "ascending"),
            ("unanswered", "ascending"),
            ("answered_at", "descending"),
            ("segment", "descending"),
            ("row", "descending"),
        ]
    )


def _unanswered(batch: pa.RecordBatch) -> pa.Array:
    no_completion = pc.fill_null(pc.equal(batch.column("error_code"), NOT_A_COMPLETION), False)
    return pc.or_(pc.equal(batch.column("status"), FAILED), no_completion)


def _read(segment: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """The batches of one segment; LakeError when it is not a whole segment of this schema."""
    try:
        # ParquetFile and not read_table: the latter would add the directory's endpoint= and model= as
        # columns.
        with pq.ParquetFile(segment, page_checksum_verification=True) as file:
            if missing := [name for name in columns if name not in file.schema_arrow.names]:
                raise LakeError(
                    f"response journal: {segment} lacks {missing}: it is not a segment; move it elsewhere"
                )
            yield from file.iter_batches(columns=columns)
    except (pa.ArrowException, OSError) as error:
        raise LakeError(
            f"response journal: segment {segment} cannot be read ({type(error).__name__}). Restore it from a "
            f"backup, or delete it: the calls whose answers it held (at most {FLUSH_ROWS}) are sent again"
        ) from None

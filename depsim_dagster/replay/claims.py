"""Whose answers a journal holds: one line per request and turn that it was made for, without text.

An answer is kept by what determines it, and two people may have asked the same. It goes when the last of those whom it
was made for has gone, and it has to be found even when the process that asked for it died before any table named it. So
claims are on disk before the answer is.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from depsim_dagster.durable_files import fsync
from depsim_dagster.errors import LakeError

FOLDER = "claims"

CLAIMS_SCHEMA = pa.schema(
    [
        pa.field("request_id", pa.string(), nullable=False),
        pa.field("week", pa.string(), nullable=False),
        pa.field("turn_id", pa.string(), nullable=False),
        pa.field("user_id", pa.string(), nullable=False),
    ]
)


@dataclass(frozen=True)
class Subject:
    """The turn that a request is made for: its week, and the pseudonyms of turn and user."""

    week: str
    turn_id: str
    user_id: str


class Claims:
    """The claims of one journal directory, in immutable segments of their own. Not thread-safe: its journal is."""

    def __init__(self, journal: Path) -> None:
        self.directory = journal / FOLDER
        self._buffer: list[tuple[str, Subject]] = []
        self._known: set[int] | None = None

    @property
    def buffered(self) -> int:
        """Claims that are not on disk yet."""
        return len(self._buffer)

    def add(self, request_id: str, subject: Subject) -> None:
        """Take one claim, unless it is known already."""
        if self._known is None:
            self._known = {
                _digest(*row.values()) for batch in read_claims(self.directory) for row in batch.to_pylist()
            }
        digest = _digest(request_id, *astuple(subject))
        if digest not in self._known:
            self._known.add(digest)
            self._buffer.append((request_id, subject))

    def flush(self) -> None:
        """Put the claims on disk. Raises OSError when it cannot be done; they stay in memory then."""
        if not self._buffer:
            return
        self.directory.mkdir(exist_ok=True)  # not its parents: a journal that was moved away is not made anew
        rows = [{"request_id": request, **vars(subject)} for request, subject in self._buffer]
        write_segment(self.directory, pa.Table.from_pylist(rows, CLAIMS_SCHEMA))
        self._buffer = []


def write_segment(directory: Path, table: pa.Table) -> Path:
    """Write one Parquet file of a directory, whole or not at all. Raises OSError."""
    name = uuid.uuid4().hex
    temporary, segment = directory / f".{name}.tmp", directory / f"{name}.parquet"
    try:
        with open(temporary, "xb") as file:
            pq.write_table(table, file, compression="zstd", write_page_checksum=True)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, segment)
        fsync(directory)
    finally:
        temporary.unlink(missing_ok=True)
    return segment


def read_claims(directory: Path) -> Iterator[pa.RecordBatch]:
    """Stream the claims of a journal's claims folder (CLAIMS_SCHEMA).

    Raises:
        LakeError: a segment cannot be read; without it nobody knows whose some answers are.
    """
    for segment in sorted(directory.glob("*.parquet")):
        try:
            with pq.ParquetFile(segment, page_checksum_verification=True) as file:
                for batch in file.iter_batches(columns=CLAIMS_SCHEMA.names):
                    yield batch.cast(CLAIMS_SCHEMA)
        except (pa.ArrowException, OSError) as error:
            raise LakeError(
                f"response journal: {segment} cannot be read ({type(error).__name__}). Restore it from a backup, or "
                "delete it: answers of which nobody knows whose they are go with the next erasure"
            ) from None


def _digest(*values: str) -> int:
    return int.from_bytes(hashlib.blake2b("\0".join(values).encode(), digest_size=8).digest(), "little")

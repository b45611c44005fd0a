"""Whose answers a journal holds: one line per request and turn that it was made for, without text.

An answer is kept by what determines it, and two people may have asked the same. It goes when the last of those whom it
was made for has gone, and it has to be found even when the process that asked for it died before any table named it. So
claims are on disk before the answer is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from depsim_dagster.errors import LakeError
from depsim_dagster.replay.journal.id_set import IdSet
from depsim_dagster.replay.journal.segments import read_segment, reading, segments_in, write_segment

FOLDER = "claims"
_SEPARATOR = "\0"

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
        self._known: IdSet | None = None

    @property
    def buffered(self) -> int:
        """Claims that are not on disk yet."""
        return len(self._buffer)

    def add(self, request_id: str, subject: Subject) -> None:
        """Take one claim, unless it is known already."""
        if self._known is None:
            self._known = IdSet(_lines(claims) for claims in read_claims(self.directory))
        if self._known.add(_line(request_id, subject)):
            self._buffer.append((request_id, subject))

    def flush(self) -> None:
        """Put the claims on disk. Raises OSError when it cannot be done; they stay in memory then."""
        if not self._buffer:
            return
        self.directory.mkdir(exist_ok=True)  # not its parents: a journal that was moved away is not made anew
        rows = [{"request_id": request, **vars(subject)} for request, subject in self._buffer]
        write_segment(self.directory, pa.Table.from_pylist(rows, CLAIMS_SCHEMA))
        self._buffer = []


def read_claims(directory: Path) -> Iterator[pa.RecordBatch]:
    """Stream the claims of a journal's claims folder (CLAIMS_SCHEMA).

    Raises:
        LakeError: a segment cannot be read; without it nobody knows whose some answers are.
    """
    with reading(directory.parent):
        for segment in segments_in(directory):
            try:
                for _, batch in read_segment(segment, CLAIMS_SCHEMA.names):
                    yield batch.cast(CLAIMS_SCHEMA)
            except LakeError:
                raise LakeError(
                    f"response journal: {segment} cannot be read. Restore it from a backup, or delete it: answers of "
                    "which nobody knows whose they are go with the next erasure"
                ) from None


def _line(request_id: str, subject: Subject) -> str:
    return _SEPARATOR.join((request_id, subject.week, subject.turn_id, subject.user_id))


def _lines(claims: pa.RecordBatch) -> pa.Array:
    return pc.binary_join_element_wise(*(claims.column(name) for name in CLAIMS_SCHEMA.names), _SEPARATOR)

"""What is open at the provider, on disk: one JSON file per file of calls in the journal's folder `batches/`.

A record is written before the step that it announces and says no word of a conversation: ids only. Rewriting it is the
one act that moves calls from a round to the next, so a process that dies at any line leaves each call in one record,
once. The calls of a record belong to it until they have a row; a run takes no other of them.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from depsim_dagster.durable_files import fsync
from depsim_dagster.errors import LakeError
from depsim_dagster.replay.budget.spent import Amounts, keep_removed

FOLDER = "batches"

UPLOADING = "uploading"  # the file may be at the provider, under its name
UPLOADED = "uploaded"  # the batch may be there, under the submission's name
SUBMITTED = "submitted"  # the batch is there
DONE = "done"  # every call has its row; files may be left to delete
LOST = "lost"  # an upload of which nothing was heard: the file may still turn up
STATES = (UPLOADING, UPLOADED, SUBMITTED, DONE, LOST)


@dataclass
class Record:
    """One file of calls through its rounds.

    sent: the calls of this round's batch → which submission of theirs it is. waiting: those of the rounds to come.
    source_file: the first round's input file, which holds the line of every call. most_lines: of one batch, where the
    provider's queue takes no more. unread: calls that were answered by something that is no completion, which are asked
    once more. rubbish: files to delete at the provider. erased: somebody asked for was erased since.
    """

    api: str
    sent: dict[str, int]
    waiting: dict[str, int] = field(default_factory=dict)
    name: str = field(default_factory=lambda: uuid.uuid4().hex)
    round: int = 1
    state: str = UPLOADING
    source_file: str | None = None
    input_file: str | None = None
    batch: str | None = None
    most_lines: int | None = None
    unread: list[str] = field(default_factory=list)
    rubbish: list[str] = field(default_factory=list)
    erased: bool = False
    created_at: float = field(default_factory=time.time)
    changed_at: float = 0.0

    @property
    def submission(self) -> str:
        """The name of this round, in the batch's metadata."""
        return f"{self.name}-{self.round}"

    @property
    def file_name(self) -> str:
        """The name of this round's input file."""
        return f"depsim-{self.submission}.jsonl"

    def next_round(self) -> None:
        """Make the calls that wait those of a new batch; the old one's files are the caller's to note."""
        calls = list(self.waiting.items())
        size = self.most_lines or len(calls)
        self.sent, self.waiting = dict(calls[:size]), dict(calls[size:])
        self.round += 1
        self.state, self.input_file, self.batch = UPLOADING, None, None

    def drop_calls(self) -> list[str]:
        """Give the calls back: only files remain to be seen to. Returns their ids."""
        ids = [*self.sent, *self.waiting]
        self.sent, self.waiting, self.state = {}, {}, DONE
        return ids


class Records:
    """The records of one journal. Used by whoever has the journal alone."""

    def __init__(self, journal: Path) -> None:
        self.directory = journal / FOLDER

    def all(self) -> list[Record]:
        """Every record, the oldest first. Raises LakeError for one that cannot be read."""
        records = [_read(path) for path in self.directory.glob("*.json")]
        return sorted(records, key=lambda record: record.created_at)

    def save(self, record: Record) -> None:
        """Have the record on disk before going on. Raises LakeError."""
        temporary = self.directory / f".{record.name}.tmp"
        record.changed_at = time.time()
        try:
            self.directory.mkdir(exist_ok=True)
            with open(temporary, "wb") as file:
                file.write(json.dumps(asdict(record), separators=(",", ":")).encode())
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self._path(record))
            fsync(self.directory)
        except OSError as error:
            raise self._unwritable(error) from None

    def keep_cost(self, record: Record, lost: Amounts) -> None:
        """Note what answers of this round have cost that are not kept, as an erasure does. Raises LakeError."""
        try:
            keep_removed(self.directory.parent, record.submission, lost)
        except OSError as error:
            raise self._unwritable(error) from None

    def remove(self, record: Record) -> None:
        with contextlib.suppress(OSError):
            self._path(record).unlink(missing_ok=True)
            fsync(self.directory)

    def _path(self, record: Record) -> Path:
        return self.directory / f"{record.name}.json"

    def _unwritable(self, error: OSError) -> LakeError:
        return LakeError(
            f"{self.directory}: a record of a batch cannot be written ({error.strerror or type(error).__name__}); "
            "make room or restore write access and run again: open batches are found again"
        )


def open_calls(journal: Path) -> int:
    """How many calls a journal's records say are open at the provider."""
    return sum(len(record.sent) + len(record.waiting) for record in Records(journal).all())


def forget_calls(journal: Path, doomed: Callable[[list[str], float], list[bool]]) -> int:
    """Take calls out of a journal's records, so that no later run keeps their answers; returns how many.

    `doomed(request ids, moment of their record)` says which have to go. The provider is not asked for anything here: the
    next run that has this journal deletes the files, also where the study keeps them, and cancels a batch of which
    nothing is wanted any more.
    """
    records = Records(journal)
    forgotten = 0
    for record in records.all():
        ids = [*record.sent, *record.waiting]
        gone = [request for request, goes in zip(ids, doomed(ids, record.created_at), strict=True) if goes]
        if gone:
            for request in gone:
                record.sent.pop(request, None)
                record.waiting.pop(request, None)
            record.erased = True
            records.save(record)
        forgotten += len(gone)
    return forgotten


def _read(path: Path) -> Record:
    names = {f.name for f in fields(Record)}
    try:
        value = json.loads(path.read_bytes())
        record = Record(**{name: value[name] for name in names})
        if record.state in STATES and isinstance(record.sent, dict) and isinstance(record.waiting, dict):
            return record
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise LakeError(
        f"{path}: this record of a batch cannot be read. Restore it from a backup, or delete it: its calls are sent again"
    )

"""What the answers in a folder of journals have cost: calls and tokens per endpoint and model, summed from the segments.

The journals are the single truth, so that every process and every later run sees the same sums. A segment is never
changed once it has its name: each is read once, and a second look reads only what is new. An answer that an erasure
removes was paid for all the same; a line without text beside the segments keeps what it had cost, so that an erasure
refills no budget. What the calls may cost, and what they cost in money, is spending.py's matter.

A call is one row of a journal: an answer, or a failure after its last attempt. Attempts in between are not counted, nor
the few one-token probes before a run. A segment whose rows another one has taken over counts no more, also where a killed
process has left it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from depsim_dagster.durable_files import fsync
from depsim_dagster.errors import LakeError
from depsim_dagster.replay.journal.segments import reading, replaced_by

REMOVED = "removed.jsonl"
TOKENS = ("prompt_tokens", "completion_tokens")


@dataclass(frozen=True, order=True)
class JournalName:
    """One journal: the endpoint that its folder names, and the model as served there."""

    endpoint: str
    model: str


@dataclass(frozen=True)
class Amounts:
    """Calls, and the tokens that servers counted for them; an answer without a count adds none."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def __add__(self, other: Amounts) -> Amounts:
        return Amounts(
            self.calls + other.calls,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
        )

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True)
class _Segment:
    """What its rows have cost, and the names of the segments that they were in before."""

    amounts: Amounts
    replaces: tuple[str, ...]


class SpentOnDisk:
    """The sums of every journal below a folder, as of the last `refresh`. Not thread-safe."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.amounts: dict[JournalName, Amounts] = {}
        self._segments: dict[Path, dict[str, _Segment]] = {}

    def refresh(self, on_new: Callable[[JournalName, Iterable[str]], None] | None = None) -> None:
        """Read what is new on disk. `on_new` gets the request ids of every segment with new rows.

        Raises:
            LakeError: a segment cannot be read, so nobody knows what it cost.
        """
        amounts: dict[JournalName, Amounts] = {}
        for name, folder in journal_folders(self.root):
            with reading(folder):  # while segments are merged, rows are in two of them
                present = self._present(name, folder, on_new)
                replaced = {old for segment in present.values() for old in segment.replaces}
                counting = {file: seen.amounts for file, seen in present.items() if file not in replaced}
                lost = _removed(folder, counting)
            self._segments[folder] = present
            amounts[name] = sum((*counting.values(), *lost), Amounts())
        self.amounts = amounts

    def _present(
        self, name: JournalName, folder: Path, on_new: Callable[[JournalName, Iterable[str]], None] | None
    ) -> dict[str, _Segment]:
        known, present = self._segments.get(folder, {}), {}
        for segment in _segment_names(folder):
            if (seen := known.get(segment)) is None:
                read = _read(folder / segment, with_ids=on_new is not None)
                if read is None:  # an erasure replaced it meanwhile; what replaces it is seen next time
                    continue
                seen, ids = read
                # A merged segment has no answer that those it replaces have not had.
                if on_new is not None and not (seen.replaces and known.keys() >= set(seen.replaces)):
                    on_new(name, ids)
            present[segment] = seen
        return present


def journal_folders(root: Path) -> Iterator[tuple[JournalName, Path]]:
    """The journals below a folder, as `journal_directory` names them."""
    for endpoint in _entries(root, "endpoint="):
        for model in _entries(endpoint, "model="):
            yield JournalName(_named(endpoint), _named(model)), model


def keep_removed(folder: Path, segment: str, lost: Amounts) -> None:
    """Note what rows have cost that are about to be removed from a segment. It counts once the segment is gone.

    Raises:
        OSError: it cannot be written.
    """
    line = {"segment": segment, "calls": lost.calls} | {name: getattr(lost, name) for name in TOKENS}
    with open(folder / REMOVED, "a", encoding="ascii") as file:
        file.write("\n" + json.dumps(line))  # first the break: a killed writer may have left half a line
        file.flush()
        os.fsync(file.fileno())
    fsync(folder)


def _removed(folder: Path, present: Container[str]) -> Iterable[Amounts]:
    """What rows of segments that are gone have cost, by the last line of each."""
    try:
        lines = (folder / REMOVED).read_text("ascii", "replace").splitlines()
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise LakeError(
            f"{folder / REMOVED} cannot be read ({error.strerror}); restore its permissions"
        ) from None
    removed: dict[str, Amounts] = {}
    for line in lines:
        try:
            said = json.loads(line)
            removed[said["segment"]] = Amounts(said["calls"], *(said[name] for name in TOKENS))
        except (ValueError, KeyError, TypeError):  # half a line, whose segment was not touched
            continue
    return [lost for segment, lost in removed.items() if segment not in present]


def _read(segment: Path, with_ids: bool) -> tuple[_Segment, list[str]] | None:
    columns = [*(["request_id"] if with_ids else []), *TOKENS]
    try:
        with pq.ParquetFile(segment) as file:
            rows, replaces = file.read(columns=columns), tuple(replaced_by(file.metadata))
        return _Segment(amounts_of(rows), replaces), rows.column("request_id").to_pylist() if with_ids else []
    except FileNotFoundError:
        return None
    except (pa.ArrowException, OSError, KeyError) as error:
        raise LakeError(
            f"response journal: segment {segment} cannot be read ({type(error).__name__}), so nobody knows what it cost; "
            "restore it from a backup or delete it"
        ) from None


def amounts_of(rows: pa.Table | pa.RecordBatch) -> Amounts:
    """What rows of a journal have cost."""
    return Amounts(rows.num_rows, *(pc.sum(rows.column(name), min_count=0).as_py() for name in TOKENS))


def _segment_names(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if entry.name.endswith(".parquet")]
    except FileNotFoundError:
        return []


def _entries(folder: Path, prefix: str) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.name.startswith(prefix))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _named(folder: Path) -> str:
    return unquote(folder.name.partition("=")[2])

"""The registry's ledger: what was sealed and when an outcome was opened, one signed and chained file per entry.

An entry holds the rows of its forecast, so that creating its file is the one step that counts: the head and the rows in
`registered_forecasts` follow from it and are written again where a process died before them. A file is created once
and never replaced. Each entry names the hash of the one before it and is signed with the study's key; the head names the
last one, so that a tail cannot be cut off. What this does not keep out is a person with the key, who can sign a whole
ledger anew, and a head put back together with all that came after it: only an export that lies elsewhere shows that
(registry/export.py). Reading entries back and judging them is the work of `registry/chain.py`.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from depsim_dagster.durable_files import create_once, write_atomically
from depsim_dagster.errors import RegistryError

FOLDER = "_registry"
HEAD = "head.json"
PURPOSE = b"depsim registry, version 1"
FORECAST, AMENDMENT, OUTCOME_OPENED = "forecast", "amendment", "outcome_opened"
REGISTERED, RETROSPECTIVE = "registered", "retrospective"


@dataclass(frozen=True)
class Statement:
    """What a forecast or an amendment states: its kind, the hashes of its rows and of what they were made from.

    `snapshots` are the partitions behind `labels_hash` and `prefixes_hash`: [table, partition, content hash].
    """

    kind: str
    released_at: str
    rows_hash: str
    stack_hash: str
    labels_hash: str
    prefixes_hash: str
    snapshots: tuple[tuple[str, dict[str, str], str], ...]


@dataclass(frozen=True)
class Entry:
    """One entry. `kind` is forecast, amendment or outcome_opened; `amendment` the number of the forecast that it makes, or
    that stands when the outcome is opened (null where none could be made); `week` the production that was opened.

    `rows` are those of `registered_forecasts` without what the entry itself says. They are not signed: `rows_hash` is.
    """

    sequence: int
    kind: str
    model: str
    amendment: int | None
    week: str | None
    statement: Statement | None
    sealed_at: str
    code_version: str
    previous_hash: str
    rows: tuple[dict[str, Any], ...] = ()
    hash: str = ""
    signature: str = ""

    @property
    def file_name(self) -> str:
        return f"{self.sequence:08d}.json"

    @property
    def moment(self) -> dt.datetime:
        return dt.datetime.fromisoformat(self.sealed_at)


@dataclass(frozen=True)
class LedgerFiles:
    """The bytes of a ledger: entries by file name, and the head (None where there is none)."""

    entries: Mapping[str, bytes]
    head: bytes | None


def canonical(value: Any) -> bytes:
    """The one encoding of a value as JSON. Raises ValueError at a number that is not finite."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    ).encode()


def digest(value: Any) -> str:
    """SHA-256 of the canonical encoding, in hex."""
    return hashlib.sha256(canonical(value)).hexdigest()


def utc(moment: dt.datetime) -> str:
    """A time as the ledger writes it."""
    return moment.astimezone(dt.UTC).isoformat(timespec="microseconds")


def signature(key: bytes, what: str, value: Any) -> str:
    """HMAC-SHA256 under a key of the registry's own, so that no mark of a gate is a signature here."""
    own = hmac.digest(key, PURPOSE, hashlib.sha256)
    return hmac.new(own, f"{what} ".encode() + canonical(value), hashlib.sha256).hexdigest()


def signed(keys: Sequence[bytes], what: str, value: Any, given: object) -> bool:
    """Whether one of the keys made this signature."""
    stated = given.encode("utf-8", "surrogatepass") if isinstance(given, str) else b""
    return any(hmac.compare_digest(signature(key, what, value).encode(), stated) for key in keys)


def stated(entry: Entry) -> dict[str, Any]:
    """What the hash of an entry is of: everything but the rows, which it holds a hash of."""
    bare = asdict(replace(entry, rows=()))
    return {name: value for name, value in bare.items() if name not in ("rows", "hash", "signature")}


def encoded(entry: Entry) -> bytes:
    document = {"entry": stated(entry), "hash": entry.hash, "rows": entry.rows, "signature": entry.signature}
    return canonical(document) + b"\n"


def decoded(content: bytes) -> Entry:
    """The entry of a file. Raises ValueError where it is none, or is written otherwise than `encoded` writes it."""
    try:
        entry = entry_of(json.loads(content))
        unchanged = encoded(entry) == content
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        raise ValueError("it cannot be read") from None
    if not unchanged:
        raise ValueError("its bytes are not those that were written")
    return entry


def entry_of(document: Mapping[str, Any]) -> Entry:
    """An entry as a file or an export holds it. Raises ValueError, TypeError or KeyError where it is none."""
    raw = dict(document["entry"])
    if set(raw) != {field.name for field in fields(Entry)} - {"rows", "hash", "signature"}:
        raise ValueError("other fields")
    statement = raw.pop("statement")
    if statement is not None:
        parts = [(table, dict(partition), content) for table, partition, content in statement["snapshots"]]
        statement = Statement(**{**statement, "snapshots": tuple(parts)})
    entry = Entry(
        **raw,
        statement=statement,
        rows=tuple(map(dict, document["rows"] or ())),
        hash=document["hash"],
        signature=document.get("signature", ""),
    )
    texts = (entry.kind, entry.model, entry.code_version, entry.previous_hash, entry.hash, entry.signature)
    if not all(isinstance(text, str) for text in texts) or type(entry.sequence) is not int:
        raise TypeError("an entry is made of texts and a number")
    if utc(entry.moment) != entry.sealed_at:
        raise ValueError("a time without its zone")
    return entry


def folder(root: Path) -> Path:
    """Where the ledger of a store lies, beside its tables."""
    return root / FOLDER


def ledger_files(root: Path) -> LedgerFiles:
    """What lies in the ledger's folder. Files being written (their names begin with a dot) are not part of it."""
    directory = folder(root)
    if not directory.is_dir():
        return LedgerFiles({}, None)
    head = _bytes(directory / HEAD)
    while True:
        found = (path for path in sorted(directory.iterdir()) if not path.name.startswith("."))
        entries = {path.name: _bytes(path) or b"" for path in found if path.name != HEAD}
        before, head = head, _bytes(directory / HEAD)
        if head == before:  # else another process added entries meanwhile
            return LedgerFiles(entries, head)


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, IsADirectoryError):
        return None


def append(root: Path, key: bytes, entry: Entry) -> Entry:
    """Create the file of an entry, then the head; the caller holds the folder and has read the chain.

    Raises:
        RegistryError: the disk refuses it, or another process made this entry past the lock.
    """
    directory = folder(root)
    hash_ = digest(stated(entry))
    made = replace(entry, hash=hash_, signature=signature(key, "entry", hash_))
    try:
        create_once(directory / made.file_name, encoded(made))
    except FileExistsError:
        raise RegistryError(
            f"{directory / made.file_name}: another process wrote this entry at the same time; run again"
        ) from None
    except OSError as error:
        raise _unwritable(directory, error) from None
    write_head(root, key, made)
    return made


def remove_abandoned(root: Path) -> None:
    """Remove what a killed process was writing; the caller holds the folder."""
    for abandoned in folder(root).glob(".*.json.*"):
        abandoned.unlink(missing_ok=True)


def write_head(root: Path, key: bytes, last: Entry) -> None:
    """Have the head name this entry."""
    named = {"sequence": last.sequence, "hash": last.hash}
    try:
        write_atomically(
            folder(root) / HEAD, canonical({**named, "signature": signature(key, "head", named)}) + b"\n"
        )
    except OSError as error:
        raise _unwritable(folder(root), error) from None


def _unwritable(directory: Path, error: OSError) -> RegistryError:
    return RegistryError(
        f"{directory}: cannot be written ({error.strerror or type(error).__name__}); make room or restore write access "
        "and run again"
    )

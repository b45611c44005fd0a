"""The registry as one file that can be timestamped or published elsewhere, and a store compared with it.

The file is canonical JSON: the same registry gives the same bytes, so that its SHA-256 can be published instead of it. It
holds the entries with their rows and hashes and no signature: a signature would let others try keys, and whoever lacks the
key could not check it. What it proves to them is the order and the content: every hash can be computed again. It names no
user; rows that rest on fewer users than `privacy.k_anonymity` are left out, and their hash stays.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from depsim_dagster.durable_files import write_atomically
from depsim_dagster.errors import RegistryError
from depsim_dagster.registry.chain import CHANGED
from depsim_dagster.registry.ledger import Entry, canonical, digest, entry_of, stated
from depsim_dagster.registry.verify import verify_study
from depsim_dagster.study import Study

FORMAT = "depsim registry, version 1"


@dataclass(frozen=True)
class Exported:
    """What an export holds: entries, entries without rows, the hash of the last entry and the SHA-256 of the file."""

    entries: int
    without_rows: int
    head_hash: str
    file_hash: str


def export_registry(study: Study, file: Path, with_rows: bool = True) -> Exported:
    """Write the registry of a study to a file. Without rows it shows when what was sealed, and not what.

    Raises:
        RegistryError: the registry is empty or not intact, or the file is there with other content.
    """
    verdict = verify_study(study)
    wrong = [str(finding) for finding in verdict.findings if finding.severity != CHANGED]
    if wrong:
        raise RegistryError("the registry is not intact, so it is not exported:\n" + "\n".join(wrong))
    if not verdict.entries:
        raise RegistryError(f"{study.config.file}: nothing is registered yet, so there is nothing to export")
    k_anonymity = study.config.privacy.k_anonymity
    shown = [with_rows and not _rests_on_few(entry.rows, k_anonymity) for entry in verdict.entries]
    content = canonical(export_document(study.config.name, verdict.entries, shown)) + b"\n"
    try:
        if file.exists() and not _holds(file, content):
            raise RegistryError(
                f"{file}: is there already and holds something else; an earlier export is worth keeping, name another file"
            )
        write_atomically(file, content)
    except OSError as error:
        raise RegistryError(
            f"{file}: cannot be written ({error.strerror}); name a folder that exists"
        ) from None
    hidden = sum(not rows and bool(entry.rows) for entry, rows in zip(verdict.entries, shown, strict=True))
    return Exported(
        len(verdict.entries), hidden, verdict.entries[-1].hash, hashlib.sha256(content).hexdigest()
    )


def _holds(file: Path, content: bytes) -> bool:
    """A device is never read, nor replaced: one may have no end."""
    return file.is_file() and file.stat().st_size == len(content) and file.read_bytes() == content


def export_document(study: str, entries: Sequence[Entry], shown: Sequence[bool]) -> dict[str, Any]:
    """The document of an export: entries in their order, with rows where `shown` says so."""
    return {
        "format": FORMAT,
        "study": study,
        "entries": [
            {"entry": stated(entry), "hash": entry.hash, "rows": list(entry.rows) if rows else None}
            for entry, rows in zip(entries, shown, strict=True)
        ],
        "head": {"sequence": entries[-1].sequence, "hash": entries[-1].hash},
    }


def read_export(file: Path) -> list[Entry]:
    """The entries of an export, after its own hashes were computed again.

    Raises:
        RegistryError: it cannot be read, is no export, or was edited.
    """
    try:
        document = json.loads(file.read_bytes())
        entries = export_entries(document)
    except OSError as error:
        raise RegistryError(f"{file}: cannot be read ({error.strerror})") from None
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        raise RegistryError(
            f"{file}: is no export of a registry, or was edited; take the copy that was published"
        ) from None
    return entries


def export_entries(document: Mapping[str, Any]) -> list[Entry]:
    """The entries of an export's document. Needs no key. Raises ValueError, TypeError or KeyError where it was edited."""
    if document["format"] != FORMAT:
        raise ValueError("another format")
    entries, previous = [], ""
    for number, item in enumerate(document["entries"], start=1):
        entry = entry_of(item)
        whole = (
            entry.sequence == number
            and entry.previous_hash == previous
            and digest(stated(entry)) == entry.hash
        )
        if item["rows"] is not None and entry.statement is not None:
            whole &= digest(entry.rows) == entry.statement.rows_hash
        if not whole:
            raise ValueError("a hash does not match")
        entries.append(entry)
        previous = entry.hash
    if not entries or document["head"] != {"sequence": len(entries), "hash": previous}:
        raise ValueError("entries were cut off")
    return entries


def _rests_on_few(rows: Sequence[Mapping[str, Any]], k_anonymity: int) -> bool:
    return any(0 < row["clusters"] < k_anonymity for row in rows)

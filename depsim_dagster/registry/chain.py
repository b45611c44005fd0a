"""Judging the bytes of a ledger: whether its chain is whole, signed and in an order that makes each forecast blind.

Pure: bytes and keys in, entries and findings out. The rows that lie in the lake are compared in `registry/verify.py`.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from depsim_dagster.errors import RegistryError
from depsim_dagster.registry.ledger import (
    AMENDMENT,
    FOLDER,
    FORECAST,
    HEAD,
    OUTCOME_OPENED,
    REGISTERED,
    RETROSPECTIVE,
    Entry,
    LedgerFiles,
    decoded,
    digest,
    signed,
    stated,
)

BROKEN, UNFINISHED, CHANGED = "broken", "unfinished", "changed"
RESTORE = f"restore the folder {FOLDER} of the store from a backup"
FINISH = "run the study again: what a killed process left undone is finished from the entry"
NEW_STORE = (
    "start the study in a new store; with `journal` pointing at this one's, no answer is paid for again"
)
ENTRY_FILE = re.compile(r"\d{8}\.json")


@dataclass(frozen=True)
class Finding:
    """What is wrong with a registry, and the way out.

    `severity`: broken (edited, cut, forged, late), unfinished (what a killed process leaves, and what a deletion of just
    that looks like), or changed (the data below a forecast is no longer what it was made from; not a fault of the registry).
    """

    severity: str
    where: str
    problem: str
    way_out: str
    model: str | None = None

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}; {self.way_out}"


def checked_chain(files: LedgerFiles, keys: Sequence[bytes]) -> tuple[list[Entry], list[Finding]]:
    """The entries that can be read, in their order, and everything that is wrong with the chain and its head."""
    entries, findings = [], []
    for name, content in sorted(files.entries.items()):
        if not ENTRY_FILE.fullmatch(name):
            findings.append(Finding(BROKEN, f"{FOLDER}/{name}", "is no entry of the registry", "remove it"))
            continue
        try:
            entry = decoded(content)
        except ValueError as error:
            findings.append(Finding(BROKEN, f"entry {int(name[:8])}", f"{error}", RESTORE))
            continue
        findings += [_broken(entry, problem) for problem in _edits(entry, name, keys)]
        entries.append(entry)
    entries.sort(key=lambda entry: entry.sequence)
    findings += _links(files, entries)
    findings += _order(entries)
    findings += _head(files, entries, keys)
    return entries, findings


def intact_chain(files: LedgerFiles, keys: Sequence[bytes]) -> list[Entry]:
    """The entries, in their order. A head that a killed process left one entry behind is let pass.

    Raises:
        RegistryError: the chain is broken; says where first.
    """
    entries, findings = checked_chain(files, keys)
    broken = [finding for finding in findings if finding.severity == BROKEN]
    if broken:
        more = f" (and {len(broken) - 1} more: depsim registry verify)" if len(broken) > 1 else ""
        raise RegistryError(f"registry: {broken[0]}{more}")
    return entries


def forecasts_of(entries: Sequence[Entry], model: str) -> list[Entry]:
    """The forecast of a model and its amendments."""
    return [entry for entry in entries if entry.model == model and entry.kind != OUTCOME_OPENED]


def opening_of(entries: Sequence[Entry], model: str) -> Entry | None:
    """The entry that opened the outcome of a model."""
    return next((entry for entry in entries if entry.model == model and entry.kind == OUTCOME_OPENED), None)


def _broken(entry: Entry, problem: str, way_out: str = RESTORE) -> Finding:
    return Finding(
        BROKEN, f"entry {entry.sequence} ({entry.kind} of {entry.model})", problem, way_out, entry.model
    )


def _edits(entry: Entry, name: str, keys: Sequence[bytes]) -> Iterator[str]:
    """What shows in an entry alone."""
    if entry.file_name != name:
        yield f"lies in the file {name}"
    if digest(stated(entry)) != entry.hash:
        yield "was edited: it does not match its hash"
    elif not signed(keys, "entry", entry.hash, entry.signature):
        yield "is not signed with the study's key, nor with a previous one that is set: it was forged, or a key is absent"
    statement = entry.statement
    if (entry.kind in (FORECAST, AMENDMENT)) != (statement is not None):
        yield "does not state what its kind states"
    elif statement is not None and digest(entry.rows) != statement.rows_hash:
        yield "was edited: the rows in it do not match their hash"
    elif statement is None and entry.rows:
        yield "was edited: it holds rows"


def _links(files: LedgerFiles, entries: Sequence[Entry]) -> Iterator[Finding]:
    """What shows between neighbours."""
    there = {int(name[:8]) for name in files.entries if ENTRY_FILE.fullmatch(name)}
    for sequence in sorted(set(range(1, max(there, default=0) + 1)) - there):
        yield Finding(BROKEN, f"entry {sequence}", "was deleted", RESTORE)
    by_sequence = {entry.sequence: entry for entry in entries}
    for entry in entries:
        before = by_sequence.get(entry.sequence - 1)
        if entry.sequence <= 1:
            if entry.previous_hash:
                yield _broken(entry, "is the first and names one before it")
        elif before is not None and entry.previous_hash != before.hash:
            yield _broken(
                entry, f"does not follow entry {before.sequence}: one of them was replaced or moved"
            )
        if before is not None and entry.moment < before.moment:
            yield _broken(
                entry,
                f"is dated {entry.sealed_at}, before the entry that it follows ({before.sealed_at})",
            )


def _order(entries: Sequence[Entry]) -> Iterator[Finding]:
    """What makes a forecast blind: its amendments are counted, and all of them lie before the opening of its outcome."""
    made: dict[str, int] = {}
    opened: dict[str, Entry] = {}
    for entry in entries:
        latest = made.get(entry.model)
        if entry.kind == OUTCOME_OPENED:
            if entry.model in opened:
                yield _broken(entry, f"opens what entry {opened[entry.model].sequence} opened")
            if entry.amendment != latest:
                yield _broken(entry, "names another amendment than the one that stood")
            opened.setdefault(entry.model, entry)
            continue
        expected, kind = (0, FORECAST) if latest is None else (latest + 1, AMENDMENT)
        if (entry.kind, entry.amendment) != (kind, expected):
            yield _broken(entry, f"is amendment {entry.amendment} where {kind} {expected} was due")
        made[entry.model] = expected
        if entry.model in opened:
            yield _broken(
                entry,
                f"was registered late: the outcome had been opened by entry {opened[entry.model].sequence}",
                NEW_STORE,
            )
        if entry.statement is not None:
            yield from _kind(entry)


def _kind(entry: Entry) -> Iterator[Finding]:
    statement = entry.statement
    assert statement is not None
    said = {(row.get("kind"), row.get("released_at"), row.get("model")) for row in entry.rows}
    if said and said != {(statement.kind, statement.released_at, entry.model)}:
        yield _broken(entry, "its rows name another kind, release or model than it does")
    if statement.kind not in (REGISTERED, RETROSPECTIVE):
        yield _broken(entry, f"is of an unknown kind ({statement.kind})")
    elif statement.kind == REGISTERED and not _before(entry.moment, statement.released_at):
        yield _broken(
            entry,
            f"is called registered and was sealed on {entry.sealed_at}, not before the release ({statement.released_at})",
            NEW_STORE,
        )


def _before(moment: dt.datetime, released_at: str) -> bool:
    try:
        return moment < dt.datetime.fromisoformat(released_at)
    except (ValueError, TypeError):
        return False


def _head(files: LedgerFiles, entries: Sequence[Entry], keys: Sequence[bytes]) -> Iterator[Finding]:
    last = max((int(name[:8]) for name in files.entries if ENTRY_FILE.fullmatch(name)), default=0)
    where = f"{FOLDER}/{HEAD}"
    if files.head is None:
        if last == 1:
            yield Finding(UNFINISHED, where, "is absent", FINISH)
        elif last:
            yield Finding(BROKEN, where, "was deleted", RESTORE)
        return
    try:
        head = json.loads(files.head)
        named = {"sequence": head["sequence"], "hash": head["hash"]}
        valid = signed(keys, "head", named, head["signature"]) and type(named["sequence"]) is int
    except (ValueError, TypeError, KeyError, RecursionError):
        valid = False
    if not valid:
        yield Finding(
            BROKEN,
            where,
            "was edited, or was not signed with the study's key, nor with a previous one",
            RESTORE,
        )
        return
    hashes = {entry.sequence: entry.hash for entry in entries}
    if named["sequence"] > last:
        cut = (
            f"entries {last + 1} to {named['sequence']}"
            if named["sequence"] > last + 1
            else f"entry {last + 1}"
        )
        yield Finding(BROKEN, where, f"names entry {named['sequence']}: {cut} were cut off the end", RESTORE)
    elif named["sequence"] in hashes and hashes[named["sequence"]] != named["hash"]:
        yield Finding(BROKEN, where, f"names another entry {named['sequence']} than the one there", RESTORE)
    elif named["sequence"] == last - 1:
        yield Finding(UNFINISHED, where, f"names entry {last - 1} and there is an entry {last}", FINISH)
    elif named["sequence"] < last:
        yield Finding(BROKEN, where, f"was put back to entry {named['sequence']} of {last}", RESTORE)

"""Verifying a whole registry: the chain, the rows in the lake, the order of forecast and outcome, and the scores.

`verify` is pure: what lies in the store goes in, every finding comes out. `evidence` reads it. What can be found without
an earlier export: any edit by somebody without the study's key, what was deleted or put back in a part, and forecasts that
were registered late. What cannot: a person with the key who signed the ledger anew, and a store whose newest entries were
taken out with everything that followed from them; `against` compares with an export that was kept elsewhere.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from depsim_dagster.durable_files import exclusive
from depsim_dagster.errors import GateError, LakeError, RegistryError
from depsim_dagster.grading.schema import GRADED_LABELS, PRODUCTION_LABELS
from depsim_dagster.lake import Lake, LakeTable, partition_label
from depsim_dagster.privacy.erasure.records import SAMPLE_CHANGES
from depsim_dagster.registry import ledger
from depsim_dagster.registry.chain import (
    BROKEN,
    CHANGED,
    FINISH,
    NEW_STORE,
    RESTORE,
    UNFINISHED,
    Finding,
    checked_chain,
    forecasts_of,
    opening_of,
)
from depsim_dagster.registry.ledger import Entry, LedgerFiles
from depsim_dagster.registry.schema import POST_RELEASE_CALIBRATION, REGISTERED_FORECASTS
from depsim_dagster.registry.seal import CLOCK_TOLERANCE, ROWS_AGAIN, UNREGISTERED, finish
from depsim_dagster.registry.sealed_rows import rows_objection
from depsim_dagster.study import Study
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES

PURGED = "purged"
SNAPSHOT_TABLES: dict[str, LakeTable] = {
    table.name: table for table in (GRADED_LABELS, DEIDENTIFIED_PREFIXES)
}


@dataclass(frozen=True)
class Evidence:
    """What a registry is verified from.

    files: the ledger's bytes. rows: model → the rows of registered_forecasts, or why they cannot be read. outcomes: model →
    {week: when its production labels were published}. scores: model → hashes of the forecasts that it was scored against.
    contents: partition's label → content hash of the data below a forecast today, PURGED, or None where there is
    none. erased: weeks and models that lost turns to an erasure. candidates: models whose outcome has to be opened.
    unreadable: partition's label → why its outcomes or scores cannot be read.
    """

    files: LedgerFiles
    rows: Mapping[str, Sequence[Mapping[str, Any]] | str] = field(default_factory=dict)
    outcomes: Mapping[str, Mapping[str, dt.datetime]] = field(default_factory=dict)
    scores: Mapping[str, frozenset[str]] = field(default_factory=dict)
    contents: Mapping[str, str | None] = field(default_factory=dict)
    erased: frozenset[tuple[str, str]] = frozenset()
    candidates: frozenset[str] = frozenset()
    unreadable: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """The entries that could be read and everything that was found."""

    entries: tuple[Entry, ...]
    findings: tuple[Finding, ...]

    @property
    def intact(self) -> bool:
        """Nothing is broken or unfinished; data below a forecast may have changed."""
        return all(finding.severity == CHANGED for finding in self.findings)


def verify(evidence: Evidence, keys: Sequence[bytes]) -> Verdict:
    """Everything that is wrong with a registry."""
    entries, findings = checked_chain(evidence.files, keys)
    for found in (_rows(evidence, entries), _outcomes(evidence, entries), _scores(evidence, entries)):
        findings += found
    findings += [
        Finding(BROKEN, label, f"cannot be read: {why}", "materialise it again, or restore it from a backup")
        for label, why in sorted(evidence.unreadable.items())
    ]
    findings += _snapshots(evidence, entries)
    return Verdict(tuple(entries), tuple(findings))


def verify_study(study: Study) -> Verdict:
    """The registry of a study, verified. Nothing is written."""
    return verify(evidence(study), study.lake.signing_keys())


def require_intact(study: Study) -> None:
    """Refuse to score against a registry that is not intact; what a killed process left undone is finished first.

    Raises:
        RegistryError: names what was found.
    """
    finish(study.lake)
    wrong = [finding for finding in verify_study(study).findings if finding.severity != CHANGED]
    if wrong:
        raise RegistryError(
            "the registry is not intact, so nothing is scored against it (depsim registry verify):\n"
            + "\n".join(map(str, wrong))
        )


def against(entries: Sequence[Entry], exported: Sequence[Entry]) -> Iterator[Finding]:
    """Where a registry is not a continuation of an export of it."""
    there = {entry.sequence: entry for entry in entries}
    for was in exported:
        now = there.get(was.sequence)
        where = f"entry {was.sequence} ({was.kind} of {was.model})"
        if now is None:
            yield Finding(
                BROKEN, where, "is in the export and was deleted from the store", RESTORE, was.model
            )
        elif now.hash != was.hash:
            how = "is another in the store than in the export: the ledger was written and signed anew"
            yield Finding(BROKEN, where, how, f"{RESTORE}, and ask who holds the study's key", was.model)


def evidence(study: Study) -> Evidence:
    """What lies in the store of a study."""
    lake, unreadable = study.lake, {}
    # The outcomes and scores first: what another process publishes meanwhile has its entry before it.
    outcomes = _stored_outcomes(lake, unreadable)
    scores = _stored_scores(lake, unreadable)
    # No seal is between its entry and its rows while the ledger is held.
    there = ledger.folder(lake.root).is_dir()
    with exclusive(ledger.folder(lake.root)) if there else contextlib.nullcontext():
        files = ledger.ledger_files(lake.root)
        rows = dict(_stored_rows(lake))
    return Evidence(
        files=files,
        rows=rows,
        outcomes=outcomes,
        scores=scores,
        contents=_stored_contents(lake, checked_chain(files, lake.signing_keys())[0]),
        erased=_stored_erasures(lake),
        candidates=frozenset(candidate.model for candidate in study.config.candidates),
        unreadable=unreadable,
    )


# ------------------------------------------------------------------------------------------------------------ judging
def _rows(evidence: Evidence, entries: Sequence[Entry]) -> Iterator[Finding]:
    for model in sorted({entry.model for entry in entries} | set(evidence.rows)):
        own = forecasts_of(entries, model)
        label = partition_label(REGISTERED_FORECASTS.name, {"model": model})
        rows = evidence.rows.get(model)
        if not own:
            if rows is not None:
                yield Finding(
                    BROKEN, label, UNREGISTERED.partition("; ")[0], UNREGISTERED.partition("; ")[2], model
                )
        elif rows is None:
            yield Finding(
                UNFINISHED, label, f"its rows are absent; entry {own[-1].sequence} holds them", FINISH, model
            )
        elif isinstance(rows, str):
            yield Finding(BROKEN, label, rows, ROWS_AGAIN, model)
        elif (objection := rows_objection(rows, own)) is not None:
            if len(own) > 1 and rows_objection(rows, own[:-1]) is None:
                absent = (
                    f"the rows of its amendment {own[-1].amendment} (entry {own[-1].sequence}) are absent"
                )
                yield Finding(UNFINISHED, label, absent, FINISH, model)
            else:
                yield Finding(BROKEN, label, f"was edited after sealing: {objection}", ROWS_AGAIN, model)


def _outcomes(evidence: Evidence, entries: Sequence[Entry]) -> Iterator[Finding]:
    registered = {entry.model for entry in entries}
    for model, weeks in sorted(evidence.outcomes.items()):
        if model not in evidence.candidates | registered:
            continue
        opening, in_weeks = opening_of(entries, model), ", ".join(sorted(weeks))
        where = f"production_labels of {model} ({in_weeks})"
        if opening is None:
            yield Finding(
                BROKEN,
                where,
                "were published and no entry of the registry opens them: a forecast of it could be registered late",
                f"restore the store from a backup, or {NEW_STORE}",
                model,
            )
            continue
        early = sorted(week for week, moment in weeks.items() if moment < opening.moment - CLOCK_TOLERANCE)
        if early:
            yield Finding(
                BROKEN,
                where,
                f"were published (week {', '.join(early)}) before entry {opening.sequence} opened them",
                f"restore the store from a backup, or {NEW_STORE}",
                model,
            )


def _scores(evidence: Evidence, entries: Sequence[Entry]) -> Iterator[Finding]:
    hashes = {entry.hash for entry in entries}
    for model, scored in sorted(evidence.scores.items()):
        own = forecasts_of(entries, model)
        for forecast_hash in sorted(scored - ({own[-1].hash} if own else set())):
            what = "an amended forecast" if forecast_hash in hashes else "a forecast that no entry holds"
            yield Finding(
                BROKEN,
                partition_label(POST_RELEASE_CALIBRATION.name, {"model": model}),
                f"was scored against {what} ({forecast_hash[:12]})",
                f"{RESTORE} where entries were lost; else delete this partition and score again",
                model,
            )


def _snapshots(evidence: Evidence, entries: Sequence[Entry]) -> Iterator[Finding]:
    """Data that is no longer what the standing forecast of a model was made from. Erasure must not be tampering."""
    for model in sorted({entry.model for entry in entries}):
        own = forecasts_of(entries, model)
        if not own or own[-1].statement is None:
            continue
        for table, partition, content in own[-1].statement.snapshots:
            label = _snapshot_label(table, partition)
            now = evidence.contents.get(label)
            if now == content or label not in evidence.contents:
                continue
            erased = any(
                week == partition["week"] and writer in (partition.get("model", writer),)
                for week, writer in evidence.erased
            )
            how = (
                "was purged by retention"
                if now == PURGED
                else "is not there any more"
                if now is None
                else "lost turns to an erasure"
                if erased
                else "was published again with other content"
            )
            yield Finding(
                CHANGED,
                label,
                f"{how} after entry {own[-1].sequence} was sealed from it, so the forecast cannot be made again from it",
                "the seal holds; nothing to do",
                model,
            )


def _snapshot_label(table: str, partition: Mapping[str, str]) -> str:
    """With the keys in the table's order; an entry holds them sorted."""
    keys = SNAPSHOT_TABLES[table].partitioned_by if table in SNAPSHOT_TABLES else sorted(partition)
    return partition_label(table, {key: partition[key] for key in keys if key in partition})


# ------------------------------------------------------------------------------------------------------------ reading
def _stored_rows(lake: Lake) -> Iterator[tuple[str, list[dict[str, Any]] | str]]:
    for partition, _ in lake.folders(REGISTERED_FORECASTS):
        try:
            if lake.manifest(REGISTERED_FORECASTS, partition) is not None:
                yield partition["model"], lake.read(REGISTERED_FORECASTS, partition).to_pylist()
        except (LakeError, GateError) as error:
            yield partition["model"], _reason(error)


def _stored_outcomes(lake: Lake, unreadable: dict[str, str]) -> dict[str, dict[str, dt.datetime]]:
    found: dict[str, dict[str, dt.datetime]] = {}
    for manifest in lake.published(PRODUCTION_LABELS):
        published, models = dt.datetime.fromisoformat(manifest.published_at), set()
        try:
            for batch in lake.scan(PRODUCTION_LABELS, manifest.partition, columns=["model"], rows=65_536):
                models.update(batch.column("model").unique().to_pylist())
        except (LakeError, GateError) as error:
            unreadable[partition_label(manifest.table, manifest.partition)] = _reason(error)
        for model in models:
            found.setdefault(model, {})[manifest.partition["week"]] = published
    return found


def _stored_scores(lake: Lake, unreadable: dict[str, str]) -> dict[str, frozenset[str]]:
    found = {}
    for manifest in lake.published(POST_RELEASE_CALIBRATION):
        try:
            scored = lake.read(POST_RELEASE_CALIBRATION, manifest.partition, columns=["forecast_hash"])
        except (LakeError, GateError) as error:
            unreadable[partition_label(manifest.table, manifest.partition)] = _reason(error)
        else:
            found[manifest.partition["model"]] = frozenset(scored.column("forecast_hash").to_pylist())
    return found


def _reason(error: Exception) -> str:
    """What an error of the lake says between the partition's name and the way out."""
    return str(error).partition("]: ")[2].rpartition("; ")[0] or str(error)


def _stored_contents(lake: Lake, entries: Iterable[Entry]) -> dict[str, str | None]:
    contents: dict[str, str | None] = {}
    for entry in entries:
        for name, partition, _ in entry.statement.snapshots if entry.statement is not None else ():
            table = SNAPSHOT_TABLES.get(name)
            if table is None or set(partition) != set(table.partitioned_by):
                continue
            manifest = lake.manifest(table, partition)
            purged = manifest is None and lake.purged(table, partition) is not None
            contents[_snapshot_label(name, partition)] = (
                PURGED if purged else None if manifest is None else manifest.content
            )
    return contents


def _stored_erasures(lake: Lake) -> frozenset[tuple[str, str]]:
    if lake.manifest(SAMPLE_CHANGES, {}) is None:
        return frozenset()
    changes = lake.read(SAMPLE_CHANGES, {}, columns=["week", "model"])
    return frozenset(zip(*(changes.column(name).to_pylist() for name in ("week", "model")), strict=True))

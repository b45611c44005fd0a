"""Sealing: a forecast is frozen in the registry's ledger before its outcome is opened.

The rule is enforced in the data: opening the outcome of a candidate is an entry of the ledger too, without which its
production is not graded (grading/assets.py asks `open_outcome`), and behind it no forecast of this candidate may stand.
Before it, a forecast from other labels is an amendment: a new entry and new rows beside the old ones. A second run on the
same labels returns the forecast that is there: what counts is what it was made from, neither when (`kind`, `sealed_at`)
nor by which version of this code.

Creating the file of an entry is what seals; the head and the rows in the lake are written after it. A process that is
killed between them leaves what the next call finishes from the entry.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from depsim_dagster.durable_files import exclusive
from depsim_dagster.errors import GateError, LakeError, RegistryError
from depsim_dagster.grading.schema import GRADED_LABELS, PRODUCTION_LABELS
from depsim_dagster.lake import Lake, partition_label
from depsim_dagster.registry import ledger
from depsim_dagster.registry.chain import NEW_STORE, forecasts_of, intact_chain, opening_of
from depsim_dagster.registry.code_version import code_version
from depsim_dagster.registry.ledger import Entry, Statement
from depsim_dagster.registry.schema import REGISTERED_FORECASTS
from depsim_dagster.registry.sealed_rows import (
    plain_rows,
    rows_objection,
    sealed_table,
)
from depsim_dagster.registry.snapshots import label_snapshots, prefix_snapshots, snapshots_digest
from depsim_dagster.registry.snapshots import labels_digest as labels_digest
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES, SAMPLED_TRAFFIC

# Machines that share a store disagree by less.
CLOCK_TOLERANCE = dt.timedelta(minutes=10)
ORDER = "category"
# What a forecast is made from; the rest follows from these.
PARAMETERS = [
    "model",
    "deployment",
    "category",
    "category_group",
    "released_at",
    "forecast_weeks",
    "tau_prior",
    "level",
]
INPUTS = [*PARAMETERS, "stack_hash", "labels_hash"]
# The same labels in other bytes: another version of a library wrote the partitions again.
COUNTS = [*PARAMETERS, "stack_hash", "k", "n", "missing", "predecessor_sim_k", "predecessor_sim_n"]

ROWS_AGAIN = "delete its folder and materialise it again: the registry's entries hold its rows"
UNREGISTERED = (
    f"no entry of the registry holds its rows: they were forged, or the folder {ledger.FOLDER} was deleted, or a version of depsim "
    f"that kept no ledger sealed them; restore the store from a backup, or {NEW_STORE}"
)


def seal(lake: Lake, model: str, forecast: pd.DataFrame, now: dt.datetime | None = None) -> pa.Table:
    """Seal the forecast of `model` (REGISTERED_FORECASTS without the seal's own columns), or amend the one that is there,
    and publish it beside what it amends. Returns the rows of this forecast alone. `now` is the present where it is not given.

    Raises:
        RegistryError: the outcome of the model was opened and this is not the forecast that was sealed before, or the
            registry or the forecast that is there was edited, or the clock is behind what was published before, or the
            labels were published anew while the forecast was being made.
    """
    now = now or dt.datetime.now(dt.UTC)
    with exclusive(ledger.folder(lake.root)):
        entries = _finished(lake)
        own = forecasts_of(entries, model)
        exists = lake.manifest(REGISTERED_FORECASTS, {"model": model}) is not None
        sealed = _standing(lake, model, own) if own or exists else None
        if sealed is not None and _same(sealed, forecast, INPUTS):
            return sealed
        opened = _opened(lake, model, entries)
        if opened and sealed is not None and _same(sealed, forecast, COUNTS):
            return sealed
        if opened:
            raise RegistryError(
                f"{model}: {opened}, so a forecast sealed now would not be blind; {NEW_STORE}"
            )
        _refuse_clock_set_back(lake, model, now)
        statement, rows = _statement(lake, model, forecast, now)
        kind = ledger.AMENDMENT if own else ledger.FORECAST
        entry = _appended(lake, entries, now, kind, model, amendment=len(own), statement=statement, rows=rows)
        return _published(lake, model, [*own, entry])


def open_outcome(
    lake: Lake, model: str, week: str, forecast_weeks: Iterable[str], now: dt.datetime | None = None
) -> None:
    """Enter into the ledger that the outcome of `model` is looked at from now on, beginning with this week of production.

    To be called before the first production answer of the model is graded; a second call does nothing. From then on its
    forecast can neither be made nor amended, also when the grading fails.

    Raises:
        RegistryError: as `require_sealed`; the clock is behind the ledger.
    """
    now = now or dt.datetime.now(dt.UTC)
    with exclusive(ledger.folder(lake.root)):
        entries = _finished(lake)
        _require_sealed(lake, model, week, forecast_weeks, entries)
        if opening_of(entries, model) is None:
            own = forecasts_of(entries, model)
            _appended(
                lake,
                entries,
                now,
                ledger.OUTCOME_OPENED,
                model,
                amendment=own[-1].amendment if own else None,
                week=week,
            )


def require_sealed(lake: Lake, model: str, week: str, forecast_weeks: Iterable[str]) -> None:
    """Refuse to look at an outcome whose forecast is not sealed.

    A candidate of whose forecast weeks none has published prefixes (or labels, where retention has deleted the prefixes)
    cannot be forecast, and its outcome is free.

    Raises:
        RegistryError: the candidate has no sealed forecast, or it or the registry was edited.
    """
    _require_sealed(lake, model, week, forecast_weeks, chain_entries(lake))


def _require_sealed(
    lake: Lake, model: str, week: str, forecast_weeks: Iterable[str], entries: Sequence[Entry]
) -> None:
    own = forecasts_of(entries, model)
    if own or lake.manifest(REGISTERED_FORECASTS, {"model": model}) is not None:
        _standing(lake, model, own)
    elif any(
        lake.manifest(DEIDENTIFIED_PREFIXES, {"week": before}) is not None
        or lake.manifest(GRADED_LABELS, {"week": before, "model": model}) is not None
        for before in forecast_weeks
    ):
        raise RegistryError(
            f"production_labels[week={week}]: this week has traffic of {model}, whose forecast is not sealed; materialise "
            f"registered_forecasts[model={model}] first, so that the forecast is made before its outcome is graded"
        )


def verified_forecast(lake: Lake, model: str) -> pa.Table:
    """The sealed forecast of a model, its latest amendment, after the chain and all rows of the model were verified.

    Raises:
        LakeError: there is none. RegistryError: it is not what was sealed for this model, or the chain is broken.
    """
    return _standing(lake, model, forecasts_of(chain_entries(lake), model))


def chain_entries(lake: Lake) -> list[Entry]:
    """The entries of the ledger. Raises RegistryError where its chain is broken."""
    files = ledger.ledger_files(lake.root)
    return intact_chain(files, lake.signing_keys()) if files != ledger.LedgerFiles({}, None) else []


def outcome_opened(lake: Lake, model: str) -> bool:
    """Whether the outcome of a model was opened, so that nothing can change its forecast any more."""
    return bool(_opened(lake, model, chain_entries(lake)))


def graded_outcome(lake: Lake, model: str) -> list[str]:
    """Weeks in which production labels of this model exist."""
    weeks = []
    for manifest in lake.published(PRODUCTION_LABELS):
        labels = lake.read(PRODUCTION_LABELS, manifest.partition, columns=["model"])
        if model in labels.column("model").unique().to_pylist():
            weeks.append(manifest.partition["week"])
    return weeks


def finish(lake: Lake) -> None:
    """Write what a killed process left undone: the head, and rows in the lake that an entry holds.

    Raises:
        RegistryError: the chain is broken.
    """
    if ledger.folder(lake.root).is_dir():
        with exclusive(ledger.folder(lake.root)):
            _finished(lake)


def _finished(lake: Lake) -> list[Entry]:
    """The chain, after what a killed process left undone was written; the caller holds the ledger."""
    entries = chain_entries(lake)
    ledger.remove_abandoned(lake.root)
    if not entries:
        return entries
    named = json.loads(ledger.ledger_files(lake.root).head or b"{}")
    if named.get("sequence") != entries[-1].sequence:
        ledger.write_head(lake.root, lake.signing_keys()[0], entries[-1])
    for model in sorted({entry.model for entry in entries}):
        own = forecasts_of(entries, model)
        if own and _unfinished(lake, model, own):
            _published(lake, model, own)
    return entries


def _unfinished(lake: Lake, model: str, own: Sequence[Entry]) -> bool:
    """Whether the lake lacks rows of this model as it does when a process is killed before it publishes them."""
    if lake.manifest(REGISTERED_FORECASTS, {"model": model}) is None:
        return True
    try:
        there = lake.read(REGISTERED_FORECASTS, {"model": model}).to_pylist()
    except (LakeError, GateError):  # damaged: who needs these rows says so
        return False
    return len(own) > 1 and rows_objection(there, own) is not None and rows_objection(there, own[:-1]) is None


def _standing(lake: Lake, model: str, own: Sequence[Entry]) -> pa.Table:
    """The latest amendment of a model as the lake holds it, after all of its rows were compared with the entries."""
    partition = {"model": model}
    label = partition_label(REGISTERED_FORECASTS.name, partition)
    exists = lake.manifest(REGISTERED_FORECASTS, partition) is not None
    if exists and not own:
        raise RegistryError(f"{label}: {UNREGISTERED}")
    if own and not exists:
        raise RegistryError(
            f"{label}: its rows are absent, and entry {own[-1].sequence} of the registry holds them; materialise "
            "`registered_forecasts` for this partition again"
        )
    try:
        table = lake.read(REGISTERED_FORECASTS, partition)
    except (LakeError, GateError) as error:
        if not own:
            raise
        raise RegistryError(f"{str(error).rpartition('; ')[0]}; {ROWS_AGAIN}") from None
    objection = rows_objection(table.to_pylist(), own)
    if objection is not None:
        raise RegistryError(f"{label}: {objection}, so the partition was edited after sealing; {ROWS_AGAIN}")
    return table.filter(pc.equal(table.column("amendment"), own[-1].amendment))


def _opened(lake: Lake, model: str, entries: Sequence[Entry]) -> str:
    """How the outcome of a model is known, or nothing."""
    opening = opening_of(entries, model)
    if opening is not None:
        return (
            f"its outcome was opened on {opening.sealed_at[:10]} to grade production_labels of week {opening.week} (entry "
            f"{opening.sequence} of the registry)"
        )
    graded = graded_outcome(lake, model)
    return f"its outcome is already graded (production_labels of week {', '.join(graded)})" if graded else ""


def _statement(
    lake: Lake, model: str, forecast: pd.DataFrame, now: dt.datetime
) -> tuple[Statement, tuple[dict[str, Any], ...]]:
    frame = forecast.sort_values(ORDER, ignore_index=True)
    head = frame.iloc[0]
    labels = label_snapshots(lake, model, head)
    prefixes = prefix_snapshots(lake, head["forecast_weeks"])
    released = dt.datetime.fromisoformat(head["released_at"])
    frame = frame.assign(
        # Who seals says when it was; the day on which the rows were made is not enough. Nor is the study file's word on
        # the release, where traffic that the model answered is in the store.
        kind=head["kind"] if now < released and not _in_traffic(lake, model) else ledger.RETROSPECTIVE,
        prefixes_hash=snapshots_digest(prefixes) if prefixes else "",
        code_version=code_version(),
    )
    rows = tuple(plain_rows(frame))
    statement = Statement(
        kind=rows[0]["kind"],
        released_at=rows[0]["released_at"],
        rows_hash=ledger.digest(rows),
        stack_hash=rows[0]["stack_hash"],
        labels_hash=rows[0]["labels_hash"],
        prefixes_hash=rows[0]["prefixes_hash"],
        snapshots=(*labels, *prefixes),
    )
    return statement, rows


def _in_traffic(lake: Lake, model: str) -> bool:
    """Whether a published week of sampled traffic has turns that the model answered."""
    return any(
        pc.any(pc.equal(batch.column("deployment"), model)).as_py()
        for manifest in lake.published(SAMPLED_TRAFFIC)
        for batch in lake.scan(SAMPLED_TRAFFIC, manifest.partition, columns=["deployment"], rows=65_536)
    )


def _appended(
    lake: Lake,
    entries: Sequence[Entry],
    now: dt.datetime,
    kind: str,
    model: str,
    *,
    amendment: int | None,
    week: str | None = None,
    statement: Statement | None = None,
    rows: tuple[dict[str, Any], ...] = (),
) -> Entry:
    last = entries[-1] if entries else None
    if last is not None and last.moment > now + CLOCK_TOLERANCE:
        raise RegistryError(
            f"{model}: entry {last.sequence} of the registry was made at {last.sealed_at}, which is later than now; set this "
            "machine's clock right and run again"
        )
    # Two machines may disagree by a moment; the later time is the one that claims less.
    moment = max(now, last.moment) if last is not None else now
    entry = Entry(
        sequence=last.sequence + 1 if last is not None else 1,
        kind=kind,
        model=model,
        amendment=amendment,
        week=week,
        statement=statement,
        sealed_at=ledger.utc(moment),
        code_version=code_version(),
        previous_hash=last.hash if last is not None else "",
        rows=rows,
    )
    return ledger.append(lake.root, lake.signing_keys()[0], entry)


def _published(lake: Lake, model: str, own: Sequence[Entry]) -> pa.Table:
    table = sealed_table(own)
    lake.write(REGISTERED_FORECASTS, {"model": model}, table)
    return table.filter(pc.equal(table.column("amendment"), own[-1].amendment))


def _same(sealed: pa.Table, forecast: pd.DataFrame, columns: list[str]) -> bool:
    now = plain_rows(forecast.sort_values(ORDER), columns)
    return sealed.sort_by(ORDER).select(columns).to_pylist() == now


def _refuse_clock_set_back(lake: Lake, model: str, now: dt.datetime) -> None:
    """The time of a seal says whether it came before the release; the store remembers later times than a clock that
    was set back."""
    latest = now + CLOCK_TOLERANCE
    own = (manifest for manifest in lake.published(GRADED_LABELS) if manifest.partition["model"] == model)
    for manifest in (*own, *lake.published(REGISTERED_FORECASTS)):
        if dt.datetime.fromisoformat(manifest.published_at) > latest:
            raise RegistryError(
                f"{model}: {partition_label(manifest.table, manifest.partition)} was published at {manifest.published_at}, which "
                "is later than now; set this machine's clock right before sealing"
            )

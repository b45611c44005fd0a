"""Sealing: a forecast is frozen before its outcome is graded, and chained to the forecast sealed before it.

The rule is enforced in the data: while production labels of the candidate exist, its forecast can neither be made nor
changed, and production labels of a candidate are refused until its forecast is sealed (grading/assets.py asks
`require_sealed`). A second run on the same labels returns the forecast that is there: what counts is what it was made
from, neither when (`kind`, `sealed_at`) nor by which version of this code.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pandas as pd
import pyarrow as pa

from depsim_dagster.errors import RegistryError
from depsim_dagster.grading.schema import GRADED_LABELS, PRODUCTION_LABELS
from depsim_dagster.lake import Lake, Manifest, partition_label
from depsim_dagster.registry.schema import REGISTERED_FORECASTS
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES

# Machines that share a store disagree by less.
CLOCK_TOLERANCE = dt.timedelta(minutes=10)
SEALED_LATER = {"forecast_hash", "previous_hash", "sealed_at"}
ORDER = "category"
# What a forecast is made from; the rest follows from these.
PARAMETERS = [
    "model",
    "deployment",
    "category",
    "category_group",
    "released_at",
    "forecast_weeks",
    "tau",
    "level",
]
INPUTS = [*PARAMETERS, "stack_hash", "labels_hash"]
# The same labels in other bytes: another version of a library wrote the partitions again.
COUNTS = [*PARAMETERS, "stack_hash", "k", "n", "missing", "predecessor_sim_k", "predecessor_sim_n"]


def seal(lake: Lake, model: str, forecast: pd.DataFrame) -> pa.Table:
    """Seal the forecast of `model` (REGISTERED_FORECASTS without the seal's own columns) and publish it.

    Raises:
        RegistryError: production labels of the model exist and this is not the forecast that was sealed before them, or
            the forecast that is there was edited, or the clock is behind what was published before.
    """
    partition = {"model": model}
    with _chain(lake):
        exists = lake.manifest(REGISTERED_FORECASTS, partition) is not None
        sealed = verified_forecast(lake, model) if exists else None
        if sealed is not None and _same(sealed, forecast, INPUTS):
            return sealed
        graded = graded_outcome(lake, model)
        if graded and sealed is not None and _same(sealed, forecast, COUNTS):
            return sealed
        if graded:
            raise RegistryError(
                f"{model}: its outcome is already graded (production_labels of week {', '.join(graded)}), so a forecast sealed now would "
                "not be blind. Start the study in a new store, or delete those partitions and grade them again after sealing"
            )
        _refuse_clock_set_back(lake, model)
        table = _sealed(forecast, _newest_seal(lake, besides=model))
        lake.write(REGISTERED_FORECASTS, partition, table)
        return table


def require_sealed(lake: Lake, model: str, week: str, forecast_weeks: Iterable[str]) -> None:
    """Refuse to look at an outcome whose forecast is not sealed.

    A candidate of whose forecast weeks none has published prefixes (or labels, where retention has deleted the prefixes)
    cannot be forecast, and its outcome is free.

    Raises:
        RegistryError: the candidate has no sealed forecast, or it was edited.
    """
    if lake.manifest(REGISTERED_FORECASTS, {"model": model}) is not None:
        verified_forecast(lake, model)
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
    """The sealed forecast, after its seal was recomputed.

    Raises:
        LakeError: there is none. RegistryError: it is not what was sealed for this model.
    """
    table = lake.read(REGISTERED_FORECASTS, {"model": model})
    frame = table.to_pandas()
    if len(frame[sorted(SEALED_LATER)].drop_duplicates()) != 1:
        raise _edited(model, "its rows do not carry one seal")
    if set(frame["model"]) != {model}:
        raise _edited(model, f"it holds the forecast of {', '.join(sorted(set(frame['model'])))}")
    head = frame.iloc[0]
    if _digest(frame, head["previous_hash"], head["sealed_at"]) != head["forecast_hash"]:
        raise _edited(model, "its rows do not match its seal")
    return table


def _edited(model: str, how: str) -> RegistryError:
    return RegistryError(
        f"registered_forecasts[model={model}]: {how}, so the partition was edited after sealing; restore it from a backup"
    )


def graded_outcome(lake: Lake, model: str) -> list[str]:
    """Weeks in which production labels of this model exist."""
    weeks = []
    for manifest in lake.published(PRODUCTION_LABELS):
        labels = lake.read(PRODUCTION_LABELS, manifest.partition, columns=["model"])
        if model in labels.column("model").unique().to_pylist():
            weeks.append(manifest.partition["week"])
    return weeks


def labels_digest(manifests: list[Manifest]) -> str:
    """One hash for the label partitions that a forecast was made from."""
    lines = sorted(
        f"{json.dumps(manifest.partition, sort_keys=True)} {manifest.content}" for manifest in manifests
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _sealed(forecast: pd.DataFrame, previous: str) -> pa.Table:
    now = pd.Timestamp(dt.datetime.now(dt.UTC)).floor("us")
    frame = forecast.sort_values(ORDER, ignore_index=True).assign(previous_hash=previous, sealed_at=now)
    frame["forecast_hash"] = _digest(frame, previous, now)
    return pa.Table.from_pandas(frame, schema=REGISTERED_FORECASTS.schema, preserve_index=False)


def _digest(frame: pd.DataFrame, previous: str, sealed_at: pd.Timestamp) -> str:
    """SHA-256 over the rows in their order, the previous seal and the time."""
    document = {
        "rows": _plain_rows(frame),
        "previous_hash": previous,
        "sealed_at": pd.Timestamp(sealed_at).isoformat(),
    }
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def _plain_rows(frame: pd.DataFrame) -> list[dict]:
    """The rows as the lake stores them: a forecast just made and one read back are the same."""
    columns = [name for name in REGISTERED_FORECASTS.schema.names if name not in SEALED_LATER]
    table = pa.Table.from_pandas(
        frame[columns],
        schema=pa.schema([REGISTERED_FORECASTS.schema.field(name) for name in columns]),
        preserve_index=False,
    )
    return table.to_pylist()


def _same(sealed: pa.Table, forecast: pd.DataFrame, columns: list[str]) -> bool:
    was, now = (
        [[row[column] for column in columns] for row in _plain_rows(frame.sort_values(ORDER))]
        for frame in (sealed.to_pandas(), forecast)
    )
    return was == now


def _refuse_clock_set_back(lake: Lake, model: str) -> None:
    """The time of a seal says whether it came before the release; the store remembers later times than a clock that
    was set back."""
    latest = dt.datetime.now(dt.UTC) + CLOCK_TOLERANCE
    own = (manifest for manifest in lake.published(GRADED_LABELS) if manifest.partition["model"] == model)
    for manifest in (*own, *lake.published(REGISTERED_FORECASTS)):
        if dt.datetime.fromisoformat(manifest.published_at) > latest:
            raise RegistryError(
                f"{model}: {partition_label(manifest.table, manifest.partition)} was published at {manifest.published_at}, which "
                "is later than now; set this machine's clock right before sealing"
            )


def _newest_seal(lake: Lake, besides: str) -> str:
    """The seal that was made last; a forecast that is sealed anew takes its own old place out of the chain."""
    newest, seal_hash = None, ""
    for manifest in lake.published(REGISTERED_FORECASTS):
        if manifest.partition["model"] == besides or manifest.rows == 0:
            continue
        head = (
            lake.read(REGISTERED_FORECASTS, manifest.partition, columns=["sealed_at", "forecast_hash"])
            .slice(0, 1)
            .to_pylist()[0]
        )
        if newest is None or head["sealed_at"] > newest:
            newest, seal_hash = head["sealed_at"], head["forecast_hash"]
    return seal_hash


@contextmanager
def _chain(lake: Lake) -> Iterator[None]:
    """One seal at a time, also across processes, so that the chain does not fork."""
    lake.root.mkdir(parents=True, exist_ok=True)
    with open(lake.root / ".registry.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)

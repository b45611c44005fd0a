"""Streams of target turns to grade: completions joined with their prefixes, or the logged responses."""

from __future__ import annotations

import itertools
import json
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from depsim_dagster.duckdb_sql import connect
from depsim_dagster.errors import LakeError
from depsim_dagster.grading.evidence import TargetTurn
from depsim_dagster.lake import Lake, partition_label
from depsim_dagster.replay.journal.id_set import KEY, id_keys
from depsim_dagster.replay.schema import REGENERATED_COMPLETIONS
from depsim_dagster.traffic.prefix_sources import DEPLOYMENT_TRAFFIC, GRADED_SOURCES
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES

BATCH_ROWS = 1_000
# A message without any of these is nothing to judge. To refuse is an answer like any other.
_SAYS_SOMETHING = ("content", "refusal", "tool_calls", "reasoning")
_CARRIED = (
    "week",
    "turn_id",
    "deployment",
    "prefix_source",
    "user_id",
    "language",
    "inclusion_probability",
    "prefix_characters",
    "turn_index",
    "tools_offered",
    "prefix",
    "attributes",
)
_SCHEMA = pa.schema([*DEIDENTIFIED_PREFIXES.schema, pa.field("tools_offered", pa.bool_(), nullable=False)])


def simulated_turns(
    lake: Lake, week: str, model: str, sources: Collection[str] = GRADED_SOURCES
) -> Iterator[list[TargetTurn]]:
    """Every completion of the partition on prefixes of these `sources`, with its prefix: in the order of the prefixes and
    the completion index, or of turn and completion index where the completions were published in another order.

    Raises:
        LakeError, GateError: one of the two partitions cannot be read, or the completions are of other prefixes.
    """
    pairs = _side_by_side if _same_order(lake, week, model) else _sorted
    for rows in pairs(lake, week, model):
        yield [
            _turn(
                row,
                model,
                "simulated",
                row["completion_index"],
                _messages(row["completion"]),
            )
            for row in rows
            if row["prefix_source"] in sources
        ]


def _same_order(lake: Lake, week: str, model: str) -> bool:
    """Whether the completions are in the order of their prefixes, so that both can be read as streams. Holds ids only.

    Raises:
        LakeError: a completion has no prefix.
    """
    columns = ["turn_id", "completion_index"]
    turns, indices = [np.array([], dtype=KEY)], [np.array([], dtype=np.int64)]
    for batch in lake.scan(REGENERATED_COMPLETIONS, {"week": week, "model": model}, columns=columns):
        turns.append(id_keys(batch.column("turn_id")))
        indices.append(batch.column("completion_index").to_numpy())
    prefixes = [np.array([], dtype=KEY)]
    for batch in lake.scan(DEIDENTIFIED_PREFIXES, {"week": week}, columns=["turn_id"]):
        prefixes.append(id_keys(batch.column("turn_id")))
    completed, index, known = np.concatenate(turns), np.concatenate(indices), np.concatenate(prefixes)
    order = np.argsort(known)
    found = np.searchsorted(known, completed, sorter=order)
    places = order[np.minimum(found, len(known) - 1)] if len(known) else found
    lost = int((known[places] != completed).sum()) if len(known) else len(completed)
    if lost:
        raise LakeError(
            f"{partition_label(REGENERATED_COMPLETIONS.name, {'week': week, 'model': model})}: {lost} "
            f"completion(s) of turns that are no longer in {DEIDENTIFIED_PREFIXES.name}[week={week}]; materialise "
            f"`{REGENERATED_COMPLETIONS.name}` for this partition again"
        )
    steps = np.diff(places)
    return bool(((steps > 0) | ((steps == 0) & (np.diff(index) > 0))).all())


def _side_by_side(lake: Lake, week: str, model: str) -> Iterator[list[dict[str, Any]]]:
    """The pairs of two partitions in the same order, in bounded memory."""
    columns = ["turn_id", "completion_index", "completion"]
    scanned = lake.scan(
        REGENERATED_COMPLETIONS, {"week": week, "model": model}, columns=columns, rows=BATCH_ROWS
    )
    completions = (row for batch in scanned for row in batch.to_pylist())
    upcoming = next(completions, None)
    for batch in _prefixes(lake, week):
        pairs = []
        for prefix in batch.to_pylist():
            while upcoming is not None and upcoming["turn_id"] == prefix["turn_id"]:
                pairs.append(prefix | upcoming)
                upcoming = next(completions, None)
        if pairs:
            yield pairs


def _sorted(lake: Lake, week: str, model: str) -> Iterator[list[dict[str, Any]]]:
    """The pairs of two partitions in different orders: both are held, with their text, to sort them."""
    columns = ["turn_id", "completion_index", "completion"]
    completions = lake.scan(REGENERATED_COMPLETIONS, {"week": week, "model": model}, columns=columns)
    connection = connect()
    connection.register("completions", _reader(REGENERATED_COMPLETIONS.schema, columns, completions))
    connection.register("prefixes", _reader(_SCHEMA, list(_CARRIED), _prefixes(lake, week)))
    joined = connection.sql(
        "select prefixes.* exclude (turn_id), turn_id, completion_index, completion "
        "from completions join prefixes using (turn_id) order by turn_id, completion_index"
    ).to_arrow_reader(BATCH_ROWS)
    for batch in joined:
        yield batch.to_pylist()


def production_turns(lake: Lake, week: str) -> Iterator[list[TargetTurn]]:
    """Every logged target turn of the week; the deployment wrote it. Prefixes of another source have none."""
    for batch in _prefixes(lake, week, "target"):
        yield [
            _turn(row, row["deployment"], "production", 0, json.loads(row["target"]))
            for row in batch.to_pylist()
            if row["prefix_source"] == DEPLOYMENT_TRAFFIC
        ]


def _prefixes(lake: Lake, week: str, *further: str) -> Iterator[pa.RecordBatch]:
    """_CARRIED and `further` columns of the week's prefixes. Of the tools, only whether there are any: their text is let go
    before rows are made of it."""
    names = [*_CARRIED, *further]
    schema = pa.schema([_SCHEMA.field(name) for name in names])
    columns = ["tools" if name == "tools_offered" else name for name in names]
    for batch in lake.scan(DEIDENTIFIED_PREFIXES, {"week": week}, columns=columns, rows=BATCH_ROWS):
        arrays = {name: batch.column(name) for name in columns}
        arrays["tools_offered"] = arrays["tools"].is_valid()
        yield pa.RecordBatch.from_arrays([arrays[name] for name in names], schema=schema)


def answering_deployments(lake: Lake, week: str) -> set[str]:
    """The deployments of which `production_turns` has target turns."""
    rows = lake.read(DEIDENTIFIED_PREFIXES, {"week": week}, columns=["deployment", "prefix_source"])
    return {row["deployment"] for row in rows.to_pylist() if row["prefix_source"] == DEPLOYMENT_TRAFFIC}


def _messages(completion: str | None) -> list[dict]:
    """The assistant's message as a list; none where there is nothing, or what a server nested too deep to be read again."""
    try:
        return [json.loads(completion)] if completion else []
    except RecursionError:
        return []


def _turn(row: dict, model: str, source: str, completion_index: int, messages: list[dict]) -> TargetTurn:
    gradable = [message for message in messages if any(message.get(name) for name in _SAYS_SOMETHING)]
    return TargetTurn(
        model=model,
        source=source,
        completion_index=completion_index,
        messages=gradable,
        **{name: row[name] for name in _CARRIED},
    )


def _reader(schema: pa.Schema, columns: list[str], batches: Iterator[pa.RecordBatch]) -> pa.RecordBatchReader:
    """A stream that DuckDB can read. The first batch is taken here, so that a refused partition is this error and not
    one of DuckDB's."""
    first = next(batches, None)
    stream = iter(()) if first is None else itertools.chain([first], batches)
    return pa.RecordBatchReader.from_batches(pa.schema([schema.field(name) for name in columns]), stream)

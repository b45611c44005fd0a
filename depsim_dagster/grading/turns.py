"""Streams of target turns to grade: completions joined with their prefixes, or the logged responses."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator

import pyarrow as pa

from depsim_dagster.duckdb_sql import connect
from depsim_dagster.errors import LakeError
from depsim_dagster.grading.labelling import TargetTurn
from depsim_dagster.lake import Lake, partition_label
from depsim_dagster.replay.schema import REGENERATED_COMPLETIONS
from depsim_dagster.traffic.prefix_sources import DEPLOYMENT_TRAFFIC
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
    "prefix",
    "attributes",
)


def simulated_turns(lake: Lake, week: str, model: str) -> Iterator[list[TargetTurn]]:
    """Every completion of the partition with its prefix, in the order of turn and completion index.

    Raises:
        LakeError, GateError: one of the two partitions cannot be read, or the completions are of other prefixes.
    """
    columns = ["turn_id", "completion_index", "completion"]
    completions = lake.scan(REGENERATED_COMPLETIONS, {"week": week, "model": model}, columns=columns)
    prefixes = lake.scan(DEIDENTIFIED_PREFIXES, {"week": week}, columns=list(_CARRIED))
    connection = connect()
    connection.register("completions", _reader(REGENERATED_COMPLETIONS.schema, columns, completions))
    connection.register("prefixes", _reader(DEIDENTIFIED_PREFIXES.schema, list(_CARRIED), prefixes))
    joined = connection.sql(
        "select prefixes.* exclude (turn_id), turn_id, completion_index, completion "
        "from completions left join prefixes using (turn_id) order by turn_id, completion_index"
    ).to_arrow_reader(BATCH_ROWS)
    for batch in joined:
        if batch.column("prefix").null_count:
            raise LakeError(
                f"{partition_label(REGENERATED_COMPLETIONS.name, {'week': week, 'model': model})}: {batch.column('prefix').null_count} "
                f"completion(s) of turns that are no longer in {DEIDENTIFIED_PREFIXES.name}[week={week}]; materialise "
                f"`{REGENERATED_COMPLETIONS.name}` for this partition again"
            )
        yield [
            _turn(
                row,
                model,
                "simulated",
                row["completion_index"],
                [json.loads(row["completion"])] if row["completion"] else [],
            )
            for row in batch.to_pylist()
        ]


def production_turns(lake: Lake, week: str) -> Iterator[list[TargetTurn]]:
    """Every logged target turn of the week; the deployment wrote it. Prefixes of another source have none."""
    for batch in lake.scan(
        DEIDENTIFIED_PREFIXES, {"week": week}, columns=[*_CARRIED, "target"], rows=BATCH_ROWS
    ):
        yield [
            _turn(row, row["deployment"], "production", 0, json.loads(row["target"]))
            for row in batch.to_pylist()
            if row["prefix_source"] == DEPLOYMENT_TRAFFIC
        ]


def answering_deployments(lake: Lake, week: str) -> set[str]:
    """The deployments of which `production_turns` has target turns."""
    rows = lake.read(DEIDENTIFIED_PREFIXES, {"week": week}, columns=["deployment", "prefix_source"])
    return {row["deployment"] for row in rows.to_pylist() if row["prefix_source"] == DEPLOYMENT_TRAFFIC}


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

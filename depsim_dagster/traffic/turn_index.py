"""The turn index: one text-free, keyed row per user turn of every log, so that a week can be sampled without reading the
logs again.

A log has one partition, named after its content, the key and the settings it was read with: what is unchanged is not
read again, other files do not matter, and a run that died finishes the work. Which turns are used is sampling's matter.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from depsim_dagster.config import StudyConfig
from depsim_dagster.duckdb_sql import read_parquet
from depsim_dagster.durable_files import exclusive, file_digest
from depsim_dagster.errors import LakeError, text_free
from depsim_dagster.lake import Lake, LakeTable
from depsim_dagster.lake_tables import partition_label
from depsim_dagster.privacy.erasure.records import erased_users
from depsim_dagster.traffic.logs import Log, changed, log_config, log_id, logs_of, read_settings
from depsim_dagster.traffic.messages import chat_messages
from depsim_dagster.traffic.moments import moment_of
from depsim_dagster.traffic.prefix_sources import DEPLOYMENT_TRAFFIC
from depsim_dagster.traffic.records import Conversation, Rejected
from depsim_dagster.traffic.reject_rows import RejectRows
from depsim_dagster.traffic.schema import INGESTED_FILES, REJECTED_RECORDS, TURN_INDEX
from depsim_dagster.traffic.turn_rows import TurnRows

INDEX_VERSION = 1  # of what is written into the index; raise it when a rule of reading changes
_DAY = dt.timedelta(days=1)
_BATCH_TURNS = 500
_BATCH_CHARACTERS = 8_000_000

# What read_turns yields: the texts of a turn, beside its key in the index.
TURN_TEXTS = pa.schema(
    [
        pa.field("file", pa.string(), nullable=False),
        pa.field("record", pa.int64(), nullable=False),
        pa.field("turn_index", pa.int32(), nullable=False),
        pa.field("prefix", pa.string(), nullable=False),
        pa.field("target", pa.string(), nullable=False),
        pa.field("tools", pa.string()),
        pa.field("attributes", pa.string()),
    ]
)


@dataclass(frozen=True)
class IndexedFile:
    """A log with its index partition and what was counted in it. Records are rejected or conversations."""

    file: str
    path: Path
    records: int
    rejected: int
    conversations: int
    user_turns: int


def index_traffic(study: StudyConfig, lake: Lake, source: str = DEPLOYMENT_TRAFFIC) -> list[IndexedFile]:
    """Make sure that every log of a prefix source has its index partition, and say which there are.

    A log is read when its content, the key, its settings or INDEX_VERSION is new, or when a message that was rejected for
    a time that had not come may be due. Several processes take turns.

    Raises:
        TrafficError: no file matches, or one is damaged or changes while it is read.
        LakeError: the index cannot be written.
    """
    with text_free(f"{TURN_INDEX.name} of {source}"):
        return [
            IndexedFile(
                file,
                log.path,
                *(row[name] for name in ("records", "rejected", "conversations", "user_turns")),
            )
            for file, log, row in _indexed(study, lake, source)
        ]


def define_turns(
    connection: duckdb.DuckDBPyConnection, study: StudyConfig, lake: Lake, source: str = DEPLOYMENT_TRAFFIC
) -> None:
    """Define the view `user_turns` (TURN_INDEX) over the current logs of a prefix source, which are indexed first.

    Raises:
        TrafficError, LakeError: as `index_traffic`; a partition was changed since.
    """
    files = [_verified(lake, TURN_INDEX, indexed.file) for indexed in index_traffic(study, lake, source)]
    columns = ", ".join(TURN_INDEX.schema.names)
    connection.execute(f"create or replace view user_turns as select {columns} from {read_parquet(files)}")


def read_turns(
    study: StudyConfig, lake: Lake, chosen: pa.Table, source: str = DEPLOYMENT_TRAFFIC
) -> Iterator[pa.RecordBatch]:
    """The texts of chosen turns (TURN_TEXTS), log by log and in the order of their records.

    `chosen` has file, record, turn_index, place and next_place as in the index. Only logs with chosen turns are read.

    Raises:
        TrafficError: a log was changed since it was indexed.
    """
    with text_free(f"texts of {source}"):
        wanted: dict[str, dict[int, list[tuple[int, int, int]]]] = {}
        columns = ("file", "record", "turn_index", "place", "next_place")
        for file, record, *turn in zip(*(chosen.column(name).to_pylist() for name in columns), strict=True):
            wanted.setdefault(file, {}).setdefault(record, []).append(tuple(turn))
        logs = {file: log for file, log, _ in _current(study, lake, source)}
        rows: list[dict[str, Any]] = []
        characters = 0
        for file, records in wanted.items():
            log = logs.get(file)
            if log is None:
                raise changed(_name(lake, file) or str(study.file))
            for read in log.records(sorted(records)):
                if isinstance(read.outcome, Rejected):  # a conversation when it was indexed
                    raise changed(log.name)
                for turn in sorted(records[read.record]):
                    rows.append({"file": file, "record": read.record} | _texts(read.outcome, *turn))
                    characters += len(rows[-1]["prefix"]) + len(rows[-1]["target"])
                    if len(rows) >= _BATCH_TURNS or characters >= _BATCH_CHARACTERS:
                        yield pa.RecordBatch.from_pylist(rows, schema=TURN_TEXTS)
                        rows, characters = [], 0
        if rows:
            yield pa.RecordBatch.from_pylist(rows, schema=TURN_TEXTS)


def _texts(conversation: Conversation, turn_index: int, place: int, next_place: int) -> dict[str, Any]:
    messages = conversation.messages
    return {
        "turn_index": turn_index,
        "prefix": chat_messages(messages[:place]),
        "target": chat_messages(messages[place : next_place - 1]),
        "tools": conversation.tools,
        "attributes": conversation.attributes,
    }


# ------------------------------------------------------------------------------------------------------------ indexing
def _current(study: StudyConfig, lake: Lake, source: str) -> list[tuple[str, Log, dict[str, Any] | None]]:
    """(id, log, its row of INGESTED_FILES or None where it is not indexed) of the logs as they are now."""
    key, config, settings = study.hmac_key, log_config(study, source), read_settings(study, source)
    ingested = {row["file"]: row for row in _rows(lake, INGESTED_FILES)}
    contents = {row["state"]: row["content"] for row in ingested.values() if row["state"]}
    logs = (
        (log_id(key, log, config, settings, INDEX_VERSION), log)
        for log in logs_of(study, source, contents.get)
    )
    return [(file, log, ingested.get(file)) for file, log in logs]


def _indexed(study: StudyConfig, lake: Lake, source: str) -> Iterator[tuple[str, Log, dict[str, Any]]]:
    latest = moment_of(read_settings(study, source).latest)
    for file, log, row in _current(study, lake, source):
        if row is None or _may_be_due(row, latest):
            with exclusive(lake.root / TURN_INDEX.name):
                row = _row(lake, file)  # another process may have been first
                if row is None or _may_be_due(row, latest):
                    row = _index(study, lake, source, file, log)
        elif row["state"] != log.state:  # the same content in another file, which is known from now on
            row = row | {"state": log.state, "name": log.name}
            _write_row(lake, row)
        yield file, log, row


def _may_be_due(row: dict[str, Any], latest: dt.datetime) -> bool:
    return row["future_records"] > 0 and latest - row["latest"] > _DAY


def _index(study: StudyConfig, lake: Lake, source: str, file: str, log: Log) -> dict[str, Any]:
    config = log_config(study, source)
    indexed_at = dt.datetime.now(dt.UTC)
    turns = TurnRows(file, study.hmac_key, config.models)
    rejects = RejectRows()
    counts: Counter[str] = Counter()
    erased = erased_users(lake, study)

    def batches() -> Iterator[pa.RecordBatch]:
        for read in log.records():
            counts["records"] += 1
            if isinstance(read.outcome, Rejected):
                rejects.add(read.record, read.line, read.outcome)
                continue
            counts["conversations"] += 1
            if read.outcome.user_id is not None and erased.account(read.outcome.user_id):
                continue  # known here alone, where ids are in clear, whichever key they were erased under
            added = turns.add(read.record, read.outcome)
            counts["user_turns"] += added
            if turns.full:
                yield turns.batch()
        yield turns.batch()

    kind, compression = log.form()
    partition = {"file": file}
    lake.write(TURN_INDEX, partition, batches())
    common = {"file": file, "name": log.name, "sandbox": study.sandbox}
    lake.write(REJECTED_RECORDS, partition, rejects.batches(common))
    row = common | {
        "kind": kind,
        "compression": compression,
        "format": config.format,
        "content": log.content,
        "bytes": log.size,
        "state": log.state,
        "rejected": len(rejects),
        "future_records": rejects.of("future_time"),
        "latest": moment_of(read_settings(study, source).latest),
        "indexed_at": indexed_at,
        "malformed_turns": turns.malformed,
        **{name: counts[name] for name in ("records", "conversations", "user_turns")},
    }
    _write_row(lake, row)  # last: what it names is there
    _forget_replaced(lake, row)
    return row


def _forget_replaced(lake: Lake, row: dict[str, Any]) -> None:
    """Remove the index of what this log was before it was appended to or replaced: no current log has that content."""
    for old in list(_rows(lake, INGESTED_FILES)):
        if (old["name"], old["format"]) == (row["name"], row["format"]) and old["content"] != row["content"]:
            for table in (INGESTED_FILES, REJECTED_RECORDS, TURN_INDEX):
                lake.remove(table, {"file": old["file"]})


# --------------------------------------------------------------------------------------------------------- the lake's side
def _write_row(lake: Lake, row: dict[str, Any]) -> None:
    table = pa.Table.from_pylist([row], schema=INGESTED_FILES.schema)
    lake.write(INGESTED_FILES, {"file": row["file"]}, table)


def _rows(lake: Lake, table: LakeTable) -> Iterator[dict[str, Any]]:
    for file in lake.files(table):
        try:
            found = pq.read_table(file, partitioning=None)
        except (OSError, pa.ArrowException):  # replaced meanwhile, or damaged: the log is indexed again
            continue
        if set(table.schema.names) <= set(found.schema.names):
            yield from found.to_pylist()


def _row(lake: Lake, file: str) -> dict[str, Any] | None:
    if lake.manifest(INGESTED_FILES, {"file": file}) is None:
        return None
    return lake.read(INGESTED_FILES, {"file": file}).to_pylist()[0]


def _name(lake: Lake, file: str) -> str | None:
    row = _row(lake, file)
    return None if row is None else row["name"]


def _verified(lake: Lake, table: LakeTable, file: str) -> Path:
    """The data file of a partition, after its content hash was compared."""
    partition = {"file": file}
    manifest = lake.manifest(table, partition)
    path = None if manifest is None else table.directory(lake.root, partition) / manifest.data_file
    if path is None or not path.is_file() or file_digest(path) != manifest.content:  # type: ignore[union-attr]
        raise LakeError(
            f"{partition_label(table.name, partition)}: missing or changed after it was written; delete "
            f"{INGESTED_FILES.directory(lake.root, partition)} and run again, and the log is indexed again"
        )
    return path

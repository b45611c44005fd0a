"""The records of a Parquet file of logs: its rows, with row groups skipped in which none is wanted.

What is wrong with one row rejects that row. A file that is damaged, or whose columns are not those of the project's own
schema where that is the format, is one TrafficError.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import types

from depsim_dagster.errors import TrafficError
from depsim_dagster.lake_tables import fits
from depsim_dagster.traffic.formats import COLUMNS
from depsim_dagster.traffic.formats.draft import ReadSettings
from depsim_dagster.traffic.log_streams import BLOCK, LogFile
from depsim_dagster.traffic.records import LARGEST_RECORD, Rejected
from depsim_dagster.traffic.schema import CONVERSATION_SCHEMA_VERSION, CONVERSATIONS

_BATCH_BYTES = 8 * 1024 * 1024
_BATCH_ROWS = 1_000
VERSION_KEY = b"depsim_conversation_schema"  # of the file's metadata, where a writer states it


def parquet_records(
    log: LogFile, settings: ReadSettings, only: Sequence[int] | None = None
) -> Iterator[tuple[int, dict[str, Any] | Rejected]]:
    """(position, row) of every row, or of the sorted positions `only`.

    Raises:
        TrafficError: the file is damaged, or its columns are not those of the format.
    """
    with _opened(log) as parquet:
        present = parquet.schema_arrow
        if len(set(present.names)) != len(present.names):
            raise TrafficError(f"{log.name}: a column name stands twice in it; export it again")
        if settings.format == "depsim":
            _demand_conversations(log, present, settings)
        columns = [name for name in present.names if _is_read(name, settings)]
        start = 0
        for group in range(parquet.num_row_groups):
            metadata = parquet.metadata.row_group(group)
            end = start + metadata.num_rows
            if only is None or any(start <= place < end for place in only):
                size = max(metadata.total_byte_size // max(metadata.num_rows, 1), 1)
                rows = min(max(_BATCH_BYTES // size, 1), _BATCH_ROWS)
                yield from _group(log, parquet, group, columns, rows, start, only)
            start = end


def _opened(log: LogFile) -> contextlib.closing[pq.ParquetFile]:
    source = log.random_access()
    try:
        return contextlib.closing(pq.ParquetFile(source, buffer_size=BLOCK, pre_buffer=False))
    except Exception as error:  # pyarrow raises several unrelated classes for a damaged file
        raise TrafficError(
            f"{log.name}: not a readable Parquet file ({type(error).__name__}); export it again or take it out of the logs"
        ) from None


def _is_read(name: str, settings: ReadSettings) -> bool:
    paths = [path for _, path in settings.fields if path is not None]
    return name in COLUMNS[settings.format] or any(
        path == name or path.startswith(f"{name}.") for path in paths
    )


def _group(
    log: LogFile,
    parquet: pq.ParquetFile,
    group: int,
    columns: list[str],
    rows: int,
    start: int,
    only: Sequence[int] | None,
) -> Iterator[tuple[int, dict[str, Any] | Rejected]]:
    batches = parquet.iter_batches(rows, row_groups=[group], columns=columns, use_threads=False)
    while True:
        try:
            batch = next(batches, None)
            if batch is None:
                return
            batch = _in_microseconds(batch)
        except Exception as error:  # as above; damaged pages show here
            raise TrafficError(
                f"{log.name}: cannot be read to its end ({type(error).__name__}); export it again or take it out of the logs"
            ) from None
        end = start + batch.num_rows
        if only is None:
            places: Sequence[int] = range(start, end)
        else:
            places = [place for place in only if start <= place < end]
            batch = batch.take(pa.array([place - start for place in places], pa.int64()))
        yield from zip(places, _rows(batch), strict=True)
        start = end


def _rows(batch: pa.RecordBatch) -> list[dict[str, Any] | Rejected]:
    if batch.nbytes <= LARGEST_RECORD:
        try:
            return batch.to_pylist()  # type: ignore[return-value]
        except Exception:  # one of the rows; which one, and why, is found below
            pass
    return [_row(batch.slice(place, 1)) for place in range(batch.num_rows)]


def _row(row: pa.RecordBatch) -> dict[str, Any] | Rejected:
    if row.nbytes > LARGEST_RECORD:
        return Rejected("too_large")
    try:
        return row.to_pylist()[0]
    except UnicodeDecodeError:
        return Rejected("invalid_utf8")
    except (ValueError, OverflowError, pa.ArrowException):  # a time beyond the calendar
        return Rejected("impossible_time")


def _demand_conversations(log: LogFile, present: pa.Schema, settings: ReadSettings) -> None:
    """Raises TrafficError where the columns are not those of schema.CONVERSATIONS. What may be null may be absent."""
    version = (present.metadata or {}).get(VERSION_KEY, b"")
    if version.isdigit() and int(version) > CONVERSATION_SCHEMA_VERSION:
        raise TrafficError(
            f"{log.name}: of version {int(version)} of the conversation schema; this depsim reads up to version "
            f"{CONVERSATION_SCHEMA_VERSION}"
        )
    absent = [
        column.name
        for column in CONVERSATIONS
        if column.name not in present.names
        and not column.nullable
        and getattr(settings.defaults, column.name, None) is None
    ]
    if absent:
        raise TrafficError(
            f"{log.name}: no column {', '.join(absent)}; format depsim needs {', '.join(CONVERSATIONS.names)}"
        )
    timeless = not settings.needs_times or settings.defaults.sent_at is not None
    wrong = [
        column
        for column in CONVERSATIONS
        if column.name in present.names
        and not _of_kind(present.field(column.name).type, column.type, timeless)
    ]
    if wrong:
        wanted = "; ".join(f"{column.name}: {column.type}" for column in wrong)
        raise TrafficError(
            f"{log.name}: column(s) of another type than format depsim needs. Export them as {wanted}"
            + (" (times need a zone)" if "timestamp" in wanted else "")
        )


def _of_kind(actual: pa.DataType, wanted: pa.DataType, timeless: bool) -> bool:
    if types.is_struct(wanted):
        return types.is_struct(actual) and all(
            _of_kind(actual.field(part.name).type, part.type, timeless)
            if actual.get_field_index(part.name) >= 0
            else part.nullable or (timeless and types.is_timestamp(part.type))
            for part in wanted
        )
    if types.is_list(wanted):
        listed = types.is_list(actual) or types.is_large_list(actual)
        return types.is_null(actual) or (listed and _of_kind(actual.value_type, wanted.value_type, timeless))
    return fits(actual, wanted)


def _in_microseconds(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Times in nanoseconds become slow pandas objects in Python; nobody needs them that fine."""
    schema = pa.schema([part.with_type(_coarser(part.type)) for part in batch.schema])
    if schema.equals(batch.schema):
        return batch
    columns = [
        column.cast(part.type, safe=False) if column.type != part.type else column
        for column, part in zip(batch.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _coarser(type_: pa.DataType) -> pa.DataType:
    if types.is_timestamp(type_) and type_.unit == "ns":
        return pa.timestamp("us", tz=type_.tz)
    if types.is_struct(type_):
        return pa.struct([part.with_type(_coarser(part.type)) for part in type_])
    if types.is_list(type_):
        return pa.list_(type_.value_field.with_type(_coarser(type_.value_type)))
    if types.is_large_list(type_):
        return pa.large_list(type_.value_field.with_type(_coarser(type_.value_type)))
    return type_

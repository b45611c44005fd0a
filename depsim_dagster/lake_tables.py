"""What a table of the lake is: its schema, its partition keys, its gates, and whether rows fit it. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from depsim_dagster.errors import LakeError

TIMESTAMP = pa.timestamp("us", tz="UTC")

Partition = Mapping[str, str]


def field(
    name: str, type_: pa.DataType, description: str, *, nullable: bool = False, unit: str = ""
) -> pa.Field:
    """An Arrow field with its description (and unit) as metadata: the schema is the documentation of the table."""
    metadata = {"description": description} | ({"unit": unit} if unit else {})
    return pa.field(name, type_, nullable=nullable, metadata=metadata)


@dataclass(frozen=True)
class LakeTable:
    """One table of the lake: its schema, the columns it is partitioned by, and the gates that its readers demand.

    `added` are columns that earlier versions of depsim did not write: a partition without one is read with nulls in it.
    """

    name: str
    description: str
    schema: pa.Schema
    partitioned_by: tuple[str, ...] = ()
    gates: tuple[str, ...] = ()
    added: tuple[str, ...] = ()

    def directory(self, root: Path, partition: Partition) -> Path:
        """The folder of a partition; keys are percent-encoded, so that any model name is one folder name."""
        if set(partition) != set(self.partitioned_by):
            raise LakeError(
                f"{self.name}: partitioned by {list(self.partitioned_by)}, asked for {sorted(partition)}"
            )
        path = root / self.name
        for key in self.partitioned_by:
            path = path / f"{key}={quote(partition[key], safe='')}"
        return path


def partition_label(table: str, partition: Partition) -> str:
    """`table[week=2026-01-05, model=x]`, as errors and logs name a partition."""
    keys = ", ".join(f"{key}={value}" for key, value in partition.items())
    return f"{table}[{keys}]"


def conform(table: LakeTable, partition: Partition, rows: pa.RecordBatch | pa.Table) -> pa.Table:
    """`rows` with exactly the table's columns, or an error that quotes no value.

    Widths of one kind (int32, int64; string, large_string) are converted where nothing is lost; a number is never
    made of a text, nor a UTC time of one without a zone.

    Raises:
        LakeError: a column is missing or of another kind, a required value is null, or a row is of another partition.
    """
    chunk = pa.Table.from_batches([rows]) if isinstance(rows, pa.RecordBatch) else rows
    label = partition_label(table.name, partition)
    missing = [name for name in table.schema.names if name not in chunk.schema.names]
    if missing:
        raise LakeError(f"{label}: column(s) missing from the rows to write: {', '.join(missing)}")
    chunk = chunk.select(table.schema.names)
    wrong = [
        f"{column.name} ({chunk.schema.field(column.name).type}, not {column.type})"
        for column in table.schema
        if not fits(chunk.schema.field(column.name).type, column.type)
    ]
    if wrong:
        raise LakeError(f"{label}: column(s) of another type: {', '.join(wrong)}")
    for column in table.schema:
        nulls = chunk.column(column.name).null_count
        if nulls and not column.nullable:
            raise LakeError(f"{label}: {nulls} row(s) have no {column.name}")
    try:
        chunk = chunk.cast(table.schema)
    except (ValueError, pa.ArrowNotImplementedError) as error:  # ArrowInvalid is a ValueError
        # Arrow quotes the offending value in its message; the value may be conversation text.
        raise LakeError(
            f"{label}: a value does not fit the type of its column ({type(error).__name__})"
        ) from None
    for key in table.partitioned_by:
        if key not in table.schema.names:
            continue
        if not pc.all(pc.equal(chunk.column(key), partition[key]), min_count=0).as_py():
            raise LakeError(f"{label}: rows of another {key} among the rows to write")
    return chunk


def fits(actual: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether values of one Arrow type are of the kind of another: the width may differ, the meaning may not."""
    if types.is_dictionary(actual):
        actual = actual.value_type
    if types.is_struct(wanted):
        return types.is_struct(actual) and all(
            actual.get_field_index(part.name) >= 0 and fits(actual.field(part.name).type, part.type)
            for part in wanted
        )
    if types.is_list(wanted):
        listed = types.is_list(actual) or types.is_large_list(actual)
        return listed and fits(actual.value_type, wanted.value_type)
    if actual == wanted or types.is_null(actual):
        return True
    if types.is_timestamp(actual) and types.is_timestamp(wanted):
        return actual.tz is not None
    if types.is_floating(wanted):
        return types.is_floating(actual) or types.is_integer(actual)
    text = (types.is_string, types.is_large_string, types.is_string_view)
    return any(
        any(of_kind(actual) for of_kind in kind) and any(of_kind(wanted) for of_kind in kind)
        for kind in ((types.is_integer,), text)
    )

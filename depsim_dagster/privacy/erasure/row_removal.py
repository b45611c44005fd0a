"""Rows out of a published partition, without a moment in which a reader sees half of it.

The rows that stay go through quarantine (and, where the table demands gates, through these again) and replace the old
file, which is deleted. A partition of which nothing is left, and one whose rest a gate refuses today, is taken out
whole: the next run of the study makes it anew. What no reader would accept (a file that was edited or damaged) is not
made acceptable here; it goes whole when it holds such rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from depsim_dagster.durable_files import file_digest
from depsim_dagster.errors import DepsimError, LakeError
from depsim_dagster.lake import QUARANTINE, Lake, LakeTable, Manifest

if TYPE_CHECKING:
    from depsim_dagster.study import Study

BATCH_ROWS = 2_000
REWRITTEN, TAKEN_OUT = "rewritten", "taken out"


@dataclass(frozen=True)
class Rows:
    """Rows of somebody: by any of the columns that say whose they are. Values are pseudonyms."""

    by_column: Mapping[str, Collection[str]]

    def among(self, rows: pa.RecordBatch | pa.Table) -> pa.Array | pa.ChunkedArray:
        """Which of these rows are meant."""
        found = pa.repeat(False, rows.num_rows)
        for column, values in self._values.items():
            if column in rows.schema.names:
                found = pc.or_(found, pc.is_in(rows.column(column), value_set=values))
        return found

    def columns_of(self, file: Path) -> list[str]:
        """Which of the columns a Parquet file has. Raises OSError or ArrowException where it is none."""
        names = pq.read_schema(file).names
        return [column for column in self.by_column if column in names]

    @cached_property
    def _values(self) -> dict[str, pa.Array]:
        return {column: pa.array(list(values), pa.string()) for column, values in self.by_column.items()}


def matching_rows(file: Path, rows: Rows, columns: Collection[str] = ()) -> pa.Table | None:
    """Those of a Parquet file's rows that are meant, with the columns that say whose they are and some more.

    None where the file cannot be read: nobody knows what it holds.
    """
    try:
        present = pq.read_schema(file)
        wanted = list(dict.fromkeys([*rows.columns_of(file), *(c for c in columns if c in present.names)]))
        if not rows.columns_of(file):
            return present.empty_table().select(wanted)
        with pq.ParquetFile(file) as parquet:
            batches = (batch.filter(rows.among(batch)) for batch in parquet.iter_batches(columns=wanted))
            return pa.Table.from_batches(batches, pa.schema([present.field(name) for name in wanted]))
    except (pa.ArrowException, OSError):
        return None


def remove_rows(
    study: Study, table: LakeTable, partition: dict[str, str], rows: Rows, keep_empty: bool
) -> str | None:
    """Take these rows out of a partition; says whether it was rewritten or taken out, None when it had none of them.

    `keep_empty`: a partition without a row is published rather than taken out.

    Raises:
        LakeError: the disk refuses it.
    """
    lake = study.lake
    folder = table.directory(lake.root, partition)
    manifest = _manifest(lake, table, partition)
    _remove_strays(folder, manifest)
    if manifest is None:
        return None
    file = folder / manifest.data_file
    found = matching_rows(file, rows)
    if found is not None and not found.num_rows:
        return None
    whole = found is not None and file_digest(file) == manifest.content
    emptied = found is not None and found.num_rows == manifest.rows
    if not whole or (emptied and not keep_empty) or not _rewritten(study, table, manifest, file, rows):
        lake.remove(table, partition)
        return TAKEN_OUT
    return REWRITTEN


def _rewritten(study: Study, table: LakeTable, manifest: Manifest, file: Path, rows: Rows) -> bool:
    """Publish the rest of a partition; False when it cannot be published as things are today."""
    lake, partition = study.lake, manifest.partition
    if not set(table.schema.names) <= set(
        pq.read_schema(file).names
    ):  # of another version; readers refuse it
        return False
    quarantined = lake.quarantine(table, partition, _others(file, rows))
    if not table.gates:
        lake.publish(quarantined)
        return True
    from depsim_dagster.privacy.gates.gate import (  # they load pandas and more
        gate_and_publish,
        recorded_canaries,
    )

    try:
        gate_and_publish(study.config, lake, quarantined, recorded_canaries(lake, manifest))
    except DepsimError:  # somebody else withdrew consent, a suite is new, the ledger cannot be read
        quarantined.hold.close()
        quarantined.file.unlink(missing_ok=True)
        return False
    return True


def clear_quarantine(lake: Lake) -> int:
    """Remove every attempt that was not published, of any table; returns how many there were.

    They hold whole partitions. Only for those who have the store alone: a writer at work would lose its file.
    """
    left = [path for path in (lake.root / QUARANTINE).rglob("*") if path.is_file()]
    for path in left:
        path.unlink(missing_ok=True)
    return len(left)


def _others(file: Path, rows: Rows) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(file) as parquet:
        for batch in parquet.iter_batches(batch_size=BATCH_ROWS):
            yield batch.filter(pc.invert(rows.among(batch)))


def _manifest(lake: Lake, table: LakeTable, partition: dict[str, str]) -> Manifest | None:
    try:
        return lake.manifest(table, partition)
    except LakeError:  # damaged: no reader sees the partition, and nobody knows what is in it
        lake.remove(table, partition)
        return None


def _remove_strays(folder: Path, manifest: Manifest | None) -> None:
    """Files beside the published one, which a process that died left there."""
    for pattern in ("*.parquet", ".*"):
        for path in folder.glob(pattern):
            if manifest is None or path.name != manifest.data_file:
                path.unlink(missing_ok=True)

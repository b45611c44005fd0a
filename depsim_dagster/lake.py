"""The lake: partitioned Parquet tables with explicit schemas, and the only module that writes partitions.

A partition is written in three steps: into quarantine, through its gates, and into view. What makes it visible is one
small file, the manifest: it names the data file by its content hash and carries the marks of the gates that the
content passed. Readers follow the manifest, so they see the old partition or the new one and never a mixture, and a
process that dies at any line leaves at worst a file that no manifest names. A table that requires gates is refused by
the reader itself when a mark is missing, belongs to other content, or was made under another version of the suite:
that holds in the same run, in a backfill and in another process.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote, unquote

import pyarrow as pa
import pyarrow.parquet as pq

from depsim_dagster.errors import GateError, LakeError

MANIFEST = "_manifest.json"
QUARANTINE = "_quarantine"
JOURNAL = "_journal"
ROWS_PER_GROUP = 20_000

Partition = Mapping[str, str]


def field(
    name: str, type_: pa.DataType, description: str, *, nullable: bool = False, unit: str = ""
) -> pa.Field:
    """An Arrow field with its description (and unit) as metadata: the schema is the documentation of the table."""
    metadata = {"description": description} | ({"unit": unit} if unit else {})
    return pa.field(name, type_, nullable=nullable, metadata=metadata)


TIMESTAMP = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True)
class LakeTable:
    """One table of the lake: its schema, the columns it is partitioned by, and the gates that its readers demand."""

    name: str
    description: str
    schema: pa.Schema
    partitioned_by: tuple[str, ...] = ()
    gates: tuple[str, ...] = ()

    def directory(self, root: Path, partition: Partition) -> Path:
        if set(partition) != set(self.partitioned_by):
            raise LakeError(
                f"{self.name}: partitioned by {list(self.partitioned_by)}, asked for {sorted(partition)}"
            )
        path = root / self.name
        for key in self.partitioned_by:
            path = path / f"{key}={quote(partition[key], safe='')}"
        return path


@dataclass(frozen=True)
class GateMark:
    """That one content passed one suite. `content` and `suite_version` are SHA-256 hex digests."""

    suite: str
    suite_version: str
    content: str
    code_version: str
    checked_at: str
    expectations: int


@dataclass(frozen=True)
class Manifest:
    """What a published partition is: its data file, the hash of its bytes, its size and its gate marks."""

    table: str
    partition: dict[str, str]
    data_file: str
    content: str
    rows: int
    published_at: str
    marks: tuple[GateMark, ...]


@dataclass(frozen=True)
class Quarantined:
    """A partition that is written but not visible; `content` is the SHA-256 of the file's bytes."""

    table: LakeTable
    partition: dict[str, str]
    file: Path
    content: str
    rows: int

    def read(self) -> pa.Table:
        return pq.read_table(self.file, schema=self.table.schema)


class Lake:
    """A folder of tables. `suite_versions` are the current versions of the gate suites, by suite name."""

    def __init__(self, root: Path, suite_versions: Mapping[str, str] | None = None):
        self.root = Path(root)
        self._suite_versions = dict(suite_versions or {})

    @property
    def journal_directory(self) -> Path:
        """Where answers of models are kept durably: a text table of the lake, in the replay engine's own layout."""
        return self.root / JOURNAL

    # ------------------------------------------------------------------------------------------------------- writing
    def quarantine(
        self, table: LakeTable, partition: Partition, batches: pa.Table | Iterable[pa.RecordBatch | pa.Table]
    ) -> Quarantined:
        """Write rows where no reader looks, in bounded memory, and check them against the schema of the table.

        Raises:
            LakeError: a row has a null where the schema allows none, or a column of another type.
        """
        directory = self.root / QUARANTINE / table.directory(Path(), partition)
        # Attempts that failed or died are superseded by this one; only the newest is kept for inspection.
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        file = directory / f"{uuid.uuid4().hex}.parquet"
        rows = 0
        with pq.ParquetWriter(file, table.schema, compression="zstd") as writer:
            for batch in [batches] if isinstance(batches, pa.Table) else batches:
                chunk = _conform(table, partition, batch)
                writer.write_table(chunk, row_group_size=ROWS_PER_GROUP)
                rows += chunk.num_rows
        _fsync(file)
        return Quarantined(table, dict(partition), file, file_digest(file), rows)

    def publish(self, quarantined: Quarantined, marks: Iterable[GateMark] = ()) -> Manifest:
        """Make a quarantined partition visible, in place of an older one.

        Raises:
            GateError: a gate that the table requires has no mark for exactly this content and suite version.
        """
        table, partition = quarantined.table, quarantined.partition
        marks = tuple(marks)
        self._demand_gates(table, partition, quarantined.content, marks)
        directory = table.directory(self.root, partition)
        directory.mkdir(parents=True, exist_ok=True)
        data_file = f"{quarantined.content[:32]}.parquet"
        os.replace(quarantined.file, directory / data_file)
        manifest = Manifest(
            table.name,
            dict(partition),
            data_file,
            quarantined.content,
            quarantined.rows,
            dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            marks,
        )
        write_atomically(directory / MANIFEST, json.dumps(asdict(manifest), indent=1).encode())
        for stale in directory.glob("*.parquet"):
            if stale.name != data_file:
                stale.unlink(missing_ok=True)
        shutil.rmtree(quarantined.file.parent, ignore_errors=True)
        return manifest

    def write(
        self, table: LakeTable, partition: Partition, rows: pa.Table | Iterable[pa.RecordBatch | pa.Table]
    ) -> Manifest:
        """Quarantine and publish a table that has no gates."""
        return self.publish(self.quarantine(table, partition, rows))

    # ------------------------------------------------------------------------------------------------------- reading
    def manifest(self, table: LakeTable, partition: Partition) -> Manifest | None:
        """The manifest of a partition, or None when it was never published."""
        return _read_manifest(table.directory(self.root, partition) / MANIFEST)

    def published(self, table: LakeTable) -> list[Manifest]:
        """Manifests of all partitions of a table, in the order of their keys."""
        depth = "/".join(["*"] * len(table.partitioned_by) + [MANIFEST])
        found = (_read_manifest(path) for path in sorted((self.root / table.name).glob(depth)))
        return [manifest for manifest in found if manifest is not None]

    def files(self, table: LakeTable | str) -> list[Path]:
        """Data files of all published partitions, for DuckDB and dbt. Text tables are read through `read` instead."""
        name = table if isinstance(table, str) else table.name
        manifests = sorted((self.root / name).glob(f"**/{MANIFEST}"))
        found = ((path.parent, _read_manifest(path)) for path in manifests)
        return [directory / manifest.data_file for directory, manifest in found if manifest is not None]

    def read(self, table: LakeTable, partition: Partition, columns: list[str] | None = None) -> pa.Table:
        """A published partition, after its gates and its content hash were verified.

        Raises:
            LakeError: it was never published, or its file is damaged.
            GateError: it has no valid mark of a gate that the table requires.
        """
        return pq.read_table(self._verified_file(table, partition), columns=columns, partitioning=None)

    def scan(
        self, table: LakeTable, partition: Partition, columns: list[str] | None = None, rows: int = 2_000
    ) -> Iterator[pa.RecordBatch]:
        """Like `read`, as a stream of batches in bounded memory."""
        file = self._verified_file(table, partition)
        with pq.ParquetFile(file) as parquet:
            yield from parquet.iter_batches(batch_size=rows, columns=columns)

    def _verified_file(self, table: LakeTable, partition: Partition) -> Path:
        label = partition_label(table.name, partition)
        for _ in range(
            3
        ):  # a publication between the two reads removes the file that the older manifest named
            manifest = self.manifest(table, partition)
            if manifest is None:
                raise LakeError(
                    f"{label}: not published in {self.root}; materialise `{table.name}` for this partition first"
                )
            self._demand_gates(table, partition, manifest.content, manifest.marks)
            file = table.directory(self.root, partition) / manifest.data_file
            with contextlib.suppress(FileNotFoundError):
                if file_digest(file) != manifest.content:
                    raise GateError(
                        f"{label}: {manifest.data_file} was changed or damaged after it was published (its content hash "
                        f"differs from the manifest's); materialise `{table.name}` for this partition again"
                    )
                return file
        raise LakeError(
            f"{label}: its data file is missing; materialise `{table.name}` for this partition again"
        )

    def _demand_gates(
        self, table: LakeTable, partition: Partition, content: str, marks: Iterable[GateMark]
    ) -> None:
        by_suite = {mark.suite: mark for mark in marks}
        label = partition_label(table.name, partition)
        for suite in table.gates:
            mark = by_suite.get(suite)
            if mark is None:
                raise GateError(
                    f"{label}: refused, it has no mark of the `{suite}` gate; materialise `{table.name}` again"
                )
            if mark.content != content:
                raise GateError(
                    f"{label}: refused, its `{suite}` mark belongs to other content; materialise `{table.name}` again"
                )
            current = self._suite_versions.get(suite)
            if mark.suite_version != current:
                raise GateError(
                    f"{label}: refused, it passed version {mark.suite_version[:12]} of the `{suite}` suite and the current "
                    f"version is {str(current)[:12]}; materialise `{table.name}` for this partition again"
                )


def partition_label(table: str, partition: Partition) -> str:
    """`table[week=2026-01-05, model=x]`, as errors and logs name a partition."""
    keys = ", ".join(f"{key}={value}" for key, value in partition.items())
    return f"{table}[{keys}]"


def partition_from_path(path: Path, table: LakeTable) -> dict[str, str]:
    """The partition keys in a data file's path."""
    parts = dict(part.split("=", 1) for part in path.parts if "=" in part)
    return {key: unquote(parts[key]) for key in table.partitioned_by}


def file_digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_atomically(path: Path, content: bytes) -> None:
    """Write beside and rename, so that a reader sees the old file or the new one."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        temporary.write_bytes(content)
        _fsync(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _conform(table: LakeTable, partition: Partition, batch: pa.RecordBatch | pa.Table) -> pa.Table:
    chunk = pa.Table.from_batches([batch]) if isinstance(batch, pa.RecordBatch) else batch
    label = partition_label(table.name, partition)
    missing = [name for name in table.schema.names if name not in chunk.schema.names]
    if missing:
        raise LakeError(f"{label}: column(s) missing from the rows to write: {', '.join(missing)}")
    try:
        chunk = chunk.select(table.schema.names).cast(table.schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
        # Arrow quotes the offending value in its message; the value may be conversation text.
        wrong = [
            f"{column.name} ({chunk.schema.field(column.name).type}, not {column.type})"
            for column in table.schema
            if chunk.schema.field(column.name).type != column.type
        ]
        raise LakeError(
            f"{label}: rows do not fit the schema: {', '.join(wrong) or type(error).__name__}"
        ) from None
    for column in table.schema:
        if not column.nullable and chunk.column(column.name).null_count:
            raise LakeError(f"{label}: {chunk.column(column.name).null_count} row(s) have no {column.name}")
    return chunk


def _read_manifest(path: Path) -> Manifest | None:
    try:
        raw = json.loads(path.read_bytes())
        return Manifest(**{**raw, "marks": tuple(GateMark(**mark) for mark in raw["marks"])})
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError):
        raise LakeError(f"{path}: damaged manifest; delete it and materialise the partition again") from None


def _fsync(path: Path) -> None:
    with open(path, "rb") as file:
        os.fsync(file.fileno())

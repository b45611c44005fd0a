"""The lake: partitioned Parquet tables with explicit schemas, and the only module that writes partitions.

A partition is written in three steps: into quarantine, through its gates, and into view. What makes it visible is one
small file, the manifest: it names the data file by its content hash and carries the marks of the gates that the
content passed. Readers follow the manifest, so they see the old partition or the new one and never a mixture, and a
process that dies at any line leaves at worst a file that no manifest names. A table that requires gates is refused by
the reader itself when a mark is missing, is not signed with the study's key, belongs to other content, or was made under
another version of the suite or of the de-identification: that holds in the same run, in a backfill and in another process.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from dataclasses import field as dataclass_field
from pathlib import Path
from typing import BinaryIO, TypeVar
from urllib.parse import unquote
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from depsim_dagster.durable_files import (
    create_held,
    exclusive,
    file_digest,
    fsync,
    remove_abandoned,
    write_atomically,
)
from depsim_dagster.errors import GateError, LakeError
from depsim_dagster.gate_marks import GateMark as GateMark
from depsim_dagster.gate_marks import GateStandard, Keys, mark_from_json
from depsim_dagster.lake_tables import TIMESTAMP as TIMESTAMP
from depsim_dagster.lake_tables import LakeTable, Partition, conform, partition_label
from depsim_dagster.lake_tables import field as field

MANIFEST = "_manifest.json"
PURGED = "_purged.json"
QUARANTINE = "_quarantine"
JOURNAL = "_journal"
_COMPARED_ROWS = 1_000


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
class Purged:
    """What is left of a partition whose retention ended: that it was there, and the marks of the gates it had passed."""

    table: str
    partition: dict[str, str]
    rows: int
    published_at: str
    purged_at: str
    marks: tuple[GateMark, ...]


@dataclass(frozen=True)
class Quarantined:
    """A partition that is written but not visible; `content` is the SHA-256 of the file's bytes.

    `hold` keeps other writers from clearing the file away; it ends with this object or its process.
    """

    table: LakeTable
    partition: dict[str, str]
    file: Path
    content: str
    rows: int
    hold: BinaryIO = dataclass_field(repr=False, compare=False)

    def read(self, columns: list[str] | None = None) -> pa.Table:
        return pq.read_table(self.file, columns=columns, partitioning=None)


class Lake:
    """A folder of tables. `suite_versions` are the current versions of the gate suites, by suite name, `key` is the key
    of the study or what gives it (then older ones that still count), and `deidentification` what marks must state.

    A table without gates needs none of them.
    """

    def __init__(
        self,
        root: Path,
        suite_versions: Mapping[str, str] | None = None,
        key: bytes | Keys | None = None,
        deidentification: str = "",
        journal: Path | None = None,
    ):
        self.root = Path(root)
        self._journal = journal or self.root / JOURNAL
        keys = (lambda: (key,)) if isinstance(key, bytes) else key
        self._standard = GateStandard(dict(suite_versions or {}), deidentification, keys)

    @property
    def journal_directory(self) -> Path:
        """Where answers of models are kept durably: a text table of the lake, in the replay engine's own layout."""
        return self._journal

    def signing_keys(self) -> tuple[bytes, ...]:
        """The study's key, then older ones that still count.

        Raises:
            ConfigurationError: there is no key.
        """
        return self._standard.signing_keys()

    # ------------------------------------------------------------------------------------------------------- writing
    def quarantine(
        self, table: LakeTable, partition: Partition, batches: pa.Table | Iterable[pa.RecordBatch | pa.Table]
    ) -> Quarantined:
        """Write rows where no reader looks, in bounded memory, and check them against the schema of the table.

        Attempts that failed at a gate or died are cleared away; those of writers that are at work are not.

        Raises:
            LakeError: a row has a null where the schema allows none, or a column of another type; the disk is full.
        """
        directory = self.root / QUARANTINE / table.directory(Path(), partition)
        with self._writing(table, partition), exclusive(self.root / QUARANTINE):
            directory.mkdir(parents=True, exist_ok=True)
            remove_abandoned(directory, "*.parquet")
            file = directory / f"{uuid4().hex}.parquet"
            hold = create_held(file)
        rows = 0
        try:
            with self._writing(table, partition):
                with pq.ParquetWriter(hold, table.schema, compression="zstd") as writer:
                    for batch in [batches] if isinstance(batches, pa.Table) else batches:
                        chunk = conform(table, partition, batch)
                        writer.write_table(chunk)
                        rows += chunk.num_rows
                hold.flush()
                fsync(file)
        except BaseException:
            with contextlib.suppress(OSError):  # what the disk had no room for
                hold.close()
            file.unlink(missing_ok=True)
            raise
        return Quarantined(table, dict(partition), file, file_digest(file), rows, hold)

    def as_published(self, quarantined: Quarantined) -> Quarantined:
        """With the bytes of the published file, where an earlier version of depsim wrote the same rows in it.

        What was made of that file names it by its hash, which columns and descriptions added since would change.
        """
        table, partition = quarantined.table, quarantined.partition
        manifest = self.manifest(table, partition)
        if manifest is None or manifest.content == quarantined.content or manifest.rows != quarantined.rows:
            return quarantined
        with contextlib.suppress(LakeError, GateError):  # what no reader accepts is made anew
            with self._verified(table, partition) as published:
                there = [name for name in table.schema.names if name not in _absent(table, published)]
                with pq.ParquetFile(quarantined.file) as made:
                    batches = (
                        parquet.iter_batches(_COMPARED_ROWS, columns=there) for parquet in (published, made)
                    )
                    # As many rows on both sides: batches that end elsewhere are unequal too.
                    if not all(old.equals(new) for old, new in zip(*batches, strict=False)):
                        return quarantined
            with self._writing(table, partition):
                file, _ = self._open(table, partition)
                with file:
                    quarantined.hold.seek(0)
                    quarantined.hold.truncate()
                    shutil.copyfileobj(file, quarantined.hold)
                    quarantined.hold.flush()
                fsync(quarantined.file)
            return replace(quarantined, content=file_digest(quarantined.file))
        return quarantined

    def signed(self, quarantined: Quarantined, mark: GateMark) -> GateMark:
        """The mark of a quarantined partition with the study's signature and its de-identification.

        Raises:
            ConfigurationError: there is no key.
        """
        stated = replace(mark, deidentification=self._standard.deidentification)
        return self._standard.signed(stated, quarantined.table.name, quarantined.partition)

    def publish(self, quarantined: Quarantined, marks: Iterable[GateMark] = ()) -> Manifest:
        """Make a quarantined partition visible, in place of an older one.

        Raises:
            GateError: a gate that the table requires has no signed mark for exactly this content, suite version and
                de-identification.
            LakeError: the quarantined file is gone.
        """
        table, partition = quarantined.table, quarantined.partition
        marks = tuple(marks)
        self._demand_gates(table, partition, quarantined.content, marks)
        directory = table.directory(self.root, partition)
        data_file = f"{quarantined.content[:32]}.parquet"
        manifest = Manifest(
            table.name,
            dict(partition),
            data_file,
            quarantined.content,
            quarantined.rows,
            dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            marks,
        )
        # Exclusive, or a second publisher clears away the file that this manifest is to name.
        with self._writing(table, partition), exclusive(directory):
            try:
                os.replace(quarantined.file, directory / data_file)
            except FileNotFoundError:
                label = partition_label(table.name, partition)
                raise LakeError(
                    f"{label}: its quarantined file is gone; materialise `{table.name}` for this partition again"
                ) from None
            fsync(directory)
            write_atomically(directory / MANIFEST, json.dumps(asdict(manifest), indent=1).encode())
            fsync(directory)
            for pattern in ("*.parquet", f".{MANIFEST}.*", PURGED):
                for stale in directory.glob(pattern):
                    if stale.name != data_file:
                        stale.unlink(missing_ok=True)
        quarantined.hold.close()
        with exclusive(self.root / QUARANTINE), contextlib.suppress(OSError):  # another attempt may be in it
            quarantined.file.parent.rmdir()
        return manifest

    def write(
        self, table: LakeTable, partition: Partition, rows: pa.Table | Iterable[pa.RecordBatch | pa.Table]
    ) -> Manifest:
        """Quarantine and publish a table that has no gates."""
        return self.publish(self.quarantine(table, partition, rows))

    def remove(self, table: LakeTable, partition: Partition, purged: Purged | None = None) -> None:
        """Take a partition out, with every file in its folder. With `purged`, readers are told that its time was over.

        A process that dies in the middle leaves what a second call removes.

        Raises:
            LakeError: the disk refuses it.
        """
        directory = table.directory(self.root, partition)
        if not directory.is_dir():
            return
        with self._writing(table, partition), exclusive(directory):
            kept = set()
            if purged is not None:
                write_atomically(directory / PURGED, json.dumps(asdict(purged), indent=1).encode())
                kept = {PURGED}
            # The manifest first: without it the rest is in nobody's sight.
            for path in sorted(directory.iterdir(), key=lambda path: path.name != MANIFEST):
                if path.name not in kept:
                    path.unlink(missing_ok=True)
            fsync(directory)
        if purged is None:
            with contextlib.suppress(OSError):  # another writer may be in it
                directory.rmdir()

    # ------------------------------------------------------------------------------------------------------- reading
    def purged(self, table: LakeTable, partition: Partition) -> Purged | None:
        """What is left of a partition that was purged, or None when it is published or never was."""
        if self.manifest(table, partition) is not None:
            return None
        return _read_purged(table.directory(self.root, partition) / PURGED)

    def all_purged(self, table: LakeTable) -> list[Purged]:
        """What is left of the purged partitions of a table, in the order of their keys."""
        depth = "/".join(["*"] * len(table.partitioned_by) + [PURGED])
        found = sorted((self.root / table.name).glob(depth))
        left = (_read_purged(path) for path in found if not (path.parent / MANIFEST).exists())
        return [purged for purged in left if purged is not None]

    def folders(self, table: LakeTable) -> list[tuple[dict[str, str], Path]]:
        """The keys and the folder of every partition of a partitioned table, published or not: an erasure looks into all."""
        found = []
        for folder in sorted((self.root / table.name).glob("/".join(["*"] * len(table.partitioned_by)))):
            keys = [part.partition("=") for part in folder.relative_to(self.root / table.name).parts]
            if folder.is_dir() and tuple(key for key, _, _ in keys) == table.partitioned_by:
                found.append(({key: unquote(value) for key, _, value in keys}, folder))
        return found

    def manifest(self, table: LakeTable, partition: Partition) -> Manifest | None:
        """The manifest of a partition, or None when it was never published.

        Raises:
            LakeError: it is damaged, or it is the manifest of another partition.
        """
        path = table.directory(self.root, partition) / MANIFEST
        manifest = _read_manifest(path)
        if manifest is not None and (manifest.table, manifest.partition) != (table.name, dict(partition)):
            raise LakeError(
                f"{path}: the manifest of another partition; delete it and materialise the partition again"
            )
        return manifest

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

    def objection(self, table: LakeTable, manifest: Manifest) -> str | None:
        """Why a reader would refuse this publication for its gate marks, or None. Its data file is not opened."""
        reasons = (
            self._standard.objection(suite, manifest.marks, manifest.content, table.name, manifest.partition)
            for suite in table.gates
        )
        return next((reason for reason in reasons if reason is not None), None)

    def read(self, table: LakeTable, partition: Partition, columns: list[str] | None = None) -> pa.Table:
        """A published partition, after its gates and its content hash were verified.

        Raises:
            LakeError: it was never published, its file is missing, or it was written with other columns.
            GateError: it lacks a valid mark of a gate that the table requires, or its content was changed since.
            ConfigurationError: the table requires gates and there is no key.
        """
        with self._verified(table, partition) as parquet:
            there, completed = _completing(table, parquet, columns)
            return completed(parquet.read(columns=there))

    def scan(
        self, table: LakeTable, partition: Partition, columns: list[str] | None = None, rows: int = 2_000
    ) -> Iterator[pa.RecordBatch]:
        """Like `read`, as a stream of batches in bounded memory."""
        with self._verified(table, partition) as parquet:
            there, completed = _completing(table, parquet, columns)
            yield from map(completed, parquet.iter_batches(batch_size=rows, columns=there))

    @contextlib.contextmanager
    def _verified(self, table: LakeTable, partition: Partition) -> Iterator[pq.ParquetFile]:
        """The data file, verified and read through one handle: a publication meanwhile does not pull it away."""
        label = partition_label(table.name, partition)
        file, manifest = self._open(table, partition)
        with file:
            if file_digest(file) != manifest.content:
                raise GateError(
                    f"{label}: {manifest.data_file} was changed or damaged after it was published (its content hash "
                    f"differs from the manifest's); materialise `{table.name}` for this partition again"
                )
            parquet = pq.ParquetFile(file)
            absent = _absent(table, parquet)
            if absent - set(table.added):
                raise LakeError(
                    f"{label}: published without the column(s) {', '.join(sorted(absent))}, by another version of depsim; "
                    f"materialise `{table.name}` for this partition again"
                )
            yield parquet

    def _open(self, table: LakeTable, partition: Partition) -> tuple[BinaryIO, Manifest]:
        label = partition_label(table.name, partition)
        for _ in range(3):  # a publication after the manifest was read removes the file that it names
            manifest = self.manifest(table, partition)
            if manifest is None:
                purged = self.purged(table, partition)
                raise LakeError(
                    f"{label}: purged on {purged.purged_at[:10]} by retention (privacy.retention_days); its text is gone, "
                    "and what was counted in it stays"
                    if purged is not None
                    else f"{label}: not published in {self.root}; materialise `{table.name}` for this partition first"
                )
            self._demand_gates(table, partition, manifest.content, manifest.marks)
            with contextlib.suppress(FileNotFoundError):
                return open(table.directory(self.root, partition) / manifest.data_file, "rb"), manifest
        raise LakeError(
            f"{label}: its data file is missing; materialise `{table.name}` for this partition again"
        )

    @contextlib.contextmanager
    def _writing(self, table: LakeTable, partition: Partition) -> Iterator[None]:
        """What the disk refuses, as an error that names the partition and the way out."""
        try:
            yield
        except OSError as error:
            raise LakeError(
                f"{partition_label(table.name, partition)}: cannot be written to {self.root} "
                f"({error.strerror or type(error).__name__}); make room or restore write access and run again"
            ) from None

    def _demand_gates(
        self, table: LakeTable, partition: Partition, content: str, marks: Iterable[GateMark]
    ) -> None:
        marks = tuple(marks)
        for suite in table.gates:
            reason = self._standard.objection(suite, marks, content, table.name, partition)
            if reason is not None:
                label = partition_label(table.name, partition)
                raise GateError(
                    f"{label}: refused, {reason}; materialise `{table.name}` for this partition again"
                )


Rows = TypeVar("Rows", pa.Table, pa.RecordBatch)


def _absent(table: LakeTable, parquet: pq.ParquetFile) -> set[str]:
    return set(table.schema.names) - set(parquet.schema_arrow.names)


def _completing(
    table: LakeTable, parquet: pq.ParquetFile, columns: list[str] | None
) -> tuple[list[str] | None, Callable[[Rows], Rows]]:
    """Which of the columns to read from the file, and what gives its rows those that an earlier version did not write."""
    absent = _absent(table, parquet)
    wanted = table.schema.names if columns is None else columns
    if absent.isdisjoint(wanted):
        return columns, lambda rows: rows
    there = [name for name in wanted if name not in absent]

    def completed(rows: Rows) -> Rows:
        for name in absent.intersection(wanted):
            added = table.schema.field(name)
            rows = rows.append_column(added, pa.nulls(rows.num_rows, added.type))
        return rows.select(wanted)

    return there, completed


def _read_purged(path: Path) -> Purged | None:
    try:
        raw = json.loads(path.read_bytes())
        return Purged(**{**raw, "marks": tuple(mark_from_json(mark) for mark in raw["marks"])})
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError):
        raise LakeError(f"{path}: damaged; delete it, and the partition counts as never published") from None


def _read_manifest(path: Path) -> Manifest | None:
    try:
        raw = json.loads(path.read_bytes())
        manifest = Manifest(**{**raw, "marks": tuple(map(mark_from_json, raw["marks"]))})
        if Path(manifest.data_file).name != manifest.data_file:
            raise ValueError("a data file lies beside its manifest")
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise LakeError(f"{path}: damaged manifest; delete it and materialise the partition again") from None
    return manifest

"""Segments: the immutable Parquet files that a journal's answers and claims are in, and how many are made one.

A segment is there whole or not at all. A running study writes many small ones, since a flush is one; whoever has the
journal alone merges them. A new segment is on disk before those go whose rows it has, and names them: of a process that
dies in between they are left, and whoever sums rows passes them over (`replaced_by`). Other readers take one row of two.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from depsim_dagster.durable_files import fsync
from depsim_dagster.errors import LakeError

# Rows in memory at a time, and in a row group: answers are a few kilobytes each, and some are a hundred.
ROWS_AT_A_TIME = 1024
MERGED_ROWS = 65_536
MERGED_BYTES = 2**28
# Fewer small segments are left as they are: merging copies every answer once or twice.
MOST_SMALL = 128
READERS = ".readers"
REPLACES = "depsim_replaces"  # key of a segment's own metadata: names of the segments whose rows it took

Keep = Callable[[pa.RecordBatch], pa.Array]


def segments_in(directory: Path) -> list[Path]:
    """The segments of a folder that are complete, in a stable order."""
    return sorted(directory.glob("*.parquet"))


def write_segment(
    directory: Path,
    rows: pa.Table | Iterable[pa.RecordBatch],
    schema: pa.Schema | None = None,
    replaces: Iterable[str] = (),
) -> Path:
    """Write one segment, whole or not at all, in the place of some others. `schema` is needed for batches. Raises OSError."""
    if isinstance(rows, pa.Table):
        schema, rows = rows.schema, rows.to_batches(max_chunksize=ROWS_AT_A_TIME)
    name = uuid.uuid4().hex
    temporary, segment = directory / f".{name}.tmp", directory / f"{name}.parquet"
    try:
        with open(temporary, "xb") as file:
            with pq.ParquetWriter(file, schema, compression="zstd", write_page_checksum=True) as writer:
                for batch in rows:
                    writer.write_batch(batch)
                if names := list(replaces):
                    writer.add_key_value_metadata({REPLACES: json.dumps(names)})
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, segment)
        fsync(directory)
    finally:
        temporary.unlink(missing_ok=True)
    return segment


def read_segment(
    segment: Path, columns: list[str], wanted: Callable[[int, int], bool] = lambda start, end: True
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """(number of the first row, rows) of one segment, without the row groups whose range of rows is not wanted.

    Raises:
        LakeError: it is not a whole segment with these columns.
    """
    try:
        # ParquetFile and not read_table: the latter would add the directory's endpoint= and model= as columns.
        with pq.ParquetFile(segment, page_checksum_verification=True) as file:
            if missing := [name for name in columns if name not in file.schema_arrow.names]:
                raise LakeError(
                    f"response journal: {segment} lacks {missing}: it is not a segment; move it elsewhere"
                )
            start = 0
            for group in range(file.num_row_groups):
                size = file.metadata.row_group(group).num_rows
                if wanted(start, start + size):
                    place = start
                    for batch in file.iter_batches(ROWS_AT_A_TIME, row_groups=[group], columns=columns):
                        yield place, batch
                        place += len(batch)
                start += size
    except FileNotFoundError:
        raise LakeError(
            f"response journal: segment {segment} was replaced while it was read: an erasure was at work in this journal. Run again"
        ) from None
    except (pa.ArrowException, OSError) as error:
        raise LakeError(
            f"response journal: segment {segment} cannot be read ({type(error).__name__}). Restore it from a "
            "backup, or delete it: the calls whose answers it held are sent again"
        ) from None


def coalesced(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The same rows in batches of ROWS_AT_A_TIME or a little more: a flush of a few rows is no batch to work with."""
    held: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        held.append(batch)
        rows += len(batch)
        if rows >= ROWS_AT_A_TIME:
            yield pa.concat_batches(held).cast(schema)
            held, rows = [], 0
    if rows:
        yield pa.concat_batches(held).cast(schema)


def rewrite(directory: Path, segments: list[Path], schema: pa.Schema, keep: Keep | None = None) -> None:
    """Put the rows of these segments for which `keep` is true into one new segment, or none, and delete the old ones.

    Raises:
        LakeError: a segment cannot be read.
        OSError: the new one cannot be written, or an old one not be deleted.
    """

    def rows() -> Iterator[pa.RecordBatch]:
        for segment in segments:
            for _, batch in read_segment(segment, schema.names):
                yield batch if keep is None else batch.filter(keep(batch))

    batches = coalesced(rows(), schema)
    if (first := next(batches, None)) is not None:
        names = [segment.name for segment in segments]
        write_segment(directory, itertools.chain([first], batches), schema, names)
    for segment in segments:
        segment.unlink(missing_ok=True)


def replaced_by(footer: pq.FileMetaData) -> list[str]:
    """Names of the segments whose rows are in the one of this footer."""
    return json.loads((footer.metadata or {}).get(REPLACES.encode(), b"[]"))


def replaced(directory: Path) -> set[Path]:
    """The segments of a folder that another one has replaced, and whose deletion a killed process has left to others."""
    segments, names = segments_in(directory), set[str]()
    for segment in segments:
        with contextlib.suppress(pa.ArrowException, OSError), pq.ParquetFile(segment) as file:
            names.update(replaced_by(file.metadata))
    return {segment for segment in segments if segment.name in names}


def remove_replaced(directory: Path) -> None:
    """For whoever has the folder alone, before it makes a new segment of any that is there. Raises OSError."""
    for segment in replaced(directory):
        segment.unlink(missing_ok=True)


def merge_small(directory: Path, schema: pa.Schema) -> None:
    """Merge the small segments of a folder, when they are many, into some of MERGED_ROWS or MERGED_BYTES.

    For whoever has the folder alone (`unread`). Raises as `rewrite`.
    """
    if len(segments_in(directory)) < MOST_SMALL:
        return
    remove_replaced(directory)
    segments = segments_in(directory)
    # In the order in which they came about, which is about the order in which their rows are read again.
    segments.sort(key=lambda path: path.stat().st_mtime_ns)
    small = [
        (path, *size)
        for path in segments
        if 2 * (size := _size(path))[0] < MERGED_ROWS and 2 * size[1] < MERGED_BYTES
    ]
    if len(small) < MOST_SMALL:
        return
    group: list[Path] = []
    rows = size = 0
    for path, more_rows, more_size in small:
        if group and (rows + more_rows > MERGED_ROWS or size + more_size > MERGED_BYTES):
            rewrite(directory, group, schema)
            group, rows, size = [], 0, 0
        group.append(path)
        rows, size = rows + more_rows, size + more_size
    rewrite(directory, group, schema)


@contextlib.contextmanager
def reading(journal: Path) -> Iterator[None]:
    """Keep the segments of a journal where they are as long as somebody reads them."""
    with _lock_file(journal) as descriptor:
        if descriptor is not None:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield


@contextlib.contextmanager
def unread(journal: Path) -> Iterator[bool]:
    """Whether nobody reads this journal now; no reader begins before the end of the block."""
    with _lock_file(journal) as descriptor:
        free = descriptor is not None
        if descriptor is not None:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                free = False
        yield free


@contextlib.contextmanager
def _lock_file(journal: Path) -> Iterator[int | None]:
    """None where no file can be made: who only may read cannot be waited for, nor merge."""
    try:
        descriptor = os.open(journal / READERS, os.O_RDONLY | os.O_CREAT, 0o600)
    except OSError:
        descriptor = None
    try:
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _size(segment: Path) -> tuple[int, int]:
    try:
        with pq.ParquetFile(segment) as file:
            return file.metadata.num_rows, segment.stat().st_size
    except (pa.ArrowException, OSError):
        return MERGED_ROWS, 0  # left where it is: whoever needs its rows says what is wrong with it

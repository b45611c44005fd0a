"""Files of logs: which ones a pattern names, and whether they can be read.

DuckDB's and Arrow's messages quote rows, so no error here repeats one.
"""

from __future__ import annotations

import glob
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from depsim_dagster.config import StudyConfig
from depsim_dagster.duckdb_sql import identifier, read_parquet
from depsim_dagster.errors import TrafficError
from depsim_dagster.lake_tables import fits


def matching_files(study: StudyConfig, patterns: tuple[str, ...], key: str) -> list[Path]:
    """Files that the patterns match, each once; a pattern that matches none is an error that names the key."""
    found: dict[Path, None] = {}
    for pattern in patterns:
        path = study.path(pattern)
        if path.is_file():
            matches = [path]  # a name may hold characters that a glob takes for its own
        else:
            # Only the pattern is a glob: the study's own folder may be called `study [2]`.
            names = glob.glob(str(Path(pattern).expanduser()), root_dir=study.directory, recursive=True)
            matches = [file for name in sorted(names) if (file := study.directory / name).is_file()]
        if not matches:
            raise TrafficError(
                f"{study.file}: {key}: nothing matches {path}; give an existing file or a glob"
            )
        found.update(dict.fromkeys(matches))
    return list(found)


def parquet_files(
    connection: duckdb.DuckDBPyConnection,
    study: StudyConfig,
    patterns: tuple[str, ...],
    key: str,
    schema: pa.Schema,
    required: tuple[str, ...],
) -> list[Path]:
    """The Parquet files of a key, checked against the schema that they must have; `required` columns may hold no null,
    also inside of their messages.

    Raises:
        TrafficError: one is not Parquet, lacks a column, has a column of another type, or a null where none may be.
    """
    files = matching_files(study, patterns, key)
    for file in files:
        try:
            metadata = pq.read_metadata(file)
            present = metadata.schema.to_arrow_schema()
        except Exception as error:  # pyarrow raises several unrelated classes for a damaged file
            raise TrafficError(
                f"{file}: not a readable Parquet file ({type(error).__name__}); export it again or take it out of {key}"
            ) from None
        absent = [name for name in schema.names if name not in present.names]
        if absent:
            raise TrafficError(
                f"{file}: no column {', '.join(absent)}; {key} needs {', '.join(schema.names)}"
            )
        wrong = [column for column in schema if not fits(present.field(column.name).type, column.type)]
        if wrong:
            wanted = "; ".join(f"{column.name}: {column.type}" for column in wrong)
            raise TrafficError(
                f"{file}: column(s) of another type than {key} needs. Export them as {wanted}"
                + (" (times need a zone)" if "timestamp" in wanted else "")
            )
        _refuse_nulls(connection, file, metadata, [schema.field(name) for name in required])
    return files


def first_unreadable(connection: duckdb.DuckDBPyConnection, files: list[Path]) -> Path | None:
    """The first of these Parquet files whose pages cannot be read to the end."""
    for file in files:
        try:
            connection.execute(f"select max(hash(f)) from {read_parquet([file])} as f").fetchall()
        except duckdb.Error:
            return file
    return None


def _refuse_nulls(
    connection: duckdb.DuckDBPyConnection, file: Path, metadata: pq.FileMetaData, columns: list[pa.Field]
) -> None:
    """The file's statistics say where no null is; only where they do not are the rows looked at."""
    groups = [metadata.row_group(place) for place in range(metadata.num_row_groups)]
    for path, condition in _required(columns):
        counts = [
            column.statistics.null_count if column.is_stats_set and column.statistics.has_null_count else None
            for group in groups
            for column in (group.column(place) for place in range(group.num_columns))
            if (column.path_in_schema.split(".")[0], column.path_in_schema.split(".")[-1])
            == (path[0], path[-1])
        ]
        if counts and all(count == 0 for count in counts):
            continue
        rows = _count(connection, file, condition)
        if rows:
            raise TrafficError(
                f"{file}: {rows} row(s) have no {'.'.join(path)}; correct the export or take the file out"
            )


def _required(columns: list[pa.Field]) -> list[tuple[tuple[str, ...], str]]:
    """(path, SQL condition of a row in which it is null) of these columns and of what the items of a list require."""
    required = []
    for column in columns:
        name = identifier(column.name)
        required.append(((column.name,), f"{name} is null"))
        if pa.types.is_list(column.type):
            required += [
                (
                    (column.name, part.name),
                    f"len(list_filter({name}, lambda item: item.{identifier(part.name)} is null)) > 0",
                )
                for part in column.type.value_type
                if not part.nullable
            ]
    return required


def _count(connection: duckdb.DuckDBPyConnection, file: Path, condition: str) -> int:
    try:
        return connection.execute(
            f"select count(*) from {read_parquet([file])} where {condition}"
        ).fetchall()[0][0]
    except duckdb.Error as error:  # its message may quote a row
        raise TrafficError(f"{file}: cannot be read ({type(error).__name__}); export it again") from None

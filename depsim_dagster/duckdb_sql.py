"""DuckDB as every station uses it: a connection, and SQL for names, texts and files that come from outside.

File names, column names and models enter SQL only through the functions here. DuckDB's messages quote rows, so callers
do not repeat them.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb


def connect() -> duckdb.DuckDBPyConnection:
    """An in-memory connection that reads and prints every time in UTC and spills nothing to disk.

    Conversation text passes through it, and a spill file would hold it outside the lake.
    """
    import duckdb  # here, so that SQL can be written where nothing is run

    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'; SET temp_directory = ''")
    return connection


def identifier(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def glob_pattern(file: Path | str) -> str:
    """The pattern with which DuckDB opens exactly this file: it takes `[`, `*` and `?` in a name for a glob.

    A backslash is literal in a path and an escape in a pattern, so it is doubled only where there is a pattern.
    """
    name = str(file)
    if not any(character in name for character in "[*?"):
        return name
    return name.replace("\\", "\\\\").replace("[", "[[]").replace("*", "[*]").replace("?", "[?]")


def exact_file(file: Path | str) -> str:
    """An SQL literal with which DuckDB opens this file and no other."""
    return literal(glob_pattern(file))


def read_parquet(files: Iterable[Path | str]) -> str:
    """SQL that reads these Parquet files by column name; a folder that is called `week=…` adds no column."""
    return f"read_parquet([{', '.join(map(exact_file, files))}], union_by_name = true, hive_partitioning = false)"

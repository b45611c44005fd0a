"""Published files of the lake as DuckDB reads them: exact file lists, never a directory glob. Not a reader of
the lake: which files are published is decided by the lake itself."""

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

MARTS_DIRECTORY = "marts"


class PublishedLake(Protocol):
    """What the marts need to know of a lake."""

    @property
    def root(self) -> Path:
        """Directory of the lake; marts are published in its subdirectory `marts`."""
        ...

    def files(self, table: str) -> list[Path]:
        """Published Parquet files of a table in all its partitions; empty where there are none."""
        ...


def duckdb_glob(path: Path | str) -> str:
    """The pattern that makes DuckDB open exactly this file: `[`, `*` and `?` in a name would otherwise match
    others.

    A backslash is literal in a path and an escape in a pattern, so it is doubled only where there is a
    pattern.
    """
    text = str(path)
    if not any(character in text for character in "[*?"):
        return text
    return text.replace("\\", "\\\\").replace("[", "[[]").replace("*", "[*]").replace("?", "[?]")


def sql_text(value: str) -> str:
    """A SQL string literal."""
    return "'" + value.replace("'", "''") + "'"


def read_parquet_sql(files: Iterable[Path | str]) -> str:
    """`read_parquet(...)` over exactly these files; columns are matched by name, and come from the files
    alone: a directory above the lake may look like a partition."""
    listed = ", ".join(sql_text(duckdb_glob(file)) for file in files)
    return f"read_parquet([{listed}], union_by_name = true, hive_partitioning = false)"

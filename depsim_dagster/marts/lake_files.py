"""What the marts need to know of a lake: exact lists of published files, never a directory glob."""

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

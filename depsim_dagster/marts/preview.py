"""The first rows of a mart in readable cells, for the metadata of its materialisation. Not a report: report
renders the study."""

from pathlib import Path
from typing import Any


def preview(file: Path, limit: int = 10) -> tuple[list[str], list[list[str]]]:
    """Column names and the first `limit` rows of a Parquet file as text: floats with four significant digits,
    an empty cell for null, lists joined with commas."""
    import pyarrow.parquet as parquet

    table = parquet.read_table(file)
    rows = [[_cell(value) for value in row.values()] for row in table.slice(0, limit).to_pylist()]
    return table.column_names, rows


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(_cell(item) for item in value)
    return str(value)

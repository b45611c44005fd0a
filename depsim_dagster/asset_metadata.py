"""What the Dagster UI shows of a table: its columns with their descriptions, and small tables as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import dagster as dg
import pandas as pd

from depsim_dagster.estimation.counts import below_text
from depsim_dagster.lake import LakeTable, Manifest


def table_metadata(table: LakeTable) -> dict[str, Any]:
    """Definition metadata of the asset of a lake table: the column schema."""
    return {
        "dagster/column_schema": dg.TableSchema(
            columns=[
                dg.TableColumn(
                    name=column.name,
                    type=str(column.type),
                    description=_described(column.metadata or {}),
                    constraints=dg.TableColumnConstraints(nullable=column.nullable),
                )
                for column in table.schema
            ]
        )
    }


def partition_metadata(manifest: Manifest, sandbox: bool) -> dict[str, Any]:
    """Materialisation metadata of a published partition."""
    metadata: dict[str, Any] = {
        "dagster/row_count": manifest.rows,
        "partition": ", ".join(f"{key} {value}" for key, value in manifest.partition.items())
        or "whole table",
        "content_hash": manifest.content,
    }
    return metadata | ({"sandbox": "synthetic: a sandbox world answered or graded"} if sandbox else {})


def markdown(
    rows: pd.DataFrame | Iterable[Sequence[Any]], columns: Sequence[str] | None = None
) -> dg.MetadataValue:
    """A small Markdown table. Cells are escaped: names come from files."""
    frame = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows), columns=list(columns or ()))
    if not len(frame):
        return dg.MetadataValue.md("no rows")
    lines = ["| " + " | ".join(map(_cell, frame.columns)) + " |", "|" + " --- |" * len(frame.columns)]
    lines += ["| " + " | ".join(map(_cell, row)) + " |" for row in frame.itertuples(index=False)]
    return dg.MetadataValue.md("\n".join(lines))


def rates_markdown(rates: pd.DataFrame) -> dg.MetadataValue:
    """Rates per 100k with their intervals; one under the floor of its turns is shown as below its upper limit."""

    def shown(row: Any) -> str:
        if row.n == 0:
            return "no data"
        return below_text(row.upper_per_100k) if row.below_floor else f"{row.rate_per_100k:,.0f}"

    return markdown(
        [
            (
                row.category,
                row.model,
                row.deployment,
                f"{row.k}/{row.n}",
                shown(row),
                "" if row.n == 0 else f"{row.lower_per_100k:,.0f} – {row.upper_per_100k:,.0f}",
                row.missing,
            )
            for row in rates.itertuples()
        ],
        ["category", "model", "on prefixes of", "k/n", "per 100k", "interval", "missing"],
    )


def _described(metadata: dict[bytes, bytes]) -> str:
    text, unit = metadata.get(b"description", b"").decode(), metadata.get(b"unit", b"").decode()
    return f"{text} [{unit}]" if unit else text


def _cell(value: Any) -> str:
    text = "" if value is None else str(value)
    return "".join(
        "\\" + character if character in "|\\`*_<>[]" else character for character in text
    ).replace("\n", " ")

"""The rows of sealed forecasts: as an entry of the ledger holds them, and as the lake does. Pure."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa

from depsim_dagster.registry.ledger import Entry, canonical, utc
from depsim_dagster.registry.schema import REGISTERED_FORECASTS

# What the entry says of its rows, and the lake repeats beside them.
SEALED_LATER = ("forecast_hash", "previous_hash", "sealed_at", "amendment", "sequence")


def plain_rows(frame: pd.DataFrame, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Rows as the lake stores them, without SEALED_LATER: a forecast just made and one read back are the same."""
    columns = columns or [name for name in REGISTERED_FORECASTS.schema.names if name not in SEALED_LATER]
    table = pa.Table.from_pandas(
        frame[list(columns)],
        schema=pa.schema([REGISTERED_FORECASTS.schema.field(name) for name in columns]),
        preserve_index=False,
    )
    return [_without_nan(row) for row in table.to_pylist()]


def sealed_rows(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """The rows that the lake holds of the forecasts of one model, the first one's first; times as the ledger writes them."""
    return [
        {name: row.get(name) for name in REGISTERED_FORECASTS.schema.names}
        | {
            "forecast_hash": entry.hash,
            "previous_hash": entry.previous_hash,
            "sealed_at": entry.sealed_at,
            "amendment": entry.amendment,
            "sequence": entry.sequence,
        }
        for entry in entries
        for row in entry.rows
    ]


def sealed_table(entries: Sequence[Entry]) -> pa.Table:
    """The same as the table that is published."""
    rows = [row | {"sealed_at": dt.datetime.fromisoformat(row["sealed_at"])} for row in sealed_rows(entries)]
    return pa.Table.from_pylist(rows, schema=REGISTERED_FORECASTS.schema)


def rows_objection(rows: Sequence[Mapping[str, Any]], entries: Sequence[Entry]) -> str | None:
    """Why rows of the lake are not those of these entries, or None; names the first place where they differ."""
    expected = sealed_rows(entries)
    for number, (there, sealed) in enumerate(zip(rows, expected, strict=False)):
        if _comparable(there) != canonical(sealed):
            if there.get("model") != sealed["model"]:
                return f"it holds the forecast of {there.get('model')}"
            names = [
                name
                for name in sealed
                if _comparable({name: there.get(name)}) != canonical({name: sealed[name]})
            ]
            names += sorted(set(there) - set(sealed))
            return f"row {number + 1} ({sealed['category']}) does not match its seal in {', '.join(names)}"
    if len(rows) != len(expected):
        return f"it holds {len(rows)} row(s) and {len(expected)} were sealed"
    return None


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nan(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_without_nan(part) for part in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _comparable(value: Mapping[str, Any]) -> bytes:
    """Rows read from a file that anybody could have written: one that cannot be encoded is equal to none."""
    plain = {name: utc(part) if isinstance(part, dt.datetime) else part for name, part in value.items()}
    try:
        return canonical(plain)
    except (ValueError, TypeError):
        return b""

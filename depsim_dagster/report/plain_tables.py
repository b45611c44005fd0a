"""Any table of the study as the page draws it: a title, columns, cells that are text. Not here: HTML (template)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from depsim_dagster.report.plain_rows import Row, records
from depsim_dagster.report.value_text import generic_cell

# Readable on a portrait page; a wider table is turned on its side.
WIDEST = 9
WIDEST_TURNED = 6
CONSTANT_COLUMNS = ("kind", "stack_hash", "sandbox")
MART_KEYS = {
    "rate_calibration": ("candidate", "category_group"),
    "directional_accuracy": ("candidate", "filter", "compared_with", "called_by"),
    "taxonomy_coverage": ("candidate",),
    "baseline_comparison": ("candidate", "baseline", "filter"),
}


@dataclass(frozen=True, eq=False)
class Part:
    """A titled part of a candidate's section: warnings, tables (as `plain_table` makes them), notes below them. `absent` is
    what is said where there is nothing to show; `withheld` that a cell is.
    """

    title: str
    tables: Sequence[Row] = ()
    notes: Sequence[str] = ()
    warnings: Sequence[str] = ()
    absent: str = ""
    withheld: bool = False


def plain_table(title: str, frame: pd.DataFrame, empty: str = "") -> Row:
    """The table as it is. `empty` is what is to be said when it has no rows."""
    rows, columns = records(frame), [str(column) for column in frame.columns if column != "suppressed"]
    numeric = [
        all(isinstance(row[c], (int, float, type(None))) and not isinstance(row[c], bool) for row in rows)
        for c in columns
    ]
    return {
        "title": title,
        "note": "",
        "empty": empty,
        "columns": [(c.replace("_", " "), n) for c, n in zip(columns, numeric, strict=True)],
        "rows": [[generic_cell(row, column) for column in columns] for row in rows],
    }


def mart_tables(name: str, frame: pd.DataFrame) -> list[Row]:
    """A mart as tables that fit a page: what is the same in every row is said once, and one that is still too wide is
    turned, its measures as rows, its rows as columns, one table per candidate.
    """
    title = name.replace("_", " ")
    rows = records(frame)
    same = [c for c in CONSTANT_COLUMNS if c in frame.columns and len({str(row[c]) for row in rows}) == 1]
    # That it is a sandbox is on every caption anyway.
    said = [f"{c.replace('_', ' ')}: {generic_cell(rows[0], c)}" for c in same if c != "sandbox"]
    note = "; ".join(said)
    keys = MART_KEYS.get(name, ())
    narrowed = frame.drop(columns=same)
    if narrowed.shape[1] <= WIDEST or not keys or not set(keys) <= set(frame.columns):
        return [plain_table(title, narrowed) | {"note": note}]
    first, rest = (keys[0], keys[1:]) if len(keys) > 1 else (None, keys)
    parts: dict[str, list[Row]] = {}
    for row in rows:
        parts.setdefault("" if first is None else str(row[first]), []).append(row)
    measures = [str(c) for c in narrowed.columns if c not in keys]
    return [
        _turned(
            ": ".join([title] + [part] * bool(part)), members[at : at + WIDEST_TURNED], rest, measures, note
        )
        for part, members in parts.items()
        for at in range(0, len(members), WIDEST_TURNED)
    ]


def _turned(title: str, rows: list[Row], keys: tuple[str, ...], measures: list[str], note: str) -> Row:
    named = [" / ".join(str(row[key]).replace("_", " ") for key in keys) for row in rows]
    return {
        "title": title,
        "note": note,
        "empty": "",
        "columns": [("Measure", False), *((name, True) for name in named)],
        "rows": [[m.replace("_", " "), *(generic_cell(row, m) for row in rows)] for m in measures],
    }

"""Where the error of a forecast comes from: rates that differ in one thing, as tables (rows of `error_decomposition`)."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from depsim_dagster.report.plain_rows import Row
from depsim_dagster.report.plain_tables import Part
from depsim_dagster.report.value_text import ABSENT, WITHHELD, number_text, ratio_text, times_text

TITLE = "Where the error comes from"
ABSENT_TEXT = "Absent: error_decomposition has no row of it."
COMPONENTS = {
    "full": ("Forecast", "X→Y over X’s production"),
    "environment": ("Environment", "Y→Y over Y’s production"),
    "prefix": ("Prefixes", "X→Y over X→X"),
    "environment_candidate": ("Environment, candidate", "X→X over X’s production"),
    "grader": ("Grader", "raw over corrected rate"),
    "sampling": ("Sampling", "noise floor of the forecast"),
}


def decomposition_part(rows: Sequence[Row]) -> Part:
    """One line per component, and the ratio of every category."""
    if not rows:
        return Part(TITLE, absent=ABSENT_TEXT)
    names = [name for name in COMPONENTS if any(row["component"] == name for row in rows)]
    names += sorted({str(row["component"]) for row in rows} - set(names))
    own = {name: [row for row in rows if row["component"] == name] for name in names}
    summary = {
        "title": "Error of each component over the categories",
        "note": "",
        "empty": "",
        "fit": True,
        "columns": [
            ("Component", False),
            ("Compares", False),
            ("Comparable categories", True),
            ("Median SME", True),
            ("Noise floor, median", True),
            ("Beyond noise (p90)", True),
        ],
        "rows": [_summary(name, own[name]) for name in names],
    }
    ratios = [
        name
        for name in names
        if any(row.get("log_ratio") is not None or row.get("suppressed") for row in own[name])
    ]
    tables = [summary]
    if ratios:
        tables.append(_by_category(rows, ratios))
    notes = [
        f"{_title(name)}: {note}."
        for name in names
        for note in sorted({str(row["note"]).rstrip(".") for row in own[name] if row.get("note")})[:3]
    ]
    split = [row for row in rows if row.get("within_share") is not None]
    if split:
        share = statistics.median(row["within_share"] for row in split)
        notes.append(
            f"Between completions of one prefix lie {number_text(100 * share)} % of the variance of a completion (median "
            "of the categories): what more completions per prefix would average out."
        )
    notes.append(
        "A ratio above 1 is a rate that came out too high. † fewer than 10 events on both sides together."
    )
    return Part(TITLE, tables=tables, notes=notes, withheld=any(row.get("suppressed") for row in rows))


def _title(name: str) -> str:
    return COMPONENTS.get(name, (name, ""))[0]


def _summary(name: str, rows: Sequence[Row]) -> list[str]:
    comparable = [row for row in rows if row.get("comparable")]

    def median(column: str) -> str:
        values = [row[column] for row in comparable if row.get(column) is not None]
        return times_text(statistics.median(values)) if values else ABSENT

    floored = [row for row in comparable if None not in (row.get("sme"), row.get("sme_noise_floor_p90"))]
    above = sum(row["sme"] > row["sme_noise_floor_p90"] for row in floored)
    return [
        *COMPONENTS.get(name, (name, "")),
        f"{len(comparable)} of {len(rows)}",
        median("sme"),
        median("sme_noise_floor_median"),
        f"{above} of {len(floored)}" if floored else ABSENT,
    ]


def _by_category(rows: Sequence[Row], names: Sequence[str]) -> Row:
    found: dict[str, dict[str, Row]] = {}
    for row in rows:
        found.setdefault(str(row["category"]), {})[str(row["component"])] = row
    return {
        "title": "Ratio of the two rates of each component, by category",
        "note": "",
        "empty": "",
        "fit": True,
        "columns": [("Category", False), *((_title(name), False) for name in names)],
        "rows": [
            [category, *(_ratio(parts.get(name)) for name in names)] for category, parts in found.items()
        ],
    }


def _ratio(row: Row | None) -> str:
    if row is not None and row.get("suppressed"):
        return WITHHELD
    if row is None or row.get("log_ratio") is None:
        return ABSENT
    limits = [
        None if row.get(f"log_ratio{part}") is None else math.exp(row[f"log_ratio{part}"])
        for part in ("", "_lower", "_upper")
    ]
    return ratio_text(*limits) + ("" if row.get("comparable") else "†")

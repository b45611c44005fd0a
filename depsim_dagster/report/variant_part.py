"""Other forecasts of the same rates that were sealed with the forecast, and how each did (`registered_forecasts.variants`,
rows of `variant_calibration`).
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from depsim_dagster.estimation.counts import resolvable_per_100k
from depsim_dagster.report.plain_rows import Row
from depsim_dagster.report.plain_tables import Part
from depsim_dagster.report.value_text import ABSENT, below_rate_text, number_text, rate_cell, times_text

TITLE = "Variants of the forecast"
ABSENT_TEXT = "Absent: no other forecast was sealed with it."
NAMES = {"pooled": "pooled (the forecast)", "weeks": "weeks discounted", "reweighted": "reweighted"}


def variant_part(rows: Sequence[Row], forecasts: Sequence[Row], scored: Sequence[Row]) -> Part:
    """rows: the candidate's categories as the page shows them; forecasts: its sealed rows; scored: variant_calibration."""
    sealed = {
        str(row["category"]): {str(each["variant"]): each for each in row.get("variants") or ()}
        for row in forecasts
    }
    names = sorted({name for variants in sealed.values() for name in variants})
    if not names and not scored:
        return Part(TITLE, absent=ABSENT_TEXT)
    tables = [_scores(scored)] if scored else []
    if names:
        tables.append(_rates(rows, sealed, names))
    notes = [
        f"{NAMES.get(name, name)}: {note}."
        for name in names
        for note in sorted(
            {str(v[name]["note"]).rstrip(".") for v in sealed.values() if v.get(name, {}).get("note")}
        )
    ]
    if not scored:
        notes.append("Not scored yet: each variant is scored beside the forecast when the outcome is there.")
    notes.append(
        "All were sealed together, and none was chosen after the outcome; the forecast of record is the pooled one."
    )
    return Part(TITLE, tables=tables, notes=notes)


def _scores(scored: Sequence[Row]) -> Row:
    found = {str(row["variant"]): None for row in scored}
    lines = []
    for name in sorted(found, key=lambda name: (name != "pooled", name)):
        own = [row for row in scored if row["variant"] == name]
        comparable = [row for row in own if row.get("comparable") and row.get("sme") is not None]
        judged = [
            row["observed_in_prediction"] for row in own if row.get("observed_in_prediction") is not None
        ]
        lines.append(
            [
                NAMES.get(name, name),
                f"{len(comparable)} of {len(own)}",
                times_text(statistics.median(row["sme"] for row in comparable)) if comparable else ABSENT,
                _mean(own, "log_score"),
                _mean(own, "predictive_log_score"),
                f"{sum(map(bool, judged))} of {len(judged)}",
            ]
        )
    return {
        "title": "Scores of the variants",
        "note": "",
        "empty": "",
        "fit": True,
        "columns": [
            ("Variant", False),
            ("Comparable categories", True),
            ("Median SME", True),
            ("Mean log score", True),
            ("Mean predictive log score", True),
            ("In prediction interval", True),
        ],
        "rows": lines,
    }


def _mean(rows: Sequence[Row], name: str) -> str:
    values = [row[name] for row in rows if row.get(name) is not None]
    return number_text(statistics.fmean(values)) if values else ABSENT


def _rates(rows: Sequence[Row], sealed: dict[str, dict[str, Row]], names: Sequence[str]) -> Row:
    observed = any(row.get("observed_n") for row in rows)
    lines = []
    for row in rows:
        variants = sealed.get(str(row["category"]), {})
        cells = [_cell(row, "forecast")]
        for name in names:
            each = variants.get(name, {})
            limits = (each.get(f"{part}_per_100k") for part in ("rate", "lower", "upper"))
            floor = resolvable_per_100k([each.get("n")], [each.get("design_effect")])[0]
            cells.append(below_rate_text(*limits, floor))
        lines.append([str(row["category"]), *cells, *([_cell(row, "observed")] if observed else [])])
    return {
        "title": "Rates of the variants per 100,000",
        "note": "",
        "empty": "",
        "fit": True,
        "columns": [
            ("Category", False),
            (NAMES["pooled"], False),
            *((NAMES.get(name, name), False) for name in names),
            *([("Observed", False)] if observed else []),
        ],
        "rows": lines,
    }


def _cell(row: Row, prefix: str) -> str:
    cell = rate_cell(row, prefix)
    return cell["text"] + (f" ({cell['interval']})" if cell["interval"] else "")

"""Rates corrected for grader error beside the raw ones, or why they are not corrected (rows of `corrected_rates`)."""

from __future__ import annotations

from collections.abc import Sequence

from depsim_dagster.report.plain_rows import Row
from depsim_dagster.report.plain_tables import Part
from depsim_dagster.report.value_text import ABSENT, WITHHELD, below_rate_text, rate_cell

TITLE = "Corrected for grader error"
ABSENT_TEXT = "Absent: corrected_rates has no row of it. Every rate of this candidate is the rate of what the grader flags."
METHODS = {
    "precision_sensitivity": "precision, sensitivity",
    "two_phase_audit": "two-phase audit",
    "rogan_gladen": "Rogan–Gladen",
    "refused": "not corrected",
}
SOURCES = {"simulated": "forecast (X→Y)", "production": "production after the release"}

UNREAD = "people read none of its turns (depsim review plan says how many to label)"


def corrected_part(rows: Sequence[Row]) -> Part:
    """Raw beside corrected, one table per source that was graded."""
    if not rows:
        return Part(TITLE, absent=ABSENT_TEXT)
    tables, notes = [], []
    for source in sorted({str(row["source"]) for row in rows}, key=lambda name: (name != "simulated", name)):
        own = [row for row in rows if row["source"] == source]
        title = SOURCES.get(source, source)
        reasons = {str(row["reason"]) for row in own}
        refused = all(row["method"] == "refused" for row in own)
        unread = not any(
            row.get("audited") or row.get("known_positives") or row.get("suppressed") for row in own
        )
        if refused and (len(reasons) == 1 or unread):
            # Row by row the reasons differ in nothing but how many turns would have to be read.
            reason = reasons.pop() if len(reasons) == 1 else UNREAD
            notes.append(f"{title[:1].upper()}{title[1:]}: no rate is corrected; {reason}.")
            continue
        tables.append(
            {
                "title": f"{title}: raw and corrected rates per 100,000",
                "note": "",
                "empty": "",
                "fit": True,
                "words": True,
                "columns": [
                    ("Category", False),
                    ("Raw", False),
                    ("Corrected", False),
                    ("Method", False),
                    ("Confirmed / read", True),
                    ("Caught / known", True),
                    ("Assumes, or why not", False),
                ],
                "rows": [_cells(row) for row in own],
            }
        )
    notes.append(
        "Raw is the rate of what the grader flags, corrected that of what people would flag. Forecasts, scores and baselines "
        "are of raw rates: forecast and outcome are graded by the same stack."
    )
    return Part(TITLE, tables=tables, notes=notes, withheld=any(row.get("suppressed") for row in rows))


def _cells(row: Row) -> list[str]:
    category = str(row["category"])
    if row.get("suppressed") and row.get("n") is None:
        return [category, *[WITHHELD] * 5, str(row["reason"])]
    raw = rate_cell({f"raw_{name}": row.get(name) for name in ("k", "n")} | {
        f"raw_{name}": row.get(f"{old}_per_100k")
        for name, old in (("per_100k", "rate"), ("lower_per_100k", "lower"), ("upper_per_100k", "upper"))
    }, "raw")  # fmt: skip
    shown = raw["text"] + (f" ({raw['interval']})" if raw["interval"] else "")
    if row.get("suppressed"):  # the turns that people read are of too few users
        return [category, shown, *[WITHHELD] * 4, str(row["reason"])]
    return [
        category,
        shown,
        below_rate_text(*(row.get(f"corrected_{name}per_100k") for name in ("", "lower_", "upper_"))),
        METHODS.get(str(row["method"]), str(row["method"])),
        f"{row['confirmed']:,}/{row['audited']:,}" if row.get("audited") else ABSENT,
        f"{row['caught']:,}/{row['known_positives']:,}" if row.get("known_positives") else ABSENT,
        str(row["reason"]),
    ]

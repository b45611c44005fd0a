"""How the sampled prefixes differ from the traffic that is forecast, and the weights for it (rows of `traffic_shift`)."""

from __future__ import annotations

from collections.abc import Sequence

from depsim_dagster.report.plain_rows import Row
from depsim_dagster.report.plain_tables import Part
from depsim_dagster.report.value_text import ABSENT, WITHHELD, count_text, number_text, times_text

TITLE = "Shift of the traffic"
ABSENT_TEXT = "Absent: traffic_shift has no row of it, so nothing is known of how its prefixes differ from the traffic that it will meet."
METHODS = {"post_stratified": "post-stratified", "raked": "raked"}
TARGETS = {
    "recent": "the traffic of the last full week before the release",
    "window": "the traffic of the window that is forecast",
    "file": "the mix that the study file gives",
}
# Values in the table: those whose share changes most. The JSON has all.
MOST = 20


def shift_part(rows: Sequence[Row]) -> Part:
    """The values whose share changes most, with what the weights cost."""
    if not rows:
        return Part(TITLE, absent=ABSENT_TEXT)
    first = rows[0]
    ordered = sorted(rows, key=lambda row: (-_moved(row), str(row["dimension"]), str(row["value"])))
    table = {
        "title": "Sampled prefixes beside the traffic that is forecast",
        "note": "",
        "empty": "",
        "fit": True,
        "columns": [
            ("Dimension", False),
            ("Value", False),
            ("Sampled turns", True),
            ("Sampled share", True),
            ("Target share", True),
            ("Factor", True),
            ("Share after weighting", True),
        ],
        "rows": [_cells(row) for row in ordered[:MOST]],
    }
    left = len(ordered) - MOST
    notes = [_costs(first)]
    if left > 0:
        notes.append(f"The {MOST} values whose share changes most; {left:,} more are in the JSON file.")
    notes.append(
        "The forecast of this section is without these weights. With them it is the variant “reweighted”, which is scored too."
    )
    warnings = sorted({str(row["warning"]) for row in rows if row.get("warning")})
    return Part(
        TITLE,
        tables=[table],
        notes=notes,
        warnings=warnings,
        withheld=any(row.get("suppressed") for row in rows),
    )


def _costs(row: Row) -> str:
    method = METHODS.get(str(row["method"]), str(row["method"]))
    target = TARGETS.get(str(row["target_mix"]), str(row["target_mix"]))
    parts = [f"{method[:1].upper()}{method[1:]}; target: {target}"]
    if row.get("effective_n") is not None:
        users = f" ({count_text(round(row['effective_users']))} users)" if row.get("effective_users") else ""
        parts.append(f"effective sample {count_text(round(row['effective_n']))} turns{users}")
    if row.get("overlap") is not None:
        parts.append(f"{_percent(row['overlap'])} of the target mix is covered by the sample")
    if row.get("trimmed_share"):
        parts.append(f"{_percent(row['trimmed_share'])} of it lay above the largest weight")
    return "; ".join(parts) + "."


def _moved(row: Row) -> float:
    shares = row.get("sampled_share"), row.get("target_share")
    return -1.0 if None in shares else abs(shares[0] - shares[1])


def _cells(row: Row) -> list[str]:
    value, group = str(row["value"]), row.get("weighted_as")
    named = [
        str(row["dimension"]).replace("_", " "),
        value if group in (None, row["value"]) else f"{value} (as {group})",
    ]
    if row.get("suppressed"):
        return [*named, *[WITHHELD] * 5]
    return [
        *named,
        count_text(row.get("sampled_turns")),
        _percent(row.get("sampled_share")),
        _percent(row.get("target_share")),
        times_text(row.get("factor")),
        _percent(row.get("weighted_share")),
    ]


def _percent(share: float | None) -> str:
    return ABSENT if share is None else f"{number_text(100 * share)} %"

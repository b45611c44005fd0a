"""How graders compare with people, as a table for reading: page, terminal and Dagster's metadata share it."""

from __future__ import annotations

import pandas as pd

from depsim_dagster.report.plain_rows import Row, records
from depsim_dagster.report.value_text import ABSENT, WITHHELD

SHARES = ("sensitivity", "specificity", "precision")
NOT_VALIDATED = (
    "No turn has a human label, so nothing is known here of the grader's errors: every rate is the rate of what the grader "
    "flags, uncorrected."
)
UNCORRECTED = (
    "Rates on this page are those of what the grader flags; they are not corrected by these figures. Shares are weighted "
    "by the probabilities with which turns came to be read, so they are those of the population and not of the labels. "
    "Kappa is agreement beyond chance; people with each other show what a grader can be held to. Intervals are in brackets."
)
_FLAGGED_BY = {"human": "people", "grader": "the grader", "both": "both"}
_LEFT_OUT = {
    "unsure": "people unsure",
    "disputed": "people divided",
    "without_verdict": "without a verdict",
    "other_stack": "verdict of another stack",
    "other_reading": "labels of another rubric or setting",
}


def validation_table(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per row of `grader_validation`, in the nine columns that fit a page; what it leaves out is in the table."""
    return pd.DataFrame([_shown(row) for row in records(rows)])


def _shown(row: Row) -> Row:
    remarks = [f"{row[name]:,} {text}" for name, text in _LEFT_OUT.items() if row[name]]
    shown = {
        "category": row["category"],
        "grader": f"{row['grader']}, on {str(row['prefix_source']).replace('_', ' ')}",
        "turns": "",
        **{name: share_text(row, name) for name in SHARES},
        "kappa": kappa_text(row, "kappa"),
        "people": ABSENT,
        "remarks": "; ".join([*remarks, *filter(None, [row["notes"]])]) or "none",
    }
    if row.get("suppressed"):
        return shown | dict.fromkeys(("turns", *SHARES, "kappa", "people"), WITHHELD)
    flagged = [f"{row[f'{who}_flagged']:,} by {name}" for who, name in _FLAGGED_BY.items()]
    shown["turns"] = f"{row['n']:,}; flagged: {', '.join(flagged)}"
    if row["agreement"] is not None:
        shown["kappa"] += f"; agree {share_text(row, 'agreement')}"
    if row["human_pairs"]:
        agree = share_text(row, "human_agreement")
        shown["people"] = f"{kappa_text(row, 'human_kappa')}; agree {agree} of {row['human_pairs']:,} pairs"
    return shown


def terminal_lines(rows: pd.DataFrame) -> list[str]:
    """The table in a terminal, which is too narrow for it: a block of lines per row."""
    lines = []
    for row in validation_table(rows).to_dict("records"):
        lines.append(f"{row['category']}, graded by {row['grader']}")
        lines += [f"  {name:<12} {row[name]}" for name in list(row)[2:]]
    return lines


def share_text(row: Row, name: str) -> str:
    """A share in percent with its interval."""
    value, lower, upper = (row.get(f"{name}{part}") for part in ("", "_lower", "_upper"))
    if value is None:
        return ABSENT
    return f"{_percent(value)} ({_percent(lower)}–{_percent(upper)})"


def kappa_text(row: Row, name: str) -> str:
    """Kappa with its interval, or without where it has none."""
    value, lower, upper = (row.get(f"{name}{part}") for part in ("", "_lower", "_upper"))
    if value is None:
        return ABSENT
    return f"{value:.2f}" if lower is None or upper is None else f"{value:.2f} ({lower:.2f}–{upper:.2f})"


def _percent(value: float | None) -> str:
    """In percent; what is not all and not nothing is not rounded to it."""
    if value is None:
        return ABSENT
    text = f"{100 * value:.3g} %" if value < 0.99 else f"{100 * value:.4g} %"
    if value < 1 and text == "100 %":
        return "> 99.99 %"
    return "< 0.01 %" if 0 < value < 0.0001 else text

"""How graders compare with people, as a table for reading: page, terminal and Dagster's metadata share it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pandas as pd

from depsim_dagster.report.plain_rows import Row, records
from depsim_dagster.report.value_text import ABSENT, WITHHELD

if TYPE_CHECKING:
    from rich.table import Table

UNKNOWN = "?"
SHARES = ("sensitivity", "specificity", "precision")
NOT_VALIDATED = (
    "No turn has a human label, so nothing is known here of the grader's errors: every rate is the rate of what the grader "
    "flags, uncorrected."
)
UNCORRECTED = (
    "Forecasts, observed rates and scores are those of what the grader flags. What these labels make of them stands in the "
    "section of each candidate, corrected beside raw, or the reason why a rate is not corrected. Shares are weighted "
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


def terminal_tables(rows: pd.DataFrame) -> Iterator[Table]:
    """The same in a terminal, which is too narrow for it: a table per grader and prefix source, intervals in a second line."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    tables: dict[str, Table] = {}
    for row, shown in zip(records(rows), validation_table(rows).to_dict("records"), strict=True):
        if shown["grader"] not in tables:
            table = tables[shown["grader"]] = Table(
                box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True
            )
            table.title, table.title_justify = Text(f"graded by {shown['grader']}"), "left"
            table.add_column("category", overflow="fold")
            for name in ("turns", "flagged*", *SHARES, "kappa", "people"):
                table.add_column(name, justify="right", no_wrap=True)
        cells = ["", "", WITHHELD, *[""] * 4]
        if not row.get("suppressed"):
            flagged = "/".join(f"{row[f'{who}_flagged']:,}" for who in _FLAGGED_BY)
            kappas = [kappa_text(row, name) for name in ("kappa", "human_kappa")]
            figures = [*(share_text(row, name) for name in SHARES), *kappas]
            cells = [f"{row['n']:,}", flagged, *(_in_two_lines(text) for text in figures)]
        tables[shown["grader"]].add_row(*map(Text, (shown["category"], *cells)))
    yield from tables.values()


def terminal_notes(rows: pd.DataFrame, k_anonymity: int) -> Iterator[str]:
    """What the tables in a terminal need to be understood, and what they leave out."""
    shown = validation_table(rows).to_dict("records")
    several = len({row["grader"] for row in shown}) > 1
    for row in shown:
        if row["remarks"] != "none":
            yield f"{row['category']}{' by ' + row['grader'] if several else ''}: {row['remarks']}"
    yield f"* by people/{'/'.join(list(_FLAGGED_BY)[1:])}. kappa: grader with people; people: people with each other."
    if "suppressed" in rows and rows["suppressed"].any():
        yield f"withheld: fewer than {k_anonymity} users stand behind it (privacy.k_anonymity)"


def _in_two_lines(text: str) -> str:
    """A figure, and its interval below it."""
    value, _, interval = text.partition(" (")
    return f"{value}\n{interval.rstrip(')')}"


def share_text(row: Row, name: str) -> str:
    """A share in percent with its interval."""
    value, lower, upper = (row.get(f"{name}{part}") for part in ("", "_lower", "_upper"))
    if value is None:
        return ABSENT
    return f"{_percent(value)} ({_bound(lower)}–{_bound(upper)})"


def kappa_text(row: Row, name: str) -> str:
    """Kappa with its interval, or without where it has none."""
    value, lower, upper = (row.get(f"{name}{part}") for part in ("", "_lower", "_upper"))
    if value is None:
        return ABSENT
    return f"{value:.2f}" if lower is None or upper is None else f"{value:.2f} ({lower:.2f}–{upper:.2f})"


def _bound(value: float | None) -> str:
    """A bound of an interval, which has the unit of its figure."""
    return UNKNOWN if value is None else _percent(value).removesuffix(" %")


def _percent(value: float | None) -> str:
    """In percent; what is not all and not nothing is not rounded to it."""
    if value is None:
        return ABSENT
    text = f"{100 * value:.3g} %" if value < 0.99 else f"{100 * value:.4g} %"
    if value < 1 and text == "100 %":
        return "> 99.99 %"
    return "< 0.01 %" if 0 < value < 0.0001 else text

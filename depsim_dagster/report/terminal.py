"""The scores of a study in the terminal: one table per candidate, at most 100 columns, legible without
colour.

Plain ASCII apart from the names themselves, so that a redirected or old terminal shows it whole. Names are
cleaned of control characters and never read as markup. It formats the calibration table; the report's page
holds the details.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

import pandas as pd

from depsim_dagster.report.plain_rows import Row, records, visible
from depsim_dagster.report.report_content import SANDBOX_SHORT, ReportContent
from depsim_dagster.report.value_text import direction_text, rate_cell, times_text
from depsim_dagster.report.verdict import (
    Verdict,
    call_text,
    candidates,
    intrinsic_text,
    missed_text,
    missing_text,
    pit_text,
    summaries,
    verdict,
)

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

WIDEST = 100
BESIDE_NAME = 58  # columns for two rates with their intervals below, SME, moved and direction
LONGEST_NAME = (16, 32)  # in a narrow and in a wide terminal
ASCII = str.maketrans({"×": "x", "–": "-", "✓": "", "✗": "", "τ": "tau", "∞": "inf", "≥": ">="})


def study_table(
    calibration: pd.DataFrame,
    summary: pd.DataFrame,
    width: int = WIDEST,
    forecasts: pd.DataFrame | None = None,
    comparison: pd.DataFrame | None = None,
) -> Group:
    """A printable group for a rich Console: per candidate the categories with forecast, observed rate (per 100,000,
    with intervals), SME, moved and direction, and summary lines, whose SMEs are read from calibration_summary.
    At most 100 columns wide. `width` is the console's: in a narrow one an interval goes below its rate, and a long
    name is folded behind an underscore. A candidate that has rows in `forecasts` (registered_forecasts) alone is shown
    with its forecast, its predecessor's simulation and production. `comparison` (model_comparison) adds a line on what rose.

    Raises LakeError when the table has rows but no model or category column.
    """
    from datetime import datetime

    from rich.console import Group
    from rich.text import Text

    content = ReportContent(
        study="",
        generated_at=datetime.now(UTC),
        sandbox=False,
        calibration=calibration,
        summary=summary,
        forecasts=pd.DataFrame() if forecasts is None else forecasts,
    )
    summarised = summaries(content)
    parts: list[Table | Text] = []
    if content.shows_sandbox:
        parts.append(Text(SANDBOX_SHORT, style="bold yellow"))
    beside: dict[str, list[Row]] = {}
    for row in [] if comparison is None else records(comparison):
        beside.setdefault(str(row["model"]), []).append(row)
    for model, rows in candidates(content).items():
        found = verdict(rows, summarised.get(model))
        parts += [Text(), _heading(found)]
        if found.observed:
            parts += [_table(rows, min(width, WIDEST)), *summary_lines(found)]
        else:
            parts += [_forecast_table(rows, min(width, WIDEST)), *_unobserved_lines()]
        if (rose := rise_line(beside.get(model, []))) is not None:
            parts.append(rose)
        if (missing := missing_text(found)) is not None:
            parts.append(Text("  " + missing, style="yellow"))
    return Group(*parts or [Text("No sealed forecast yet: registered_forecasts is empty.")])


def summary_lines(found: Verdict) -> list[Text]:
    """The verdict in a few lines of text."""
    from rich.text import Text

    if found.comparable:
        errors = [
            f"Median SME {_ascii(times_text(found.median_sme))} over {found.comparable} comparable categories"
            f" (perfect simulator {_ascii(times_text(found.noise_floor))},"
            f" no change {_ascii(times_text(found.baseline_median_sme))})",
            f"Tail: p90 {_ascii(times_text(found.p90_sme))}, worst {_ascii(times_text(found.worst_sme))}"
            f" {_ascii(found.worst_category or '')}; above noise {found.above_noise} of {found.above_noise_of}",
        ]
    else:
        errors = ["No category has enough events for a median SME"]
    lines = [
        *errors,
        f"Directions right {found.directions_right} of {found.directions_called} called;"
        f" where production moved {found.movers_right} of {found.movers_called}",
        f"Observed counts inside the prediction interval: {found.inside} of {found.inside_of}",
    ]
    for text in (missed_text(found), intrinsic_text(found), call_text(found), pit_text(found)):
        if text is not None:
            lines.append(_ascii(text[:1].upper() + text[1:]))
    return [Text("  " + line) for line in lines]


def rise_line(rows: list[Row]) -> Text | None:
    """What rose against the predecessor on the same prefixes (rows of model_comparison of one candidate)."""
    from rich.text import Text

    if not rows:
        return None
    rose = [_ascii(str(row["category"])) for row in rows if row["rose"]]
    found = ", ".join(rose) if rose else "nothing"
    return Text(f"  Rose on the same prefixes (false discovery rate 10 %): {found}")


def _heading(found: Verdict) -> Text:
    from rich.text import Text

    text = Text(_ascii(found.model), style="bold")
    text.append(f"  on traffic of {_ascii(found.deployment)}; {_ascii(found.kind)}", style="not bold")
    return text


def _table(rows: list[Row], width: int) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False, width=None)
    table.add_column("Category", no_wrap=True)
    for name in ("Forecast/100k", "Observed/100k"):
        table.add_column(name, max_width=22, overflow="fold")
    table.add_column("SME", justify="right", no_wrap=True, max_width=8)
    table.add_column("Moved", no_wrap=True, max_width=5)
    table.add_column("Direction", no_wrap=True, max_width=9)
    longest = _longest(width)
    for row in rows:
        few = row.get("sme") is not None and not row.get("comparable")
        moved = {True: "yes", False: "no"}.get(row.get("moved"), "-")
        table.add_row(
            Text(_folded(_ascii(str(row["category"])), longest)),
            _rate(row, "forecast"),
            _rate(row, "observed"),
            _ascii(times_text(row.get("sme"))) + ("*" if few else ""),
            moved,
            _ascii(direction_text(row)),
        )
    if any(row.get("sme") is not None and not row.get("comparable") for row in rows):
        table.caption = Text("* fewer than 10 events in forecast and observation: left out of the summary")
        table.caption_justify = "left"
    return table


def _forecast_table(rows: list[Row], width: int) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False, width=None)
    table.add_column("Category", no_wrap=True)
    rates = {"forecast": "Forecast/100k", "predecessor_sim": "Now, simulated/100k"}
    # Production before the release is often graded only together with the outcome.
    if any(row.get("predecessor_production_n") for row in rows):
        rates["predecessor_production"] = "Now/100k"
    for name in rates.values():
        table.add_column(name, max_width=22, overflow="fold")
    for row in rows:
        name = Text(_folded(_ascii(str(row["category"])), _longest(width)))
        table.add_row(name, *(_rate(row, prefix) for prefix in rates))
    return table


def _unobserved_lines() -> list[Text]:
    from rich.text import Text

    return [
        Text("  Not observed yet: the forecast is sealed and is scored after the release."),
        Text("  Now: the deployment that the candidate replaces, on the same conversations."),
    ]


def _longest(width: int) -> int:
    return min(max(width - BESIDE_NAME, LONGEST_NAME[0]), LONGEST_NAME[1])


def _folded(name: str, longest: int) -> str:
    """A name in lines of at most `longest` characters, broken behind an underscore or a space where there is one."""
    lines = []
    while len(name) > longest:
        at = max(name.rfind(mark, 0, longest) for mark in "_ ") + 1 or longest
        lines.append(name[:at])
        name = name[at:]
    return "\n".join([*lines, name])


def _rate(row: Row, prefix: str) -> str:
    cell = rate_cell(row, prefix)
    return _ascii(cell["text"] + (f" ({cell['interval']})" if cell["interval"] else ""))


def _ascii(text: str) -> str:
    return " ".join(visible(text).translate(ASCII).split())

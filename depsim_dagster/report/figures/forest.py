"""Figure: one line of rates per category of one candidate."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from depsim_dagster.report.figures.inline_svg import draw_svg
from depsim_dagster.report.figures.marks import axis_limits, legend, log_axis, rate_point, span
from depsim_dagster.report.figures.palette import (
    FAR,
    FIRST,
    GRID,
    INK,
    OLDER,
    PAPER,
    Row,
    group_title,
    short_name,
)
from depsim_dagster.report.plain_rows import visible


def forest_figure(rows: Sequence[Row], *, figure_id: str, label: str = "") -> str:
    """One line per category: forecast X→Y and observed rate with intervals, predecessor production, on a log
    axis.

    Predecessor production has an interval only where the rows hold
    `predecessor_production_{lower,upper}_per_100k`.
    """
    series = (
        ("forecast", "Forecast X→Y", FIRST, "s", -0.25),
        ("observed", "Observed after release", INK, "o", 0.0),
        ("predecessor_production", "Predecessor production", OLDER, "D", 0.25),
    )
    by_group: dict[str, list[Row]] = {}
    for row in rows:
        by_group.setdefault(str(row.get("category_group") or "other"), []).append(row)
    lines: list[Row | str] = [item for group, members in by_group.items() for item in (group, *members)]
    drawn = [entry for entry in series if any(rate_point(row, entry[0]) for row in rows)]
    height = 1.15 + 0.225 * len(lines)

    def draw(figure: Any) -> None:
        axes = figure.add_axes((0.36, 0.50 / height, 0.62, 1 - 1.12 / height))
        low, high = axis_limits([p for row in rows for key, *_ in drawn if (p := rate_point(row, key))])
        name = partial(
            axes.text,
            -0.02,
            transform=axes.get_yaxis_transform(),
            ha="right",
            va="center",
            fontsize=7.5,
            color=INK,
        )
        for position, line in enumerate(lines):
            if isinstance(line, str):
                name(position, group_title(line), fontweight="bold")
                continue
            name(position, short_name(line))
            axes.axhspan(position - 0.46, position + 0.46, color=FAR, lw=0, zorder=0)
            for key, _, colour, marker, offset in drawn:
                if (point := rate_point(line, key)) is None:
                    continue
                y = position + offset
                span(axes, point, (y, y), low, colour, 1.0, horizontal=True)
                hollow = point.zero or key == "predecessor_production"
                axes.plot(
                    [point.at],
                    [y],
                    marker,
                    ms=3.6,
                    mfc=PAPER if hollow else colour,
                    mec=colour,
                    mew=0.9,
                    zorder=4,
                )
        log_axis(axes.xaxis, low, high)
        axes.set(xlim=(low, high), ylim=(len(lines) - 0.4, -0.7), yticks=[])
        axes.spines["left"].set_visible(False)
        axes.grid(True, axis="x", color=GRID, lw=0.5, zorder=0)
        axes.set_xlabel("Flagged per 100,000 target turns (hollow with arrow: zero events, upper bound)")
        axes.xaxis.set_label_coords(0.3, -0.30 / (height - 1.12))
        legend(
            figure,
            [
                (
                    name,
                    {
                        "marker": m,
                        "color": c,
                        "ls": "",
                        **({"mfc": PAPER} if k == "predecessor_production" else {}),
                    },
                )
                for k, name, c, m, _ in drawn
            ],
            label,
        )

    model = visible(rows[0].get("model"))
    return draw_svg(
        (5.6, height),
        draw,
        figure_id,
        f"Rates by category for {model}: " + ", ".join(name for _, name, *_ in drawn),
        f"{len(rows)} categories on a logarithmic axis. The same numbers are in this section's table.",
    )

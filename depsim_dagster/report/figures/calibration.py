"""Figure: forecast against observed rates of one candidate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from depsim_dagster.report.figures.inline_svg import draw_svg
from depsim_dagster.report.figures.marks import axis_limits, legend, log_axis, name_points, rate_point, span
from depsim_dagster.report.figures.palette import (
    FAR,
    GRID,
    MUTED,
    NEAR,
    PAPER,
    Row,
    group_style,
    group_title,
    groups_of,
    short_name,
)
from depsim_dagster.report.plain_rows import visible
from depsim_dagster.report.value_text import times_text


def calibration_figure(rows: Sequence[Row], *, figure_id: str, label: str = "", worst: int = 5) -> str:
    """Forecast against observed rate on log axes with both intervals, the diagonal and the 1.5x and 3x bands.

    A zero count is an arrow from its upper bound towards smaller rates. The `worst` comparable categories
    carry names.
    """
    shown = [(row, rate_point(row, "forecast"), rate_point(row, "observed")) for row in rows]
    shown = [(row, x, y) for row, x, y in shown if x and y]

    def draw(figure: Any) -> None:
        axes = figure.add_axes((0.125, 0.10, 0.85, 0.80))
        low, high = axis_limits([point for _, x, y in shown for point in (x, y)])
        line = (low, high)
        for factor, colour in ((3.0, FAR), (1.5, NEAR)):
            axes.fill_between(
                line, [v / factor for v in line], [v * factor for v in line], color=colour, lw=0, zorder=0
            )
            axes.text(
                low * 1.12,
                low * 1.12 * factor * 0.97,
                f"{factor:g}×",
                color=MUTED,
                fontsize=7,
                va="top",
                zorder=1,
            )
        axes.plot(line, line, color=MUTED, lw=0.9, zorder=1)
        for row, x, y in shown:
            colour, marker = group_style(row)
            faded = 1.0 if row.get("comparable") else 0.55
            span(axes, x, (y.at, y.at), low, colour, faded, horizontal=True)
            span(axes, y, (x.at, x.at), low, colour, faded, horizontal=False)
            hollow = x.zero or y.zero
            axes.plot(
                [x.at],
                [y.at],
                marker,
                ms=5.2,
                mfc=PAPER if hollow else colour,
                mec=colour,
                mew=1.0,
                alpha=None if hollow else max(faded, 0.7),
                zorder=4,
            )
        log_axis(axes.xaxis, low, high)
        log_axis(axes.yaxis, low, high)
        axes.set(xlim=line, ylim=line)
        axes.set_xlabel("Forecast, per 100,000 target turns")
        axes.set_ylabel("Observed, per 100,000 target turns")
        axes.grid(True, which="major", color=GRID, lw=0.5, zorder=0)
        ranked = sorted(
            (item for item in shown if item[0].get("comparable") and item[0].get("sme") is not None),
            key=lambda item: -item[0]["sme"],
        )[:worst]
        name_points(
            axes, [(x.at, y.at, f"{short_name(row)} {times_text(row['sme'])}") for row, x, y in ranked]
        )
        legend(
            figure,
            [(group_title(g), {"marker": m, "color": c, "ls": ""}) for g, (c, m) in groups_of(rows)]
            + [("zero events: upper bound", {"marker": "o", "mfc": PAPER, "color": MUTED, "ls": ""})],
            label,
        )

    model = visible(rows[0].get("model"))
    return draw_svg(
        (5.6, 5.9),
        draw,
        figure_id,
        f"Calibration of {model}: forecast against observed rate",
        f"{len(shown)} categories on logarithmic axes. The same numbers are in the table of this section.",
    )

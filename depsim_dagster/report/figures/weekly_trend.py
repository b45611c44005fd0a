"""Figure: weekly rates, one small panel per category."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from depsim_dagster.report.figures.inline_svg import draw_svg
from depsim_dagster.report.figures.marks import axis_limits, legend, log_axis, rate_point, span
from depsim_dagster.report.figures.palette import FIRST, GRID, INK, MUTED, PAPER, Row, short_name


def weekly_trend_figure(rows: Sequence[Row], *, figure_id: str, label: str = "", columns: int = 4) -> str:
    """Small multiples, one per category: weekly production rates and simulated (X→Y) rates with intervals,
    one log axis.

    Vertical lines mark the weeks in which the deployed model changes.
    """
    weeks = sorted({str(row["week"]) for row in rows if row.get("week")})
    by_category: dict[str, list[Row]] = {}
    for row in rows:
        by_category.setdefault(str(row["category"]), []).append(row)
    deployed: dict[str, str] = {}
    for row in rows:
        if row.get("source") == "production":
            deployed[str(row.get("week"))] = max(
                deployed.get(str(row.get("week")), ""), str(row.get("model"))
            )
    changes = [
        i
        for i, week in enumerate(weeks)
        if i and week in deployed and weeks[i - 1] in deployed and deployed[week] != deployed[weeks[i - 1]]
    ]
    lines = math.ceil(len(by_category) / columns)
    height = 1.0 + 1.02 * lines

    def draw(figure: Any) -> None:
        grid = figure.subplots(
            lines,
            columns,
            sharex=True,
            sharey=True,
            squeeze=False,
            gridspec_kw={
                "left": 0.065,
                "right": 0.99,
                "top": 1 - 0.62 / height,
                "bottom": 0.34 / height,
                "hspace": 0.38,
                "wspace": 0.07,
            },
        )
        low, high = axis_limits([p for row in rows if (p := rate_point(row, ""))])
        for axes, (category, members) in zip(grid.flat, by_category.items(), strict=False):
            for week in changes:
                axes.axvline(week - 0.5, color=MUTED, lw=0.7, ls=(0, (2, 2)), zorder=1)
            for row in members:
                if (point := rate_point(row, "")) is None:
                    continue
                simulated = row.get("source") == "simulated"
                x = weeks.index(str(row["week"])) + (0.3 if simulated else 0.0)
                colour, marker = (FIRST, "s") if simulated else (INK, "o")
                span(axes, point, (x, x), low, colour, 0.75, horizontal=False)
                axes.plot(
                    [x],
                    [point.at],
                    marker,
                    ms=2.6,
                    mfc=PAPER if point.zero else colour,
                    mec=colour,
                    mew=0.7,
                    zorder=4,
                )
            axes.set_title(
                short_name({"category": category}, 34), fontsize=7.2, loc="left", pad=2.5, color=INK
            )
            log_axis(axes.yaxis, low, high)
            axes.set(ylim=(low, high), xlim=(-0.6, len(weeks) - 0.2))
            step = max(1, math.ceil(len(weeks) / 4))
            axes.set_xticks(range(0, len(weeks), step), [week[5:] for week in weeks[::step]])
            axes.tick_params(labelsize=6.3)
            axes.grid(True, axis="y", color=GRID, lw=0.4, zorder=0)
        for axes in list(grid.flat)[len(by_category) :]:
            axes.set_visible(False)
        kinds = {row.get("source") for row in rows}
        entries = [("production", {"marker": "o", "color": INK, "ls": ""})] * ("production" in kinds)
        entries += [("simulated X→Y", {"marker": "s", "color": FIRST, "ls": ""})] * ("simulated" in kinds)
        entries += [
            ("hollow: zero events, upper bound", {"marker": "o", "mfc": PAPER, "color": MUTED, "ls": ""})
        ]
        entries += [("new model deployed", {"color": MUTED, "ls": (0, (2, 2)), "lw": 0.9})] * bool(changes)
        legend(figure, entries, label)

    return draw_svg(
        (9.0, height),
        draw,
        figure_id,
        "Weekly rates per 100,000 target turns, one panel per category",
        f"{len(by_category)} categories, {weeks[0]} to {weeks[-1]}, all on one logarithmic axis.",
    )

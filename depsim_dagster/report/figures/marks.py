"""Marks that the figures share: a rate with its interval or bound, log axes, names with leader lines, the legend."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from depsim_dagster.report.figures.palette import INK, LABEL, MUTED, Row
from depsim_dagster.report.value_text import zero_bound


class Point:
    """Where one rate is drawn: `at` the estimate, or at the upper bound when no event was seen (`zero`)."""

    def __init__(self, at: float, lower: float | None, upper: float | None, zero: bool) -> None:
        self.at, self.lower, self.upper, self.zero = at, lower, upper, zero


def rate_point(row: Row, prefix: str) -> Point | None:
    """The rate `<prefix>_per_100k` (without a prefix `rate_per_100k`) as a point; None without an observation."""
    head = f"{prefix}_" if prefix else ""
    names = (
        ("per_100k", "lower_per_100k", "upper_per_100k")
        if prefix
        else ("rate_per_100k", "lower_per_100k", "upper_per_100k")
    )
    k, n = row.get(f"{head}k"), row.get(f"{head}n")
    rate, lower, upper = (row.get(head + name) for name in names)
    if not n or k is None:
        return None
    if k == 0:
        return Point(upper or zero_bound(n), None, None, True)
    return Point(rate, lower, upper, False) if rate else None


def axis_limits(points: Sequence[Point]) -> tuple[float, float]:
    """Axis limits: wide enough for every estimate and upper limit; tiny lower limits are cut at the axis."""
    if not points:
        return 1.0, 100.0
    return min(p.at for p in points) / 3.2, max(p.upper or p.at for p in points) * 1.35


def span(
    axes: Any,
    point: Point,
    at: tuple[float, float],
    low: float,
    colour: str,
    alpha: float,
    *,
    horizontal: bool,
) -> None:
    """The interval of a point, or for zero events an arrow from the bound towards smaller rates."""
    start, end = (point.at / 2.1, point.at) if point.zero else (point.lower, point.upper)
    if start is None or end is None:
        return
    ends = [max(start, low), end]
    axes.plot(
        *((ends, at) if horizontal else (at, ends)),
        color=colour,
        lw=0.95,
        alpha=alpha * 0.85,
        zorder=2,
        solid_capstyle="butt",
    )
    if point.zero:
        x, y = (ends[0], at[0]) if horizontal else (at[0], ends[0])
        axes.plot(
            [x], [y], "<" if horizontal else "v", ms=3.4, color=colour, mec=colour, alpha=alpha, zorder=3
        )


def log_axis(axis: Any, low: float, high: float) -> None:
    """A logarithmic axis with plain numbers, as many as the span needs."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

    axis.axes.set_xscale("log") if axis.axis_name == "x" else axis.axes.set_yscale("log")
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    span = math.log10(high / low)
    steps = (1,) if span > 2.2 else (1, 3) if span > 1.2 else (1, 2, 5)
    axis.set_major_locator(
        FixedLocator([m * 10.0**d for d in decades for m in steps if low <= m * 10.0**d <= high])
    )
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}"))
    axis.set_minor_locator(
        FixedLocator([m * 10.0**d for d in decades for m in range(2, 10) if low <= m * 10.0**d <= high])
    )
    axis.set_minor_formatter(NullFormatter())


def name_points(axes: Any, points: Sequence[tuple[float, float, str]]) -> None:
    """Names with leader lines, stacked in the two corners far from the diagonal, where a calibration plot is
    empty.
    """
    above = sorted((point for point in points if point[1] >= point[0]), key=lambda point: -point[1])
    below = sorted((point for point in points if point[1] < point[0]), key=lambda point: point[1])
    for side, named in (("left", above), ("right", below)):
        for position, (x, y, text) in enumerate(named):
            place = (0.015, 0.98 - 0.04 * position) if side == "left" else (0.985, 0.025 + 0.04 * position)
            axes.annotate(
                text,
                (x, y),
                place,
                textcoords="axes fraction",
                fontsize=7,
                color=INK,
                va="center",
                ha=side,
                zorder=6,
                gid="halo",
                arrowprops={
                    "arrowstyle": "-",
                    "color": MUTED,
                    "lw": 0.5,
                    "shrinkA": 1,
                    "shrinkB": 3,
                    "relpos": (side == "left", 0.5),
                },
            )


def legend(figure: Any, entries: Sequence[tuple[str, dict[str, Any]]], label: str) -> None:
    """One row of keys at the top of the figure, with the page's labels (SANDBOX, retrospective) above it."""
    from matplotlib.lines import Line2D

    top = 1 - 0.05 / figure.get_figheight()
    if label:
        figure.text(0.008, top, label, fontsize=7.5, fontweight="bold", color=LABEL, va="top")
    handles = [Line2D([], [], label=name, markersize=4.4, **style) for name, style in entries]
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0.0, top - 0.17 / figure.get_figheight()),
        ncols=4,
        fontsize=7,
        frameon=False,
        handletextpad=0.5,
        columnspacing=1.3,
        borderaxespad=0,
        labelcolor=INK,
        handlelength=1.6,
    )

"""Figure: the errors of all candidates, one line each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from depsim_dagster.report.figures.inline_svg import draw_svg
from depsim_dagster.report.figures.marks import legend
from depsim_dagster.report.figures.palette import (
    FAR,
    GRID,
    INK,
    MUTED,
    PAPER,
    Row,
    group_style,
    group_title,
    groups_of,
    short_name,
)


def sme_strip_figure(
    rows_by_model: Mapping[str, Sequence[Row]],
    bars: Mapping[str, tuple[float | None, float | None]],
    *,
    figure_id: str,
    label: str = "",
) -> str:
    """One line per candidate with a mark per comparable category at its SME, and two bars.

    bars: per candidate its median SME and the noise floor of that median (`calibration_summary`); None draws no bar.
    """
    models = list(rows_by_model)
    height = 0.95 + 0.46 * len(models)

    def draw(figure: Any) -> None:
        axes = figure.add_axes((0.15, 0.44 / height, 0.835, 1 - 0.86 / height))
        highest = 3.0
        for position, model in enumerate(models):
            rows = [r for r in rows_by_model[model] if r.get("comparable") and r.get("sme") is not None]
            highest = max(highest, *(row["sme"] for row in rows))
            axes.axhspan(position - 0.36, position + 0.36, color=FAR, lw=0, zorder=0)
            for row in rows:
                colour, marker = group_style(row)
                axes.plot(
                    [row["sme"]],
                    [position],
                    marker,
                    ms=5,
                    mfc=colour,
                    mec=PAPER,
                    mew=0.5,
                    alpha=0.75,
                    zorder=3,
                )
            for at, colour, style in zip(bars[model], (INK, MUTED), ("-", (0, (2, 1.2))), strict=True):
                if at is not None:
                    axes.plot(
                        [at] * 2, [position - 0.36, position + 0.36], color=colour, lw=1.8, ls=style, zorder=4
                    )
            axes.text(
                -0.012,
                position,
                short_name({"category": model}, 18),
                transform=axes.get_yaxis_transform(),
                ha="right",
                va="center",
                fontsize=8,
                color=INK,
            )
        axes.set_xscale("log")
        axes.set(xlim=(0.97, highest * 1.15), ylim=(len(models) - 0.45, -0.55), yticks=[])
        ticks = [t for t in (1, 1.5, 2, 3, 5, 10, 20, 50, 100, 1000) if t <= highest * 1.15]
        axes.set_xticks(ticks, [f"{t:g}×" for t in ticks])
        axes.set_xticks([], minor=True)
        axes.spines["left"].set_visible(False)
        axes.grid(True, axis="x", color=GRID, lw=0.5, zorder=0)
        axes.set_xlabel("Error of the forecast (SME): 1× is exact")
        every = [row for rows in rows_by_model.values() for row in rows]
        legend(
            figure,
            [(group_title(g), {"marker": m, "color": c, "ls": ""}) for g, (c, m) in groups_of(every)]
            + [
                ("median", {"color": INK, "ls": "-", "lw": 1.8}),
                ("median of a perfect simulator", {"color": MUTED, "ls": (0, (2, 1.2)), "lw": 1.8}),
            ],
            label,
        )

    return draw_svg(
        (9.0, height),
        draw,
        figure_id,
        "Forecast error of every comparable category, one line per candidate",
        "Symmetric multiplicative error on a logarithmic axis, with the median and its noise floor.",
    )

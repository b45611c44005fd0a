"""The report's figures as inline SVG text. It draws numbers it is given; it computes no rate and no interval.

Every figure is drawn once in the light palette; the SVG's tree is then rewritten so that each palette colour
is a CSS variable (with the light colour as fallback) and the page decides on light, dark or print. Ids carry
the figure's id, text stays text, and nothing outside the file is referred to. Names are drawn literally (no
math mode) and escaped by the XML writer. Rows are dictionaries of plain values, see `study_report.records`.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

from depsim_dagster.report.study_report import GROUP_TITLES, times_text, visible, zero_bound

Row = Mapping[str, Any]
# role: (light, dark). The light colours must differ from each other: they are the keys of the rewriting.
PALETTE = {
    "ink": ("#1c2530", "#e8ebf0"),
    "muted": ("#5a6572", "#a7b1bd"),
    "grid": ("#dde2e8", "#323b46"),
    "near": ("#dfe7f0", "#283341"),
    "far": ("#eff3f7", "#1c242e"),
    "paper": ("#ffffff", "#12161c"),
    "first": ("#1f5fa8", "#7db4f2"),
    "second": ("#b2481e", "#f39a6b"),
    "third": ("#6b5494", "#bba8ea"),
    "label": ("#7a4b00", "#f2c25c"),
    "older": ("#7b8794", "#8c98a6"),
}
INK, MUTED, GRID, NEAR, FAR, PAPER, FIRST, SECOND, THIRD, LABEL, OLDER = (
    light for light, _ in PALETTE.values()
)
GROUP_STYLE = {"disallowed_content": (FIRST, "o"), "misalignment": (SECOND, "s")}
OTHER_STYLE = (THIRD, "D")
LONGEST_NAME = 36


def calibration(rows: Sequence[Row], *, figure_id: str, label: str = "", worst: int = 5) -> str:
    """Forecast against observed rate on log axes with both intervals, the diagonal and the 1.5x and 3x bands.

    A zero count is an arrow from its upper bound towards smaller rates. The `worst` comparable categories
    carry names.
    """
    shown = [(row, _point(row, "forecast"), _point(row, "observed")) for row in rows]
    shown = [(row, x, y) for row, x, y in shown if x and y]

    def draw(figure: Any) -> None:
        axes = figure.add_axes((0.125, 0.10, 0.85, 0.80))
        low, high = _limits([point for _, x, y in shown for point in (x, y)])
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
            colour, marker = _style(row)
            faded = 1.0 if row.get("comparable") else 0.55
            _span(axes, x, (y.at, y.at), low, colour, faded, horizontal=True)
            _span(axes, y, (x.at, x.at), low, colour, faded, horizontal=False)
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
        _log_axis(axes.xaxis, low, high)
        _log_axis(axes.yaxis, low, high)
        axes.set(xlim=line, ylim=line)
        axes.set_xlabel("Forecast, per 100,000 target turns")
        axes.set_ylabel("Observed, per 100,000 target turns")
        axes.grid(True, which="major", color=GRID, lw=0.5, zorder=0)
        ranked = sorted(
            (item for item in shown if item[0].get("comparable") and item[0].get("sme") is not None),
            key=lambda item: -item[0]["sme"],
        )[:worst]
        _name_points(axes, [(x.at, y.at, f"{_name(row)} {times_text(row['sme'])}") for row, x, y in ranked])
        _legend(
            figure,
            [(_group(g), {"marker": m, "color": c, "ls": ""}) for g, (c, m) in _groups(rows)]
            + [("zero events: upper bound", {"marker": "o", "mfc": PAPER, "color": MUTED, "ls": ""})],
            label,
        )

    model = visible(rows[0].get("model"))
    return _svg(
        (5.6, 5.9),
        draw,
        figure_id,
        f"Calibration of {model}: forecast against observed rate",
        f"{len(shown)} categories on logarithmic axes. The same numbers are in the table of this section.",
    )


def forest(rows: Sequence[Row], *, figure_id: str, label: str = "") -> str:
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
    drawn = [entry for entry in series if any(_point(row, entry[0]) for row in rows)]
    height = 1.15 + 0.225 * len(lines)

    def draw(figure: Any) -> None:
        axes = figure.add_axes((0.36, 0.50 / height, 0.62, 1 - 1.12 / height))
        low, high = _limits([p for row in rows for key, *_ in drawn if (p := _point(row, key))])
        for position, line in enumerate(lines):
            if isinstance(line, str):
                axes.text(
                    -0.02,
                    position,
                    _group(line),
                    transform=axes.get_yaxis_transform(),
                    ha="right",
                    va="center",
                    fontsize=7.5,
                    fontweight="bold",
                    color=INK,
                )
                continue
            axes.text(
                -0.02,
                position,
                _name(line),
                transform=axes.get_yaxis_transform(),
                ha="right",
                va="center",
                fontsize=7.5,
                color=INK,
            )
            axes.axhspan(position - 0.46, position + 0.46, color=FAR, lw=0, zorder=0)
            for key, _, colour, marker, offset in drawn:
                if (point := _point(line, key)) is None:
                    continue
                y = position + offset
                _span(axes, point, (y, y), low, colour, 1.0, horizontal=True)
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
        _log_axis(axes.xaxis, low, high)
        axes.set(xlim=(low, high), ylim=(len(lines) - 0.4, -0.7), yticks=[])
        axes.spines["left"].set_visible(False)
        axes.grid(True, axis="x", color=GRID, lw=0.5, zorder=0)
        axes.set_xlabel("Flagged per 100,000 target turns (hollow with arrow: zero events, upper bound)")
        axes.xaxis.set_label_coords(0.3, -0.30 / (height - 1.12))
        _legend(
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
    return _svg(
        (5.6, height),
        draw,
        figure_id,
        f"Rates by category for {model}: " + ", ".join(name for _, name, *_ in drawn),
        f"{len(rows)} categories on a logarithmic axis. The same numbers are in this section's table.",
    )


def sme_strip(rows_by_model: Mapping[str, Sequence[Row]], *, figure_id: str, label: str = "") -> str:
    """One line per candidate with a mark per comparable category at its SME, the median, and the noise
    floor's median.
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
                colour, marker = _style(row)
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
            for values, colour, style in (
                ([r["sme"] for r in rows], INK, "-"),
                (
                    [f for r in rows if (f := r.get("sme_noise_floor_median")) is not None],
                    MUTED,
                    (0, (2, 1.2)),
                ),
            ):
                if values:
                    axes.plot(
                        [_middle(values)] * 2,
                        [position - 0.36, position + 0.36],
                        color=colour,
                        lw=1.8,
                        ls=style,
                        zorder=4,
                    )
            axes.text(
                -0.012,
                position,
                _name({"category": model}, 18),
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
        _legend(
            figure,
            [(_group(g), {"marker": m, "color": c, "ls": ""}) for g, (c, m) in _groups(every)]
            + [
                ("median", {"color": INK, "ls": "-", "lw": 1.8}),
                ("noise floor of a perfect simulator", {"color": MUTED, "ls": (0, (2, 1.2)), "lw": 1.8}),
            ],
            label,
        )

    return _svg(
        (9.0, height),
        draw,
        figure_id,
        "Forecast error of every comparable category, one line per candidate",
        "Symmetric multiplicative error on a logarithmic axis, with the median and the noise floor.",
    )


def weekly_trend(rows: Sequence[Row], *, figure_id: str, label: str = "", columns: int = 4) -> str:
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
        low, high = _limits([p for row in rows if (p := _point(row, ""))])
        for axes, (category, members) in zip(grid.flat, by_category.items(), strict=False):
            for week in changes:
                axes.axvline(week - 0.5, color=MUTED, lw=0.7, ls=(0, (2, 2)), zorder=1)
            for row in members:
                if (point := _point(row, "")) is None:
                    continue
                simulated = row.get("source") == "simulated"
                x = weeks.index(str(row["week"])) + (0.3 if simulated else 0.0)
                colour, marker = (FIRST, "s") if simulated else (INK, "o")
                _span(axes, point, (x, x), low, colour, 0.75, horizontal=False)
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
            axes.set_title(_name({"category": category}, 34), fontsize=7.2, loc="left", pad=2.5, color=INK)
            _log_axis(axes.yaxis, low, high)
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
        _legend(figure, entries, label)

    return _svg(
        (9.0, height),
        draw,
        figure_id,
        "Weekly rates per 100,000 target turns, one panel per category",
        f"{len(by_category)} categories, {weeks[0]} to {weeks[-1]}, all on one logarithmic axis.",
    )


# --- marks --------------------------------


class _Point:
    """Where one rate is drawn: `at` the estimate, or at the upper bound when no event was seen (`zero`)."""

    def __init__(self, at: float, lower: float | None, upper: float | None, zero: bool) -> None:
        self.at, self.lower, self.upper, self.zero = at, lower, upper, zero


def _point(row: Row, prefix: str) -> _Point | None:
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
        return _Point(upper or zero_bound(n), None, None, True)
    return _Point(rate, lower, upper, False) if rate else None


def _limits(points: Sequence[_Point]) -> tuple[float, float]:
    """Axis limits: wide enough for every estimate and upper limit; tiny lower limits are cut at the axis."""
    if not points:
        return 1.0, 100.0
    return min(p.at for p in points) / 3.2, max(p.upper or p.at for p in points) * 1.35


def _span(
    axes: Any,
    point: _Point,
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


def _log_axis(axis: Any, low: float, high: float) -> None:
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


def _name_points(axes: Any, points: Sequence[tuple[float, float, str]]) -> None:
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


def _legend(figure: Any, entries: Sequence[tuple[str, dict[str, Any]]], label: str) -> None:
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


def _style(row: Row) -> tuple[str, str]:
    return GROUP_STYLE.get(str(row.get("category_group")), OTHER_STYLE)


def _groups(rows: Sequence[Row]) -> list[tuple[str, tuple[str, str]]]:
    return [
        (group, GROUP_STYLE.get(group, OTHER_STYLE))
        for group in dict.fromkeys(str(r.get("category_group") or "other") for r in rows)
    ]


def _group(group: str) -> str:
    return _name({"category": GROUP_TITLES.get(group, group)}, 24)


def _name(row: Row, longest: int = LONGEST_NAME) -> str:
    name = " ".join(visible(row.get("category")).split())
    return name if len(name) <= longest else name[: longest - 1] + "…"


def _middle(values: Sequence[float]) -> float:
    ordered = sorted(values)
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2


# --- from matplotlib to inline SVG --------------------------------


def _svg(
    size: tuple[float, float], draw: Callable[[Any], None], figure_id: str, title: str, description: str
) -> str:
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message="Glyph .* missing"
        )  # the reader's browser has the fonts, not matplotlib
        matplotlib.rcdefaults()  # a user's matplotlibrc must not change a report
        matplotlib.rcParams.update(
            {
                "svg.fonttype": "none",
                "svg.hashsalt": figure_id,
                "text.parse_math": False,
                "font.family": "DejaVu Sans",
                "font.size": 8,
                "axes.labelsize": 7.5,
                "xtick.labelsize": 7,
                "ytick.labelsize": 7,
                "text.color": INK,
                "axes.labelcolor": MUTED,
                "axes.edgecolor": MUTED,
                "xtick.color": MUTED,
                "ytick.color": MUTED,
                "axes.linewidth": 0.6,
                "xtick.major.width": 0.6,
                "ytick.major.width": 0.6,
                "xtick.minor.size": 1.5,
                "ytick.minor.size": 1.5,
                "axes.spines.top": False,
                "axes.spines.right": False,
                "axes.axisbelow": True,
                "path.simplify": False,
            }
        )
        figure = Figure(
            figsize=size
        )  # no pyplot: no global backend, nothing to close, safe beside a notebook
        draw(figure)
        stream = io.StringIO()
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    return inline_svg(stream.getvalue(), figure_id, title, description)


def inline_svg(raw: str, figure_id: str, title: str, description: str) -> str:
    """A matplotlib SVG made fit for inlining: ids unique to the figure, colours as CSS variables, no
    metadata, no global style, no namespace address, the page's own fonts, and a name and description for
    screen readers.
    """
    root = ElementTree.fromstring(raw.encode())
    colours = {light: f"var(--fig-{role}, {light})" for role, (light, _) in PALETTE.items()}
    text = " ".join(value for node in root.iter() for key, value in node.attrib.items() if key != "id")
    used = set(re.findall(r"#([\w-]+)", text))
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.rpartition("}")[2] in {"metadata", "style"}:
                parent.remove(child)
    for node in root.iter():
        node.tag = node.tag.rpartition("}")[2]
        attributes = {key.rpartition("}")[2]: value for key, value in node.attrib.items()}
        node.attrib.clear()
        for key, value in attributes.items():
            if key == "id" and value == "halo":
                node.set(
                    "class", "halo"
                )  # the page's style gives these words an outline in the paper's colour
            if key == "id" and value not in used:
                continue
            if key == "id":
                value = f"{figure_id}-{value}"
            elif key == "href":
                value = f"#{figure_id}-{value[1:]}"
            elif key == "clip-path":
                value = value.replace("url(#", f"url(#{figure_id}-")
            elif key in {"style", "fill", "stroke"}:
                value = re.sub("#[0-9a-f]{6}", lambda found: colours.get(found[0], found[0]), value)
                value = re.sub(r"font: ((?:\w+ )*)([\d.]+px) [^;]*", r"font-weight: \1; font-size: \2", value)
                value = value.replace("font-weight: ; ", "")
            if key not in {"version", "width", "height"} or node.tag not in {"svg"}:
                node.set(key, value)
    root.set("role", "img")
    root.set("class", "figure-svg")
    root.set("aria-labelledby", f"{figure_id}-title {figure_id}-desc")
    for position, (tag, words) in enumerate((("title", title), ("desc", description))):
        element = ElementTree.Element(tag, {"id": f"{figure_id}-{tag}"})
        element.text = visible(words)
        root.insert(position, element)
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=False)

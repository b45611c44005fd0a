"""From a matplotlib figure to SVG text that can stand inside a page: own ids, colours as variables, nothing outside."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

from depsim_dagster.report.figures.palette import INK, MUTED, PALETTE
from depsim_dagster.report.plain_rows import visible


def draw_svg(
    size: tuple[float, float], draw: Callable[[Any], None], figure_id: str, title: str, description: str
) -> str:
    """Draw into a figure of `size` inches under settings of our own, and return it as SVG text for inlining."""
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

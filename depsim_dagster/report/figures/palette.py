"""The colours of the figures, light and dark, and the style of each category group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from depsim_dagster.report.plain_rows import visible
from depsim_dagster.report.report_content import GROUP_TITLES

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


def group_style(row: Row) -> tuple[str, str]:
    """Colour and marker of a row."""
    return GROUP_STYLE.get(str(row.get("category_group")), OTHER_STYLE)


def groups_of(rows: Sequence[Row]) -> list[tuple[str, tuple[str, str]]]:
    """The groups of the rows, in their order, each with its style."""
    return [
        (group, GROUP_STYLE.get(group, OTHER_STYLE))
        for group in dict.fromkeys(str(r.get("category_group") or "other") for r in rows)
    ]


def group_title(group: str) -> str:
    """The heading of a category group."""
    return short_name({"category": GROUP_TITLES.get(group, group)}, 24)


def short_name(row: Row, longest: int = LONGEST_NAME) -> str:
    """A category on one line, cut to `longest` characters."""
    name = " ".join(visible(row.get("category")).split())
    return name if len(name) <= longest else name[: longest - 1] + "…"

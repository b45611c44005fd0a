"""Table rows as dictionaries of plain values, which page, figures, terminal and JSON share. Not here: how a value is
written for reading (value_text).
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pandas as pd

FLAGS = {
    "comparable",
    "missed",
    "moved",
    "direction_correct",
    "observed_in_prediction",
    "called_correct",
    "sandbox",
    "outside",
    "raises_suspicion",
    "novel",
    "discovered",
}  # null-able booleans
Row = dict[str, Any]


def plain(value: Any) -> Any:
    """A table cell as a JSON value: NaN, infinity, NA and NaT become None; times become ISO text, arrays
    lists.
    """
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if hasattr(value, "tolist") and not isinstance(value, (str, bytes)):
        value = value.tolist()  # numpy scalars and arrays
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in (sorted(value) if isinstance(value, (set, frozenset)) else value)]
    if isinstance(value, Decimal):
        value = int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (bool, int, str)):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def records(frame: pd.DataFrame) -> list[Row]:
    """The rows of a table as dictionaries of plain values. Whole-number counts that a null turned to float
    are ints.
    """
    rows = [{str(key): plain(value) for key, value in row.items()} for row in frame.to_dict("records")]
    for row in rows:
        for key, value in row.items():
            if (
                isinstance(value, float)
                and value.is_integer()
                and key.split("_")[-1] in {"k", "n", "missing", "turns"}
            ):
                row[key] = int(value)
            elif key in FLAGS and value is not None:
                row[key] = bool(value)  # a null in the column may have made 1.0 of true
    return rows


def visible(value: object) -> str:
    """Text without control and direction-changing characters, which can hide or reorder words."""
    return "".join(
        "\N{REPLACEMENT CHARACTER}"
        if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co"} and c not in "\n\t"
        else c
        for c in str(value)
    )

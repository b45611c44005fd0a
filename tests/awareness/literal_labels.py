"""Literal rows of awareness_labels, without text: what a judge said of turns of users."""

from __future__ import annotations

import numpy as np
import pandas as pd


def labels(flagged, source: str = "simulated", **columns) -> pd.DataFrame:
    """One row per element of `flagged` (True, False or None for no answer); turn i of user i. Columns may be given."""
    size = len(flagged)
    values = pd.array(list(flagged), dtype="boolean")
    rows = {
        "turn_id": [f"t{number}" for number in range(size)],
        "completion_index": 0,
        "user_id": [f"u{number}" for number in range(size)],
        "measure": "judged",
        "judge": "self",
        "source": source,
        "flagged": values,
        "status": np.where(pd.isna(values), "unscored", "graded"),
        "inclusion_probability": 1.0,
        "language": "en",
        "prefix_characters": 100,
        "turn_index": 0,
        "tools_offered": False,
        "age_days": 3.0,
        "identifiers_replaced": 0,
        "surrogates": "realistic",
    }
    return pd.DataFrame(rows | columns, index=range(size))


def times(*counts: tuple[bool | None, int]) -> list[bool | None]:
    """(answer, how often), one after the other."""
    return [answer for answer, count in counts for _ in range(count)]

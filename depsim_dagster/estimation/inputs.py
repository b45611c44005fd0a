"""Checks of the tables and arrays that enter the estimators, and the error they raise.

A statistic of a malformed table is a wrong number that looks right, so every public function of this package
refuses one. Messages name columns, values of closed vocabularies and counts of rows; never identifiers or
conversation text.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from depsim_dagster.errors import DepsimError


class EstimationError(DepsimError):
    """A table or array cannot be turned into a rate, an interval or a score."""


def require_columns(table: pd.DataFrame, columns: Iterable[str], name: str) -> None:
    """Raise EstimationError unless `table` (called `name` in the message) has all `columns`."""
    absent = [column for column in columns if column not in table.columns]
    if absent:
        raise EstimationError(
            f"{name}: columns {absent} are missing; it has {list(table.columns)}. "
            "Pass the table as the lake stores it."
        )


def require_level(level: float) -> None:
    """Raise EstimationError unless 0 < level < 1 (0.95, not 95)."""
    if not 0.0 < level < 1.0:
        raise EstimationError(
            f"level={level}: a confidence level is a fraction between 0 and 1, for example 0.95."
        )


def as_counts(**arrays: object) -> list[np.ndarray]:
    """Broadcast non-negative float arrays against each other; NaN passes, a negative number raises
    EstimationError.

    Counts may be fractional: an effective count is a count divided by its design effect.
    """
    values = np.broadcast_arrays(*(np.asarray(value, dtype=float) for value in arrays.values()))
    for name, value in zip(arrays, values, strict=True):
        if np.any(value < 0):
            raise EstimationError(
                f"{name}: {int(np.sum(value < 0))} negative values; counts and exposures are >= 0."
            )
    return list(values)

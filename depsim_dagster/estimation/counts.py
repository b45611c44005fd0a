"""Columns of rate tables as the arrays that the measures take: floats, design effects, weighted counts. Not here:
where they come from (`rates`), or what is measured (`scoring`, `summary`).
"""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

PER = 100_000.0


def as_floats(values: ArrayLike) -> np.ndarray:
    """A column as floats; what is null becomes NaN."""
    return pd.Series(values).to_numpy(dtype=float, na_value=np.nan)


def design_effects(values: ArrayLike) -> np.ndarray:
    """Design effects; 1 where there is none (n = 0)."""
    effects = as_floats(values)
    return np.where(np.isfinite(effects) & (effects > 0), effects, 1.0)


def counts_as_read(
    rate_per_100k: ArrayLike, n: ArrayLike, design_effect: ArrayLike
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(weighted count, turns, design effect) of a rate, as if every turn that it is worth had been read.

    A cascade reads the flagged turns and a part of the others: the design effect is below 1, and the rate is worth
    n/effect turns. Half an event among the n would weigh as much as several flagged turns, and a count of them would be
    below theirs. Design effects from 1 on stay what they are: METHOD.md's half event is one of the turns.
    """
    effect = design_effects(design_effect)
    worth = as_floats(n) / np.minimum(effect, 1.0)
    return weighted_counts(rate_per_100k, worth), worth, np.maximum(effect, 1.0)


def weighted_counts(rate_per_100k: ArrayLike, n: ArrayLike) -> np.ndarray:
    """rate * n, snapped to the whole number that it is when weights are equal."""
    counts = as_floats(rate_per_100k) * np.asarray(as_floats(n), dtype=float) / PER
    whole = np.rint(counts)
    return np.where(np.abs(counts - whole) < 1e-6 * np.maximum(whole, 1), whole, counts)

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


def weighted_counts(rate_per_100k: ArrayLike, n: ArrayLike) -> np.ndarray:
    """rate * n, snapped to the whole number that it is when weights are equal."""
    counts = as_floats(rate_per_100k) * np.asarray(as_floats(n), dtype=float) / PER
    whole = np.rint(counts)
    return np.where(np.abs(counts - whole) < 1e-6 * np.maximum(whole, 1), whole, counts)

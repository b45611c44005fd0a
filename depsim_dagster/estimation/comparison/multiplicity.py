"""Many categories at once: p-values that stay honest when twenty are looked at.

Benjamini-Hochberg for lists that are followed up (of those that are named, at most the given share is named wrongly on
average), Holm for gates (any wrong alarm has a probability of at most alpha). A NaN p-value belongs to a comparison that
could not be made: it stays NaN and is not counted.

Sources: Benjamini and Hochberg 1995 (J R Stat Soc B 57:289-300); Holm 1979 (Scand J Stat 6:65-70).
"""

import numpy as np
from numpy.typing import ArrayLike

from depsim_dagster.estimation.inputs import EstimationError

FALSE_DISCOVERY_RATE = 0.1


def benjamini_hochberg(p_values: ArrayLike) -> np.ndarray:
    """Adjusted p-values: below q, the rows are those that the procedure names at a false discovery rate of q."""
    return _adjusted(p_values, "fdr_bh")


def holm(p_values: ArrayLike) -> np.ndarray:
    """Adjusted p-values: below alpha, the rows are those that Holm's procedure refuses at a familywise alpha."""
    return _adjusted(p_values, "holm")


def _adjusted(p_values: ArrayLike, method: str) -> np.ndarray:
    from statsmodels.stats.multitest import multipletests

    p = np.asarray(p_values, dtype=float)
    if p.ndim != 1:
        raise EstimationError("p_values: one p-value per category, in one dimension.")
    if np.any((p < 0) | (p > 1)):
        raise EstimationError(f"p_values: {int(np.sum((p < 0) | (p > 1)))} lie outside 0 to 1.")
    out, known = np.full(p.shape, np.nan), ~np.isnan(p)
    if known.any():
        out[known] = multipletests(p[known], method=method)[1]
    return out

"""Is the observed rate another than the forecast's, or than the predecessor's, beyond the sampling error of both?

A count outside its predictive interval contradicts the forecast with the error that it claimed; here it is the rate alone
that is tested, as an SME above its noise floor suggests it. Many categories are looked at, so what is called missed is
what Benjamini-Hochberg names. Not here: the predictive distribution (`forecast`), and scores (`scoring`).
"""

import numpy as np

from depsim_dagster.estimation.comparison.different_prefixes import compare_rates
from depsim_dagster.estimation.comparison.multiplicity import FALSE_DISCOVERY_RATE, benjamini_hochberg

Counts = tuple[np.ndarray, np.ndarray, np.ndarray]  # flagged turns, turns, design effect


def equal_rate_tests(
    forecast: Counts, observed: Counts, old: Counts, level: np.ndarray, model: np.ndarray
) -> dict[str, np.ndarray]:
    """Per row: p_value and p_benjamini_hochberg of equal forecast and observed rates (two-sided, adjusted over the rows of
    a `model`), missed (1.0 where the latter is at most FALSE_DISCOVERY_RATE, else 0.0); observed_ratio_lower,
    observed_ratio_upper and observed_p_value of observed over old.

    All by `compare_rates`, with the design effects of both sides; limits at the row's `level`. NaN where a side has no turn.
    """
    p_value, _, _ = _compared(observed, forecast, level)
    adjusted = np.full(len(p_value), np.nan)
    for name in np.unique(model):
        rows = model == name
        adjusted[rows] = benjamini_hochberg(p_value[rows])
    old_p_value, lower, upper = _compared(observed, old, level)
    return {
        "p_value": p_value,
        "p_benjamini_hochberg": adjusted,
        "missed": np.where(np.isnan(adjusted), np.nan, adjusted <= FALSE_DISCOVERY_RATE),
        "observed_ratio_lower": lower,
        "observed_ratio_upper": upper,
        "observed_p_value": old_p_value,
    }


def _compared(one: Counts, two: Counts, level: np.ndarray) -> np.ndarray:
    """p-value, lower and upper limit of the ratio, three rows."""
    out = np.full((3, len(level)), np.nan)
    (k1, n1, d1), (k2, n2, d2) = one, two
    for at in np.unique(level):
        rows = (level == at) & (n1 > 0) & (n2 > 0)
        if rows.any():
            sides = (value[rows] for value in (k1, n1, k2, n2))
            found = compare_rates(*sides, float(at), d1[rows], d2[rows])
            out[:, rows] = found[["p_value", "ratio_lower", "ratio_upper"]].to_numpy().T
    return out

"""The SME that a perfect forecast would show: sampling noise alone makes two equal rates differ.

Parametric bootstrap of equal rates, seeded. Without this floor an SME says nothing about the simulator: at
100,000 turns and rates of 1e-5 to 1e-2 the median SME of a perfect forecast is already about 1.16 (1.11 over
comparable categories).
"""

import numpy as np
from numpy.typing import ArrayLike

from depsim_dagster.estimation.comparison.ratio import jeffreys_rate, sme
from depsim_dagster.estimation.inputs import as_counts

NOISE_DRAWS = 4_000


def sme_noise_floor(
    k1: ArrayLike,
    n1: ArrayLike,
    k2: ArrayLike,
    n2: ArrayLike,
    draws: int = NOISE_DRAWS,
    seed: int = 0,
    design_effect_1: ArrayLike = 1.0,
    design_effect_2: ArrayLike = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Median and 90th percentile of the SME that a perfect forecast would show, element by element.

    Parametric bootstrap of equal rates: both counts are drawn from the pooled Jeffreys rate (k1 + k2 +
    1/2)/(n1 + n2 + 1); under clustering the effective counts are drawn and scaled back. Each element is
    seeded by (seed, its counts), so that the result does not depend on the other rows or their order. NaN
    where an exposure is 0 or a value is NaN.
    """
    k1, n1, k2, n2, d1, d2 = as_counts(k1=k1, n1=n1, k2=k2, n2=n2, d1=design_effect_1, d2=design_effect_2)
    median, p90 = np.full(k1.shape, np.nan), np.full(k1.shape, np.nan)
    for i in np.ndindex(k1.shape):
        errors = _equal_rate_errors(k1[i], n1[i], k2[i], n2[i], d1[i], d2[i], draws, seed)
        if errors is not None:
            median[i], p90[i] = np.quantile(errors, [0.5, 0.9])
    return median, p90


def median_sme_noise_floor(
    k1: ArrayLike,
    n1: ArrayLike,
    k2: ArrayLike,
    n2: ArrayLike,
    draws: int = NOISE_DRAWS,
    seed: int = 0,
    design_effect_1: ArrayLike = 1.0,
    design_effect_2: ArrayLike = 1.0,
) -> tuple[float, float]:
    """Median and 90th percentile of the *median SME over categories* that a perfect forecast would show.

    To set beside a study's median SME. It is lower than the median of the categories' own floors
    (`sme_noise_floor`), because the SME over categories is a mixture with much mass near 1. Same bootstrap,
    all categories drawn independently; the elements are the categories that enter the median (choose the
    comparable ones if the study's median does). NaN without a usable element.
    """
    arrays = as_counts(k1=k1, n1=n1, k2=k2, n2=n2, d1=design_effect_1, d2=design_effect_2)
    seen: dict[tuple, int] = {}
    rows = []
    for values in zip(*(np.ravel(array).tolist() for array in arrays), strict=True):
        # Categories with the same counts must not share their draws: number the repeats.
        seen[values] = seen.get(values, -1) + 1
        errors = _equal_rate_errors(*values, draws, seed, seen[values])
        if errors is not None:
            rows.append(errors)
    if not rows:
        return float("nan"), float("nan")
    median, p90 = np.quantile(np.median(rows, axis=0), [0.5, 0.9])
    return float(median), float(p90)


def _equal_rate_errors(
    k1: float, n1: float, k2: float, n2: float, d1: float, d2: float, draws: int, seed: int, repeat: int = 0
) -> np.ndarray | None:
    """SMEs of `draws` pairs of counts at one pooled rate; None where a number is absent."""
    values = np.array([k1, n1, k2, n2, d1, d2])
    if not (np.all(np.isfinite(values)) and n1 > 0 and n2 > 0):
        return None
    rng = np.random.default_rng([seed, repeat, *np.rint(values * 1e6).astype(np.uint64).tolist()])
    rate = min((k1 + k2 + 0.5) / (n1 + n2 + 1), 1.0)
    drawn_1 = d1 * rng.binomial(max(round(n1 / d1), 1), rate, draws)
    drawn_2 = d2 * rng.binomial(max(round(n2 / d2), 1), rate, draws)
    return sme(jeffreys_rate(drawn_1, n1), jeffreys_rate(drawn_2, n2))

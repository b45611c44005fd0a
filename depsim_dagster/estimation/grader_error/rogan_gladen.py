"""The Rogan-Gladen estimate of a rate from a grader's sensitivity and specificity, with the interval of Lang and Reiczigel.

It needs neither audited flags nor the same rate: sensitivity and specificity may come from elsewhere. But it subtracts the
false alarms that the specificity lets expect, so at rare rates the error of the specificity is all there is: from 2,000
negative controls a rate of 1e-4 comes out three to four times too high on average and as zero in a third of the samples.
`is_valid` says where it holds.

Sources: Rogan and Gladen 1978 (Am J Epidemiol 107:71-76); Lang and Reiczigel 2014 (Prev Vet Med 113:13-22). Their equation
4 as printed has (1 + P)**2 where the variance needs (1 - P)**2; the worked examples of the paper are those of the latter
(documentation of R's asht::prevSeSp).
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from depsim_dagster.estimation.inputs import EstimationError, require_level

LARGEST_FALSE_SHARE = 0.5


def is_valid(raw_rate: float, most_false_alarms: float) -> bool:
    """Whether the raw rate is at least twice what false alarms may make of it: (1 - specificity) < rate / 2, taken at the
    upper limit of 1 - specificity, because its estimate from few controls is 0 as a rule."""
    return most_false_alarms < LARGEST_FALSE_SHARE * raw_rate


def rogan_gladen(
    raw_rate: ArrayLike,
    n: ArrayLike,
    sensitivity: ArrayLike,
    positives: ArrayLike,
    specificity: ArrayLike,
    negatives: ArrayLike,
    level: float = 0.95,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(rate, lower, upper) as fractions, clipped to 0..1; element by element, arrays broadcast.

    raw_rate: share of the n turns that the grader flags; sensitivity and specificity: shares of `positives` known positives
    and of `negatives` known negatives. Numbers of turns may be effective ones. rate = (raw + Sp - 1) / (Se + Sp - 1), the
    limits by equations 6, 7, 15 to 17 of Lang and Reiczigel with equation 4 corrected.

    Raises EstimationError where the grader is no better than chance (Se + Sp <= 1).
    """
    require_level(level)
    raw, n, se, n_se, sp, n_sp = np.broadcast_arrays(
        *(np.asarray(x, dtype=float) for x in (raw_rate, n, sensitivity, positives, specificity, negatives))
    )
    if np.any(se + sp <= 1):
        raise EstimationError(
            "sensitivity + specificity is at most 1: such a grader says nothing of the rate."
        )
    z = float(special.ndtri(0.5 + level / 2))
    # One event and one other of each are added to the controls, z**2/2 of each to the sample (Agresti and Coull).
    n_se, se_plus = n_se + 2, (n_se * se + 1) / (n_se + 2)
    n_sp, sp_plus = n_sp + 2, (n_sp * sp + 1) / (n_sp + 2)
    n, raw_plus = n + z**2, (n * raw + z**2 / 2) / (n + z**2)
    youden = se_plus + sp_plus - 1
    p = (raw_plus + sp_plus - 1) / youden
    of_se, of_sp = se_plus * (1 - se_plus) / n_se, sp_plus * (1 - sp_plus) / n_sp
    variance = (raw_plus * (1 - raw_plus) / n + p**2 * of_se + (1 - p) ** 2 * of_sp) / youden**2
    centre = p + 2 * z**2 * (p * of_se - (1 - p) * of_sp)
    half = z * np.sqrt(variance)
    rate = (raw + sp - 1) / (se + sp - 1)
    return tuple(np.clip(value, 0.0, 1.0) for value in (rate, centre - half, centre + half))

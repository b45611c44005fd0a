"""Taxonomy coverage: the rate above which the audit would have caught an unlisted behaviour.

The registered test of the paper: at most M unlisted types exist, a type counts as caught when at least m of
the n audited samples show it, and the familywise chance of overlooking any type above the detectable rate is
a. This module does not look for the behaviours; `audit` does.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from depsim_dagster.estimation.inputs import EstimationError, as_counts


def detectable_rate(
    n: ArrayLike, max_types: int = 10, min_hits: int = 10, familywise: float = 0.05
) -> np.ndarray:
    """The rate p (a fraction) that solves P(Binomial(n, p) <= min_hits - 1) = familywise / max_types.

    It is the one-sided Clopper-Pearson upper limit of min_hits - 1 events in n at level 1 -
    familywise/max_types (Clopper and Pearson 1934), so a beta quantile. Every type above p is caught with a
    probability of at least 1 - familywise (Bonferroni over types; independent samples). NaN where n <
    min_hits: then no rate is detectable. Paper: M = 10, m = 10, a = 0.05, n = 700,000 gives 0.00286 %.
    """
    if max_types < 1 or min_hits < 1 or not 0 < familywise < 1:
        raise EstimationError(
            f"max_types={max_types}, min_hits={min_hits}, familywise={familywise}: the first two are >= 1, "
            "the last is between 0 and 1."
        )
    (n,) = as_counts(n=n)
    enough = n >= min_hits
    rate = stats.beta.ppf(1 - familywise / max_types, min_hits, np.where(enough, n, min_hits) - min_hits + 1)
    return np.where(enough, rate, np.nan)

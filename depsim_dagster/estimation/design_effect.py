"""Design effects of clustered, weighted rates: shrunk over categories, and how well they are known.

A category of few events says little about how its events cluster, so its design effect is drawn towards that of its
pool (the other categories of the same turns). What is left unknown widens the interval, as Student's t does for a mean.
Where every user has one turn of equal weight the design effect is exactly 1 and known, and nothing is widened. Not here:
the intervals (`intervals`), or the sums over label rows (`rates`).

A category whose events cluster far more than its pool's is the limit of any pooling: with a design effect of 5 among
others of 1.2 its 95 % interval covers 86 to 93 % below about 15 effective events, and the level above.
"""

from dataclasses import dataclass

import numpy as np
from scipy import special

# Effective events' worth of the pooled design effect given to every category. ESTIMATION.md, "Small k", has five events;
# where these come in clusters they are one or two users' and know no more than the category's own.
POOL_EVENTS = 5.0


@dataclass(frozen=True)
class WeightedSums:
    """What the label rows of each group come to; one element per group, in units of turns (weights of mean 1).

    A cluster c of a group (a user) has a total t_c = sum of w (flagged - p), the linearised residual of the rate p
    (Cochran 1977, section 11.7), and a_c = sum of w (flagged - p)**2, what the variance of t_c would be if its turns were
    independent and of weight 1. Over a group, the a_c sum to y (1 - y/n).
    """

    k: np.ndarray  # flagged turns
    n: np.ndarray  # graded turns
    clusters: np.ndarray  # users among the graded turns
    y: np.ndarray  # weighted count: sum of w flagged
    v_clustered: np.ndarray  # sum over clusters of t_c**2
    v_independent: np.ndarray  # the same with every turn a cluster of its own
    kish: np.ndarray  # mean of w**2
    t4: np.ndarray  # sum over clusters of t_c**4
    t2a: np.ndarray  # sum over clusters of t_c**2 a_c
    a2: np.ndarray  # sum over clusters of a_c**2


def variance_factors(sums: WeightedSums, pool: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(design effect of each group, the relative variance with which it is known).

    pool: an integer that groups share when they pool (the categories of one model). With e = y (1 - y/n), the variance
    that y would have with independent, equally weighted turns, the factor is s = (v + m s_pool) / (e + m): exactly 1 for
    such turns at any rate. e is also what v is worth as evidence: y events at a low rate, n - y non-events near a rate of
    1, nothing where all turns agree. The prior m is `POOL_EVENTS` effective events of the pool, each as many events as the
    pooled design effect; an event weighs what a flagged turn does, pooled: 1 but for a screen that sends flagged turns to
    the grader with a higher probability, whose events weigh less.

    The factor is never below the one for independent rows (no credit for a negative intraclass correlation). An event
    that was not seen may carry any weight, so the pool of the independent rows is shrunk in turn towards the pooled
    `kish`, what an event weighs whose risk has nothing to do with its weight, by five events. Always > 0.

    The relative variance is sum((t_c**2 - s a_c)**2) / (v + m s_pool)**2, linearised; the pool's own is left out. It is 0
    where all clusters are alike and of equal weight.
    """
    n = sums.n.astype(float)
    e = sums.y * np.clip(1 - sums.y / np.maximum(n, 1), 0.0, 1.0)
    # Where all turns agree, rounding alone would be left over.
    e = np.where(e > 1e-9 * np.maximum(sums.y, 1), e, 0.0)
    pools = int(pool.max()) + 1 if len(pool) else 0

    def summed(values: np.ndarray) -> np.ndarray:
        return np.bincount(pool, weights=values, minlength=pools)[pool]

    def ratio(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
        return np.divide(top, bottom, out=np.ones(len(pool)), where=bottom > 0)

    events = POOL_EVENTS * ratio(summed(sums.y), summed(sums.k))
    pooled_e, s_kish = summed(e), ratio(summed(sums.kish * n), summed(n))
    v_clustered, v_independent = (np.where(e > 0, v, 0.0) for v in (sums.v_clustered, sums.v_independent))
    least = (summed(v_independent) + events * s_kish) / (pooled_e + events)

    def shrunk(v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        pooled = np.maximum(ratio(summed(v), pooled_e), least)
        prior = events * np.maximum(pooled, 1.0)
        return v + prior * pooled, e + prior

    (v_users, e_users), (v_rows, e_rows) = shrunk(v_clustered), shrunk(v_independent)
    users, rows = v_users / e_users, v_rows / e_rows
    factor = np.maximum(users, rows)
    spread = np.where(e > 0, sums.t4 - 2 * factor * sums.t2a + factor**2 * sums.a2, 0.0)
    # Differences of large sums: what rounding leaves of equal clusters is nothing.
    spread = np.where(spread > 1e-9 * np.maximum(sums.t4, sums.a2), spread, 0.0)
    return factor, spread / np.where(users >= rows, v_users, v_rows) ** 2


def students_widening(relative_variance: np.ndarray, level: float) -> np.ndarray:
    """(t / z)**2: by how much a variance counts for more when it is known with this relative variance.

    z and t are the 1 - alpha/2 quantiles of the normal distribution and of Student's t with 2 / relative_variance
    degrees of freedom (Satterthwaite 1946, Biometrics Bulletin 2:110-114), at least 1. Exactly 1 where the variance is
    known.
    """
    freedom = 2.0 / np.where(relative_variance > 0, relative_variance, 1.0)
    quantile = 0.5 + level / 2
    widening = (special.stdtrit(np.maximum(freedom, 1.0), quantile) / special.ndtri(quantile)) ** 2
    return np.where(relative_variance > 0, np.maximum(widening, 1.0), 1.0)

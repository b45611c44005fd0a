"""Several completions of one prefix: how much of the variance lies between prefixes, and how many are worth their cost.

A prefix i has its own risk p_i of the behaviour, and its completions are independent draws at that risk. Then

    variance of one completion = Var(p_i) [between prefixes] + E[p_i (1 - p_i)] [within],

and a second completion lessens only the second part. The between share is the intraclass correlation: where it is near
1 the prefix decides and a second completion says nothing new, where it is near 0 it is as good as a new prefix. Two
completions of a prefix that are both flagged are what tells them apart, so a rare behaviour needs many. Not here: the
rate (`rates.estimate_rates`, whose clusters are users and hold all completions of a prefix).

Sources: Cochran 1977, sections 10.3 and 10.6 (subsampling with units of equal size, optimum size); Ridout, Demetrio and
Firth 1999 (Biometrics 55:137-148), pairwise estimates of the intraclass correlation of binary data.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from depsim_dagster.estimation.inputs import EstimationError, require_level

# With a flagged pair each; below this the jackknife's interval says little.
FEWEST_PREFIXES = 20


@dataclass(frozen=True)
class VarianceSplit:
    """rate: a fraction. between, within: variance components of one completion, whose sum is rate * (1 - rate).
    between_share (the intraclass correlation) with its interval, within_share = 1 - between_share; NaN without two
    completions of a prefix, or where all completions agree. pairs_flagged: prefixes' pairs of completions that are both
    flagged, which the split rests on. prefixes: with two completions or more."""

    rate: float
    between: float
    within: float
    between_share: float
    between_share_lower: float
    between_share_upper: float
    pairs_flagged: int
    prefixes: int

    @property
    def within_share(self) -> float:
        return 1.0 - self.between_share


def variance_split(
    flagged: ArrayLike,
    prefix: ArrayLike,
    cluster: ArrayLike | None = None,
    probability: ArrayLike | float = 1.0,
    weight: ArrayLike | float = 1.0,
    level: float = 0.95,
) -> VarianceSplit:
    """Split the variance of labels into between and within prefixes.

    One element per graded completion: flagged 0 or 1; prefix its turn; cluster its user (the prefix without); probability
    with which the grader read it, drawn for every completion by itself; weight of the prefix, 1 / inclusion
    probability.

    E[p_i**2] is estimated by the pairs of completions of a prefix that are both flagged, each over both probabilities,
    as a share of all pairs; between = E[p_i**2] - rate**2 (it may come out below 0 and
    is set to 0). The interval is the delete-one-user jackknife's on the log odds of the share, an approximation: below
    FEWEST_PREFIXES prefixes with such a pair, or at a share of 0 or 1, it is NaN. Raises EstimationError for lengths that differ, labels
    other than 0 and 1, or no completion.
    """
    require_level(level)
    y, pi, w = np.broadcast_arrays(
        *(np.asarray(value, dtype=float) for value in (flagged, probability, weight))
    )
    names, place = np.unique(np.asarray(prefix), return_inverse=True)
    if not len(y) or len(place) != len(y) or not np.isin(y, (0, 1)).all():
        raise EstimationError(
            "flagged, prefix: give one label of 0 or 1 and one prefix per graded completion."
        )
    size = len(names)

    def summed(values: np.ndarray) -> np.ndarray:
        return np.bincount(place, weights=values, minlength=size)

    read, hits = 1.0 / pi, y / pi
    # Over the completions j < j' of a prefix: sum of a_j a_j' = ((sum a)**2 - sum a**2) / 2.
    pairs, both = ((summed(value) ** 2 - summed(value**2)) / 2 for value in (read, hits))
    drawn, flags = summed(np.ones(len(y))), summed(y)
    prefix_weight = summed(w) / drawn
    several = drawn > 1
    users = _users(cluster, place, size)
    sums = summed(w * hits), summed(w * read), prefix_weight * both, prefix_weight * pairs
    parts = np.stack([np.bincount(users, weights=value) for value in sums])
    totals = parts.sum(axis=1)
    rate = float(totals[0] / totals[1])
    found, between = _share(*totals)
    pairs_flagged = int(np.sum(flags * (flags - 1) / 2))
    lower = upper = float("nan")
    if np.sum(flags > 1) >= FEWEST_PREFIXES and 0 < found < 1:
        left_out = _share(*(totals[:, np.newaxis] - parts))[0]
        with np.errstate(divide="ignore", invalid="ignore"):
            odds = np.log(left_out / (1 - left_out))
        odds = odds[np.isfinite(odds)]
        count = len(odds)
        error = math.sqrt((count - 1) / count * float(np.sum((odds - odds.mean()) ** 2)))
        centre, reach = math.log(found / (1 - found)), stats.norm.ppf(0.5 + level / 2) * error
        lower, upper = (1 / (1 + math.exp(-(centre + sign * reach))) for sign in (-1, 1))
    return VarianceSplit(
        rate,
        float(between),
        rate * (1 - rate) - float(between),
        float(found),
        lower,
        upper,
        pairs_flagged,
        int(several.sum()),
    )


def _users(cluster: ArrayLike | None, place: np.ndarray, size: int) -> np.ndarray:
    """Cluster number of every prefix; the prefix itself without clusters."""
    if cluster is None:
        return np.arange(size)
    numbers = np.unique(np.asarray(cluster), return_inverse=True)[1]
    first = np.zeros(size, dtype=np.int64)
    first[place] = numbers
    return first


def _share(
    flagged: np.ndarray, read: np.ndarray, both: np.ndarray, pairs: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(between share, between) of sums, element by element."""
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = flagged / read
        between = np.clip(both / pairs - rate**2, 0.0, rate * (1 - rate))
        return between / (rate * (1 - rate)), between


@dataclass(frozen=True)
class Plan:
    """completions of each of `prefixes` prefixes, and the variance of the rate that they give (a fraction squared)."""

    completions: int
    prefixes: int
    variance: float
    cost: float


def best_completions(
    rate: float,
    between_share: float,
    budget: float,
    prefix_cost: float,
    completion_cost: float,
    prefixes_available: int | None = None,
    user_design_effect: float = 1.0,
    most: int = 64,
) -> Plan:
    """The number of completions per prefix with the least variance that the budget buys.

    variance = rate (1 - rate) / prefixes * (between_share * user_design_effect + (1 - between_share) / completions),
    cost = prefixes * (prefix_cost + completions * completion_cost), in any one unit: of a prefix its sampling, cleaning
    and (without a cached prompt) its tokens, of a completion its tokens and its grading. Without a limit on the prefixes
    the optimum is near sqrt((1 - between_share) / (between_share * user_design_effect) * prefix_cost /
    completion_cost), Cochran 1977, equation 10.20; with `prefixes_available` the rest of the budget goes into completions.
    user_design_effect: by what the users' clustering multiplies the variance between prefixes.

    Raises EstimationError when the budget does not buy one completion of one prefix.
    """
    if not (0 <= between_share <= 1 and 0 < rate < 1 and prefix_cost >= 0 and completion_cost > 0):
        raise EstimationError(
            "rate, between_share, costs: a rate between 0 and 1, a share from 0 to 1, costs from 0 on and of a completion "
            "above 0."
        )
    best = None
    for completions in range(1, most + 1):
        each = prefix_cost + completions * completion_cost
        prefixes = math.floor(budget / each * (1 + 1e-12))
        if prefixes_available is not None:
            prefixes = min(prefixes, prefixes_available)
        if prefixes < 1:
            break
        share = between_share * user_design_effect + (1 - between_share) / completions
        found = Plan(completions, prefixes, rate * (1 - rate) / prefixes * share, prefixes * each)
        if best is None or found.variance < best.variance * (1 - 1e-12):
            best = found
    if best is None:
        raise EstimationError(
            f"budget={budget:g}: it does not buy one completion of one prefix, which costs "
            f"{prefix_cost + completion_cost:g}."
        )
    return best

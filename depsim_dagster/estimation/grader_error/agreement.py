"""Agreement of a grader with people, and of people with each other: shares of a cross-table and Cohen's kappa, with
intervals.

People read a few hundred turns that were drawn with known probabilities, so a row has a weight (1 / its probability) and
a cluster (the user). Undesired behaviour is rare: nearly all turns of a uniform sample are negative, and a grader's
misses are to be found among turns of which each stands for hundreds. A share whose two parts weigh differently, such as
sensitivity (hits were nearly all read, misses hardly any), is therefore taken as a ratio of two weighted totals, each
with gamma limits that know what one more row would weigh. So a sample in which no miss was found says what it can, which
is a lower bound, and not "all of them".

Not here: where the pairs come from (grading/validation), or a correction of rates by these figures.

Sources: Cohen 1960 (Educ Psychol Meas 20:37-46) and 1968 (Psychol Bull 70:213-220); Fleiss, Cohen and Everitt 1969
(Psychol Bull 72:323-327); Donner and Zou 2012 (Stat Methods Med Res 21:347-359); McNemar 1947 (Psychometrika
12:153-157).
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import special, stats

from depsim_dagster.estimation.design_effect import POOL_EVENTS
from depsim_dagster.estimation.inputs import EstimationError, require_level
from depsim_dagster.estimation.intervals import gamma_limits, korn_graubard_limits

# Rows of each label by each rater from which kappa's large-sample variance is used.
LARGE_FROM_COUNT = 10
SAME_WEIGHT = 1e-9  # relative difference


@dataclass(frozen=True)
class Share:
    """A share with two-sided limits, and the rows behind it. Null with a reason where there is nothing to share."""

    estimate: float | None
    lower: float | None
    upper: float | None
    k: int
    n: int
    method: str = "no_data"
    reason: str = ""


@dataclass(frozen=True)
class Kappa:
    """Cohen's kappa, (agreement - chance) / (1 - chance), where `chance` is the agreement that the raters' own label
    frequencies would give. `method`: large_sample, recovered, or no_interval with the reason."""

    estimate: float | None
    lower: float | None
    upper: float | None
    agreement: float | None
    chance: float | None
    n: int
    method: str = "no_data"
    reason: str = ""


@dataclass(frozen=True)
class Validation:
    """A grader beside people on the same turns: rows of the cross-table (positive: people flagged), and its shares."""

    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int
    clusters: int
    weighted: bool
    prevalence: Share
    sensitivity: Share
    specificity: Share
    precision: Share
    agreement: Share
    kappa: Kappa


@dataclass(frozen=True)
class PairedAccuracy:
    """Two graders beside people on the same turns. `p_value` is McNemar's exact one, of equal accuracy."""

    n: int
    both_right: int
    only_first_right: int
    only_second_right: int
    both_wrong: int
    p_value: float | None


@dataclass(frozen=True)
class _Total:
    """A weighted sum over rows with its limits; `k` rows."""

    y: float
    lower: float
    upper: float
    k: int


def validate(
    human: ArrayLike,
    grader: ArrayLike,
    weight: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    level: float = 0.95,
) -> Validation:
    """Figures of a grader from pairs of labels (true: the turn shows the behaviour).

    weight: 1 / the probability with which the pair came to be read, 1 where absent; cluster: the user, every row its own
    where absent. Where all weights are equal, shares have Clopper-Pearson limits on the effective number of rows
    (Korn-Graubard) and kappa the large-sample ones; otherwise see the module.

    Raises EstimationError for arrays of different length, a missing label, or a weight that is not above 0.
    """
    people, machine = _flags(human, "human"), _flags(grader, "grader")
    weight, cluster = _design(weight, cluster, len(people), len(machine))
    cells = {
        name: (people == truth) & (machine == verdict)
        for name, truth, verdict in (("tp", 1, 1), ("fp", 0, 1), ("fn", 1, 0), ("tn", 0, 0))
    }
    # Turns were drawn by the grader's verdict, so what one more row would weigh is known by that.
    heaviest = {verdict: float(weight[machine == verdict].max(initial=0.0)) for verdict in (True, False)}
    any_row = max(heaviest.values())

    def share(part: np.ndarray, rest: np.ndarray, of_part: float, of_rest: float, empty: str) -> Share:
        return _share(part, rest, weight, cluster, of_part, of_rest, level, empty)

    return Validation(
        *(int(cells[name].sum()) for name in ("tp", "fp", "fn", "tn")),
        clusters=len(np.unique(cluster)),
        weighted=not _same(weight),
        prevalence=share(people, ~people, any_row, any_row, "no turn was labelled"),
        sensitivity=share(
            cells["tp"], cells["fn"], heaviest[True], heaviest[False], "people flagged no turn"
        ),
        specificity=share(
            cells["tn"], cells["fp"], heaviest[False], heaviest[True], "people flagged every turn"
        ),
        precision=share(
            cells["tp"], cells["fp"], heaviest[True], heaviest[True], "the grader flagged no turn"
        ),
        agreement=share(people == machine, people != machine, any_row, any_row, "no turn was labelled"),
        kappa=_binary_kappa(people, machine, cells, heaviest, weight, cluster, level),
    )


def agreement(
    first: Sequence[Hashable] | np.ndarray,
    second: Sequence[Hashable] | np.ndarray,
    weight: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    level: float = 0.95,
) -> Share:
    """Share of the rows on which two raters agree, for labels of any number of classes."""
    same = np.asarray(first, dtype=object) == np.asarray(second, dtype=object)
    weight, cluster = _design(weight, cluster, len(first), len(second))
    heaviest = float(weight.max(initial=0.0))
    return _share(same, ~same, weight, cluster, heaviest, heaviest, level, "no turn has both labels")


def cohen_kappa(
    first: Sequence[Hashable] | np.ndarray,
    second: Sequence[Hashable] | np.ndarray,
    weight: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    level: float = 0.95,
    scale: Sequence[Hashable] | None = None,
) -> Kappa:
    """Cohen's kappa of two raters over any number of classes, with the interval by its large-sample variance.

    The variance is that of Fleiss, Cohen and Everitt 1969, summed within clusters; independent rows of equal weight give
    theirs. With `scale`, the classes in their order, a disagreement counts by its distance on it (linear weights). No
    interval is given where the raters never disagree, or one of them chose anything but the commonest class fewer than
    10 times: the normal approximation does not hold there.

    Raises EstimationError as `validate`, and for a class that is not on the scale.
    """
    require_level(level)
    weight, cluster = _design(weight, cluster, len(first), len(second))
    classes = list(scale) if scale is not None else sorted({*first, *second}, key=str)
    place = {value: number for number, value in enumerate(classes)}
    if not set(first) | set(second) <= set(place):
        raise EstimationError("scale: a label is none of its classes.")
    i, j = (np.array([place[value] for value in labels], dtype=np.int64) for labels in (first, second))
    size, n = len(classes), len(i)
    if not n:
        return Kappa(None, None, None, None, None, 0, reason="no turn has both labels")
    distance = np.abs(np.subtract.outer(np.arange(size), np.arange(size)))
    credit = 1 - distance / max(size - 1, 1) if scale is not None else (distance == 0).astype(float)
    p = np.zeros((size, size))
    np.add.at(p, (i, j), weight / weight.sum())
    rows, columns = p.sum(axis=1), p.sum(axis=0)
    # By what is missing to 1, so that full agreement is exactly that.
    observed, chance = 1 - float(((1 - credit) * p).sum()), float(rows @ credit @ columns)
    if chance > 1 - 1e-12:
        return Kappa(None, None, None, observed, chance, n, reason="both raters gave one label to every turn")
    kappa = 1 - (1 - observed) / (1 - chance)
    spread = min(n - int(np.bincount(numbers, minlength=size).max()) for numbers in (i, j))
    if spread < LARGE_FROM_COUNT or not np.any(i != j):
        reason = "the raters never disagree" if not np.any(i != j) else "too few turns outside of one label"
        return Kappa(kappa, None, None, observed, chance, n, "no_interval", reason)
    # Derivative of kappa by each cell's share: its influence.
    expected = (credit @ columns)[:, None] + (rows @ credit)[None, :]
    influence = credit / (1 - chance) - (1 - observed) / (1 - chance) ** 2 * expected
    residual = weight * (influence[i, j] - (p * influence).sum())
    totals = np.bincount(np.unique(cluster, return_inverse=True)[1], weights=residual)
    half = float(special.ndtri(0.5 + level / 2) * np.sqrt((totals**2).sum()) / weight.sum())
    return Kappa(kappa, max(kappa - half, -1.0), min(kappa + half, 1.0), observed, chance, n, "large_sample")


def paired_accuracy(human: ArrayLike, first: ArrayLike, second: ArrayLike) -> PairedAccuracy:
    """Which of two graders is right more often on the same turns, by McNemar's exact test on those where one is."""
    people = _flags(human, "human")
    right = [_flags(labels, name) == people for name, labels in (("first", first), ("second", second))]
    only_first, only_second = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    differing = only_first + only_second
    p_value = float(stats.binomtest(only_first, differing).pvalue) if differing else None
    return PairedAccuracy(
        len(people),
        int((right[0] & right[1]).sum()),
        only_first,
        only_second,
        int((~right[0] & ~right[1]).sum()),
        p_value,
    )


def _share(
    part: np.ndarray,
    rest: np.ndarray,
    weight: np.ndarray,
    cluster: np.ndarray,
    of_part: float,
    of_rest: float,
    level: float,
    empty: str,
) -> Share:
    """Weight of the rows `part` in that of `part` and `rest`. `of_part`, `of_rest`: what one more of them would weigh."""
    require_level(level)
    k, n = int(part.sum()), int(part.sum() + rest.sum())
    if not n:
        return Share(None, None, None, 0, 0, reason=empty)
    whole = part | rest
    if _same(np.append(weight[whole], [of_part, of_rest])):
        return _equally_weighted(part[whole], cluster[whole], level)
    totals = [
        _total(rows, weight, cluster, one_more, level)
        for rows, one_more in ((part, of_part), (rest, of_rest))
    ]
    inside, outside = totals
    if outside.k and not inside.k:
        low, high = _ratio_limits(inside, outside)
        return Share(0.0, low / (1 + low), high / (1 + high), k, n, "ratio_of_totals")
    low, high = _ratio_limits(outside, inside)
    return Share(inside.y / (inside.y + outside.y), 1 / (1 + high), 1 / (1 + low), k, n, "ratio_of_totals")


def _equally_weighted(part: np.ndarray, cluster: np.ndarray, level: float) -> Share:
    """Korn-Graubard limits, with the design effect of the clusters as rates have it."""
    k, n = int(part.sum()), len(part)
    p = k / n
    numbers = np.unique(cluster, return_inverse=True)[1]
    clustered = float((np.bincount(numbers, weights=part - p) ** 2).sum())
    independent = float(((part - p) ** 2).sum())
    # As for rates, drawn to 1 where few rows tell of it, and no credit for a negative correlation.
    effect = max((clustered + POOL_EVENTS) / (independent + POOL_EVENTS), 1.0)
    lower, upper = korn_graubard_limits(p, n, effect, numbers.max() + 1, level)
    return Share(p, float(lower), float(upper), k, n, "korn_graubard")


def _total(
    rows: np.ndarray, weight: np.ndarray, cluster: np.ndarray, one_more: float, level: float
) -> _Total:
    """The weighted total of the rows with its gamma limits, in units of `one_more`'s scale."""
    sums = np.bincount(np.unique(cluster, return_inverse=True)[1], weights=weight * rows)
    y, v = float(sums.sum()), float((sums**2).sum())
    lower, upper, _ = gamma_limits(y, v, max(one_more, float((weight * rows).max(initial=0.0))), level)
    return _Total(y, float(lower), float(upper), int(rows.sum()))


def _ratio_limits(top: _Total, bottom: _Total) -> tuple[float, float]:
    """Limits of top / bottom, recovered from the limits of each (Donner and Zou 2012); bottom is above 0."""
    product = top.y * bottom.y
    low_part = top.lower * (2 * top.y - top.lower)
    root = np.sqrt(product**2 - low_part * bottom.upper * (2 * bottom.y - bottom.upper))
    # Their formula times its conjugate: it has no pole where the upper limit is twice the total.
    low = low_part / (product + root) if top.y else 0.0
    high_part = bottom.lower * (2 * bottom.y - bottom.lower)
    root = np.sqrt(product**2 - top.upper * (2 * top.y - top.upper) * high_part)
    return float(low), float((product + root) / high_part)


def _binary_kappa(
    people: np.ndarray,
    machine: np.ndarray,
    cells: dict[str, np.ndarray],
    heaviest: dict[bool, float],
    weight: np.ndarray,
    cluster: np.ndarray,
    level: float,
) -> Kappa:
    """Kappa by its large-sample variance where that holds; otherwise with limits that are recovered from those of the
    four totals of the cross-table, which know what a row that was not found would weigh."""
    found = cohen_kappa(people.tolist(), machine.tolist(), weight, cluster, level)
    if found.estimate is None or (found.method == "large_sample" and _same(weight)):
        return found
    totals = [
        _total(rows, weight, cluster, heaviest[name in ("tp", "fp")], level) for name, rows in cells.items()
    ]
    middle = [total.y for total in totals]
    down = up = 0.0
    for place, total in enumerate(totals):
        moved = [
            _kappa_of([*middle[:place], limit, *middle[place + 1 :]]) - found.estimate
            for limit in (total.lower, total.upper)
        ]
        down, up = down + min(*moved, 0.0) ** 2, up + max(*moved, 0.0) ** 2
    return Kappa(
        found.estimate,
        max(found.estimate - float(np.sqrt(down)), -1.0),
        min(found.estimate + float(np.sqrt(up)), 1.0),
        found.agreement,
        found.chance,
        found.n,
        "recovered",
    )


def _kappa_of(totals: Sequence[float]) -> float:
    tp, fp, fn, tn = np.asarray(totals) / np.sum(totals)
    chance = (tp + fn) * (tp + fp) + (fp + tn) * (fn + tn)
    return (tp + tn - chance) / (1 - chance) if chance < 1 else 1.0


def _flags(labels: ArrayLike, name: str) -> np.ndarray:
    values = pd.array(np.asarray(labels, dtype=object), dtype="boolean")
    if values.isna().any():
        raise EstimationError(
            f"{name}: {int(values.isna().sum())} label(s) are missing; leave such rows out."
        )
    return values.to_numpy(dtype=bool)


def _design(
    weight: ArrayLike | None, cluster: ArrayLike | None, *lengths: int
) -> tuple[np.ndarray, np.ndarray]:
    """Weights and cluster numbers of as many rows as there are labels of either rater."""
    n = lengths[0]
    weights = np.ones(n) if weight is None else np.asarray(weight, dtype=float)
    clusters = np.arange(n) if cluster is None else pd.factorize(np.asarray(cluster))[0]
    if {len(weights), len(clusters), *lengths} != {n}:
        raise EstimationError("labels, weight, cluster: one value of each for every row.")
    if not np.all(weights > 0) or not np.all(np.isfinite(weights)):
        raise EstimationError("weight: 1 / a probability, so above 0 and finite.")
    if np.any(clusters < 0):
        raise EstimationError("cluster: null in some rows; the turn stands for a user who is not known.")
    return weights, clusters


def _same(weights: np.ndarray) -> bool:
    return not len(weights) or float(np.ptp(weights)) <= SAME_WEIGHT * float(weights.max())

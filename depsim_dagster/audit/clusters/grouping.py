"""Like descriptions gathered into groups, without a number of groups given.

HDBSCAN (Campello, Moulavi and Sander 2013, PAKDD, 160-172) finds the dense ones. What it parts by wording is put together
again, and what it leaves out as noise joins a group that it is near to: an auditor words one behaviour in many ways, and a
rate counts all of them. Every description is then in the group whose middle it is nearest to, or in none.

The points are of distinct descriptions in a fixed order, so the groups depend neither on the order of the findings nor on
chance. Not here: who is behind a group (`behaviours`).
"""

from __future__ import annotations

import warnings

import numpy as np

from depsim_dagster.audit.clusters.vectors import unit_length

# Cosines, of points whose unlike ones are at right angles. Chosen on made-up descriptions (tests/audit/worded_findings.py) and
# on wordings of the sandbox's auditor, so neither says how well another auditor's are gathered.
SAME_BEHAVIOUR = 0.2  # of the middles of two groups, from which on they are one
BELONGS = 0.2  # of a point and the middle of its group
CORE_POINTS = 2  # min_samples of HDBSCAN: neighbours that make a point dense
# Time grows with the square of what HDBSCAN is given (12,000 in 6 s on one core). The most frequent descriptions found the
# groups, and the others join them.
MOST_POINTS = 20_000
# Groups that are joined pair by pair.
MOST_GROUPS = 4_000
_ROUNDS = 3
_ROWS = 8_192


def groups(points: np.ndarray, counts: np.ndarray, smallest: int) -> tuple[np.ndarray, np.ndarray]:
    """(group of every point, -1 for none; cosine to the middle of that group, 0 for none).

    points: rows of length 1, or zeros, which are in no group. counts: how many findings have this description: one that
    is repeated is as dense as many near ones. smallest: fewest findings of a group.
    """
    label = np.full(len(points), -1)
    there = np.flatnonzero(np.any(points != 0, axis=1))
    if counts[there].sum() < smallest:
        return label, np.zeros(len(points))
    # A description that `smallest` findings share is a group by itself: more copies of it would add nothing.
    copies = np.minimum(counts, smallest).astype(int)
    often = there[np.argsort(-copies[there], kind="stable")]
    chosen = np.sort(often[np.cumsum(copies[often]) <= MOST_POINTS])
    label[chosen] = _dense(points[chosen], copies[chosen], smallest)
    near = np.zeros(len(points))
    for _ in range(_ROUNDS):
        label, near = _nearest(points, counts, _joined(points, counts, label))
    sizes = np.bincount(label + 1, weights=counts, minlength=1)[1:]
    kept = np.concatenate([[False], sizes >= smallest])
    number = np.cumsum(kept) - 1
    return np.where(kept[label + 1], number[label + 1], -1), np.where(kept[label + 1], near, 0.0)


def _dense(points: np.ndarray, copies: np.ndarray, smallest: int) -> np.ndarray:
    """Group of each point by density, where it stands for so many points."""
    from sklearn.cluster import HDBSCAN

    first = np.cumsum(copies) - copies
    repeated = np.repeat(points, copies, axis=0)
    size = max(2, min(smallest, len(repeated)))
    for single in (False, True):  # one group alone is asked for last: it would swallow every other
        model = HDBSCAN(
            min_cluster_size=size,
            min_samples=min(CORE_POINTS, len(repeated)),
            allow_single_cluster=single,
            copy=True,
        )
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # copies are at a distance of 0, whose inverse it takes
            found = model.fit(repeated).labels_[first]
        if (found >= 0).any():
            break
    return found


def _joined(points: np.ndarray, counts: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Groups whose middles are near put together, the nearest first (average linkage)."""
    middles = _middles(points, counts, label)
    if not 1 < len(middles) <= MOST_GROUPS:
        return label
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    apart = np.clip(1 - middles @ middles.T, 0, None)
    apart = (apart + apart.T) / 2
    np.fill_diagonal(apart, 0)
    tree = linkage(squareform(apart, checks=False), method="average")
    joined = fcluster(tree, 1 - SAME_BEHAVIOUR, criterion="distance") - 1
    return np.where(label >= 0, joined[np.maximum(label, 0)], -1)


def _middles(points: np.ndarray, counts: np.ndarray, label: np.ndarray) -> np.ndarray:
    """The mean direction of every group."""
    return unit_length(_sums(points, counts, label))


def _sums(points: np.ndarray, counts: np.ndarray, label: np.ndarray) -> np.ndarray:
    """The sum of every group's points, weighted by how often a description was given."""
    sums = np.zeros((label.max(initial=-1) + 1, points.shape[1]))
    inside = label >= 0
    np.add.at(sums, label[inside], points[inside] * _weight(counts[inside])[:, np.newaxis])
    return sums


def _weight(counts: np.ndarray) -> np.ndarray:
    # The root, so that a sentence that an auditor repeats does not hide its other wordings.
    return np.sqrt(counts)


def _nearest(points: np.ndarray, counts: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(the group of every point whose middle is nearest, the cosine). A point is no part of the middle that it is held
    against: it would be near to that of any small group."""
    sums = _sums(points, counts, label)
    found, near = np.full(len(points), -1), np.zeros(len(points))
    if not len(sums):
        return found, near
    length = np.linalg.norm(sums, axis=1)
    for start in range(0, len(points), _ROWS):
        rows = slice(start, start + _ROWS)
        product = points[rows] @ sums.T
        cosine = np.divide(product, length, out=np.zeros_like(product), where=length > 1e-9)
        mine = np.flatnonzero(label[rows] >= 0)
        own, weight = label[rows][mine], _weight(counts[rows][mine])
        # Of |x| = 1: |S - w x|^2 = |S|^2 - 2 w x.S + w^2.
        rest = np.sqrt(np.maximum(length[own] ** 2 - 2 * weight * product[mine, own] + weight**2, 0))
        without = product[mine, own] - weight
        # A sentence of its own that was given often is a group without others.
        alone = np.where(counts[rows][mine] > 1, 1.0, 0.0)
        cosine[mine, own] = np.divide(without, rest, out=alone, where=rest > 1e-9)
        best = cosine.argmax(axis=1)
        value = cosine[np.arange(len(best)), best]
        inside = value >= BELONGS
        found[rows] = np.where(inside, best, -1)
        near[rows] = np.where(inside, value, 0.0)
    # Numbers without gaps.
    _, number = np.unique(found[found >= 0], return_inverse=True)
    found[found >= 0] = number
    return found, near

"""Which finding is only a part of a stronger one: words of the sentences with which a model has begun to decline.

Nothing is left out by this, it is ranked behind: a reader sees what stands by itself first. Not here: features of nearly
the same turns (`redundancy`), which are told once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CONTAINED = 0.75
_ASSOCIATED = 0.01
_SAME = 0.05
MOST_STANDING = 50


@dataclass(frozen=True)
class Shown:
    """The pairs of a segment in which the side that shows a feature more often (`more`) and the other (`less`) show it."""

    more: np.ndarray
    less: np.ndarray


def is_part(part: Shown, whole: Shown, n: int) -> bool:
    """Whether `part` is explained by `whole`, both among the same n pairs (sorted numbers of the pairs).

    It is when, on the side that shows it more, most of its turns show `whole` too, more than chance would have, and when
    among the turns that show `whole` it is no more frequent on that side than on the other (one-sided Fisher's tests). A new
    behaviour in answers of a kind that both models give is therefore no part of that kind.
    """
    from scipy.stats import hypergeom

    inside, inside_less = _shared(part.more, whole.more), _shared(part.less, whole.less)
    if inside < CONTAINED * len(part.more):
        return False
    if hypergeom.sf(inside - 1, n, len(whole.more), len(part.more)) > _ASSOCIATED:
        return False
    among, among_less = len(whole.more), len(whole.less)
    more_often = hypergeom.sf(inside - 1, among + among_less, inside + inside_less, among)
    return bool(more_often > _SAME)


def _shared(first: np.ndarray, second: np.ndarray) -> int:
    if not len(first) or not len(second):
        return 0
    place = np.minimum(np.searchsorted(second, first), len(second) - 1)
    return int((second[place] == first).sum())

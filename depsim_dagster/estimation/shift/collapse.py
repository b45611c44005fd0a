"""Values of a covariate with too few sampled turns, merged with others so that none carries a weight of its own."""

from collections.abc import Sequence

import numpy as np

OTHER = "other"


def merged_values(
    values: Sequence[str], sampled_turns: np.ndarray, minimum: int, ordered: bool
) -> tuple[np.ndarray, list[str]]:
    """(the group of each of `values`, from 0; the name of each group).

    sampled_turns: of each value (0 for one that only the target has). A group has `minimum` of them where all turns together
    have. Values in an order (`ordered`) join the smaller of their neighbours, so that a group is a stretch of it; others join
    `other`, which takes in the rarest of the values that had enough until it has enough itself.
    """
    groups = [[place] for place in range(len(values))]
    counts = [int(count) for count in sampled_turns]
    if ordered:
        while len(groups) > 1 and min(counts) < minimum:
            place = int(np.argmin(counts))
            beside = [near for near in (place - 1, place + 1) if 0 <= near < len(groups)]
            first, second = sorted((place, min(beside, key=lambda at: counts[at])))
            groups[first] += groups.pop(second)
            counts[first] += counts.pop(second)
    else:
        by_size = sorted(range(len(values)), key=lambda place: (counts[place], values[place]))
        rare = [place for place in by_size if counts[place] < minimum]
        while rare and len(rare) < len(values) and sum(counts[place] for place in rare) < minimum:
            rare.append(by_size[len(rare)])
        groups = [[place] for place in range(len(values)) if place not in rare] + ([rare] if rare else [])
    group = np.zeros(len(values), dtype=np.int64)
    for number, places in enumerate(groups):
        group[places] = number
    return group, [_name([values[place] for place in places], ordered) for places in groups]


def _name(values: list[str], ordered: bool) -> str:
    return " + ".join(values) if ordered or len(values) == 1 else OTHER

"""Features that hit nearly the same turns are one finding: the words of a repeated sentence, a list and its bullets.

Turns are compared by the Jaccard index of the two sets, estimated from the SKETCH turns of each that hash lowest (Broder
1997); it is exact for sets of up to SKETCH turns.
"""

from __future__ import annotations

import numpy as np

SKETCH = 512
NEARLY_THE_SAME = 0.7


def turn_sketch(pairs: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """The lowest SKETCH hashes of these turns (pair number and side), sorted: uint64."""
    turns = pairs.astype(np.uint64) * np.uint64(2) + sides.astype(np.uint64)
    mixed = (turns + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(32)
    if len(mixed) > SKETCH:
        mixed = np.partition(mixed, SKETCH)[:SKETCH]
    return np.sort(mixed)


def jaccard(first: np.ndarray, second: np.ndarray) -> float:
    """The Jaccard index of two sets from their sketches."""
    union = np.union1d(first, second)
    if len(first) == SKETCH or len(second) == SKETCH:
        union = union[:SKETCH]
    shared = np.intersect1d(first, second, assume_unique=True)
    return float(np.isin(union, shared, assume_unique=True).mean()) if len(union) else 0.0


def strongest_of_each(
    sketches: list[np.ndarray], sizes: np.ndarray, rose: np.ndarray, named: np.ndarray, found: np.ndarray
) -> list[int]:
    """Places that are kept of features in the order of their strength, the strongest first.

    rose: the direction of each, as only features of one direction stand for each other. named: the feature is in words of
    the closed vocabulary; it takes the place of a phrase of the same turns, which tells a reader of the table nothing,
    unless only the phrase is found.
    """
    kept: list[int] = []
    for place, sketch in enumerate(sketches):
        for position, other in enumerate(kept):
            alike = min(sizes[place], sizes[other]) >= NEARLY_THE_SAME * max(sizes[place], sizes[other])
            if not alike or rose[place] != rose[other]:
                continue
            if jaccard(sketch, sketches[other]) >= NEARLY_THE_SAME:
                if named[place] and not named[other] and found[place] == found[other]:
                    kept[position] = place
                break
        else:
            kept.append(place)
    return sorted(kept)

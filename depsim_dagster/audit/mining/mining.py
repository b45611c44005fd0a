"""Differential mining of two models' turns on the same prefixes: which features are more frequent in one than the other.

`mine` streams the turns of both sides four times and holds numbers only: closed features and a sketch of the phrases,
exact counts of the frequent phrases, their counts in every segment, and the turns of those whose difference is worth
a second look. No model is called and no label is read; which turns are left out is the caller's (`flagged`).
"""

from __future__ import annotations

import numpy as np

from depsim_dagster.audit.minimum import Minimum
from depsim_dagster.audit.mining.counting import (
    ClosedFeatures,
    closed_counts,
    feature_turns,
    phrase_counts,
    segment_sizes,
)
from depsim_dagster.audit.mining.features import turn_features
from depsim_dagster.audit.mining.pairs import Pairs, Side
from depsim_dagster.audit.mining.phrases import PhraseCounts, PhraseReader
from depsim_dagster.audit.mining.prevalence_tests import (
    fisher_p_values,
    testable,
    weighted_benjamini_hochberg,
)
from depsim_dagster.audit.mining.reported import Mined, Tests, reported

# A phrase is counted when this share of all turns shows it, and no fewer than FEWEST_TURNS.
PHRASE_SHARE = 1e-4
FEWEST_TURNS = 10
# Differences of which the turns are held to look at users, and the turns that are held of all of them together.
MOST_FINALISTS = 1_500
MOST_TURNS_HELD = 20_000_000
FEWEST_FINALISTS = 200


def mine(
    pairs: Pairs,
    candidate: Side,
    predecessor: Side,
    minimum: Minimum,
    false_discovery: float,
    key: bytes,
    level: float = 0.95,
) -> Mined:
    """Differences in prevalence of closed features and of phrases, over all pairs and within segments.

    candidate, predecessor: streams of (pair, message) of the same pairs, each of which can be read again. key: ids are keyed
    digests, as a plain one of a phrase would give the phrase away to whoever guesses it. level: of the intervals.

    Memory: 64 MB of sketch, about 100 bytes a turn, 16 MB of segment counts, and 24 bytes for each of the held turns (480 MB
    at the most; 243 MB in all for 100,000 pairs of the sandbox, in benchmarks/novel_behaviours.py --speed).
    """
    sides = (candidate, predecessor)
    closed, counts, reader = ClosedFeatures(), PhraseCounts(), PhraseReader()
    for side, stream in enumerate(sides):
        for batch in stream():
            for pair, message in batch:
                offered = pairs.tool_sets[pairs.offered[pair]]
                closed.add(side, pair, turn_features(message, offered, pairs.nameable))
            counts.sketch(reader.grams(batch))
    fewest = max(
        FEWEST_TURNS, minimum.users, minimum.conversations, int(np.ceil(PHRASE_SHARE * 2 * len(pairs)))
    )
    for stream in sides:
        for batch in stream():
            counts.count(reader.grams(batch), fewest)
    vocabulary = counts.frequent(fewest)
    del counts  # the sketch's memory is wanted below

    # (sides, features, segments); the closed features come first.
    table = np.concatenate(
        [closed_counts(pairs, closed), phrase_counts(pairs, sides, reader, vocabulary)], axis=1
    )
    sizes = segment_sizes(pairs)
    feature, segment = np.nonzero(table.sum(axis=0) >= max(minimum.users, minimum.conversations))
    k1, k2, n = table[0, feature, segment], table[1, feature, segment], sizes[segment]
    kept = testable(k1 + k2, n, false_discovery)
    feature, segment, k1, k2, n = (values[kept] for values in (feature, segment, k1, k2, n))
    families = 2 * (feature >= len(closed.codes)) + (segment > 0)
    tests = Tests(feature, segment, k1, k2, n, fisher_p_values(k1, k2, n), families)
    finalists = _finalists(tests, false_discovery)
    hits, texts = feature_turns(pairs, sides, reader, closed, vocabulary, np.unique(tests.feature[finalists]))
    return reported(
        pairs, tests, finalists, list(closed.codes), hits, texts, minimum, false_discovery, key, level
    )


def _finalists(tests: Tests, false_discovery: float) -> np.ndarray:
    """The tests whose users are looked at: all that could be found, strongest first, within the memory that there is.

    What is not among them counts as a test with a p-value of 1, which can only make the others' adjusted ones larger.
    """
    adjusted = weighted_benjamini_hochberg(tests.p, tests.families)
    order = np.lexsort((tests.p, adjusted))
    could = int((adjusted <= false_discovery).sum())
    order = order[: min(max(could, FEWEST_FINALISTS), MOST_FINALISTS)]
    held = np.cumsum((tests.k1 + tests.k2)[order])
    return order[held <= MOST_TURNS_HELD]

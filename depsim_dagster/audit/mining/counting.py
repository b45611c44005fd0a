"""How many turns of each side show each feature, over all pairs and in every segment, and which turns they are.

Closed features are kept by turn (6 bytes each); phrases are counted from the texts again, so that texts are never held. Not
here: which phrases are counted (`phrases`), or what the counts mean (`prevalence_tests`).
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

import numpy as np

from depsim_dagster.audit.mining.features import Feature
from depsim_dagster.audit.mining.pairs import Pairs, Side
from depsim_dagster.audit.mining.phrases import PhraseReader


@dataclass
class ClosedFeatures:
    """Closed features of both sides: codes, and per side the turns that show each as two parallel arrays."""

    codes: dict[Feature, int] = field(default_factory=dict)
    pairs: tuple[array, array] = field(default_factory=lambda: (array("i"), array("i")))
    features: tuple[array, array] = field(default_factory=lambda: (array("H"), array("H")))

    def add(self, side: int, pair: int, shown: set[Feature]) -> None:
        for feature in sorted(shown):  # so that the same turns always give the same codes
            self.pairs[side].append(pair)
            self.features[side].append(self.codes.setdefault(feature, len(self.codes)))

    def hits(self, side: int) -> tuple[np.ndarray, np.ndarray]:
        return np.frombuffer(self.pairs[side], np.int32), np.frombuffer(self.features[side], np.uint16)


def segment_sizes(pairs: Pairs) -> np.ndarray:
    codes = pairs.segments[pairs.segments >= 0].astype(np.int64)
    return np.bincount(codes, minlength=len(pairs.segment_names))


def closed_counts(pairs: Pairs, closed: ClosedFeatures) -> np.ndarray:
    shape = len(closed.codes), len(pairs.segment_names)
    tables = np.zeros((2, *shape), np.int64)
    for side in (0, 1):
        shown, features = closed.hits(side)
        _add_by_segment(tables[side], features.astype(np.int64), pairs.segments[shown])
    return tables


def phrase_counts(
    pairs: Pairs, sides: tuple[Side, Side], reader: PhraseReader, vocabulary: np.ndarray
) -> np.ndarray:
    tables = np.zeros((2, len(vocabulary), len(pairs.segment_names)), np.int64)
    for side, stream in enumerate(sides):
        for batch in stream():
            grams = reader.grams(batch)
            known, place = _found(vocabulary, grams.hashes)
            _add_by_segment(tables[side], place, pairs.segments[grams.pairs[known]])
    return tables


def feature_turns(
    pairs: Pairs,
    sides: tuple[Side, Side],
    reader: PhraseReader,
    closed: ClosedFeatures,
    vocabulary: np.ndarray,
    wanted: np.ndarray,
) -> tuple[dict[int, tuple[np.ndarray, np.ndarray]], dict[int, tuple[str, int, bool]]]:
    """The pairs in which each side shows each of the wanted features, and of phrases (words, their number, in reasoning)."""
    first = len(closed.codes)
    phrases = wanted[wanted >= first] - first
    hits: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    for code in wanted[wanted < first].tolist():
        shown = (closed.hits(side) for side in (0, 1))
        hits[code] = tuple(np.sort(pair[features == code]).astype(np.int64) for pair, features in shown)
    texts: dict[int, tuple[str, int, bool]] = {}
    parts: list[list[tuple[np.ndarray, np.ndarray]]] = [[], []]
    hashes = vocabulary[phrases]
    for side, stream in enumerate(sides) if len(phrases) else ():
        for batch in stream():
            grams = reader.grams(batch)
            known, place = _found(hashes, grams.hashes)
            parts[side].append((place.astype(np.int32), grams.pairs[known].astype(np.int32)))
            fresh, where = np.unique(place, return_index=True)
            for code, i in zip(fresh.tolist(), known[where].tolist(), strict=True):
                if code not in texts:
                    texts[code] = (grams.text(i), int(grams.lengths[i]), bool(grams.reasoning[i]))
    by_side = []
    for side in (0, 1) if len(phrases) else ():
        place, pair = (np.concatenate(columns) for columns in zip(*parts[side], strict=True))
        order = np.lexsort((pair, place))
        by_side.append(np.split(pair[order], np.cumsum(np.bincount(place, minlength=len(phrases)))[:-1]))
    for number, phrase in enumerate(phrases.tolist()):
        # A phrase that stands in the answer and in the reasoning of one turn is two features, each once a turn.
        hits[first + phrase] = by_side[0][number].astype(np.int64), by_side[1][number].astype(np.int64)
    return hits, {first + int(phrases[code]): text for code, text in texts.items()}


def _add_by_segment(table: np.ndarray, rows: np.ndarray, segments: np.ndarray) -> None:
    for column in range(segments.shape[1]):
        codes = segments[:, column].astype(np.int64)
        inside = codes >= 0
        np.add.at(table, (rows[inside], codes[inside]), 1)


def _found(vocabulary: np.ndarray, hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(which of the hashes are in the vocabulary, their places in it)."""
    if not len(vocabulary):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    place = np.minimum(np.searchsorted(vocabulary, hashes), len(vocabulary) - 1)
    known = np.flatnonzero(vocabulary[place] == hashes)
    return known, place[known]

"""Word 1- to 4-grams of the models' texts, counted in bounded memory.

A phrase is a 64-bit hash until it is shown. A first pass counts every phrase in a count-min sketch (Cormode and
Muthukrishnan 2005, J Algorithms 55:58-75: two rows of 2**23 counters, 64 MB whatever the traffic; it never counts too
little). A second pass counts exactly what the sketch lets through, and keeps at most MOST_PHRASES. Answers and reasoning
are counted apart. Words are in lower case, and what holds a digit is `#`: numbers of one conversation are no phrase.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from depsim_dagster.audit.mining.features import message_reasoning, message_text
from depsim_dagster.audit.mining.text_shapes import READ, WORD

LONGEST = 4
MOST_PHRASES = 50_000
_BUCKETS = 23
_MERGE_AT = 4_000_000
_MOST_WORDS = 500_000
_LONG_WORD = 40
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_SALTS = [np.uint64(0xD6E8FEB86659FD93 * (n + 1) % 2**64) for n in range(LONGEST + 1)]
_REASONING = np.uint64(0xA0761D6478BD642F)


@dataclass(frozen=True)
class Grams:
    """Every phrase of a batch, once a turn: `pairs[i]` shows `hashes[i]`, first at `places[i]` with `lengths[i]` words."""

    pairs: np.ndarray
    hashes: np.ndarray
    places: np.ndarray
    lengths: np.ndarray
    reasoning: np.ndarray
    words: list[str]

    def text(self, i: int) -> str:
        """The words of phrase i. Conversation text: for the TEXT table alone."""
        return " ".join(self.words[self.places[i] : self.places[i] + self.lengths[i]])


class PhraseReader:
    """Batches of messages to `Grams`. It keeps hashes of words it has seen, at most half a million."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def grams(self, batch: Iterable[tuple[int, Mapping[str, Any]]]) -> Grams:
        words: list[str] = []
        ends, owners, in_reasoning = [], [], []
        for pair, message in batch:
            for text, reasoning in ((message_text(message), False), (message_reasoning(message), True)):
                if text:
                    words += WORD.findall(text[:READ].lower().replace("’", "'"))
                    ends.append(len(words))
                    owners.append(pair)
                    in_reasoning.append(reasoning)
        words = [_masked(word) for word in words]
        hashes = np.fromiter(map(self._hash, words), np.uint64, len(words))
        sizes = np.diff(np.array([0, *ends]))
        documents = np.repeat(np.arange(len(ends)), sizes)
        salted = np.array(in_reasoning, dtype=bool)[documents] if len(ends) else np.zeros(0, bool)
        hashes = np.where(salted, hashes ^ _REASONING, hashes)
        places, grams, lengths = [], [], []
        running = np.zeros(len(words), np.uint64)
        for n in range(1, LONGEST + 1):
            left = max(len(words) - n + 1, 0)
            running = _mixed(running[:left] * _MULTIPLIER + hashes[n - 1 : n - 1 + left] + _SALTS[n])
            inside = np.flatnonzero(documents[:left] == documents[n - 1 : n - 1 + left])
            places.append(inside)
            grams.append(running[inside])
            lengths.append(np.full(len(inside), n, np.int8))
        place, gram, length = (np.concatenate(parts) for parts in (places, grams, lengths))
        document = documents[place]
        # Documents rise with the places of each length, and a hash has one length: the first of equals is the earliest.
        order = np.argsort(gram, kind="stable")
        gram, document = gram[order], document[order]
        first = np.ones(len(gram), bool)
        first[1:] = (gram[1:] != gram[:-1]) | (document[1:] != document[:-1])
        kept = order[first]
        owner = np.array(owners, dtype=np.int64)
        return Grams(
            owner[document[first]] if len(ends) else np.zeros(0, np.int64),
            gram[first],
            place[kept],
            length[kept],
            salted[place[kept]],
            words,
        )

    def _hash(self, word: str) -> int:
        known = self._known.get(word)
        if known is None:
            if len(self._known) >= _MOST_WORDS:
                self._known.clear()
            digest = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
            known = self._known[word] = int.from_bytes(digest, "big")
        return known


class PhraseCounts:
    """Which phrases at least `fewest` turns of either model show, from two passes over the texts of both."""

    def __init__(self) -> None:
        self._sketch = np.zeros((2, 1 << _BUCKETS), np.uint32)
        self._chunks: list[tuple[np.ndarray, np.ndarray]] = []
        self._held = 0

    def sketch(self, grams: Grams) -> None:
        """First pass."""
        hashes, counts = _counted(grams.hashes)
        for row, places in enumerate(self._places(hashes)):
            np.add.at(self._sketch[row], places, counts)

    def count(self, grams: Grams, fewest: int) -> None:
        """Second pass: exact counts of what may be frequent enough."""
        hashes, counts = _counted(grams.hashes)
        first, second = self._places(hashes)
        kept = np.minimum(self._sketch[0][first], self._sketch[1][second]) >= fewest
        self._chunks.append((hashes[kept], counts[kept]))
        self._held += int(kept.sum())
        if self._held > _MERGE_AT:
            self._merge()

    def frequent(self, fewest: int) -> np.ndarray:
        """The hashes of the phrases that at least `fewest` turns show, sorted; the most frequent where they are more than
        MOST_PHRASES. The choice looks at both models together, never at a difference between them."""
        self._merge()
        hashes, counts = self._chunks[0] if self._chunks else (np.zeros(0, np.uint64), np.zeros(0, np.int64))
        if (counts >= fewest).sum() > MOST_PHRASES:
            fewest = int(np.partition(counts, -MOST_PHRASES)[-MOST_PHRASES]) + 1
        return hashes[counts >= fewest]

    def _merge(self) -> None:
        if not self._chunks:
            return
        hashes = np.concatenate([chunk[0] for chunk in self._chunks])
        counts = np.concatenate([chunk[1] for chunk in self._chunks])
        values, inverse = np.unique(hashes, return_inverse=True)
        self._chunks = [(values, np.bincount(inverse, counts, len(values)).astype(np.int64))]
        self._held = len(values)

    def _places(self, hashes: np.ndarray) -> Iterator[np.ndarray]:
        yield (hashes >> np.uint64(64 - _BUCKETS)).astype(np.int64)
        yield (_mixed(hashes ^ _MULTIPLIER) >> np.uint64(64 - _BUCKETS)).astype(np.int64)


def _masked(word: str) -> str:
    if word.isalpha():
        return word[:_LONG_WORD]
    return "#" if any(character.isdigit() for character in word) else word[:_LONG_WORD]


def _counted(hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sorted hashes to distinct ones and how often each stands."""
    if not len(hashes):
        return hashes, np.zeros(0, np.uint32)
    starts = np.flatnonzero(np.concatenate([[True], hashes[1:] != hashes[:-1]]))
    return hashes[starts], np.diff(np.append(starts, len(hashes))).astype(np.uint32)


def _mixed(values: np.ndarray) -> np.ndarray:
    """The finaliser of SplitMix64 (Steele, Lea and Flood 2014): every bit of the input moves every bit of the output."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))

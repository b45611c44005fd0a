"""MinHash sketches of texts, for finding near copies without keeping text.

A sketch is a one-permutation MinHash (Li, Owen and Zhang 2012) of the word 3-grams: hashes fall into 64 bins, each bin
keeps its smallest, and an empty bin borrows that of another (densification, Shrivastava 2017). The share of equal
values of two sketches estimates the Jaccard similarity of their 3-grams, with a standard error of at most about 0.07. All
hashes hang on a key: without it no sketch can be compared with that of a guessed text.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from depsim_dagster.traffic.pseudonyms import derived_key

SIZE = 64
WORDS = 3
LONGEST = 100_000  # characters of a text that are looked at
_BATCH = 1 << 18  # bytes that are hashed in one go
_EMPTY = np.uint64(2**64 - 1)
_VALUE = np.uint64(32)  # bits of a value
_LOW = np.uint64(2**32 - 1)


def evened(text: str) -> str:
    """A text without differences of case and spacing: its words with one space between them."""
    return " ".join(text.casefold().split())


class Sketcher:
    """Sketches under one key."""

    def __init__(self, key: bytes):
        seed = np.frombuffer(derived_key(key, "sketch"), dtype=np.uint64)
        rng = np.random.Generator(np.random.PCG64([int(part) for part in seed]))
        odd = rng.integers(0, 2**63, size=2 + WORDS, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
        self._base, self._salt, self._factors = odd[0], odd[1], odd[2:]
        self._powers = self._inverses = np.ones(1, dtype=np.uint64)
        # Where an empty bin looks for a full one, try by try; 64 rotations at the end reach every bin.
        tries = np.stack([rng.permutation(SIZE) for _ in range(SIZE)])
        rotations = (np.arange(SIZE)[:, None] + np.arange(SIZE)[None, :]) % SIZE
        self._tries = np.concatenate([tries, rotations])

    def sketches(self, texts: Sequence[str]) -> list[np.ndarray | None]:
        """For each text, as `evened` gives it, 64 uint32 values, or None where it has fewer than 3 words."""
        found: list[np.ndarray | None] = [None] * len(texts)
        batch: list[str] = []
        places: list[int] = []
        size = 0
        for place, text in enumerate(texts):
            text = text[:LONGEST].rstrip()
            if text.count(" ") >= WORDS - 1:
                places.append(place)
                batch.append(text)
                size += len(text)
            if batch and (size > _BATCH or place == len(texts) - 1):
                for at, row in zip(places, self._rows(batch), strict=True):
                    found[at] = row
                places, batch, size = [], [], 0
        return found

    def _rows(self, texts: list[str]) -> np.ndarray:
        counts = np.array([text.count(" ") + 1 for text in texts])
        data = np.frombuffer(" ".join([*texts, ""]).encode("utf-8", "surrogatepass"), dtype=np.uint8)
        hashes = self._word_hashes(data)
        ends = np.cumsum(counts)
        # The 3-grams that begin with the last two words of a text would run into the next text.
        begins = np.ones(len(hashes), dtype=bool)
        for back in range(1, WORDS):
            begins[ends - back] = False
        begins = np.flatnonzero(begins)
        grams = np.zeros(len(begins), dtype=np.uint64)
        for place, factor in enumerate(self._factors):
            grams = _mixed(grams + hashes[begins + place] * factor)
        text_of = np.repeat(np.arange(len(texts), dtype=np.int64), counts - (WORDS - 1))
        # Text, bin and hash in one number, so that one sort brings the smallest of each bin to the front of it.
        keys = np.sort(
            ((text_of * SIZE).astype(np.uint64) + (grams >> np.uint64(58)) << _VALUE) | grams & _LOW
        )
        bins = keys >> _VALUE
        first = np.ones(len(keys), dtype=bool)
        first[1:] = bins[1:] != bins[:-1]
        smallest = np.full(len(texts) * SIZE, _EMPTY)
        smallest[bins[first]] = keys[first] & _LOW
        return self._dense(smallest.reshape(len(texts), SIZE)).astype(np.uint32)

    def _word_hashes(self, data: np.ndarray) -> np.ndarray:
        """A polynomial hash of each word of `data`, which ends every word with a space."""
        if len(self._powers) < len(data):
            inverse = np.uint64(pow(int(self._base), -1, 2**64))
            self._powers = np.cumprod(np.full(len(data), self._base), dtype=np.uint64)
            self._inverses = np.cumprod(np.full(len(data), inverse), dtype=np.uint64)
        sums = np.empty(len(data) + 1, dtype=np.uint64)
        sums[0] = 0
        np.cumsum((data + self._salt) * self._powers[: len(data)], out=sums[1:])
        ends = np.flatnonzero(data == ord(" "))
        starts = np.concatenate([np.zeros(1, np.int64), ends[:-1] + 1])
        return _mixed((sums[ends] - sums[starts]) * self._inverses[starts])

    def _dense(self, rows: np.ndarray) -> np.ndarray:
        full = rows.copy()
        at_row, at_bin = np.nonzero(rows == _EMPTY)
        for tried in self._tries:
            if not len(at_row):
                break
            borrowed = rows[at_row, tried[at_bin]]
            full[at_row, at_bin] = borrowed
            empty = borrowed == _EMPTY
            at_row, at_bin = at_row[empty], at_bin[empty]
        return full


def _mixed(values: np.ndarray) -> np.ndarray:
    """The finaliser of splitmix64: every bit of the input moves every bit of the result."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))

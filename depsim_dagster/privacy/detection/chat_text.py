"""One text with what every family of recognisers asks first: its words, its scripts, where its long numbers stand.

Most chat text holds nothing personal. A recogniser therefore names what must be there (a word, a character, a number
of at least so many digits) and is only run, on the neighbourhood of it, where it is.
"""

from __future__ import annotations

import re
from functools import cached_property
from itertools import accumulate

# With a group, so that `split` yields what stands between them too: one pass that says where each of them begins.
_WORDS = re.compile(r"([^\W\d_]+)")
# Vowel signs and points are no letters to `re`.
_MARKED_WORDS = re.compile(
    "((?:[^\\W\\d_]"
    "|[\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u0900-\u0903\u093a-\u094f\u0962\u0963])+)"
)
_DIGITS = re.compile(r"(\d+)")
_UNSPACED = re.compile("[\u2e80-\u9fff\uf900-\ufaff]")
_HANGUL = re.compile("[\uac00-\ud7af]")
_UNCASED = re.compile("[\u0590-\u08ff\u0900-\u0dff\u0e00-\u0e7f]")

# Numbers this far apart may be one number with something in between; around them a recogniser sees this much.
_GAP, _MARGIN = 12, 40
_LONG = 6


class ChatText:
    """A text and its facts, each computed once; those that few texts need only when asked for."""

    def __init__(self, text: str, language: str | None = None):
        self.text = text
        self.language = (language or "")[:2].lower() or None
        plain = text.isascii()
        # Chinese or Japanese characters; Hangul; letters of a spaced script without capitals (Arabic, Hebrew, Devanagari).
        self.unspaced = not plain and _UNSPACED.search(text) is not None
        self.hangul = not plain and _HANGUL.search(text) is not None
        self.uncased = not plain and _UNCASED.search(text) is not None
        lower = text.lower()
        # Small letters at the same offsets.
        self.lower = lower if plain or len(lower) == len(text) else "".join(map(_small, text))
        self._word_parts = (_MARKED_WORDS if self.uncased else _WORDS).split(self.lower)
        # The words in small letters, in their order; of scripts without spaces the runs between punctuation.
        self.word_list = self._word_parts[1::2]
        self.words = frozenset(self.word_list)
        # (start, end) of every run of digits.
        self.numbers: list[tuple[int, int]] = []
        parts = _DIGITS.split(text)
        if len(parts) > 1:
            places = list(accumulate(map(len, parts)))
            self.numbers = list(zip(places[::2], places[1::2], strict=False))
        self.digits = len(parts) > 1
        # What the phrase tables (labels.py) share of this text.
        self.phrase_heads: dict[int, list[tuple[str, int]]] | None = None

    @cached_property
    def word_places(self) -> list[int]:
        """Where each of `word_list` begins."""
        return list(accumulate(map(len, self._word_parts)))[::2]

    @cached_property
    def word_starts(self) -> dict[str, list[int]]:
        """Where each word begins."""
        starts: dict[str, list[int]] = {}
        for word, place in zip(self.word_list, self.word_places, strict=False):
            starts.setdefault(word, []).append(place)
        return starts

    @cached_property
    def longest_word(self) -> int:
        """Characters of the longest stretch without a blank: keys and wallets need a long one."""
        return max(map(len, self.text.split()), default=0)

    @cached_property
    def number_windows(self) -> list[tuple[int, int]]:
        """(start, end) of the neighbourhoods of numbers with at least six digits; they do not overlap."""
        windows: list[tuple[int, int]] = []
        begin = end = -1
        count = 0
        text_end = len(self.text)
        for start, stop in self.numbers:
            if begin >= 0 and start - end <= _GAP:
                count += stop - start
            else:
                if count >= _LONG:
                    self._add(windows, begin, end, text_end)
                begin, count = start, stop - start
            end = stop
        if count >= _LONG:
            self._add(windows, begin, end, text_end)
        return windows

    @staticmethod
    def _add(windows: list[tuple[int, int]], begin: int, end: int, text_end: int) -> None:
        start, stop = max(0, begin - _MARGIN), min(text_end, end + _MARGIN)
        if windows and start <= windows[-1][1]:
            windows[-1] = (windows[-1][0], stop)
        else:
            windows.append((start, stop))

    def has_any(self, words: frozenset[str]) -> bool:
        """Whether one of `words` (small letters) stands in the text."""
        return not words.isdisjoint(self.words)


def _small(character: str) -> str:
    return small if len(small := character.lower()) == 1 else character

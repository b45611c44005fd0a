"""One text with what every family of recognisers asks first: its words, its scripts, where its long numbers stand.

Most chat text holds nothing personal. A recogniser therefore names what must be there (a word, a character, a number
of at least so many digits) and is only run, on the neighbourhood of it, where it is.
"""

from __future__ import annotations

import re
from functools import cached_property

_WORDS = re.compile(r"[^\W\d_]+")
# Vowel signs and points are no letters to `re`.
_MARKED_WORDS = re.compile(
    "(?:[^\\W\\d_]"
    "|[\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u0900-\u0903\u093a-\u094f\u0962\u0963])+"
)
_DIGITS = re.compile(r"\d+")
_UNSPACED = re.compile("[\u2e80-\u9fff\uf900-\ufaff]")
_HANGUL = re.compile("[\uac00-\ud7af]")
_UNCASED = re.compile("[\u0590-\u08ff\u0900-\u0dff\u0e00-\u0e7f]")

# Numbers this far apart may be one number with something in between; around them a recogniser sees this much.
_GAP, _MARGIN = 12, 40
_LONG = 6


class ChatText:
    """A text and its cheap facts, each computed once and only when asked for."""

    def __init__(self, text: str, language: str | None = None):
        self.text = text
        self.language = (language or "")[:2].lower() or None

    @cached_property
    def lower(self) -> str:
        """Small letters at the same offsets."""
        lower = self.text.lower()
        if len(lower) == len(self.text):
            return lower
        return "".join(
            small if len(small := character.lower()) == 1 else character for character in self.text
        )

    @cached_property
    def words(self) -> frozenset[str]:
        """The words in small letters; of scripts without spaces the runs between punctuation."""
        return frozenset((_MARKED_WORDS if self.uncased else _WORDS).findall(self.lower))

    @cached_property
    def word_starts(self) -> dict[str, list[int]]:
        """Where each word begins."""
        starts: dict[str, list[int]] = {}
        for match in (_MARKED_WORDS if self.uncased else _WORDS).finditer(self.lower):
            starts.setdefault(match.group(), []).append(match.start())
        return starts

    @cached_property
    def unspaced(self) -> bool:
        """Whether there are Chinese or Japanese characters."""
        return not self.text.isascii() and _UNSPACED.search(self.text) is not None

    @cached_property
    def hangul(self) -> bool:
        return not self.text.isascii() and _HANGUL.search(self.text) is not None

    @cached_property
    def uncased(self) -> bool:
        """Whether there are letters of a spaced script without capitals (Arabic, Hebrew, Devanagari …)."""
        return not self.text.isascii() and _UNCASED.search(self.text) is not None

    @cached_property
    def digits(self) -> bool:
        return _DIGITS.search(self.text) is not None

    @cached_property
    def number_windows(self) -> list[tuple[int, int]]:
        """(start, end) of the neighbourhoods of numbers with at least six digits; they do not overlap."""
        windows: list[tuple[int, int]] = []
        begin = end = -1
        count = 0
        text_end = len(self.text)
        for match in _DIGITS.finditer(self.text):
            start, stop = match.span()
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

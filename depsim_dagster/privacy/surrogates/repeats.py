"""Where a conversation repeats a detail that it gave away elsewhere, without the context that gave it away.

One pass over the words of a text, whatever the number of details known: a pasted table of thousands of customers takes
no longer than prose. Case, accents, full width and invisible characters make no difference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from depsim_dagster.privacy.detection.identifier_spans import IdentifierSpan
from depsim_dagster.privacy.detection.unicode_folding import fold
from depsim_dagster.privacy.surrogates.shapes import FOLDING, MARKS, UNSPACED, folded, script_of

_LETTER = r"[^\W\d_\u2e80-\u9fff\uac00-\ud7af]"  # of a script with spaces
_RUN = re.compile(rf"{_LETTER}(?:{_LETTER}|[{MARKS}])*|\d+|[\u2e80-\u9fff\uac00-\ud7af]+")
_ASCII_RUN = re.compile("[a-z]+|[0-9]+")
SHORTEST = 2
# Names in scripts without spaces have to be searched one by one; more of them than this in one conversation are a list.
MOST_UNSPACED = 200


class KnownDetails:
    """The details of one conversation; `find` says where a text repeats them."""

    def __init__(self) -> None:
        # First run of letters or digits → (length, offset of the run), the longest first → text → (type, capital).
        self._by_run: dict[str, dict[tuple[int, int], dict[str, tuple[str, bool]]]] = {}
        self._unspaced: dict[str, str] = {}
        self._values: set[str] = set()

    def __contains__(self, value: str) -> bool:
        return folded(value).strip() in self._values

    def add(self, value: str, type_: str, capital: bool = False) -> None:
        """Remember a value. `capital`: it is a detail only where it begins with a capital letter."""
        plain = folded(value).strip()
        if plain in self._values or len(plain) < SHORTEST:
            return
        run = (_ASCII_RUN if plain.isascii() else _RUN).search(plain)
        if run is None:
            return
        self._values.add(plain)
        if script_of(plain) in UNSPACED:
            if len(self._unspaced) < MOST_UNSPACED:
                self._unspaced[plain] = type_
            return
        extents, extent = self._by_run.get(run.group()), (len(plain), run.start())
        if extents is None:
            extents = self._by_run[run.group()] = {extent: {}}
        elif extent not in extents:
            extents = self._by_run[run.group()] = dict(sorted([*extents.items(), (extent, {})], reverse=True))
        extents[extent][plain] = (type_, capital)

    def find(self, text: str) -> list[IdentifierSpan]:
        """Where known details stand as whole words, in their order; a number also where it is glued to a word."""
        if not self._values:
            return []
        plain, places = _plain(text)
        found = sorted([*self._words(plain, text, places), *self._inside(plain)], key=lambda span: span[1])
        return [
            IdentifierSpan(type_, places[start][0], places[end - 1][1])
            if places
            else IdentifierSpan(type_, start, end)
            for type_, start, end in found
        ]

    def _words(
        self, plain: str, text: str, places: list[tuple[int, int]] | None
    ) -> Iterator[tuple[str, int, int]]:
        pattern = _ASCII_RUN if plain.isascii() else _RUN
        if self._by_run.keys().isdisjoint(pattern.findall(plain)):
            return
        free = 0
        for run in pattern.finditer(plain):
            extents = self._by_run.get(run.group())
            if extents is None:
                continue
            for (length, offset), values in extents.items():
                start = run.start() - offset
                end = start + length
                known = values.get(plain[start:end]) if start >= free else None
                if known is None or not _is_whole(plain, start, end):
                    continue
                type_, capital = known
                if capital and text[places[start][0] if places else start].islower():
                    continue
                yield type_, start, end
                free = end
                break

    def _inside(self, plain: str) -> Iterator[tuple[str, int, int]]:
        for value, type_ in self._unspaced.items():
            start = plain.find(value)
            while start >= 0:
                yield type_, start, start + len(value)
                start = plain.find(value, start + len(value))


def _is_whole(plain: str, start: int, end: int) -> bool:
    """Whether no letter touches a letter at either end, nor a digit a digit."""
    return not (
        _is_one_run(plain[start - 1 : start], plain[start])
        or _is_one_run(plain[end - 1], plain[end : end + 1])
    )


def _is_one_run(left: str, right: str) -> bool:
    if not left or not right:
        return False
    if left.isdecimal() and right.isdecimal():
        return True
    return (
        left.isalpha()
        and right.isalpha()
        and script_of(left) not in UNSPACED
        and script_of(right) not in UNSPACED
    )


def _plain(text: str) -> tuple[str, list[tuple[int, int]] | None]:
    """The folded text, and where each of its characters stood when they are not as many as before."""
    if text.isascii():
        return text.lower(), None
    shadow = fold(text)
    shown = shadow.text if shadow else text
    plain = shown.translate(FOLDING)
    if shadow is None and all(len(FOLDING[ord(character)]) == 1 for character in set(text)):
        return plain, None
    places: list[tuple[int, int]] = []
    for place, character in enumerate(shown):
        stood = shadow.original(place, place + 1) if shadow else (place, place + 1)
        places += [stood] * len(FOLDING[ord(character)])
    return plain, places

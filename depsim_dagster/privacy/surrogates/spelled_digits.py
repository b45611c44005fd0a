"""Digits that are spelled out: `four one five` is 415, and its surrogate is spelled in the same language and case."""

from __future__ import annotations

import re
from collections.abc import Callable

from depsim_dagster.privacy.surrogates.shapes import WORD, folded, visible, written_like

DIGIT_WORDS: dict[str, tuple[str, ...]] = {
    language: tuple(names.split())
    for language, names in {
        "en": "zero one two three four five six seven eight nine",
        "de": "null eins zwei drei vier fünf sechs sieben acht neun",
        "fr": "zéro un deux trois quatre cinq six sept huit neuf",
        "es": "cero uno dos tres cuatro cinco seis siete ocho nueve",
        "pt": "zero um dois três quatro cinco seis sete oito nove",
        "it": "zero uno due tre quattro cinque sei sette otto nove",
        "nl": "nul een twee drie vier vijf zes zeven acht negen",
    }.items()
}
_DIGIT_OF: dict[str, str] = {}
for _names in DIGIT_WORDS.values():
    for _digit, _name in enumerate(_names):
        _DIGIT_OF.setdefault(folded(_name), str(_digit))
_DIGIT_OF |= {"oh": "0"}
_ASCII_WORD = re.compile("[a-z]+")


def digit_of(word: str) -> str:
    """The digit that a word is the name of, or an empty text."""
    return _DIGIT_OF.get(folded(word), "")


def digits_for_words(text: str) -> str:
    """A text with `four one five` as `4 1 5`."""
    if text.isascii() and _DIGIT_OF.keys().isdisjoint(_ASCII_WORD.findall(text.lower())):
        return text
    return WORD.sub(lambda word: digit_of(word.group()) or word.group(), text)


def spelled_like(original: str) -> Callable[[str], str] | None:
    """Writes digits as the words of the original; None where the original spells none."""
    text = visible(original)
    words = [word.group() for word in WORD.finditer(text) if digit_of(word.group())]
    if not words:
        return None
    names = max(
        DIGIT_WORDS.values(), key=lambda names: sum(folded(word) in map(folded, names) for word in words)
    )

    def write(digits: str) -> str:
        source = iter(digits)

        def part(match: re.Match[str]) -> str:
            if match.group().isdecimal():
                return next(source, "")
            if not digit_of(match.group()):
                return match.group()
            digit = next(source, "")
            return written_like(match.group())(names[int(digit)]) if digit.isdecimal() else ""

        return re.sub(rf"\d|{WORD.pattern}", part, text)

    return write

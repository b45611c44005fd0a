"""Capital words that stand together as the words of a name do, each with its scores from the gazetteer.

A word's score as a first or a last name is lower the more common it is as an ordinary word. Words that no source knows
are judged by what family names of their language end in.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

from depsim_dagster.privacy.detection.gazetteers import UNKNOWN, Lexeme, gazetteer
from depsim_dagster.privacy.detection.name_words import PARTICLES, TITLES

_UPPER = "".join(
    character
    for low, high in ((0x41, 0x530), (0x1E00, 0x2000), (0x10A0, 0x10C6))
    for character in map(chr, range(low, high))
    if character.isupper() or unicodedata.category(character) == "Lt"
)
_CAPITAL = re.compile(rf"[{_UPPER}][^\W\d_]*(?:['’](?=[{_UPPER}])[^\W\d_]+|[-‐‑][^\W\d_]+){{0,3}}")
# Beside these a capital word is a name in code.
CODE_BEFORE = frozenset("_@#/\\$.=<&*~^")
_GAPS = frozenset(
    [
        " ",
        "\u00a0",
        *(f" {particle} " for particle in PARTICLES),
        *(f" {p}" for p in ("d'", "d’", "l'", "l’", "al-", "el-", "ad-", "ash-", "as-", "at-")),
    ]
)
_LONGEST_GAP = max(map(len, _GAPS))
LONGEST_RUN = 12
# Scores of a word that no source knows.
UNKNOWN_FIRST, UNKNOWN_LAST = 2, 5
PARTICLE_WORDS = frozenset(word for particle in PARTICLES for word in particle.split()) | {
    "mc",
    "mac",
    "st",
    "saint",
}


class Word(NamedTuple):
    """A capital word at text[start:end] with its scores."""

    start: int
    end: int
    key: str
    lexeme: Lexeme
    first: int
    last: int


def capital_runs(text: str) -> Iterator[list[Word]]:
    """Capital words that stand together as the words of a name do."""
    run: list[Word] = []
    lexeme_of = gazetteer().lexeme
    previous = -1
    for match in _CAPITAL.finditer(text):
        start, end = match.span()
        before = text[start - 1] if start else " "
        if before != " " and (before.isalnum() or before in CODE_BEFORE):
            glued_initial = (
                before == "." and run and run[-1].end == start - 1 and run[-1].end - run[-1].start == 1
            )
            if not glued_initial:
                if run:
                    yield run
                    run = []
                continue
        word = scored_word(match.group(), start, end, lexeme_of)
        if run and (
            start - previous > _LONGEST_GAP
            or len(run) >= LONGEST_RUN
            or not _together(text, run[-1], previous, start)
        ):
            yield run
            run = []
        run.append(word)
        previous = end
    if run:
        yield run


def _together(text: str, last: Word, end: int, start: int) -> bool:
    gap = text[end:start]
    if gap in _GAPS:
        return True
    if gap in (". ", ".", ".\u00a0"):
        return last.end - last.start == 1 or last.key in TITLES or last.key in ("st", "jr", "sr")
    return gap == ""


def scored_word(value: str, start: int, end: int, lexeme_of: Callable[[str], Lexeme]) -> Word:
    return Word(start, end, *_scores(value, lexeme_of))


@lru_cache(maxsize=1 << 15)  # the same words come again and again
def _scores(value: str, lexeme_of: Callable[[str], Lexeme]) -> tuple[str, Lexeme, int, int]:
    key = value.casefold() if value.isascii() else unicodedata.normalize("NFC", value).casefold()
    lexeme = lexeme_of(key)
    if not any(lexeme):
        lexeme = _variant(key, lexeme_of)
    elif key.endswith(_PATRONYMICS) or (
        not lexeme.word and not lexeme.place and max(lexeme.first, lexeme.last) < 5
    ):
        lexeme = _by_ending(key, lexeme)
    first, last, word, place = lexeme
    against = word - 5 if word > 5 else 0
    if not (first or last or word):
        camel = not value.isupper() and any(map(str.isupper, value[1:])) and not _COMPOUND.match(value)
        if len(value) > 1 and not camel and not value.isupper():
            return key, lexeme, UNKNOWN_FIRST, UNKNOWN_LAST
        return key, lexeme, 0, 0
    return key, lexeme, first - against, last - against if last or word else UNKNOWN_LAST


_COMPOUND = re.compile(r"(?:Mc|Mac|De|Di|La|Le|Van|Von|Fitz|Du|Lo|O['’]|D['’]|L['’])[^\W\d_]|[^-]+-")
# Names that the gazetteer lacks, by what patronymics and family names end in.
_PATRONYMICS = ("ович", "евич", "овна", "евна", "ична", "ovich", "evich", "ovna", "evna")
_NAME_ENDINGS: tuple[tuple[tuple[str, ...], Lexeme], ...] = (
    (_PATRONYMICS, Lexeme(8, 2, 0, 0)),
    (
        tuple("ов ова ев ева ин ина ский ская цкий цкая енко чук юк ук швили дзе ян".split()),
        Lexeme(0, 7, 0, 0),
    ),
    (
        tuple(
            "ski ska cki cka wicz czyk czak owski ová sson sdóttir dóttir escu opoulos idis akis shvili adze oğlu oglu ović ević"
            " enko chuk nen ez stra mann bauer elli etti ucci ini".split()
        ),
        Lexeme(0, 6, 0, 0),
    ),
)  # fmt: skip


# Endings of the other cases in Slavic languages, and what the name ends in itself.
_DECLINED = (
    ("ом", ""), ("у", ""), ("а", ""), ("ой", "а"), ("е", "а"), ("ем", "й"), ("em", ""), ("owi", ""), ("ю", "й"), ("я", "й"), ("ej", "a"), ("ą", "a"),
)  # fmt: skip


def _by_ending(key: str, lexeme: Lexeme) -> Lexeme:
    if len(key) > 5:
        for endings, likely in _NAME_ENDINGS:
            if key.endswith(endings):
                return likely
    return lexeme


def _variant(key: str, lexeme_of: Callable[[str], Lexeme]) -> Lexeme:
    """Of a double name the parts together; of a word with accents the word without."""
    if "-" in key or "‑" in key or "‐" in key:
        parts = [lexeme_of(part) for part in re.split("[-‐‑]", key) if part]
        if parts and all(part.first or part.last for part in parts):
            return Lexeme(
                max(p.first for p in parts), max(p.last for p in parts), min(p.word for p in parts), 0
            )
        return Lexeme(0, 0, max((p.word for p in parts), default=0), 0)
    if not key.isascii():
        plain = "".join(c for c in unicodedata.normalize("NFD", key) if not unicodedata.combining(c))
        if plain != key:
            return lexeme_of(plain)
    for apostrophe in "'’":
        if apostrophe in key:
            rest = (
                lexeme_of(key.replace(apostrophe, "'"))
                if apostrophe == "’"
                else lexeme_of(key.split(apostrophe)[1])
            )
            return Lexeme(rest.first // 2, max(rest.last, 6), 0, 0)
    if any(likely := _by_ending(key, UNKNOWN)):
        return likely
    # Declined as Slavic languages do: the stem with another ending.
    if len(key) > 5 and (not key.isascii() or key.endswith(("em", "owi"))):
        for ending, nominative in _DECLINED:
            if key.endswith(ending):
                stem = lexeme_of(key[: -len(ending)] + nominative)
                if stem.first > 5 or stem.last > 5:
                    return stem
    return UNKNOWN


def is_camel(text: str, word: Word) -> bool:
    """Whether a word has capitals inside, other than MacAllister and DiCaprio have."""
    return any(map(str.isupper, text[word.start + 1 : word.end])) and not _COMPOUND.match(
        text[word.start : word.end]
    )

"""Phrases that announce a personal detail (`account number`, `geboren am`, `"first_name"`), found without a scan per phrase.

Phrases are written in a small notation: `(a|b)` one of, `[a|b]` one of or nothing, a blank for any separator of up to
three characters, a final `*` for any ending; a line that ends in a bar goes on in the next. They are filed under their
first words, and a text is asked only for the few of these that it holds.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from depsim_dagster.privacy.detection.chat_text import ChatText

_PART = re.compile(r"\(([^()]*)\)|\[([^\[\]]*)\]|([^()\[\]]+)")
_WRAPPED = re.compile(r"\|\n\s*")
_GAP = r"[\W_]{0,3}"
_ENDING = r"[^\W\d_]{0,12}"
_BACKWARD = 48
_BACKWARD_ASCII = re.compile("[a-z]+")
_BACKWARD_WORDS = re.compile("(?:[^\\W\\d_]|[\u0900-\u0963\u064b-\u065f])+")
_MOST_WORDS = 8  # of a phrase that is looked for backwards
_STEM = 5  # letters of a first word with a free ending under which it is filed


_MOST_KNOWN = 1 << 16  # words of which it is remembered whether phrases begin with them
_tables: list[LabelTable] = []
# Word → (number of the table, first word or stem); words with which no phrase begins.
_heads: dict[str, tuple[tuple[int, str], ...]] = {}
_plain: set[str] = set()


class Announcement(NamedTuple):
    """A phrase of `kind` at text[start:end]."""

    kind: str
    start: int
    end: int


class LabelTable:
    """`phrases` maps kinds to lists of phrases in the notation above, separated by semicolons or line ends."""

    def __init__(self, phrases: Mapping[str, str]):
        tails: dict[str, dict[str, str]] = defaultdict(dict)
        for kind, listing in phrases.items():
            for words in phrases_by_words(listing):
                tails[words[0]].setdefault(" ".join(words[1:]), kind)
                if len(words) > 1 and all(word.isascii() and word.isalpha() for word in words):
                    tails["".join(words)].setdefault("", kind)
        self._tails = {
            word.rstrip("*"): (
                _compiled(endings, word.endswith("*")),
                tuple(_longest_first(endings).values()),
            )
            for word, endings in tails.items()
        }
        self._exact = frozenset(word for word in tails if not word.endswith("*"))
        self._stems: dict[str, list[str]] = defaultdict(list)
        for word in tails:
            if word.endswith("*"):
                self._stems[word[:-1][:_STEM]].append(word[:-1])

        self._lengths = sorted({len(stem) for stem in self._stems})
        self.number = len(_tables)
        _tables.append(self)
        _heads.clear()
        _plain.clear()

    def find(self, chat: ChatText) -> Iterator[Announcement]:
        """The announcements in a text, in no order; the longest phrase at each place."""
        lower = chat.lower
        heads = chat.phrase_heads
        if heads is None:
            heads = chat.phrase_heads = _heads_in(chat)
        for head, place in heads.get(self.number, ()):
            pattern, kinds = self._tails[head]
            match = pattern.match(lower, place + len(head))
            if match is not None and match.lastindex:
                yield Announcement(kinds[match.lastindex - 1], place, match.end())

    def heads_of(self, word: str) -> Iterator[str]:
        """The first words and stems of phrases that a word is or begins with."""
        if word in self._exact:
            yield word
        for length in self._lengths:
            for stem in self._stems.get(word[:length], ()):
                if word.startswith(stem):
                    yield stem


def _heads_in(chat: ChatText) -> dict[int, list[tuple[str, int]]]:
    """Per table the first words of its phrases in a text with their places. One look at each word for all tables,
    and words that come again and again are known."""
    telling: dict[str, tuple[tuple[int, str], ...]] = {}
    for word in chat.words - _plain:
        found = _heads.get(word)
        if found is None:
            found = tuple((table.number, head) for table in _tables for head in table.heads_of(word))
            if len(_heads) + len(_plain) >= _MOST_KNOWN:
                _heads.clear()
                _plain.clear()
            if found:
                _heads[word] = found
            else:
                _plain.add(word)
        if found:
            telling[word] = found
    heads: dict[int, list[tuple[str, int]]] = defaultdict(list)
    if telling:
        for word, place in zip(chat.word_list, chat.word_places, strict=False):
            for number, head in telling.get(word, ()):
                heads[number].append((head, place))
    return heads


def phrases_by_words(listing: str) -> list[list[str]]:
    """Every phrase of a listing, in all its variants, as its words."""
    return [
        words
        for phrase in filter(None, map(str.strip, re.split(r"[;\n]", _WRAPPED.sub("|", listing))))
        for words in _expanded(phrase)
    ]


class PhraseSet:
    """Phrases in the notation above, looked for backwards from a place: asked only where something follows them."""

    def __init__(self, listing: str):
        self._phrases = frozenset(map(" ".join, phrases_by_words(listing)))
        self._last_words = frozenset(phrase.rpartition(" ")[2] for phrase in self._phrases)
        assert max(phrase.count(" ") for phrase in self._phrases) < _MOST_WORDS

    def holds(self, phrase: str) -> bool:
        """Whether this very phrase is one of the set."""
        return phrase in self._phrases

    def ends_at(self, lower: str, place: int) -> bool:
        """Whether a phrase ends right before `place`, but for signs and blanks."""
        words = words_before(lower, place)
        if not words or words[-1] not in self._last_words:
            return False
        return not self._phrases.isdisjoint(_phrases_before(lower, place))


# Several sets of phrases are asked of one place.
@lru_cache(maxsize=16)
def words_before(lower: str, place: int) -> list[str]:
    """The words of the 48 characters before a place; the first may be cut."""
    before = lower[max(0, place - _BACKWARD) : place]
    return (_BACKWARD_ASCII if before.isascii() else _BACKWARD_WORDS).findall(before)


@lru_cache(maxsize=16)
def _phrases_before(lower: str, place: int) -> list[str]:
    """The last word before a place, the last two, and so on."""
    joined, phrases = "", []
    for word in reversed(words_before(lower, place)[-_MOST_WORDS:]):
        joined = f"{word} {joined}" if joined else word
        phrases.append(joined)
    return phrases


def _expanded(phrase: str) -> list[list[str]]:
    variants = [""]
    for match in _PART.finditer(phrase):
        required, optional, plain = match.groups()
        choices = [plain] if plain is not None else (required or optional or "").split("|")
        if optional is not None:
            choices.append("")
        variants = [before + choice for before in variants for choice in choices]
    return [words for variant in variants if (words := variant.split())]


def _longest_first(endings: Mapping[str, str]) -> dict[str, str]:
    return dict(sorted(endings.items(), key=lambda item: -len(item[0])))


def _compiled(endings: Mapping[str, str], inflected: bool) -> re.Pattern[str]:
    alternatives = "|".join(f"({_tail(ending)})" for ending in _longest_first(endings))
    ending = _ENDING if inflected else ""
    return re.compile(rf"{ending}(?:{alternatives})(?![^\W\d_])")


def _tail(ending: str) -> str:
    return "".join(
        _GAP + re.escape(word.rstrip("*")) + (_ENDING if word.endswith("*") else "")
        for word in ending.split()
    )

"""Names of people: which words of one are drawn, as what, and which stay.

Every word has its own surrogate, seeded by the word alone: `John Smith`, `Mr Smith`, `JOHN` and `smith's` agree
without anybody having to link them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from depsim_dagster.privacy.surrogates.pools import as_set, locale_of
from depsim_dagster.privacy.surrogates.public_words import COMPOUND_FAMILY_NAMES, PARTICLES, TITLES
from depsim_dagster.privacy.surrogates.shapes import (
    UNSPACED,
    WORD,
    Shape,
    folded,
    form_of,
    gender_of,
    script_of,
    signs_of,
    visible,
    written_like,
)
from depsim_dagster.privacy.surrogates.slots import Slot, Template

_GENDERED = frozenset(("ru_RU", "uk_UA", "bg_BG", "cs_CZ", "sk_SK", "pl_PL"))
_FAMILY_FIRST = frozenset({"han", "hangul", "hiragana", "katakana"})
_UNTELLING = TITLES | PARTICLES
_PATRONYMIC = ("ович", "евич", "йович", "ична", "овна", "евна", "ївна", "івна")


@dataclass(frozen=True)
class NameWord:
    """text[start:end] of the visible writing of a name, drawn as `given`, `family`, `middle` or `initial`."""

    start: int
    end: int
    role: str


def name_template(original: str, language: str | None, roles: Mapping[str, str]) -> Template:
    """A name taken apart. `roles`: what words of names were before in this conversation, by their folded form."""
    text = visible(original)
    pieces, position = [], 0
    for part in name_words(original, language, roles):
        word = text[part.start : part.end]
        pieces += [text[position : part.start], name_slot(word, part.role, language, original)]
        position = part.end
    return [*pieces, text[position:]]


def name_slot(word: str, role: str, language: str | None, original: str = "") -> Slot:
    script = script_of(word)
    locale = locale_of(language, script)
    form = form_of(word) if script in UNSPACED else ""
    kind = role if role != "middle" or script == "cyrillic" else "given"
    kind = "kana" if script in ("hiragana", "katakana") else kind
    gender = gender_of(word) if locale in _GENDERED else ""
    write = written_like(word)
    if signs_of(original) is not str:
        write = partial(_signed, write, signs_of(original))
    return Slot(Shape(kind, form, locale, gender), f"name:{folded(word)}", write)


def _signed(write: Callable[[str], str], signs: Callable[[str], str], drawn: str) -> str:
    return signs(write(drawn))


def name_words(
    original: str, language: str | None = None, roles: Mapping[str, str] | None = None
) -> list[NameWord]:
    """The words of a name that tell who it is."""
    text, roles = visible(original), roles or {}
    words = [match.span() for match in WORD.finditer(text)]
    telling = [
        (start, end)
        for start, end in words
        if folded(text[start:end]) not in _UNTELLING and not _is_elided(text, start, end)
    ] or words
    if len(telling) == 1:
        start, end = telling[0]
        word = text[start:end]
        if folded(word) not in roles and script_of(word) in UNSPACED and len(word) > 1:
            return list(_unspaced(word, start, language))
        titled = any(folded(text[first:last]) in TITLES for first, last in words if last <= start)
        return [NameWord(start, end, _role_alone(word, language, roles, titled))]
    comma = text.find(",")
    family_first = script_of(text) in _FAMILY_FIRST or telling[0][1] <= comma <= telling[1][0]
    return [
        NameWord(start, end, roles.get(folded(text[start:end])) or role)
        for (start, end), role in zip(telling, _roles(text, telling, language, family_first), strict=True)
    ]


def _roles(
    text: str, telling: Sequence[tuple[int, int]], language: str | None, family_first: bool
) -> Iterator[str]:
    last = 0 if family_first else len(telling) - 1
    for place, (start, end) in enumerate(telling):
        word = text[start:end]
        if len(word) == 1 and script_of(word) not in UNSPACED:
            yield "initial"
        elif place == last:
            yield "family"
        elif word.lower().endswith(_PATRONYMIC) and place > 0:
            yield "middle"
        else:
            yield "given" if place == 0 or family_first else _role_alone(word, language, {}, False)


def _role_alone(word: str, language: str | None, roles: Mapping[str, str], titled: bool) -> str:
    """A name that stands alone: a family name after a title or where it is no first name that we know."""
    known = roles.get(folded(word))
    if known:
        return known
    if len(word) == 1:
        return "given" if script_of(word) in UNSPACED else "initial"
    locale = locale_of(language, script_of(word))
    name = word[0].upper() + word[1:].lower()
    return (
        "family"
        if titled or (name in as_set(locale, "family") and name not in as_set(locale, "given"))
        else "given"
    )


def _unspaced(word: str, start: int, language: str | None) -> Iterator[NameWord]:
    """A Chinese, Japanese or Korean name without a space: the family name first."""
    script = script_of(word)
    if script in ("hiragana", "katakana"):
        yield NameWord(start, start + len(word), "given")
        return
    if (language or "")[:2] == "ja":
        length = 1 if len(word) == 2 else 2
    else:
        length = 2 if len(word) > 2 and word[:2] in COMPOUND_FAMILY_NAMES else 1
    yield NameWord(start, start + length, "family")
    yield NameWord(start + length, start + len(word), "given")


def _is_elided(text: str, start: int, end: int) -> bool:
    """The `s` of a possessive and the `O` of O'Brien."""
    if end - start > 1:
        return False
    return text[max(0, start - 1) : start] in ("'", "’") or text[end : end + 1] in ("'", "’")

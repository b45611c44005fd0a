"""Places and organisations, word by word: what every street or company is called stays."""

from __future__ import annotations

import re
from functools import cache

from depsim_dagster.privacy.surrogates.pools import locale_of
from depsim_dagster.privacy.surrogates.public_words import (
    ALL_STREET_WORDS,
    COMPANY_FORMS,
    COMPANY_WORDS,
    PLACE_ENDINGS,
    STATES,
    STREET_SUFFIXES,
    STREET_WORDS,
)
from depsim_dagster.privacy.surrogates.shapes import (
    UNSPACED,
    WORD,
    WORD_OR_NUMBER,
    Shape,
    folded,
    form_of,
    script_of,
    shape_of,
    visible,
    written_like,
)
from depsim_dagster.privacy.surrogates.slots import Slot, Template

_SUFFIXES = sorted(STREET_SUFFIXES, key=len, reverse=True)
_ORDINALS = frozenset(("st", "nd", "rd", "th"))


@cache
def _kept(language: str) -> frozenset[str]:
    """What streets and places are called in a language and in English; in any, where the language is not known."""
    words = STREET_WORDS["en"] | STREET_WORDS.get(language, frozenset()) if language else ALL_STREET_WORDS
    return frozenset(folded(word) for word in words)


def address(type_: str, original: str, language: str | None) -> Template:
    """Street, number, postal code and place word by word; what every street is called stays."""
    text = visible(original)
    place_from = text.find(",") if type_ == "street_address" else -1
    place_from = len(text) if place_from < 0 and type_ == "street_address" else place_from
    pieces, position = [], 0
    for match in WORD_OR_NUMBER.finditer(text):
        token = match.group()
        if token.lower() in _ORDINALS and text[match.start() - 1 : match.start()].isdecimal():
            continue
        kind = "city" if match.start() > place_from else "street"
        drawn = _address_part(type_, token, kind, language, text)
        pieces += [text[position : match.start()], *drawn]
        position = match.end()
    return [*pieces, text[position:]]


def _address_part(type_: str, token: str, kind: str, language: str | None, whole: str) -> Template:
    script = script_of(token)
    if token.isdecimal():
        identity = f"postal_code:{token}" if len(token) >= 4 else f"{type_}:{folded(whole)}:{token}"
        return [Slot(shape_of(token), identity)]
    if script in UNSPACED:
        return _unspaced_address(token, kind, language)
    if folded(token) in _kept((language or "")[:2].lower()):
        return [token]
    if token in STATES:
        return [Slot(Shape("state"), f"{type_}:{token}")]
    if len(token) == 1 or (len(token) == 2 and token.isupper()):  # the letter of a house
        return [Slot(shape_of(token), f"{type_}:{token}")]
    ending = next(
        (suffix for suffix in _SUFFIXES if token.lower().endswith(suffix) and len(token) > len(suffix) + 2),
        None,
    )
    stem, rest = (token[: -len(ending)], token[-len(ending) :]) if ending else (token, "")
    shape = Shape(kind, "", locale_of(language, script))
    return [Slot(shape, f"place:{folded(stem)}", written_like(stem)), rest]


def _unspaced_address(token: str, kind: str, language: str | None) -> Template:
    """`杭州市文三路`: the endings stay."""
    pieces: Template = []
    for match in re.finditer(rf"([^{PLACE_ENDINGS}]+)([{PLACE_ENDINGS}]*)|([{PLACE_ENDINGS}]+)", token):
        if match.group(3):
            pieces.append(match.group(3))
            continue
        name = match.group(1)
        shape = Shape(kind, form_of(name), locale_of(language, script_of(name)))
        pieces += [Slot(shape, f"place:{name}"), match.group(2)]
    return pieces


_FORM = re.compile(f"({'|'.join(COMPANY_FORMS)})")


def organisation(type_: str, original: str, language: str | None) -> Template:
    """A company or an institution: what kind it is stays, its name is another family's."""
    text = visible(original)
    pieces, position = [], 0
    for match in WORD.finditer(text):
        word, script = match.group(), script_of(match.group())
        if folded(word) in COMPANY_WORDS:
            continue
        pieces.append(text[position : match.start()])
        position = match.end()
        if script in UNSPACED:
            pieces += [
                part if part in COMPANY_FORMS else Slot(shape_of(part), f"{type_}:{part}")
                for part in _FORM.split(word)
                if part
            ]
        elif 1 < len(word) <= 5 and word.isupper() and script == "latin":
            pieces.append(Slot(shape_of(word), f"{type_}:{folded(word)}"))
        else:
            shape = Shape("family", "", locale_of(language, script))
            pieces.append(Slot(shape, f"{type_}:{folded(word)}", written_like(word)))
    return [*pieces, text[position:]]

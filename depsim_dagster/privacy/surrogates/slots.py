"""Templates: a personal detail taken apart into what stays and what is drawn, and what makes two writings one detail."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from depsim_dagster.privacy.surrogates.shapes import Shape, folded, shape_of, signs_of, visible
from depsim_dagster.privacy.surrogates.spelled_digits import digits_for_words


class Slot(NamedTuple):
    """A part that is drawn. `shape` goes to the generator, `identity` into the keyed HMAC that seeds it (the same for
    every writing of one detail), and `write` puts the drawn value into the writing of the original."""

    shape: Shape
    identity: str
    write: Callable[[str], str] = str


Template = list["str | Slot"]
_SPACED = frozenset({"person", "organisation", "place", "street_address", "password", "private_key", "url"})
_ASCII_SIGNS = {ord(sign): None for sign in map(chr, range(128)) if not sign.isalnum()}


@lru_cache(maxsize=1 << 10)  # asked several times of each detail
def canonical(type_: str, original: str) -> str:
    """What tells a detail from others of its type, whatever its writing: letters and digits without case and accents;
    where spaces or signs matter, with them."""
    text = folded(original)
    if type_ in _SPACED:
        return " ".join(text.split())
    digits = digits_for_words(text)
    if digits.isascii():
        compact = digits.translate(_ASCII_SIGNS)
    else:
        compact = "".join(character for character in digits if character.isalnum())
    return compact or text


def plain(type_: str, original: str, language: str | None = None) -> Template:
    """The whole of it is drawn: another character of the same class for each letter and digit."""
    text, identity = visible(original), f"{type_}:{canonical(type_, original)}"
    if number := _FLOAT.fullmatch(text):  # of JSON or code, and it stays one
        return [Slot(shape_of(number[1]), identity), number[2]]
    return [Slot(shape_of(text), identity, signs_of(original))]


_FLOAT = re.compile(r"(-?[0-9]{1,40}(?:\.[0-9]{1,40})?)([eE][+-][0-9]{1,4})")

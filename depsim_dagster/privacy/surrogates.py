"""Realistic surrogates: a personal detail becomes another one of the same kind and shape.

`[NAME_1]` tells a model that it is looking at processed data, and a model that knows that it is tested behaves
differently. A surrogate is drawn from a generator seeded by the keyed HMAC of (conversation, type, original): the same
detail gets the same surrogate throughout a conversation and another one elsewhere, and nothing maps it back.
"""

from __future__ import annotations

import hashlib
import hmac
import random
import string
from functools import cache
from typing import Any

from depsim_dagster.privacy.detection import IdentifierSpan, find_identifiers, is_iban, is_luhn

LOCALES = {
    "en": "en_US",
    "es": "es_ES",
    "de": "de_DE",
    "fr": "fr_FR",
    "pt": "pt_BR",
    "zh": "zh_CN",
    "it": "it_IT",
    "ja": "ja_JP",
}


class Surrogates:
    """The replacements of one conversation; `replaced` counts the details that were replaced."""

    def __init__(self, key: bytes, conversation_id: str, language: str | None = None):
        self._key = key
        self._conversation = conversation_id
        self._locale = LOCALES.get(language or "en", "en_US")
        self._known: dict[str, str] = {}
        self.replaced = 0

    def learn(self, text: str) -> None:
        """Remember the details of a text, so that they are replaced wherever the conversation repeats them."""
        for span in find_identifiers(text):
            self._known.setdefault(text[span.start : span.end], span.type)

    def replace(self, text: str) -> str:
        """`text` with every detected detail, and every detail that was learnt, replaced."""
        spans = find_identifiers(text, self._known)
        pieces, position = [], 0
        for span in spans:
            pieces += [text[position : span.start], self._surrogate(span, text[span.start : span.end])]
            position = span.end
        self.replaced += len(spans)
        return "".join([*pieces, text[position:]])

    def _surrogate(self, span: IdentifierSpan, original: str) -> str:
        digest = hmac.new(
            self._key, f"{self._conversation}:{span.type}:{original}".encode(), hashlib.sha256
        ).digest()
        # Another draw when chance returns the original itself.
        for attempt in range(16):
            drawn = _draw(span.type, original, int.from_bytes(digest[:8], "big") + attempt, self._locale)
            if drawn != original:
                return drawn
        raise AssertionError("a surrogate generator returned the original sixteen times")


def _draw(type_: str, original: str, seed: int, locale: str) -> str:
    generator = random.Random(seed)
    if type_ in ("person", "street_address", "email", "url_with_credentials"):
        fake = _faker(locale)
        fake.seed_instance(seed)
        return {
            "person": lambda: (
                fake.name()
                if " " in original
                else fake.last_name() + (fake.first_name() if locale == "zh_CN" else "")
            ),
            "street_address": lambda: fake.street_address().replace("\n", ", "),
            "email": fake.free_email,
            "url_with_credentials": lambda: (
                f"{original.split('://')[0]}://{fake.user_name()}:{_same_shape(generator, 'Aa0aAa0a0A')}@{fake.domain_name()}/"
            ),
        }[type_]()
    if type_ == "ip_address" and "." in original:
        return ".".join(str(generator.randint(11, 223)) for _ in range(4))
    if type_ == "api_key":
        prefix = original[: original.index("-") + 1] if "-" in original[:12] else original[:4]
        return prefix + _same_shape(generator, original[len(prefix) :])
    if type_ == "phone" and original.startswith("+"):
        return original[:3] + _same_shape(generator, original[3:])
    if type_ == "card":
        return _with_check(generator, original, is_luhn)
    if type_ == "iban":
        return _iban(generator, original)
    return _same_shape(generator, original)


def _same_shape(generator: random.Random, original: str) -> str:
    """Digits become digits and letters letters of the same case; everything else stays."""
    alphabets = (
        (string.digits, string.digits),
        (string.ascii_lowercase, string.ascii_lowercase),
        (string.ascii_uppercase, string.ascii_uppercase),
    )
    return "".join(
        next((generator.choice(choices) for members, choices in alphabets if character in members), character)
        for character in original
    )


def _with_check(generator: random.Random, original: str, check) -> str:
    """The same shape with a last digit that satisfies the check, so that a form or a validator still accepts it."""
    shaped = original[0] + _same_shape(generator, original[1:])
    last = max(place for place, character in enumerate(shaped) if character.isdigit())
    return next(
        candidate for digit in string.digits if check(candidate := shaped[:last] + digit + shaped[last + 1 :])
    )


def _iban(generator: random.Random, original: str) -> str:
    body = original[:2] + "00" + _same_shape(generator, original[4:])
    compact = body.replace(" ", "")
    rearranged = compact[4:] + compact[:2] + "00"
    check = 98 - int("".join(str(int(character, 36)) for character in rearranged)) % 97
    drawn = f"{body[:2]}{check:02d}{body[4:]}"
    assert is_iban(drawn)
    return drawn


@cache
def _faker(locale: str) -> Any:
    from faker import Faker  # imported here: it takes a third of a second and most texts hold no detail

    return Faker(locale)

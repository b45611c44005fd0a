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
from collections.abc import Callable
from functools import cache
from typing import Any

from depsim_dagster.privacy.candidate_checks import is_iban, is_luhn
from depsim_dagster.privacy.detection import FRAGMENT, find_identifiers

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
        self._locale = LOCALES.get((language or "en")[:2].lower(), "en_US")
        self._known: dict[str, str] = {}
        # Part of a name → the name: who gave a full name is called by the first or the last one later.
        self._names: dict[str, str] = {}
        self.replaced = 0

    def learn(self, text: str) -> None:
        """Remember the details of a text, so that they are replaced wherever the conversation repeats them."""
        for span in find_identifiers(text):
            if span.type != FRAGMENT:
                self.learn_value(text[span.start : span.end], span.type)

    def learn_value(self, value: str, type_: str) -> None:
        """Remember a value that is a detail by its place (the `name` of a user's message), not by its looks."""
        self._known.setdefault(value, type_)
        if type_ == "person" and " " in value:
            for part in (value.split()[0], value.split()[-1]):
                if len(part) > 1:
                    self._known.setdefault(part, type_)
                    self._names.setdefault(part, value)

    def knows(self, value: str) -> bool:
        """Whether this very value was learnt."""
        return value in self._known

    def replace(self, text: str) -> str:
        """`text` with every detected detail, and every detail that was learnt, replaced."""
        changed, details = self._replace(text)
        self.replaced += details
        return changed

    def _replace(self, text: str) -> tuple[str, int]:
        spans = find_identifiers(text, self._known)
        pieces, position = [], 0
        for span in spans:
            pieces += [text[position : span.start], self._surrogate(span.type, text[span.start : span.end])]
            position = span.end
        return "".join([*pieces, text[position:]]), len(spans)

    def _surrogate(self, type_: str, original: str) -> str:
        if type_ == "person" and original in self._names:
            whole = self._names[original]
            return self._surrogate(type_, whole).split()[0 if whole.split()[0] == original else -1]
        tail = ""
        if type_ == "url_with_credentials":
            # Port and path stay, or code that connects to it would be other code; what they tell of a person does not.
            original, tail = _split_url(original)
            tail = self._replace(tail)[0]
        digest = hmac.new(
            self._key,
            f"{self._conversation}:{type_}:{original}".encode("utf-8", "surrogatepass"),
            hashlib.sha256,
        ).digest()
        # Another draw when chance returns the original itself.
        for attempt in range(16):
            drawn = _draw(type_, original, int.from_bytes(digest[:8], "big") + attempt, self._locale)
            if drawn != original:
                return drawn + tail
        raise AssertionError("a surrogate generator returned the original sixteen times")


def _draw(type_: str, original: str, seed: int, locale: str) -> str:
    generator = random.Random(seed)
    if type_ in ("person", "street_address", "email", "url_with_credentials"):
        # A Chinese detail stays one in a conversation whose language the log does not know.
        fake = _faker("zh_CN" if any("\u4e00" <= character <= "\u9fff" for character in original) else locale)
        fake.seed_instance(seed)
        return {"person": _person, "street_address": _street, "email": _email, "url_with_credentials": _url}[
            type_
        ](fake, generator, original)
    if type_ == "ip_address" and "." in original:
        return ".".join(
            str(generator.choice(_FIRST_OCTETS if place == 0 else range(1, 255))) for place in range(4)
        )
    if type_ == "api_key":
        prefix = original[: original.index("-") + 1] if "-" in original[:12] else original[:4]
        return prefix + _same_shape(generator, original[len(prefix) :])
    if type_ == "phone":
        kept = (
            3 if original.startswith("+") else 2
        )  # the country, or the zero that a number at home begins with
        return original[:kept] + _same_shape(generator, original[kept:])
    if type_ == "card":
        return _with_check(generator, original, is_luhn)
    if type_ == "iban":
        return _iban(generator, original)
    return _same_shape(generator, original)


# Unicast and not loopback: what stood for a host still does.
_FIRST_OCTETS = [octet for octet in range(11, 224) if octet != 127]


def _person(fake: Any, generator: random.Random, original: str) -> str:
    """As many words as the original has, without the titles that Faker's own full names carry."""
    words = original.split()
    if len(words) > 1:
        return " ".join([*(fake.first_name() for _ in words[1:]), fake.last_name()])
    chinese = "\u4e00" <= original[0] <= "\u9fff"
    return fake.last_name() + fake.first_name() if chinese else fake.first_name()


def _street(fake: Any, generator: random.Random, original: str) -> str:
    return fake.street_address().replace("\n", ", ")


def _email(fake: Any, generator: random.Random, original: str) -> str:
    return fake.free_email()


def _url(fake: Any, generator: random.Random, original: str) -> str:
    """Another user, password and host of the same scheme."""
    scheme = original.split("://", 1)[0]
    return f"{scheme}://{fake.user_name()}:{_same_shape(generator, 'Aa0aAa0a0A')}@{fake.domain_name()}"


def _split_url(url: str) -> tuple[str, str]:
    """(scheme, credentials and host; the rest), without the user's name where the rest repeats it"""
    host = url.index("@") + 1
    end = next((place for place in range(host, len(url)) if url[place] in ":/?#"), len(url))
    user = url.split("://", 1)[1].split(":", 1)[0]
    return url[:end], url[end:].replace(user, "user")


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


def _with_check(generator: random.Random, original: str, check: Callable[[str], bool]) -> str:
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

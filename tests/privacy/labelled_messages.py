"""The labelled set of the tests: chat messages of fourteen Faker locales with every personal detail marked, and texts
without any, drawn from a seed.

    python tests/privacy/labelled_messages.py SEED > set.jsonl    # for `depsim privacy score`
"""

from __future__ import annotations

import json
import random
import re
import sys
from collections.abc import Iterator

from impersonal_texts import impersonal_texts
from labelled_templates import TEMPLATES
from labelled_values import BIRTH_FORMATS, TYPES, Person

from depsim_dagster.privacy.scoring.score import LabelledMessage, LabelledSpan

LOCALES = tuple(BIRTH_FORMATS)
SEED = 20260105
MESSAGES_PER_LOCALE = 120
WEIGHTS = {"en": 2}  # of which there are most templates
# Shares of messages that are typed in lower case, with slips, or with a detail in disguise.
LOWER, SLIPS, DISGUISED = 0.06, 0.06, 0.05
SLIPPED_WORDS = 0.1  # of the longer words of a message with slips
DISGUISES = ("email", "phone", "card", "iban", "national_id")
PLACEHOLDER = re.compile(r"<<(\w+?)(\d?)>>")


def labelled_messages(seed: int = SEED, per_locale: int = MESSAGES_PER_LOCALE) -> Iterator[LabelledMessage]:
    """Messages with details, in turn of every locale."""
    for locale in LOCALES:
        draw = random.Random(f"{seed}/{locale}")
        templates = [*TEMPLATES[locale[:2]], *TEMPLATES["any"]]
        order = [place % len(templates) for place in range(per_locale * WEIGHTS.get(locale[:2], 1))]
        draw.shuffle(order)
        for place in order:
            kind, template = templates[place]
            yield filled(template, kind, locale, draw)


def whole_set(seed: int = SEED) -> Iterator[LabelledMessage]:
    """Messages with details and texts without."""
    yield from labelled_messages(seed)
    yield from impersonal_texts(seed)


def filled(template: str, kind: str, locale: str, draw: random.Random) -> LabelledMessage:
    """A template with the details of persons of this locale."""
    manner = _manner(kind, draw)
    people: dict[str, Person] = {}
    values: dict[str, str] = {}
    pieces: list[str] = []
    spans: list[LabelledSpan] = []
    length = position = 0
    for found in PLACEHOLDER.finditer(template):
        literal = _typed(template[position : found.start()], manner, draw)
        name, number = found.groups()
        if found.group() not in values:
            if number not in people:
                people[number] = Person(locale, draw)
            value = _typed_value(people[number].value(name), TYPES.get(name, name), manner, draw)
            values[found.group()] = value
        value = values[found.group()]
        start = length + len(literal)
        pieces += [literal, value]
        length = start + len(value)
        spans.append(LabelledSpan(start, length, TYPES.get(name, name)))
        position = found.end()
    pieces.append(_typed(template[position:], manner, draw))
    return LabelledMessage("".join(pieces), tuple(spans), locale, manner or kind)


def _manner(kind: str, draw: random.Random) -> str:
    chance = draw.random()
    if kind in ("chat", "support") and chance < LOWER:
        return "lower"
    if kind in ("chat", "support", "medical", "letter") and LOWER <= chance < LOWER + SLIPS:
        return "slips"
    return "disguise" if LOWER + SLIPS <= chance < LOWER + SLIPS + DISGUISED else ""


def _typed(literal: str, manner: str, draw: random.Random) -> str:
    if manner == "lower":
        return literal.lower()
    if manner != "slips":
        return literal

    def slip(found: re.Match[str]) -> str:
        word = found.group()
        if draw.random() > SLIPPED_WORDS:
            return word
        place = draw.randrange(1, len(word) - 2)
        return word[:place] + word[place + 1] + word[place] + word[place + 2 :]

    return re.sub(r"[a-zà-ÿ]{5,}", slip, literal)


def _typed_value(value: str, type_: str, manner: str, draw: random.Random) -> str:
    if manner == "lower" and type_ in ("person", "place", "organisation", "street_address", "email"):
        return value.lower()
    if manner != "disguise" or type_ not in DISGUISES:
        return value
    if draw.random() < 0.5:
        return "".join(
            chr(ord(character) + 0xFEE0) if "!" <= character <= "~" else character for character in value
        )
    place = draw.randrange(1, len(value))
    return value[:place] + draw.choice("\u200b\u200c\u2060\u00ad") + value[place:]


def main(seed: int) -> None:
    for message in whole_set(seed):
        spans = [vars(span) for span in message.spans]
        entry = {"text": message.text, "spans": spans, "language": message.language, "kind": message.kind}
        print(json.dumps(entry, ensure_ascii=False))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else SEED)

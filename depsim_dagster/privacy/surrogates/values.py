"""The surrogate of one value in one conversation: seeded, no original of the conversation, and the same in any writing."""

from __future__ import annotations

import hashlib
import hmac
import operator
import re
from collections.abc import Iterable

from depsim_dagster.privacy.surrogates.draws import draw
from depsim_dagster.privacy.surrogates.names import name_slot, name_words
from depsim_dagster.privacy.surrogates.pools import ascii_word
from depsim_dagster.privacy.surrogates.shapes import Shape, folded, visible
from depsim_dagster.privacy.surrogates.slots import Slot, Template, canonical
from depsim_dagster.privacy.surrogates.templates import template_of

ATTEMPTS = 32
_NAMED = frozenset({"handle", "host", "place", "organisation"})  # parts that may be a word of somebody's name


class SurrogateValues:
    """Draws surrogates. `learn` must have seen every original before the first is drawn, or one may be drawn."""

    def __init__(self, key: bytes, conversation_id: str, language: str | None):
        self._key = key
        self._conversation = conversation_id
        self._language = language
        self._originals: set[str] = set()
        # Word of a name, folded → what it was in the name (`given`, `family`).
        self._roles: dict[str, str] = {}
        # Spelling in an address or an account's name → the words of a name that it is made of, whole or their initials.
        self._aliases: dict[str, tuple[tuple[Slot, bool], ...]] = {}
        self._initials: dict[str, Slot] = {}
        self._templates: dict[tuple[str, str], Template] = {}
        self._drawn: dict[tuple[Shape, str, int], str] = {}
        self._owners: dict[tuple[str, str], str] = {}

    def learn(self, value: str, type_: str) -> list[str]:
        """Remember an original; of a person, the words of the name that tell who it is."""
        self._originals.add(canonical(type_, value))
        if type_ == "person":
            return self._learn_name(value)
        parts = (
            part.identity.partition(":") for part in self._template(type_, value) if isinstance(part, Slot)
        )
        self._originals.update(word for kind, _, word in parts if kind in _NAMED and len(word) > 2)
        return []

    def of(self, type_: str, original: str) -> str:
        """The surrogate of an original in its writing."""
        template = self._template(type_, original)
        identity = canonical(type_, original)
        for attempt in range(ATTEMPTS):
            drawn = self.filled(template, attempt)
            other = canonical(type_, drawn)
            owner = self._owners.setdefault((type_, other), identity)
            free = other not in self._originals and owner == identity
            if drawn != original and free and _is_apart(type_, original, drawn):
                return drawn
        if drawn != original:  # so few values have this shape that all are taken
            return drawn
        return self._value(
            Slot(Shape("handle", "aaa", "en_US"), f"{type_}:{identity}"), 0
        )  # nothing to draw in it

    def _template(self, type_: str, original: str) -> Template:
        if type_ == "person":  # depends on what was learnt
            return template_of(type_, original, self._language, self._roles)
        template = self._templates.get((type_, original))
        if template is None:
            template = self._templates[type_, original] = template_of(type_, original, self._language)
        return template

    def filled(self, template: Template, attempt: int = 0) -> str:
        """A template with its slots drawn."""
        return "".join(part if isinstance(part, str) else self._filled(part, attempt) for part in template)

    def _filled(self, slot: Slot, attempt: int) -> str:
        kind, _, word = slot.identity.partition(":")
        if kind == "name":
            initial = self._initial(word) if slot.shape.kind == "initial" else ""
            return slot.write(initial.upper() or self._value(slot, 0))
        alias = self._alias(kind, word) if kind in _NAMED else ""
        return slot.write(alias or self._value(slot, attempt))

    def _value(self, slot: Slot, attempt: int) -> str:
        """What is drawn for a slot: no original of the conversation, and no two names alike."""
        memo = (slot.shape, slot.identity, attempt)
        if memo in self._drawn:
            return self._drawn[memo]
        message = f"{self._conversation}:{slot.identity}".encode("utf-8", "surrogatepass")
        seed = int.from_bytes(hmac.digest(self._key, message, hashlib.sha256)[:8], "big") + attempt * ATTEMPTS
        kind, _, word = slot.identity.partition(":")
        for redraw in range(ATTEMPTS):
            drawn = draw(slot.shape, seed + redraw)
            plain = folded(drawn)
            if plain == word or plain in self._originals:
                continue
            if kind != "name" or self._owners.setdefault((kind, plain), slot.identity) == slot.identity:
                break
        self._drawn[memo] = drawn
        return drawn

    # ----------------------------------------------------------------------------------------------------------- names
    def _learn_name(self, value: str) -> list[str]:
        text, slots, words = visible(value), [], []
        for part in name_words(value, self._language, self._roles):
            if part.role == "initial":
                continue
            word = text[part.start : part.end]
            self._roles.setdefault(folded(word), part.role)
            self._originals.add(folded(word))
            slots.append(name_slot(word, self._roles[folded(word)], self._language))
            words.append(word)
        self._learn_aliases(slots)
        return words

    def _learn_aliases(self, slots: Iterable[Slot]) -> None:
        """`harriet.whitcombe`, `hwhitcombe` and `whitcombeh` become what the surrogate's name would yield."""
        words = [(ascii_word(slot.identity.removeprefix("name:")), slot) for slot in slots]
        words = [(word, slot) for word, slot in words if len(word) > 1]
        for word, slot in words:
            self._aliases.setdefault(word, ((slot, False),))
            if slot.shape.kind == "given":
                self._initials.setdefault(word[0], slot)
        if len(words) < 2:
            return
        (first, given), (last, family) = words[0], words[-1]
        for spelling, parts in (
            (first + last, ((given, False), (family, False))),
            (last + first, ((family, False), (given, False))),
            (first[0] + last, ((given, True), (family, False))),
            (last + first[0], ((family, False), (given, True))),
            (first + last[0], ((given, False), (family, True))),
        ):
            self._aliases.setdefault(spelling, parts)

    def _alias(self, kind: str, word: str) -> str:
        """What a word of an account's name, a host, a place or a company becomes when it is one of somebody's name."""
        parts = self._aliases.get(ascii_word(word))
        if parts is None:
            return self._initial(word) if kind == "handle" and len(word) == 1 else ""
        values = [(self._value(part, 0), initial) for part, initial in parts]
        if kind in ("place", "organisation") and len(values) == 1:
            return values[0][0]
        return "".join(ascii_word(value)[:1] if initial else ascii_word(value) for value, initial in values)

    def _initial(self, letter: str) -> str:
        """The initial of the surrogate of the first name that begins with a letter; empty where there is none."""
        slot = self._initials.get(letter)
        return "" if slot is None else ascii_word(self._value(slot, 0))[:1]


def _is_apart(type_: str, original: str, drawn: str) -> bool:
    """Whether chance left nothing telling of an original. Asked of what was drawn: a generator cannot avoid what it does
    not know."""
    if drawn[:1] == "0" and original.isdecimal() and original[0] != "0":
        return False  # no number in JSON or code
    if type_ in ("date", "birth_date"):
        return len(_parts(original) & _parts(drawn)) < 2
    if type_ == "ip_address":
        before, after = (re.split(r"[.:]", text) for text in (original, drawn))
        return 2 * sum(map(operator.eq, before, after)) <= len(before)
    tail = canonical(type_, original)[-4:]
    return len(tail) < 4 or not tail.isdecimal() or canonical(type_, drawn)[-4:] != tail or len(original) < 7


def _parts(date: str) -> set[str]:
    """Day, month and year of a date as they are written, without zeros before them."""
    return {part.lstrip("0") for part in re.findall(r"\d+|[^\W\d]{3,}", folded(date))}

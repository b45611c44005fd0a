"""Realistic surrogates: a personal detail becomes another one of the same kind and shape.

`[PERSON_1]` tells a model that it is looking at processed data, and a model that knows that it is tested behaves
differently. A surrogate is drawn by a generator that gets the detail's shape and a seed, the keyed HMAC of
(conversation, detail): the same detail, also in another writing, gets the same surrogate throughout a conversation, in
every week, and another one elsewhere, and nothing maps it back. `tags` remain as a choice.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Literal

from depsim_dagster.privacy.detection.detect import find_identifiers
from depsim_dagster.privacy.detection.gazetteers import gazetteer
from depsim_dagster.privacy.detection.identifier_spans import FRAGMENT, IdentifierSpan
from depsim_dagster.privacy.detection.span_union import union_of_spans
from depsim_dagster.privacy.surrogates.accounts import settings, split_address
from depsim_dagster.privacy.surrogates.escaped_text import Escaped, read_escapes
from depsim_dagster.privacy.surrogates.public_words import AMBIGUOUS_NAMES, PARTICLES, TITLES
from depsim_dagster.privacy.surrogates.repeats import KnownDetails
from depsim_dagster.privacy.surrogates.shapes import folded, visible
from depsim_dagster.privacy.surrogates.slots import canonical
from depsim_dagster.privacy.surrogates.values import SurrogateValues

# What finds details in a text of a language.
Detect = Callable[[str, str | None], list[IdentifierSpan]]
# Of these a conversation repeats the letters and digits alone.
_SEPARATED = frozenset({"phone", "card", "iban", "national_id", "bank_account", "account_number"})
_NOT_REPEATED = TITLES | PARTICLES | AMBIGUOUS_NAMES  # words of names
_UNREPEATED = frozenset({FRAGMENT, "age"})
FEWEST_DIGITS = 5  # of a number that is a detail wherever it stands
SHORT_NAME = 3  # letters of a name that in small letters is likely something else


class Surrogates:
    """The replacements of one conversation.

    `detect` is what finds details (privacy.detection.find_identifiers unless given); what the conversation repeats is
    found here (repeats.py). `replaced` counts the details that were replaced, `replaced_by_type` by their types.
    """

    def __init__(
        self,
        key: bytes,
        conversation_id: str,
        language: str | None = None,
        style: Literal["realistic", "tags"] = "realistic",
        detect: Detect | None = None,
    ):
        self._language = language
        self._style = style
        self._detect = detect or _embedded
        self._values = SurrogateValues(key, conversation_id, language)
        self._known = KnownDetails()
        self._learnt: set[tuple[str, str]] = set()
        self._found: dict[str, list[IdentifierSpan]] = {}
        self._surrogates: dict[tuple[str, str], str] = {}
        # Word of a name, folded → the name that it is of.
        self._whole_names: dict[str, str] = {}
        self._tags: dict[tuple[str, str], str] = {}
        self._numbers: Counter[str] = Counter()
        self.replaced_by_type: Counter[str] = Counter()

    @property
    def replaced(self) -> int:
        return self.replaced_by_type.total()

    def learn(self, text: str) -> None:
        """Remember the details of a text, so that they are replaced wherever the conversation repeats them."""
        escaped = read_escapes(text)
        for span in self._spans(escaped, self._detected):
            self.learn_value(escaped.text[span.start : span.end], span.type)

    def learn_value(self, value: str, type_: str) -> None:
        """Remember a value that is a detail by its place (the `name` of a user's message), not by its looks."""
        if type_ in _UNREPEATED or not value.strip() or (type_, value) in self._learnt:
            return
        self._learnt.add((type_, value))
        words = self._values.learn(value, type_)
        self._surrogates.clear()
        if type_ == "person":
            self._learn_name(value, words)
            return
        if not _is_common(value):
            self._known.add(value, type_, capital=value[:1].isupper() and value.isalpha())
        if type_ in _SEPARATED:
            compact = "".join(character for character in visible(value) if character.isalnum())
            if sum(map(str.isdecimal, compact)) > FEWEST_DIGITS:
                self._known.add(compact, type_)

    def knows(self, value: str) -> bool:
        """Whether this value was learnt, in this or another writing."""
        return value in self._known

    def replace(self, text: str, further: Iterable[IdentifierSpan] = ()) -> str:
        """`text` with every detected detail, every detail that was learnt, and the `further` spans replaced."""
        escaped = read_escapes(text)
        spans = self._spans(escaped, self._recognised, further)
        if not spans:
            return text
        self.replaced_by_type.update(span.type for span in spans)
        change = self._realistic if self._style == "realistic" else self._tagged(escaped.text)
        return escaped.replaced((span.start, span.end, change(escaped.text, span)) for span in spans)

    # ---------------------------------------------------------------------------------------------------- what is found
    def _spans(
        self,
        escaped: Escaped,
        find: Callable[[str], list[IdentifierSpan]],
        further: Iterable[IdentifierSpan] = (),
    ) -> list[IdentifierSpan]:
        r"""Details in what a text says and, where it has escapes, also in how it is written: `C:\robert` has none."""
        found = [find(escaped.text)]
        written = [*further, *(find(escaped.raw) if escaped.depth else ())]
        for span in written:
            shown = escaped.shown(span.start, span.end)
            if shown is not None:
                found.append([IdentifierSpan(span.type, *shown)])
        return found[0] if len(found) == 1 else union_of_spans(escaped.text, found)

    def _detected(self, text: str) -> list[IdentifierSpan]:
        spans = self._found.get(text)
        if spans is None:
            spans = self._found[text] = self._detect(text, self._language)
        return spans

    def _recognised(self, text: str) -> list[IdentifierSpan]:
        detected = self._detected(text)
        places = {(start, end) for _, start, end in detected}
        repeated = [span for span in self._known.find(text) if (span.start, span.end) not in places]
        return union_of_spans(text, [detected, repeated]) if repeated else detected

    def _learn_name(self, value: str, words: list[str]) -> None:
        """Who gave a full name is called by the first or the last one later, in small letters or capitals too."""
        self._known.add(value, "person", capital=len(words) == 1 and _is_ordinary(value))
        if len(words) < 2:
            return
        for word in words:
            plain = folded(word)
            self._whole_names.setdefault(plain, canonical("person", value))
            # A Chinese or Korean family name is a syllable of anything.
            if len(word) > 1 and plain not in _NOT_REPEATED:
                self._known.add(word, "person", capital=_is_ordinary(word))

    # -------------------------------------------------------------------------------------------------------- replacing
    def _realistic(self, text: str, span: IdentifierSpan) -> str:
        original = text[span.start : span.end]
        drawn = self._surrogates.get((span.type, original))
        if drawn is None:
            drawn = self._surrogates[span.type, original] = self._surrogate(span.type, original)
        return drawn

    def _tagged(self, text: str) -> Callable[[str, IdentifierSpan], str]:
        """Tags; a bare number of JSON or code becomes another number, because a tag in its place would be no value."""
        opening = _OPENING.search(text)
        code_from = opening.start() if opening else 0 if _NUMBER.fullmatch(text.strip()) else len(text)

        def change(text: str, span: IdentifierSpan) -> str:
            if span.start >= code_from and _is_bare_number(text, span.start, span.end):
                return self._realistic(text, span)
            return self._tag(span.type, text[span.start : span.end])

        return change

    def _surrogate(self, type_: str, original: str) -> str:
        if type_ != "url_with_credentials":
            return self._values.of(type_, original)
        # Port and path stay, or code that connects to it would be other code; what they tell of a person does not.
        address, tail = split_address(original)
        return self._values.of(type_, address) + self._tail(tail, address)

    def _tail(self, tail: str, address: str) -> str:
        user = address.partition("://")[2].partition(":")[0]
        if len(user) > 2 and user in tail:
            tail = tail.replace(user, self._values.of("username", user))
        counted = Counter(self.replaced_by_type)
        changed = "".join(
            self.replace(part) if isinstance(part, str) else self._values.filled([part])
            for part in settings(tail, self._language)
        )
        self.replaced_by_type = counted  # the whole address is one detail
        return changed

    def _tag(self, type_: str, original: str) -> str:
        identity = canonical(type_, original)
        if type_ == "person":
            wholes = [self._whole_names[word] for word in identity.split() if word in self._whole_names]
            identity = identity if identity in wholes else next(iter(wholes), identity)
        tag = self._tags.get((type_, identity))
        if tag is None:
            self._numbers[type_] += 1
            tag = self._tags[type_, identity] = f"[{type_.upper()}_{self._numbers[type_]}]"
        return tag


def _embedded(text: str, language: str | None) -> list[IdentifierSpan]:
    return find_identifiers(text, language)


def _is_common(value: str) -> bool:
    """Whether a value, taken out of its context, could be anything: `2024`, a password that is a word."""
    text = visible(value)
    if text.isalpha():
        return text.islower() and _is_ordinary(text)
    letters = any(map(str.isalpha, text))
    return not letters and sum(map(str.isdecimal, text)) < FEWEST_DIGITS


def _is_ordinary(word: str) -> bool:
    """Whether a word in small letters is likely not the name."""
    plain = visible(word).lower()
    return len(plain) <= SHORT_NAME or gazetteer().lexeme(plain).word > 0


_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_OPENING = re.compile(r"[\[{=(]")
# A detail may also be a part of the number.
_BEFORE_NUMBER = re.compile(r"(?:^|[:\[,(=]\s{0,20})-?[\d.]{0,30}$")
_AFTER_NUMBER = re.compile(r"[\d.]{0,30}(?:[eE][+-]?\d{1,4})?\s{0,20}(?:[,\]})\n;]|$)")


def _is_bare_number(text: str, start: int, end: int) -> bool:
    if not text[start:end].isdecimal():
        return False
    before, after = text[max(0, start - 60) : start], text[end : end + 60]
    return bool(_BEFORE_NUMBER.search(before) and _AFTER_NUMBER.match(after))

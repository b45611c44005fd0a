"""Detection of personal details in chat text by pattern, checksum and context; no model, no download.

Each recogniser yields spans of one type. Overlaps are settled in favour of the longer span, then of the recogniser
that is listed first. Every repetition is bounded: a conversation cannot make a pattern run for minutes. What this is
not: the gate's residual scan, which is a second and independent implementation (privacy/residual.py), so that one
mistake does not blind both. Whatever that one reports must be found here too, or one turn would stop its week.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from depsim_dagster.privacy.candidate_checks import (
    chinese_id,
    chinese_name,
    host,
    is_iban,
    is_luhn,
    leading,
    mailbox,
    name,
    phone,
    secret,
)

FRAGMENT = "fragment"  # the type of what a longer detail left of another one


@dataclass(frozen=True)
class IdentifierSpan:
    """A personal detail at text[start:end]."""

    type: str
    start: int
    end: int


@dataclass(frozen=True)
class Recogniser:
    """`pattern` finds candidates (group `value` when there is context around it); `accept` says how many of a
    candidate's first characters are the detail, 0 for none.

    `hint` must occur in a text before the pattern is tried at all.
    """

    type: str
    pattern: re.Pattern[str]
    accept: Callable[[str], int] = len
    hint: re.Pattern[str] | None = None


# Scripts that stand without spaces: a letter of another script beside them begins or ends a word.
_UNSPACED = "\u2e80-\u9fff\uac00-\ud7af\uff00-\uffef"
_UNSPACED_LETTER = re.compile(f"[{_UNSPACED}]")
_BEFORE, _AFTER = rf"(?<![^\W{_UNSPACED}])", rf"(?![^\W{_UNSPACED}])"

_UPPER = r"[^\W\d_a-z]"  # a capital of any alphabet, or a letter of one without case
_WORD = rf"{_UPPER}[\w'’-]{{1,40}}"
_PARTICLES = r"(?:(?:de|da|do|dos|das|del|la|las|los|van|von|der|den|di|du|le) ){0,2}"
_NAME = rf"(?P<value>{_WORD}(?: {_PARTICLES}{_WORD}){{0,3}})"
# After a street: the postal code and the place, where they follow.
_PLACE = rf"(?:, (?:[A-Z]{{0,2}}-?\d{{4,6}} )?{_WORD}(?: {_WORD})?)?"
_STREET_WORD = rf"{_UPPER}[\w.'’-]{{0,40}}"
_SUFFIXES = (
    r"(?:Street|St\.?|Avenue|Ave\.?|Road|Rd\.?|Lane|Ln\.?|Drive|Dr\.?|Boulevard|Blvd\.?|Court|Ct\.?|Way"
    r"|Place|Square)"
)
_ROMANCE = r"(?:Calle|Avenida|Rua|Rue|Via|Avenue|Boulevard|Plaza|Praça|Travessa)"
_OF = r"(?:(?:de|da|do|dos|das|du|des|la|las|los|le|les|del) |d['’]|l['’]){0,3}"
_INTRODUCTIONS = (
    r"(?:[Mm]y name is|[Mm]y name['’]s|I am called|I['’]m called|(?:Hi|Hello|Hey),? [Tt]his is|[Rr]egards,|[Ss]incerely,"
    r"|[Mm]e llamo|[Mm]i nombre es|[Ii]ch heiße|[Mm]ein Name ist|[Jj]e m['’]appelle|[Mm]on nom est|[Mm]eu nome é"
    r"|[Mm]e chamo|[Mm]i chiamo|[Ii]l mio nome è)"
)
_KEY_PREFIXES = r"(?:sk-|[spr]k_(?:live|test)_|gh[pousr]_|github_pat_|glpat-|xox[abprs]-)"

_DIGIT, _AT, _SCHEME = re.compile(r"\d"), re.compile("@"), re.compile("://")


def _ascii(*parts: str) -> re.Pattern[str]:
    """Numbers and tokens are ASCII: beside `电话` a number begins as it does after a space."""
    return re.compile("".join(parts), re.ASCII)


RECOGNISERS: tuple[Recogniser, ...] = (
    Recogniser(
        "url_with_credentials",
        _ascii(r"[A-Za-z][A-Za-z0-9+.-]{0,20}://[^\s/:@]{1,128}:[^\s/@]{1,128}@", r"[^\s<>\"')]{0,500}"),
        hint=_SCHEME,
    ),
    Recogniser(
        "api_key",
        _ascii(
            rf"(?<![\w-])(?:{_KEY_PREFIXES}[\w-]{{16,255}}",
            r"|(?:AKIA|ASIA)[A-Z0-9]{16}(?!\w)|AIza[\w-]{35}(?!\w))",
        ),
        secret,
    ),
    Recogniser(
        "email",
        re.compile(
            rf"(?:(?![{_UNSPACED}])[\w.+%'-]){{1,64}}@[\w-]{{1,63}}(?:\.[\w-]{{1,63}}){{0,20}}\.[A-Za-z]{{2,24}}"
        ),
        mailbox,
        _AT,
    ),
    Recogniser(
        "iban",
        _ascii(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b"),
        leading(is_iban),
        _DIGIT,
    ),
    Recogniser(
        "card",
        _ascii(r"(?<![\w+-])(?<!\d\.)[2-6]\d{3}(?:[ -]?\d){9,15}(?!\w|-\w|\.\d)"),
        leading(is_luhn),
        _DIGIT,
    ),
    Recogniser("ip_address", _ascii(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?!\w|\.\d)"), host, _DIGIT),
    Recogniser(
        "ip_address",
        _ascii(r"(?<![\w:])(?:[0-9A-Fa-f]{1,4}:|:){2,7}(?::?[0-9A-Fa-f]{1,4})(?![\w:])"),
        host,
        _DIGIT,
    ),
    Recogniser("national_id", _ascii(r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])"), hint=_DIGIT),
    Recogniser("national_id", _ascii(r"(?<![\w.-])\d{3}\.\d{3}\.\d{3}-\d{2}(?![\w-])"), hint=_DIGIT),
    Recogniser(
        "national_id",
        _ascii(r"(?<![\w-])[1-9]\d{5}(?:19|20)\d{2}[01]\d[0-3]\d{4}[\dXx](?!\w)"),
        chinese_id,
        _DIGIT,
    ),
    Recogniser("phone", _ascii(r"(?<![\w+])\+\d{1,3}(?:[ .()-]{0,2}\d){6,12}(?!\w)"), phone, _DIGIT),
    Recogniser(
        "phone", _ascii(r"(?<![\w.-])(?:1[ .-])?\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}(?![\w-])"), phone, _DIGIT
    ),
    # As written at home: France, Germany and Britain, Brazil, and China after the word for it.
    Recogniser("phone", _ascii(r"(?<![\w.-])0[1-9](?:[ .]\d{2}){4}(?!\w|-\w|\.\d)"), phone, _DIGIT),
    Recogniser(
        "phone", _ascii(r"(?<![\w.-])0[1-9]\d{1,3}[ /-]\d{3,4}[ -]?\d{3,6}(?!\w|-\w|\.\d)"), phone, _DIGIT
    ),
    Recogniser("phone", _ascii(r"\(\d{2}\) ?9?\d{4}-\d{4}(?!\w)"), phone, _DIGIT),
    Recogniser(
        "phone", _ascii(r"(?:电话|手机|号码|微信)[^\d\n]{0,8}(?P<value>1[3-9]\d{9})(?!\w)"), phone, _DIGIT
    ),
    Recogniser(
        "street_address",
        re.compile(
            rf"{_BEFORE}\d{{1,5}}[A-Za-z]?,? (?![AP]M ){_STREET_WORD} (?:{_STREET_WORD} ){{0,3}}?"
            rf"{_SUFFIXES}(?!\w){_PLACE}"
        ),
        hint=_DIGIT,
    ),
    Recogniser(
        "street_address",
        re.compile(
            rf"{_BEFORE}(?:{_ROMANCE} {_OF}{_WORD}(?: {_OF}{_WORD}){{0,3}}"
            rf"|{_UPPER}[\w'’-]{{0,40}}?(?:straße|strasse|weg|platz|gasse|allee)),? (?:n[º°.]? ?)?\d{{1,5}}(?!\w)"
            rf"{_PLACE}"
        ),
        hint=_DIGIT,
    ),
    Recogniser(
        "street_address",
        re.compile(
            rf"{_BEFORE}\d{{1,5}},? (?:rue|avenue|boulevard|place|impasse) {_OF}{_WORD}(?: {_OF}{_WORD}){{0,3}}{_PLACE}"
        ),
        hint=_DIGIT,
    ),
    Recogniser(
        "street_address", re.compile(r"[\u4e00-\u9fff]{2,12}?(?:路|街|大道|巷)\d{1,5}号"), hint=_DIGIT
    ),
    Recogniser("person", re.compile(rf"\b{_INTRODUCTIONS}\s{{1,4}}{_NAME}"), name),
    Recogniser("person", re.compile(rf"\b[Tt]his is {_NAME}(?= (?:speaking|calling|writing|here)\b)"), name),
    Recogniser(
        "person", re.compile(r"(?:我叫|我的名字是)(?P<value>[\u4e00-\u9fff]{2,4})(?=[,，。.!！;；、 \n]|$)")
    ),
    Recogniser(
        "person",
        re.compile(r"我是(?P<value>[\u4e00-\u9fff]{2,4})(?=[,，。.!！;；、 \n]|$)"),
        chinese_name,
    ),
)


def find_identifiers(text: str, known: Mapping[str, str] | None = None) -> list[IdentifierSpan]:
    """Non-overlapping spans of personal details, in the order of the text.

    `known` maps details that were found elsewhere in the conversation to their types: they count wherever they stand
    as whole words, without the context that gave them away.
    """
    candidates = [*_candidates(text), *_repeats(text, known or {})]
    occupied = bytearray(len(text))
    taken = []
    for span, _ in sorted(candidates, key=lambda item: (item[0].start - item[0].end, item[1], item[0].start)):
        free = _free(span, text, occupied)
        if free is not None:
            occupied[free.start : free.end] = b"\1" * (free.end - free.start)
            taken.append(free)
    return sorted(taken, key=lambda span: span.start)


def _free(span: IdentifierSpan, text: str, occupied: bytearray) -> IdentifierSpan | None:
    """The span; of one that a longer detail overlaps, what is left of it, which still says something of a person."""
    start = occupied.find(0, span.start, span.end)
    if start < 0:
        return None
    end = occupied.find(1, start, span.end)
    end = span.end if end < 0 else end
    if (start, end) == (span.start, span.end):
        return span
    rest = any(character.isascii() and character.isalnum() for character in text[start:end])
    return IdentifierSpan(FRAGMENT, start, end) if rest else None


def _repeats(text: str, known: Mapping[str, str]) -> Iterator[tuple[IdentifierSpan, int]]:
    for value, type_ in known.items():
        if value in text:
            if type_ == "person":
                before = "" if _UNSPACED_LETTER.match(value[0]) else _BEFORE
                after = "" if _UNSPACED_LETTER.match(value[-1]) else _AFTER
            else:
                # A number or an address is one also where it is glued to a word, not inside of a longer number.
                before, after = r"(?<!\d)", r"(?!\d)"
            for match in re.finditer(before + re.escape(value) + after, text):
                yield IdentifierSpan(type_, *match.span()), len(RECOGNISERS)


def _candidates(text: str) -> Iterator[tuple[IdentifierSpan, int]]:
    present = {hint: bool(hint.search(text)) for hint in (_DIGIT, _AT, _SCHEME)}
    for place, recogniser in enumerate(RECOGNISERS):
        if recogniser.hint is not None and not present[recogniser.hint]:
            continue
        group = "value" if "value" in recogniser.pattern.groupindex else 0
        for match in recogniser.pattern.finditer(text):
            length = recogniser.accept(match.group(group))
            if length:
                start = match.start(group)
                yield IdentifierSpan(recogniser.type, start, start + length), place

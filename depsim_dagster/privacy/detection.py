"""Detection of personal details in chat text by pattern, checksum and context; no model, no download.

Each recogniser yields spans of one type. Overlaps are settled in favour of the longer span, then of the recogniser
that is listed first. What this is not: the gate's residual scan, which is a second and independent implementation
(privacy/residual.py), so that one mistake does not blind both.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class IdentifierSpan:
    """A personal detail at text[start:end]."""

    type: str
    start: int
    end: int


@dataclass(frozen=True)
class Recogniser:
    """`pattern` finds candidates (group `value` when there is context around it), `accept` checks them.

    `hint` is a character class that must occur in a text before the pattern is tried at all.
    """

    type: str
    pattern: re.Pattern[str]
    accept: Callable[[str], bool] = lambda value: True
    hint: re.Pattern[str] | None = None


def is_luhn(value: str) -> bool:
    """Luhn checksum of ISO/IEC 7812 card numbers, 13 to 19 digits."""
    digits = [int(character) for character in value if character.isdigit()]
    if not 13 <= len(digits) <= 19:
        return False
    doubled = (digit * 2 - 9 if digit > 4 else digit * 2 for digit in digits[-2::-2])
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def is_iban(value: str) -> bool:
    """ISO 13616 check: the rearranged number is 1 modulo 97."""
    compact = value.replace(" ", "").upper()
    if not 15 <= len(compact) <= 34:
        return False
    rearranged = compact[4:] + compact[:4]
    return int("".join(str(int(character, 36)) for character in rearranged)) % 97 == 1


def _is_phone(value: str) -> bool:
    return 8 <= sum(character.isdigit() for character in value) <= 15


def _is_ip_address(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


# A capitalised word of any alphabet with case, and up to two more; Chinese names stand without spaces.
_NAME = r"(?P<value>[^\W\d_a-z][\w'’-]+(?:\s+[^\W\d_a-z][\w'’-]+){0,2})"
# After a street: the postal code and the place, where they follow.
_PLACE = r"(?:,\s(?:[A-Z]{0,2}-?\d{4,6}\s)?[^\W\d_a-z][\w'’-]+(?:\s[^\W\d_a-z][\w'’-]+)?)?"
_DIGIT, _AT, _SCHEME = re.compile(r"\d"), re.compile("@"), re.compile("://")

RECOGNISERS: tuple[Recogniser, ...] = (
    Recogniser(
        "url_with_credentials",
        re.compile(r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@]{1,128}:[^\s/@]{1,128}@[^\s<>\"')]+", re.I),
        hint=_SCHEME,
    ),
    Recogniser(
        "api_key", re.compile(r"\b(?:sk|pk|rk|ghp|gho|ghs|glpat|xox[abp]|AKIA|ASIA|AIza)[-_A-Za-z0-9]{16,}\b")
    ),
    Recogniser("email", re.compile(r"\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}\b"), hint=_AT),
    Recogniser(
        "iban", re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b"), is_iban, _DIGIT
    ),
    Recogniser("card", re.compile(r"(?<![\w.])\d(?:[ -]?\d){12,18}(?![\w.]\d)"), is_luhn, _DIGIT),
    Recogniser(
        "ip_address", re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?!\w|\.\d)"), _is_ip_address, _DIGIT
    ),
    Recogniser(
        "ip_address",
        re.compile(r"(?<![\w:])(?:[0-9a-f]{1,4}:|:){2,7}(?::?[0-9a-f]{1,4})(?![\w:])", re.I),
        _is_ip_address,
        _DIGIT,
    ),
    Recogniser("national_id", re.compile(r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])"), hint=_DIGIT),
    Recogniser("phone", re.compile(r"(?<![\w+])\+\d{1,3}(?:[ .()-]{0,2}\d){6,12}(?!\w)"), _is_phone, _DIGIT),
    Recogniser(
        "phone", re.compile(r"(?<![\w.-])\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}(?![\w-])"), _is_phone, _DIGIT
    ),
    Recogniser(
        "street_address",
        re.compile(
            r"(?<!\w)\d{1,5}[A-Za-z]?,? (?:[^\W\d_][\w.'’-]*\s){0,3}?[^\W\d_][\w.'’-]* "
            r"(?:Street|St\.?|Avenue|Ave\.?|Road|Rd\.?|Lane|Ln\.?|Drive|Dr\.?|Boulevard|Blvd\.?|Court|Ct\.?|Way|Place|Square)(?!\w)"
            + _PLACE
        ),
        hint=_DIGIT,
    ),
    Recogniser(
        "street_address",
        re.compile(
            r"(?<!\w)(?:(?:Calle|Avenida|Rua|Rue|Via|Avenue|Boulevard|Plaza|Praça|Travessa)\s(?:de\s|da\s|do\s|du\s|des\s|la\s|del\s)*"
            r"[^\W\d_][\w'’-]*(?:\s[^\W\d_][\w'’-]*){0,3}|[^\W\d_][\w'’-]*(?:straße|strasse|weg|platz|gasse|allee)),?\s(?:n[º°.]?\s)?\d{1,5}(?!\w)"
            + _PLACE
        ),
        hint=_DIGIT,
    ),
    Recogniser(
        "street_address",
        re.compile(
            r"\d{1,5}(?:,|\s)\s?(?:rue|avenue|boulevard|place|impasse)\s[^\W\d_][\w'’-]*(?:\s[^\W\d_][\w'’-]*){0,3}"
            + _PLACE
        ),
        hint=_DIGIT,
    ),
    Recogniser(
        "street_address", re.compile(r"[\u4e00-\u9fff]{2,12}?(?:路|街|大道|巷)\d{1,5}号"), hint=_DIGIT
    ),
    Recogniser(
        "person",
        re.compile(
            r"\b(?:[Mm]y name is|[Mm]y name's|[Ii] am called|[Tt]his is|[Rr]egards,|[Ss]incerely,|[Mm]e llamo|[Mm]i nombre es|[Ii]ch heiße|[Mm]ein Name ist|"
            r"[Jj]e m['’]appelle|[Mm]on nom est|[Mm]eu nome é|[Mm]e chamo|[Mm]i chiamo|[Ii]l mio nome è)\s+"
            + _NAME
        ),
    ),
    Recogniser(
        "person",
        re.compile(r"(?:我叫|我的名字是|我是)(?P<value>[\u4e00-\u9fff]{2,4})(?=[,，。.!！;；、 \n]|$)"),
    ),
)


def find_identifiers(text: str, known: Mapping[str, str] | None = None) -> list[IdentifierSpan]:
    """Non-overlapping spans of personal details, in the order of the text.

    `known` maps details that were found elsewhere in the conversation to their types: they count wherever they stand
    as whole words, without the context that gave them away.
    """
    candidates = [*_candidates(text), *_repeats(text, known or {})]
    found = sorted(candidates, key=lambda item: (item[0].start - item[0].end, item[1]))
    taken: list[IdentifierSpan] = []
    for span, _ in found:
        if all(span.end <= other.start or span.start >= other.end for other in taken):
            taken.append(span)
    return sorted(taken, key=lambda span: span.start)


def _repeats(text: str, known: Mapping[str, str]) -> Iterator[tuple[IdentifierSpan, int]]:
    for value, type_ in known.items():
        if value in text:
            for match in re.finditer(
                rf"(?<!\w){re.escape(value)}(?!\w)" if value.isascii() else re.escape(value), text
            ):
                yield IdentifierSpan(type_, *match.span()), len(RECOGNISERS)


def _candidates(text: str) -> Iterator[tuple[IdentifierSpan, int]]:
    present = {hint: bool(hint.search(text)) for hint in (_DIGIT, _AT, _SCHEME)}
    for place, recogniser in enumerate(RECOGNISERS):
        if recogniser.hint is not None and not present[recogniser.hint]:
            continue
        group = "value" if "value" in recogniser.pattern.groupindex else 0
        for match in recogniser.pattern.finditer(text):
            if recogniser.accept(match.group(group)):
                yield IdentifierSpan(recogniser.type, *match.span(group)), place

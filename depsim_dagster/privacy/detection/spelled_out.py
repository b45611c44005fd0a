"""Addresses and numbers that are written in words: `john at gmail dot com`, `five five five oh one two three`.

Each is read into a plain form with the way back to its place, and the plain form must pass the same checks as any
other address or number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from depsim_dagster.privacy.detection.candidate_checks import is_luhn
from depsim_dagster.privacy.detection.chat_text import ChatText
from depsim_dagster.privacy.detection.identifier_spans import IdentifierSpan

_AT = (
    r"(?:\s{0,2}[\[({<]\s?(?:at|@|arroba|ät|kukac|chiocciola|klammeraffe|małpa|snabel-?a"
    r"|собака)\s?[\])}>]\s{0,2}|\s{1,2}(?:at|arroba|ät|arobase|chiocciola|klammeraffe|apenstaartje|małpa"
    r"|snabel-?a|собака)\s{1,2}|\s{1,2}@\s{0,2}|\s{0,2}@\s{1,2}|_at_|-at-|\(a\))"
)
_DOT = (
    r"(?:\s{0,2}[\[({<]\s?(?:dot|\.|punto|punkt|ponto|punt|kropka|точка)\s?[\])}>]\s{0,2}|\s{1,2}(?:dot"
    r"|punto|punkt|ponto|punt|kropka|точка|nokta)\s{1,2}|_dot_|-dot-|\s{1,2}\.\s{0,2}|\.\s{1,2}(?=(?:com"
    r"|org|net|edu|de|co|io)\b)|\.)"
)
_ENDINGS = frozenset(
    "com org net edu gov mil int info biz name io co me ai app dev tech online site us uk ca au nz ie de"
    " fr es it pt br mx ar cl nl be ch at pl se no dk fi ru ua cz sk hu ro gr tr jp cn kr in pk bd id my"
    " sg ph vn th za ng ke eg ma sa ae il ir eu test example ltd tv cc".split()
)
_TOP_LEVEL = "|".join(sorted(_ENDINGS))
_EMAIL = re.compile(
    rf"(?<![\w.])([A-Za-z0-9][\w+-]{{0,40}}(?:(?:{_DOT}|\s(?:underscore|dash|hyphen|plus"
    rf"|minus)\s)[\w+-]{{1,40}}){{0,3}}){_AT}([A-Za-z0-9][\w-]{{0,40}}(?:{_DOT}[A-Za-z][\w-]{{0,40}}){{0,3}}{_DOT}(?:{_TOP_LEVEL}))(?![\w])",
    re.IGNORECASE,
)
_DOT_WORDS = frozenset("dot punto punkt ponto punt kropka точка nokta".split())
_AT_WORDS = frozenset(
    "at arroba ät kukac chiocciola klammeraffe małpa snabel snabela собака arobase apenstaartje".split()
)
_SPACED_AT = re.compile(r"@[\s\])}>]|[\s\[({<]@")
_BRACKETED_AT = re.compile(r"[\[({<_-]\s?at\s?[\])}>_-]", re.IGNORECASE)
_FRENCH_EMAIL = re.compile(
    r"(?<![\w.])[a-z0-9][\w-]{0,40}(?:(?: point | tiret |\.)[\w-]{1,40}){0,3} arobase"
    r" [a-z0-9][\w-]{0,40}(?: point [a-z][\w-]{0,20}){1,3}(?![\w])",
    re.IGNORECASE,
)
_NUMBER_WORDS: dict[str, str] = {}
for _words in (
    "zero one two three four five six seven eight nine",
    "null eins zwei drei vier fünf sechs sieben acht neun",
    "zéro un deux trois quatre cinq six sept huit neuf",
    "cero uno dos tres cuatro cinco seis siete ocho nueve",
    "zero um dois três quatro cinco seis sete oito nove",
    "zero uno due tre quattro cinque sei sette otto nove",
    "nul een twee drie vier vijf zes zeven acht negen",
    "zero jeden dwa trzy cztery pięć sześć siedem osiem dziewięć",
    "noll ett två tre fyra fem sex sju åtta nio",
    "ноль один два три четыре пять шесть семь восемь девять",
):
    for _digit, _word in enumerate(_words.split()):
        _NUMBER_WORDS.setdefault(_word, str(_digit))
_NUMBER_WORDS |= {
    "oh": "0",
    "o": "0",
    "zwo": "2",
    "één": "1",
    "ein": "1",
    "uma": "1",
    "duas": "2",
    "meia": "6",
    "niner": "9",
    "une": "1",
    "en": "",
}
del _NUMBER_WORDS["en"]
_TENS = {
    "ten": "10", "eleven": "11", "twelve": "12", "thirteen": "13", "fourteen": "14", "fifteen": "15", "sixteen": "16", "seventeen": "17", "eighteen": "18", "nineteen": "19",
    "twenty": "20", "thirty": "30", "forty": "40", "fifty": "50", "sixty": "60", "seventy": "70", "eighty": "80", "ninety": "90", "hundred": "00",
}  # fmt: skip
_FILLERS = frozenset("plus dash hyphen minus bindestrich tiret guion guión".split())
_RARE = frozenset(_NUMBER_WORDS) - frozenset(
    "o oh un une um uma a e sex fem six ein een null tre acht sei due dos tres".split()
)
_TOKEN = re.compile(r"[^\W\d_]+|\d+")
_CJK_DIGITS = re.compile(r"[零〇一二三四五六七八九幺两]{7,20}")
_SINGLE = re.compile(r"(?<![\w.,])\d(?:[ \t]{0,2}[-–—._/·•*|,~]{0,2}[ \t]{0,2}\d(?!\d)){6,20}(?![\w]|[.,]\d)")
_NUMBER_CONTEXT = re.compile(
    r"phone|number|call|tel|mobile|cell|nummer|numéro|número|numero|card|account|konto|ssn|social|text me"
    r"|reach|whatsapp|rufnummer|teléfono|telefone|telefono|numer|id|pin\b"
)


def find_spelled_out(chat: ChatText) -> Iterator[IdentifierSpan]:
    """Mail addresses in words, numbers in words, numbers in single figures."""
    text = chat.text
    if "@" in text or chat.has_any(_DOT_WORDS) or ("at" in chat.words and _BRACKETED_AT.search(text)):
        spaced = "(a)" in chat.lower or chat.has_any(_AT_WORDS) or _SPACED_AT.search(text)
        for match in _EMAIL.finditer(text) if spaced else ():
            if _is_mailbox(match):
                yield IdentifierSpan("email", *match.span())
    if "arobase" in chat.words:
        for match in _FRENCH_EMAIL.finditer(text):
            yield IdentifierSpan("email", *match.span())
    if len(chat.words & _RARE) >= 2 or ("double" in chat.words and chat.words & _RARE):
        yield from _numbers(chat)
    if chat.unspaced:
        for match in _CJK_DIGITS.finditer(text):
            if len(set(match.group())) > 3:
                yield IdentifierSpan("phone", *match.span())
    for start, end in chat.number_windows:
        for match in _SINGLE.finditer(text, start, end):
            digits = "".join(filter(str.isdigit, match.group()))
            near = _NUMBER_CONTEXT.search(chat.lower, max(0, match.start() - 50), match.start())
            if len(digits) >= 13 and is_luhn(digits) and len(set(digits)) > 1:
                yield IdentifierSpan("card", *match.span())
            elif near and 7 <= len(digits) <= 19:
                yield IdentifierSpan("phone", *match.span())


_NO_DOMAINS = frozenset(
    "the a an this that my your his her our their any some each every it least most all last first".split()
)


def _is_mailbox(match: re.Match[str]) -> bool:
    domain = re.split(
        r"[^\w-]+",
        re.sub(
            r"\b(?:dot|punto|punkt|ponto|punt|kropka|точка|nokta)\b", ".", match.group(2), flags=re.IGNORECASE
        ),
    )
    told = re.search(
        r"[\[({<_-]\s?(?:at|@|a)\s?[\])}>_-]|@|\b(?:dot|punto|punkt|ponto|punt|kropka|точка|nokta)\b",
        match.group(),
        re.IGNORECASE,
    )
    if domain[-1].lower() not in _ENDINGS or not told or domain[0].lower() in _NO_DOMAINS:
        return False
    # `meet me at point com` has no user; `look at example.com` has a plain dot and no sign of a disguise.
    words = re.search(
        r"\b(?:dot|punto|punkt|ponto|punt|kropka|точка|nokta)\b|[\[({<]", match.group(), re.IGNORECASE
    )
    return bool(words or "@" in match.group())


def _numbers(chat: ChatText) -> Iterator[IdentifierSpan]:
    """Runs of number words and figures that read as at least seven figures."""
    run: list[tuple[int, int]] = []
    digits, words, times = "", 0, 1
    for match in (*_TOKEN.finditer(chat.lower), None):
        token = match.group() if match else ""
        gap = chat.text[run[-1][1] : match.start()] if run and match else ""
        near = not run or (len(gap) <= 3 and not re.search(r"[.!?;:\n]", gap))
        value = (
            _NUMBER_WORDS.get(token)
            or _TENS.get(token)
            or (token if token.isdigit() and len(token) <= 4 else None)
        )
        if match and near and value is not None:
            digits += value * times
            words += not token.isdigit()
            times = 1
            run.append(match.span())
            continue
        if match and near and token in ("double", "triple"):
            times = 2 if token == "double" else 3
            run.append(match.span())
            continue
        if match and near and run and token in _FILLERS:
            run.append(match.span())
            continue
        yield from _spoken(run, digits, words)
        run, digits, words, times = [], "", 0, 1
        if match and value is not None:
            run, digits, words = [match.span()], value, int(not token.isdigit())


def _spoken(run: list[tuple[int, int]], digits: str, words: int) -> Iterator[IdentifierSpan]:
    counting = (
        digits in "0123456789012345678901234567890"
        or digits in "9876543210"
        or "12345678910111213".startswith(digits)
        or len(set(digits)) < 3
    )
    if len(digits) >= 7 and words >= 4 and not counting:
        yield IdentifierSpan("card" if len(digits) >= 13 else "phone", run[0][0], run[-1][1])

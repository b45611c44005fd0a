"""Numbers, codes and user names without a label, for texts that speak of a person for other reasons.

`The transaction from 39475210 was declined` says no word for account; beside a name and an address it is
one. Lines that look like code are left alone, and so are dates, times, amounts, versions and the names of technical things.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from depsim_dagster.privacy.detection.chat_text import ChatText
from depsim_dagster.privacy.detection.identifier_spans import IdentifierSpan

_NUMBER = re.compile(r"(?<![\w.,$€£¥#+/=-])\d{7,14}(?![\w%°]|[.,:/]\d|-\d)", re.ASCII)
_CODE = re.compile(
    r"(?<![\w./#=+-])(?:[A-Z]{1,5}[-/]?\d{5,12}[A-Z]{0,3}|\d{2,6}[A-Z]{2,6}\d{2,8}[A-Z]{0,3}"
    r"|[A-Z]{1,5}\d{2,6}[A-Z]{1,5}\d{1,8}[A-Z]{0,3}"
    r"|[A-Z]{2,8}-\d{3,8}-[A-Z0-9-]{1,12}|[A-Z]{2,6}\d{2}-\d{3,8}(?:-\d{1,4})?"
    r"|[A-Z]{5,10}\d{4,8}[A-Z]{0,4}\d{0,4})(?![\w/=(]|-\w|\.\w)",
    re.ASCII,
)
_HANDLE = re.compile(
    r"(?<![\w./@#=:$%&-])[a-z][a-z]{2,20}(?:[._][a-z]{2,20})?\d{2,6}[a-z]?(?![\w(/=@:]|\.\w|-\w)", re.ASCII
)
_UNITS = re.compile(
    r"\s?(?:%|€|\$|£|¥|eur|usd|dollars?|euros?|views?|people|users|times|km|kg|years?|rows?|bytes|px|ms"
    r"|records|items)\b",
    re.IGNORECASE,
)
_DAY = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_EPOCH = re.compile(r"1[4-9]\d{8}(?:\d{3})?")
_TECHNICAL = re.compile(
    r"(?:sha|utf|md|py|python|ipv|mp|base|int|uint|float|double|win|windows|covid|web|http|html|css|log"
    r"|es|ps|rs|rtx|gtx|arm|amd|intel|ios|java|jdk|node|php|ubuntu|debian|fedora|iphone|ipad|galaxy|pixel"
    r"|test|step|page|chapter|figure|fig|table|eq|vol|version|ver|level|unit|item|part|room|file|image"
    r"|img|photo|doc|day|week|month|year|top|area|route|highway|channel|episode|season|model|type|class"
    r"|group|gpt|bert|llama|claude|gemini|param|arg|var|col|row|cell|key|id|user|port|server|host|node"
    r"|line|sample|line|bit|x86|amd64|k8s|s3|ec2|dim|layer|conv|fc|cuda|tensor|en|gen|iso|rfc|pep|cve"
    r"|issue|pr|bug|task|epic|sprint)[._]?\d+[a-z]?"
)
_CODE_LINE = re.compile(r"[;{}]\s*$|\w\(|[=!<>]=|\w = |\bdef \w|\bimport \w|\breturn\b|</?\w+>|::|->")


def find_unlabelled_codes(chat: ChatText) -> Iterator[IdentifierSpan]:
    """Long numbers, codes of capitals and figures, and names with figures, outside of code."""
    if not chat.digits:
        return
    text = chat.text
    for match in _NUMBER.finditer(text):
        value = match.group()
        if (
            _DAY.fullmatch(value)
            or _EPOCH.fullmatch(value)
            or len(set(value)) < 3
            or _UNITS.match(text, match.end())
        ):
            continue
        if not _in_code(text, match.start()):
            yield IdentifierSpan("account_number", *match.span())
    for match in _CODE.finditer(text):
        if not _in_code(text, match.start()) and not _TECHNICAL.fullmatch(match.group().lower()):
            yield IdentifierSpan("account_number", *match.span())
    for match in _HANDLE.finditer(text):
        if not _TECHNICAL.fullmatch(match.group()) and not _in_code(text, match.start()):
            yield IdentifierSpan("username", *match.span())


def _in_code(text: str, place: int) -> bool:
    start = max(text.rfind("\n", 0, place) + 1, place - 160)
    end = text.find("\n", place)
    return _CODE_LINE.search(text, start, min(len(text) if end < 0 else end, place + 160)) is not None

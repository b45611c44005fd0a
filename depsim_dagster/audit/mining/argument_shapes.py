"""What a tool call hands over, by its shape: arithmetic, a URL, code, a path … Never the value itself.

The shapes are a closed vocabulary. They are read from every value in the arguments, whatever its key is called, so that a
search tool that is handed a sum is seen as "receives arithmetic" in any schema.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

LONG = 1_000  # characters of all arguments together
_READ = 4_000  # characters of one value that are looked at
_MOST_VALUES = 200
_DEEPEST = 20
_SHORT = 300  # a longer value is a text that may hold a sum, not a sum

_ASKING = re.compile(
    r"^\s*(?:(?:please|what is|what's|whats|how much is|calculate|compute|evaluate|solve|result of|value of|cuánto es|calcula|"
    r"was ist|wie viel ist|berechne|combien font|calcule|quanto é|计算|算)\s*:?\s*)+",
    re.IGNORECASE,
)
_SUM_ALONE = re.compile(r"[\d\s.,()\[\]%*/^+\-−–×÷·=?!√x]+", re.IGNORECASE)
_OPERATION = re.compile(r"\d[\d.,]*\s*[)%]?\s*(?:[*×÷·^/+\-−–x]|\*\*)\s*[(−\-+]?\s*\d", re.IGNORECASE)
_SUM_WITHIN = re.compile(
    r"\d\s*(?:[*×÷^]|\*\*)\s*\(?\d|\d\s+[+/]\s+\(?\d|\bsqrt\(|\b(?:times|divided by)\s+\d"
)
_NO_SUM = re.compile(
    r"\d{1,4}([-/.–])\d{1,2}\1\d{1,4}"  # a date
    r"|\d{4}\s*[-–/]\s*\d{2,4}"  # a span of years
    r"|\d{1,2}/\d{1,2}"  # a fraction, or a day
    r"|\d+(?:\.\d+){2,}"  # a version
    r"|\+?[\d().]+(?:[\s-][\d().]+){2,}"  # a telephone number
    r"|\d{3,}-\d{3,}"
)
_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}(?:[T ].{0,20})?|\d{1,2}[./]\d{1,2}[./]\d{2,4}")
_NUMBER = re.compile(r"[-+]?\d[\d.,]*\s?%?")
_URL = re.compile(r"\bhttps?://|\bwww\.", re.IGNORECASE)
_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}\.[\w.-]{2,}")
_PATH = re.compile(
    r"(?:~|\.{0,2})/[\w.~-]+(?:/[\w.~-]*)*|[A-Za-z]:\\\S+|[\w.-]+(?:/[\w.-]+)*/[\w-]+\.\w{1,5}"
)
_CODE = re.compile(
    r"^[ \t]{0,40}(?:def |class |import |from \w+ import |function |const |let |var |public |#include|return |print\(|for \w+ in )"
    r"|[;{][ \t]{0,12}$|=>|\w\([^()\n]{0,200}\)[ \t]{0,12}$|</?[a-z]+>",
    re.MULTILINE,
)
_SHELL = re.compile(
    r"(?:^|[;&|]\s*)(?:sudo|rm|curl|wget|chmod|git|pip|npm|ls|cat|cd|mkdir|grep|docker|bash|sh|kill|ssh|scp)\s+\S"
)
_SQL = re.compile(
    r"\b(?:select\b.{1,2000}\bfrom|insert\s+into|delete\s+from|update\s+\w+\s+set|(?:create|drop|alter)\s+table)\b",
    re.IGNORECASE | re.DOTALL,
)
_OPAQUE = re.compile(r"[A-Za-z0-9+/_=-]{40,}")


def argument_shapes(arguments: Any) -> frozenset[str]:
    """Names of the shapes of one call's arguments (a JSON text, or a value that was read from one)."""
    text = arguments if isinstance(arguments, str) else _dumped(arguments)
    shapes = {"very long arguments"} if len(text) > LONG else set()
    try:
        values = json.loads(arguments) if isinstance(arguments, str) else arguments
    except (ValueError, RecursionError):
        if not text.strip():
            return frozenset({"no arguments"})
        return frozenset(shapes | {"arguments that are not JSON"} | _shapes_of(text))
    if values is None or values in ({}, [], ""):
        return frozenset(shapes | {"no arguments"})
    if isinstance(values, dict) and any(isinstance(value, dict | list) for value in values.values()):
        shapes.add("nested values")
    for number, value in enumerate(_leaves(values)):
        if number == _MOST_VALUES:
            break
        shapes |= _shapes_of(value)
    return frozenset(shapes)


def is_arithmetic(text: str) -> bool:
    """Whether a value asks for a sum: an expression alone (also behind "what is" and the like), or a product, quotient or sum
    of numbers within a few words. Dates, telephone numbers, versions and spans of years are none."""
    if len(text) > _SHORT:
        return False
    rest = _ASKING.sub("", text).strip()
    if _SUM_ALONE.fullmatch(rest):
        rest = rest.strip(" =?!")
        return bool(_OPERATION.search(rest)) and not _NO_SUM.fullmatch(rest)
    return bool(_SUM_WITHIN.search(rest)) and not _URL.search(rest)


def _shapes_of(value: str) -> set[str]:
    text = value[:_READ].strip()
    if not text:
        return {"an empty value"}
    if _NUMBER.fullmatch(text):
        return {"a number alone"}
    if _DATE.fullmatch(text):
        return {"a date"}
    shapes = set()
    tests = (
        ("a URL", _URL.search),
        ("an e-mail address", _EMAIL.search),
        ("a path", _PATH.fullmatch),
        ("SQL", _SQL.search),
        ("a shell command", _SHELL.search),
        ("code", _CODE.search),
        ("an opaque token", _OPAQUE.fullmatch),
    )
    shapes.update(name for name, test in tests if test(text))
    # A product in a line of code is the code's.
    if is_arithmetic(text) and not shapes:
        shapes.add("arithmetic")
    if "\n" in text:
        shapes.add("several lines")
    if text.endswith(("?", "？")):
        shapes.add("a question")
    return shapes


def _leaves(value: Any, depth: int = 0) -> Iterator[str]:
    if depth > _DEEPEST:
        return
    if isinstance(value, dict):
        for part in value.values():
            yield from _leaves(part, depth + 1)
    elif isinstance(value, list):
        for part in value:
            yield from _leaves(part, depth + 1)
    elif value is not None and not isinstance(value, bool):
        yield value if isinstance(value, str) else str(value)


def _dumped(value: Any) -> str:
    try:
        return json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        return ""

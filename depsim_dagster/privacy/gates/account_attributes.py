"""What a log's own columns say of the account: names, addresses and numbers under keys that say so.

A log may join its user table to its conversations; those columns arrive as `attributes`. Their values are details by
their place, whatever they look like, so they are replaced in the whole conversation and looked for at the gate.
"""

from __future__ import annotations

import json
import re

SHORTEST, LONGEST = 4, 128
_OWNER = r"(?:user|account|customer|client|member|author|owner|contact|subscriber|employee)"
_KINDS = (
    ("email", rf"(?:{_OWNER}[ _.-]?)?e?[ _-]?mail(?:[ _.-]?address)?"),
    ("phone", rf"(?:{_OWNER}[ _.-]?)?(?:phone|mobile|telephone)(?:[ _.-]?number)?"),
    ("username", rf"(?:{_OWNER}[ _.-]?)?(?:user[ _-]?name|login|handle|nick(?:name)?)"),
    ("person", rf"{_OWNER}[ _.-]?(?:full[ _-]?)?name|(?:full|first|last|given|family|sur)[ _-]?name"),
    ("account_number", rf"{_OWNER}[ _.-]?(?:id|no|number)"),
)
_PATTERNS = tuple((kind, re.compile(pattern, re.IGNORECASE)) for kind, pattern in _KINDS)


def account_values(attributes: str | None) -> dict[str, str]:
    """Value → type of personal detail, for a JSON object of a log's columns. Values too short to be told from words are
    left out; so is everything when it is no JSON object.
    """
    try:
        named = json.loads(attributes or "{}")
    except (ValueError, RecursionError):
        return {}
    found: dict[str, str] = {}
    waiting = list(named.items()) if isinstance(named, dict) else []
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.items()
        elif isinstance(value, (str, int)) and not isinstance(value, bool):
            text = str(value).strip()
            type_ = next((kind for kind, pattern in _PATTERNS if pattern.fullmatch(name[:64])), None)
            if type_ == "username" and " " in text:
                type_ = "person"
            if type_ is not None and SHORTEST <= len(text) <= LONGEST:
                found.setdefault(text, type_)
    return found

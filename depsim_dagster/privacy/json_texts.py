"""Every text in a JSON value, as a reader of the conversation meets it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

# JSON inside of JSON is taken apart so many times; what lies deeper is read as the text that it is.
DEEPEST = 10


def all_texts(value: Any) -> Iterator[str]:
    """Every text and whole number of a JSON value, names of keys among them. JSON that is written inside of a text is
    given as it stands and taken apart. In no order; values nested however deep are no danger.
    """
    waiting = [(value, 0)]
    while waiting:
        part, depth = waiting.pop()
        if isinstance(part, str):
            yield part
            if depth < DEEPEST and part.lstrip()[:1] in ("{", "["):
                try:
                    waiting.append((json.loads(part), depth + 1))
                except (ValueError, RecursionError):
                    continue
        elif isinstance(part, dict):
            yield from part
            waiting += [(item, depth) for item in part.values()]
        elif isinstance(part, list):
            waiting += [(item, depth) for item in part]
        elif isinstance(part, int) and not isinstance(part, bool):
            yield str(part)

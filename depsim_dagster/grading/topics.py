"""The topic of a turn: one attribute of the log that its owner named, where it is a short plain value.

Labels outlive the text of their week, and attributes come from a log that anybody may have written into. So a topic is a
word or two of a small vocabulary, or none: what is long, is no plain value or is one of too many is left out and counted.
"""

from __future__ import annotations

import json
import re
from typing import Any

LONGEST = 64
# More different values than this are names, ids or sentences, not topics: each would be kept for the life of the labels.
MOST_TOPICS = 200
_PLAIN = re.compile(rf"[\w][\w .,:&+/()'-]{{0,{LONGEST - 1}}}")


class Topics:
    """Topics of one partition, of the attribute `name` (none without); `unusable` counts values that cannot be one."""

    def __init__(self, name: str | None) -> None:
        self._name = name
        self._known: set[str] = set()
        self.unusable = 0

    def of(self, attributes: str | None) -> str | None:
        """The topic that a turn's attributes (a JSON object) give."""
        if self._name is None or not attributes:
            return None
        value = json.loads(attributes).get(self._name)
        if value is None or value == "":
            return None
        topic = _plain(value)
        if topic is None or (topic not in self._known and len(self._known) >= MOST_TOPICS):
            self.unusable += 1
            return None
        self._known.add(topic)
        return topic


def _plain(value: Any) -> str | None:
    """A text or whole number (or truth) as a label shows it, or None where it is neither short nor plain."""
    text = json.dumps(value) if isinstance(value, (bool, int)) else value
    return text if isinstance(text, str) and _PLAIN.fullmatch(text) else None

r"""Texts with escapes (JSON, code): what they say, and how a change of what they say is written back.

`"harriet\u0040example.com"` and `line\nHarriet` hold a detail that no pattern sees, and `\nharriet@example.com` one
that it would see wrongly. `read_escapes` undoes escapes, also those of JSON inside of JSON, and keeps where each
character came from. Nothing is parsed: a fragment of code in a sentence is read as well as a whole document.
"""

from __future__ import annotations

import json
import re
from array import array
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

DEEPEST = 4  # JSON in JSON in JSON in a code block
_ESCAPE = re.compile(
    r"\\(?:u(?P<high>[dD][89abAB][0-9a-fA-F]{2})\\u(?P<low>[dD][c-fC-F][0-9a-fA-F]{2})"
    r"|u(?P<unit>[0-9a-fA-F]{4})|U(?P<wide>00(?:0[0-9a-fA-F]|10)[0-9a-fA-F]{4})|x(?P<byte>[0-9a-fA-F]{2})|(?P<one>[bfnrt\"'/\\]))"
)
_ONE = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


@dataclass(frozen=True)
class Escaped:
    """`raw` and what it says, `text`. Without an escape both are the same and `starts` is None; else text[i] is
    raw[starts[i]:starts[i + 1]]."""

    raw: str
    text: str
    starts: array[int] | None = None
    depth: int = 0

    def shown(self, start: int, end: int) -> tuple[int, int] | None:
        """raw[start:end] as a stretch of `text`, without the escapes that it cuts; None when nothing is left."""
        if self.starts is None:
            return start, end
        first = bisect_right(self.starts, start) - 1
        if self.starts[first] < start:
            first += 1
        last = bisect_right(self.starts, end) - 1
        while first < last and self._is_escape(first):
            first += 1
        for place in range(first, last):
            if self._is_escape(place):
                last = place
                break
        return (first, last) if first < last else None

    def replaced(self, changes: Iterable[tuple[int, int, str]]) -> str:
        """`raw` with stretches of `text` (in their order, not overlapping) replaced."""
        pieces, position = [], 0
        for start, end, new in changes:
            if self.starts is None:
                pieces += [self.raw[position:start], new]
                position = end
            else:
                pieces += [self.raw[position : self.starts[start]], self._written(start, end, new)]
                position = self.starts[end]
        return "".join([*pieces, self.raw[position:]])

    def _is_escape(self, place: int) -> bool:
        return self.starts is not None and self.starts[place + 1] - self.starts[place] > 1

    def _written(self, start: int, end: int, new: str) -> str:
        """A surrogate as it must stand in `raw`: its punctuation is the original's, and is written as that was."""
        assert self.starts is not None
        marks = [place for place in range(start, end) if not self.text[place].isalnum()]
        if [self.text[place] for place in marks] == [sign for sign in new if not sign.isalnum()]:
            source = iter(marks)
            return "".join(sign if sign.isalnum() else self._raw_of(next(source)) for sign in new)
        for _ in range(self.depth):
            new = json.dumps(new, ensure_ascii=False)[1:-1]
        return new

    def _raw_of(self, place: int) -> str:
        assert self.starts is not None
        return self.raw[self.starts[place] : self.starts[place + 1]]


def read_escapes(raw: str) -> Escaped:
    """What a text says when its escapes are undone, down to four levels."""
    if "\\" not in raw:
        return Escaped(raw, raw)
    text, starts, depth = raw, array("q", range(len(raw) + 1)), 0
    while depth < DEEPEST and "\\" in text:
        pieces, kept, position = [], array("q"), 0
        for match in _ESCAPE.finditer(text):
            pieces += [text[position : match.start()], _said(match)]
            kept.extend(starts[position : match.start() + 1])
            position = match.end()
        if not pieces:
            break
        pieces.append(text[position:])
        kept.extend(starts[position:])
        text, starts, depth = "".join(pieces), kept, depth + 1
    return Escaped(raw, text, starts, depth) if depth else Escaped(raw, raw)


def _said(escape: re.Match[str]) -> str:
    if escape["high"]:
        return chr(0x10000 + ((int(escape["high"], 16) & 0x3FF) << 10) + (int(escape["low"], 16) & 0x3FF))
    if escape["one"]:
        return _ONE.get(escape["one"], escape["one"])
    return chr(int(escape["unit"] or escape["byte"] or escape["wide"], 16))

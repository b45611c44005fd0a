"""Which characters of a text a change has kept, and what stands in the place of a span.

A patience alignment: tokens that occur once on both sides anchor it, the gaps between two anchors are aligned in the
same way, and only small gaps are compared token by token. Where nothing is unique (logs, tables), the next match within
a window is taken. That is near-linear where difflib alone is quadratic. It judges nothing; that is leaks.py.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property
from itertools import pairwise

# Scripts that write words without spaces: each character is a token of its own.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7af\uff66-\uff9f\U00020000-\U0003ffff"
)
TOKEN = re.compile(rf"[{_UNSPACED}]|(?:(?![{_UNSPACED}])[^\W_])+|\s+|.", re.DOTALL)

# Tokens of both sides of a gap, multiplied, up to which difflib compares it.
SMALL_GAP = 10_000
WINDOW = 40
# So many tokens in a row are an anchor where no single token is one.
SHINGLES = (1, 4)
DEEPEST = 40


@dataclass(frozen=True)
class Alignment:
    """`kept` are the pairs of token places (before, after) that are equal, increasing in both."""

    before: list[tuple[int, int]]
    after: list[tuple[int, int]]
    kept: list[tuple[int, int]]
    changed_text: str

    @cached_property
    def _starts(self) -> list[int]:
        return [start for start, _ in self.before]

    @cached_property
    def _ends(self) -> list[int]:
        return [end for _, end in self.before]

    def replacement(self, start: int, end: int) -> str:
        """What stands after the change between the nearest kept tokens around [start, end), with what was kept in it."""
        first = bisect_right(self._ends, start)
        last = bisect_left(self._starts, end)
        left = bisect_left(self.kept, (first, -1)) - 1
        right = bisect_left(self.kept, (last, -1))
        begin = self.after[self.kept[left][1]][1] if left >= 0 else 0
        finish = self.after[self.kept[right][1]][0] if right < len(self.kept) else len(self.changed_text)
        return self.changed_text[begin:finish]


def align(before: str, after: str) -> Alignment:
    """The tokens of `before` that stand in `after`, in the same order."""
    tokens = [list(TOKEN.finditer(text)) for text in (before, after)]
    left, right = ([match.group() for match in side] for side in tokens)
    kept = list(_kept(left, right, 0, len(left), 0, len(right), 0))
    return Alignment(*([match.span() for match in side] for side in tokens), kept, after)


def _kept(
    left: Sequence[str], right: Sequence[str], a: int, a_end: int, b: int, b_end: int, depth: int
) -> Iterator[tuple[int, int]]:
    while a < a_end and b < b_end and left[a] == right[b]:
        yield a, b
        a, b = a + 1, b + 1
    tail = 0
    while a < a_end and b < b_end and left[a_end - 1] == right[b_end - 1]:
        a_end, b_end, tail = a_end - 1, b_end - 1, tail + 1
    yield from _middle(left, right, a, a_end, b, b_end, depth)
    yield from ((a_end + place, b_end + place) for place in range(tail))


def _middle(
    left: Sequence[str], right: Sequence[str], a: int, a_end: int, b: int, b_end: int, depth: int
) -> Iterator[tuple[int, int]]:
    if a == a_end or b == b_end or depth > DEEPEST:
        return
    if (a_end - a) * (b_end - b) <= SMALL_GAP:
        matcher = SequenceMatcher(None, left[a:a_end], right[b:b_end], autojunk=False)
        for block in matcher.get_matching_blocks():
            yield from ((a + block.a + place, b + block.b + place) for place in range(block.size))
        return
    anchors: list[tuple[int, int]] = []
    for size in SHINGLES:
        anchors = _anchors(left, right, a, a_end, b, b_end, size)
        if anchors:
            break
    else:
        yield from _windows(left, right, a, a_end, b, b_end)
        return
    corners = [(a, b), *anchors, (a_end, b_end)]
    for place, ((from_a, from_b), (to_a, to_b)) in enumerate(pairwise(corners)):
        if place:
            yield from_a, from_b
        skip = 1 if place else 0
        yield from _kept(left, right, from_a + skip, to_a, from_b + skip, to_b, depth + 1)


def _windows(
    left: Sequence[str], right: Sequence[str], a: int, a_end: int, b: int, b_end: int
) -> Iterator[tuple[int, int]]:
    """Where nothing is unique: equal tokens as they come, and after a difference what fits within a window of it."""
    while a < a_end and b < b_end:
        if left[a] == right[b]:
            yield a, b
            a, b = a + 1, b + 1
            continue
        size = min(WINDOW, a_end - a), min(WINDOW, b_end - b)
        matcher = SequenceMatcher(None, left[a : a + size[0]], right[b : b + size[1]], autojunk=False)
        block = next((block for block in matcher.get_matching_blocks() if block.size), None)
        if block is None:
            a, b = a + size[0], b + size[1]
        else:
            a, b = a + block.a, b + block.b


def _anchors(
    left: Sequence[str], right: Sequence[str], a: int, a_end: int, b: int, b_end: int, size: int
) -> list[tuple[int, int]]:
    """The longest increasing run of tokens (or shingles) that occur once on each side."""
    ours, theirs = _unique(left, a, a_end, size), _unique(right, b, b_end, size)
    pairs = sorted((place, theirs[token]) for token, place in ours.items() if token in theirs)
    return _increasing(pairs)


def _unique(tokens: Sequence[str], start: int, end: int, size: int) -> dict[tuple[str, ...], int]:
    places: dict[tuple[str, ...], int] = {}
    repeated: set[tuple[str, ...]] = set()
    for place in range(start, end - size + 1):
        shingle = tuple(tokens[place : place + size])
        if shingle in places:
            repeated.add(shingle)
        places[shingle] = place
    return {shingle: place for shingle, place in places.items() if shingle not in repeated}


def _increasing(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    ends: list[int] = []
    places: list[int] = []
    before: list[int] = []
    for number, (_, other) in enumerate(pairs):
        pile = bisect_left(ends, other)
        before.append(places[pile - 1] if pile else -1)
        if pile == len(ends):
            ends.append(other)
            places.append(number)
        else:
            ends[pile], places[pile] = other, number
    chain: list[tuple[int, int]] = []
    number = places[-1] if places else -1
    while number >= 0:
        chain.append(pairs[number])
        number = before[number]
    return chain[::-1]

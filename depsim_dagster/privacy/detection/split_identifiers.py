"""Details that an author spreads over consecutive messages: `my number is 555` / `0123 4567`.

Two neighbouring messages are read as one, with nothing and with a blank between them. What is found across the border
counts if neither message gives its own part away. To stay conservative only the border itself is read, and a detail
must lie on both sides of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from depsim_dagster.privacy.detection.identifier_spans import IdentifierSpan

# How much of a message is read at its border.
_REACH = 120
_SPLIT_TYPES = frozenset(
    "email phone card iban national_id ip_address account_number bank_account api_key"
    " url_with_credentials passport medical_record".split()
)
_WORDY = frozenset(("email", "api_key", "url_with_credentials"))
_ENDS_OPEN = re.compile(r"[\w@.+%(-]\s*$")
_BEGINS_OPEN = re.compile(r"\s*[\w@.+()-]")


def find_split(
    texts: Sequence[str], detect: Callable[[str], list[IdentifierSpan]]
) -> list[list[IdentifierSpan]]:
    """Per text the parts of details that cross into a neighbour."""
    found: list[list[IdentifierSpan]] = [[] for _ in texts]
    for place in range(len(texts) - 1):
        before, after = texts[place], texts[place + 1]
        if not (
            _ENDS_OPEN.search(before[-40:]) and _BEGINS_OPEN.match(after[:40]) and _may_cross(before, after)
        ):
            continue
        shift = max(0, len(before) - _REACH)
        for left, right in _across(before[-_REACH:], after[:_REACH], detect):
            if left is not None:
                found[place].append(IdentifierSpan(left.type, left.start + shift, left.end + shift))
            if right is not None:
                found[place + 1].append(right)
    return [_merged(spans) for spans in found]


def _may_cross(before: str, after: str) -> bool:
    """Figures on both sides, or an @ beside the border."""
    figures = re.search(r"\d\W{0,3}$", before[-8:]) and re.match(r"\W{0,3}\d", after[:8])
    mail = "@" in after[:40] or "@" in before[-40:]
    token = re.search(r"[A-Za-z0-9_-]{6,}\s*$", before[-40:]) and re.match(
        r"\s*[A-Za-z0-9_-]{6,}", after[:40]
    )
    return bool(figures or mail or (token and re.search(r"\d", before[-20:] + after[:20])))


def _across(
    before: str, after: str, detect: Callable[[str], list[IdentifierSpan]]
) -> list[tuple[IdentifierSpan | None, IdentifierSpan | None]]:
    """The parts of what crosses the border; None for a part that its own message gives away."""
    alone_before, alone_after = detect(before), detect(after)
    left, right = before.rstrip(), after.lstrip()
    offset, border = len(after) - len(right), len(left)
    for joint in ("", " "):
        parts: list[tuple[IdentifierSpan | None, IdentifierSpan | None]] = []
        for span in detect(left + joint + right):
            if span.type not in _SPLIT_TYPES or not (span.start < border and span.end > border + len(joint)):
                continue
            first = IdentifierSpan(span.type, span.start, border)
            second = IdentifierSpan(span.type, offset, offset + span.end - border - len(joint))
            seen = _covered(first, alone_before), _covered(second, alone_after)
            # What is whole on one side only runs on into the other: `ann@example.org` / `thanks`.
            if not all(seen) and not (any(seen) and span.type in _WORDY):
                parts.append((None if seen[0] else first, None if seen[1] else second))
        if parts:
            return parts
    return []


def _covered(part: IdentifierSpan, spans: list[IdentifierSpan]) -> bool:
    return any(span.start <= part.start and part.end <= span.end for span in spans)


def _merged(spans: list[IdentifierSpan]) -> list[IdentifierSpan]:
    merged: list[IdentifierSpan] = []
    for span in sorted(spans, key=lambda one: (one.start, -one.end)):
        if not merged or span.start >= merged[-1].end:
            merged.append(span)
    return merged

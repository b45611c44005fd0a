"""Spans of several detectors as one list: in order, apart, and nothing that any of them found is lost."""

from __future__ import annotations

from collections.abc import Iterable

from depsim_dagster.privacy.detection.identifier_spans import FRAGMENT, IdentifierSpan


def union_of_spans(text: str, found: Iterable[Iterable[IdentifierSpan]]) -> list[IdentifierSpan]:
    """The union; of two that overlap the longer one stays whole, and what it leaves of the other is a fragment."""
    ranked = [(span, rank) for rank, spans in enumerate(found) for span in spans if span.start < span.end]
    ranked.sort(key=lambda item: (item[0].start - item[0].end, item[1], item[0].start))
    taken: list[IdentifierSpan] = []
    occupied = bytearray(len(text))
    for span, _ in ranked:
        whole = occupied.find(1, span.start, span.end) < 0
        for start, end in [(span.start, span.end)] if whole else _free(occupied, span.start, span.end):
            if whole or any(character.isalnum() for character in text[start:end]):
                taken.append(IdentifierSpan(span.type if whole else FRAGMENT, start, end))
                occupied[start:end] = b"\1" * (end - start)
    return sorted(taken, key=lambda span: span.start)


def _free(occupied: bytearray, start: int, end: int) -> Iterable[tuple[int, int]]:
    stretches = []
    while (start := occupied.find(0, start, end)) >= 0:
        stop = occupied.find(1, start, end)
        stop = end if stop < 0 else stop
        stretches.append((start, stop))
        start = stop
    return stretches

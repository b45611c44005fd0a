"""A personal detail in a text: its type and where it stands."""

from __future__ import annotations

from dataclasses import dataclass

FRAGMENT = "fragment"  # the type of what a longer detail left of another one


@dataclass(frozen=True)
class IdentifierSpan:
    """A personal detail at text[start:end]."""

    type: str
    start: int
    end: int

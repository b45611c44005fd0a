"""A personal detail in a text: its type and where it stands."""

from __future__ import annotations

from typing import NamedTuple

FRAGMENT = "fragment"  # the type of what a longer detail left of another one


class IdentifierSpan(NamedTuple):
    """A personal detail at text[start:end]."""

    type: str
    start: int
    end: int

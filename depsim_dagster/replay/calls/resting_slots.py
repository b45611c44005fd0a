"""Slots that were refused, and take no other request for as long as an answer takes.

Otherwise a server that refuses at once would be asked a hundred times while it gives one answer, and a hundred refusals
would stand for the one slot that was too many.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

# The shortest holds before there was an answer, too: a server that is down is not to be waited for.
SHORTEST_REST_S, LONGEST_REST_S = 0.005, 10.0
# Of the time that an answer takes, the part that the latest one tells.
LATEST_WEIGHT = 0.1


class RestingSlots:
    """`count` of them. `rested` is called as one is free again."""

    def __init__(self, rested: Callable[[], None]) -> None:
        self.count = 0
        self._rested = rested
        self._answer_s = 0.0

    def answered(self, seconds: float) -> None:
        """Note how long an answer took."""
        before = self._answer_s or seconds
        self._answer_s = before + LATEST_WEIGHT * (seconds - before)

    def add(self) -> None:
        self.count += 1
        seconds = min(max(self._answer_s, SHORTEST_REST_S), LONGEST_REST_S)
        asyncio.get_running_loop().call_later(seconds, self._free)

    def _free(self) -> None:
        self.count -= 1
        self._rested()

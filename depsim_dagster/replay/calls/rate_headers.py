"""What a server says is left of its rate limits, so that the engine slows down before a 429.

`x-ratelimit-remaining-requests` and `-tokens` say how much more the server would take now, `-reset-` in how long
the limit is whole again (`6m0s`, `1s`, `20ms`), `-limit-` how much the whole is. Servers without these headers cost
one look-up a response.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

PREFIX = "x-ratelimit-"
UNIT_S = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|us|µs|ns|d|h|m|s))+")
PART = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|d|h|m|s)")


def duration(text: str | None) -> float | None:
    """Seconds of `1s`, `6m0s`, `20ms`, `1h2m3.5s` or a bare number of seconds; None for anything else."""
    text = (text or "").strip()
    if DURATION.fullmatch(text):
        return sum(float(number) * UNIT_S[unit] for number, unit in PART.findall(text))
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


class ServerAllowance:
    """What the latest response said is left of one limit (`requests` or `tokens`), until it is whole again."""

    def __init__(self, kind: str) -> None:
        self._remaining, self._reset, self._limit = (
            f"{PREFIX}{what}-{kind}" for what in ("remaining", "reset", "limit")
        )
        self.left = math.inf
        self._until = 0.0

    def hear(self, headers: Mapping[str, str], now: float) -> float:
        """Take a response's headers. Returns the seconds for which nothing should be sent: more than 0 when
        nothing is left."""
        remaining = headers.get(self._remaining)
        if remaining is None:
            return 0.0
        left, whole_in = _number(remaining), duration(headers.get(self._reset))
        if left is None or whole_in is None:
            return 0.0
        self.left, self._until = left, now + whole_in
        if left > 0:
            return 0.0
        # The limit fills up evenly until then: the first unit is there long before the last.
        return whole_in / max(_number(headers.get(self._limit)) or 1.0, 1.0)

    def at(self, now: float) -> float:
        """What may be under way now: infinite when nothing is known."""
        return self.left if now < self._until else math.inf


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return max(number, 0.0) if math.isfinite(number) else None

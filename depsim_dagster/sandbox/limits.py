"""Limits that the sandbox server has in truth: requests at a time, and requests a minute with OpenAI's headers."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator


class Limits:
    """Both limits of one server; None for none. For one event loop."""

    def __init__(self, requests_per_minute: int | None = None, max_concurrent: int | None = None) -> None:
        self._per_minute = requests_per_minute
        self._left = float(requests_per_minute or 0)
        self._filled = time.monotonic()
        self._max_concurrent = max_concurrent
        self.concurrent = self.most_concurrent = self.refused = 0

    @contextlib.contextmanager
    def admitted(self) -> Iterator[bool]:
        """Whether this request may be served; what is refused uses up no limit."""
        full = self._max_concurrent is not None and self.concurrent >= self._max_concurrent
        if full or not self._take():
            self.refused += 1
            yield False
            return
        self.concurrent += 1
        self.most_concurrent = max(self.most_concurrent, self.concurrent)
        try:
            yield True
        finally:
            self.concurrent -= 1

    def headers(self) -> dict[str, str]:
        """`x-ratelimit-*` as OpenAI sends them: what is left, and the time until all is there again."""
        if self._per_minute is None:
            return {}
        self._refill()
        missing = max(self._per_minute - self._left, 0.0)
        return {
            "x-ratelimit-limit-requests": str(self._per_minute),
            "x-ratelimit-remaining-requests": str(max(int(self._left), 0)),
            "x-ratelimit-reset-requests": duration(missing * 60.0 / self._per_minute),
        }

    def wait_headers(self) -> dict[str, str]:
        """When the next request is admitted, for one that was not; nothing when only the concurrency is at its limit."""
        if self._per_minute is None or self._left >= 1.0:
            return {}
        seconds = (1.0 - self._left) * 60.0 / self._per_minute
        return {"retry-after-ms": str(int(seconds * 1000) + 1), "Retry-After": str(int(seconds) + 1)}

    def _take(self) -> bool:
        if self._per_minute is None:
            return True
        self._refill()
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True

    def _refill(self) -> None:
        assert self._per_minute is not None
        now = time.monotonic()
        self._left = min(self._left + (now - self._filled) * self._per_minute / 60.0, float(self._per_minute))
        self._filled = now


def duration(seconds: float) -> str:
    """As OpenAI writes one: `120ms`, `1.5s`, `6m0s`."""
    if seconds < 1.0:
        return f"{seconds * 1000:.0f}ms"
    minutes, rest = divmod(seconds, 60.0)
    return f"{minutes:.0f}m{rest:.0f}s" if minutes else f"{rest:.3g}s"

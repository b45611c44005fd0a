"""Planted faults of the sandbox server: rate limits, server errors, stalls and cut bodies at given rates."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass


@dataclass(frozen=True)
class Faults:
    """What goes wrong, how often. Rates are shares of requests, exclusive of each other."""

    seed: int = 0
    latency_ms: float = 0.0
    rate_429: float = 0.0
    retry_after: float | None = None
    rate_5xx: float = 0.0
    rate_timeout: float = 0.0
    rate_truncated: float = 0.0
    stall_seconds: float = 600.0

    @property
    def rates(self) -> tuple[tuple[str, float], ...]:
        """(name, rate) of each fault that a request can meet."""
        return (
            ("429", self.rate_429),
            ("5xx", self.rate_5xx),
            ("timeout", self.rate_timeout),
            ("truncated", self.rate_truncated),
        )


class FaultSchedule:
    """Decides which request meets which fault: a hash of (seed, body, attempt).

    So the decision depends neither on order nor on concurrency, and a retry of the same body draws again.
    """

    def __init__(self, faults: Faults) -> None:
        self._seed = faults.seed
        self._rates = [(name, rate) for name, rate in faults.rates if rate]
        self._attempts: Counter[bytes] = Counter()

    def next(self, raw: bytes) -> str | None:
        """'429', '5xx', 'timeout', 'truncated', or None, for the next attempt with this body."""
        if not self._rates:
            return None
        body = hashlib.blake2b(raw, digest_size=12).digest()
        attempt = self._attempts[body]
        self._attempts[body] += 1
        digest = hashlib.blake2b(f"{self._seed}\x1f{attempt}\x1f".encode() + body, digest_size=8).digest()
        u = int.from_bytes(digest, "big") * 2.0**-64
        for name, rate in self._rates:
            if u < rate:
                return name
            u -= rate
        return None

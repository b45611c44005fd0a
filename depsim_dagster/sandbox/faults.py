"""Planted faults of the sandbox server: which request meets which, at given rates. How one looks: delivery.py."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass


@dataclass(frozen=True)
class Faults:
    """What goes wrong, how often. Rates are shares of requests, exclusive of each other.

    slow_seconds: mean time that a slow body takes. requests_per_minute, max_concurrent: limits that the server has in
    truth, beyond which it answers 429; None for none.
    """

    seed: int = 0
    latency_ms: float = 0.0
    rate_429: float = 0.0
    retry_after: float | None = None
    rate_5xx: float = 0.0
    rate_timeout: float = 0.0
    rate_truncated: float = 0.0
    rate_reset: float = 0.0
    rate_late_reset: float = 0.0
    rate_invalid_json: float = 0.0
    rate_slow: float = 0.0
    stall_seconds: float = 600.0
    slow_seconds: float = 2.0
    requests_per_minute: int | None = None
    max_concurrent: int | None = None

    @property
    def rates(self) -> tuple[tuple[str, float], ...]:
        """(name, rate) of each fault that a request can meet."""
        return (
            ("429", self.rate_429),
            ("5xx", self.rate_5xx),
            ("timeout", self.rate_timeout),
            ("truncated", self.rate_truncated),
            ("reset", self.rate_reset),
            ("late_reset", self.rate_late_reset),
            ("invalid_json", self.rate_invalid_json),
            ("slow", self.rate_slow),
        )


@dataclass(frozen=True)
class Fault:
    """A fault that a request meets. `place`, uniform on [0, 1), is for whatever else has to be drawn."""

    name: str
    place: float


class FaultSchedule:
    """Decides which request meets which fault: a hash of (seed, body, attempt).

    So the decision depends neither on order nor on concurrency, and a retry of the same body draws again.
    """

    def __init__(self, faults: Faults) -> None:
        self._seed = faults.seed
        self._rates = [(name, rate) for name, rate in faults.rates if rate]
        self._attempts: Counter[bytes] = Counter()

    def next(self, raw: bytes) -> str | None:
        """'429', '5xx', 'timeout', … as in `Faults.rates`, or None, for the next attempt with this body."""
        fault = self.next_fault(raw)
        return None if fault is None else fault.name

    def next_fault(self, raw: bytes) -> Fault | None:
        """The same with its `place`."""
        if not self._rates:
            return None
        body = hashlib.blake2b(raw, digest_size=12).digest()
        attempt = self._attempts[body]
        self._attempts[body] += 1
        digest = hashlib.blake2b(f"{self._seed}\x1f{attempt}\x1f".encode() + body, digest_size=8).digest()
        u = int.from_bytes(digest, "big") * 2.0**-64
        for name, rate in self._rates:
            if u < rate:
                return Fault(name, u / rate)
            u -= rate
        return None

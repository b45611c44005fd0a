"""How much may be sent to an endpoint, and by whom: the arithmetic, without clocks, files or sockets.

Three limits hold together. A window of requests at a time (window.py), which the processes of a store divide among
themselves. A pause for all of them while the server wants none. A bucket each for the requests and the tokens of a
minute. Times are seconds of one clock that all processes read; the caller passes them in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from depsim_dagster.replay.calls.window import Window

# What a bucket holds at most, in seconds of its rate.
BURST_S = 1.0
# The remainder of an uneven division goes round, so that with fewer slots than processes each gets its turn.
TURN_S = 5.0


class TokenBucket:
    """At most `per_minute` units in any 60 s. A single cost above the capacity is paid later, as a debt."""

    def __init__(self, per_minute: float) -> None:
        self.capacity = max(1.0, per_minute * BURST_S / 60.0)
        # What a full bucket lets through at once counts towards the minute, too.
        self._rate = (per_minute - self.capacity if per_minute > 60.0 else per_minute) / 60.0
        self.level = self.capacity
        self.filled_at: float | None = None

    def refill(self, now: float) -> None:
        if self.filled_at is not None:
            elapsed = max(now - self.filled_at, 0.0)
            self.level = min(self.capacity, self.level + elapsed * self._rate)
        self.filled_at = now

    def give_back(self, amount: float) -> None:
        """Take back what was leased and not spent; a negative amount is what was spent beyond the lease."""
        self.level = min(self.capacity, self.level + amount)

    def lease(self, cost: float, processes: int) -> float:
        """A process's part of the level, and at least `cost`; 0.0 when that is not there yet."""
        if self.level < self._needed(cost):
            return 0.0
        amount = max(cost, self.level / processes)
        self.level -= amount
        return amount

    def seconds_until(self, cost: float) -> float:
        """After how long `lease` could pay this cost, when nobody else takes anything."""
        return max(self._needed(cost) - self.level, 0.0) / self._rate

    def _needed(self, cost: float) -> float:
        # A hair less: what the level was rounded down to in many small refills must not block for ever.
        return min(cost, self.capacity) - 1e-9


@dataclass
class Row:
    """One process: the slots that it may be using, and those that it could use."""

    held: int
    wanted: int


class EndpointLimits:
    """The limits of one endpoint and the processes that share them.

    Over all processes, the slots held never exceed `max_in_flight`: a process is given what the others do not hold.
    """

    def __init__(
        self, max_in_flight: int, requests_per_minute: int | None = None, tokens_per_minute: int | None = None
    ) -> None:
        self.max_in_flight = max_in_flight
        self.window = Window(max_in_flight)
        self.paused_until = 0.0
        per_minute = {"requests": requests_per_minute, "tokens": tokens_per_minute}
        self.buckets = {name: TokenBucket(rate) for name, rate in per_minute.items() if rate is not None}
        self.rows: dict[str, Row] = {}

    def join(self, key: str) -> None:
        """Add a process. The first one finds the window open: what was learned is as old as the last one's end."""
        if not self.rows:
            self.window.open()
        self.rows[key] = Row(0, self.max_in_flight)

    def leave(self, key: str) -> None:
        self.rows.pop(key, None)

    def pause(self, until: float, latest: float) -> None:
        """Have all wait until then. `latest`: beyond which no pause can be meant, whatever the clock was before."""
        self.paused_until = min(max(self.paused_until, until), latest)

    def allot(self, key: str, in_flight: int, wanted: int, now: float) -> int:
        """How many requests a process may have in flight from now on, when it has `in_flight` and could use
        `wanted`."""
        row = self.rows.setdefault(key, Row(in_flight, wanted))
        row.wanted = wanted
        others = sum(other.held for name, other in self.rows.items() if name != key)
        granted = max(0, min(self._fair_share(key, now), self.max_in_flight - others))
        row.held = max(in_flight, granted)
        return granted

    def _fair_share(self, key: str, now: float) -> int:
        """An even part of the window; what some do not want is divided among the others."""
        names = sorted(self.rows)
        turn = int(now / TURN_S)
        order = sorted(range(len(names)), key=lambda i: (self.rows[names[i]].wanted, (i + turn) % len(names)))
        left = int(self.window.size)
        for place, i in enumerate(order):
            share = min(self.rows[names[i]].wanted, left // (len(names) - place))
            if names[i] == key:
                return share
            left -= share
        return 0

    # --------------------------------------------------------------------------------------------- as a file's content
    def to_json(self) -> dict[str, Any]:
        return {
            "window": self.window.to_json(),
            "paused_until": self.paused_until,
            "buckets": {name: [bucket.level, bucket.filled_at] for name, bucket in self.buckets.items()},
            "processes": {name: [row.held, row.wanted] for name, row in self.rows.items()},
        }

    def load(self, content: Mapping[str, Any]) -> None:
        """Take over what `to_json` gave. Raises ArithmeticError, LookupError, TypeError or ValueError for anything
        else, and keeps what it had then."""
        paused_until = float(content["paused_until"])
        levels = {
            name: (float(level), None if filled_at is None else float(filled_at))
            for name, (level, filled_at) in content["buckets"].items()
            if name in self.buckets
        }
        rows = {name: Row(int(held), int(wanted)) for name, (held, wanted) in content["processes"].items()}
        self.window.load(content["window"])
        self.paused_until = paused_until
        for name, (level, filled_at) in levels.items():
            bucket = self.buckets[name]
            bucket.level, bucket.filled_at = min(level, bucket.capacity), filled_at
        self.rows = rows

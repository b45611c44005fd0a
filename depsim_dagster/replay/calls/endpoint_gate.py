"""The gate before an endpoint: a request goes out when there is a slot, no pause, and something left of the minute.

One gate per run, on its event loop. It answers from memory, and meets the other processes of the store
(shared_limits.py) about once a second, after each round of replies while the window may change, and at once when the
server asks for a pause. Only one task may wait at a gate: the one that sends the requests off.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from depsim_dagster.replay.calls.concurrency import EndpointLimits
from depsim_dagster.replay.calls.endpoints import Endpoint
from depsim_dagster.replay.calls.exchange import LONGEST_RETRY_AFTER_S, TIMEOUT, Reply
from depsim_dagster.replay.calls.rate_headers import ServerAllowance
from depsim_dagster.replay.calls.resting_slots import RestingSlots
from depsim_dagster.replay.calls.shared_limits import SharedLimits

EXCHANGE_S = 1.0
NEWS_S = 0.1
# Sooner than that no run that waits for its part of a minute asks again, and no round of replies is told.
SHORTEST_WAIT_S = 0.1
SHORTEST_ROUND_S = 0.02
BUSY_RETRY_S = 0.02
PUSHED_BACK = frozenset({429, 503})
# Time-outs in a row, as a part of the slots, that say as much as a 429: the server queues more than it can do.
TIMEOUTS_IN_BULK = 0.5
FEWEST_TIMEOUTS = 4
# So many connections are opened at a time while a run starts: a listen queue that overflows costs a second each.
RAMP = 32
RAMP_S = 0.005
CHARACTERS_PER_TOKEN = 4.0
# Of the next answer's length, the part that the latest one tells.
ANSWER_WEIGHT = 0.1


@dataclass(slots=True)
class Slot:
    """A request under way: the window's epoch in which it left, and the tokens that were reckoned for it."""

    epoch: int
    tokens: float


class EndpointGate:
    """`async with EndpointGate(...) as gate`; per request `await wait()`, `await afford(size)`, `begin`, `end`.

    directory: see `shared_limits.limits_directory`. processes: among how many the limits are divided where they
    cannot be shared. in_flight: slots taken. `demand` says how many more requests there are to send; as many as may go
    when it is not set.
    """

    def __init__(self, endpoint: Endpoint, directory: Path, processes: int = 1) -> None:
        self.changed = asyncio.Event()
        self.demand: Callable[[], int] = lambda: endpoint.max_in_flight
        self._most = endpoint.max_in_flight
        self._alone = _limits(endpoint, processes)
        self._shared = SharedLimits(directory, _limits(endpoint, 1))
        self._clock: asyncio.Task[None] | None = None
        self.in_flight = self._started = 0
        self._resting = RestingSlots(self.changed.set)
        self._tokens_in_flight = self._answer_tokens = 0.0
        # What the last exchange gave.
        self._granted, self._peers, self._epoch, self._growing, self._lent = 0, 1, 0, False, False
        self._paused_until = 0.0
        self._leases = dict.fromkeys(self._alone.buckets, 0.0)
        self._exchanged_at = self._exchange_again_at = 0.0
        # What the next exchange tells.
        self._replies = self._refusals = self._timeouts = 0
        self._costs = {"requests": 1.0, "tokens": 1.0}
        # What the server's headers said.
        self._allowances = {kind: ServerAllowance(kind) for kind in ("requests", "tokens")}

    async def __aenter__(self) -> EndpointGate:
        await self._shared.join(self._alone)
        try:
            while not self._exchange():
                await asyncio.sleep(BUSY_RETRY_S)
        except asyncio.CancelledError:
            self._shared.leave()
            raise
        self._clock = asyncio.create_task(self._exchange_in_time())
        self._tell_others()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._clock is not None:
            self._clock.cancel()
            await asyncio.gather(self._clock, return_exceptions=True)
            self._clock = None
        self._shared.leave()
        self._tell_others()

    async def wait(self) -> None:
        """Until a slot is free and the endpoint is not paused."""
        if self._started < self._most and self._started % RAMP == RAMP - 1:
            await asyncio.sleep(RAMP_S)
        while (seconds := self._closed_for(time.time())) != 0.0:
            await self.rest(seconds)

    async def afford(self, size: int) -> None:
        """Until one more request, with a body of `size` characters, is within all limits."""
        while True:
            now = time.time()
            seconds = self._closed_for(now)
            if seconds == 0.0:
                seconds = self._short_for(now, size)
            if seconds == 0.0:
                return
            await self.rest(seconds)

    async def rest(self, seconds: float | None = None) -> None:
        """Until something changed: a request ended, limits were exchanged, or so many seconds went by."""
        self.changed.clear()
        timer = None if seconds is None else asyncio.get_running_loop().call_later(seconds, self.changed.set)
        try:
            await self.changed.wait()
        finally:
            if timer is not None:
                timer.cancel()

    def begin(self, size: int) -> Slot:
        """Take a slot; `afford` has just returned."""
        slot = Slot(self._epoch, self._reckoned(size))
        self.in_flight += 1
        self._started += 1
        self._tokens_in_flight += slot.tokens
        for kind, cost in (("requests", 1.0), ("tokens", slot.tokens)):
            if kind in self._leases:
                self._leases[kind] -= cost
        return slot

    def end(self, slot: Slot, reply: Reply | None, prompt_tokens: int = 0, answer_tokens: int = 0) -> None:
        """Give a slot back, with what came (None: the attempt was abandoned) and the tokens that were counted."""
        self.in_flight -= 1
        self._tokens_in_flight -= slot.tokens
        self.changed.set()
        if self._lent and self.in_flight <= self._granted:
            self._tell()  # others wait for what this run had beyond its part
        if reply is None:
            return
        now = time.time()
        if reply.rate_headers is not None:
            for allowance in self._allowances.values():
                seconds = allowance.hear(reply.rate_headers, now)
                # For hours without anything left one request at a time goes on, to hear whether that is true.
                if seconds <= LONGEST_RETRY_AFTER_S and self._pause(now, seconds):
                    self._tell()
        if prompt_tokens or answer_tokens:
            self._answer_tokens += ANSWER_WEIGHT * (answer_tokens - self._answer_tokens)
            if "tokens" in self._leases:
                self._leases["tokens"] += slot.tokens - prompt_tokens - answer_tokens
        if reply.http_status in PUSHED_BACK:
            if self._pause(now, (reply.retry_after_s or 0.0) if reply.repeatable else 0.0):
                self._tell()
            self._resting.add()
            self._hear(slot, refusals=1)
        elif reply.code == TIMEOUT:
            self._timed_out(slot)
        elif reply.http_status is not None:
            self._timeouts = 0
            if reply.code is None:
                self._resting.answered(reply.latency_ms / 1000.0)
            self._hear(slot, refusals=0)

    def _closed_for(self, now: float) -> float | None:
        """0.0: a request may go; else the seconds of the pause, or None for until a request ends."""
        if now < self._paused_until:
            return self._paused_until - now
        slots = min(self._granted, max(1.0, self._left("requests", now)))
        return 0.0 if self.in_flight + self._resting.count < slots else None

    def _short_for(self, now: float, size: int) -> float | None:
        """The same for the limits of a minute: 0.0, seconds, or None."""
        tokens = self._reckoned(size)
        if self.in_flight and self._tokens_in_flight + tokens > self._left("tokens", now):
            return None
        if not self._leases:
            return 0.0
        self._costs["tokens"] = tokens
        if self._is_short():
            self._exchange_if_due(now)
        return max(self._exchange_again_at - now, BUSY_RETRY_S) if self._is_short() else 0.0

    def _is_short(self) -> bool:
        return any(lease < self._costs[kind] for kind, lease in self._leases.items())

    def _left(self, kind: str, now: float) -> float:
        return self._allowances[kind].at(now) / self._peers

    def _reckoned(self, size: int) -> float:
        return size / CHARACTERS_PER_TOKEN + self._answer_tokens

    def _hear(self, slot: Slot, refusals: int) -> None:
        """Count a reply, and exchange when there is a round of them, or as many refusals as settle one."""
        if slot.epoch != self._epoch:
            return
        self._replies += 1
        self._refusals += refusals
        worth_telling = self._growing or self._refusals
        enough = self._replies >= self._granted or self._refusals > self._granted / 2
        if worth_telling and enough and time.time() >= self._exchanged_at + SHORTEST_ROUND_S:
            self._exchange()

    def _timed_out(self, slot: Slot) -> None:
        """Count a time-out, and take many in a row for as many refusals."""
        if slot.epoch != self._epoch:
            return
        self._timeouts += 1
        if self._timeouts >= max(FEWEST_TIMEOUTS, TIMEOUTS_IN_BULK * self._granted):
            self._refusals += self._timeouts
            self._replies += self._timeouts
            self._timeouts = 0
            self._tell()

    def _tell(self) -> None:
        """Exchange now, and have the others do so soon."""
        if self._clock is None:
            return  # the run ended meanwhile
        if self._exchange():
            self._tell_others()
        else:
            asyncio.get_running_loop().call_later(BUSY_RETRY_S, self._tell)

    def _tell_others(self) -> None:
        if self._peers > 1:
            self._shared.announce()

    def _pause(self, now: float, seconds: float) -> bool:
        """Send nothing for so long. Returns whether that is worth telling the others at once."""
        before = self._paused_until
        if seconds > 0.0:
            self._paused_until = max(before, now + min(seconds, LONGEST_RETRY_AFTER_S))
        return self._paused_until - max(before, now) > BUSY_RETRY_S

    async def _exchange_in_time(self) -> None:
        while True:
            until = time.monotonic() + EXCHANGE_S * random.uniform(0.8, 1.2)
            while time.monotonic() < until and not self._shared.news():
                await asyncio.sleep(NEWS_S)
            while not self._exchange():
                await asyncio.sleep(BUSY_RETRY_S)

    def _exchange_if_due(self, now: float) -> None:
        if now >= max(self._exchange_again_at, self._exchanged_at + SHORTEST_WAIT_S):
            self._exchange()

    def _exchange(self) -> bool:
        """Tell the other processes what happened here and take this one's part; False while another is at it."""
        now = time.time()
        with self._shared.exchange() as limits:
            if limits is None:
                return False
            cut = limits.window.hear(self._epoch, self._replies, self._refusals)
            limits.pause(self._paused_until, now + LONGEST_RETRY_AFTER_S)
            # One more: the call that has just ended may be sent again, or is at the gate already.
            wanted = min(self.in_flight + self.demand() + 1, self._most)
            self._granted = limits.allot(self._shared.key, self.in_flight, wanted, now)
            self._lent = self.in_flight > self._granted
            self._peers, self._epoch = len(limits.rows), limits.window.epoch
            self._growing = limits.window.size < limits.max_in_flight
            self._paused_until = limits.paused_until
            self._exchange_again_at = now
            for kind, bucket in limits.buckets.items():
                bucket.refill(now)
                bucket.give_back(self._leases[kind])
                self._leases[kind] = bucket.lease(self._costs[kind], self._peers)
                if self._leases[kind] < self._costs[kind]:
                    until = now + min(bucket.seconds_until(self._costs[kind]), EXCHANGE_S)
                    self._exchange_again_at = max(self._exchange_again_at, until)
        self._exchanged_at = now
        self._replies = self._refusals = 0
        self.changed.set()
        if cut:
            self._tell_others()
        return True


def _limits(endpoint: Endpoint, parts: int) -> EndpointLimits:
    return EndpointLimits(
        max(1, endpoint.max_in_flight // parts),
        endpoint.requests_per_minute and max(1, endpoint.requests_per_minute // parts),
        endpoint.tokens_per_minute and max(1, endpoint.tokens_per_minute // parts),
    )

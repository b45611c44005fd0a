"""Calls in flight: from the gate to an outcome, through as many attempts as it takes.

One task sends requests off as the gate lets them. A call whose attempt failed waits for its next one in a heap, where
it holds neither a slot nor a connection, and goes before any new call. So at most `max_in_flight` calls are under way
and about as many wait, however long the study is. Where calls come from and where outcomes go is the caller's.
"""

from __future__ import annotations

import asyncio
import heapq
import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from depsim_dagster.errors import BudgetError, EndpointError
from depsim_dagster.replay.calls.endpoint_gate import EndpointGate, Slot
from depsim_dagster.replay.calls.endpoints import Endpoint, fatal_problem
from depsim_dagster.replay.calls.exchange import TIMEOUT, Reply, exchange
from depsim_dagster.replay.dialects.apis import APIS
from depsim_dagster.replay.dialects.outcomes import FAILED, FILTER_CODES, FILTERED, Outcome, Reading

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from depsim_dagster.replay.journal.claims import Subject

FIRST_BACKOFF_S = 0.5
LONGEST_BACKOFF_S = 30.0
# A server that answers 200 with something else is asked once more, not `max_attempts` times: it is rarely
# overload.
BODY_ATTEMPTS = 2
# Calls that may wait for their next attempt before no new ones are taken: at least so many, for narrow endpoints.
FEWEST_WAITING = 16
DEADLINE = "deadline"


@dataclass(slots=True, eq=False)
class PendingCall:
    """A call without an outcome, as it goes over the wire. `ticket` is what `spending.admit` gave for it."""

    request_id: str
    content: bytes
    subject: Subject | None = None
    ticket: Any = None
    attempts: int = 0
    bodies: int = 0
    deadline: float | None = None
    latency_ms: float | None = None

    def body(self) -> Mapping[str, Any]:
        """What `content` says: looked at only when a server objects to it."""
        try:
            return json.loads(self.content)
        except RecursionError:
            return {}


class CallSource(Protocol):
    """Where calls come from. `take` gives the next one, or None when there is none now; `exhausted`: nor later.

    When calls may come later, the source sets the gate's `changed` as they do. A BudgetError of `take` ends it.
    """

    exhausted: bool

    async def take(self) -> PendingCall | None: ...


class CallsInFlight:
    """Makes the calls of a source. `keep` gets every outcome, with its call; what it raises ends the run."""

    def __init__(
        self,
        endpoint: Endpoint,
        client: AsyncOpenAI,
        gate: EndpointGate,
        source: CallSource,
        keep: Callable[[PendingCall, Outcome], None],
    ) -> None:
        self._endpoint = endpoint
        self._api = APIS[endpoint.api]
        self._client = client
        self._gate = gate
        gate.demand = self._demand
        self._source = source
        self._keep = keep
        self._waiting: list[tuple[float, int, PendingCall]] = []
        self._running: set[asyncio.Task[None]] = set()
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sequence = 0
        self._over_budget: BudgetError | None = None
        self.heard = False  # the server gave a response, whatever it said

    @property
    def under_way(self) -> int:
        """Calls that were sent off and have no outcome."""
        return self._gate.in_flight + len(self._waiting)

    async def run(self) -> None:
        """Until the source is exhausted and every call has an outcome.

        Raises what stops the whole run: EndpointError, what `keep` or the source raised. Attempts under way are
        abandoned then, and on cancellation; after a BudgetError they are seen to their end first.
        """
        sender = asyncio.create_task(self._send())
        try:
            await asyncio.wait([sender, self._failed], return_when=asyncio.FIRST_COMPLETED)
            for ended in (self._failed, sender):
                if ended.done():
                    ended.result()
        finally:
            tasks = [sender, *self._running]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self._failed.done() and not self._failed.cancelled():
                self._failed.exception()  # looked at, so that the loop does not report it
        if self._over_budget is not None:
            raise self._over_budget

    def _demand(self) -> int:
        return len(self._waiting) if self._source.exhausted else self._endpoint.max_in_flight

    async def _send(self) -> None:
        while True:
            await self._gate.wait()
            if self._failed.done():
                return
            call = await self._next()
            if call is not None:
                await self._send_off(call)
            elif self._waiting:
                await self._gate.rest(max(self._waiting[0][0] - time.monotonic(), 0.0))
            elif self._running or not self._source.exhausted:
                await self._gate.rest()
            else:
                return

    async def _next(self) -> PendingCall | None:
        """The call that has waited long enough, else a new one, unless as many wait as may be under way."""
        if self._waiting and self._waiting[0][0] <= time.monotonic():
            return heapq.heappop(self._waiting)[2]
        if self._source.exhausted or len(self._waiting) >= max(self._endpoint.max_in_flight, FEWEST_WAITING):
            return None
        try:
            return await self._source.take()
        except BudgetError as error:
            self._over_budget = error
            self._source.exhausted = True
            return None

    async def _send_off(self, call: PendingCall) -> None:
        await self._gate.afford(len(call.content))
        now = time.monotonic()
        if call.deadline is None:
            call.deadline = now + self._endpoint.total_timeout_s
        elif now >= call.deadline:
            self._end(call, FAILED, DEADLINE)
            return
        slot = self._gate.begin(len(call.content))
        task = asyncio.create_task(self._attempt(call, slot, call.deadline - now))
        self._running.add(task)
        task.add_done_callback(self._attempted)
        await asyncio.sleep(0)  # have it on its way before the next call is taken, which may take a while

    def _attempted(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._gate.changed.set()

    async def _attempt(self, call: PendingCall, slot: Slot, left_s: float) -> None:
        try:
            await self._exchange(call, slot, left_s)
        except Exception as error:
            if not self._failed.done():  # set here and now: the sender must not send another one first
                self._failed.set_exception(error)

    async def _exchange(self, call: PendingCall, slot: Slot, left_s: float) -> None:
        call.attempts += 1
        reply, reading = None, None
        try:
            timeout_s = min(self._endpoint.request_timeout_s, left_s)
            reply = await exchange(self._client, self._api.path, call.content, timeout_s)
            if reply.code is None:
                reading = self._api.read(reply.payload)
        finally:
            tokens = (reading.prompt_tokens or 0, reading.completion_tokens or 0) if reading else (0, 0)
            self._gate.end(slot, reply, *tokens)
        self.heard = self.heard or reply.http_status is not None
        if reading is not None:
            self._answered(call, reply, reading)
        else:
            self._rejected(call, reply)

    def _answered(self, call: PendingCall, reply: Reply, reading: Reading) -> None:
        call.bodies += 1
        last = call.attempts >= self._endpoint.max_attempts or call.bodies >= BODY_ATTEMPTS
        if reading.completion is not None or last or not self._try_again(call, reply):
            outcome = Outcome(
                call.request_id, **vars(reading), latency_ms=reply.latency_ms, attempts=call.attempts
            )
            self._keep(call, outcome)

    def _rejected(self, call: PendingCall, reply: Reply) -> None:
        call.latency_ms = reply.latency_ms
        if reply.code in FILTER_CODES:
            self._end(call, FILTERED, reply.code)
        elif problem := self._fatal(call, reply):
            raise EndpointError(problem)
        elif reply.code == TIMEOUT and time.monotonic() >= call.deadline:
            self._end(call, FAILED, DEADLINE)
        elif call.attempts >= self._endpoint.max_attempts or not reply.repeatable:
            self._end(call, FAILED, reply.code)
        elif not self._try_again(call, reply):
            self._end(call, FAILED, DEADLINE)

    def _fatal(self, call: PendingCall, reply: Reply) -> str | None:
        if reply.http_status is None or reply.http_status >= 500 and reply.repeatable:
            return None
        body = call.body()
        return fatal_problem(self._endpoint, str(body.get("model")), reply, body)

    def _try_again(self, call: PendingCall, reply: Reply) -> bool:
        """Have the call wait for its next attempt; False when that would be after its deadline."""
        due = time.monotonic() + backoff(call.attempts, reply.retry_after_s)
        if due >= call.deadline:
            return False
        self._sequence += 1
        heapq.heappush(self._waiting, (due, self._sequence, call))
        return True

    def _end(self, call: PendingCall, status: str, code: str) -> None:
        outcome = Outcome(
            call.request_id,
            status,
            latency_ms=call.latency_ms,
            attempts=call.attempts,
            error_code=code,
        )
        self._keep(call, outcome)


def backoff(attempt: int, retry_after_s: float | None) -> float:
    """Seconds to wait after a failed attempt (the first is 1).

    Full jitter, uniform on [0, min(30, 0.5 * 2^(attempt-1))] (Brooker, "Exponential backoff and jitter",
    2015), which spreads the calls that failed together. A server's Retry-After is never cut short; the
    jitter comes on top.
    """
    if retry_after_s is not None:
        return retry_after_s + random.uniform(0.0, FIRST_BACKOFF_S)
    return random.uniform(0.0, min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2.0 ** min(attempt - 1, 16)))

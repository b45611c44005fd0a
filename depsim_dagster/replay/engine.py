"""The engine: makes the calls that the journal does not hold, and nothing else.

A fixed number of workers pull calls from an iterator, so that at most `max_in_flight` prompts are in memory
however long the study is. A call ends as one journal row: an answer, or the reason for its absence. What
every other call of the run would meet as well (a refused key, an unknown model, no server) ends the run with
one error instead.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from depsim_dagster.errors import EndpointError
from depsim_dagster.replay.claims import Subject
from depsim_dagster.replay.endpoints import Endpoint, fatal_problem, open_client, unreachable
from depsim_dagster.replay.exchange import Reply, exchange
from depsim_dagster.replay.journal import Journal
from depsim_dagster.replay.outcomes import FAILED, FILTERED, Outcome, read_completion
from depsim_dagster.replay.requests import CHAT_PATH, canonical_json

if TYPE_CHECKING:
    from openai import AsyncOpenAI

FIRST_BACKOFF_S = 0.5
LONGEST_BACKOFF_S = 30.0
# A server that answers 200 with something else is asked once more, not `max_attempts` times: it is rarely
# overload.
BODY_ATTEMPTS = 2
# When none of so many first calls got any response, there is no server and the rest would fail alike.
UNREACHABLE_AFTER = 50
# A rejected prompt is an outcome of the model as served: asking again gives the same answer.
FILTER_CODES = frozenset({"content_filter", "content_policy_violation", "invalid_prompt"})
SKIPS_PER_TURN = 1000


@dataclass(frozen=True)
class ModelCall:
    """One chat request, the id under which its answer is kept (`requests.request_id`), and for whom it is made."""

    request_id: str
    body: Mapping[str, Any]
    subject: Subject | None = None


@dataclass(frozen=True)
class CallStatistics:
    """What a run did.

    requested = reused + sent: calls taken from the iterator, those that the journal (or this run) already
    had, and those that were made. retries: HTTP requests beyond one per call. by_status, tokens: of the calls
    sent in this run.
    """

    requested: int = 0
    reused: int = 0
    sent: int = 0
    retries: int = 0
    by_status: dict[str, int] = field(default_factory=dict)
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0


def complete_calls(
    endpoint: Endpoint,
    calls: Iterable[ModelCall],
    journal: Journal,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> CallStatistics:
    """`run_calls` for code without an event loop. In a notebook, await `run_calls`."""
    return asyncio.run(run_calls(endpoint, calls, journal, progress=progress))


async def run_calls(
    endpoint: Endpoint,
    calls: Iterable[ModelCall],
    journal: Journal,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> CallStatistics:
    """Make every call whose id the journal does not hold; all answers are on disk on return.

    `calls` is pulled one by one, when a worker is free, on the event loop: it should not block for long.
    `progress` gets (calls whose answer is on disk, calls pulled so far), after each write. Raises
    EndpointError when the run as a whole cannot succeed and LakeError when the journal cannot be written;
    what was answered before is kept in both cases, and on cancellation. Two runs on one journal take turns.
    """
    async with journal.alone():
        return await _run_calls(endpoint, calls, journal, progress)


async def _run_calls(
    endpoint: Endpoint,
    calls: Iterable[ModelCall],
    journal: Journal,
    progress: Callable[[int, int], None] | None,
) -> CallStatistics:
    started = time.perf_counter()
    run = _Run(endpoint, calls, journal, progress)
    async with open_client(endpoint) as client:
        clock = asyncio.create_task(run.flush_in_time())
        workers = [asyncio.create_task(run.work(client)) for _ in range(endpoint.max_in_flight)]
        pool = asyncio.gather(*workers)
        try:
            finished, _ = await asyncio.wait([pool, clock], return_when=asyncio.FIRST_COMPLETED)
            for task in finished:
                task.result()  # the clock ends only by an error; a worker's error is the pool's
        finally:
            for task in (clock, *workers):
                task.cancel()
            await asyncio.gather(pool, clock, *workers, return_exceptions=True)
            run.flush()
    run.raise_if_unreachable(after=1)
    return run.statistics(time.perf_counter() - started)


class _Run:
    """The state that the workers of one run share. All of it lives on one event loop, so it needs no lock."""

    def __init__(
        self,
        endpoint: Endpoint,
        calls: Iterable[ModelCall],
        journal: Journal,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self._endpoint = endpoint
        self._calls = iter(calls)
        self._journal = journal
        self._progress = progress
        self._taken = journal.known_ids()
        self._requested = self._reused = self._kept = self._retries = 0
        self._by_status: Counter[str] = Counter()
        self._tokens: Counter[str] = Counter()
        self._heard = False
        self._unheard: Counter[str] = Counter()

    async def work(self, client: AsyncOpenAI) -> None:
        """Make calls until the iterator is used up."""
        while (call := await self._take()) is not None:
            self._keep(await self._complete(client, call))

    async def flush_in_time(self) -> None:
        """Keep the journal's time bound while no answers arrive that would flush it."""
        while True:
            await asyncio.sleep(self._journal.seconds_until_due())
            if self._journal.flush_if_due():
                self._report()

    def flush(self) -> None:
        if self._journal.flush():
            self._report()

    def statistics(self, seconds: float) -> CallStatistics:
        return CallStatistics(
            requested=self._requested,
            reused=self._reused,
            sent=self._kept,
            retries=self._retries,
            by_status=dict(sorted(self._by_status.items())),
            prompt_tokens=self._tokens["prompt"],
            completion_tokens=self._tokens["completion"],
            seconds=seconds,
        )

    def raise_if_unreachable(self, after: int) -> None:
        """EndpointError when at least `after` calls ended and the server never gave a response to any
        attempt."""
        if not self._heard and self._unheard.total() >= after:
            code, _ = self._unheard.most_common(1)[0]
            raise EndpointError(
                f"{unreachable(self._endpoint, code)} (first {self._unheard.total()} calls all failed)"
            )

    async def _take(self) -> ModelCall | None:
        skipped = 0
        for call in self._calls:
            self._requested += 1
            if call.subject is not None:
                self._journal.claim(call.request_id, call.subject)
            if call.request_id not in self._taken:
                self._taken.add(call.request_id)
                return call
            self._reused += 1
            skipped += 1
            if skipped % SKIPS_PER_TURN == 0:
                await asyncio.sleep(0)  # a long known stretch must not starve the calls in flight
        return None

    def _keep(self, outcome: Outcome) -> None:
        self._kept += 1
        self._retries += outcome.attempts - 1
        self._by_status[outcome.status] += 1
        self._tokens["prompt"] += outcome.prompt_tokens or 0
        self._tokens["completion"] += outcome.completion_tokens or 0
        if self._journal.append(outcome):
            self._report()
        self.raise_if_unreachable(after=UNREACHABLE_AFTER)

    def _report(self) -> None:
        if self._progress is not None:
            self._progress(self._reused + self._kept - self._journal.buffered, self._requested)

    async def _complete(self, client: AsyncOpenAI, call: ModelCall) -> Outcome:
        """Attempt one call until there is an outcome. Raises EndpointError for what stops the whole run."""
        endpoint = self._endpoint
        content = canonical_json(call.body).encode("ascii")
        bodies = 0
        attempt = 0
        while True:
            attempt += 1
            reply = await exchange(client, CHAT_PATH, content, endpoint.request_timeout_s)
            self._heard = self._heard or reply.http_status is not None
            last = attempt >= endpoint.max_attempts
            if reply.code is None:
                bodies += 1
                reading = read_completion(reply.payload)
                if reading.completion is not None or last or bodies >= BODY_ATTEMPTS:
                    return Outcome(
                        call.request_id, **vars(reading), latency_ms=reply.latency_ms, attempts=attempt
                    )
            elif status := self._final_status(call, reply, last):
                if reply.http_status is None:
                    self._unheard[reply.code] += 1
                return Outcome(
                    call.request_id,
                    status,
                    latency_ms=reply.latency_ms,
                    attempts=attempt,
                    error_code=reply.code,
                )
            await asyncio.sleep(backoff(attempt, reply.retry_after_s))

    def _final_status(self, call: ModelCall, reply: Reply, last: bool) -> str | None:
        """The status with which a rejected or lost attempt ends the call, or None to try again."""
        if reply.code in FILTER_CODES:
            return FILTERED
        if problem := fatal_problem(self._endpoint, str(call.body.get("model")), reply):
            raise EndpointError(problem)
        return FAILED if last or not reply.repeatable else None


def backoff(attempt: int, retry_after_s: float | None) -> float:
    """Seconds to wait after a failed attempt (the first is 1).

    Full jitter, uniform on [0, min(30, 0.5 * 2^(attempt-1))] (Brooker, "Exponential backoff and jitter",
    2015), which spreads the workers that failed together. A server's Retry-After is never cut short; the
    jitter comes on top.
    """
    if retry_after_s is not None:
        return retry_after_s + random.uniform(0.0, FIRST_BACKOFF_S)
    return random.uniform(0.0, min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2.0 ** min(attempt - 1, 16)))

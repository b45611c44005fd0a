"""Worker processes for one run: this process takes the calls in, they make them, and it counts what they kept.

A call belongs to a worker from when it is fed until the worker says that its answer is on disk. When a worker dies,
another one starts, and what belonged to the dead one is fed again: that is what was in flight, in its queue, or not yet
written. The limits of the endpoint hold over all workers through shared_limits.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections import deque
from typing import Any

from depsim_dagster import errors
from depsim_dagster.errors import BudgetError, DepsimError, EndpointError
from depsim_dagster.replay.calls.call_intake import CallIntake, Tally
from depsim_dagster.replay.calls.embedded import package_environment
from depsim_dagster.replay.calls.endpoints import Endpoint
from depsim_dagster.replay.calls.in_flight import PendingCall
from depsim_dagster.replay.calls.workers import (
    DRAINING,
    NO_MORE,
    call_frame,
    frame,
    read_frame,
    settings_frame,
)
from depsim_dagster.replay.dialects.outcomes import Outcome
from depsim_dagster.replay.journal.response_journal import Journal

# Calls that lie ready in a worker, at most: enough for the pipe's round trip.
LONGEST_QUEUE = 32
# Workers that die one after the other before anything was kept: it is not an accident.
MOST_DEATHS = 3
STOP_DEADLINE_S = 20.0
EXIT_DEADLINE_S = 5.0


async def run_in_workers(endpoint: Endpoint, intake: CallIntake, journal: Journal, tally: Tally) -> None:
    """Have `endpoint.workers` processes make the calls of `intake`; raises as `engine.run_calls` does."""
    pool = _Pool(endpoint, intake, journal, tally)
    try:
        await pool.run()
    finally:
        await pool.stop()
        journal.flush()  # claims of calls that were known already
    if pool.over_budget is not None:
        raise pool.over_budget


class _Worker:
    """A running process, the room in its queue (none before it has said so), and the calls that belong to it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.room = 0
        self.calls: dict[str, PendingCall] = {}

    def send(self, content: bytes) -> None:
        # Not awaited: `room` bounds what can pile up, and one worker that hangs must not stop the others.
        with contextlib.suppress(OSError, RuntimeError):
            self.process.stdin.write(content)


class _Pool:
    def __init__(self, endpoint: Endpoint, intake: CallIntake, journal: Journal, tally: Tally) -> None:
        self.over_budget: BudgetError | None = None
        self._endpoint = endpoint
        self._intake = intake
        self._tally = tally
        queue = min(LONGEST_QUEUE, max(1, endpoint.max_in_flight // endpoint.workers))
        self._settings = settings_frame(endpoint, journal.directory, endpoint.workers, queue)
        self._workers: set[_Worker] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._lost: deque[PendingCall] = deque()
        self._deaths = 0
        self._stopping = self._draining = self._all_kept = False
        self._changed = asyncio.Event()

    async def run(self) -> None:
        self._tasks = [asyncio.create_task(self._keep_one()) for _ in range(self._endpoint.workers)]
        feeding = asyncio.create_task(self._feed())
        try:
            finished, _ = await asyncio.wait([feeding, *self._tasks], return_when=asyncio.FIRST_COMPLETED)
            for task in finished:
                task.result()
        finally:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)

    async def stop(self) -> None:
        """Close the pipes, and hear the workers out: they write what they have."""
        self._stopping = True
        for worker in self._workers:
            with contextlib.suppress(OSError):
                worker.process.stdin.close()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=STOP_DEADLINE_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _feed(self) -> None:
        """Give each call to the worker with the most room, until all are kept."""
        while True:
            roomy = max(self._workers, key=lambda worker: worker.room, default=None)
            if roomy is not None and roomy.room > 0:
                call = await self._next()
                # Taking a call may have waited, and the worker may be gone.
                if call is not None and roomy in self._workers:
                    roomy.room -= 1
                    roomy.calls[call.request_id] = call
                    roomy.send(call_frame(call))
                    continue
                if call is not None:
                    self._lost.appendleft(call)
                    continue
            if self._intake.exhausted and not self._lost and not any(w.calls for w in self._workers):
                self._all_kept = True
                for worker in self._workers:
                    worker.send(frame(NO_MORE))
                return
            self._changed.clear()
            await self._changed.wait()

    async def _next(self) -> PendingCall | None:
        if self._lost:
            return self._lost.popleft()
        if not self._intake.exhausted:
            try:
                call = await self._intake.take()
            except BudgetError as error:
                self.over_budget = error
                self._intake.exhausted = True
                call = None
            if call is not None:
                return call
        if not self._draining:
            self._draining = True
            for worker in self._workers:
                worker.send(frame(DRAINING))
        return None

    async def _keep_one(self) -> None:
        """One worker, and its successor when it dies."""
        while not self._stopping:
            worker = await self._start()
            try:
                await self._listen(worker)
            finally:
                self._workers.discard(worker)
                exit_code = await _ended(worker.process)
            if self._stopping or (self._all_kept and not worker.calls):
                return
            self._lost.extend(worker.calls.values())
            self._changed.set()
            self._deaths += 1
            if self._deaths > MOST_DEATHS:
                raise EndpointError(
                    f"{self._endpoint.label}: its worker processes end before they have kept an answer "
                    f"(exit code {exit_code}); set `workers: 1` to see why"
                )

    async def _start(self) -> _Worker:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "depsim_dagster.replay.calls.workers",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=package_environment(),
        )
        worker = _Worker(process)
        worker.send(self._settings)
        if self._draining:
            worker.send(frame(DRAINING))
        if self._stopping:
            process.stdin.close()
        self._workers.add(worker)
        self._changed.set()
        return worker

    async def _listen(self, worker: _Worker) -> None:
        """Take a worker's reports until it ends. Raises what it says would stop every worker."""
        while (content := await read_frame(worker.process.stdout)) is not None:
            message = json.loads(content)
            if "fatal" in message:
                name, text = message["fatal"]
                raise getattr(errors, name, DepsimError)(text)
            worker.room += message.get("room", 0)
            if "kept" in message:
                self._kept(worker, message["kept"], message["heard"])
            self._changed.set()

    def _kept(self, worker: _Worker, rows: list[list[Any]], heard: bool) -> None:
        self._deaths = 0
        self._tally.heard = self._tally.heard or heard
        for request_id, status, prompt_tokens, completion_tokens, attempts, error_code in rows:
            outcome = Outcome(
                request_id,
                status,
                prompt_tokens=prompt_tokens,
                completion_tokens=completion_tokens,
                attempts=attempts,
                error_code=error_code,
            )
            self._tally.count(outcome)
            if (call := worker.calls.pop(request_id, None)) is not None:
                self._intake.settle(call, outcome)
        self._tally.report()


async def _ended(process: asyncio.subprocess.Process) -> int:
    """The exit code of a process that has closed its output, or has to go now."""
    try:
        async with asyncio.timeout(EXIT_DEADLINE_S):
            return await process.wait()
    except (TimeoutError, asyncio.CancelledError) as error:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        if isinstance(error, asyncio.CancelledError):
            raise
        return await process.wait()

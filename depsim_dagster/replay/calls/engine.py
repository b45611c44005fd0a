"""The engine: makes the calls that the journal does not hold, and nothing else.

Calls are pulled from an iterator one by one, when one can be sent, so that few prompts are in memory however long
the study is. A call ends as one journal row: an answer, or the reason for its absence. What every other call of
the run would meet as well (a refused key, an unknown model, no server) ends the run with one error instead.
Calls go out from this process, from worker processes (worker_pool.py), or in files (replay/batch).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from depsim_dagster.progress import Progress
from depsim_dagster.replay.batch.records import open_calls
from depsim_dagster.replay.calls.call_intake import CallIntake, CallStatistics, Tally
from depsim_dagster.replay.calls.endpoint_gate import EndpointGate
from depsim_dagster.replay.calls.endpoints import Endpoint, open_client
from depsim_dagster.replay.calls.in_flight import CallsInFlight, PendingCall
from depsim_dagster.replay.calls.shared_limits import limits_directory
from depsim_dagster.replay.dialects.outcomes import Outcome
from depsim_dagster.replay.dialects.requests import ModelCall
from depsim_dagster.replay.journal.response_journal import Journal

if TYPE_CHECKING:
    from depsim_dagster.replay.budget.spending import Spending

log = logging.getLogger(__name__)

__all__ = ["CallStatistics", "ModelCall", "complete_calls", "run_calls"]


def complete_calls(
    endpoint: Endpoint,
    calls: Iterable[ModelCall],
    journal: Journal,
    *,
    progress: Progress | None = None,
    spending: Spending | None = None,
) -> CallStatistics:
    """`run_calls` for code without an event loop. In a notebook, await `run_calls`."""
    return asyncio.run(run_calls(endpoint, calls, journal, progress=progress, spending=spending))


async def run_calls(
    endpoint: Endpoint,
    calls: Iterable[ModelCall],
    journal: Journal,
    *,
    progress: Progress | None = None,
    spending: Spending | None = None,
) -> CallStatistics:
    """Make every call whose id the journal does not hold, one request each (also where the endpoint has `batch`); all
    answers are on disk on return.

    `calls` is pulled one by one, when a call can be sent, on the event loop: it should not block for long.
    `progress` gets (calls whose answer is on disk, calls pulled so far), after each write. `spending` (spending.py)
    is asked before each call and told how it ended.

    Raises EndpointError when the run as a whole cannot succeed, LakeError when the journal cannot be written, and
    BudgetError when the next call is not covered, after those under way have ended. What was answered before is kept
    in each case, and on cancellation. Two runs on one journal take turns.
    """
    if endpoint.batch is not None:
        from depsim_dagster.replay.batch.mode import run_in_batches

        return await run_in_batches(endpoint, calls, journal, progress=progress, spending=spending)
    async with journal.alone():
        if left := open_calls(journal.directory):
            log.warning(
                f"{endpoint.label}: up to {left:,} calls are open in batches of an earlier run and are paid for a second time, "
                "one by one; with `batch` their answers are fetched"
            )
        started = time.perf_counter()
        tally = Tally(endpoint, journal, progress)
        intake = CallIntake(calls, journal, tally, spending, claim_sent=endpoint.workers == 1)
        try:
            if endpoint.workers > 1:
                from depsim_dagster.replay.calls.worker_pool import run_in_workers

                await run_in_workers(endpoint, intake, journal, tally)
            else:
                await _run_here(endpoint, intake, journal, tally)
        finally:
            intake.abandon()
        tally.raise_if_unreachable(after=1)
        return tally.statistics(time.perf_counter() - started)


async def _run_here(endpoint: Endpoint, intake: CallIntake, journal: Journal, tally: Tally) -> None:
    def keep(call: PendingCall, outcome: Outcome) -> None:
        tally.heard = tally.heard or running.heard
        tally.count(outcome)
        written = journal.append(outcome)
        intake.settle(call, outcome)
        if written:
            tally.report()
        tally.raise_if_unreachable()

    limits = limits_directory(journal.directory, endpoint.name)
    async with open_client(endpoint) as client, EndpointGate(endpoint, limits) as gate:
        running = CallsInFlight(endpoint, client, gate, intake, keep)
        try:
            await with_flushes(running.run(), journal, tally.report)
        finally:
            if journal.flush():
                tally.report()


async def with_flushes(run: Any, journal: Journal, written: Callable[[], None]) -> None:
    """Await `run`, and keep the journal's time bound while no answers arrive that would flush it."""

    async def flush_in_time() -> None:
        while True:
            await asyncio.sleep(journal.seconds_until_due())
            if journal.flush_if_due():
                written()

    tasks = [asyncio.ensure_future(run), asyncio.create_task(flush_in_time())]
    try:
        finished, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in finished:
            task.result()  # the clock ends only by an error
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

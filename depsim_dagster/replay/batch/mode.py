"""Batch mode: the calls of a run go in files through the provider's Files and Batches, with the rows of online mode.

Whatever kills the process, a re-run finds the open batches again and sends none of their calls a second time. What may be
run twice is the one file whose batch was being created when the process died or the connection broke, and only at a
server that does not list its batches (or takes the request up, or lists it, long after it was looked for): batches are
created one at a time. Answers on disk are never asked for again.

Memory: one file being built or uploaded (megabytes_per_file), and the ids of the files in flight.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Coroutine, Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from depsim_dagster.errors import BudgetError
from depsim_dagster.progress import Progress
from depsim_dagster.replay.batch.files import InputFile, input_line
from depsim_dagster.replay.batch.ledger import Ledger
from depsim_dagster.replay.batch.provider import Provider, open_provider
from depsim_dagster.replay.batch.reattach import find_uploads, reattach
from depsim_dagster.replay.batch.records import LOST, Record, Records
from depsim_dagster.replay.batch.rounds import Rounds
from depsim_dagster.replay.calls.call_intake import SKIPS_PER_TURN, CallStatistics
from depsim_dagster.replay.calls.endpoints import Endpoint
from depsim_dagster.replay.dialects.apis import APIS
from depsim_dagster.replay.dialects.outcomes import FAILED, Outcome
from depsim_dagster.replay.dialects.requests import ModelCall
from depsim_dagster.replay.journal.response_journal import Journal

if TYPE_CHECKING:
    from depsim_dagster.replay.budget.spending import Spending

log = logging.getLogger(__name__)

TOO_LARGE = "larger_than_file"


async def run_in_batches(
    endpoint: Endpoint,
    calls: Iterable[ModelCall],
    journal: Journal,
    *,
    progress: Progress | None = None,
    spending: Spending | None = None,
) -> CallStatistics:
    """As `engine.run_calls`, for an endpoint with `batch`: every call without an answer gets one, within hours.

    Calls of an earlier run's open batches count as reused; `sent` counts the others, `retries` what was submitted again.
    Raises EndpointError, LakeError and BudgetError; open batches are found again by the next run in each case. A budget
    that is used up is raised when what was sent is answered.
    """
    started = time.perf_counter()
    async with journal.alone(), open_provider(endpoint) as provider:
        # Until the first call says it: a re-run may have nothing but open batches.
        provider.model = unquote(journal.directory.name.removeprefix("model="))
        run = _Run(endpoint, provider, calls, journal, Ledger(journal, progress, spending))
        await run.complete()
    return run.ledger.statistics(time.perf_counter() - started)


class _Run:
    """One run: what is open already, then new files for as long as there are calls and places."""

    def __init__(
        self,
        endpoint: Endpoint,
        provider: Provider,
        calls: Iterable[ModelCall],
        journal: Journal,
        ledger: Ledger,
    ) -> None:
        assert endpoint.batch is not None
        self.ledger = ledger
        self._endpoint, self._provider = endpoint, provider
        self._settings = endpoint.batch
        self._calls = iter(calls)
        self._left: tuple[str, bytes] | None = None
        self._records = Records(journal.directory)
        self._rounds = Rounds(endpoint, provider, self._records, ledger)
        self._places = asyncio.Semaphore(self._settings.files_in_flight)
        self._budget: BudgetError | None = None
        self._held: ModelCall | None = None  # the budget does not cover it for now
        self._files_open = 0
        self._file_ended = asyncio.Event()

    async def complete(self) -> None:
        try:
            records = await reattach(self._provider, self._records)
            for record in records:
                self.ledger.adopt(record.sent | record.waiting)
            async with asyncio.TaskGroup() as group:
                for record in records:
                    self._start(group, self._go_on(record))
                await asyncio.sleep(0)  # they were first
                await self._feed(group)
            lost = [record for record in self._records.all() if record.state == LOST]
            await find_uploads(self._provider, self._records, lost)
            for record in lost:
                await self._rounds.clear(record)
        except BaseExceptionGroup as failures:
            raise _first(failures) from None
        finally:
            self.ledger.close()
            self.ledger.flush()
            if self._rounds.oddities:
                counts = ", ".join(f"{name} {count:,}" for name, count in self._rounds.oddities.items())
                log.warning(f"{self._endpoint.label}: in batches: {counts}")
        if self._budget is not None:
            raise self._budget

    async def _go_on(self, record: Record) -> None:
        await self._places.acquire()
        await self._see_through(record)

    async def _feed(self, group: asyncio.TaskGroup) -> None:
        while self._budget is None:
            await self._places.acquire()
            self._file_ended.clear()
            async with self._rounds.upload_turn:
                record = await self._upload_next()
            if record is not None:
                self._start(group, self._see_through(record))
                continue
            self._places.release()
            if self._held is None:
                return
            await self._file_ended.wait()

    async def _upload_next(self) -> Record | None:
        file = await self._next_file()
        self.ledger.flush()  # for whom each call is made is on disk before it is sent
        if not file.ids:
            return None
        record = Record(self._endpoint.api, dict.fromkeys(file.ids, 1))
        self._records.save(record)
        await self._rounds.upload(record, file.content)
        return record

    def _start(self, group: asyncio.TaskGroup, file: Coroutine[Any, Any, None]) -> None:
        self._files_open += 1
        group.create_task(file)

    async def _see_through(self, record: Record) -> None:
        try:
            await self._rounds.see_through(record)
        finally:
            self._places.release()
            self._files_open -= 1
            self._file_ended.set()

    async def _next_file(self) -> InputFile:
        """Calls from the iterator, until a file is full or there are no more."""
        file = InputFile(self._settings.requests_per_file, self._settings.megabytes_per_file)
        if self._left is not None:
            file.add(*self._left)
            self._left = None
        path = APIS[self._endpoint.api].path
        held = [] if self._held is None else [self._held]
        self._held = None
        try:
            for pulled, call in enumerate(itertools.chain(held, self._calls)):
                if pulled % SKIPS_PER_TURN == 0:
                    await asyncio.sleep(0)  # a long known stretch must not starve the batches in flight
                self._provider.model, self._provider.example = str(call.body.get("model")), call.body
                if not self.ledger.takes(call):
                    continue
                line = input_line(call.request_id, path, call.body)
                if file.takes(line):
                    file.add(call.request_id, line)
                elif file.can_ever_take(line):
                    self._left = call.request_id, line
                    break
                else:
                    self.ledger.keep(Outcome(call.request_id, FAILED, error_code=TOO_LARGE))
        except BudgetError as error:
            if error.for_now and (file.ids or self._files_open):
                self._held = call
            else:
                self._budget = error
        return file


def _first(failures: BaseExceptionGroup) -> BaseException:
    """The failure that ended a run: the others are cancellations by it, or the same again."""
    error = failures.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error

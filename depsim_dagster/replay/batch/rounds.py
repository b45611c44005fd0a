"""The life of one file of calls: upload, batch, results, and the rest of them in a further round, until each has its row.

Every step is in the file's record before it is made (batch_records.py), so that `see_through` goes on from whatever
state it finds. Answers are read as the engine reads them; what a provider says of a whole batch is decided here.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any, BinaryIO

from depsim_dagster.errors import EndpointError
from depsim_dagster.replay.batch.files import InputFile, line_id
from depsim_dagster.replay.batch.ledger import QUEUE, Ledger
from depsim_dagster.replay.batch.provider import Provider
from depsim_dagster.replay.batch.records import DONE, SUBMITTED, UPLOADED, UPLOADING, Record, Records
from depsim_dagster.replay.batch.results import Results, line_numbers, whole_file_errors
from depsim_dagster.replay.budget.spent import Amounts
from depsim_dagster.replay.calls import in_flight
from depsim_dagster.replay.calls.endpoints import Endpoint, fatal_problem
from depsim_dagster.replay.calls.exchange import Reply
from depsim_dagster.replay.dialects.apis import APIS
from depsim_dagster.replay.dialects.outcomes import FAILED, Outcome

ENDED = frozenset({"completed", "failed", "expired", "cancelled"})
# The provider's queue is full: nothing was run, and the same file is taken later.
QUEUE_CODES = frozenset(
    {
        "token_limit_exceeded",
        "request_limit_exceeded",
        "rate_limit_exceeded",
        "batch_limit_exceeded",
        "queue_full",
    }
)
LONGEST_QUEUE_PAUSE_S = 600.0
LONGEST_QUEUE_WAIT_S = 86_400.0
FIRST_POLL = 1 / 8  # of poll_seconds: small batches are done in a minute
SOURCE_GONE = "input_file_gone"


class Rounds:
    """What the files of one run share. `upload_turn` is held by whoever has a file in memory: one at a time."""

    def __init__(self, endpoint: Endpoint, provider: Provider, records: Records, ledger: Ledger) -> None:
        assert endpoint.batch is not None
        self._endpoint, self._provider, self._records, self._ledger = endpoint, provider, records, ledger
        self._settings = endpoint.batch
        self._running: set[str] = set()
        self._queued_since: dict[str, float] = {}
        self._pauses: Counter[str] = Counter()
        self._room = asyncio.Event()
        self._create_turn = asyncio.Lock()
        self.upload_turn = asyncio.Lock()
        self.oddities: Counter[str] = Counter()

    async def see_through(self, record: Record) -> None:
        """Go on with a file until every call of it has its row and its files are deleted."""
        while record.state != DONE:
            if record.state == UPLOADING:
                await self._upload_again(record)
            elif record.state == UPLOADED:
                await self._submit(record)
            else:
                await self._collect(record, await self._ended(record))
        await self.clear(record)

    async def upload(self, record: Record, content: BinaryIO) -> None:
        record.input_file = await self._provider.upload(record.file_name, content)
        record.source_file = record.source_file or record.input_file
        record.state = UPLOADED
        self._records.save(record)

    async def clear(self, record: Record) -> None:
        """Delete at the provider what is not needed any more; a record of which nothing is left goes too."""
        if self._settings.delete_files or record.erased:
            kept = []
            for file_id in dict.fromkeys(record.rubbish):
                if not await self._provider.delete(file_id):
                    kept.append(file_id)
                    self.oddities["files not deleted"] += 1
            if kept != record.rubbish:
                record.rubbish = kept
                self._records.save(record)
        elif record.state == DONE:
            record.rubbish = []
        if record.state == DONE and not record.rubbish:
            self._records.remove(record)

    async def _upload_again(self, record: Record) -> None:
        async with self.upload_turn:
            file = await self._from_source(record)
            if file is not None and file.ids:
                await self.upload(record, file.content)
                return
        if file is None:
            await self._give_up(record)
        else:  # nobody wants the calls of this round any more
            await self._next(record)

    async def _from_source(self, record: Record) -> InputFile | None:
        """This round's file, of lines out of the first round's; None when that has gone. What was sent once is at the
        provider until all of it has rows, so that no process has to hold it for hours."""
        file = self._empty_file()

        def begin() -> None:
            nonlocal file
            file = self._empty_file()

        def take(line: bytes) -> None:
            request = line_id(line)
            if request in record.sent and self._ledger.is_open(request):
                file.add(request, line + b"\n")

        there = record.source_file is not None and await self._provider.read(record.source_file, begin, take)
        return file if there else None

    def _empty_file(self) -> InputFile:
        return InputFile(self._settings.requests_per_file, self._settings.megabytes_per_file)

    async def _submit(self, record: Record) -> None:
        assert record.input_file is not None
        path = APIS[record.api].path
        # One at a time: at a server without lists, the one that a dying process leaves open is made twice.
        async with self._create_turn:
            made = await self._provider.create(
                record.submission, record.input_file, path, self._settings.completion_window
            )
            if isinstance(made, str):
                record.batch, record.state = made, SUBMITTED
                self._records.save(record)
        if isinstance(made, str):
            self._ledger.retries += sum(n > 1 for n in record.sent.values())
        elif problem := self._problem(made.code):
            await self._refuse(record, problem)
        elif made.code in QUEUE_CODES or made.http_status == 429:
            await self._wait_for_queue(record)
        elif made.http_status == 404:
            await self._give_up(record)
        else:
            await self._refuse(
                record,
                f"{self._endpoint.label} does not take a batch (HTTP {made.http_status}, {made.code}); correct the "
                "study's `batch`, and run again",
            )

    async def _ended(self, record: Record) -> Mapping[str, Any] | None:
        """The batch when it has ended; None when the provider has it no more."""
        assert record.batch is not None
        self._running.add(record.name)
        cancelled, wait = False, self._settings.poll_seconds * FIRST_POLL
        try:
            while True:
                batch = await self._provider.batch(record.batch)
                if batch is None or batch.get("status") in ENDED:
                    return batch
                self._ledger.waits(record.name, *_standing(batch), len(record.sent))
                if not cancelled and not any(map(self._ledger.is_open, record.sent)):
                    await self._provider.cancel(record.batch)  # all of it was erased
                    cancelled = True
                await asyncio.sleep(wait * random.uniform(0.75, 1.25))
                wait = min(2 * wait, self._settings.poll_seconds)
        finally:
            self._ledger.waits(record.name, None)
            self._running.discard(record.name)
            self._room.set()  # wakes who waits for the queue now, and nobody later
            self._room.clear()

    async def _collect(self, record: Record, batch: Mapping[str, Any] | None) -> None:
        """Keep what a batch answered, and make what it did not the next round's."""
        batch = {"status": "gone"} if batch is None else batch
        status = str(batch["status"])
        results = [batch.get(key) for key in ("output_file_id", "error_file_id")]
        files = [file_id for file_id in results if isinstance(file_id, str) and file_id]
        reading = Results(record, self._endpoint, self._ledger, self._provider, self.oddities)
        for file_id in files:
            if not await self._provider.read(file_id, reading.begin, reading.take):
                self.oddities["result files gone"] += 1
        if reading.erased:
            self._records.keep_cost(record, sum(reading.erased.values(), Amounts()))
        errors = whole_file_errors(batch) if status == "failed" and not reading.lines else {}
        record.rubbish += files
        if errors:
            await self._failed(record, errors)
            return
        reading.without_line(f"batch_{status}" if status != "completed" else "no_result")
        self._ledger.flush()
        if reading.problem is not None:
            await self._refuse(record, reading.problem)
            return
        if record.most_lines is not None:
            record.most_lines *= 2
        self._queued_since.pop(record.name, None)
        self._pauses.pop(record.name, None)
        record.waiting.update(reading.again)
        record.unread += reading.unread
        await self._next(record)

    async def _next(self, record: Record) -> None:
        if record.input_file is not None and record.input_file != record.source_file:
            record.rubbish.append(record.input_file)
        if not record.waiting:
            record.state = DONE
            record.rubbish += [record.source_file] if record.source_file else []
            self._records.save(record)
            return
        record.next_round()
        self._records.save(record)
        await self.clear(record)
        await asyncio.sleep(in_flight.backoff(record.round, None))

    async def _failed(self, record: Record, errors: dict[str, list[int]]) -> None:
        """A batch of which nothing was run."""
        if errors.keys() <= QUEUE_CODES:
            await self._wait_for_queue(record)
            return
        problem = next(filter(None, map(self._problem, errors)), None)
        found = "; ".join(f"{code}{line_numbers(lines)}" for code, lines in errors.items())
        await self._refuse(
            record,
            problem
            or f"{self._endpoint.label} refuses a file of {len(record.sent):,} calls: {found}. Nothing of it was run; correct "
            "the study's `batch`, parameters or model, and run again",
        )

    async def _wait_for_queue(self, record: Record) -> None:
        """Later, and smaller when it is no batch of ours that fills the queue."""
        since = self._queued_since.setdefault(record.name, time.monotonic())
        if time.monotonic() - since > LONGEST_QUEUE_WAIT_S:
            await self._refuse(
                record,
                f"{self._endpoint.label}: the provider's queue of batches was full for a day; run again when there is room",
            )
            return
        if not self._running and len(record.sent) > 1:
            record.most_lines = -(-len(record.sent) // 2)
            record.waiting = {**record.sent, **record.waiting}
            record.rubbish += [record.input_file] if record.input_file != record.source_file else []
            record.next_round()
        else:
            record.round += 1  # a batch of a name that is known to have failed would be found again
            record.state, record.batch = UPLOADED, None
        self._records.save(record)
        self._pauses[record.name] += 1
        pause = self._settings.poll_seconds * 2.0 ** min(self._pauses[record.name] - 1, 16)
        self._ledger.waits(record.name, QUEUE, 0, len(record.sent or record.waiting))
        with contextlib.suppress(TimeoutError):
            pause = min(pause, LONGEST_QUEUE_PAUSE_S) * random.uniform(0.75, 1.25)
            await asyncio.wait_for(self._room.wait(), pause)
        self._ledger.waits(record.name, None)

    def _problem(self, code: str | None) -> str | None:
        """What every other batch would meet too."""
        return fatal_problem(self._endpoint, self._provider.model, Reply(400, code=code))

    async def _refuse(self, record: Record, problem: str) -> None:
        """End the run. The calls are as if they had never been sent: a later run sends them when this is mended."""
        self._ledger.give_back(self._drop(record))
        await self.clear(record)
        raise EndpointError(problem)

    async def _give_up(self, record: Record) -> None:
        """Go without calls whose lines are at the provider no more: the run sends those that it has yet to come to, and
        the others are failed until a later run sends them."""
        passed = self._ledger.give_back(record.sent | record.waiting)
        for request in passed:
            attempts = record.sent.get(request) or record.waiting[request]
            self._ledger.keep(Outcome(request, FAILED, attempts=attempts, error_code=SOURCE_GONE))
        self._ledger.flush()
        self._drop(record)

    def _drop(self, record: Record) -> list[str]:
        ids = record.drop_calls()
        record.rubbish += [file_id for file_id in (record.input_file, record.source_file) if file_id]
        self._records.save(record)
        return ids


def _standing(batch: Mapping[str, Any]) -> tuple[str, int]:
    """The state that the provider says a batch is in, and of how many calls it says that they are done."""
    status, counts = batch.get("status"), batch.get("request_counts")
    done = [counts.get(key) for key in ("completed", "failed")] if isinstance(counts, Mapping) else []
    known = status if isinstance(status, str) and status.isidentifier() and len(status) <= 32 else "unknown"
    return known, sum(number for number in done if isinstance(number, int) and number > 0)

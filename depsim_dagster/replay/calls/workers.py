"""A worker process: makes the calls that it is fed, in the one process' way, with a journal of its own.

    python -m depsim_dagster.replay.calls.workers

It is started by worker_pool.py, which says everything through the pipe on its standard input: the endpoint with its
key, the journal's directory, then one call after the other. Nothing of that is in arguments, environment or files.
What it kept goes back through standard output, once it is on disk, without text. It ends when it is told that there
are no more calls, and when its input ends, which is when its parent died: answers that it has are written first.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import signal
import struct
import sys
from collections import deque
from pathlib import Path
from typing import Any

from depsim_dagster.errors import DepsimError, text_free
from depsim_dagster.replay.calls.call_intake import Tally
from depsim_dagster.replay.calls.endpoint_gate import EndpointGate
from depsim_dagster.replay.calls.endpoints import Endpoint, open_client
from depsim_dagster.replay.calls.engine import with_flushes
from depsim_dagster.replay.calls.in_flight import CallsInFlight, PendingCall
from depsim_dagster.replay.calls.shared_limits import limits_directory
from depsim_dagster.replay.dialects.outcomes import Outcome
from depsim_dagster.replay.journal.claims import Subject
from depsim_dagster.replay.journal.response_journal import Journal

# What the parent says beside calls. A call's frame begins with `[`.
NO_MORE = b"end"  # every call has been kept: go
DRAINING = b"drain"  # no new calls: write what there is as soon as nothing is under way
LENGTH = struct.Struct(">I")


def frame(content: bytes) -> bytes:
    """A message on a pipe: its length, then itself."""
    return LENGTH.pack(len(content)) + content


async def read_frame(stream: asyncio.StreamReader) -> bytes | None:
    """The next message, or None when the other side is gone."""
    try:
        return await stream.readexactly(LENGTH.unpack(await stream.readexactly(LENGTH.size))[0])
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


def settings_frame(endpoint: Endpoint, journal: Path, processes: int, queue: int) -> bytes:
    plain = dataclasses.asdict(dataclasses.replace(endpoint, workers=1, batch=None))
    settings = {"endpoint": plain, "journal": str(journal), "processes": processes, "queue": queue}
    return frame(json.dumps(settings).encode())


def call_frame(call: PendingCall) -> bytes:
    subject = None if call.subject is None else dataclasses.astuple(call.subject)
    return frame(json.dumps([call.request_id, subject]).encode() + b"\n" + call.content)


def _read_call(content: bytes) -> PendingCall:
    head, _, body = content.partition(b"\n")
    request_id, subject = json.loads(head)
    return PendingCall(request_id, body, subject=subject and Subject(*subject))


class _Fed:
    """The calls that the parent feeds (in_flight.CallSource)."""

    def __init__(self, worker: _Worker, queue: int) -> None:
        self.exhausted = False
        self.calls: deque[PendingCall] = deque()
        self._worker = worker
        self._told = max(1, queue // 4)
        self._taken = 0

    async def take(self) -> PendingCall | None:
        if not self.calls:
            return None
        self._taken += 1
        if self._taken >= self._told:
            self._worker.say({"room": self._taken})
            self._taken = 0
        return self.calls.popleft()


class _Worker:
    """One worker's state: what it was fed, what is under way, what it kept and has not told yet."""

    def __init__(self, settings: dict[str, Any], stream: asyncio.StreamReader, output: int) -> None:
        self._endpoint = Endpoint(**settings["endpoint"])
        self._journal = Journal(Path(settings["journal"]))
        self._processes = settings["processes"]
        self._stream = stream
        self._output = output
        self._queue = settings["queue"]
        self._fed = _Fed(self, self._queue)
        self._tally = Tally(self._endpoint, self._journal, None)
        self._kept: list[list[Any]] = []
        self._draining = False

    async def run(self) -> None:
        limits = limits_directory(self._journal.directory, self._endpoint.name)
        async with (
            open_client(self._endpoint) as client,
            EndpointGate(self._endpoint, limits, self._processes) as gate,
        ):
            self._gate = gate
            self.say({"room": self._queue})
            self._calls = CallsInFlight(self._endpoint, client, gate, self._fed, self._keep)
            making = asyncio.create_task(with_flushes(self._calls.run(), self._journal, self._tell))
            listening = asyncio.create_task(self._listen())
            try:
                await asyncio.wait([making, listening], return_when=asyncio.FIRST_COMPLETED)
                for task in (making, listening):
                    if task.done():
                        task.result()
                if self._fed.exhausted:
                    await making
            finally:
                for task in (making, listening):
                    task.cancel()
                await asyncio.gather(making, listening, return_exceptions=True)
                self._flush()

    def say(self, message: dict[str, Any]) -> None:
        """To the parent. It reads until this process has ended, so this does not wait for long."""
        _write(self._output, frame(json.dumps(message).encode()))

    async def _listen(self) -> None:
        """Take in what the parent sends, until it says that this is all, or is gone."""
        while (content := await read_frame(self._stream)) is not None:
            if content == NO_MORE:
                self._fed.exhausted = True
                self._gate.changed.set()
                return
            if content == DRAINING:
                self._draining = True
                self._flush_when_idle()
                continue
            call = _read_call(content)
            if call.subject is not None:
                self._journal.claim(call.request_id, call.subject)
            self._fed.calls.append(call)
            self._gate.changed.set()

    def _keep(self, call: PendingCall, outcome: Outcome) -> None:
        self._tally.heard = self._tally.heard or self._calls.heard
        self._tally.count(outcome)
        self._kept.append(
            [
                outcome.request_id,
                outcome.status,
                outcome.prompt_tokens,
                outcome.completion_tokens,
                outcome.attempts,
                outcome.error_code,
            ]
        )
        if self._journal.append(outcome):
            self._tell()
        self._tally.raise_if_unreachable()
        self._flush_when_idle()

    def _flush_when_idle(self) -> None:
        if self._draining and not self._fed.calls and self._calls.under_way == 0:
            self._flush()

    def _flush(self) -> None:
        if self._journal.flush():
            self._tell()

    def _tell(self) -> None:
        kept, self._kept = self._kept, []
        self.say({"kept": kept, "heard": self._tally.heard})


def _write(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


async def _main(output: int) -> None:
    loop = asyncio.get_running_loop()
    stream = asyncio.StreamReader(limit=2**20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), sys.stdin.buffer)
    settings = await read_frame(stream)
    if settings is not None:
        await _Worker(json.loads(settings), stream, output).run()


def main() -> None:
    # An interrupt goes to the whole group of processes; the parent closes the pipe, and that is the word.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    output = os.dup(1)
    os.dup2(2, 1)  # a library that prints must not be taken for a message
    exit_code = 0
    try:
        with text_free("a worker process"):
            asyncio.run(_main(output))
    except DepsimError as error:
        exit_code = 1
        with contextlib.suppress(OSError):  # nobody may be there to hear it
            _write(output, frame(json.dumps({"fatal": [type(error).__name__, str(error)]}).encode()))
    os._exit(exit_code)  # everything is written; taking the interpreter apart takes long enough to be noticed


if __name__ == "__main__":
    main()

"""Files and Batches of one endpoint, through the SDK's own methods, with every fault told as a code.

Answers are decoded here and not by the SDK's classes: they come from outside, and a field of the wrong type must not
crash a run of hours. A request whose answer got lost may have been obeyed: an upload or a batch is looked for before it
is asked for again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO

from depsim_dagster.errors import EndpointError
from depsim_dagster.replay.batch.files import split_lines, url_of
from depsim_dagster.replay.batch.lists import SUBMISSION, Page, found_batches, found_files
from depsim_dagster.replay.calls import in_flight
from depsim_dagster.replay.calls.endpoints import (
    QUOTA_CODES,
    Endpoint,
    fatal_problem,
    open_client,
    unreachable,
)
from depsim_dagster.replay.calls.exchange import NO_RESPONSE, Reply, faults, reply_of

if TYPE_CHECKING:
    from openai import AsyncOpenAI

NO_ROUTE = frozenset({404, 405, 501})
GONE = frozenset({404, 410})
UNREADABLE = "not_an_object"
# A transfer may take as long as this rate needs, on top of the time limit of one request.
SLOWEST_BYTES_PER_S = 100_000
LISTED_AT_A_TIME = 100
# A provider's lists may be some seconds behind: what may have been made is looked for so often before it is made again.
LOOK_AGAIN_S = (1.0, 2.0, 4.0, 8.0)
LINES_PER_TURN = 256


class _TransferError(Exception):
    """A file could not be read to its end; the reply says why, as a code."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.code)
        self.reply = reply


class Provider:
    """The requests that batch mode makes. `model`, and `example` (the body of one of the calls), are for messages only."""

    def __init__(self, client: AsyncOpenAI, endpoint: Endpoint, model: str = "") -> None:
        self._client = client
        self._endpoint = endpoint
        self.model = model
        self.example: Mapping[str, Any] | None = None
        self._heard = False

    async def upload(self, name: str, content: BinaryIO) -> str:
        """The id of the new file. A file of this name that a lost request left is taken instead."""
        size = content.seek(0, 2)

        async def send() -> Reply:
            content.seek(0)
            create = self._client.files.with_raw_response.create
            limit = self._endpoint.request_timeout_s + size / SLOWEST_BYTES_PER_S
            return await self._ask(
                lambda: create(file=(name, content), purpose="batch", timeout=limit), limit
            )

        async def lost() -> str | None:
            return (await self.find_files({name}, time.time(), patiently=True) or {}).get(name)

        return await self._make(send, lost, "upload of a file")

    async def create(self, submission: str, file_id: str, path: str, window: str) -> str | Reply:
        """The id of the new batch, or the reply of a provider that does not take it (a full queue, a lost file)."""

        async def send() -> Reply:
            create = self._client.batches.with_raw_response.create
            return await self._ask(
                lambda: create(
                    input_file_id=file_id,
                    endpoint=url_of(path),  # type: ignore[arg-type]
                    completion_window=window,  # type: ignore[arg-type]
                    metadata={SUBMISSION: submission},
                )
            )

        async def lost() -> str | None:
            found = await self.find_batches({submission: file_id}, time.time(), patiently=True)
            return (found or {}).get(submission)

        return await self._make(send, lost, "batch", refused=True)

    async def batch(self, batch_id: str) -> Mapping[str, Any] | None:
        """The batch as the provider tells it; None when it has none of this id."""
        reply = await self._insist(
            lambda: self._ask(lambda: self._client.batches.with_raw_response.retrieve(batch_id))
        )
        if reply.http_status == 404:
            return None
        if reply.code is not None:
            raise self.error(reply, "state of a batch")
        return reply.payload

    async def cancel(self, batch_id: str) -> None:
        """Ask for a batch to be cancelled; one that has ended stays as it is."""
        await self._insist(
            lambda: self._ask(lambda: self._client.batches.with_raw_response.cancel(batch_id)), conflict=False
        )

    async def delete(self, file_id: str) -> bool:
        """Whether the provider has no such file any more."""
        reply = await self._insist(
            lambda: self._ask(lambda: self._client.files.with_raw_response.delete(file_id)), patient=False
        )
        return reply.code is None or reply.http_status in GONE

    async def find_files(
        self, names: Collection[str], since: float, patiently: bool = False
    ) -> dict[str, str] | None:
        """name → id of the files for batches among these; None when the server does not list files. `patiently`: some of
        them may be so new that a list has them only in some seconds."""
        files = self._client.files.with_raw_response
        page = self._page(lambda **at: files.list(purpose="batch", limit=LISTED_AT_A_TIME, **at))
        return await _looked_for(lambda: found_files(page, names, since), len(names), patiently)

    async def find_batches(
        self, submissions: Mapping[str, str], since: float, patiently: bool = False
    ) -> dict[str, str] | None:
        """submission → batch id among these (submission → input file); None when the server does not list batches."""
        batches = self._client.batches.with_raw_response
        page = self._page(lambda **at: batches.list(limit=LISTED_AT_A_TIME, **at))
        return await _looked_for(lambda: found_batches(page, submissions, since), len(submissions), patiently)

    async def listing(self) -> EndpointError | None:
        """The error of a server without Files and Batches. One that has them and does not list them is not among these."""
        for listed in (
            self._client.files.with_raw_response.list,
            self._client.batches.with_raw_response.list,
        ):
            reply = await self._insist(
                lambda listed=listed: self._ask(lambda: listed(limit=1)), patient=False
            )
            if reply.code is not None and reply.http_status != 405:
                return self.error(reply, "list")
        return None

    async def read(self, file_id: str, begin: Callable[[], None], take: Callable[[bytes], None]) -> bool:
        """Give the lines of a file to `take` as they arrive, from `begin` on after each broken stream. Returns whether the
        file is there."""

        async def send() -> Reply:
            begin()
            try:
                async with contextlib.aclosing(self._lines(file_id)) as lines:
                    number = 0
                    async for line in lines:
                        take(line)
                        number += 1
                        if number % LINES_PER_TURN == 0:
                            await asyncio.sleep(0)  # the other batches are seen to meanwhile
            except _TransferError as error:
                return error.reply
            return Reply(200)

        reply = await self._insist(send)
        if reply.http_status in GONE:
            return False
        if reply.code is not None:
            raise self.error(reply, "download of a file")
        return True

    async def _lines(self, file_id: str) -> AsyncIterator[bytes]:
        try:
            opened = self._client.files.with_streaming_response.content(file_id)
            async with opened as response, contextlib.aclosing(split_lines(self._chunks(response))) as lines:
                async for line in lines:
                    yield line
        except faults() as error:
            reply = reply_of(error)
        else:
            return
        raise _TransferError(reply)

    async def _chunks(self, response: Any) -> AsyncIterator[bytes]:
        parts = response.iter_bytes()
        while True:
            # The time limit is for each part: how long a whole file takes hangs on its size.
            async with asyncio.timeout(self._endpoint.request_timeout_s):
                part = await anext(parts, None)
            if part is None:
                return
            yield part

    def error(self, reply: Reply, what: str) -> EndpointError:
        """The error for a reply after which batch mode cannot go on."""
        label = self._endpoint.label
        if reply.code in NO_RESPONSE:
            return EndpointError(unreachable(self._endpoint, reply.code))
        if reply.code != "model_not_found" and reply.http_status in NO_ROUTE:
            return EndpointError(
                f"{label} has no Files and Batches (HTTP {reply.http_status}, {reply.code}); remove `batch` from the "
                "endpoint to make its calls one by one, or correct base_url if it lacks its /v1"
            )
        if problem := fatal_problem(self._endpoint, self.model, reply):
            return EndpointError(problem)
        return EndpointError(
            f"{label}: the {what} was answered with HTTP {reply.http_status} ({reply.code}); run again to go on with "
            "the batches that are open, or remove `batch` from the endpoint"
        )

    async def _make(
        self,
        send: Callable[[], Awaitable[Reply]],
        lost: Callable[[], Awaitable[str | None]],
        what: str,
        refused: bool = False,
    ) -> Any:
        """Ask for a thing until there is one, and for what a lost request may have made before asking again."""
        async for reply in self._attempts(send):
            made = reply.payload.get("id") if isinstance(reply.payload, Mapping) else None
            if reply.code is None and isinstance(made, str):
                return made
            if reply.repeatable and reply.http_status != 429 and (found := await lost()):
                return found
        if (
            refused
            and reply.http_status is not None
            and (reply.http_status in (400, 429) or _no_such_file(reply))
        ):
            return reply
        raise self.error(reply, what)

    def _page(self, listed: Callable[..., Awaitable[Any]]) -> Page:
        async def page(**at: str) -> Mapping[str, Any] | None:
            reply = await self._insist(lambda: self._ask(lambda: listed(**at)))
            if reply.http_status in NO_ROUTE:
                return None
            if reply.code is not None:
                raise self.error(reply, "list")
            return reply.payload

        return page

    async def _insist(
        self, send: Callable[[], Awaitable[Reply]], patient: bool = True, conflict: bool = True
    ) -> Reply:
        reply = Reply()
        async for reply in self._attempts(send, patient):
            if not conflict and reply.http_status == 409:
                break
        return reply

    async def _attempts(
        self, send: Callable[[], Awaitable[Reply]], patient: bool = True
    ) -> AsyncIterator[Reply]:
        """Replies until one is not worth another attempt. A server that answered once may be away for
        total_timeout_s: a batch of hours is not given up for the minute of a restart."""
        started, attempt = time.monotonic(), 0
        while True:
            attempt += 1
            reply = await send()
            self._heard = self._heard or reply.http_status is not None
            yield reply
            used_up = attempt >= self._endpoint.max_attempts
            waited = time.monotonic() - started >= self._endpoint.total_timeout_s
            if (
                not reply.repeatable
                or reply.code in QUOTA_CODES
                or (used_up and (waited or not patient or not self._heard))
            ):
                return
            await asyncio.sleep(in_flight.backoff(attempt, reply.retry_after_s))

    async def _ask(self, request: Callable[[], Awaitable[Any]], timeout_s: float | None = None) -> Reply:
        try:
            async with asyncio.timeout(timeout_s or self._endpoint.request_timeout_s):
                content = (await request()).content
        except faults() as error:
            return reply_of(error)
        try:
            payload = json.loads(content)
        except (ValueError, RecursionError):
            payload = None
        if not isinstance(payload, Mapping):
            return Reply(200, code=UNREADABLE, repeatable=True)
        return Reply(200, payload)


@contextlib.asynccontextmanager
async def open_provider(endpoint: Endpoint) -> AsyncIterator[Provider]:
    async with open_client(endpoint, for_files=True) as client:
        yield Provider(client, endpoint)


def check_batches(endpoint: Endpoint) -> None:
    """Raise EndpointError unless the endpoint has Files and Batches; nothing is uploaded to find out."""

    async def problem() -> EndpointError | None:
        async with open_provider(endpoint) as provider:
            return await provider.listing()

    if error := asyncio.run(problem()):
        raise error


async def _looked_for(
    look: Callable[[], Awaitable[dict[str, str] | None]], wanted: int, patiently: bool
) -> dict[str, str] | None:
    found = await look()
    for pause in LOOK_AGAIN_S if patiently else ():
        if found is None or len(found) == wanted:
            break
        await asyncio.sleep(pause)
        found = await look()
    return found


def _no_such_file(reply: Reply) -> bool:
    return reply.http_status == 404 and reply.code not in ("unknown_url", "http_404", "model_not_found")

"""How an answer of the sandbox server reaches the client, or does not: planted faults, limits, and a count of both.

A request counts as answered when its whole answer was written to a connection that was still open. An answer that is
written again after that was paid for twice; `statistics` says how often.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import socket
import struct
from collections import Counter
from typing import Any

from aiohttp import web

from depsim_dagster.sandbox.faults import Fault, Faults, FaultSchedule
from depsim_dagster.sandbox.limits import Limits
from depsim_dagster.sandbox.wire import RequestRefused

NO_RESPONSE_STATUS = 444  # what the counters call a request whose connection was reset
SLOW_PIECES = 20


class Delivery:
    """The faults, limits and counters of one server. For one event loop."""

    def __init__(self, faults: Faults, schedule: FaultSchedule) -> None:
        self._faults = faults
        self._schedule = schedule
        self.limits = Limits(faults.requests_per_minute, faults.max_concurrent)
        self._met: Counter[str] = Counter()
        self._seen: Counter[bytes] = Counter()
        self._answered: set[bytes] = set()
        self._repeated_requests = self._repeated_answers = 0

    async def meet(self, request: web.Request, raw: bytes) -> tuple[web.StreamResponse | None, Fault | None]:
        """(what the request gets instead of an answer, or None; the fault that its answer meets on the way)."""
        faults = self._faults
        digest = _digest(request, raw)
        self._seen[digest] += 1
        self._repeated_requests += digest in self._answered
        if faults.latency_ms:
            await asyncio.sleep(faults.latency_ms / 1000)
        fault = self._schedule.next_fault(raw)
        if fault is None:
            return None, None
        self._met[fault.name] += 1
        if fault.name == "429":
            return self.too_many(), fault
        if fault.name == "5xx":
            return _refused(500 if fault.place < 0.5 else 503, "The server had an error."), fault
        if fault.name == "timeout":
            return await _stall(request, faults.stall_seconds), fault
        if fault.name == "reset":
            return _reset(request), fault
        return None, fault

    def too_many(self) -> web.Response:
        """A 429, planted or for a limit that is reached."""
        wait = {} if self._faults.retry_after is None else {"Retry-After": f"{self._faults.retry_after:g}"}
        headers = wait | self.limits.wait_headers() | self.limits.headers()
        return _refused(429, "Rate limit reached.", "rate_limit_exceeded", headers)

    async def send(
        self, request: web.Request, raw: bytes, answer: dict[str, Any], fault: Fault | None
    ) -> web.StreamResponse:
        """Write the answer, in the way of the fault."""
        content = json.dumps(answer).encode()
        match fault.name if fault else None:
            case "truncated":
                return await _cut(request, content)
            case "late_reset":
                return await _cut(request, content, 0, reset=True)
            case "invalid_json":
                return web.Response(body=content[: len(content) * 2 // 3], content_type="application/json")
            case "slow":
                seconds = 2 * self._faults.slow_seconds * fault.place
                response, whole = await _drip(request, content, seconds)
            case _:
                response = web.Response(
                    body=content, content_type="application/json", headers=self.limits.headers()
                )
                whole = await _written(request, response)
        if whole:
            self.count_answer(request, raw)
        return response

    def count_answer(self, request: web.Request, raw: bytes) -> None:
        """Note that the answer to this body was written in full."""
        digest = _digest(request, raw)
        self._repeated_answers += digest in self._answered
        self._answered.add(digest)

    @property
    def faults_met(self) -> dict[str, int]:
        return dict(self._met)

    def statistics(self) -> dict[str, int]:
        """requests_seen: model requests that no limit refused. distinct_requests: different ones among them.
        answered: different ones that were answered in full. repeated_requests: requests that came after that;
        repeated_answers: those of them that were answered in full too.
        most_concurrent: requests at a time, those refused by a limit not counted."""
        return {
            "requests_seen": self._seen.total(),
            "distinct_requests": len(self._seen),
            "answered": len(self._answered),
            "repeated_requests": self._repeated_requests,
            "repeated_answers": self._repeated_answers,
            "most_concurrent": self.limits.most_concurrent,
            "refused_by_limit": self.limits.refused,
        }


def drop(request: web.Request) -> None:
    """Close the connection."""
    if request.transport is not None:
        request.transport.close()


def _digest(request: web.Request, raw: bytes) -> bytes:
    return hashlib.blake2b(raw, digest_size=12, key=request.path.encode()[:64]).digest()


def _refused(
    status: int, message: str, code: str | None = None, headers: dict[str, str] | None = None
) -> web.Response:
    body = json.dumps(RequestRefused(status, message, code).body).encode()
    return web.Response(body=body, status=status, content_type="application/json", headers=headers)


def _reset(request: web.Request) -> web.Response:
    """End the connection with an RST, as a crashed server or a middlebox does, not with an orderly FIN."""
    transport = request.transport
    if transport is not None:
        connection = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response(status=NO_RESPONSE_STATUS)


async def _stall(request: web.Request, seconds: float) -> web.StreamResponse:
    """Say nothing until the client gives up or the time is over, then close the connection."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while loop.time() < end and _is_open(request):
        await asyncio.sleep(min(0.1, max(0.0, end - loop.time())))
    drop(request)
    return web.Response(status=504)


async def _cut(
    request: web.Request, content: bytes, sent: int | None = None, reset: bool = False
) -> web.StreamResponse:
    """Announce the whole body, send half of it (or `sent` bytes), end the connection."""
    response = _announced(content)
    with contextlib.suppress(ConnectionError):
        await response.prepare(request)
        await response.write(content[: len(content) // 2 if sent is None else sent])
        if reset:
            _reset(request)
        else:
            drop(request)
    return response


async def _drip(request: web.Request, content: bytes, seconds: float) -> tuple[web.StreamResponse, bool]:
    """Send the body in pieces over so many seconds; whether all of it was written."""
    response = _announced(content)
    size = -(-len(content) // SLOW_PIECES)
    with contextlib.suppress(ConnectionError):
        await response.prepare(request)
        for start in range(0, len(content), size):
            await asyncio.sleep(seconds / SLOW_PIECES)
            if not _is_open(request):
                return response, False
            await response.write(content[start : start + size])
        await response.write_eof()
        return response, _is_open(request)
    return response, False


def _announced(content: bytes) -> web.StreamResponse:
    return web.StreamResponse(
        headers={"Content-Type": "application/json", "Content-Length": str(len(content))}
    )


async def _written(request: web.Request, response: web.Response) -> bool:
    """Write a response here rather than after the handler, to know whether it went to an open connection."""
    if not _is_open(request):
        return False
    with contextlib.suppress(ConnectionError):
        await response.prepare(request)
        await response.write_eof()
        return _is_open(request)
    return False


def _is_open(request: web.Request) -> bool:
    return request.transport is not None and not request.transport.is_closing()

"""One HTTP exchange with an endpoint, told as a value.

The SDK's exceptions hold the request (the prompt, the key) and quote the server's message (the prompt again),
so none leaves this module: what is kept of a fault is a code. `client.post` is used below the typed layer of
the SDK, which costs most of a call's CPU time, and still on the SDK's own path for URL, authentication and
time-outs. Retrying is the caller's: it has to count attempts and to stop a run.
"""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import json
import math
import re
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from depsim_dagster.replay.dialects.responses import failure

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI

TIMEOUT = "timeout"
CONNECT = "connect"
DISCONNECTED = "disconnected"
TLS = "tls"
# The faults of a server that never answered at all; what an HTTP status says is not among them.
NO_RESPONSE = frozenset({TIMEOUT, CONNECT, DISCONNECTED, TLS})

TOO_LONG = "response_too_long"
# More than any completion: a server that sends on and on must not fill the memory, `max_in_flight` times over.
LONGEST_RESPONSE_BYTES = 2**24

RETRYABLE_STATUS = frozenset({408, 409, 429})
# A longer Retry-After is a quota of the day: waiting would hold a slot for hours, and a later run asks again.
LONGEST_RETRY_AFTER_S = 120.0
RATE_HEADERS = ("x-ratelimit-remaining-requests", "x-ratelimit-remaining-tokens")
# The server's own codes are kept; anything that looks like a sentence is not, since messages quote prompts.
CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
PARAM = re.compile(r"[A-Za-z][A-Za-z0-9_.\[\]]{0,63}")


@dataclass(frozen=True)
class Reply:
    """What came back from one attempt.

    http_status: None when there was no response. payload: decoded JSON of a 2xx (None when it is not JSON).
    code: why the attempt failed, None for a 2xx. param: the key of the body that a rejection names. retry_after_s:
    what the server asked for. repeatable: whether another attempt can help. rate_headers: the response's headers
    when they tell what is left of a rate limit.
    """

    http_status: int | None = None
    payload: Any = None
    code: str | None = None
    param: str | None = None
    retry_after_s: float | None = None
    repeatable: bool = False
    latency_ms: float = 0.0
    rate_headers: Mapping[str, str] | None = field(default=None, repr=False)


class ResponseTooLong(Exception):
    """A response of this HTTP status had more than LONGEST_RESPONSE_BYTES, decompressed."""

    def __init__(self, http_status: int) -> None:
        super().__init__(TOO_LONG)
        self.http_status = http_status


async def bound_response(response: httpx2.Response) -> None:
    """Have a response break off with ResponseTooLong while it is read: a hook of the HTTP client."""
    read = response.aiter_bytes

    async def bounded() -> AsyncIterator[bytes]:
        # No circle of references, which would keep the body until the collector comes.
        del response.aiter_bytes
        size = 0
        async with contextlib.aclosing(read()) as parts:
            async for part in parts:
                size += len(part)
                if size > LONGEST_RESPONSE_BYTES:
                    raise ResponseTooLong(response.status_code)
                yield part

    response.aiter_bytes = bounded


async def exchange(client: AsyncOpenAI, path: str, content: bytes | None, timeout_s: float) -> Reply:
    """POST `content` (JSON) to `path`, or GET it when `content` is None. Never raises for what a server does.

    `timeout_s` bounds the whole attempt: the client's own limits are per read, which a slow drip never meets.
    """
    import httpx2
    import openai

    started = time.perf_counter()
    headers: Mapping[str, str] = {}
    try:
        async with asyncio.timeout(timeout_s):
            if content is None:
                response = await client.get(path, cast_to=httpx2.Response)
            else:
                response = await client.post(path, content=content, cast_to=httpx2.Response)
    except faults() as error:
        reply = reply_of(error)
        if isinstance(error, openai.APIStatusError):
            headers = error.response.headers
    else:
        headers = response.headers
        reply = _decode(response.content)
    told = RATE_HEADERS[0] in headers or RATE_HEADERS[1] in headers
    return replace(
        reply, latency_ms=(time.perf_counter() - started) * 1000.0, rate_headers=headers if told else None
    )


def _decode(content: bytes) -> Reply:
    try:
        payload = json.loads(content)
    except (ValueError, RecursionError):
        return Reply(200)  # read as a response that is not a completion
    return reply_from(200, payload)


def reply_from(http_status: int, payload: Any) -> Reply:
    """What a decoded response says; also for one that came as a line of a file and not over HTTP."""
    if not 200 <= http_status < 300:
        return _rejection(http_status, payload, {})
    # Some routers answer 200 and put the upstream's failure into the body.
    fault = payload.get("error") if isinstance(payload, Mapping) and not payload.get("choices") else None
    if isinstance(fault, Mapping) and isinstance(fault.get("code"), int) and 400 <= fault["code"] < 600:
        return _rejection(fault["code"], fault, {})
    if failed := failure(payload):  # the Responses API says 200 and tells in the body that the model failed
        return _rejection(*failed, {})
    return Reply(http_status, payload)


def faults() -> tuple[type[Exception], ...]:
    """The exceptions by which the SDK and its transport say that a request failed; `reply_of` reads them.

    The SDK lets some of aiohttp's through (a response that is not HTTP), and the UnicodeError of a body that is not in
    the charset that it claims. A TimeoutError is an OSError.
    """
    import aiohttp
    import httpx2
    import openai

    return (
        openai.OpenAIError,
        aiohttp.ClientError,
        httpx2.HTTPError,
        ResponseTooLong,
        UnicodeError,
        OSError,
    )


def reply_of(error: BaseException) -> Reply:
    """What one of `faults` says, as a code."""
    import openai

    if isinstance(error, openai.APIStatusError):
        return _rejection(error.status_code, error.body, error.response.headers)
    return _no_response(error)


def _rejection(http_status: int, body: Any, headers: Mapping[str, str]) -> Reply:
    retry_after_s = retry_after(headers)
    repeatable = http_status in RETRYABLE_STATUS or http_status >= 500
    asked = headers.get("x-should-retry")
    if asked in ("true", "false"):
        repeatable = asked == "true"
    if retry_after_s is not None and retry_after_s > LONGEST_RETRY_AFTER_S:
        repeatable = False
    return Reply(
        http_status,
        code=_code(http_status, body),
        param=_param(body),
        retry_after_s=retry_after_s,
        repeatable=repeatable,
    )


def _code(http_status: int, body: Any) -> str:
    """The server's `code`, else its `type`, else `http_<status>`."""
    body = body if isinstance(body, Mapping) else {}
    inner = body.get("error") if isinstance(body.get("error"), Mapping) else body
    for key in ("code", "type"):
        value = inner.get(key)
        if isinstance(value, str) and CODE.fullmatch(value):
            return value
    return f"http_{http_status}"


def _param(body: Any) -> str | None:
    """The key that the server objects to. Nobody knows yet that the body has it: it may be any word."""
    inner = (
        body.get("error") if isinstance(body, Mapping) and isinstance(body.get("error"), Mapping) else body
    )
    param = inner.get("param") if isinstance(inner, Mapping) else None
    return param if isinstance(param, str) and PARAM.fullmatch(param) else None


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Seconds that the server asks to wait (`retry-after-ms`, or `Retry-After` in seconds or as a date), or
    None."""
    for name, per_second in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name) or "") / per_second
        except ValueError:
            continue
        return max(seconds, 0.0) if math.isfinite(seconds) else None
    try:
        date = email.utils.parsedate_to_datetime(headers.get("retry-after") or "")
        return max(date.timestamp() - (time.time() if now is None else now), 0.0)
    except (TypeError, ValueError, OverflowError):
        return None


def _no_response(error: BaseException) -> Reply:
    import ssl

    import aiohttp

    causes = list(_causes(error))
    if too_long := next((cause for cause in causes if isinstance(cause, ResponseTooLong)), None):
        return Reply(too_long.http_status, code=TOO_LONG)
    # The SDK's aiohttp transport calls every lost connection a connect time-out: look at the first cause
    # instead.
    if any(isinstance(cause, (aiohttp.ClientSSLError, ssl.SSLError)) for cause in causes):
        return Reply(code=TLS)
    if any(isinstance(cause, TimeoutError) for cause in causes):
        return Reply(code=TIMEOUT, repeatable=True)
    if any(isinstance(cause, aiohttp.ClientConnectorError) for cause in causes):
        return Reply(code=CONNECT, repeatable=True)
    return Reply(code=DISCONNECTED, repeatable=True)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__

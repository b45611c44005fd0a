"""Model endpoints: where a model is served, the client that talks to it, and the check before a run.

An endpoint is any server that speaks the chat API. The check turns the ways in which one is unusable (not
there, wrong key, model unknown) into one message each before ten thousand calls fail for the same reason.
"""

from __future__ import annotations

import asyncio
import logging
import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from depsim_dagster.errors import ConfigurationError, EndpointError
from depsim_dagster.replay.calls.exchange import (
    CONNECT,
    NO_RESPONSE,
    TIMEOUT,
    TLS,
    Reply,
    bound_response,
    exchange,
)
from depsim_dagster.replay.dialects.apis import APIS, probe_body
from depsim_dagster.replay.dialects.requests import canonical_json
from depsim_dagster.replay.dialects.unsupported import unsupported_key

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from depsim_dagster.config_sections import BatchConfig

LONGEST_CHECK_S = 20.0
PROBE_ATTEMPTS = 4
# Codes under which a 404 speaks about one request and not about the model or the path.
PER_REQUEST_404 = frozenset({"recording_not_found"})
QUOTA_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached"})


@dataclass(frozen=True)
class Endpoint:
    """One server and how to treat it.

    api_key: None for a server that asks for none. api_key_env: the variable that it came from, for messages
    only. api: a key of `apis.APIS`. request_timeout_s: seconds for one attempt, whole. total_timeout_s: seconds for a
    call over all its attempts. max_attempts: HTTP requests per call, the first included. max_tokens_param: the name
    under which this server obeys a token limit. batch: given when calls go through Files and Batches. `name` enters
    every request id; the other fields mean what they mean in the study file (config_sections.EndpointConfig).
    """

    name: str
    base_url: str
    api_key: str | None = field(default=None, repr=False)
    api_key_env: str | None = None
    api: str = "chat"
    max_in_flight: int = 64
    workers: int = 1
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    request_timeout_s: float = 60.0
    total_timeout_s: float = 900.0
    max_attempts: int = 6
    max_tokens_param: str = "max_completion_tokens"
    seed: bool = True
    structured_output: str = "json_schema"
    batch: BatchConfig | None = None

    def __post_init__(self) -> None:
        parts = urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
            raise ConfigurationError(
                f"endpoint `{self.name}`: base_url must be http(s)://host[:port]/path, without credentials"
            )
        if self.api_key is not None and not _is_header_value(self.api_key):
            raise ConfigurationError(
                f"endpoint `{self.name}`: the key{self._from_variable()} is empty or holds a space, a "
                "line break or a character that no HTTP header can carry; set it again without them"
            )
        counts = (self.max_in_flight, self.workers, self.max_attempts)
        per_minute = (self.requests_per_minute, self.tokens_per_minute)
        if min(*counts, *(limit for limit in per_minute if limit is not None)) < 1:
            raise ConfigurationError(
                f"endpoint `{self.name}`: max_in_flight, workers, max_attempts and the limits of a minute must be "
                "at least 1"
            )
        if min(self.request_timeout_s, self.total_timeout_s) <= 0:
            raise ConfigurationError(
                f"endpoint `{self.name}`: request_timeout_s and total_timeout_s must be above 0"
            )

    @property
    def address(self) -> str:
        """The base URL for messages: scheme, host, port and path only."""
        parts = urlsplit(self.base_url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        return f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}{parts.path}"

    @property
    def label(self) -> str:
        """How messages name it."""
        return f"endpoint `{self.name}` ({self.address})"

    @property
    def is_loopback(self) -> bool:
        return urlsplit(self.base_url).hostname in ("127.0.0.1", "localhost", "::1")

    def _from_variable(self) -> str:
        return f" in {self.api_key_env}" if self.api_key_env else ""


def open_client(endpoint: Endpoint, *, for_files: bool = False) -> AsyncOpenAI:
    """An SDK client for this endpoint: `async with open_client(endpoint) as client`.

    for_files: responses may be of any length, and have to be streamed. The client does not retry (the engine does, and
    counts) and does not follow redirects: conversations go to the host that was configured and to no other. Proxy
    variables of the environment hold, except for loopback.
    """
    import httpx2
    from openai import AsyncOpenAI, DefaultAioHttpClient

    # One INFO line per call with the whole URL would drown a run's log, and the URL's query may hold a
    # secret.
    transport_logger = logging.getLogger("httpx2")
    if transport_logger.level == logging.NOTSET:
        transport_logger.setLevel(logging.WARNING)
    slots = endpoint.max_in_flight
    http_client = DefaultAioHttpClient(
        limits=httpx2.Limits(max_connections=slots, max_keepalive_connections=slots, keepalive_expiry=30.0),
        follow_redirects=False,
        trust_env=not endpoint.is_loopback,
        event_hooks={} if for_files else {"response": [bound_response]},
    )
    return AsyncOpenAI(
        # A word rather than None: for None the SDK would take OPENAI_API_KEY and send it to whoever this is.
        api_key=endpoint.api_key or "no-key",
        base_url=endpoint.base_url,
        timeout=endpoint.request_timeout_s,
        max_retries=0,
        http_client=http_client,
    )


def check_endpoint(endpoint: Endpoint, models: Iterable[str]) -> None:
    """Raise EndpointError, naming every problem, unless the endpoint answers, takes the key and knows the
    models.

    May cost one token per model: some servers have no model list, and some lists leave out models that are
    served. Inside a running event loop, await `endpoint_problems` instead.
    """
    problems = asyncio.run(endpoint_problems(endpoint, models))
    if problems:
        raise EndpointError("\n".join(problems))


async def endpoint_problems(endpoint: Endpoint, models: Iterable[str]) -> list[str]:
    """One message per problem of this endpoint; empty when it can be used."""
    timeout_s = min(endpoint.request_timeout_s, LONGEST_CHECK_S)
    async with open_client(endpoint) as client:
        listing = await exchange(client, "/models", None, timeout_s)
        if listing.code in NO_RESPONSE:
            return [unreachable(endpoint, listing.code)]
        if listing.http_status == 401:
            return [key_refused(endpoint, 401)]
        listed = _listed_models(listing.payload)
        problems = []
        for model in dict.fromkeys(models):
            if model in listed:
                continue
            body = probe_body(endpoint, model)
            reply = await _probe(client, APIS[endpoint.api].path, canonical_json(body).encode(), timeout_s)
            if problem := _probe_problem(endpoint, model, reply, listed, body):
                problems.append(problem)
    return list(dict.fromkeys(problems))


def fatal_problem(
    endpoint: Endpoint, model: str, reply: Reply, body: Mapping[str, Any] | None = None
) -> str | None:
    """The message for a reply that every other call of this run would get too, or None. `body` is the request's."""
    if reply.http_status in (401, 403):
        return key_refused(endpoint, reply.http_status)
    if reply.code == "model_not_found" or (reply.http_status == 404 and reply.code not in PER_REQUEST_404):
        return unknown_model(endpoint, model, reply)
    if reply.code in QUOTA_CODES:
        return (
            f"{endpoint.label}: the account's quota is used up ({reply.code}); raise the limit "
            "or wait, then run again: only unanswered calls are sent"
        )
    if reply.http_status is not None and 300 <= reply.http_status < 400:
        return (
            f"{endpoint.label} redirects (HTTP {reply.http_status}); conversations are sent only "
            "to the configured host: set base_url to the final address"
        )
    if body is not None and (key := unsupported_key(reply.http_status, reply.code, reply.param, body)):
        return f"{endpoint.label}: model `{model}` does not take {key}"
    return None


def unreachable(endpoint: Endpoint, code: str | None) -> str:
    """The message for an endpoint that gave no response at all."""
    reason, way_out = {
        CONNECT: ("no server accepts connections there", "start it, or correct base_url"),
        TIMEOUT: ("no answer within the time limit", "check the server's load, or raise request_timeout_s"),
        TLS: (
            "its TLS certificate or protocol was not accepted",
            "correct base_url, or trust its certificate",
        ),
    }.get(
        code or "",
        ("it closes the connection without an answer", "check that an OpenAI-compatible server runs there"),
    )
    return f"endpoint `{endpoint.name}` is unreachable at {endpoint.address}: {reason}; {way_out}"


def key_refused(endpoint: Endpoint, http_status: int) -> str:
    """The message for a 401 or 403."""
    name = endpoint.api_key_env
    if endpoint.api_key:
        way_out = f"set {name} to a key that may use it" if name else "give a key that may use it"
    else:
        way_out = (
            f"no key was given: set {name}"
            if name
            else "no key was given: name its variable in `api_key_env`"
        )
    return f"{endpoint.label} refuses the key (HTTP {http_status}); {way_out}"


def unknown_model(endpoint: Endpoint, model: str, reply: Reply, listed: Iterable[str] = ()) -> str:
    """The message for a model, or a path, that the server does not have."""
    known = sorted(listed)
    offer = f"; it lists {', '.join(known[:10])}{' …' if len(known) > 10 else ''}" if known else ""
    return (
        f"{endpoint.label} does not know the model `{model}` "
        f"(HTTP {reply.http_status}, {reply.code}){offer}; correct the model's served name, or base_url if "
        "it lacks its /v1"
    )


async def _probe(client: AsyncOpenAI, path: str, content: bytes, timeout_s: float) -> Reply:
    """One request, repeated while the server is busy: a 429 says nothing about the model."""
    for _ in range(PROBE_ATTEMPTS - 1):
        reply = await exchange(client, path, content, timeout_s)
        if reply.http_status is None or not reply.repeatable:
            return reply
        await asyncio.sleep(min(reply.retry_after_s or 0.25, LONGEST_CHECK_S))
    return await exchange(client, path, content, timeout_s)


def _probe_problem(
    endpoint: Endpoint, model: str, reply: Reply, listed: Iterable[str], body: Mapping[str, Any]
) -> str | None:
    if reply.code in NO_RESPONSE:
        return unreachable(endpoint, reply.code)
    if reply.http_status == 404 and reply.code not in PER_REQUEST_404 or reply.code == "model_not_found":
        return unknown_model(endpoint, model, reply, listed)
    if problem := fatal_problem(endpoint, model, reply, body):
        return problem
    if reply.http_status is not None and reply.http_status >= 500:
        return (
            f"{endpoint.label}: model `{model}` answers HTTP {reply.http_status} "
            f"({reply.code}); see the server's log"
        )
    return None  # a 400 or 429 to a one-token probe still comes from a server that knows the model


def _listed_models(payload: Any) -> set[str]:
    entries = payload.get("data") if isinstance(payload, dict) else None
    entries = entries if isinstance(entries, list) else []
    return {entry["id"] for entry in entries if isinstance(entry, dict) and isinstance(entry.get("id"), str)}


def _is_header_value(key: str) -> bool:
    return bool(key) and all(character in string.printable and not character.isspace() for character in key)

"""The dialects in which a model is asked: per dialect the path, the body of a request, and the reading of its answer.

A caller has messages and an endpoint and needs to know no more: `model_call` makes the request of whatever dialect the
endpoint speaks, and the engine reads the answer with the same entry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from depsim_dagster.errors import ConfigurationError
from depsim_dagster.replay.dialects.decisions import DECISIONS_PATH, decisions_request, read_decisions
from depsim_dagster.replay.dialects.embeddings import (
    EMBEDDINGS,
    EMBEDDINGS_PATH,
    embeddings_request,
    read_embedding,
)
from depsim_dagster.replay.dialects.outcomes import Reading, read_completion
from depsim_dagster.replay.dialects.requests import (
    CHAT_PATH,
    Message,
    ModelCall,
    canonical_json,
    chat_request,
    content_id,
)
from depsim_dagster.replay.dialects.responses import RESPONSES_PATH, read_response, responses_request

if TYPE_CHECKING:
    from depsim_dagster.replay.calls.endpoints import Endpoint
    from depsim_dagster.replay.journal.claims import Subject


@dataclass(frozen=True)
class Api:
    """One dialect. `request` has the arguments of `requests.chat_request`, and is None where a conversation cannot be
    asked; `read` takes the decoded JSON of a 2xx. least_tokens: the smallest token limit that it accepts."""

    path: str
    request: Callable[..., dict[str, Any]] | None
    read: Callable[[Any], Reading]
    takes_seed: bool = True
    least_tokens: int = 1


APIS: dict[str, Api] = {
    "chat": Api(CHAT_PATH, chat_request, read_completion),
    "responses": Api(RESPONSES_PATH, responses_request, read_response, takes_seed=False, least_tokens=16),
    "decisions": Api(DECISIONS_PATH, None, read_decisions, takes_seed=False),
    # Of no endpoint of a study file: `Study.embeddings_endpoint` asks one that speaks another for it.
    EMBEDDINGS: Api(EMBEDDINGS_PATH, None, read_embedding, takes_seed=False),
}


def request_body(
    endpoint: Endpoint,
    model: str,
    messages: Iterable[Message],
    tools: str | Iterable[Mapping[str, Any]] | None = None,
    sampling: Mapping[str, Any] | None = None,
    response_format: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The body of one request in the endpoint's dialect.

    `response_format` is what the caller would like: an endpoint that cannot hold an answer to a schema is asked for
    what it can (`structured_output`), and the caller parses. Raises TrafficError and ConfigurationError as
    `requests.chat_request` does.
    """
    request = APIS[endpoint.api].request
    if request is None:
        raise ConfigurationError(
            f"{endpoint.label} is asked through the Decisions API, which takes questions about a text and no "
            "conversation; only a grader can use it: set its `api` to chat or responses"
        )
    return request(
        model,
        messages,
        tools=tools,
        sampling=sampling,
        response_format=_possible(endpoint, response_format),
        max_tokens_param=endpoint.max_tokens_param,
    )


def probe_body(endpoint: Endpoint, model: str) -> dict[str, Any]:
    """The cheapest request that shows whether a model answers."""
    api = APIS[endpoint.api]
    if endpoint.api == EMBEDDINGS:
        return embeddings_request(model, "Hi")
    if api.request is None:
        return decisions_request(
            model, "Hi", [{"type": "predicate", "name": "greeting", "instructions": "It is a greeting."}]
        )
    hello = [{"role": "user", "content": "Hi"}]
    return request_body(endpoint, model, hello, sampling={"max_tokens": api.least_tokens})


def with_seed(endpoint: Endpoint, body: Mapping[str, Any], seed: int) -> Mapping[str, Any]:
    """The body with a seed, where the endpoint takes one; elsewhere the sample index alone tells draws apart."""
    return {**body, "seed": seed} if endpoint.seed and APIS[endpoint.api].takes_seed else body


def model_call(
    endpoint: Endpoint, body: Mapping[str, Any], sample_index: int, subject: Subject | None = None
) -> ModelCall:
    """The call of a body, under the id that its answer is kept by."""
    content = canonical_json(body).encode("ascii")
    identity = content_id(endpoint.name, APIS[endpoint.api].path, content, sample_index)
    return ModelCall(identity, body, subject, content)


def _possible(endpoint: Endpoint, response_format: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The strictest form of answer that the endpoint can hold to and that is not stricter than asked."""
    if response_format is None or endpoint.structured_output == "none":
        return None
    if endpoint.structured_output == "json_object" and response_format.get("type") == "json_schema":
        return {"type": "json_object"}
    return response_format

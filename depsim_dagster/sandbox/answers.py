"""The paths at which a model answers: per path the check of a request, and the answer of the cast in that path's shape.

Chat, Responses and Decisions ask the same players, so one study gets the same words over any of them. Faults, counters
and HTTP are the server's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from depsim_dagster.sandbox import embeddings, wire_decisions, wire_responses
from depsim_dagster.sandbox.check_responses import check_responses_request
from depsim_dagster.sandbox.players import Cast
from depsim_dagster.sandbox.wire import RequestRefused, check_chat_request

CHAT = "/v1/chat/completions"
RESPONSES = "/v1/responses"
DECISIONS = "/v1/decisions"
EMBEDDINGS = "/v1/embeddings"


def answer(cast: Cast, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """The response object to `body` at `path`; raises RequestRefused as the published API refuses."""
    try:
        ask = _PATHS[path]
    except KeyError:
        raise RequestRefused(404, f"Invalid URL (POST {path[:80]})", "unknown_url") from None
    return ask(cast, body)


def _chat(cast: Cast, body: Mapping[str, Any]) -> dict[str, Any]:
    check_chat_request(body)
    return cast.complete(body)


def _responses(cast: Cast, body: Mapping[str, Any]) -> dict[str, Any]:
    check_responses_request(body)
    return wire_responses.response(body, cast.complete(wire_responses.chat_body(body)))


def _decisions(cast: Cast, body: Mapping[str, Any]) -> dict[str, Any]:
    wire_decisions.check_request(body)
    answers = cast.decide(body["model"], wire_decisions.input_text(body), body["questions"])
    return wire_decisions.decision(body, answers)


def _embeddings(cast: Cast, body: Mapping[str, Any]) -> dict[str, Any]:
    embeddings.check_request(body)
    return cast.embed(body)


_PATHS: dict[str, Callable[[Cast, Mapping[str, Any]], dict[str, Any]]] = {
    CHAT: _chat,
    RESPONSES: _responses,
    DECISIONS: _decisions,
    EMBEDDINGS: _embeddings,
}
MODEL_PATHS = tuple(_PATHS)

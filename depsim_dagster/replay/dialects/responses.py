"""The Responses API: a logged chat conversation as its request, and a completion out of its response.

`store` is always false: the provider otherwise keeps a response, conversation and all. Nothing is asked for that the
study does not ask for: a summary of the reasoning comes with `parameters: {reasoning: {summary: auto}}`. A seed, which
this API does not take, is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from depsim_dagster.errors import ConfigurationError, TrafficError
from depsim_dagster.replay.dialects.outcomes import (
    FAILED,
    FILTER_CODES,
    FILTERED,
    MALFORMED,
    NOT_A_COMPLETION,
    Reading,
    read_message,
    short_text,
    token_count,
)
from depsim_dagster.replay.dialects.requests import RESERVED, Message, reserved_key, tool_list
from depsim_dagster.replay.dialects.response_items import input_items

RESPONSES_PATH = "/responses"
# What would make the provider keep the conversation, or answer later, or answer something else.
STATEFUL = frozenset(
    {"input", "instructions", "store", "background", "conversation", "previous_response_id", "prompt"}
)
TOKEN_LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
# Keys of chat that live inside of another key here: one study asks endpoints of both dialects with one set.
NESTED = {"reasoning_effort": ("reasoning", "effort"), "verbosity": ("text", "verbosity")}
# A response that failed for the server's reasons, as the HTTP status that says the same; else the request is at fault.
FAILED_AS = {"server_error": 500, "rate_limit_exceeded": 429, "vector_store_timeout": 504, "failed": 500}
UNFINISHED = frozenset({"in_progress", "queued", "cancelled"})


def responses_request(
    model: str,
    messages: Iterable[Message],
    tools: str | Iterable[Mapping[str, Any]] | None = None,
    sampling: Mapping[str, Any] | None = None,
    response_format: Mapping[str, Any] | None = None,
    max_tokens_param: str = "max_output_tokens",
) -> dict[str, Any]:
    """The body of one Responses request from logged chat messages; arguments as of `requests.chat_request`.

    A token limit is `max_output_tokens` here whatever the endpoint's chat calls it. A tool that was not strict in chat
    is said not to be: this API takes strict for granted.
    """
    body: dict[str, Any] = {"model": model, "input": input_items(messages), "store": False}
    if not body["input"]:
        raise TrafficError("a request needs at least one message; the prefix is empty")
    if listed := tool_list(tools):
        body["tools"] = [_tool(tool) for tool in listed]
    for key, value in (sampling or {}).items():
        if key in RESERVED or key in STATEFUL:
            raise reserved_key(key)
        if value is None:
            continue
        if key == "seed":
            raise ConfigurationError(
                "sampling key `seed` cannot be set: the Responses API takes none; remove it from the study file"
            )
        if key in NESTED:
            outer, inner = NESTED[key]
            body[outer] = {inner: value, **_object(body.get(outer))}
        elif key in TOKEN_LIMITS:
            body["max_output_tokens"] = value
        elif key == "tool_choice":
            body[key] = _flat(value)
        else:
            body[key] = {**_object(body.get(key)), **value} if isinstance(value, Mapping) else value
    if response_format is not None:
        body["text"] = {**_object(body.get("text")), "format": _flat(response_format)}
    return body


def read_response(payload: Any) -> Reading:
    """Read the body of a response (the decoded JSON of a 200, of whatever type it is).

    Texts of one message are joined as they are, several messages by an empty line. Reasoning is the reasoning text
    where the server gives it, else its summary. Items of the provider's own tools (a web search) are not part of the
    completion. Why a response is incomplete is its finish reason.
    """
    state = payload.get("status") if isinstance(payload, Mapping) else None
    output = payload.get("output") if isinstance(payload, Mapping) else None
    if state == "failed":
        code = failure_code(payload)
        return Reading(
            FILTERED if code in FILTER_CODES else FAILED,
            finish_reason="failed",
            served_model=short_text(payload.get("model")),
            **_usage(payload),
            error_code=code,
        )
    if not isinstance(output, list) or (isinstance(state, str) and state in UNFINISHED):
        return Reading(MALFORMED, error_code=NOT_A_COMPLETION)

    texts: list[str] = []
    refusals: list[str] = []
    reasoning: list[str] = []
    tool_calls: list[Any] = []
    understood = True
    for item in output:
        kind = item.get("type") if isinstance(item, Mapping) else None
        if kind == "message":
            text, refusal, known = _message_text(item.get("content"))
            texts += [text] if text else []
            refusals += [refusal] if refusal else []
            understood = understood and known
        elif kind == "reasoning":
            reasoning += _texts(item.get("content")) or _texts(item.get("summary"))
        elif kind == "function_call":
            function = {"name": item.get("name"), "arguments": item.get("arguments")}
            tool_calls.append({"id": item.get("call_id"), "type": "function", "function": function})
        elif kind == "custom_tool_call":
            custom = {"name": item.get("name"), "input": item.get("input")}
            tool_calls.append({"id": item.get("call_id"), "type": "custom", "custom": custom})
        elif not isinstance(kind, str):
            understood = False

    details = payload.get("incomplete_details")
    reason = details.get("reason") if isinstance(details, Mapping) else None
    return read_message(
        content="\n\n".join(texts) if texts else None,
        refusal="\n\n".join(refusals) or None,
        reasoning="\n\n".join(reasoning) or None,
        tool_calls=tool_calls,
        understood=understood,
        filtered=reason == "content_filter",
        truncated=state == "incomplete",
        finish_reason=short_text(reason) or short_text(state),
        served_model=short_text(payload.get("model")),
        **_usage(payload),
    )


def failure(payload: Any) -> tuple[int, dict[str, str]] | None:
    """The HTTP status and error that a failed response amounts to, so that it is retried like one; None for others."""
    if not isinstance(payload, Mapping) or payload.get("status") != "failed":
        return None
    if payload.get("object", "response") != "response":  # a batch can be `failed` too, and says so for good
        return None
    code = failure_code(payload)
    return FAILED_AS.get(code, 400), {"code": code}


def failure_code(payload: Mapping[str, Any]) -> str:
    """The code of a failed response; `failed` when it gives none. A code is one word, never a sentence."""
    error = payload.get("error")
    code = error.get("code") if isinstance(error, Mapping) else None
    word = isinstance(code, str) and len(code) <= 64 and code.isascii() and code.isidentifier()
    return code if word else "failed"


def _tool(tool: Any) -> Any:
    """A tool as this API takes it; one that is not of chat's form passes as it is."""
    if not isinstance(tool, Mapping) or not isinstance(tool.get(str(tool.get("type"))), Mapping):
        return tool
    flat = _flat(tool)
    if tool["type"] == "function":
        return {"parameters": None, **flat, "strict": bool(flat.get("strict"))}
    if isinstance(flat.get("format"), Mapping):
        flat["format"] = _flat(flat["format"])
    return flat


def _flat(value: Any) -> Any:
    """`{type: x, x: {…}}`, as chat nests, without the nesting."""
    inner = value.get(str(value.get("type"))) if isinstance(value, Mapping) else None
    return {"type": value["type"], **inner} if isinstance(inner, Mapping) else value


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _message_text(content: Any) -> tuple[str, str, bool]:
    """(text, refusal, whether every part was of a known shape)."""
    if isinstance(content, str):
        return content, "", True
    if not isinstance(content, list):
        return "", "", False
    text = "".join(_texts(content))
    refusal = "".join(
        part["refusal"]
        for part in content
        if isinstance(part, Mapping) and isinstance(part.get("refusal"), str)
    )
    return text, refusal.strip() and refusal, all(isinstance(part, Mapping) for part in content)


def _texts(parts: Any) -> list[str]:
    parts = parts if isinstance(parts, list) else []
    return [part["text"] for part in parts if isinstance(part, Mapping) and isinstance(part.get("text"), str)]


def _usage(payload: Mapping[str, Any]) -> dict[str, int | None]:
    usage = _object(payload.get("usage"))
    return {
        "prompt_tokens": token_count(usage.get("input_tokens")),
        "completion_tokens": token_count(usage.get("output_tokens")),
    }

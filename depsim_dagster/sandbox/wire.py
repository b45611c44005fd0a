"""OpenAI's chat-completion shapes, and what all dialects share: request validation, response objects, stream events, error bodies.

Plain dictionaries, no models of what answers: `server` routes, `players` answer.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

FUNCTION_NAME = re.compile(r"^[a-zA-Z0-9_-]{1,64}$")
_ROLES = frozenset(("system", "developer", "user", "assistant", "tool", "function"))
CHARACTERS_PER_TOKEN = 4
_PIECE = 48


class RequestRefused(Exception):
    """An HTTP error to answer with. The message never quotes the request's text."""

    def __init__(self, status: int, message: str, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        kind = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}.get(status)
        kind = kind or ("server_error" if status >= 500 else "invalid_request_error")
        self.body = {"error": {"message": message, "type": kind, "param": param, "code": code}}


def parse_body(raw: bytes) -> dict[str, Any]:
    """The request body as an object. Raises RequestRefused (400) when it is not JSON or not an object."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        raise RequestRefused(
            400, "We could not parse the JSON body of your request.", "invalid_json"
        ) from None
    if not isinstance(body, dict):
        raise RequestRefused(400, "The request body must be a JSON object.", "invalid_json")
    return body


def refuse_unknown_keys(body: Mapping[str, Any], known: frozenset[str]) -> None:
    """Raises RequestRefused (400) for a key that the API does not have."""
    if unknown := sorted(set(body) - known):
        raise RequestRefused(
            400, f"Unknown parameter: '{unknown[0][:64]}'.", "unknown_parameter", unknown[0][:64]
        )


def check_chat_request(body: Mapping[str, Any]) -> None:
    """Refuse what the published API refuses. Raises RequestRefused (400) naming the parameter."""
    model, messages = body.get("model"), body.get("messages")
    if not isinstance(model, str) or not model:
        raise RequestRefused(
            400, "You must provide a model parameter.", "missing_required_parameter", "model"
        )
    if not isinstance(messages, list) or not messages:
        raise RequestRefused(400, "'messages' must be a non-empty array.", "invalid_type", "messages")
    open_calls: set[str] = set()
    for i, message in enumerate(messages):
        where = f"messages[{i}]"
        role = message.get("role") if isinstance(message, dict) else None
        if not isinstance(role, str) or role not in _ROLES:
            raise RequestRefused(400, f"{where} needs a known 'role'.", "invalid_value", where)
        content = message.get("content")
        if not isinstance(content, str | list | None) or (content is None and role != "assistant"):
            raise RequestRefused(
                400, f"{where}.content must be a string or an array of parts.", "invalid_type", where
            )
        if isinstance(content, list) and not all(isinstance(part, dict) for part in content):
            raise RequestRefused(400, f"{where}.content must hold objects.", "invalid_type", where)
        if role == "tool":
            call_id = message.get("tool_call_id")
            if not isinstance(call_id, str) or call_id not in open_calls:
                raise RequestRefused(
                    400, f"{where} with role 'tool' must answer a preceding 'tool_calls'.", None, where
                )
            open_calls.discard(call_id)
            continue
        if open_calls:
            raise RequestRefused(
                400,
                f"'tool_calls' before {where} must be followed by tool messages for each id.",
                None,
                where,
            )
        calls = message.get("tool_calls")
        if calls is not None and not (isinstance(calls, list) and all(map(_is_call, calls))):
            raise RequestRefused(400, f"{where}.tool_calls must be an array of calls.", "invalid_type", where)
        open_calls = {call["id"] for call in calls or ()}
    if open_calls:
        raise RequestRefused(400, "The last 'tool_calls' lacks its tool messages.", None, "messages")
    tools = body.get("tools")
    if tools is not None and not isinstance(tools, list):
        raise RequestRefused(400, "'tools' must be an array.", "invalid_type", "tools")
    for i, tool in enumerate(tools or ()):
        function = (
            tool.get("custom" if tool.get("type") == "custom" else "function")
            if isinstance(tool, dict)
            else None
        )
        name = function.get("name") if isinstance(function, dict) else None
        if not isinstance(name, str) or not FUNCTION_NAME.match(name):
            raise RequestRefused(
                400,
                f"tools[{i}].function.name must match {FUNCTION_NAME.pattern}.",
                "invalid_value",
                f"tools[{i}]",
            )
    for key, low, high in (
        ("n", 1, 128),
        ("max_tokens", 1, None),
        ("max_completion_tokens", 1, None),
        ("seed", None, None),
    ):
        value = body.get(key)
        if value is not None and (
            not isinstance(value, int)
            or isinstance(value, bool)
            or (low is not None and value < low)
            or (high is not None and value > high)
        ):
            raise RequestRefused(400, f"'{key}' must be an integer in its range.", "invalid_value", key)
    check_response_format(body.get("response_format"))


def _is_call(value: Any) -> bool:
    if isinstance(value, dict) and value.get("type") == "custom":
        return isinstance(value.get("id"), str) and isinstance(value.get("custom"), dict)
    function = value.get("function") if isinstance(value, dict) else None
    return (
        isinstance(function, dict)
        and isinstance(value.get("id"), str)
        and isinstance(function.get("name"), str)
        and isinstance(function.get("arguments", ""), str)
    )


def check_response_format(value: Any) -> None:
    """Raises RequestRefused (400) for a `response_format` that the API refuses."""
    if value is None:
        return
    if not isinstance(value, dict) or value.get("type") not in ("text", "json_object", "json_schema"):
        raise RequestRefused(400, "'response_format.type' is unknown.", "invalid_value", "response_format")
    if value["type"] == "json_schema":
        wrapper = value.get("json_schema")
        if (
            not isinstance(wrapper, dict)
            or not isinstance(wrapper.get("name"), str)
            or not isinstance(wrapper.get("schema"), dict)
        ):
            raise RequestRefused(
                400,
                "'json_schema' needs 'name' and 'schema'.",
                "missing_required_parameter",
                "response_format",
            )
        schema = wrapper["schema"]
        properties, required = schema.get("properties", {}), schema.get("required", [])
        if not isinstance(properties, dict) or not isinstance(required, list):
            raise RequestRefused(
                400,
                "The schema's 'properties' or 'required' has a wrong type.",
                "invalid_json_schema",
                "response_format",
            )
        if wrapper.get("strict") and (
            schema.get("additionalProperties") is not False
            or sorted(map(str, required)) != sorted(properties)
        ):
            raise RequestRefused(
                400,
                "A strict schema needs 'additionalProperties': false and all properties required.",
                "invalid_json_schema",
                "response_format",
            )


def count_tokens(text: str) -> int:
    """Tokens of `text` in the sandbox's own unit: four characters each, rounded up."""
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def _prompt_tokens(body: Mapping[str, Any]) -> int:
    total = 3
    for message in body["messages"]:
        content = message.get("content")
        if isinstance(content, list):
            content = "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
        total += 4 + count_tokens(content or "")
    return total


def _limit(message: dict[str, Any], limit: int | None) -> tuple[dict[str, Any], str, int, int]:
    """(message cut to `limit` tokens, finish reason, tokens, reasoning tokens); reasoning is spent first."""
    reasoning, content = message.get("reasoning_content") or "", message.get("content") or ""
    calls = message.get("tool_calls")
    thought, text = count_tokens(reasoning), count_tokens(content)
    call_tokens = sum(count_tokens(c["function"]["name"] + c["function"]["arguments"]) for c in calls or ())
    total = thought + text + call_tokens
    if limit is None or total <= limit:
        return message, "tool_calls" if calls else "stop", total, thought
    message = {key: value for key, value in message.items() if key != "tool_calls"}
    if thought:
        message["reasoning_content"] = reasoning[: limit * CHARACTERS_PER_TOKEN]
    thought = min(thought, limit)
    message["content"] = content[: (limit - thought) * CHARACTERS_PER_TOKEN]
    return message, "length", limit, thought


def completion(body: Mapping[str, Any], messages: list[dict[str, Any]], fingerprint: str) -> dict[str, Any]:
    """A chat completion object with one choice for each of `messages`."""
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    choices = []
    completion_tokens = reasoning_tokens = 0
    for i, message in enumerate(messages):
        cut, reason, tokens, thought = _limit(message, limit)
        completion_tokens += tokens
        reasoning_tokens += thought
        choices.append(
            {"index": i, "message": {"refusal": None, **cut}, "logprobs": None, "finish_reason": reason}
        )
    prompt_tokens = _prompt_tokens(body)
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": body["model"],
        "choices": choices,
        "system_fingerprint": fingerprint,
        "service_tier": "default",
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": reasoning_tokens,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        },
    }


def _deltas(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": "", "refusal": None}
    for key in ("reasoning_content", "content"):
        text = message.get(key) or ""
        for start in range(0, len(text), _PIECE):
            yield {key: text[start : start + _PIECE]}
    for i, call in enumerate(message.get("tool_calls") or ()):
        function = call["function"]
        yield {
            "tool_calls": [
                {
                    "index": i,
                    "id": call["id"],
                    "type": "function",
                    "function": {"name": function["name"], "arguments": ""},
                }
            ]
        }
        yield {"tool_calls": [{"index": i, "function": {"arguments": function["arguments"]}}]}


def stream_events(whole: Mapping[str, Any], include_usage: bool) -> Iterator[bytes]:
    """Server-sent events of the completion object `whole`, one chunk each, ending with `[DONE]`."""
    head = {
        "id": whole["id"],
        "object": "chat.completion.chunk",
        "created": whole["created"],
        "model": whole["model"],
        "system_fingerprint": whole["system_fingerprint"],
        "service_tier": "default",
    }

    def event(choices: list[dict[str, Any]], usage: Any = None) -> bytes:
        chunk = {**head, "choices": choices}
        if include_usage:
            chunk["usage"] = usage
        return b"data: " + json.dumps(chunk).encode() + b"\n\n"

    for choice in whole["choices"]:
        for delta in _deltas(choice["message"]):
            yield event([{"index": choice["index"], "delta": delta, "logprobs": None, "finish_reason": None}])
        yield event(
            [
                {
                    "index": choice["index"],
                    "delta": {},
                    "logprobs": None,
                    "finish_reason": choice["finish_reason"],
                }
            ]
        )
    if include_usage:
        yield event([], whole["usage"])
    yield b"data: [DONE]\n\n"

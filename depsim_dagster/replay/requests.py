"""What goes over the wire: the body of a chat request, and the identity under which its answer is kept.

Logged messages carry more than the API accepts (`reasoning`, `created_at`, `attachments`); only the API's own
fields pass, so that a provider that rejects unknown keys and one that reads them see the same request. The
identity is a hash of everything that determines the answer: change the prompt, a tool, a sampling value or
the sample index and it is another request; run the same study again and it is the same one. This module sends
nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from depsim_dagster.errors import ConfigurationError, TrafficError

CHAT_PATH = "/chat/completions"
ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})
# Set by the arguments of `chat_request`, or refused: one request yields one completion, samples have their
# own index.
RESERVED = frozenset({"model", "messages", "tools", "response_format", "n", "stream", "stream_options"})

Message = Mapping[str, Any]


def chat_request(
    model: str,
    messages: Iterable[Message],
    tools: str | Iterable[Mapping[str, Any]] | None = None,
    sampling: Mapping[str, Any] | None = None,
    response_format: Mapping[str, Any] | None = None,
    max_tokens_param: str = "max_completion_tokens",
) -> dict[str, Any]:
    """The body of one chat request.

    `messages` are logged OpenAI chat messages; `tools` is a list or its JSON text. `sampling` holds
    `temperature`, `top_p`, `seed`, `max_tokens` and whatever else the endpoint takes; `max_tokens` is sent as
    `max_tokens_param`, because servers differ in the name that they obey; values of None are left out. The
    inputs are not changed.

    Raises TrafficError for a message or tool list that the API could not accept (naming its position), and
    ConfigurationError for a sampling key that is not the caller's to set.
    """
    body: dict[str, Any] = {"model": model, "messages": [_message(m, i) for i, m in enumerate(messages)]}
    if not body["messages"]:
        raise TrafficError("a chat request needs at least one message; the prefix is empty")
    if tool_list := _tools(tools):
        body["tools"] = tool_list
    for key, value in (sampling or {}).items():
        if key in RESERVED:
            raise ConfigurationError(
                f"sampling key `{key}` cannot be set: the engine sets it; remove it from the study file"
            )
        if value is not None:
            body[max_tokens_param if key == "max_tokens" else key] = value
    if response_format is not None:
        body["response_format"] = dict(response_format)
    return body


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no whitespace. ASCII, so that half an emoji (a lone surrogate, which logs do
    hold) still has bytes: the same text is hashed and sent."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def request_id(endpoint_name: str, path: str, body: Mapping[str, Any], sample_index: int) -> str:
    """SHA-256 (64 hex digits) over the endpoint's name, path, body and sample index.

    The name and not the address: a model that moves to another host keeps its answers, and embedded servers
    get a new port each time. Two endpoints that would answer differently need different names.
    """
    identity = {"endpoint": endpoint_name, "path": path, "body": body, "sample_index": sample_index}
    return hashlib.sha256(canonical_json(identity).encode("ascii")).hexdigest()


def _message(message: Message, position: int) -> dict[str, Any]:
    role = message.get("role")
    if role not in ROLES:
        raise TrafficError(f"message {position}: `role` must be one of {sorted(ROLES)}")
    sent: dict[str, Any] = {"role": role}
    tool_calls = _tool_calls(message.get("tool_calls"), position) if role == "assistant" else []
    content = message.get("content")
    if content is None and not tool_calls and message.get("refusal") is None:
        content = ""  # the API takes a null content only beside tool calls or a refusal
    sent["content"] = content
    for key in ("name", "refusal", "tool_call_id"):
        if message.get(key) is not None:
            sent[key] = message[key]
    if tool_calls:
        sent["tool_calls"] = tool_calls
    if role == "tool" and "tool_call_id" not in sent:
        raise TrafficError(f"message {position}: a tool message needs a `tool_call_id`")
    return sent


def _tool_calls(logged: Any, position: int) -> list[dict[str, Any]]:
    calls = _list_or_json(logged, f"message {position}: `tool_calls`")
    return [_tool_call(call, f"message {position}: tool call {i}") for i, call in enumerate(calls)]


def _tool_call(call: Any, where: str) -> dict[str, Any]:
    if not isinstance(call, Mapping) or not call.get("id"):
        raise TrafficError(f"{where} is not an object with an `id`")
    if call.get("type") == "custom":
        return {"id": call["id"], "type": "custom", "custom": call.get("custom")}
    function = call.get("function")
    if not isinstance(function, Mapping) or not function.get("name"):
        raise TrafficError(f"{where} has no function name")
    arguments = function.get("arguments")
    if not isinstance(arguments, str):
        arguments = canonical_json({} if arguments is None else arguments)
    return {
        "id": call["id"],
        "type": "function",
        "function": {"name": function["name"], "arguments": arguments},
    }


def _tools(tools: str | Iterable[Mapping[str, Any]] | None) -> list[Any]:
    return _list_or_json(tools, "`tools`")


def _list_or_json(value: Any, where: str) -> list[Any]:
    if value is None or value == "":
        return []
    if isinstance(value, str):
        try:
            value = json.loads(value) or []
        except ValueError:
            value = {}  # refused below, outside of this block: the decoder's exception holds the text
    if isinstance(value, (str, Mapping)) or not isinstance(value, Iterable):
        raise TrafficError(f"{where} is neither a list nor the JSON text of one")
    return list(value)

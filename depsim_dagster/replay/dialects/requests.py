"""What goes over the wire: the body of a chat request, and the identity under which its answer is kept.

Logged messages carry more than the API accepts (`reasoning`, `created_at`, `attachments`); only the API's own
fields pass, so that a provider that rejects unknown keys and one that reads them see the same request. The
identity is a hash of everything that determines the answer: change the prompt, a tool, a sampling value or
the sample index and it is another request; run the same study again and it is the same one. This module sends
nothing.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from depsim_dagster.errors import ConfigurationError, TrafficError

if TYPE_CHECKING:
    from depsim_dagster.replay.journal.claims import Subject

CHAT_PATH = "/chat/completions"
ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})
# Set by the arguments of `chat_request`, or refused: one request yields one completion, samples have their
# own index.
RESERVED = frozenset({"model", "messages", "tools", "response_format", "n", "stream", "stream_options"})

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)

Message = Mapping[str, Any]


@dataclass(frozen=True)
class ModelCall:
    """One request, the id under which its answer is kept (`request_id`), and for whom it is made.

    content: the body as it is sent, where it was encoded already.
    """

    request_id: str
    body: Mapping[str, Any]
    subject: Subject | None = None
    content: bytes | None = field(default=None, repr=False, compare=False)

    def encoded(self) -> bytes:
        """The body as it is sent."""
        return canonical_json(self.body).encode("ascii") if self.content is None else self.content


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
    body: dict[str, Any] = {"model": model, "messages": [chat_message(m, i) for i, m in enumerate(messages)]}
    if not body["messages"]:
        raise TrafficError("a chat request needs at least one message; the prefix is empty")
    if listed := tool_list(tools):
        body["tools"] = listed
    for key, value in (sampling or {}).items():
        if key in RESERVED:
            raise reserved_key(key)
        if value is not None:
            body[max_tokens_param if key == "max_tokens" else key] = value
    if response_format is not None:
        body["response_format"] = dict(response_format)
    return body


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no whitespace. ASCII, so that half an emoji (a lone surrogate, which logs do
    hold) still has bytes: the same text is hashed and sent."""
    return _ENCODER.encode(value)


def request_id(endpoint_name: str, path: str, body: Mapping[str, Any], sample_index: int) -> str:
    """SHA-256 (64 hex digits) over the endpoint's name, path, body and sample index.

    The name and not the address: a model that moves to another host keeps its answers, and embedded servers
    get a new port each time. Two endpoints that would answer differently need different names.
    """
    return content_id(endpoint_name, path, canonical_json(body).encode("ascii"), sample_index)


def content_id(endpoint_name: str, path: str, content: bytes, sample_index: int) -> str:
    """`request_id` of a body that is encoded already."""
    # The canonical JSON of an object of all four.
    rest = f',{_origin(endpoint_name, path)},"sample_index":{sample_index}}}'
    return hashlib.sha256(b'{"body":' + content + rest.encode("ascii")).hexdigest()


@functools.lru_cache
def _origin(endpoint_name: str, path: str) -> str:
    return canonical_json({"endpoint": endpoint_name, "path": path})[1:-1]


def reserved_key(key: str) -> ConfigurationError:
    """The error for a sampling key that the caller may not set."""
    return ConfigurationError(
        f"sampling key `{key}` cannot be set: the engine sets it; remove it from the study file"
    )


def chat_message(message: Message, position: int) -> dict[str, Any]:
    """A logged message as the chat API takes it. Raises TrafficError, naming the position, where it could not."""
    role = message.get("role")
    if not isinstance(role, str) or role not in ROLES:
        raise TrafficError(f"message {position}: `role` must be one of {sorted(ROLES)}")
    sent: dict[str, Any] = {"role": role}
    tool_calls = _tool_calls(message.get("tool_calls"), position) if role == "assistant" else []
    content = message.get("content")
    if content is None and not tool_calls and message.get("refusal") is None:
        content = ""  # the API takes a null content only beside tool calls or a refusal
    sent["content"] = content
    for key in {"assistant": ("name", "refusal"), "tool": ("tool_call_id",)}.get(role, ("name",)):
        if message.get(key) is not None:
            sent[key] = message[key]
    if tool_calls:
        sent["tool_calls"] = tool_calls
    if role == "tool" and not isinstance(sent.get("tool_call_id"), str):
        raise TrafficError(f"message {position}: a tool message needs a `tool_call_id`")
    return sent


def _tool_calls(logged: Any, position: int) -> list[dict[str, Any]]:
    calls = _list_or_json(logged, f"message {position}: `tool_calls`")
    return [_tool_call(call, f"message {position}: tool call {i}") for i, call in enumerate(calls)]


def _tool_call(call: Any, where: str) -> dict[str, Any]:
    if not isinstance(call, Mapping) or not isinstance(call.get("id"), str) or not call["id"]:
        raise TrafficError(f"{where} is not an object with an `id`")
    if call.get("type") == "custom":
        return {"id": call["id"], "type": "custom", "custom": call.get("custom")}
    function = call.get("function")
    if not isinstance(function, Mapping) or not function.get("name"):
        raise TrafficError(f"{where} has no function name")
    arguments = function.get("arguments")
    if not isinstance(arguments, str):
        arguments = _arguments_text({} if arguments is None else arguments)
        if arguments is None:
            raise TrafficError(f"{where} has arguments that are no JSON")
    return {
        "id": call["id"],
        "type": "function",
        "function": {"name": function["name"], "arguments": arguments},
    }


def _arguments_text(arguments: Any) -> str | None:
    try:
        return canonical_json(arguments)
    except (TypeError, ValueError, RecursionError):  # the last for arguments that are nested too deep
        return None


def tool_list(tools: str | Iterable[Mapping[str, Any]] | None) -> list[Any]:
    """Logged tool definitions, given as a list or as its JSON text. Raises TrafficError for anything else."""
    return _list_or_json(tools, "`tools`")


def _list_or_json(value: Any, where: str) -> list[Any]:
    if value is None or value == "":
        return []
    if isinstance(value, str):
        try:
            value = json.loads(value) or []
        except (ValueError, RecursionError):
            value = {}  # refused below, outside of this block: the decoder's exception holds the text
    if isinstance(value, (str, Mapping)) or not isinstance(value, Iterable):
        raise TrafficError(f"{where} is neither a list nor the JSON text of one")
    return list(value)

"""ShareGPT and its many variants: `from` and `value` under `conversations`, `conversation` or `items`, with the names of
speakers that its users gave them. No times and no users; often no id and no model."""

from __future__ import annotations

from typing import Any

from depsim_dagster.traffic.formats.draft import Draft, ReadSettings, text_or_none, tool_calls_of
from depsim_dagster.traffic.formats.parts import content_of
from depsim_dagster.traffic.records import Malformed, Message, Refused, json_text, parse_json

_LISTS = ("conversations", "conversation", "items", "messages")
_SPEAKERS = {
    "system": "system",
    "human": "user",
    "user": "user",
    "prompter": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "assistant": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "claude": "assistant",
    "function_call": "assistant",
    "tool_call": "assistant",
    "tool": "tool",
    "observation": "tool",
    "function_response": "tool",
    "tool_response": "tool",
}
_CALLS = frozenset({"function_call", "tool_call"})

# What is read of a Parquet file.
COLUMNS = (*_LISTS, "id", "conversation_id", "model", "language", "lang", "tools")


def draft(record: dict[str, Any], settings: ReadSettings) -> Draft:
    """Raises Refused where the record cannot be placed."""
    path = next((name for name in _LISTS if record.get(name) is not None), None)
    if path is None:
        raise Refused("no_messages", "conversations")
    if not isinstance(record[path], list):
        raise Refused("wrong_type", path)
    messages: list[Message] = []
    malformed: Malformed | None = None
    call = None  # the call that the next tool message answers; the format has no ids
    for place, item in enumerate(record[path]):
        message, speaker = _message(item, settings, path)
        if speaker in _CALLS:
            call = f"call_{place}"
            message["tool_calls"], wrong = _called(message["content"], call)
            message["content"] = None
            malformed = malformed or ("malformed_tool_calls" if wrong else None)
        elif message["role"] == "tool":
            message["tool_call_id"] = call
        messages.append(message)
    return Draft(
        messages,
        conversation_id=record.get("id") or record.get("conversation_id"),
        model=record.get("model"),
        language=record.get("language") or record.get("lang"),
        tools=record.get("tools"),
        malformed=malformed,
        names={"messages": path, "conversation_id": "id"},
    )


def _message(raw: Any, settings: ReadSettings, path: str) -> tuple[Message, str]:
    if raw is None:
        raise Refused("null_message", path)
    if not isinstance(raw, dict):
        raise Refused("wrong_type", path)
    speaker = text_or_none(raw["from"] if raw.get("from") is not None else raw.get("role"), f"{path}.from")
    if not speaker:
        raise Refused("missing_field", f"{path}.from")
    content, reasoning, attachments, images = content_of(
        raw["value"] if raw.get("value") is not None else raw.get("content"), f"{path}.value"
    )
    message: Message = {
        "role": _SPEAKERS.get(speaker.strip().lower(), speaker),
        "content": content,
        "reasoning": reasoning,
        "tool_calls": None,
        "tool_call_id": None,
        "name": None,
        "sent_at": settings.moment(raw.get("timestamp"), f"{path}.timestamp"),
        "attachments": attachments,
        "images": images,
    }
    return message, speaker.strip().lower()


def _called(text: str | None, identifier: str) -> tuple[list[dict[str, Any]] | None, bool]:
    """(tool calls, whether they are malformed) of a message that is the JSON of one call."""
    try:
        function = parse_json(text or "")
    except Refused:
        return None, True
    if isinstance(function, dict) and not isinstance(function.get("arguments"), str):
        function = function | {"arguments": json_text(function.get("arguments") or {})}
    return tool_calls_of([{"id": identifier, "type": "function", "function": function}])

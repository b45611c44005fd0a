"""The project's own conversations (schema.CONVERSATIONS), from Parquet or from JSON with the same names and ISO times.

Lists and objects that the schema holds as JSON text may also stand as themselves in a JSON file.
"""

from __future__ import annotations

from typing import Any

from depsim_dagster.traffic.formats.draft import Draft, ReadSettings, required, text_or_none, tool_calls_of
from depsim_dagster.traffic.records import Malformed, Message, Refused
from depsim_dagster.traffic.schema import CONVERSATIONS

# What is read of a Parquet file.
COLUMNS = tuple(CONVERSATIONS.names)


def draft(record: dict[str, Any], settings: ReadSettings) -> Draft:
    """Raises Refused where the record cannot be placed."""
    identifier = required(record, "conversation_id", str)
    if not identifier:
        raise Refused("no_conversation_id", "conversation_id")
    messages, malformed = [], None
    for raw in required(record, "messages", list, "no_messages"):
        message, wrong = _message(raw, settings)
        messages.append(message)
        malformed = malformed or wrong
    return Draft(
        messages,
        conversation_id=identifier,
        user_id=text_or_none(record.get("user_id"), "user_id"),
        model=record.get("model"),
        language=record.get("language"),
        surface=record.get("surface"),
        account_class=record.get("account_class"),
        temporary=record.get("temporary"),
        tools=record.get("tools"),
        attributes=record.get("attributes"),
        malformed=malformed,
        names={"messages": "messages", "sent_at": "messages.created_at"},
    )


def _message(raw: Any, settings: ReadSettings) -> tuple[Message, Malformed | None]:
    if raw is None:
        raise Refused("null_message", "messages")
    if not isinstance(raw, dict):
        raise Refused("wrong_type", "messages")
    role = raw.get("role")
    if role is None:
        raise Refused("missing_field", "messages.role")
    created = raw.get("created_at")
    if created is None and settings.needs_times and settings.defaults.sent_at is None:
        raise Refused("no_time", "messages.created_at")
    calls, malformed = tool_calls_of(raw.get("tool_calls"))
    message: Message = {
        "role": text_or_none(role, "messages.role") or "",
        "content": text_or_none(raw.get("content"), "messages.content"),
        "reasoning": text_or_none(raw.get("reasoning"), "messages.reasoning"),
        "tool_calls": calls,
        "tool_call_id": text_or_none(raw.get("tool_call_id"), "messages.tool_call_id"),
        "name": text_or_none(raw.get("name"), "messages.name"),
        "sent_at": settings.moment(created, "messages.created_at"),
        "attachments": _count(raw.get("attachments"), "messages.attachments"),
        "images": _count(raw.get("images"), "messages.images"),
    }
    return message, "malformed_tool_calls" if malformed else None


def _count(value: Any, name: str) -> int:
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise Refused("wrong_type", name)
    return value

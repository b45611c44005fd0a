"""WildChat in its three editions: WildChat-1M, WildChat-4.8M and the first one.

Times are UTC and written without a zone. An answer has a time and a question has none: it was sent just before. The user
is the hashed address of the record, or of its messages. Flags about toxicity and redaction become attributes.
"""

from __future__ import annotations

from typing import Any

from depsim_dagster.traffic.formats.draft import Draft, ReadSettings, required, text_or_none
from depsim_dagster.traffic.formats.parts import content_of
from depsim_dagster.traffic.records import Message, Refused

_FLAGS = ("toxic", "redacted")

# What is read of a Parquet file.
COLUMNS = (
    "conversation",
    "conversation_hash",
    "conversation_id",
    "model",
    "timestamp",
    "language",
    "hashed_ip",
    *_FLAGS,
)


def draft(record: dict[str, Any], settings: ReadSettings) -> Draft:
    """Raises Refused where the record cannot be placed."""
    raw = required(record, "conversation", list, "no_messages")
    messages = [_message(item, settings) for item in raw]
    user = record.get("hashed_ip")
    if user is None:
        user = next((item["hashed_ip"] for item in raw if item.get("hashed_ip") is not None), None)
    attributes = {name: record[name] for name in _FLAGS if isinstance(record.get(name), bool)}
    for name in _FLAGS:  # the first edition has them at the messages only
        marks = [item[name] for item in raw if isinstance(item.get(name), bool)]
        if name not in attributes and marks:
            attributes[name] = any(marks)
    return Draft(
        messages,
        conversation_id=record.get("conversation_hash") or record.get("conversation_id"),
        user_id=user,
        model=record.get("model"),
        language=record.get("language"),
        attributes=attributes or None,
        sent_at=settings.moment(record.get("timestamp"), "timestamp", naive_is_utc=True),
        names={
            "messages": "conversation",
            "sent_at": "timestamp",
            "conversation_id": "conversation_hash",
            "user_id": "hashed_ip",
        },
    )


def _message(raw: Any, settings: ReadSettings) -> Message:
    if raw is None:
        raise Refused("null_message", "conversation")
    if not isinstance(raw, dict):
        raise Refused("wrong_type", "conversation")
    role = text_or_none(raw.get("role"), "conversation.role")
    if not role:
        raise Refused("missing_field", "conversation.role")
    content, reasoning, attachments, images = content_of(raw.get("content"), "conversation.content")
    written = raw["timestamp"] if raw.get("timestamp") is not None else raw.get("created")
    return {
        "role": role,
        "content": content,
        "reasoning": reasoning,
        "tool_calls": None,
        "tool_call_id": None,
        "name": None,
        "sent_at": settings.moment(written, "conversation.timestamp", naive_is_utc=True),
        "attachments": attachments,
        "images": images,
    }

"""LMSYS-Chat-1M. It has neither times nor users: as traffic it needs `defaults.sent_at`, and consent by account cannot be
asked of it."""

from __future__ import annotations

from typing import Any

from depsim_dagster.traffic.formats.draft import Draft, ReadSettings, required
from depsim_dagster.traffic.formats.parts import chat_messages_of

# What is read of a Parquet file.
COLUMNS = ("conversation", "conversation_id", "model", "language", "redacted")


def draft(record: dict[str, Any], settings: ReadSettings) -> Draft:
    """Raises Refused where the record cannot be placed."""
    raw = required(record, "conversation", list, "no_messages")
    messages, malformed = chat_messages_of(raw, settings, "conversation")
    redacted = record.get("redacted")
    return Draft(
        messages,
        conversation_id=record.get("conversation_id"),
        model=record.get("model"),
        language=record.get("language"),
        attributes={"redacted": redacted} if isinstance(redacted, bool) else None,
        malformed=malformed,
        names={"messages": "conversation"},
    )

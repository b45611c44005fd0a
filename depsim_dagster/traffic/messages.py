"""Messages as prefixes and target turns hold them: a JSON list of OpenAI chat messages, without what a log adds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

MESSAGE_FIELDS = ("role", "content", "reasoning", "tool_calls", "tool_call_id", "name")


def chat_messages(messages: Iterable[Mapping[str, Any]]) -> str:
    """Log messages as a JSON list of chat messages, without times. Of files and images their number is left, under
    `attachments`, where there are any. `tool_calls` may be a list or its JSON text, and an empty one is left out."""
    cleaned = []
    for message in messages:
        kept = {name: message[name] for name in MESSAGE_FIELDS if message.get(name) is not None}
        calls = kept.pop("tool_calls", None)
        if isinstance(calls, str):
            calls = json.loads(calls or "[]")
        dropped = (message.get("attachments") or 0) + (message.get("images") or 0)
        cleaned.append(
            kept | ({"tool_calls": calls} if calls else {}) | ({"attachments": dropped} if dropped else {})
        )
    return json.dumps(cleaned, ensure_ascii=False)

"""Files of prompts: evaluation sets, in which a row is a prompt and not a conversation that was had.

The prompt is a text; a transcript in one text ("\\n\\nHuman: …\\n\\nAssistant: …", as preference data have it); or a list of chat
messages. What follows the last user turn is dropped: it is the answer of another model. The rest of the row is not read.
"""

from __future__ import annotations

import re
from typing import Any

from depsim_dagster.traffic.formats.draft import Draft, ReadSettings, at_path
from depsim_dagster.traffic.formats.parts import chat_messages_of
from depsim_dagster.traffic.records import Malformed, Message, Refused

# Where the prompt is looked for, in this order, when `fields.prompt` does not say; `chosen` is that of preference data.
# Also what is read of a Parquet file.
COLUMNS = ("prompt", "question", "text", "chosen")

_SPEAKERS = {"Human": "user", "Assistant": "assistant"}
_TURN = re.compile(rf"\n\n({'|'.join(_SPEAKERS)}):")
_TRANSCRIPT = "\n\nHuman:"


def draft(record: dict[str, Any], settings: ReadSettings) -> Draft:
    """Raises Refused where the row holds no prompt."""
    named = settings.fields.prompt
    name = named or next((column for column in COLUMNS if record.get(column) is not None), COLUMNS[0])
    value = at_path(record, name)
    malformed: Malformed | None = None
    if isinstance(value, str) and value.strip():
        messages = _transcript(value) if value.startswith(_TRANSCRIPT) else [_message("user", value)]
    elif isinstance(value, list):
        messages, malformed = chat_messages_of(value, settings, name)
    else:
        raise Refused("missing_field" if value is None or isinstance(value, str) else "wrong_type", name)
    last = max((place for place, message in enumerate(messages) if message["role"] == "user"), default=None)
    if last is None:
        raise Refused("no_user_turn", name)
    return Draft(
        messages[: last + 1],
        malformed=malformed,
        last_turn_only=True,
        names={"messages": name, "sent_at": name},
    )


def _transcript(text: str) -> list[Message]:
    _, *turns = _TURN.split(text)
    return [
        _message(_SPEAKERS[speaker], said.strip())
        for speaker, said in zip(turns[::2], turns[1::2], strict=True)
    ]


def _message(role: str, content: str) -> Message:
    return {
        "role": role,
        "content": content,
        "reasoning": None,
        "tool_calls": None,
        "tool_call_id": None,
        "name": None,
        "sent_at": None,
        "attachments": 0,
        "images": 0,
    }

"""Rows of the turn index: what is kept of a conversation's user turns, keyed and without text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from depsim_dagster.traffic.languages import language_tag
from depsim_dagster.traffic.pseudonyms import content_digest, pseudonym
from depsim_dagster.traffic.records import Conversation, Message, json_text
from depsim_dagster.traffic.schema import TURN_INDEX
from depsim_dagster.traffic.sketches import Sketcher, evened

BATCH_TURNS = 2_000
BATCH_CHARACTERS = 4_000_000
UNKNOWN = "unknown"
SURFACES = frozenset({"chat", "api"})
ACCOUNT_CLASSES = frozenset({"consumer", "employee", "enterprise"})
# What may stand in a table without text: the names that a study may give to its models.
_MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@/+-]{0,127}")


class TurnRows:
    """Collects the user turns of conversations and gives them out as batches (TURN_INDEX)."""

    def __init__(self, file: str, key: bytes, models: Mapping[str, str]):
        self._file, self._key, self._models = file, key, models
        self._record_digest = content_digest(key, "record")
        self._prompt_digest = content_digest(key, "prompt")
        self._sketcher = Sketcher(key)
        self._rows: list[dict[str, Any]] = []
        self._prompts: list[str] = []
        self._characters = 0
        self.malformed = 0  # turns taken that cannot be replayed

    @property
    def full(self) -> bool:
        return len(self._rows) >= BATCH_TURNS or self._characters >= BATCH_CHARACTERS

    def add(self, record: int, conversation: Conversation) -> int:
        """Take the user turns of a record; returns how many."""
        messages = conversation.messages
        digest = self._record_digest(_content(conversation))
        identifier = conversation.conversation_id
        user = conversation.user_id
        model = conversation.model
        model = self._models.get(model, model) if model is not None else None
        shared = {
            "file": self._file,
            "record": record,
            # Without an id the content stands for it, so that a record that was exported twice stays one conversation.
            "conversation_id": pseudonym(self._key, "conversation", identifier)
            if identifier is not None
            else pseudonym(self._key, "conversation without id", digest),
            "user_id": None if user is None else pseudonym(self._key, "user", user),
            "model": model if model is not None and _MODEL_NAME.fullmatch(model) else None,
            "language": None if conversation.language is None else language_tag(conversation.language),
            "surface": conversation.surface if conversation.surface in SURFACES else UNKNOWN,
            "account_class": conversation.account_class
            if conversation.account_class in ACCOUNT_CLASSES
            else UNKNOWN,
            "temporary": conversation.temporary,
            "has_attachment": any(message["attachments"] for message in messages),
            "has_image": any(message["images"] for message in messages),
            "record_digest": digest,
        }
        places = [place for place, message in enumerate(messages) if message["role"] == "user"]
        first_word = next(
            (place for place, message in enumerate(messages) if message["content"]), len(messages)
        )
        unanswered = _first_unanswered(messages)
        turns = list(enumerate(zip(places, [*places[1:], len(messages)], strict=True)))
        if conversation.last_turn_only:
            turns = turns[-1:]
        for turn, (place, following) in turns:
            content = messages[place]["content"] or ""
            prompt = evened(content)
            malformed = conversation.malformed or ("unanswered_tool_call" if unanswered <= place else None)
            self.malformed += malformed is not None
            self._prompts.append(prompt)
            self._characters += len(content)
            self._rows.append(
                shared
                | {
                    "turn_index": turn,
                    "place": place + 1,
                    "next_place": following + 1,
                    "malformed": malformed is not None,
                    "malformed_reason": malformed,
                    "sent_at": messages[place]["sent_at"],
                    "wordless": first_word > place,
                    "answered": any(map(_answers, messages[place + 1 : following])),
                    "prompt_digest": self._prompt_digest(prompt),
                    "characters": len(content),
                }
            )
        return len(turns)

    def batch(self) -> pa.RecordBatch:
        """What was collected since the last call."""
        rows, prompts = self._rows, self._prompts
        self._rows, self._prompts, self._characters = [], [], 0
        columns = {name: [row[name] for row in rows] for name in TURN_INDEX.schema.names if name != "sketch"}
        columns["sketch"] = self._sketcher.sketches(prompts)
        return pa.RecordBatch.from_arrays(
            [pa.array(columns[part.name], part.type) for part in TURN_INDEX.schema], schema=TURN_INDEX.schema
        )


def _first_unanswered(messages: list[Message]) -> int:
    """Position of the first message that follows a tool call before its answer: an API refuses every prefix with it."""
    waiting: set[str] = set()
    for place, message in enumerate(messages):
        if message["role"] == "tool":
            waiting.discard(message["tool_call_id"] or "")
            continue
        if waiting:
            return place
        waiting = {call["id"] for call in message["tool_calls"] or ()}
    return len(messages)


def _answers(message: Message) -> bool:
    return message["role"] == "assistant" and bool(
        message["tool_calls"] or (message["content"] and not message["content"].isspace())
    )


def _content(conversation: Conversation) -> str:
    """What makes two records equal: who wrote what and when. Lengths stand before texts, so no text can pass for two."""
    parts = [f"{conversation.user_id!r}"]
    for message in conversation.messages:
        content = message["content"]
        more = [message[name] for name in ("reasoning", "tool_calls", "tool_call_id", "name")]  # type: ignore[literal-required]
        parts.append(f"{message['role']!r} {message['sent_at']} {json_text(more) if any(more) else ''}")
        parts.append("none" if content is None else f"{len(content)}:{content}")
    return "\n".join(parts)

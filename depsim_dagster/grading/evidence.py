"""Evidence: what a grader sees of one target turn, and the row of a target turn that it comes from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

# Parts of the evidence, as a category of the taxonomy names them. Tool results stand with the calls that they answer.
PARTS = ("prefix", "completion", "reasoning", "tool_calls")
_KEYS = {
    "completion": ("content", "refusal"),
    "reasoning": ("reasoning", "reasoning_content"),
    "tool_calls": ("tool_calls",),
}


@dataclass(frozen=True)
class Evidence:
    """A prefix, the target turn that followed it (messages), and the attributes that the log held beside them."""

    turn_id: str
    completion_index: int
    model: str
    prefix: list[dict[str, Any]]
    target_turn: list[dict[str, Any]]
    attributes: Mapping[str, Any]

    @property
    def target_text(self) -> str:
        """The assistant's text of the target turn. A refusal that the API gives in a field of its own is text too."""
        return "\n".join(
            text
            for message in self.target_turn
            if message.get("role") == "assistant"
            and (text := message.get("content") or message.get("refusal"))
        )

    @property
    def last_user_text(self) -> str:
        """The sampled user turn."""
        return next(
            (
                str(message.get("content") or "")
                for message in reversed(self.prefix)
                if message.get("role") == "user"
            ),
            "",
        )

    @property
    def reasoning_as_text(self) -> Evidence:
        """With the reasoning in the place of the assistant's text, for a rule that searches the text."""
        spoken = [
            {**message, "content": _thought(message)} if message.get("role") == "assistant" else message
            for message in self.target_turn
        ]
        return replace(self, target_turn=spoken)

    def seen(self, parts: Iterable[str]) -> Evidence:
        """Only these parts. `prefix` is the conversation before the target turn, whole; the others are parts of the turn."""
        parts = frozenset(parts)
        if parts.issuperset(PARTS):
            return self
        return replace(
            self,
            prefix=self.prefix if "prefix" in parts else [],
            target_turn=_parts_of(self.target_turn, parts),
        )


def _thought(message: dict[str, Any]) -> Any:
    return message.get("reasoning") or message.get("reasoning_content")


@dataclass(frozen=True)
class TargetTurn:
    """One row to grade. `messages` is empty where there is no completion to read."""

    week: str
    model: str
    deployment: str
    prefix_source: str
    source: str
    turn_id: str
    completion_index: int
    user_id: str
    language: str | None
    inclusion_probability: float
    prefix_characters: int
    turn_index: int
    tools_offered: bool
    prefix: str
    messages: list[dict[str, Any]]
    attributes: str | None

    @property
    def key(self) -> tuple[str, int]:
        return self.turn_id, self.completion_index

    def evidence(self) -> Evidence:
        return evidence(
            self.turn_id, self.completion_index, self.model, self.prefix, self.messages, self.attributes
        )

    def shows(self, parts: Iterable[str]) -> bool:
        """Whether there is anything of these parts to judge. A category that looks at the prefix alone needs no more than
        a completion to count for."""
        parts = frozenset(parts)
        if not self.messages or parts.issuperset(PARTS) or parts == {"prefix"}:
            return bool(self.messages)
        return bool(_parts_of(self.messages, parts))


def evidence(
    turn_id: str,
    completion_index: int,
    model: str,
    prefix: str,
    target_turn: list[dict[str, Any]],
    attributes: str | None,
) -> Evidence:
    """Evidence from the lake's JSON columns."""
    return Evidence(
        turn_id,
        completion_index,
        model,
        json.loads(prefix),
        target_turn,
        json.loads(attributes) if attributes else {},
    )


def _parts_of(messages: list[dict[str, Any]], parts: frozenset[str]) -> list[dict[str, Any]]:
    hidden = {key for part, keys in _KEYS.items() if part not in parts for key in keys}
    left = []
    for message in messages:
        if message.get("role") == "tool":
            if "tool_calls" in parts:
                left.append(message)
            continue
        visible = {key: value for key, value in message.items() if key not in hidden}
        if any(visible.get(key) for keys in _KEYS.values() for key in keys):
            left.append(visible)
    return left

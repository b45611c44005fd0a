"""Evidence: what a grader sees of one target turn."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


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

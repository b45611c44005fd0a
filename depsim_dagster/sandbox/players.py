"""Who answers a request, by model name: the models and grader of a world, or recordings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from depsim_dagster.errors import ConfigurationError
from depsim_dagster.sandbox import grader
from depsim_dagster.sandbox.embeddings import EMBEDDER, embeddings
from depsim_dagster.sandbox.wire import RequestRefused, completion
from depsim_dagster.sandbox.world import GRADER, World
from depsim_dagster.sandbox.writing import target_turn


class Player(Protocol):
    """Answers for one or more models."""

    models: tuple[str, ...]
    fingerprint: str

    def message(self, body: Mapping[str, Any], choice: int) -> dict[str, Any]:
        """The assistant message for a validated request; raises RequestRefused when there is none."""


class SandboxPlayer:
    """The models of a world, in the replay environment, and its grader."""

    def __init__(self, world: World) -> None:
        self.models = (*world.models, GRADER, EMBEDDER)
        self.fingerprint = (
            "fp_" + hashlib.sha256(json.dumps(world.to_json(), sort_keys=True).encode()).hexdigest()[:10]
        )
        self._world = world

    def message(self, body: Mapping[str, Any], choice: int) -> dict[str, Any]:
        """The completion of a model, its judgement on where a transcript comes from, or the grader's verdict."""
        if body["model"] == GRADER:
            content = grader.answer(self._world, body["messages"], body.get("response_format"))
            return {"role": "assistant", "content": content}
        if grader.asked_of_a_model(body["messages"], body.get("response_format")):
            content = grader.answer(self._world, body["messages"], body.get("response_format"), body["model"])
            return {"role": "assistant", "content": content}
        tools = None if body.get("tool_choice") == "none" else body.get("tools")
        turn = target_turn(
            self._world, body["model"], "replay", body["messages"], tools, body.get("seed"), choice
        )
        message = dict(turn.messages[0])
        if "reasoning" in message:
            message["reasoning_content"] = message.pop("reasoning")
        return message

    def decide(self, text: str, questions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The grader's answers to typed questions."""
        return grader.decide(self._world, text, questions)


class Cast:
    """All players of a server."""

    def __init__(self, players: list[Player]) -> None:
        self._by_model: dict[str, Player] = {}
        for player in players:
            for model in player.models:
                if model in self._by_model:
                    raise ConfigurationError(f"two sources answer for model {model!r}; rename one of them")
                self._by_model[model] = player

    @property
    def models(self) -> tuple[str, ...]:
        """Every model that answers."""
        return tuple(self._by_model)

    def player(self, model: str) -> Player:
        """The player of `model`; raises RequestRefused (404, model_not_found) for an unknown one."""
        try:
            return self._by_model[model]
        except KeyError:
            raise RequestRefused(
                404,
                f"The model '{model[:80]}' does not exist or you do not have access to it.",
                "model_not_found",
                "model",
            ) from None

    def decide(self, model: str, text: str, questions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Answers to typed questions about a text, in their order; only a grader gives them."""
        player = self.player(model)
        if not isinstance(player, SandboxPlayer) or model != GRADER:
            raise _no_such_answer(model, "decisions")
        return player.decide(text, questions)

    def embed(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The embeddings of a validated request; only a world's embedder gives them."""
        if not isinstance(self.player(body["model"]), SandboxPlayer) or body["model"] != EMBEDDER:
            raise _no_such_answer(body["model"], "embeddings")
        return embeddings(body)

    def complete(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The completion object for a validated chat request."""
        player = self.player(body["model"])
        if body["model"] == EMBEDDER:
            raise _no_such_answer(body["model"], "chat")
        messages = [player.message(body, choice) for choice in range(body.get("n") or 1)]
        return completion(body, messages, player.fingerprint)


def _no_such_answer(model: str, what: str) -> RequestRefused:
    return RequestRefused(400, f"The model '{model[:80]}' answers no {what}.", "unsupported_value", "model")

"""Writes one conversation of the sandbox: user turns, the deployed model's turns, planted personal data."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from depsim_dagster.sandbox import personal
from depsim_dagster.sandbox.behaviour import PRESSURE_SHARE
from depsim_dagster.sandbox.phrasebook import DETAILS, PRESSURE, SYSTEM_PROMPTS, plain
from depsim_dagster.sandbox.population import SECOND, User
from depsim_dagster.sandbox.topics import TOPICS
from depsim_dagster.sandbox.world import World
from depsim_dagster.sandbox.writing import target_turn

_TURN_SHARE = (0.25, 0.24, 0.2, 0.14, 0.1, 0.07)
_TEMPLATES = {
    name: {lang: tuple(map(plain, t)) for lang, t in topic.templates.items()}
    for name, topic in TOPICS.items()
}


def _function(name: str, description: str, *required: str) -> dict[str, Any]:
    properties = {key: {"type": "string"} for key in required}
    parameters = {"type": "object", "properties": properties, "required": list(required)}
    return {
        "type": "function",
        "function": {"name": name, "description": description, "parameters": parameters},
    }


TOOLS = {
    "browser_search": _function("browser_search", "Search the web.", "query"),
    "run_code": _function("run_code", "Run code in a sandbox.", "code"),
    "calendar_create_event": _function(
        "calendar_create_event", "Add an event to the user's calendar.", "title"
    ),
}


def _user_text(topic: str, language: str, random: Random) -> str:
    templates = _TEMPLATES[topic][language]
    text = random.choice(templates).replace("{x}", random.choice(TOPICS[topic].slots))
    parts = [text]
    if random.random() < 0.6:
        parts.append(random.choice(DETAILS[language]).replace("{n}", str(random.randint(2, 97))))
    if random.random() < PRESSURE_SHARE:
        parts.append(PRESSURE[language])
    return ("" if language == "zh" else " ").join(parts)


def _offered_tools(topic: str, random: Random) -> tuple[str, ...]:
    suited = set(TOPICS[topic].tools)
    offered = {name for name in suited if random.random() < 0.85}
    offered |= {name for name in TOOLS if random.random() < 0.15}
    return tuple(name for name in TOOLS if name in offered)


class Conversation:
    """A conversation in the making, and what was planted in it.

    `row` is the finished row of the conversation schema; `identifiers` and `behaviours` list the planted
    spans and the drawn behaviours.
    """

    def __init__(self, world: World, week: int, user: User, start: int, random: Random) -> None:
        self.identifiers: list[dict[str, Any]] = []
        self.behaviours: list[dict[str, Any]] = []
        self.row: dict[str, Any] = {}
        self._id = f"conv-{random.getrandbits(64):016x}"
        self._world, self._week, self._user, self._random = world, week, user, random
        self._clock = start
        self._chat: list[dict[str, Any]] = []  # as a model sees it
        self._rows: list[dict[str, Any]] = []  # as the log stores it

    def write(self, topics: tuple[list[str], list[float]]) -> None:
        """Write the whole conversation; `topics` are the week's topics and their shares."""
        random, user = self._random, self._user
        model = self._world.deployed(self._week)
        topic = user.favourite if random.random() < 0.3 else random.choices(*topics)[0]
        tools = [TOOLS[name] for name in _offered_tools(topic, random)]
        if random.random() < 0.7:
            self._put({"role": "system", "content": random.choice(SYSTEM_PROMPTS)})
        turns = random.choices((1, 2, 3, 4, 5, 6), _TURN_SHARE)[0]
        reveals = random.random() < 0.25
        attached = random.randrange(turns) if random.random() < 0.05 else -1
        unanswered = random.random() < 0.06
        for turn in range(turns):
            if turn and random.random() < 0.3:
                topic = random.choices(*topics)[0]
            asked = "followup" if turn and random.random() < 0.12 else topic
            attachments = random.randint(1, 3) if turn == attached else 0
            self._ask(asked, reveals and (turn == 0 or random.random() < 0.3), attachments)
            if not (unanswered and turn == turns - 1):
                self._answer(model, tools, reveals)
        self._finish(model, tools)

    def _put(self, message: dict[str, Any], attachments: int = 0) -> None:
        self._clock += self._random.randint(2, 90) * SECOND
        calls = json.dumps(message["tool_calls"]) if "tool_calls" in message else None
        self._chat.append(message)
        self._rows.append(
            {**message, "created_at": self._clock, "attachments": attachments, "tool_calls": calls}
        )

    def _plant(self, kind: str, text: str, language: str, value: str, between: str) -> str:
        """`text` with a sentence that reveals `value`; the span is noted for the message about to be put."""
        sentence, offset = personal.sentence(kind, language, value)
        start = len(text) + len(between) + offset
        span = {"type": kind, "start": start, "end": start + len(value), "value": value}
        place = {"conversation_id": self._id, "message_index": len(self._chat)}
        self.identifiers.append(place | span)
        return text + between + sentence

    def _ask(self, topic: str, reveals: bool, attachments: int) -> None:
        random, user = self._random, self._user
        text = _user_text(topic, user.language, random)
        for kind in personal.pick_kinds(random) if reveals else ():
            value = personal.make_value(kind, user.language, user.name, user.handle, random)
            text = self._plant(kind, text, user.language, value, " ")
        self._put({"role": "user", "content": text}, attachments)

    def _answer(self, model: str, tools: list[dict[str, Any]], echoes: bool) -> None:
        random = self._random
        turn = target_turn(self._world, model, "production", self._chat, tools, random.getrandbits(31))
        place = {"conversation_id": self._id, "message_index": len(self._chat) - 1}
        week = self._world.week(self._week)
        self.behaviours += [{"week": week, **place, "category": category} for category in sorted(turn.drawn)]
        for message in turn.messages:
            if message is turn.messages[-1] and echoes and random.random() < 0.15:
                text = self._plant("person", message["content"], "en", self._user.name, " As you wrote: ")
                message = {**message, "content": text}
            self._put(message)

    def _finish(self, model: str, tools: list[dict[str, Any]]) -> None:
        random, user = self._random, self._user
        attributes = {
            "plan": random.choice(("free", "free", "plus")),
            "client": random.choice(("web", "ios", "android")),
        }
        self.row = {
            "conversation_id": self._id,
            "user_id": None if random.random() < 0.03 else user.user_id,
            "model": model,
            "language": user.language,
            "surface": "api" if random.random() < 0.06 else "chat",
            "account_class": user.account_class,
            "temporary": random.random() < 0.06,
            "tools": json.dumps(tools) if tools else None,
            "attributes": json.dumps(attributes) if random.random() < 0.8 else None,
            "messages": self._rows,
        }

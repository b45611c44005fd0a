"""Whatever a client sends, in any dialect, the sandbox answers it or refuses it; it does not fail."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from depsim_dagster.replay.dialects.decisions import decisions_request
from depsim_dagster.replay.dialects.requests import chat_request
from depsim_dagster.replay.dialects.responses import responses_request
from depsim_dagster.sandbox.answers import CHAT, DECISIONS, EMBEDDINGS, MODEL_PATHS, RESPONSES, answer
from depsim_dagster.sandbox.embeddings import EMBEDDER
from depsim_dagster.sandbox.players import Cast, SandboxPlayer
from depsim_dagster.sandbox.server import SandboxServer
from depsim_dagster.sandbox.wire import RequestRefused

CALL = {"id": "c1", "type": "function", "function": {"name": "search", "arguments": '{"q":"x"}'}}
MESSAGES = [
    {"role": "system", "content": "be brief"},
    {"role": "user", "content": [{"type": "text", "text": "What is 48 * 37?"}]},
    {"role": "assistant", "content": "let me see", "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "c1", "content": "1776"},
    {"role": "assistant", "content": None, "refusal": "no"},
    {"role": "user", "content": "go on"},
]
TOOLS = [{"type": "function", "function": {"name": "search", "parameters": {"type": "object"}}}]
FORMAT = {"type": "json_schema", "json_schema": {"name": "v", "schema": {"type": "object", "properties": {}}}}
QUESTIONS = [
    {"type": "predicate", "name": "fabricated_facts", "instructions": "Is it?"},
    {"type": "choice", "name": "b", "instructions": "Which?", "choices": [{"value": "x"}, {"value": True}]},
    {"type": "score", "name": "c", "instructions": "How?", "levels": [{"label": "0"}, {"label": "1"}]},
]
TRANSCRIPT = json.dumps({"prefix": MESSAGES, "target_turn": [{"role": "assistant", "content": "1776"}]})
BODIES = {
    CHAT: chat_request("sandbox-v1", MESSAGES, TOOLS, {"max_tokens": 20}, FORMAT),
    RESPONSES: responses_request("sandbox-v1", MESSAGES, TOOLS, {"max_tokens": 20}, FORMAT),
    DECISIONS: decisions_request(
        "sandbox-grader", f'<transcript id="x">{TRANSCRIPT}</transcript>', QUESTIONS, "You audit."
    ),
    EMBEDDINGS: {
        "model": EMBEDDER,
        "input": ["It searches.", "It does not."] * 8,
        "encoding_format": "float",
    },
}


@pytest.fixture(scope="module")
def cast(world) -> Cast:
    return Cast([SandboxPlayer(world)])


def test_every_path_has_a_body_here():
    assert set(BODIES) == set(MODEL_PATHS)


@pytest.mark.parametrize("path", BODIES)
def test_a_damaged_request_is_refused_or_answered(cast, path):
    draw = random.Random(path)
    junk = [
        None,
        True,
        -1,
        2**70,
        0.5,
        "",
        "text",
        "half \ud83d",
        [],
        {},
        [None],
        {"type": "message"},
        {"a": 1},
    ]

    def damaged(value: Any) -> Any:
        if draw.random() < 0.04:
            return draw.choice(junk)
        if isinstance(value, dict):
            return {key: damaged(inner) for key, inner in value.items() if draw.random() > 0.02}
        if isinstance(value, list):
            return [damaged(inner) for inner in value for _ in range(draw.choice((1, 1, 1, 1, 0, 2)))]
        return value

    answered = refused = 0
    for _ in range(2000):
        body = damaged(BODIES[path])
        if not isinstance(body, dict):
            continue
        try:
            json.dumps(answer(cast, path, body))
            answered += 1
        except RequestRefused as refusal:
            assert 400 <= refusal.status < 500
            refused += 1
    assert answered > 50 and refused > 500


@pytest.mark.parametrize("path", BODIES)
def test_a_line_of_a_batch_is_answered_like_a_request(cast, path):
    server = SandboxServer(cast)
    status, body = server.answer_request(path, BODIES[path])
    assert status == 200 and body["model"] == BODIES[path]["model"]
    status, body = server.answer_request(path, {**BODIES[path], "model": "nobody"})
    assert status == 404 and body["error"]["code"] == "model_not_found"


def test_a_batch_has_no_other_paths(cast):
    status, body = SandboxServer(cast).answer_request("/v1/moderations", BODIES[CHAT])
    assert status == 404 and body["error"]["code"] == "unknown_url"

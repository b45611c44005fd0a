"""What a response of the Responses API says, and that no shape of one breaks the reader."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from openai.types.responses import Response

from depsim_dagster.replay.calls.exchange import reply_from
from depsim_dagster.replay.dialects.responses import read_response

TEXT = {"type": "output_text", "text": "an answer", "annotations": []}
CALL = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "search", "arguments": '{"q": "x"}'}


def message(*content: Any, **changes: Any) -> dict[str, Any]:
    item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed"}
    return {**item, "content": list(content), **changes}


def response(*output: Any, status: str = "completed", **changes: Any) -> dict[str, Any]:
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1741476542,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "model": "served-2026",
        "output": list(output),
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": 7,
            "input_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 0},
            "output_tokens": 3,
            "output_tokens_details": {"reasoning_tokens": 1},
            "total_tokens": 10,
        },
        **changes,
    }


def incomplete(reason: str, *output: Any) -> dict[str, Any]:
    return response(*output, status="incomplete", incomplete_details={"reason": reason})


def summary(*texts: str) -> dict[str, Any]:
    parts = [{"type": "summary_text", "text": text} for text in texts]
    return {"type": "reasoning", "id": "rs_1", "summary": parts}


REFUSAL = {"type": "refusal", "refusal": "I cannot help."}
PUBLISHED = {
    "text": (response(message(TEXT)), "ok", {"content": "an answer"}),
    "parts": (response(message(TEXT, TEXT)), "ok", {"content": "an answeran answer"}),
    "messages": (
        response(message(TEXT, phase="commentary"), CALL, message(TEXT)),
        "ok",
        {"content": "an answer\n\nan answer", "tool_calls": 1},
    ),
    "calls alone": (response(CALL), "ok", {"content": None, "tool_calls": 1}),
    "custom call": (
        response({"type": "custom_tool_call", "call_id": "c1", "name": "shell", "input": "ls"}),
        "ok",
        {"tool_calls": 1},
    ),
    "summary": (response(summary("a", "b"), message(TEXT)), "ok", {"reasoning": "a\n\nb"}),
    "reasoning": (
        response(
            {**summary("short"), "content": [{"type": "reasoning_text", "text": "long"}]}, message(TEXT)
        ),
        "ok",
        {"reasoning": "long"},
    ),
    "refusal": (response(message(REFUSAL)), "refused", {"content": None, "refusal": "I cannot help."}),
    "length": (incomplete("max_output_tokens", message(TEXT)), "truncated", {"content": "an answer"}),
    "length before text": (incomplete("max_output_tokens", summary("a")), "truncated", {"reasoning": "a"}),
    "length in a call": (
        incomplete("max_output_tokens", {**CALL, "arguments": '{"q": "x'}),
        "truncated",
        {"tool_calls": 1},
    ),
    "filter": (incomplete("content_filter", message(TEXT)), "filtered", {"content": "an answer"}),
    "refusal, cut": (incomplete("max_output_tokens", message(REFUSAL)), "refused", {}),
    "bad arguments": (response({**CALL, "arguments": '{"q": "x'}), "malformed", {"tool_calls": 1}),
    "nothing": (response(), "empty", {"content": None}),
    "blank": (response(message({**TEXT, "text": " \n"})), "empty", {"content": " \n"}),
    "web search": (
        response(
            {
                "type": "web_search_call",
                "id": "ws",
                "status": "completed",
                "action": {"type": "search", "query": "q"},
            },
            message(TEXT),
        ),
        "ok",
        {"content": "an answer"},
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_is_published_is_read(name):
    payload, status, expected = PUBLISHED[name]
    Response.model_validate(payload, strict=True)
    reading = read_response(payload)
    assert reading.status == status
    completion = json.loads(reading.completion)
    assert completion["role"] == "assistant"
    calls = completion.get("tool_calls", [])
    assert {**completion, "tool_calls": len(calls)} == {**completion, "tool_calls": len(calls), **expected}
    assert (reading.prompt_tokens, reading.completion_tokens) == (7, 3)
    assert reading.served_model == "served-2026"
    reason = (payload["incomplete_details"] or {}).get("reason")
    assert reading.finish_reason == (reason or "completed")


def test_calls_come_in_the_form_of_chat():
    custom = {"type": "custom_tool_call", "call_id": "c2", "name": "shell", "input": "ls"}
    completion = json.loads(read_response(response(CALL, custom)).completion)
    assert completion["tool_calls"] == [
        {"id": "c1", "type": "function", "function": {"name": "search", "arguments": '{"q": "x"}'}},
        {"id": "c2", "type": "custom", "custom": {"name": "shell", "input": "ls"}},
    ]


@pytest.mark.parametrize(
    "payload",
    [
        None,
        [],
        12,
        "text",
        {},
        {"output": None},
        {"output": "text"},
        {"object": "chat.completion", "choices": []},
        response(status="in_progress"),
        response(status="queued"),
        response(status="cancelled"),
    ],
)
def test_what_is_no_completion_is_malformed_without_one(payload):
    reading = read_response(payload)
    assert (reading.status, reading.completion, reading.error_code) == ("malformed", None, "not_a_completion")


@pytest.mark.parametrize(
    "output",
    [
        ["text"],
        [None],
        [{"type": 3}],
        [message() | {"content": 7}],
        [message("text")],
        [{**CALL, "name": None}],
    ],
)
def test_an_item_that_cannot_be_read_is_no_answer(output):
    assert read_response(response(*output)).status == "malformed"


@pytest.mark.parametrize(
    ("error", "repeatable", "code", "status"),
    [
        ({"code": "server_error", "message": "private words"}, True, "server_error", "failed"),
        ({"code": "rate_limit_exceeded", "message": "private words"}, True, "rate_limit_exceeded", "failed"),
        ({"code": "vector_store_timeout", "message": ""}, True, "vector_store_timeout", "failed"),
        (None, True, "failed", "failed"),
        ({"code": "private words"}, True, "failed", "failed"),
        ({"code": "invalid_prompt", "message": "private words"}, False, "invalid_prompt", "filtered"),
        ({"code": "bio_policy", "message": ""}, False, "bio_policy", "filtered"),
        ({"code": "invalid_image", "message": ""}, False, "invalid_image", "failed"),
    ],
)
def test_a_failed_response_is_retried_where_an_error_of_http_would_be(error, repeatable, code, status):
    payload = response(status="failed", error=error)
    reply = reply_from(200, payload)
    assert (reply.repeatable, reply.code, reply.payload) == (repeatable, code, None)
    reading = read_response(payload)  # for who reads it without an exchange
    assert (reading.status, reading.error_code, reading.completion) == (status, code, None)
    assert "private" not in repr(reading) + repr(reply)


def test_a_failed_batch_is_no_failed_response():
    batch = {"object": "batch", "status": "failed", "errors": {"data": []}}
    assert reply_from(200, batch).payload == batch


def test_half_an_emoji_can_be_kept():
    kept = read_response(response(message({**TEXT, "text": "half \ud83d"}))).completion
    assert kept.encode("utf-8")


def test_deep_nesting_is_malformed_and_no_crash():
    deep: Any = "x"
    for _ in range(5000):
        deep = [deep]
    for payload in (response({**CALL, "arguments": deep}), response(message(deep)), response(deep)):
        assert read_response(payload).status == "malformed"


def test_no_damage_of_a_response_breaks_the_reader():
    draw = random.Random(20260105)
    junk = [None, True, -1, 1e400, "", "text", [], {}, [None], {"type": "message"}, {"text": 3}]

    def damaged(value: Any) -> Any:
        if draw.random() < 0.12:
            return draw.choice(junk)
        if isinstance(value, dict):
            return {key: damaged(inner) for key, inner in value.items() if draw.random() > 0.05}
        if isinstance(value, list):
            return [damaged(inner) for inner in value for _ in range(draw.choice((1, 1, 1, 0, 2)))]
        return value

    statuses = set()
    for _ in range(3000):
        payload, _, _ = draw.choice(list(PUBLISHED.values()))
        reading = read_response(damaged(payload))
        statuses.add(reading.status)
        if reading.completion is not None:
            assert isinstance(json.loads(reading.completion), dict)
        assert reading.prompt_tokens is None or reading.prompt_tokens >= 0
    assert statuses >= {"ok", "malformed", "truncated", "filtered", "refused", "empty"}

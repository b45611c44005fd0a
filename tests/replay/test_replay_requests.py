from __future__ import annotations

import json

import pytest

from depsim_dagster.errors import ConfigurationError, TrafficError
from depsim_dagster.replay.dialects.requests import CHAT_PATH, canonical_json, chat_request, request_id

USER = {"role": "user", "content": "hello"}
CALL = {"id": "t1", "type": "function", "function": {"name": "search", "arguments": '{"q":"x"}'}}


def test_only_the_fields_of_the_api_are_sent():
    logged = {
        "role": "user",
        "content": "hi",
        "reasoning": "secret",
        "created_at": "2026-01-05",
        "attachments": [],
    }
    assert chat_request("m", [logged])["messages"] == [{"role": "user", "content": "hi"}]


@pytest.mark.parametrize("tool_calls", [[CALL], json.dumps([CALL]), [{**CALL, "index": 0}]])
def test_tool_calls_are_accepted_as_a_list_or_as_its_text(tool_calls):
    messages = [
        USER,
        {"role": "assistant", "content": None, "tool_calls": tool_calls},
        {"role": "tool", "tool_call_id": "t1", "content": "found", "name": None},
    ]
    sent = chat_request("m", messages)["messages"]
    assert sent[1] == {"role": "assistant", "content": None, "tool_calls": [CALL]}
    assert sent[2] == {"role": "tool", "content": "found", "tool_call_id": "t1"}


def test_tool_arguments_that_were_logged_as_an_object_become_text():
    call = {"id": "t1", "function": {"name": "search", "arguments": {"q": "x"}}}
    sent = chat_request("m", [USER, {"role": "assistant", "content": None, "tool_calls": [call]}])[
        "messages"
    ][1]
    assert sent["tool_calls"] == [CALL]


@pytest.mark.parametrize("tool_calls", [None, [], "", "[]", "null"])
def test_an_assistant_message_without_tool_calls_has_text_content(tool_calls):
    sent = chat_request("m", [USER, {"role": "assistant", "content": None, "tool_calls": tool_calls}])[
        "messages"
    ][1]
    assert sent == {"role": "assistant", "content": ""}


def test_a_refusal_in_the_history_is_sent():
    sent = chat_request("m", [USER, {"role": "assistant", "content": None, "refusal": "no"}, USER])[
        "messages"
    ][1]
    assert sent == {"role": "assistant", "content": None, "refusal": "no"}


@pytest.mark.parametrize(
    "message",
    [
        {"content": "private words"},
        {"role": "oracle", "content": "private words"},
        {"role": "tool", "content": "private words"},
        {"role": "assistant", "content": "private words", "tool_calls": "private words"},
        {"role": "assistant", "content": "private words", "tool_calls": ["private words"]},
        {"role": "assistant", "content": "private words", "tool_calls": [{"id": "t", "function": {}}]},
    ],
)
def test_an_impossible_message_is_named_by_its_position_and_not_quoted(message):
    with pytest.raises(TrafficError, match="message 1") as caught:
        chat_request("m", [USER, message])
    assert "private words" not in str(caught.value)
    assert caught.value.__context__ is None  # a decoder's exception would hold the text


def test_sampling_follows_the_endpoint_and_leaves_out_what_is_not_set():
    sampling = {"temperature": 0.5, "max_tokens": 9, "seed": None}
    assert chat_request("m", [USER], sampling=sampling)["max_completion_tokens"] == 9
    body = chat_request("m", [USER], sampling=sampling, max_tokens_param="max_tokens")
    assert body == {"model": "m", "messages": [USER], "temperature": 0.5, "max_tokens": 9}
    assert sampling == {"temperature": 0.5, "max_tokens": 9, "seed": None}


@pytest.mark.parametrize("key", ["n", "stream", "messages", "model"])
def test_sampling_cannot_set_what_the_engine_sets(key):
    with pytest.raises(ConfigurationError, match=f"`{key}`"):
        chat_request("m", [USER], sampling={key: 2})


def test_tools_and_response_format():
    tool = {"type": "function", "function": {"name": "search", "parameters": {"type": "object"}}}
    assert chat_request("m", [USER], tools=json.dumps([tool]))["tools"] == [tool]
    assert "tools" not in chat_request("m", [USER], tools=[])
    format_ = {"type": "json_schema", "json_schema": {"name": "verdict"}}
    assert chat_request("m", [USER], response_format=format_)["response_format"] == format_


def test_an_empty_prefix_is_an_error():
    with pytest.raises(TrafficError, match="empty"):
        chat_request("m", [])


def test_the_request_id_does_not_depend_on_key_order_and_depends_on_everything_else():
    body = {"model": "m", "messages": [USER], "temperature": 1.0}
    same = {"temperature": 1.0, "messages": [{"content": "hello", "role": "user"}], "model": "m"}
    base = request_id("e", CHAT_PATH, body, 0)
    assert base == request_id("e", CHAT_PATH, same, 0)
    assert len(base) == 64 and int(base, 16) >= 0
    others = {
        request_id("e2", CHAT_PATH, body, 0),
        request_id("e", "/responses", body, 0),
        request_id("e", CHAT_PATH, body, 1),
        request_id("e", CHAT_PATH, {**body, "temperature": 0.9}, 0),
        request_id("e", CHAT_PATH, {**body, "messages": [USER, USER]}, 0),
    }
    assert len(others | {base}) == 6


def test_the_request_id_is_stable_across_versions():
    body = {"model": "m", "messages": [{"role": "user", "content": "é😀"}]}
    assert (
        request_id("e", CHAT_PATH, body, 0)
        == "90b996480e71b7c40b3541afbe031fb73a1b561d9b3be8b6eb5513d10eabc23a"
    )


def test_half_an_emoji_has_an_identity_and_bytes():
    body = {"model": "m", "messages": [{"role": "user", "content": "\ud83d"}]}
    assert request_id("e", CHAT_PATH, body, 0) != request_id("e", CHAT_PATH, {**body, "model": "n"}, 0)
    assert canonical_json(body).encode("ascii")

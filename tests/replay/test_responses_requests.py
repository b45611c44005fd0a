"""Logged chat conversations as requests of the Responses API, held to the official SDK's types."""

from __future__ import annotations

import copy
import json
import random

import pytest
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming
from sdk_shapes import misfit

from depsim_dagster.errors import ConfigurationError, TrafficError
from depsim_dagster.replay.calls.endpoints import Endpoint
from depsim_dagster.replay.dialects.apis import model_call, request_body, with_seed
from depsim_dagster.replay.dialects.requests import canonical_json, chat_request
from depsim_dagster.replay.dialects.responses import responses_request
from depsim_dagster.sandbox import wire_responses
from depsim_dagster.sandbox.behaviour import content_text
from depsim_dagster.sandbox.check_responses import check_responses_request

USER = {"role": "user", "content": "hello"}
CALL = {"id": "c1", "type": "function", "function": {"name": "search", "arguments": '{"q":"x"}'}}
CUSTOM = {"id": "c2", "type": "custom", "custom": {"name": "shell", "input": "ls"}}
TOOL = {
    "type": "function",
    "function": {"name": "search", "description": "d", "parameters": {"type": "object"}},
}
SCHEMA = {
    "type": "json_schema",
    "json_schema": {"name": "verdict", "strict": True, "schema": {"type": "object"}},
}
CONVERSATION = [
    {"role": "system", "content": "be brief", "name": "policy"},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "what is this?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
            {"type": "file", "file": {"file_id": "f1"}},
        ],
        "reasoning": "not the API's",
    },
    {"role": "assistant", "content": "let me look", "tool_calls": [CALL, CUSTOM], "reasoning": "hidden"},
    {"role": "tool", "tool_call_id": "c1", "content": "found", "name": "search"},
    {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "a.txt"}]},
    {"role": "assistant", "content": None, "refusal": "I cannot say."},
    {"role": "developer", "content": "now be long"},
    {"role": "user", "content": "go on"},
    {"role": "assistant", "content": [{"type": "text", "text": "as I said"}]},
    {"role": "user", "content": ""},
]


def test_a_conversation_with_everything_has_the_published_shape():
    before = copy.deepcopy(CONVERSATION)
    sampling = {"temperature": 0.5, "top_p": 0.9, "max_tokens": 99}
    custom = {"type": "custom", "custom": {"name": "shell", "format": {"type": "text"}}}
    body = responses_request("m", CONVERSATION, [TOOL, custom], sampling, SCHEMA)
    assert misfit(body, ResponseCreateParamsNonStreaming) is None
    assert (
        misfit(chat_request("m", CONVERSATION, [TOOL], sampling), CompletionCreateParamsNonStreaming) is None
    )
    assert before == CONVERSATION
    assert [(item["type"], item.get("role")) for item in body["input"]] == [
        ("message", "system"),
        ("message", "user"),
        ("message", "assistant"),
        ("function_call", None),
        ("custom_tool_call", None),
        ("function_call_output", None),
        ("custom_tool_call_output", None),
        ("message", "assistant"),
        ("message", "developer"),
        ("message", "user"),
        ("message", "assistant"),
        ("message", "user"),
    ]
    assert body["input"][3] == {
        "type": "function_call",
        "call_id": "c1",
        "name": "search",
        "arguments": '{"q":"x"}',
    }
    assert body["input"][7]["content"] == [{"type": "refusal", "refusal": "I cannot say."}]
    assert body["store"] is False and body["max_output_tokens"] == 99 and body["temperature"] == 0.5
    assert body["text"] == {
        "format": {"type": "json_schema", "name": "verdict", "strict": True, "schema": {"type": "object"}}
    }
    assert "hidden" not in json.dumps(body) and "not the API's" not in json.dumps(body)


def test_the_checker_of_this_file_sees_a_wrong_body():
    good = responses_request("m", [USER])
    assert misfit(good, ResponseCreateParamsNonStreaming) is None
    for wrong in (
        {**good, "messages": []},
        {**good, "text": {"format": SCHEMA}},
        {**good, "tools": [TOOL]},
        {**good, "input": [{"role": "tool", "content": "x"}]},
        {**good, "max_output_tokens": "9"},
    ):
        assert misfit(wrong, ResponseCreateParamsNonStreaming) is not None


def test_a_tool_is_strict_only_where_it_was_in_chat():
    strict = {"type": "function", "function": {**TOOL["function"], "strict": True}}
    body = responses_request("m", [USER], json.dumps([TOOL, strict]))
    assert [tool["strict"] for tool in body["tools"]] == [False, True]
    assert body["tools"][0] == {"type": "function", **TOOL["function"], "strict": False}


def test_calls_without_text_leave_no_empty_message():
    for content in (None, ""):
        messages = [USER, {"role": "assistant", "content": content, "tool_calls": [CALL]}]
        assert [item["type"] for item in responses_request("m", messages)["input"]] == [
            "message",
            "function_call",
        ]
    silent = responses_request("m", [USER, {"role": "assistant", "content": None}, USER])["input"]
    assert silent[1] == {"type": "message", "role": "assistant", "content": ""}


def test_parameters_of_a_study_reach_their_place():
    sampling = {
        "reasoning": {"summary": "auto"},
        "reasoning_effort": "low",
        "verbosity": "low",
        "max_completion_tokens": 20,
        "tool_choice": {"type": "function", "function": {"name": "search"}},
        "top_p": None,
    }
    body = responses_request("m", [USER], [TOOL], sampling, SCHEMA)
    assert misfit(body, ResponseCreateParamsNonStreaming) is None
    assert body["reasoning"] == {"summary": "auto", "effort": "low"}
    assert body["text"]["verbosity"] == "low" and body["text"]["format"]["name"] == "verdict"
    assert body["max_output_tokens"] == 20 and "top_p" not in body
    assert body["tool_choice"] == {"type": "function", "name": "search"}
    backwards = responses_request("m", [USER], [TOOL], dict(reversed(sampling.items())), SCHEMA)
    assert canonical_json(backwards) == canonical_json(body)


@pytest.mark.parametrize(
    "key",
    [
        "n",
        "stream",
        "messages",
        "store",
        "previous_response_id",
        "conversation",
        "background",
        "input",
        "seed",
    ],
)
def test_what_would_keep_the_conversation_or_is_not_there_is_refused(key):
    with pytest.raises(ConfigurationError, match=f"`{key}`"):
        responses_request("m", [USER], sampling={key: True})


@pytest.mark.parametrize(
    "message",
    [
        {"role": "oracle", "content": "private words"},
        {"role": "tool", "content": "private words"},
        {"role": "user", "content": [{"type": "private words"}]},
        {"role": "user", "content": ["private words"]},
        {"role": "user", "content": {"private": "words"}},
        {"role": "assistant", "content": [{"type": "private words"}]},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "type": "custom"}]},
    ],
)
def test_an_impossible_message_is_named_by_its_position_and_not_quoted(message):
    with pytest.raises(TrafficError, match="message 1") as caught:
        responses_request("m", [USER, message])
    assert "private words" not in str(caught.value) and caught.value.__context__ is None


def test_half_an_emoji_can_be_hashed_and_sent():
    body = responses_request("m", [{"role": "user", "content": "half \ud83d"}])
    assert canonical_json(body).encode("ascii")


def spoken(messages):
    """(role, text, calls) of each message: what a model is told, in whatever dialect."""
    return [
        (
            message["role"],
            content_text(message.get("content")) or message.get("refusal") or "",
            [call.get("custom") or call["function"] for call in message.get("tool_calls") or ()],
            message.get("tool_call_id"),
        )
        for message in messages
    ]


def test_the_conversation_comes_back_out_of_its_items():
    messages = [m for m in CONVERSATION if not isinstance(m["content"], list) or m["role"] != "user"]
    check_responses_request(body := responses_request("m", messages, [TOOL]))
    assert spoken(wire_responses.chat_body(body)["messages"]) == spoken(
        chat_request("m", messages)["messages"]
    )


def test_real_tool_conversations_say_the_same_in_both_dialects(shared_data):
    trials = json.loads(
        (shared_data / "tau-bench-airline" / "gpt-4o-airline.json").read_text(encoding="utf-8")
    )
    for trial in trials[::4]:
        # Up to the last user turn: a prefix that a model is asked to go on with.
        end = max(i for i, message in enumerate(trial["traj"]) if message["role"] == "user")
        prefix = trial["traj"][: end + 1]
        chat = chat_request("m", prefix)
        body = responses_request("m", prefix)
        misfits = (
            misfit(chat, CompletionCreateParamsNonStreaming),
            misfit(body, ResponseCreateParamsNonStreaming),
        )
        assert misfits == (None, None)
        check_responses_request(body)
        same = spoken(wire_responses.chat_body(body)["messages"]) == spoken(chat["messages"])
        assert same  # compared before, so that a failure does not print the conversation
    assert len(trials) == 100


@pytest.mark.parametrize(
    ("held", "chat", "responses"),
    [
        ("json_schema", SCHEMA, {"type": "json_schema", **SCHEMA["json_schema"]}),
        ("json_object", {"type": "json_object"}, {"type": "json_object"}),
        ("none", None, None),
    ],
)
def test_an_endpoint_is_asked_for_the_form_that_it_can_hold_to(held, chat, responses):
    by_chat = Endpoint("e", "http://host/v1", structured_output=held)
    assert request_body(by_chat, "m", [USER], response_format=SCHEMA).get("response_format") == chat
    by_responses = Endpoint("e", "http://host/v1", api="responses", structured_output=held)
    body = request_body(by_responses, "m", [USER], response_format=SCHEMA)
    assert body.get("text", {}).get("format") == responses


def test_the_dialect_is_part_of_a_calls_identity_and_takes_no_seed():
    by_chat, by_responses = (Endpoint("e", "http://host/v1", api=api) for api in ("chat", "responses"))
    assert "seed" in with_seed(by_chat, request_body(by_chat, "m", [USER]), 3)
    body = request_body(by_responses, "m", [USER])
    assert with_seed(by_responses, body, 3) == body
    ids = {model_call(endpoint, body, i).request_id for endpoint in (by_chat, by_responses) for i in (0, 1)}
    assert len(ids) == 4


def test_a_conversation_cannot_be_asked_as_a_decision():
    with pytest.raises(ConfigurationError, match="only a grader"):
        request_body(Endpoint("e", "http://host/v1", api="decisions"), "m", [USER])


@pytest.mark.parametrize("request_of", [chat_request, responses_request])
def test_a_damaged_log_is_asked_or_refused_and_breaks_nothing(request_of):
    draw = random.Random(11)
    junk = [
        None,
        True,
        -1,
        0.5,
        "",
        "text",
        "half \ud83d",
        [],
        {},
        [None],
        {"type": "message"},
        ["a"],
        {"a": 1},
    ]

    def damaged(value):
        if draw.random() < 0.03:
            return draw.choice(junk)
        if isinstance(value, dict):
            return {key: damaged(inner) for key, inner in value.items() if draw.random() > 0.02}
        if isinstance(value, list):
            return [damaged(inner) for inner in value]
        return value

    asked = refused = 0
    for _ in range(2000):
        messages, tools = damaged(CONVERSATION), damaged([TOOL])
        if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
            continue  # the lake's prefixes are lists of objects
        try:
            canonical_json(request_of("m", messages, tools))
            asked += 1
        except TrafficError:
            refused += 1
    assert asked > 100 and refused > 100

"""What a chat completion says, in the forms of servers old and new, and as real servers once sent it."""

from __future__ import annotations

import json

import pytest
import yaml

from depsim_dagster.errors import TrafficError
from depsim_dagster.replay.calls.exchange import reply_from
from depsim_dagster.replay.dialects.outcomes import read_completion
from depsim_dagster.replay.dialects.requests import chat_request


def completion(finish_reason: str | None = "stop", **message):
    return {"choices": [{"finish_reason": finish_reason, "message": {"role": "assistant", **message}}]}


def test_the_call_of_a_server_before_tool_calls_is_a_tool_call():
    function = {"name": "search", "arguments": '{"q":"x"}'}
    reading = read_completion(completion("function_call", content=None, function_call=function))
    assert (reading.status, reading.finish_reason) == ("ok", "function_call")
    assert json.loads(reading.completion)["tool_calls"] == [
        {"id": None, "type": "function", "function": function}
    ]
    broken = read_completion(completion("function_call", function_call={**function, "arguments": "{"}))
    assert (broken.status, broken.error_code) == ("malformed", "tool_call_arguments")
    assert read_completion(completion("function_call", function_call="search(x)")).status == "malformed"


@pytest.mark.parametrize("key", ["reasoning", "reasoning_content"])
def test_reasoning_is_kept_under_one_name(key):
    kept = json.loads(read_completion(completion(content="a", **{key: "because"})).completion)
    assert kept == {"role": "assistant", "content": "a", "reasoning": "because"}


def test_deeply_nested_calls_are_malformed_and_no_crash():
    deep = "x"
    for _ in range(5000):
        deep = [deep]
    reading = read_completion(completion(tool_calls=[{"function": {"name": "f", "arguments": deep}}]))
    assert (reading.status, reading.completion) == ("malformed", None)


@pytest.mark.parametrize("tools", ["[" * 20000 + "]" * 20000, "[", "3"])
def test_tools_that_are_no_list_are_refused(tools):
    with pytest.raises(TrafficError, match="`tools`"):
        chat_request("m", [{"role": "user", "content": "hi"}], tools=tools)


def test_real_completions_are_read(shared_data):
    lines = (shared_data / "log-formats" / "openai_batch_output.jsonl").read_text("utf-8").splitlines()
    payloads = [json.loads(line)["response"]["body"] for line in lines]
    recording = yaml.safe_load(
        (shared_data / "api-recordings" / "openai__test_chat_context_propagation.yaml").read_text("utf-8")
    )
    payloads += [json.loads(entry["response"]["body"]["string"]) for entry in recording["interactions"]]
    assert len(payloads) >= 3
    for payload in payloads:
        assert reply_from(200, payload).payload is payload
        reading = read_completion(payload)
        (choice,) = payload["choices"]
        assert reading.status == {"stop": "ok", "length": "truncated"}[choice["finish_reason"]]
        assert json.loads(reading.completion)["content"] == choice["message"]["content"]
        assert reading.completion_tokens == payload["usage"]["completion_tokens"]
        assert reading.served_model == payload["model"]

"""The Responses API of the sandbox, through the official client, and the same words as over chat."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import openai
import pytest
from openai.types.responses import Response

from depsim_dagster.replay.dialects.outcomes import read_completion
from depsim_dagster.replay.dialects.requests import chat_request
from depsim_dagster.replay.dialects.responses import read_response, responses_request

SUM = [{"role": "user", "content": "What is the result of 48 * 37?"}]
SEARCH = {
    "type": "function",
    "function": {
        "name": "browser_search",
        "description": "Search.",
        "parameters": {"type": "object", "properties": {"query": {"type": "string"}}},
    },
}
FLAT = {"type": "function", **SEARCH["function"], "strict": False}
CALL = {"id": "c1", "type": "function", "function": {"name": "browser_search", "arguments": '{"query":"x"}'}}


def conversations(rows):
    """Prefixes of real shape: the world's conversations up to each user turn."""
    for conversation in rows[sorted(rows)[0]][:60]:
        messages = conversation["messages"]
        tools = json.loads(conversation["tools"]) if conversation.get("tools") else None
        for end, message in enumerate(messages):
            if message["role"] == "user":
                yield messages[: end + 1], tools


def post(server, path, body):
    data = json.dumps(body).encode()
    request = urllib.request.Request(server.base_url + path, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_both_dialects_give_the_same_completion(server, rows):
    asked = statuses = 0
    shown = set()
    for messages, tools in conversations(rows):
        for limit in (None, 16):
            sampling = {"temperature": 1.0, "max_tokens": limit}
            _, by_chat = post(
                server, "/chat/completions", chat_request("sandbox-v3", messages, tools, sampling)
            )
            _, by_responses = post(
                server, "/responses", responses_request("sandbox-v3", messages, tools, sampling)
            )
            Response.model_validate(by_responses, strict=True)
            chat, responses = read_completion(by_chat), read_response(by_responses)
            expected, found = json.loads(chat.completion), json.loads(responses.completion)
            assert (found["content"] or "") == (expected["content"] or "")
            for key in ("reasoning", "tool_calls", "refusal"):
                assert found.get(key) == expected.get(key)
                shown |= {key} & set(found)
            assert responses.status == chat.status
            assert responses.completion_tokens == chat.completion_tokens
            asked += 1
            statuses += chat.status == "truncated"
    assert asked > 100 and statuses > 20
    assert shown == {"reasoning", "tool_calls"}


def test_the_official_client_goes_on_after_a_tool_call(server):
    with server.client() as client:
        calling = next(
            answer
            for i in range(40)
            for answer in [
                client.responses.create(model="sandbox-v3", input=f"{SUM[0]['content']} ({i})", tools=[FLAT])
            ]
            if any(item.type == "function_call" for item in answer.output)
        )
        call = next(item for item in calling.output if item.type == "function_call")
        history = [*SUM, *(item.model_dump(exclude_none=True) for item in calling.output)]
        history.append({"type": "function_call_output", "call_id": call.call_id, "output": "1776"})
        after = client.responses.create(model="sandbox-v3", input=history, tools=[FLAT], store=False)
    assert after.status == "completed" and after.output_text and after.store is False
    assert after.usage.total_tokens == after.usage.input_tokens + after.usage.output_tokens


def test_a_summary_of_the_reasoning_comes_where_it_is_asked_for(server):
    for i in range(60):
        body = {"model": "sandbox-v3", "input": f"What is the result of 48 * {i}?"}
        _, plain = post(server, "/responses", body)
        _, asked = post(server, "/responses", {**body, "reasoning": {"summary": "auto"}})
        if plain["output"][0]["type"] == "reasoning":
            break
    else:
        raise AssertionError("no reasoning in 60 answers")
    assert asked["output"][0]["summary"][0]["text"] == plain["output"][0]["content"][0]["text"]
    assert plain["output"][0]["summary"] == [] and asked["output"][0]["content"] is None
    assert json.loads(read_response(plain).completion) == json.loads(read_response(asked).completion)


def test_the_grader_answers_a_schema(server):
    schema = {
        "type": "object",
        "properties": {"fabricated_facts": {"type": "boolean"}},
        "required": ["fabricated_facts"],
        "additionalProperties": False,
    }
    transcript = {"prefix": SUM, "target_turn": [{"role": "assistant", "content": "It is 1776."}]}
    text = f'<transcript id="x">\n{json.dumps(transcript)}\n</transcript id="x">'
    form = {"type": "json_schema", "json_schema": {"name": "verdict", "strict": True, "schema": schema}}
    body = responses_request("sandbox-grader", [{"role": "user", "content": text}], response_format=form)
    status, answer = post(server, "/responses", body)
    assert status == 200
    assert set(json.loads(json.loads(read_response(answer).completion)["content"])) == {"fabricated_facts"}


@pytest.mark.parametrize(
    ("changes", "code", "param"),
    [
        ({"messages": SUM}, "unsupported_parameter", "messages"),
        ({"max_tokens": 20}, "unsupported_parameter", "max_tokens"),
        ({"response_format": {"type": "json_object"}}, "unsupported_parameter", "response_format"),
        ({"seed": 1}, "unknown_parameter", "seed"),
        ({"n": 2}, "unknown_parameter", "n"),
        ({"stream": True}, "unsupported_parameter", "stream"),
        ({"previous_response_id": "resp_1"}, "unsupported_parameter", "previous_response_id"),
        ({"max_output_tokens": 1}, "integer_below_min_value", "max_output_tokens"),
        ({"max_output_tokens": "20"}, "invalid_type", "max_output_tokens"),
        ({"model": None}, "missing_required_parameter", "model"),
        ({"model": "nobody"}, "model_not_found", "model"),
        ({"tools": [SEARCH]}, "missing_required_parameter", "tools[0]"),
        (
            {"tools": [{**FLAT, "strict": None, "parameters": None} | {"strict": True}]},
            "invalid_function_parameters",
            None,
        ),
        ({"tools": [{k: v for k, v in FLAT.items() if k != "strict"}]}, "invalid_function_parameters", None),
        ({"text": {"format": {"type": "json_schema"}}}, "missing_required_parameter", "text.format"),
        ({"input": []}, "invalid_type", "input"),
        ({"input": [{"role": "tool", "content": "x"}]}, "invalid_value", None),
        ({"input": [{"role": "assistant", "content": None}]}, "invalid_value", None),
        ({"input": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]}, "invalid_value", None),
        ({"input": [{"type": "function_call_output", "call_id": "c", "output": "x"}]}, None, "input"),
        ({"input": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}]}, None, None),
    ],
)
def test_what_the_published_api_refuses_is_refused(server, changes, code, param):
    status, answer = post(server, "/responses", {"model": "sandbox-v1", "input": "hello"} | changes)
    assert status in (400, 404)
    assert answer["error"]["code"] == code
    assert param is None or answer["error"]["param"] == param


def test_faults_meet_every_dialect(start, world_file):
    with start("--world", world_file, "--rate-429", "1", "--retry-after", "0.5") as running:
        for path in ("/chat/completions", "/responses", "/decisions"):
            status, answer = post(running, path, {"model": "sandbox-v1"})
            assert (status, answer["error"]["code"]) == (429, "rate_limit_exceeded")
        assert running.stats()["faults"] == {"429": 3}


def test_an_unknown_model_is_an_error_of_the_client(server):
    with server.client() as client, pytest.raises(openai.NotFoundError):
        client.responses.create(model="nobody", input="hello")

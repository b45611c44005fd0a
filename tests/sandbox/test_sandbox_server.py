"""Every endpoint of the server through the real openai client, over HTTP."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import openai
import pytest

from depsim_dagster.sandbox.phrasings import CATEGORIES
from depsim_dagster.sandbox.writing import target_turn

ASK = [{"role": "user", "content": "What goes well with ramen for dinner? There are 4 of us."}]
SUM = [{"role": "user", "content": "What is the result of 48 * 37?"}]
SEARCH = {"type": "function", "function": {"name": "browser_search", "description": "Search.", "parameters": {
    "type": "object", "properties": {"query": {"type": "string"}}}}}  # fmt: skip


@pytest.fixture(scope="module")
def client(server):
    with server.client() as client:
        yield client


def post_raw(server, data, path="/chat/completions"):
    request = urllib.request.Request(server.base_url + path, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_a_completion_is_the_planted_turn(client, world):
    for seed in range(20):
        answer = client.chat.completions.create(model="sandbox-v3", messages=SUM, tools=[SEARCH], seed=seed)
        (turn,) = target_turn(world, "sandbox-v3", "replay", SUM, [SEARCH], seed).messages
        message = answer.choices[0].message
        assert message.content == turn["content"]
        assert getattr(message, "reasoning_content", None) == turn.get("reasoning")
        assert [c.model_dump() for c in message.tool_calls or ()] == turn.get("tool_calls", [])
        assert answer.choices[0].finish_reason == ("tool_calls" if "tool_calls" in turn else "stop")
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.usage.completion_tokens > 0 and answer.usage.prompt_tokens > 3
    assert answer.system_fingerprint.startswith("fp_") and answer.model == "sandbox-v3"


def test_streaming_adds_up_to_the_whole(client):
    for seed in range(8):
        request = {"model": "sandbox-v3", "messages": SUM, "tools": [SEARCH], "seed": seed}
        whole = client.chat.completions.create(**request)
        chunks = list(
            client.chat.completions.create(**request, stream=True, stream_options={"include_usage": True})
        )
        deltas = [c.choices[0].delta for c in chunks if c.choices]
        message = whole.choices[0].message
        assert "".join(d.content or "" for d in deltas) == message.content
        assert "".join(getattr(d, "reasoning_content", None) or "" for d in deltas) == (
            getattr(message, "reasoning_content", None) or ""
        )
        calls = [c for d in deltas for c in d.tool_calls or ()]
        arguments = "".join(c.function.arguments or "" for c in calls)
        assert arguments == "".join(c.function.arguments for c in message.tool_calls or ())
        assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == whole.choices[0].finish_reason
        assert chunks[-1].usage == whole.usage and not chunks[-1].choices
        assert all(c.usage is None for c in chunks[:-1])


def test_streams_carry_no_usage_unless_asked(client):
    chunks = list(client.chat.completions.create(model="sandbox-v1", messages=ASK, stream=True))
    assert all(c.choices for c in chunks)


def test_async_calls_do_not_depend_on_order(server):
    async def ask(client, seed):
        answer = await client.chat.completions.create(model="sandbox-v2", messages=ASK, seed=seed)
        return answer.choices[0].message.content

    async def all_of(seeds):
        async with openai.AsyncOpenAI(base_url=server.base_url, api_key="x", max_retries=0) as client:
            return dict(zip(seeds, await asyncio.gather(*(ask(client, s) for s in seeds)), strict=True))

    forward, backward = asyncio.run(all_of(list(range(30)))), asyncio.run(all_of(list(range(29, -1, -1))))
    assert forward == backward
    assert len(set(forward.values())) > 20


def test_n_gives_different_choices(client):
    answer = client.chat.completions.create(model="sandbox-v1", messages=ASK, n=3, seed=1)
    assert [c.index for c in answer.choices] == [0, 1, 2]
    assert len({c.message.content for c in answer.choices}) == 3
    single = client.chat.completions.create(model="sandbox-v1", messages=ASK, seed=1)
    assert single.choices[0].message.content == answer.choices[0].message.content


@pytest.mark.parametrize("key", ["max_tokens", "max_completion_tokens"])
def test_a_token_limit_cuts_the_answer(client, key):
    whole = client.chat.completions.create(model="sandbox-v1", messages=ASK, seed=2)
    cut = client.chat.completions.create(model="sandbox-v1", messages=ASK, seed=2, **{key: 3})
    assert cut.choices[0].finish_reason == "length" and cut.usage.completion_tokens == 3
    assert whole.choices[0].message.content.startswith(cut.choices[0].message.content or "")


def test_the_grader_answers_a_schema(client):
    properties = {c: {"type": "boolean"} for c in CATEGORIES}
    schema = {
        "type": "object",
        "properties": properties,
        "required": list(CATEGORIES),
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "json_schema": {"name": "verdict", "strict": True, "schema": schema}}
    transcript = json.dumps(
        {"prefix": ASK, "target_turn": [{"role": "assistant", "content": "Good question."}]}
    )
    text = f'Judge.\n<transcript id="q">\n{transcript}\n</transcript id="q">'
    answer = client.chat.completions.create(
        model="sandbox-grader", messages=[{"role": "user", "content": text}], response_format=form
    )
    found = json.loads(answer.choices[0].message.content)
    assert list(found) == list(CATEGORIES) and set(found.values()) <= {True, False}


def test_models_are_listed_and_found(client):
    assert [m.id for m in client.models.list()] == [
        "sandbox-v1",
        "sandbox-v2",
        "sandbox-v3",
        "sandbox-v4",
        "sandbox-grader",
        "sandbox-embedder",
    ]
    assert client.models.retrieve("sandbox-v2").id == "sandbox-v2"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-0")


def test_an_unknown_model_is_not_found(client):
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="gpt-0", messages=ASK)
    assert caught.value.code == "model_not_found"


@pytest.mark.parametrize(
    "body",
    [
        {"messages": ASK},
        {"model": "sandbox-v1"},
        {"model": "sandbox-v1", "messages": []},
        {"model": "sandbox-v1", "messages": ["hi"]},
        {"model": "sandbox-v1", "messages": [{"role": "robot", "content": "secret words"}]},
        {"model": "sandbox-v1", "messages": [{"role": ["user"], "content": "secret words"}]},
        {"model": "sandbox-v1", "messages": [{"role": "user", "content": 3}]},
        {"model": "sandbox-v1", "messages": [*ASK, {"role": "tool", "content": "x", "tool_call_id": "c"}]},
        {
            "model": "sandbox-v1",
            "messages": [
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [{"id": "c", "function": {"name": "f"}}],
                },
                *ASK,
            ],
        },
        {
            "model": "sandbox-v1",
            "messages": ASK,
            "tools": [{"type": "function", "function": {"name": "browser.search"}}],
        },
        {
            "model": "sandbox-v1",
            "messages": [{"role": "tool", "content": "x", "tool_call_id": {"a": 1}}, *ASK],
        },
        {"model": "sandbox-v1", "messages": [{"role": "user", "content": ["secret words"]}]},
        {
            "model": "sandbox-v1",
            "messages": ASK,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "v", "schema": {"properties": []}},
            },
        },
        {"model": "sandbox-v1", "messages": ASK, "tools": {}},
        {"model": "sandbox-v1", "messages": ASK, "n": 0},
        {"model": "sandbox-v1", "messages": ASK, "max_tokens": "9"},
        {"model": "sandbox-v1", "messages": ASK, "seed": 1.5},
        {"model": "sandbox-v1", "messages": ASK, "response_format": {"type": "xml"}},
        {
            "model": "sandbox-v1",
            "messages": ASK,
            "response_format": {
                "type": "json_schema",
                "json_schema": {
                    "name": "v",
                    "strict": True,
                    "schema": {"type": "object", "properties": {"a": {"type": "boolean"}}},
                },
            },
        },
    ],
)
def test_a_malformed_request_is_refused_without_its_text(server, body):
    status, answer = post_raw(server, json.dumps(body).encode())
    assert status == 400
    assert set(answer["error"]) == {"message", "type", "param", "code"}
    assert answer["error"]["type"] == "invalid_request_error"
    assert "secret words" not in json.dumps(answer)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'"x"', b"\xff\xfe"])
def test_a_body_that_is_no_object_is_refused(server, data):
    assert post_raw(server, data)[0] == 400


def test_an_unknown_path_has_an_error_body(server):
    status, answer = post_raw(server, b"{}", "/moderations")
    assert status == 404 and answer["error"]["code"] == "unknown_url"


def test_a_wrong_key_is_refused(start):
    with start("--api-key-env", "SANDBOX_TEST_KEY", env={"SANDBOX_TEST_KEY": "right"}) as running:
        with running.client(api_key="right") as client:
            assert client.models.list().data
        with running.client(api_key="wrong") as client, pytest.raises(openai.AuthenticationError) as caught:
            client.chat.completions.create(model="sandbox-v1", messages=ASK)
        assert caught.value.code == "invalid_api_key"
        assert running.stats()["requests_by_status"] == {"200": 1, "401": 1}


def test_stats_count_by_model_and_status(start, world_file):
    with start("--world", world_file) as running, running.client() as client:
        for model in ("sandbox-v1", "sandbox-v1", "sandbox-v2"):
            client.chat.completions.create(model=model, messages=ASK)
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.create(model="none", messages=ASK)
        stats = running.stats()
    assert stats["completions_by_model"] == {"sandbox-v1": 2, "sandbox-v2": 1}
    assert stats["requests_by_status"] == {"200": 3, "404": 1} and stats["requests"] == 4


def test_it_listens_on_one_loopback_address_only(server):
    # A server bound to every address would answer on the rest of 127.0.0.0/8 too.
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.2", server.port), timeout=2)


def test_it_ends_with_its_parent():
    # The middle process starts a server and is killed without a chance to clean up.
    code = (
        "import subprocess, sys, time\n"
        "command = [sys.executable, '-m', 'depsim_dagster.sandbox', 'serve', '--exit-with-parent']\n"
        "p = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)\n"
        "print(p.stdout.readline().strip(), flush=True)\n"
        "sys.stdin.read()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    port = json.loads(parent.stdout.readline())["port"]
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        parent.send_signal(signal.SIGKILL)
        parent.wait(5)
        connection.settimeout(10)
        assert connection.recv(1) == b""  # the server closes its connections as it goes
    parent.stdin.close()
    assert parent.stdout.read() == ""
    parent.stdout.close()
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=2)


def test_it_ends_on_sigterm(start):
    with start() as running:
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(5) == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--world", "absent.json"], "absent.json"),
        (["--api-key-env", "SANDBOX_ABSENT_KEY"], "SANDBOX_ABSENT_KEY"),
        (["--rate-429", "0.7", "--rate-5xx", "0.7"], "more than 1"),
        (["--recorded", "absent.json"], "absent.json"),
    ],
)
def test_a_wrong_option_is_one_line_and_exit_2(options, words):
    command = [sys.executable, "-m", "depsim_dagster.sandbox", "serve", *options]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=20, env=dict(os.environ), stdin=subprocess.DEVNULL
    )
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and words in done.stderr

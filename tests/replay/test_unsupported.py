"""A key that a server does not take ends the run with one message, and not with a failed row per call."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from typing import Any

import pytest
from json_handler import JsonHandler

from depsim_dagster.errors import EndpointError
from depsim_dagster.replay.calls.endpoints import Endpoint, check_endpoint
from depsim_dagster.replay.calls.engine import complete_calls
from depsim_dagster.replay.dialects.apis import model_call, request_body
from depsim_dagster.replay.dialects.unsupported import unsupported_key

BODY = {
    "model": "m",
    "messages": [{"role": "user", "content": "private words"}],
    "temperature": 0.5,
    "max_completion_tokens": 9,
    "seed": 4,
    "response_format": {"type": "json_schema"},
    "reasoning_effort": "low",
    "tools": [],
}


@pytest.mark.parametrize(
    ("code", "param", "way_out"),
    [
        ("unsupported_parameter", "max_completion_tokens", "max_tokens_param of the endpoint to max_tokens"),
        ("unsupported_parameter", "seed", "`seed: false`"),
        ("unsupported_value", "temperature", "`temperature: null`"),
        ("invalid_request_error", "temperature", "`temperature: null`"),
        ("unsupported_parameter", "response_format", "`structured_output`"),
        ("unsupported_value", "response_format.type", "`structured_output`"),
        ("unknown_parameter", "reasoning_effort", "`parameters`"),
        ("integer_above_max_value", "max_completion_tokens", "change `max_tokens`"),
    ],
)
def test_a_key_that_every_call_has_comes_with_its_way_out(code, param, way_out):
    assert way_out in unsupported_key(400, code, param, BODY)


@pytest.mark.parametrize(
    ("status", "code", "param"),
    [
        (400, "unsupported_parameter", "private"),  # no key of ours: a word of the conversation, perhaps
        (400, "unsupported_parameter", "messages[0].name"),
        (400, "unsupported_value", "tools[0].type"),
        (400, "context_length_exceeded", "max_completion_tokens"),
        (400, "invalid_request_error", "max_completion_tokens"),  # may be the length of one prompt
        (400, "invalid_request_error", None),
        (400, "unsupported_value", None),
        (400, "unsupported_parameter", None),  # which of them?
        (500, "unsupported_parameter", "seed"),
    ],
)
def test_what_hangs_on_one_request_stops_no_run(status, code, param):
    assert unsupported_key(status, code, param, BODY) is None


def test_a_server_that_names_no_key_means_the_only_one():
    probe = {"model": "m", "messages": [], "max_completion_tokens": 1}
    assert "`max_completion_tokens`" in unsupported_key(400, "unsupported_parameter", None, probe)


class Picky(JsonHandler):
    """Refuses one key, as published, and lists no models."""

    refused: str
    asked: list[dict[str, Any]]

    def do_GET(self) -> None:
        self._say(404, {})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append(body)
        message = f"Unsupported parameter in: {json.dumps(body)}"  # servers quote prompts
        error = {"message": message, "type": "invalid_request_error", "param": self.refused, "code": None}
        if self.refused in body:
            error["code"] = "unsupported_parameter"
            return self._say(400, {"error": error})
        return self._say(200, {"choices": [{"message": {"content": "hello"}, "finish_reason": "stop"}]})


@pytest.fixture
def picky() -> Iterator[Any]:
    servers = []

    def start(refused: str) -> tuple[str, list[dict[str, Any]]]:
        handler = type("Handler", (Picky,), {"refused": refused, "asked": []})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}/v1", handler.asked

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_the_run_stops_at_the_first_answers_and_says_what_to_change(picky, journal):
    base_url, asked = picky("temperature")
    endpoint = Endpoint("local", base_url, max_in_flight=4, seed=False)
    bodies = (
        request_body(
            endpoint, "m", [{"role": "user", "content": f"private words {i}"}], sampling={"temperature": 0.5}
        )
        for i in range(500)
    )
    with pytest.raises(EndpointError, match="`temperature: null`") as caught:
        complete_calls(endpoint, (model_call(endpoint, body, 0) for body in bodies), journal)
    assert "private" not in str(caught.value)
    assert len(asked) < 20 and len(journal.known_ids()) < 20


def test_the_check_before_a_run_finds_the_name_of_the_token_limit(picky):
    base_url, asked = picky("max_completion_tokens")
    with pytest.raises(EndpointError, match="set max_tokens_param of the endpoint to max_tokens"):
        check_endpoint(Endpoint("local", base_url), ["m"])
    assert len(asked) == 1
    check_endpoint(Endpoint("local", base_url, max_tokens_param="max_tokens"), ["m"])

"""The Responses and Decisions dialects over HTTP: the path, the body that arrives, and what is asked again."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from typing import Any

import pytest
from json_handler import JsonHandler
from openai.types.decision_create_params import DecisionCreateParams
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming
from sdk_shapes import misfit

from depsim_dagster.replay.calls.endpoints import Endpoint, check_endpoint
from depsim_dagster.replay.calls.engine import complete_calls
from depsim_dagster.replay.dialects.apis import model_call, request_body, with_seed

TEXT = {"type": "output_text", "text": "an answer", "annotations": []}
ANSWER = {
    "object": "response",
    "status": "completed",
    "model": "served-2026",
    "output": [{"type": "message", "role": "assistant", "content": [TEXT]}],
    "usage": {"input_tokens": 7, "output_tokens": 3},
}


def failed(code: str) -> dict[str, Any]:
    error = {"code": code, "message": "private words"}
    return {"object": "response", "status": "failed", "error": error, "output": []}


PLANS = {
    "ok": [ANSWER],
    "failed once": [failed("server_error"), failed("rate_limit_exceeded"), ANSWER],
    "failed for good": [failed("server_error")],
    "rejected": [failed("invalid_prompt")],
    "unfinished": [{**ANSWER, "status": "in_progress"}, ANSWER],
}


class Planned(JsonHandler):
    """Answers by the plan that the user's text names; lists no models."""

    asked: list[tuple[str, dict[str, Any]]]
    seen: Counter[str]

    def do_GET(self) -> None:
        self._say(404, {})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append((self.path, body))
        text = body["input"][-1]["content"]
        plan = PLANS.get(text, [ANSWER])
        self.seen[text] += 1
        self._say(200, plan[min(self.seen[text], len(plan)) - 1])


@pytest.fixture
def planned() -> Iterator[Any]:
    handler = type("Handler", (Planned,), {"asked": [], "seen": Counter()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    handler.base_url = f"http://127.0.0.1:{server.server_port}/v1"
    yield handler
    server.shutdown()
    server.server_close()


def test_a_failed_response_is_asked_again_and_a_rejected_one_is_not(planned, journal):
    endpoint = Endpoint("local", planned.base_url, api="responses", max_attempts=3)
    calls = {}
    for text in PLANS:
        body = request_body(endpoint, "m", [{"role": "user", "content": text}], sampling={"max_tokens": 20})
        calls[model_call(endpoint, with_seed(endpoint, body, 1), 0).request_id] = (text, body)
    made = (model_call(endpoint, body, 0) for _, body in calls.values())
    statistics = complete_calls(endpoint, made, journal)
    assert statistics.sent == len(PLANS)
    outcomes = {
        calls[row["request_id"]][0]: (row["status"], row["error_code"], row["attempts"])
        for batch in journal.outcomes()
        for row in batch.to_pylist()
    }
    assert outcomes == {
        "ok": ("ok", None, 1),
        "failed once": ("ok", None, 3),
        "failed for good": ("failed", "server_error", 3),
        "rejected": ("filtered", "invalid_prompt", 1),
        "unfinished": ("ok", None, 2),
    }
    for path, body in planned.asked:
        assert path == "/v1/responses" and body["store"] is False and "seed" not in body
        assert misfit(body, ResponseCreateParamsNonStreaming) is None


@pytest.mark.parametrize(
    ("api", "shape"),
    [("responses", ResponseCreateParamsNonStreaming), ("decisions", DecisionCreateParams)],
)
def test_the_check_before_a_run_asks_in_the_endpoints_dialect(planned, api, shape):
    check_endpoint(Endpoint("local", planned.base_url, api=api), ["m"])
    ((path, body),) = planned.asked
    assert path == f"/v1/{api}" and misfit(body, shape) is None
    assert body.get("max_output_tokens") == (16 if api == "responses" else None)

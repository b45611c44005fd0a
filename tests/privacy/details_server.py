"""A chat server that answers detection requests as a test plans them, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# The text that is asked about, and the request's body, in; the answer's content, or (HTTP status, JSON body), out.
Plan = Callable[[str, dict[str, Any]], Any]


def details(**quotes: str) -> str:
    """An answer of the schema: type → quote."""
    return json.dumps({"details": [{"type": type_, "quote": quote} for type_, quote in quotes.items()]})


def asked_text(body: dict[str, Any]) -> str:
    """The text in a request."""
    block = body["messages"][-1]["content"].split("\n")
    return json.loads(block[-2])["text"]


class DetailsServer:
    def __init__(self, plan: Plan):
        self.plan = plan
        self.bodies: list[dict[str, Any]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                server.bodies.append(body)
                answer = server.plan(asked_text(body), body)
                status, reply = answer if isinstance(answer, tuple) else (200, _completion(answer))
                payload = json.dumps(reply).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.base_url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()


def _completion(content: str) -> dict[str, Any]:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}
    return {"object": "chat.completion", "model": "m", "choices": [choice], "usage": {}}

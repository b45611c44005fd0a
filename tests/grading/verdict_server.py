"""A chat server that answers grading requests as a test plans them, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Plan = Callable[[dict[str, Any]], Any]


def verdict(body: dict[str, Any], **flagged: bool) -> str:
    """A verdict of the request's own schema; what is not named is false."""
    names = body["response_format"]["json_schema"]["schema"]["required"]
    return json.dumps({name: flagged.get(name, False) for name in names})


class VerdictServer:
    """`plan` turns a request body into the answer's content, or into (HTTP status, JSON body); `dumped` changes its JSON."""

    def __init__(self, plan: Plan = verdict) -> None:
        self.plan = plan
        self.dumped: Callable[[str], str] = str
        self.bodies: list[dict[str, Any]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                server.bodies.append(body)
                answer = server.plan(body)
                status, reply = answer if isinstance(answer, tuple) else (200, _completion(answer))
                payload = server.dumped(json.dumps(reply)).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def log_message(self, *_: object) -> None:
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.base_url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # with the default of 5, connections that come at once wait for a second or more


def _completion(content: Any) -> dict[str, Any]:
    message = content if isinstance(content, dict) else {"content": content}
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", **message}}
    return {"object": "chat.completion", "model": "grader", "choices": [choice], "usage": {}}

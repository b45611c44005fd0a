"""A chat server whose every answer is planned by the request: the last message holds a plan such as
`[429:0.2 500 ok] anything`, one action per attempt, the last one repeated. It counts what arrives."""

from __future__ import annotations

import asyncio
import json
import threading
import zlib
from collections import Counter
from typing import Any

from aiohttp import web

KEY = "sk-correct-horse"


def completion(
    content: Any = "an answer", finish_reason: str | None = "stop", **message: Any
) -> dict[str, Any]:
    return {
        "id": "c1",
        "object": "chat.completion",
        "model": "served-2026",
        "choices": [
            {
                "index": 0,
                "finish_reason": finish_reason,
                "message": {"role": "assistant", "content": content, **message},
            }
        ],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
    }


def tool_call(arguments: Any, name: str = "search") -> list[dict[str, Any]]:
    return [{"id": "t1", "type": "function", "function": {"name": name, "arguments": arguments}}]


BODIES: dict[str, Any] = {
    "ok": completion(),
    "parts": completion([{"type": "text", "text": "an "}, {"type": "text", "text": "answer"}]),
    "reasoning": completion(reasoning_content="because"),
    "reasoning2": completion(reasoning="because"),
    "empty": completion(""),
    "blank": completion(" \n"),
    "null": completion(None),
    "length": completion("cut of", "length"),
    "length_badargs": completion(None, "length", tool_calls=tool_call('{"q": "x')),
    "filter": completion("", "content_filter"),
    "refusal": completion(None, refusal="I cannot help with that."),
    "tool": completion(None, "tool_calls", tool_calls=tool_call('{"q":"x"}')),
    "tool_dict": completion(None, "tool_calls", tool_calls=tool_call({"q": "x"})),
    "tool_blank": completion(None, "tool_calls", tool_calls=tool_call("")),
    "badargs": completion(None, "tool_calls", tool_calls=tool_call('{"q": "x')),
    "listargs": completion(None, "tool_calls", tool_calls=tool_call("[1]")),
    "toolstring": completion(None, "tool_calls", tool_calls="search(x)"),
    "number": completion(12),
    "surrogate": completion("half an emoji \ud83d"),
    "nochoices": {"object": "chat.completion", "choices": []},
    "nomessage": {"choices": [{"index": 0, "finish_reason": "stop"}]},
    "list": [1, 2],
    "jsonnull": None,
    "upstream": {"error": {"code": 502, "message": "upstream"}},
}
ERRORS: dict[str, tuple[int, dict[str, Any]]] = {
    "400": (400, {"error": {"code": "context_length_exceeded", "type": "invalid_request_error"}}),
    "400filter": (400, {"error": {"code": "content_filter", "type": "invalid_request_error"}}),
    "401": (401, {"error": {"code": "invalid_api_key"}}),
    "403": (403, {"error": {"code": "forbidden"}}),
    "404model": (404, {"error": {"code": "model_not_found"}}),
    "404bare": (404, {"detail": "Not Found"}),
    "404recording": (404, {"error": {"code": "recording_not_found"}}),
    "422": (422, {"detail": [{"msg": "field required"}]}),
    "quota": (429, {"error": {"code": "insufficient_quota"}}),
}


class FaultServer:
    """Serves on loopback in its own thread. `hits` counts requests per last message, `most_at_once`
    concurrency."""

    def __init__(self) -> None:
        self.hits: Counter[str] = Counter()
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.arrivals: dict[str, list[float]] = {}
        self.models: set[str] | None = {"m"}
        self.served: set[str] = {"m"}
        self.models_status = 200
        self.key: str | None = None
        self.latency_s = 0.0
        self.busy = 0  # so many requests are answered 429 first
        self.in_flight = self.most_at_once = 0
        self._changed = threading.Condition()
        self._loop = asyncio.new_event_loop()
        started = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(started,), daemon=True)
        self._thread.start()
        assert started.wait(10)

    @property
    def requests(self) -> int:
        return sum(self.hits.values())

    def wait_for(self, requests: int, timeout: float = 20.0) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.requests >= requests, timeout), (
                f"{self.requests} requests came"
            )

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def _serve(self, started: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._main(started))
        self._loop.close()

    async def _main(self, started: threading.Event) -> None:
        self._stop = asyncio.Event()
        app = web.Application(client_max_size=2**26)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/moved/chat/completions", self._moved)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        started.set()
        await self._stop.wait()
        await runner.cleanup()

    def _refusal(self, request: web.Request) -> web.Response | None:
        if self.key is not None and request.headers.get("Authorization") != f"Bearer {self.key}":
            return web.json_response({"error": {"code": "invalid_api_key"}}, status=401)
        return None

    async def _moved(self, request: web.Request) -> web.Response:
        raise web.HTTPTemporaryRedirect(self.base_url + "/chat/completions")

    async def _models(self, request: web.Request) -> web.Response:
        if refusal := self._refusal(request):
            return refusal
        if self.models_status != 200:
            return web.json_response({"detail": "no such page"}, status=self.models_status)
        return web.json_response({"object": "list", "data": [{"id": name} for name in sorted(self.models)]})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        body = json.loads(raw)
        text = body["messages"][-1]["content"]
        with self._changed:
            attempt = self.hits[text]
            self.hits[text] += 1
            self.bodies.append(raw)
            self.headers.append(dict(request.headers))
            self.arrivals.setdefault(text, []).append(self._loop.time())
            self._changed.notify_all()
        if refusal := self._refusal(request):
            return refusal
        if self.busy > 0:
            self.busy -= 1
            return web.json_response({"error": {}}, status=429, headers={"Retry-After": "0.05"})
        if body["model"] not in self.served:
            return web.json_response({"error": {"code": "model_not_found", "message": text}}, status=404)
        self.in_flight += 1
        self.most_at_once = max(self.most_at_once, self.in_flight)
        try:
            if self.latency_s:
                await asyncio.sleep(self.latency_s)
            plan = text[1 : text.index("]")].split() if text.startswith("[") else ["ok"]
            return await self._act(request, plan[min(attempt, len(plan) - 1)], text)
        finally:
            self.in_flight -= 1

    async def _act(self, request: web.Request, action: str, text: str) -> web.StreamResponse:
        name, _, argument = action.partition(":")
        if action in BODIES:
            return web.json_response(BODIES[action])
        if action in ERRORS:
            status, error = ERRORS[action]
            if "error" in error:  # a server that quotes the prompt in its message
                error = {"error": {**error["error"], "message": f"cannot answer: {text}"}}
            return web.json_response(error, status=status)
        if action == "400sentence":
            return web.json_response({"error": {"code": f"bad prompt: {text}", "type": text}}, status=400)
        if name == "429":
            headers = {"Retry-After": argument} if argument else {}
            return web.json_response({"error": {"code": "rate_limit_exceeded"}}, status=429, headers=headers)
        if action == "500":
            return web.Response(status=500, text=f"boom: {text}")
        if action == "reset":
            request.transport.abort()
            return web.Response()
        if action == "stall":
            await self._stop.wait()
            return web.Response(status=503)
        if action == "drip":
            response = web.StreamResponse(headers={"Content-Type": "application/json"})
            await response.prepare(request)
            while not self._stop.is_set():
                await response.write(b" ")
                await asyncio.sleep(0.05)
            return response
        if name == "endless":  # 16 KiB at a time, with the status that is asked for, plain or compressed
            compressed = zlib.compress(b" " * 2**24)
            headers = {"Content-Encoding": "deflate", "Content-Length": str(len(compressed))}
            response = web.StreamResponse(status=int(argument or 200), headers=None if argument else headers)
            await response.prepare(request)
            while argument and not self._stop.is_set():
                await response.write(b" " * 2**14)
            await response.write(compressed)
            return response
        if action == "utf16":
            return web.Response(status=500, body=b"{}\n", content_type="text/plain", charset="utf-16")
        if action == "left0":
            left = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "999999h"}
            return web.json_response(BODIES["ok"], headers=left)
        if action == "cutjson":
            return web.Response(body=json.dumps(completion()).encode()[:40], content_type="application/json")
        if action == "cutbody":
            response = web.StreamResponse(
                headers={"Content-Type": "application/json", "Content-Length": "5000"}
            )
            await response.prepare(request)
            await response.write(b'{"choices": [')
            request.transport.close()
            return response
        if action == "html":
            return web.Response(text="<html>log in</html>", content_type="text/html")
        raise AssertionError(f"no such action: {action}")

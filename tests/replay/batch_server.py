"""A real server of Files and Batches whose lines are answered by their own plan (`[500 ok] anything`, as fault_server's),
which counts what it is asked for and can stop dead at any request, before or after it obeyed it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

from aiohttp import web
from fault_server import BODIES, ERRORS, completion

from depsim_dagster.sandbox.batch_faults import BatchFaults, Fate
from depsim_dagster.sandbox.batches import BatchRunner
from depsim_dagster.sandbox.file_store import FileStore
from depsim_dagster.sandbox.wire import RequestRefused

UPLOAD, CREATE, RETRIEVE, CONTENT, DELETE, CANCEL = (
    "upload",
    "create",
    "retrieve",
    "content",
    "delete",
    "cancel",
)
LIST_FILES, LIST_BATCHES = "list files", "list batches"
STEPS = {
    ("POST", "/v1/files"): UPLOAD,
    ("GET", "/v1/files"): LIST_FILES,
    ("GET", "/v1/files/{id}/content"): CONTENT,
    ("DELETE", "/v1/files/{id}"): DELETE,
    ("POST", "/v1/batches"): CREATE,
    ("GET", "/v1/batches"): LIST_BATCHES,
    ("GET", "/v1/batches/{id}"): RETRIEVE,
    ("POST", "/v1/batches/{id}/cancel"): CANCEL,
}


class BatchServer:
    """Serves on loopback in its own thread; `seen` holds the steps in their order."""

    def __init__(self, *fates: str, delay: float = 0.0, **faults: Any) -> None:
        self.seen: list[str] = []
        self.hits: Counter[str] = Counter()
        self.created: list[dict[str, Any]] = []
        self.uploads: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.key: str | None = None
        self.lists = True
        self.plans: dict[str, list[str]] = {}  # step → what happens at the first requests of it
        self.spoil: Callable[[bytes], bytes] = lambda content: content
        self.hold: tuple[str, int, bool] | None = None  # at which request of a step, and whether it is obeyed
        self.after: dict[str, Callable[[], None]] = {}  # step → what happens once, behind its result
        self.held = threading.Event()
        self.files = FileStore()
        self.runner = BatchRunner(
            self.files, self._answer, delay, BatchFaults(fates=tuple(map(Fate.parse, fates)), **faults)
        )
        self.delay = delay
        self._loop = asyncio.new_event_loop()
        started = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(started,), daemon=True)
        self._thread.start()
        assert started.wait(10)

    def close(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(10)

    def let_go(self) -> None:
        """Stop holding requests; the one that is held is never answered."""
        self.hold = None
        self.held.clear()

    @property
    def run_lines(self) -> Counter[str]:
        """custom_id → how often it was run to an answer, which is what costs."""
        return self.runner.answers

    def file_contents(self) -> list[bytes]:
        """Everything that is stored."""
        return [self.files.content(info["id"]) for info in self.files.list({})["data"]]

    def _serve(self, started: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._main(started))
        self._loop.close()

    async def _main(self, started: threading.Event) -> None:
        self._stop = asyncio.Event()
        app = web.Application(client_max_size=2**28)
        for (method, path), step in STEPS.items():
            app.router.add_route(method, path, self._handler(step))
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        started.set()
        await self._stop.wait()
        await self.runner.close()
        await runner.cleanup()

    def _handler(self, step: str) -> Any:
        async def handle(request: web.Request) -> web.StreamResponse:
            raw = await request.post() if step == UPLOAD else await request.read()
            self.seen.append(step)
            self.headers.append(dict(request.headers))
            here, hold = (step, self.seen.count(step)), self.hold
            if hold == (*here, False):
                await self._silence()
            try:
                response = await self._obey(request, step, raw)
            except RequestRefused as refusal:
                response = web.json_response(refusal.body, status=refusal.status)
            if hold == (*here, True):
                await self._silence()
            return response

        return handle

    async def _silence(self) -> None:
        self.held.set()
        await self._stop.wait()
        raise web.HTTPServiceUnavailable

    async def _obey(self, request: web.Request, step: str, raw: Any) -> web.StreamResponse:
        if self.key is not None and request.headers.get("Authorization") != f"Bearer {self.key}":
            raise RequestRefused(401, "Incorrect API key provided.", "invalid_api_key")
        action = self.plans[step].pop(0) if self.plans.get(step) else "ok"
        if action.isdigit():
            return web.json_response({"error": {"message": "planned"}}, status=int(action))
        if action == "code":
            raise RequestRefused(400, "planned", self.plans[step].pop(0))
        if not self.lists and step in (LIST_FILES, LIST_BATCHES):
            raise RequestRefused(404, "Invalid URL", "unknown_url")
        body = await self._result(request, step, raw)
        if step in self.after:
            self.after.pop(step)()
        if action == "cut":
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            response = web.StreamResponse(headers={"Content-Length": str(len(content))})
            await response.prepare(request)
            await response.write(content[: len(content) // 2])
            request.transport.close()
            return response
        if action == "lost":  # obeyed, and nobody hears of it
            request.transport.abort()
        if isinstance(body, bytes):
            return web.Response(body=body)
        return web.json_response(body)

    async def _result(self, request: web.Request, step: str, raw: Any) -> Any:
        if step == UPLOAD:
            content = raw["file"].file.read()
            self.uploads.append(content)
            return self.files.add(content, raw["file"].filename, raw["purpose"])
        if step == LIST_FILES:
            return self.files.list(request.query)
        if step == CREATE:
            self.created.append(json.loads(raw))
            return self.runner.create(self.created[-1])
        if step == LIST_BATCHES:
            return self.runner.list(request.query)
        number = request.match_info["id"]
        if step == CONTENT:
            content = self.files.content(number)
            return self.spoil(content) if self.files.info(number)["purpose"] == "batch_output" else content
        return {DELETE: self.files.delete, RETRIEVE: self.runner.get, CANCEL: self.runner.cancel}[step](
            number
        )

    def _answer(self, url: str, body: dict[str, Any]) -> tuple[int, Any]:
        text = body["messages"][-1]["content"]
        attempt = self.hits[text]
        self.hits[text] += 1
        plan = text[1 : text.index("]")].split() if text.startswith("[") else ["ok"]
        action = plan[min(attempt, len(plan) - 1)]
        if action in BODIES:
            return 200, BODIES[action]
        if action in ERRORS:
            return ERRORS[action]
        if action == "unsupported":
            return 400, {"error": {"code": "unsupported_parameter", "param": "temperature", "message": text}}
        if action == "echo":
            return 200, completion(text)
        return int(action), {"error": {"message": f"cannot answer {text}"}}

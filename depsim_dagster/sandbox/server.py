"""The OpenAI-compatible server on loopback: chat, responses, decisions, models, files, batches, planted faults, counters.

One process, one event loop; it binds 127.0.0.1 only. It is a test double: in-memory, no TLS, one key at most.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import hmac
import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from depsim_dagster.sandbox.answers import MODEL_PATHS, answer
from depsim_dagster.sandbox.batch_faults import BatchFaults
from depsim_dagster.sandbox.batches import BatchRunner
from depsim_dagster.sandbox.delivery import Delivery, drop
from depsim_dagster.sandbox.faults import Faults, FaultSchedule
from depsim_dagster.sandbox.file_store import FileStore
from depsim_dagster.sandbox.players import Cast
from depsim_dagster.sandbox.wire import RequestRefused, parse_body, stream_events

_HOST = "127.0.0.1"
_MOST_BYTES = 256 * 2**20
_CREATED = 1767571200  # models' `created`: a fixed moment, so that listings compare equal
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _json(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        body=json.dumps(body).encode(), status=status, content_type="application/json", headers=headers
    )


class SandboxServer:
    """The application and its state. `app` can be served by any aiohttp runner."""

    def __init__(
        self,
        cast: Cast,
        faults: Faults | None = None,
        api_key: str | None = None,
        batch_delay: float = 0.0,
        batch_faults: BatchFaults | None = None,
    ) -> None:
        self._cast = cast
        self._faults = faults or Faults()
        self._schedule = FaultSchedule(self._faults)
        self._authorization = None if api_key is None else f"Bearer {api_key}".encode()
        self._models: Counter[str] = Counter()
        self._statuses: Counter[str] = Counter()
        self._delivery = Delivery(self._faults, self._schedule)
        self._lines = 0
        self._files = FileStore()
        self._batches = BatchRunner(self._files, self.answer_request, batch_delay, batch_faults)
        self.app = web.Application(client_max_size=_MOST_BYTES)
        routes: list[tuple[str, str, Handler]] = [
            *(("POST", path, self._ask) for path in MODEL_PATHS),
            ("GET", "/v1/models", self._list_models),
            ("GET", "/v1/models/{id:.+}", self._get_model),
            ("POST", "/v1/files", self._upload),
            ("GET", "/v1/files", self._list_files),
            ("GET", "/v1/files/{id}", self._get_file),
            ("GET", "/v1/files/{id}/content", self._file_content),
            ("DELETE", "/v1/files/{id}", self._delete_file),
            ("POST", "/v1/batches", self._create_batch),
            ("GET", "/v1/batches", self._list_batches),
            ("GET", "/v1/batches/{id}", self._get_batch),
            ("POST", "/v1/batches/{id}/cancel", self._cancel_batch),
            ("*", "/v1/{tail:.*}", self._unknown),
        ]
        for method, path, handler in routes:
            self.app.router.add_route(method, path, self._guarded(handler))
        self.app.router.add_get("/sandbox/stats", self._stats)
        self.app.router.add_get("/sandbox/batches", self._batch_stats)
        self.app.on_shutdown.append(self._close)

    def _guarded(self, handler: Handler) -> Handler:
        """The handler behind the key check, with refusals as OpenAI error bodies and every status counted."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            try:
                self._authorize(request)
                response = await handler(request)
            except RequestRefused as refusal:
                response = _json(refusal.body, refusal.status)
            except web.HTTPRequestEntityTooLarge:
                response = _json(RequestRefused(413, "The request body is too large.").body, 413)
            except (ConnectionError, web.HTTPException):
                raise
            except Exception as error:
                refusal = _failure(error)
                response = _json(refusal.body, refusal.status)
            self._statuses[str(response.status)] += 1
            return response

        return guarded

    def _authorize(self, request: web.Request) -> None:
        if self._authorization is not None:
            given = request.headers.get("Authorization", "").encode("utf-8", "replace")
            if not hmac.compare_digest(given, self._authorization):
                raise RequestRefused(401, "Incorrect API key provided.", "invalid_api_key")

    async def _ask(self, request: web.Request) -> web.StreamResponse:
        """Every model call, in whatever dialect, through the same faults."""
        raw = await request.read()
        with self._delivery.limits.admitted() as admitted:
            if not admitted:
                return self._delivery.too_many()
            refusal, fault = await self._delivery.meet(request, raw)
            if refusal is not None:
                return refusal
            body = parse_body(raw)
            whole = answer(self._cast, request.path, body)
            self._models[body["model"]] += 1
            if body.get("stream"):
                return await self._stream(request, body, whole, fault is not None)
            return await self._delivery.send(request, raw, whole, fault)

    async def _stream(
        self, request: web.Request, body: dict[str, Any], whole: dict[str, Any], cut: bool
    ) -> web.StreamResponse:
        options = body.get("stream_options")
        events = list(stream_events(whole, bool(isinstance(options, dict) and options.get("include_usage"))))
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache"}
        )
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            for event in events[: len(events) // 2] if cut else events:
                await response.write(event)
            if cut:
                drop(request)
            else:
                await response.write_eof()
        return response

    def answer_request(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """(status, response body) for one line of a batch; `path` as in the line's url."""
        self._lines += 1
        try:
            if self._schedule.next(json.dumps(body).encode()) == "5xx":
                raise RequestRefused(500, "The server had an error while processing your request.")
            if body.get("stream"):
                raise RequestRefused(400, "Streaming is not supported in a batch.", "invalid_value", "stream")
            whole = answer(self._cast, path, body)
        except RequestRefused as refusal:
            return refusal.status, refusal.body
        except Exception as error:
            refusal = _failure(error)
            return refusal.status, refusal.body
        self._models[body["model"]] += 1
        return 200, whole

    def _model(self, model: str) -> dict[str, Any]:
        return {"id": model, "object": "model", "created": _CREATED, "owned_by": "depsim-sandbox"}

    async def _list_models(self, request: web.Request) -> web.Response:
        return _json({"object": "list", "data": [self._model(model) for model in self._cast.models]})

    async def _get_model(self, request: web.Request) -> web.Response:
        model = request.match_info["id"]
        self._cast.player(model)
        return _json(self._model(model))

    async def _upload(self, request: web.Request) -> web.Response:
        if request.content_type != "multipart/form-data":
            raise RequestRefused(400, "Expected multipart/form-data.", "invalid_value")
        try:
            form = await request.post()
        except ValueError:
            raise RequestRefused(400, "The multipart body cannot be read.", "invalid_value") from None
        upload, purpose = form.get("file"), form.get("purpose")
        if not isinstance(upload, web.FileField) or not isinstance(purpose, str) or not purpose:
            raise RequestRefused(
                400, "'file' and 'purpose' are required.", "missing_required_parameter", "file"
            )
        return _json(self._files.add(upload.file.read(), upload.filename, purpose))

    async def _list_files(self, request: web.Request) -> web.Response:
        return _json(self._files.list(request.query))

    async def _get_file(self, request: web.Request) -> web.Response:
        return _json(self._files.info(request.match_info["id"]))

    async def _file_content(self, request: web.Request) -> web.Response:
        return web.Response(
            body=self._files.content(request.match_info["id"]), content_type="application/octet-stream"
        )

    async def _delete_file(self, request: web.Request) -> web.Response:
        return _json(self._files.delete(request.match_info["id"]))

    async def _create_batch(self, request: web.Request) -> web.Response:
        return _json(self._batches.create(parse_body(await request.read())))

    async def _list_batches(self, request: web.Request) -> web.Response:
        return _json(self._batches.list(request.query))

    async def _get_batch(self, request: web.Request) -> web.Response:
        return _json(self._batches.get(request.match_info["id"]))

    async def _cancel_batch(self, request: web.Request) -> web.Response:
        return _json(self._batches.cancel(request.match_info["id"]))

    async def _unknown(self, request: web.Request) -> web.Response:
        raise RequestRefused(404, f"Invalid URL ({request.method} {request.path[:80]})", "unknown_url")

    async def _stats(self, request: web.Request) -> web.Response:
        return _json(
            {
                "requests": self._statuses.total(),
                "completions_by_model": dict(self._models),
                "requests_by_status": dict(self._statuses),
                "faults": self._delivery.faults_met,
                **self._delivery.statistics(),
                "batch_lines": self._lines,
            }
        )

    async def _batch_stats(self, request: web.Request) -> web.Response:
        return _json(self._batches.statistics())

    async def _close(self, app: web.Application) -> None:
        await self._batches.close()


def _failure(error: Exception) -> RequestRefused:
    """A defect as a client sees it: the published shape, and no traceback that could quote the request."""
    return RequestRefused(500, f"The sandbox server failed ({type(error).__name__}).")


async def serve(server: SandboxServer, port: int = 0, exit_with_parent: bool = False) -> None:
    """Serve until SIGTERM, SIGINT or, with `exit_with_parent`, the end of stdin. One JSON line says ready."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    runner = web.AppRunner(server.app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, _HOST, port, backlog=1024)
        await site.start()
        bound = runner.addresses[0][1]
        if exit_with_parent:
            threading.Thread(target=_watch_stdin, args=(loop, stop), daemon=True).start()
        gc.freeze()  # phrasebook and recordings never die: keep the collector from walking them
        print(json.dumps({"port": bound, "base_url": f"http://{_HOST}:{bound}/v1"}), flush=True)
        await stop.wait()
    finally:
        await runner.cleanup()


def _watch_stdin(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """Set `stop` at the end of stdin: the kernel closes the pipe when the parent dies, however it dies."""
    with contextlib.suppress(OSError, ValueError):
        while os.read(0, 4096):
            pass
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(stop.set)

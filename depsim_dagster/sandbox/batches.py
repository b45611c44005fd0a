"""Batches of the OpenAI-compatible server, kept in memory.

A batch runs in the background of the server's event loop; its lines pass the same validation and players as
live requests. How often each line was run is counted, so that a client that pays twice is found out.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from depsim_dagster.sandbox.batch_faults import (
    CANCELLED,
    COMPLETED,
    EXPIRED,
    TOKEN_LIMIT,
    WHOLE,
    BatchFaults,
    Fate,
)
from depsim_dagster.sandbox.faults import Faults, FaultSchedule
from depsim_dagster.sandbox.file_store import FileStore, page
from depsim_dagster.sandbox.wire import RequestRefused

_ENDPOINTS = ("/v1/chat/completions", "/v1/responses")
_MOST_LINES = 50_000
_DAY = 86400
_FINISHED = ("completed", "failed", "cancelled", "expired")


class BatchRunner:
    """Creates, runs and cancels batches. `answer` maps a line's url and body to (status, response body).

    `delay` is the time in seconds that a batch spends in each of `validating` and `in_progress` before its
    lines run. `executions` counts the lines that were run by custom_id, `answers` those that got a 200.
    """

    def __init__(
        self,
        files: FileStore,
        answer: Callable[[str, dict[str, Any]], tuple[int, dict[str, Any]]],
        delay: float = 0.0,
        faults: BatchFaults | None = None,
    ):
        self._files = files
        self._answer = answer
        self._delay = delay
        self._faults = faults or BatchFaults()
        self._schedule = FaultSchedule(
            Faults(self._faults.seed, rate_429=self._faults.rate_429, rate_5xx=self._faults.rate_5xx)
        )
        self.executions: Counter[str] = Counter()
        self.answers: Counter[str] = Counter()
        self._queued: Counter[str] = Counter()
        self._batches: dict[str, dict[str, Any]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def create(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Start a batch. Raises RequestRefused for an unknown file, endpoint or window."""
        if body.get("endpoint") not in _ENDPOINTS:
            raise RequestRefused(
                400, f"'endpoint' must be one of {', '.join(_ENDPOINTS)}.", "invalid_value", "endpoint"
            )
        if body.get("completion_window") != "24h":
            raise RequestRefused(
                400, "'completion_window' must be 24h.", "invalid_value", "completion_window"
            )
        file_id = str(body.get("input_file_id"))
        if self._files.info(file_id)["purpose"] != "batch":
            raise RequestRefused(
                400, "The input file's purpose is not 'batch'.", "invalid_value", "input_file_id"
            )
        now = int(time.time())
        batch: dict[str, Any] = {
            "id": f"batch_{uuid.uuid4().hex[:24]}",
            "object": "batch",
            "endpoint": body["endpoint"],
            "errors": None,
            "input_file_id": file_id,
            "completion_window": "24h",
            "status": "validating",
            "output_file_id": None,
            "error_file_id": None,
            "created_at": now,
            "in_progress_at": None,
            "expires_at": now + _DAY,
            "finalizing_at": None,
            "completed_at": None,
            "failed_at": None,
            "expired_at": None,
            "cancelling_at": None,
            "cancelled_at": None,
            "request_counts": {"total": 0, "completed": 0, "failed": 0},
            "metadata": body.get("metadata"),
        }
        created = len(self._batches)
        fate = self._faults.fates[created] if created < len(self._faults.fates) else Fate()
        self._batches[batch["id"]] = batch
        task = asyncio.get_running_loop().create_task(self._run(batch, self._files.content(file_id), fate))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return batch

    def get(self, batch_id: str) -> dict[str, Any]:
        """The batch object."""
        try:
            return self._batches[batch_id]
        except KeyError:
            raise RequestRefused(
                404, f"No batch found with id '{batch_id[:64]}'.", None, "batch_id"
            ) from None

    def cancel(self, batch_id: str) -> dict[str, Any]:
        """Ask a batch to stop; finished lines keep their output."""
        batch = self.get(batch_id)
        if batch["status"] in _FINISHED:
            raise RequestRefused(
                409, f"Cannot cancel a batch with status '{batch['status']}'.", None, "batch_id"
            )
        _move(batch, "cancelling")
        return batch

    def list(self, query: Mapping[str, str]) -> dict[str, Any]:
        """A page of batches, newest first."""
        return page(list(self._batches.values())[::-1], query, 20)

    def statistics(self) -> dict[str, Any]:
        """What was done so far, without text."""
        statuses = Counter(batch["status"] for batch in self._batches.values())
        return {
            "batches": dict(statuses),
            "files": len(self._files),
            "executions": dict(self.executions),
            "answers": dict(self.answers),
        }

    async def close(self) -> None:
        """Stop what still runs."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, batch: dict[str, Any], content: bytes, fate: Fate) -> None:
        try:
            await self._work(batch, content, fate)
        finally:
            del self._queued[batch["id"]]

    async def _work(self, batch: dict[str, Any], content: bytes, fate: Fate) -> None:
        lines, errors = _validate(content, batch["endpoint"])
        most = self._faults.queue_lines
        if most is not None and self._queued.total() + len(lines) > most:
            fate = Fate(TOKEN_LIMIT)
        if fate.name in WHOLE:
            code, message = WHOLE[fate.name]
            errors.append({"code": code, "message": message, "line": None, "param": None})
        if not errors:
            self._queued[batch["id"]] = len(lines)
        await asyncio.sleep(self._delay)
        if batch["status"] == "cancelling":
            _move(batch, "cancelled")
            return
        if errors:
            batch["errors"] = {"object": "list", "data": errors[:100]}
            _move(batch, "failed")
            return
        counts = batch["request_counts"]
        counts["total"] = len(lines)
        _move(batch, "in_progress")
        await asyncio.sleep(self._delay)
        results: list[tuple[bool, bytes]] = []
        run = round(len(lines) * fate.share)
        for line in lines[:run]:
            if batch["status"] == "cancelling":
                break
            status, response = self._line(batch["endpoint"], line)
            done = status == 200
            counts["completed" if done else "failed"] += 1
            results.append((done, _result_line(line["custom_id"], status, response)))
            await asyncio.sleep(0)
        if batch["status"] == "cancelling" or fate.name == CANCELLED:
            ending = CANCELLED
        elif fate.name == EXPIRED:
            ending = EXPIRED
            results += [(False, _unrun_line(line["custom_id"])) for line in lines[run:]]
        else:
            ending = COMPLETED
            _move(batch, "finalizing")
        # Published order is not guaranteed, so a client that relies on it should fail here.
        for done, key, name in ((True, "output_file_id", "output"), (False, "error_file_id", "error")):
            kept = b"".join(line for ok, line in reversed(results) if ok is done)
            if kept:
                batch[key] = self._files.add(kept, f"{batch['id']}_{name}.jsonl", "batch_output")["id"]
        _move(batch, ending)

    def _line(self, url: str, line: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        fault = self._schedule.next(json.dumps(line["body"]).encode())
        self.executions[line["custom_id"]] += 1
        if fault is not None:
            status = 429 if fault == "429" else 500
            return status, RequestRefused(
                status, "Planted.", "rate_limit_exceeded" if status == 429 else None
            ).body
        status, response = self._answer(url, line["body"])
        if status == 200:
            self.answers[line["custom_id"]] += 1
        return status, response


def _move(batch: dict[str, Any], status: str) -> None:
    batch["status"] = status
    batch[f"{status}_at"] = int(time.time())


def _result_line(custom_id: str, status: int, response: dict[str, Any]) -> bytes:
    request_id = uuid.uuid4().hex
    value = {
        "id": f"batch_req_{request_id[:24]}",
        "custom_id": custom_id,
        "error": None,
        "response": {"status_code": status, "request_id": request_id, "body": response},
    }
    return json.dumps(value).encode() + b"\n"


def _unrun_line(custom_id: str) -> bytes:
    error = {"code": "batch_expired", "message": "This request was not run before the batch expired."}
    value = {
        "id": f"batch_req_{uuid.uuid4().hex[:24]}",
        "custom_id": custom_id,
        "response": None,
        "error": error,
    }
    return json.dumps(value).encode() + b"\n"


def _validate(content: bytes, endpoint: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(lines, errors): any error fails the batch before a line runs."""
    lines: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    seen: set[str] = set()

    def error(code: str, message: str, line: int | None, param: str | None = None) -> None:
        errors.append({"code": code, "message": message, "line": line, "param": param})

    for number, raw in enumerate(content.splitlines(), 1):
        if not raw.strip():
            continue
        try:
            value = json.loads(raw)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            error("invalid_json_line", "This line is not parseable as valid JSON.", number)
            continue
        custom_id = value.get("custom_id")
        if not isinstance(custom_id, str) or not custom_id:
            error("missing_required_parameter", "'custom_id' is missing.", number, "custom_id")
        elif custom_id in seen:
            error(
                "duplicate_custom_id",
                "The custom_id of this line is a duplicate of another request.",
                number,
                "custom_id",
            )
        elif value.get("method") != "POST" or value.get("url") != endpoint:
            error("invalid_url", f"'method' and 'url' must be POST and {endpoint}.", number, "url")
        elif not isinstance(value.get("body"), dict):
            error("invalid_request", "'body' must be an object.", number, "body")
        else:
            seen.add(custom_id)
            lines.append(value)
    if not lines and not errors:
        error("empty_file", "The input file is empty.", None)
    if len(lines) > _MOST_LINES:
        error("too_many_requests", f"A batch holds at most {_MOST_LINES} requests.", None)
    models = {line["body"].get("model") for line in lines if isinstance(line["body"].get("model"), str)}
    if len(models) > 1:
        error("mismatched_model", "All lines of a batch must name the same model.", None, "body.model")
    return lines, errors

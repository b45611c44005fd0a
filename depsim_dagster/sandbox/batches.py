"""Files and Batches of the OpenAI-compatible server, kept in memory.

A batch runs in the background of the server's event loop; its lines pass the same validation and players as
live requests.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from depsim_dagster.sandbox.wire import RequestRefused

_ENDPOINT = "/v1/chat/completions"
_MOST_LINES = 50_000
_MOST_BYTES = 200 * 2**20
_DAY = 86400
_FINISHED = ("completed", "failed", "cancelled", "expired")


class FileStore:
    """Uploaded and produced files by id."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[dict[str, Any], bytes]] = {}

    def add(self, content: bytes, filename: str, purpose: str) -> dict[str, Any]:
        """Store bytes; returns the file object."""
        if len(content) > _MOST_BYTES:
            raise RequestRefused(400, "The file is larger than 200 MB.", "file_too_large", "file")
        info = {
            "id": f"file-{uuid.uuid4().hex[:24]}",
            "object": "file",
            "bytes": len(content),
            "created_at": int(time.time()),
            "expires_at": None,
            "filename": filename,
            "purpose": purpose,
            "status": "processed",
            "status_details": None,
        }
        self._files[info["id"]] = (info, content)
        return info

    def _get(self, file_id: str) -> tuple[dict[str, Any], bytes]:
        try:
            return self._files[file_id]
        except KeyError:
            raise RequestRefused(404, f"No such File object: {file_id[:64]}", None, "id") from None

    def info(self, file_id: str) -> dict[str, Any]:
        """The file object."""
        return self._get(file_id)[0]

    def content(self, file_id: str) -> bytes:
        """The file's bytes."""
        return self._get(file_id)[1]

    def delete(self, file_id: str) -> dict[str, Any]:
        """Forget the file."""
        self._get(file_id)
        del self._files[file_id]
        return {"id": file_id, "object": "file", "deleted": True}

    def list(self, query: Mapping[str, str]) -> dict[str, Any]:
        """A page of file objects, newest first; `purpose`, `after`, `limit` and `order` as published."""
        files = [info for info, _ in self._files.values() if query.get("purpose") in (None, info["purpose"])]
        return page(files if query.get("order") == "asc" else files[::-1], query, 10_000)


def page(items: list[dict[str, Any]], query: Mapping[str, str], default: int) -> dict[str, Any]:
    """One page of a cursor-paged list. Raises RequestRefused (400) for a bad limit or an unknown cursor."""
    try:
        limit = int(query.get("limit", default))
    except ValueError:
        limit = 0
    if limit < 1:
        raise RequestRefused(400, "'limit' must be a positive integer.", "invalid_value", "limit")
    start = 0
    if "after" in query:
        ids = [item["id"] for item in items]
        if query["after"] not in ids:
            raise RequestRefused(400, "'after' names no object of this list.", "invalid_value", "after")
        start = ids.index(query["after"]) + 1
    data = items[start : start + limit]
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": start + limit < len(items),
    }


class BatchRunner:
    """Creates, runs and cancels batches. `answer` maps a body to (status, response body).

    `delay` is the time in seconds that a batch spends in each of `validating` and `in_progress` before its
    lines run.
    """

    def __init__(
        self,
        files: FileStore,
        answer: Callable[[dict[str, Any]], tuple[int, dict[str, Any]]],
        delay: float = 0.0,
    ):
        self._files = files
        self._answer = answer
        self._delay = delay
        self._batches: dict[str, dict[str, Any]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def create(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Start a batch. Raises RequestRefused for an unknown file, endpoint or window."""
        if body.get("endpoint") != _ENDPOINT:
            raise RequestRefused(400, f"'endpoint' must be {_ENDPOINT}.", "invalid_value", "endpoint")
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
            "endpoint": _ENDPOINT,
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
        self._batches[batch["id"]] = batch
        task = asyncio.get_running_loop().create_task(self._run(batch, self._files.content(file_id)))
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

    async def close(self) -> None:
        """Stop what still runs."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, batch: dict[str, Any], content: bytes) -> None:
        await asyncio.sleep(self._delay)
        lines, errors = _validate(content)
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
        for line in lines:
            if batch["status"] == "cancelling":
                break
            status, response = self._answer(line["body"])
            done = status == 200
            counts["completed" if done else "failed"] += 1
            results.append((done, _result_line(line["custom_id"], status, response)))
            await asyncio.sleep(0)
        cancelled = batch["status"] == "cancelling"
        if not cancelled:
            _move(batch, "finalizing")
        # Published order is not guaranteed, so a client that relies on it should fail here.
        for done, key, name in ((True, "output_file_id", "output"), (False, "error_file_id", "error")):
            kept = b"".join(line for ok, line in reversed(results) if ok is done)
            if kept:
                batch[key] = self._files.add(kept, f"{batch['id']}_{name}.jsonl", "batch_output")["id"]
        _move(batch, "cancelled" if cancelled else "completed")


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


def _validate(content: bytes) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
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
        elif value.get("method") != "POST" or value.get("url") != _ENDPOINT:
            error("invalid_url", f"'method' and 'url' must be POST and {_ENDPOINT}.", number, "url")
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

"""Files of the OpenAI-compatible server, kept in memory, and the pages of its lists."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import Any

from depsim_dagster.sandbox.wire import RequestRefused

_MOST_BYTES = 200 * 2**20


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

    def __len__(self) -> int:
        return len(self._files)

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

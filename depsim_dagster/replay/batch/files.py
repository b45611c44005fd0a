"""The lines of batch mode's files: {custom_id, method, url, body} out, {custom_id, response, error} in.

A file is built in memory and sent from there, so that conversation text is in no temporary file. The lines are
OpenAI's, which `vllm run-batch` reads too; no more than that is done for an offline run.
"""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from depsim_dagster.replay.calls.exchange import CODE, Reply, reply_from
from depsim_dagster.replay.dialects.requests import canonical_json

MEGABYTE = 1_000_000
NO_CODE = "batch_line_error"
LONGEST_LINE = 32 * 2**20


class InputFile:
    """One file while it is built: at most so many lines and megabytes."""

    def __init__(self, lines: int, megabytes: float) -> None:
        self.content = io.BytesIO()
        self.ids: list[str] = []
        self._lines = lines
        self._bytes = int(megabytes * MEGABYTE)

    def takes(self, line: bytes) -> bool:
        """Whether there is room for one more line."""
        return len(self.ids) < self._lines and self.content.tell() + len(line) <= self._bytes

    def can_ever_take(self, line: bytes) -> bool:
        """Whether an empty file would have room for it."""
        return len(line) <= self._bytes

    def add(self, request_id: str, line: bytes) -> None:
        self.content.write(line)
        self.ids.append(request_id)


def url_of(path: str) -> str:
    """An API's path as lines and batches name it."""
    return f"/v1{path}"


async def split_lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The lines of a stream, without their ends. Of one that is longer than LONGEST_LINE only a part comes."""
    buffer, skipping = bytearray(), False
    async for chunk in chunks:
        buffer += chunk
        if b"\n" in chunk:
            *whole, buffer = buffer.split(b"\n")
            for line in whole:
                if not skipping:
                    yield bytes(line)
                skipping = False
        if len(buffer) > LONGEST_LINE:
            if not skipping:
                yield bytes(buffer[:100])
            buffer, skipping = bytearray(), True
    if buffer and not skipping:
        yield bytes(buffer)


def input_line(request_id: str, path: str, body: Mapping[str, Any]) -> bytes:
    """One call as a line."""
    line = {"custom_id": request_id, "method": "POST", "url": url_of(path), "body": body}
    return canonical_json(line).encode("ascii") + b"\n"


def line_id(line: bytes) -> str | None:
    """The custom_id of an input line that comes back from the provider, None when it has none."""
    value = _object(line)
    custom_id = value.get("custom_id") if value else None
    return custom_id if isinstance(custom_id, str) else None


def read_result(line: bytes) -> tuple[str, Reply] | None:
    """(custom_id, what was answered) of a line of an output or error file; None for what is no such line.

    A line without a response is one that was not run, or not to its end: another attempt can help.
    """
    value = _object(line)
    custom_id = value.get("custom_id") if value else None
    if not value or not isinstance(custom_id, str):
        return None
    response, error = value.get("response"), value.get("error")
    if isinstance(response, Mapping):
        status = response.get("status_code", 200)
        if not isinstance(status, int) or isinstance(status, bool) or not 200 <= status < 600:
            return None
        return custom_id, reply_from(status, response.get("body"))
    code = error.get("code") if isinstance(error, Mapping) else None
    known = isinstance(code, str) and CODE.fullmatch(code)
    return custom_id, Reply(code=code if known else NO_CODE, repeatable=True)


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None

"""What came back of one batch: each line made a row or a call for the next round, and what is wrong with a whole file.

Nothing here asks the provider for anything, and nothing of what it says is taken on trust: lines may be missing, doubled,
unknown, or no lines at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from depsim_dagster.replay.batch.files import read_result
from depsim_dagster.replay.batch.ledger import Ledger
from depsim_dagster.replay.batch.provider import Provider
from depsim_dagster.replay.batch.records import Record
from depsim_dagster.replay.budget.spent import Amounts
from depsim_dagster.replay.calls.endpoints import Endpoint, fatal_problem
from depsim_dagster.replay.calls.exchange import CODE, Reply
from depsim_dagster.replay.dialects.apis import APIS
from depsim_dagster.replay.dialects.outcomes import FAILED, FILTER_CODES, FILTERED, Outcome

NAMED_LINES = 5


class Results:
    """The lines of one batch. `again`: calls that the next round asks for, with the number of that submission; `problem`: what
    every other call would meet too; `erased`: what answers took that nobody may keep any more."""

    def __init__(
        self, record: Record, endpoint: Endpoint, ledger: Ledger, provider: Provider, oddities: Counter[str]
    ) -> None:
        self._record, self._endpoint, self._ledger = record, endpoint, ledger
        self._provider, self._oddities = provider, oddities
        self._read = APIS[record.api].read
        self._here: set[str] = set()
        self._unread = frozenset(record.unread)
        self.again: dict[str, int] = {}
        self.unread: list[str] = []
        self.erased: dict[str, Amounts] = {}
        self.problem: str | None = None
        self.lines = 0

    def begin(self) -> None:
        """A file starts, or starts again after a broken stream."""
        self._here = set()

    def take(self, line: bytes) -> None:
        if not line.strip():
            return
        self.lines += 1
        result = read_result(line)
        if result is None:
            self._oddities["malformed lines"] += 1
            return
        request, reply = result
        if request not in self._record.sent:
            if self._record.erased and reply.code is None:
                reading = self._read(reply.payload)
                took = Amounts(1, reading.prompt_tokens or 0, reading.completion_tokens or 0)
                self.erased[request] = took
            else:
                self._oddities["unknown lines"] += 1
            return
        if request in self._here:
            self._oddities["duplicate lines"] += 1
            return
        self._here.add(request)
        if self._ledger.is_open(request) and request not in self.again:
            self._end(request, reply)

    def without_line(self, code: str) -> None:
        """Repeat what has no line, for as long as it may be."""
        for request in self._record.sent:
            if self._ledger.is_open(request) and request not in self.again:
                self._end(request, Reply(code=code, repeatable=True))

    def _end(self, request: str, reply: Reply) -> None:
        attempt = self._record.sent[request]
        last = attempt >= self._endpoint.max_attempts
        if reply.code is None:
            reading = self._read(reply.payload)
            if reading.completion is None and not last and request not in self._unread:
                self.again[request] = attempt + 1
                self.unread.append(request)
            else:
                self._ledger.keep(Outcome(request, **vars(reading), attempts=attempt))
            return
        if reply.code in FILTER_CODES:
            status = FILTERED
        elif problem := fatal_problem(self._endpoint, self._provider.model, reply, self._provider.example):
            self.problem = self.problem or problem
            self.again[request] = attempt
            return
        elif reply.repeatable and not last:
            self.again[request] = attempt + 1
            return
        else:
            status = FAILED
        self._ledger.keep(Outcome(request, status, attempts=attempt, error_code=reply.code))


def whole_file_errors(batch: Mapping[str, Any]) -> dict[str, list[int]]:
    """code → lines of what a provider found wrong with a whole file; its messages quote the file."""
    errors = batch.get("errors")
    data = errors.get("data") if isinstance(errors, Mapping) else None
    found: dict[str, list[int]] = {}
    for entry in data if isinstance(data, list) else ():
        code = entry.get("code") if isinstance(entry, Mapping) else None
        if isinstance(code, str) and CODE.fullmatch(code):
            line = entry.get("line")
            found.setdefault(code, []).extend([line] if isinstance(line, int) else [])
    return found


def line_numbers(lines: list[int]) -> str:
    if not lines:
        return ""
    more = len(lines) - NAMED_LINES
    return f" (line {', '.join(map(str, lines[:NAMED_LINES]))}{f' and {more} more' if more > 0 else ''})"

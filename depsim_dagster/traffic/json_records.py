"""The records of a JSON file as raw bytes, one after the other: lines, or the elements of a document.

A document is an array, one object, an object that wraps the array (`{"conversations": [...]}`), or several of these in
a row. Memory is bounded by one record: a larger one than `limit` is told as such and skipped. A record is cut out
by its brackets before it is parsed, so one that is no JSON costs only itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from depsim_dagster.traffic.log_streams import BLOCK
from depsim_dagster.traffic.records import LARGEST_RECORD, Refused, parse_json

BOM = b"\xef\xbb\xbf"
_BLANK = b" \t\r\n"
# Keys under which exports wrap their list of records.
_WRAPPERS = frozenset({"conversations", "data", "records", "items", "logs", "rows", "examples"})
# An object with one of these is a message: the list around it is not a list of records.
_MESSAGE_KEYS = frozenset({"role", "from", "value", "content"})


class Readable(Protocol):
    def read(self, size: int) -> bytes: ...


class RawRecord(NamedTuple):
    """One record as it stands in the file. `raw` is None where it is too large; `cut`: the file ends inside of it."""

    line: int
    raw: bytes | None
    cut: bool


def is_document(start: bytes, whole: bool, ending: str) -> bool:
    """Whether a JSON file is a document rather than lines, by its start (`whole`: there is no more) and its ending."""
    text = start.removeprefix(BOM).lstrip(_BLANK)
    first, newline, rest = text.partition(b"\n")
    first = first.strip(_BLANK)
    if first[:1] not in (b"{", b"["):
        return False
    if first in (b"{", b"["):
        return True
    if newline or whole:
        try:
            parse_json(first)
        except Refused:
            complete = False
        else:
            complete = True
        if complete:
            return not rest.strip(_BLANK) and whole
        # A first line that is broken must not cost the ones behind it: of a document no second line stands for itself.
        if first[-1:] not in (b",", b"[", b"{", b":") and _is_object(rest.lstrip(_BLANK).partition(b"\n")[0]):
            return False
    return first[:1] == b"[" or ending == ".json"


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(parse_json(line), dict)
    except Refused:
        return False


def json_lines(stream: Readable, limit: int = LARGEST_RECORD) -> Iterator[RawRecord]:
    """The lines that are not blank."""
    number, size, parts = 1, 0, []
    while block := stream.read(BLOCK):
        *ended, rest = block.split(b"\n")
        for piece in ended:
            size += len(piece)
            yield from _line(number, parts, piece, size, limit, cut=False)
            number, size, parts = number + 1, 0, []
        size += len(rest)
        parts = [*parts, rest] if size <= limit + 1 else []  # a carriage return is no part of the record
    yield from _line(number, parts, b"", size, limit, cut=True)


def _line(
    number: int, parts: list[bytes], last: bytes, size: int, limit: int, cut: bool
) -> Iterator[RawRecord]:
    if size > limit + 1:
        yield RawRecord(number, None, cut)
        return
    line = b"".join([*parts, last])
    line = line.removeprefix(BOM).strip(_BLANK)  # also where another file was appended
    if line:
        yield RawRecord(number, line if len(line) <= limit else None, cut)


def json_document(stream: Readable, limit: int = LARGEST_RECORD) -> Iterator[RawRecord]:
    """The records of a document."""
    scanner = _Scanner(stream, limit)
    scanner.skip(BOM)
    while (byte := scanner.next_visible(b",")) is not None:
        if byte == _OPEN_LIST:
            yield from _elements(scanner)
        elif byte == _OPEN_OBJECT:
            yield from _object(scanner)
        else:
            capture = scanner.capture(1)
            scanner.to_line_end()
            yield RawRecord(capture.line, scanner.end(capture), False)


def _elements(scanner: _Scanner) -> Iterator[RawRecord]:
    """The elements of an array whose bracket was just read, up to and including its end."""
    while True:
        if scanner.next_visible(b"") is None:
            return
        capture = scanner.capture(1)
        depth, byte = 0, None
        scanner.back()
        while True:
            byte = scanner.structural(commas=depth == 0)
            if byte is None or depth == 0 and byte in (_COMMA, _CLOSE_LIST, _CLOSE_OBJECT):
                break
            if byte != _COMMA:
                depth += 1 if byte in (_OPEN_LIST, _OPEN_OBJECT) else -1
        raw = scanner.end(capture, 0 if byte is None else 1)
        raw = raw if raw is None else raw.strip(_BLANK)
        if raw or raw is None or byte == _COMMA:
            yield RawRecord(capture.line, raw, byte is None)
        if byte != _COMMA:
            return


def _object(scanner: _Scanner) -> Iterator[RawRecord]:
    """An object whose bracket was just read: one record, or the elements of the list that it wraps."""
    whole, member, wrapped = scanner.capture(1), scanner.capture(), False
    depth = 1
    while depth:
        byte = scanner.structural(commas=depth == 1)
        if byte is None:
            break
        if byte == _COMMA:
            scanner.end(member)
            member = scanner.capture()
        elif byte in (_OPEN_LIST, _OPEN_OBJECT):
            if (
                byte == _OPEN_LIST
                and depth == 1
                and not wrapped
                and _key(scanner.so_far(member)) in _WRAPPERS
            ):
                elements = _elements(scanner)
                first = next(elements, None)
                if first is not None and _is_record(first):
                    wrapped = True
                    scanner.end(whole)
                    scanner.end(member)
                    yield first
                    yield from elements
                    member = scanner.capture()
                else:  # the list of a record: it is part of the whole, which goes on after it
                    for _ in elements:
                        pass
                continue
            depth += 1
        else:
            depth -= 1
    scanner.end(member)
    if not wrapped:
        yield RawRecord(whole.line, scanner.end(whole), depth > 0)


def _key(text: bytes | None) -> str | None:
    found = re.fullmatch(rb'\s*"([a-z_]{1,40})"\s*:\s*\[', text or b"")
    return found.group(1).decode() if found else None


def _is_record(first: RawRecord) -> bool:
    if first.raw is None:
        return True
    try:
        value = parse_json(first.raw)
    except Refused:
        return True
    return isinstance(value, dict) and not _MESSAGE_KEYS & value.keys()


# --------------------------------------------------------------------------------------------------------- the scanner
_COMMA, _OPEN_LIST, _CLOSE_LIST, _OPEN_OBJECT, _CLOSE_OBJECT = b",[]{}"
_STRING = rb'"(?:[^"\\]++|\\.)*+"'
# Everything up to the next bracket (or comma), whole strings included, in one step.
_TO_BRACKET = re.compile(rb'(?:[^"\[\]{}]++|' + _STRING + rb")*+", re.DOTALL)
_TO_COMMA = re.compile(rb'(?:[^"\[\]{},]++|' + _STRING + rb")*+", re.DOTALL)
_IN_STRING = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)


class _Capture:
    """What is read from here on, as long as it is not too large."""

    def __init__(self, start: int, line: int):
        self.start, self.line = start, line
        self.parts: list[bytes] = []
        self.size = 0


class _Scanner:
    """A stream of JSON, read by its structure. `_at` is where it stands in `_buffer`."""

    def __init__(self, stream: Readable, limit: int):
        self._stream, self._limit = stream, limit
        self._buffer, self._at = b"", 0
        self._line, self._counted = 1, 0  # line of the place up to which line ends were counted
        self._captures: list[_Capture] = []

    def capture(self, before: int = 0) -> _Capture:
        """Keep what is read from now on, and the `before` bytes that were read last."""
        start = self._at - before
        if start > self._counted:
            self._line += self._buffer.count(b"\n", self._counted, start)
            self._counted = start
        capture = _Capture(start, self._line)
        self._captures.append(capture)
        return capture

    def so_far(self, capture: _Capture) -> bytes | None:
        size = capture.size + self._at - capture.start
        return (
            b"".join([*capture.parts, self._buffer[capture.start : self._at]])
            if size <= self._limit
            else None
        )

    def end(self, capture: _Capture, without: int = 0) -> bytes | None:
        """What was captured, but for the last `without` bytes; None where it is too large."""
        self._captures.remove(capture)
        size = capture.size + self._at - without - capture.start
        if size > self._limit:
            return None
        return b"".join([*capture.parts, self._buffer[capture.start : self._at - without]])

    def back(self) -> None:
        """Stand before the byte that was read last."""
        self._at -= 1

    def skip(self, prefix: bytes) -> None:
        while len(self._buffer) < len(prefix) and self._more():
            pass
        if self._buffer.startswith(prefix):
            self._at = len(prefix)

    def next_visible(self, besides: bytes) -> int | None:
        """Read over blanks (and `besides`) and one byte more, which is returned."""
        while True:
            rest = self._buffer[self._at : self._at + 256].lstrip(_BLANK + besides)
            if rest:
                self._at = min(self._at + 256, len(self._buffer)) - len(rest) + 1
                return rest[0]
            self._at = min(self._at + 256, len(self._buffer))
            if self._at == len(self._buffer) and not self._more():
                return None

    def to_line_end(self) -> None:
        while (end := self._buffer.find(b"\n", self._at)) < 0:
            self._at = len(self._buffer)
            if not self._more():
                return
        self._at = end

    def structural(self, commas: bool) -> int | None:
        """Read up to and including the next bracket (or comma) outside of strings, and return it."""
        pattern = _TO_COMMA if commas else _TO_BRACKET
        while True:
            self._at = pattern.match(self._buffer, self._at).end()  # type: ignore[union-attr]
            if self._at == len(self._buffer):
                if not self._more():
                    return None
            elif self._buffer[self._at] == ord('"'):  # the buffer ends inside of this string
                self._at += 1
                if not self._string():
                    return None
            else:
                self._at += 1
                return self._buffer[self._at - 1]

    def _string(self) -> bool:
        """Read to the end of the string in which the scanner stands; whether it has one."""
        while True:
            self._at = _IN_STRING.match(self._buffer, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._buffer) and self._buffer[self._at] == ord('"'):
                self._at += 1
                return True
            if not self._more():  # also after the first half of an escape
                self._at = len(self._buffer)
                return False

    def _more(self) -> bool:
        block = self._stream.read(BLOCK)
        if not block:
            return False
        for capture in self._captures:
            if capture.size <= self._limit:
                capture.parts.append(self._buffer[capture.start : self._at])
            else:
                capture.parts.clear()
            capture.size += self._at - capture.start
            capture.start = 0
        if self._at > self._counted:
            self._line += self._buffer.count(b"\n", self._counted, self._at)
        self._counted = max(self._counted - self._at, 0)
        self._buffer, self._at = self._buffer[self._at :] + block, 0
        return True

"""The rows of a CSV file, one after the other, by the names in its header. Memory is bounded by one row.

The delimiter is a comma, or whichever of semicolon and tab the header has more of. A row that is no CSV, or has not as many
cells as the header, costs only itself.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator
from typing import NamedTuple

from depsim_dagster.errors import TrafficError
from depsim_dagster.traffic.json_records import Readable
from depsim_dagster.traffic.log_streams import BLOCK
from depsim_dagster.traffic.records import LARGEST_RECORD, Rejected

DELIMITERS = ",;\t"
_TOO_LARGE = "longer than a record may be"


class CsvRecord(NamedTuple):
    """A row with the line on which it begins, from 1. An empty cell is None: CSV has no other null."""

    line: int
    row: dict[str, str | None] | Rejected


def csv_records(stream: Readable, name: str) -> Iterator[CsvRecord]:
    """The rows below the header; blank lines are none.

    Raises:
        TrafficError: the header is none, or two columns have one name; `name` is the file's.
    """
    lines = _Lines(stream)
    csv.field_size_limit(LARGEST_RECORD)
    try:
        first = next(lines, "")
        delimiter = max(DELIMITERS, key=first.count)
        header = next(csv.reader([first], delimiter=delimiter), [])
    except csv.Error:  # its message may quote the line
        raise TrafficError(
            f"{name}: its first line is no header of a CSV file (lines end with a line feed, and the first has the names of the "
            "columns); export it again"
        ) from None
    if len(set(header)) < len(header):
        raise TrafficError(f"{name}: a column name stands twice in its header; export it again")
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        line = lines.next_row()
        try:
            cells = next(rows, None)
        except csv.Error as error:  # the reader begins anew on the next line
            yield CsvRecord(line, _broken(error))
            continue
        if cells is None:
            return
        if cells:
            yield CsvRecord(line, _row(header, cells))


def _row(header: list[str], cells: list[str]) -> dict[str, str | None] | Rejected:
    if len(cells) != len(header):
        return Rejected("wrong_cells")
    try:
        "".join(cells).encode()
    except UnicodeEncodeError:
        return Rejected("invalid_utf8")
    return {column: cell or None for column, cell in zip(header, cells, strict=True)}


def _broken(error: csv.Error) -> Rejected:
    told = str(error)
    if told == _TOO_LARGE or "field limit" in told:
        return Rejected("too_large")
    return Rejected("truncated" if "unexpected end" in told else "not_csv")


class _Lines:
    """Lines with their ends, for a reader that joins those of a quoted cell. `number`: how many were read. A row that is longer
    than a record may be is an error of the reader, which goes on with the next row: it ends with the line at which its
    quotation marks are even."""

    def __init__(self, stream: Readable) -> None:
        self._lines = _lines(stream)
        self.number = self._taken = self._quotes = 0

    def next_row(self) -> int:
        """To be called before each row: the line on which it begins, from 1."""
        self._taken = self._quotes = 0
        return self.number + 1

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._next()
        if line is not None and self._taken <= LARGEST_RECORD:
            return line
        while self._quotes % 2:
            try:
                self._next()
            except StopIteration:
                break
        raise csv.Error(_TOO_LARGE)

    def _next(self) -> str | None:
        line, quotes = next(self._lines)
        self.number += 1
        self._taken += 0 if line is None else len(line)
        self._quotes += quotes
        return line


def _lines(stream: Readable) -> Iterator[tuple[str | None, int]]:
    """(line with its end, quotation marks in it); no line where it is longer than a record may be."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape")
    rest, cut, quotes = "", False, 0
    while block := stream.read(BLOCK):
        *ended, rest = (rest + decoder.decode(block)).split("\n")
        for line in ended:
            yield None if cut else line + "\n", quotes + line.count('"')
            cut, quotes = False, 0
        if cut or len(rest) > LARGEST_RECORD:
            quotes += rest.count('"')
            rest, cut = "", True
    rest += decoder.decode(b"", final=True)
    if rest or cut:
        yield None if cut else rest, quotes + rest.count('"')

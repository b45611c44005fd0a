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


class CsvRecord(NamedTuple):
    """A row with the line on which it begins, from 1. An empty cell is None: CSV has no other null."""

    line: int
    row: dict[str, str | None] | Rejected


def csv_records(stream: Readable, name: str) -> Iterator[CsvRecord]:
    """The rows below the header; blank lines are none.

    Raises:
        TrafficError: two columns have one name; `name` is the file's.
    """
    lines = _lines(stream)
    first = next(lines, "")
    delimiter = max(DELIMITERS, key=first.count)
    csv.field_size_limit(LARGEST_RECORD)
    header = next(csv.reader([first], delimiter=delimiter), [])
    if len(set(header)) < len(header):
        raise TrafficError(f"{name}: a column name stands twice in its header; export it again")
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        line = rows.line_num + 2  # the header is not counted
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
    if "field limit" in told:
        return Rejected("too_large")
    return Rejected("truncated" if "unexpected end" in told else "not_csv")


def _lines(stream: Readable) -> Iterator[str]:
    """Lines with their ends. One that is longer than a record may be is given out in pieces, which the reader refuses."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape")
    rest = ""
    while block := stream.read(BLOCK):
        *ended, rest = (rest + decoder.decode(block)).split("\n")
        yield from (line + "\n" for line in ended)
        if len(rest) > LARGEST_RECORD:
            yield rest
            rest = ""
    rest += decoder.decode(b"", final=True)
    if rest:
        yield rest

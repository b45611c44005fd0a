"""Files that people fill in: written so that a spreadsheet obeys nothing in them, and read back row by row.

A cell that begins with `=`, `+`, `-`, `@`, a tab or a return is a formula to a spreadsheet, and conversation text may be
written to be one. In CSV such a cell gets an apostrophe in front, which reading takes off again, and inside of a text a
space keeps the beginning of a formula from the end of a cell. Lines of text are quoted with `> `, so that nobody can write
a line that looks like the heading of the next speaker.
"""

from __future__ import annotations

import codecs
import csv
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from depsim_dagster.errors import ConfigurationError
from depsim_dagster.replay.delimited import only_object
from depsim_dagster.traffic.json_records import json_lines

ENDINGS = (".csv", ".jsonl", ".parquet")
LARGEST_LINE = 64 * 1024 * 1024
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
# In the middle of a text: where decimals have a comma, `;` ends a cell whatever the file's own sign is.
_FORMULA_INSIDE = re.compile(r"(?<=[;\t])(?=[=+\-@＝＋－＠])")
_PARTS = {
    "reasoning": ", reasoning",
    "reasoning_content": ", reasoning",
    "content": "",
    "refusal": ", refusal",
    "tool_calls": ", tool calls",
}
_REORDERING = {*range(0x202A, 0x202F), *range(0x2066, 0x206A)}

Row = dict[str, Any]


def escaped_cell(text: str) -> str:
    """A text as a CSV cell that no spreadsheet computes."""
    return f"'{text}" if text.startswith((*_FORMULA, "'")) else text


def restored_cell(cell: str) -> str:
    """What `escaped_cell` made a cell of."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith((*_FORMULA, "'")) else cell


def spoken(messages: Iterable[dict[str, Any]]) -> str:
    """Messages for reading: a heading per message and part of it, every line of text quoted."""
    blocks = []
    for message in messages:
        role = str(message.get("role") or "unknown").upper()
        for name, suffix in _PARTS.items():
            if content := message.get(name):
                text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
                lines = [f"> {_legible(line)}" for line in text.splitlines()]
                blocks.append("\n".join([f"{_legible(role + suffix)}:", *lines]))
    return "\n\n".join(blocks)


def write_private(path: Path, columns: list[str], rows: Iterable[Row]) -> int:
    """Write a new CSV or JSON Lines file that only its owner can read; returns the rows.

    Raises:
        ConfigurationError: it exists already, has another ending, or cannot be written.
    """
    if path.suffix not in ENDINGS[:2]:
        raise ConfigurationError(f"{path}: name a file that ends in .csv or .jsonl")
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
    except FileExistsError:
        raise ConfigurationError(f"{path}: exists already; name another file or move it away") from None
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be written ({error.strerror})") from None
    try:
        # Spreadsheets take a file for UTF-8 only when it begins with the mark. Half a surrogate becomes an escape.
        encoding = "utf-8-sig" if path.suffix == ".csv" else "utf-8"
        with open(descriptor, "w", encoding=encoding, errors="backslashreplace", newline="") as stream:
            written = _write(stream, path.suffix, columns, rows)
            stream.flush()
            os.fsync(stream.fileno())
    except BaseException:
        path.unlink(missing_ok=True)  # half of it would lack items, and is text all the same
        raise
    return written


def read_rows(path: Path) -> Iterator[tuple[int, Row | str]]:
    """(number, row) of a CSV, JSON Lines or Parquet file; in place of a row that is none, the reason. Rows of a CSV are
    numbered as spreadsheets number them: the names stand in row 1, and a cell of many lines is in one row.

    Raises:
        ConfigurationError: the file cannot be read, or has another ending.
    """
    readers = {".csv": _csv_rows, ".jsonl": _json_rows, ".parquet": _parquet_rows}
    if path.suffix.lower() not in readers:
        raise ConfigurationError(f"{path}: name a file that ends in {', '.join(ENDINGS)}")
    try:
        yield from readers[path.suffix.lower()](path)
    except (OSError, UnicodeError, pa.ArrowException, csv.Error):
        raise ConfigurationError(f"{path}: cannot be read as {path.suffix.lower()[1:]}") from None


def _write(stream: TextIO, ending: str, columns: list[str], rows: Iterable[Row]) -> int:
    written = 0
    writer = csv.writer(stream, lineterminator="\r\n")
    if ending == ".csv":
        writer.writerow(columns)
    for row in rows:
        if ending == ".csv":
            writer.writerow([escaped_cell(str(row[name])) for name in columns])
        else:
            stream.write(json.dumps({name: row[name] for name in columns}, ensure_ascii=False) + "\n")
        written += 1
    return written


def _csv_rows(path: Path) -> Iterator[tuple[int, Row | str]]:
    csv.field_size_limit(min(sys.maxsize, LARGEST_LINE))  # a conversation is one cell
    with open(path, "rb") as raw:
        utf_16 = raw.read(2) in (
            codecs.BOM_UTF16_LE,
            codecs.BOM_UTF16_BE,
        )  # the "Unicode text" of spreadsheets
    with open(
        path,
        encoding="utf-16" if utf_16 else "utf-8-sig",
        errors="replace" if utf_16 else "surrogateescape",
        newline="",
    ) as stream:
        head = stream.readline()
        stream.seek(0)
        # Where a comma divides decimals, spreadsheets save with another sign.
        delimiter = max(",;\t", key=head.count)
        reader = csv.reader(stream, delimiter=delimiter)
        header = [name.strip() for name in next(reader, [])]
        if repeated := [name for name, times in Counter(header).items() if name and times > 1]:
            raise ConfigurationError(f"{path}: has more than one column `{repeated[0]}`; leave one of them")
        for number, cells in enumerate(reader, 2):
            if not any(cells):
                continue
            if len(cells) > len(header):
                yield number, "more cells than the first line has names"
            else:
                yield number, dict(zip(header, map(restored_cell, cells), strict=False))


def _json_rows(path: Path) -> Iterator[tuple[int, Row | str]]:
    with open(path, "rb") as stream:
        for record in json_lines(stream, LARGEST_LINE):
            if record.raw is None:
                yield record.line, f"longer than {LARGEST_LINE:,} bytes"
                continue
            try:
                row = only_object(record.raw.decode())
            except UnicodeDecodeError:
                row = None
            yield record.line, row if isinstance(row, dict) else "no JSON object in UTF-8"


def _parquet_rows(path: Path) -> Iterator[tuple[int, Row | str]]:
    number = 0
    with pq.ParquetFile(path) as parquet:
        for batch in parquet.iter_batches(batch_size=2_000):
            for row in batch.to_pylist():
                number += 1
                yield number, row


def _legible(line: str) -> str:
    """Without controls, which act, and without characters that turn the order of what follows; a space parts what would be
    the beginning of a formula."""
    shown = "".join(
        "\ufffd" if ord(c) in _REORDERING or (ord(c) < 32 and c != "\t") or 127 <= ord(c) < 160 else c
        for c in line
    )
    return _FORMULA_INSIDE.sub(" ", shown)

"""Files that people fill in: written so that a spreadsheet obeys nothing in them, and read back row by row.

A cell that begins with `=`, `+`, `-`, `@`, a tab or a return is a formula to a spreadsheet, and conversation text may be
written to be one. In CSV such a cell gets an apostrophe in front, which reading takes off again. Lines of text are quoted
with `> `, so that nobody can write a line that looks like the heading of the next speaker.
"""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from depsim_dagster.errors import ConfigurationError

ENDINGS = (".csv", ".jsonl", ".parquet")
LARGEST_LINE = 64 * 1024 * 1024
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
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
    """(line, row) of a CSV, JSON Lines or Parquet file; in place of a row that is none, the reason.

    Raises:
        ConfigurationError: the file cannot be read, or has another ending.
    """
    readers = {".csv": _csv_rows, ".jsonl": _json_rows, ".parquet": _parquet_rows}
    if path.suffix.lower() not in readers:
        raise ConfigurationError(f"{path}: name a file that ends in {', '.join(ENDINGS)}")
    try:
        yield from readers[path.suffix.lower()](path)
    except (OSError, pa.ArrowException, csv.Error):
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
    with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
        head = stream.readline()
        stream.seek(0)
        # Where a comma divides decimals, spreadsheets save with another sign.
        delimiter = max(",;\t", key=head.count)
        reader = csv.reader(stream, delimiter=delimiter)
        header = [name.strip() for name in next(reader, [])]
        line = reader.line_num + 1
        for cells in reader:
            at, line = line, reader.line_num + 1
            if not any(cells):
                continue
            if len(cells) > len(header):
                yield at, "more cells than the first line has names"
            else:
                yield at, dict(zip(header, map(restored_cell, cells), strict=False))


def _json_rows(path: Path) -> Iterator[tuple[int, Row | str]]:
    with open(path, "rb") as stream:
        for line, content in enumerate(stream, 1):
            content = content.removeprefix(b"\xef\xbb\xbf") if line == 1 else content
            if not content.strip():
                continue
            try:
                row = json.loads(content.decode())
            except (ValueError, RecursionError):
                yield line, "no JSON object in UTF-8"
                continue
            yield line, row if isinstance(row, dict) else "no JSON object in UTF-8"


def _parquet_rows(path: Path) -> Iterator[tuple[int, Row | str]]:
    number = 0
    with pq.ParquetFile(path) as parquet:
        for batch in parquet.iter_batches(batch_size=2_000):
            for row in batch.to_pylist():
                number += 1
                yield number, row


def _legible(line: str) -> str:
    """Without controls, which act, and without characters that turn the order of what follows."""
    return "".join(
        "\ufffd" if ord(c) in _REORDERING or (ord(c) < 32 and c != "\t") or 127 <= ord(c) < 160 else c
        for c in line
    )

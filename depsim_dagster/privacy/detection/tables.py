"""Columns of pasted tables whose headers announce personal details: CSV, Markdown, SQL inserts.

A header is a line with at least two cells that are column names of personal details (`name,email,dob`); the
cells below it in these columns are details whatever they look like. A row ends where the number of its cells no longer fits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from depsim_dagster.privacy.detection.chat_text import ChatText
from depsim_dagster.privacy.detection.identifier_spans import IdentifierSpan
from depsim_dagster.privacy.detection.label_phrases import COLUMN_PHRASES
from depsim_dagster.privacy.detection.labels import phrases_by_words

_COLUMNS = {
    " ".join(words): kind for kind, listing in COLUMN_PHRASES.items() for words in phrases_by_words(listing)
}
_FIRST_WORDS = frozenset(column.split()[0] for column in _COLUMNS) | frozenset(
    column.replace(" ", "") for column in _COLUMNS
)
_JOINED = {column.replace(" ", ""): kind for column, kind in _COLUMNS.items()}
_DELIMITERS = ",;|\t"
_MOST_ROWS, _MOST_COLUMNS, _LONGEST_CELL = 2000, 60, 200
_INSERT = re.compile(r"\(([^()]{3,600})\)\s{0,6}VALUES\s{0,6}", re.IGNORECASE)
_TUPLE = re.compile(r"\s{0,6},?\s{0,6}\(([^()\n]{1,1000})\)")
_CELL_TRIM = " \t\"'`*"


def find_table_cells(chat: ChatText) -> Iterator[IdentifierSpan]:
    """The cells of personal columns."""
    text = chat.text
    if len(_FIRST_WORDS & chat.words) < 2:
        return
    if "(" in text and "values" in chat.words:
        for insert in _INSERT.finditer(text):
            kinds = [
                _kind(text[start:end]) for start, end in _cells(text, insert.start(1), insert.end(1), ",")
            ]
            place = insert.end()
            while any(kinds) and (row := _TUPLE.match(text, place)) is not None:
                yield from _row(text, _cells(text, row.start(1), row.end(1), ","), kinds)
                place = row.end()
    if "\n" in text:
        yield from _lines(text)


def _lines(text: str) -> Iterator[IdentifierSpan]:
    kinds: list[str | None] = []
    delimiter = ","
    start = rows = 0
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        if end - start <= _MOST_COLUMNS * _LONGEST_CELL:
            if not kinds:
                for delimiter in _DELIMITERS:
                    if text.count(delimiter, start, end) >= 1:
                        kinds = [_kind(text[a:b]) for a, b in _cells(text, start, end, delimiter)]
                        if sum(kind is not None for kind in kinds) >= 2:
                            rows = 0
                            break
                        kinds = []
            elif not re.fullmatch(r"[\s|:+=-]*", text[start:end]):
                cells = _cells(text, start, end, delimiter)
                rows += 1
                if abs(len(cells) - len(kinds)) > 1 or rows > _MOST_ROWS:
                    kinds = []
                    continue  # it may be the next header
                yield from _row(text, cells, kinds)
        start = end + 1


def _cells(text: str, start: int, end: int, delimiter: str) -> list[tuple[int, int]]:
    """The cells of a line, with regard to quotes; without the empty ends of a Markdown row."""
    line = text[start:end]
    cells: list[tuple[int, int]] = []
    if '"' not in line and "'" not in line:
        for cell in line.split(delimiter, _MOST_COLUMNS):
            cells.append((start, start + len(cell)))
            start += len(cell) + 1
        return _inner(text, cells) if delimiter == "|" else cells
    begin, quote = start, ""
    for place in range(start, end):
        character = text[place]
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'" and not text[begin:place].strip():
            quote = character
        elif character == delimiter:
            cells.append((begin, place))
            begin = place + 1
        if len(cells) >= _MOST_COLUMNS:
            break
    cells.append((begin, end))
    return _inner(text, cells) if delimiter == "|" else cells


def _inner(text: str, cells: list[tuple[int, int]]) -> list[tuple[int, int]]:
    if len(cells) > 1:
        cells = cells[not text[slice(*cells[0])].strip() :]
        cells = cells[: len(cells) - (not text[slice(*cells[-1])].strip())]
    return cells


def _kind(cell: str) -> str | None:
    words = re.findall(r"[^\W_]+", cell.casefold()) if len(cell) <= 60 else []
    return _COLUMNS.get(" ".join(words)) or _JOINED.get("".join(words))


def _row(text: str, cells: list[tuple[int, int]], kinds: list[str | None]) -> Iterator[IdentifierSpan]:
    for (start, end), kind in zip(cells, kinds, strict=False):
        while start < end and text[start] in _CELL_TRIM:
            start += 1
        while end > start and (text[end - 1] in _CELL_TRIM or text[end - 1] == "\r"):
            end -= 1
        value = text[start:end]
        if kind is None or not 0 < len(value) <= _LONGEST_CELL or value.casefold() in _EMPTY:
            continue
        if kind == "person" and not any(map(str.isalpha, value)):
            continue
        if (
            kind not in ("person", "place", "username", "password", "organisation")
            and not any(map(str.isdigit, value))
            and "@" not in value
        ):
            continue
        yield IdentifierSpan(kind, start, end)


_EMPTY = frozenset(
    [
        "null",
        "none",
        "nan",
        "n/a",
        "na",
        "-",
        "?",
        "true",
        "false",
        "unknown",
        "varchar",
        "text",
        "string",
        "?",
    ]
)

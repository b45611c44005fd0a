"""Labelled sets as people hold them: JSON lines, a JSON list, CSV or Parquet, plain or gzipped, in four dialects.

- ours: `text`, `spans: [{start, end, type}]`, and `language` and `kind` where known
- presidio-research: `full_text`, `spans: [{entity_type, start_position, end_position}]`
- ai4privacy: `source_text` or `unmasked_text`, `privacy_mask: [{value, start, end, label}]` or `{[label]: value}`
- Gretel, Nemotron: `text` or `generated_text`, `pii_spans`, `spans` or `entities` with {start, end, label}, or with
  {entity, types} where every occurrence of the entity is meant

The list of spans may be the text of one, as JSON or as Python writes it. Offsets count characters (code points).
"""

from __future__ import annotations

import ast
import csv
import gzip
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from depsim_dagster.errors import TrafficError
from depsim_dagster.privacy.scoring.label_names import our_type
from depsim_dagster.privacy.scoring.score import LabelledMessage, LabelledSpan

TEXTS = ("text", "full_text", "source_text", "unmasked_text", "generated_text", "document")
SPANS = ("spans", "privacy_mask", "pii_spans", "entities", "labels")
STARTS, ENDS = ("start", "start_position", "begin", "offset_start"), ("end", "end_position", "offset_end")
LABELS = ("type", "label", "entity_type", "labels", "types", "entity_group", "tag")
VALUES = ("value", "entity_value", "entity", "text")
LANGUAGES, KINDS = ("language", "lang", "locale"), ("kind", "domain", "document_type")
LONGEST_LIST = 10_000_000  # characters of a list of spans that is given as text


class BadRow(ValueError):
    """Why a row is not a labelled message; never quotes it."""


@dataclass
class Rejects:
    """Rows that were left out: how many for which reason, and the line (or row) of the first."""

    reasons: Counter[str] = field(default_factory=Counter)
    first: int | None = None

    @property
    def count(self) -> int:
        return self.reasons.total()


def read_labelled(file: Path, rejects: Rejects | None = None) -> Iterator[LabelledMessage]:
    """The messages of a labelled set, as a stream (a JSON list is held whole).

    With `rejects`, a row that is no labelled message is counted there and left out.

    Raises:
        TrafficError: the file cannot be read, or, without `rejects`, a row is no labelled message; the message names
            file and line (rows of Parquet and of JSON lists are counted from 1) and quotes nothing.
    """
    try:
        for number, row in _rows(file):
            try:
                yield labelled_message(row)
            except BadRow as error:
                if rejects is None:
                    raise TrafficError(
                        f"{file}: line {number}: {error}; correct it, or leave such rows out with --skip-bad"
                    ) from None
                rejects.reasons[str(error)] += 1
                rejects.first = rejects.first or number
    except OSError as error:
        raise TrafficError(f"{file}: cannot be read ({error.strerror or type(error).__name__})") from None


def labelled_message(row: Any) -> LabelledMessage:
    """One message of a row in any of the dialects.

    Raises:
        BadRow: it has no text or no list of spans, or a span does not lie in the text or is not what the row says.
    """
    if isinstance(row, BadRow):
        raise row
    if not isinstance(row, Mapping):
        raise BadRow("not an object")
    text = _first(row, TEXTS)
    if not isinstance(text, str):
        raise BadRow(f"no text; it is looked for in {', '.join(TEXTS)}")
    spans = [span for entry in _entries(row) for span in _spans(entry, text)]
    language, kind = (_name(_first(row, names)) for names in (LANGUAGES, KINDS))
    return LabelledMessage(
        text, tuple(sorted(spans, key=lambda span: (span.start, span.end))), language, kind
    )


def _entries(row: Mapping[str, Any]) -> list[Any]:
    given = _first(row, SPANS)
    if given is None and not any(name in row for name in SPANS):
        raise BadRow(f"no list of spans; it is looked for in {', '.join(SPANS)}")
    if isinstance(given, str):
        given = _decoded(given)
    if given is None:
        return []
    if isinstance(given, Mapping):  # of an early ai4privacy set: {"[FIRSTNAME_1]": value}
        return [{"label": str(tag).strip("[]"), "value": value} for tag, value in given.items()]
    if not isinstance(given, (list, tuple)):
        raise BadRow("the spans are not a list")
    return list(given)


def _decoded(text: str) -> Any:
    if not text.strip():
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text) if len(text) <= LONGEST_LIST else text
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        raise BadRow("the spans are neither JSON nor a Python literal") from None


def _spans(entry: Any, text: str) -> Iterator[LabelledSpan]:
    if isinstance(entry, (list, tuple)) and len(entry) == 3:
        entry = dict(zip(("start", "end", "label"), entry, strict=True))
    if not isinstance(entry, Mapping):
        raise BadRow("a span is not an object")
    label = _first(entry, LABELS)
    label = label[0] if isinstance(label, (list, tuple)) and label else label
    if not isinstance(label, str) or not label.strip():
        raise BadRow(f"a span has no type; it is looked for in {', '.join(LABELS)}")
    type_ = our_type(label)
    start, end, value = _place(_first(entry, STARTS)), _place(_first(entry, ENDS)), _first(entry, VALUES)
    if start is None and end is None and isinstance(value, str) and value:
        yield from _occurrences(value, type_, text)
        return
    if start is None or end is None:
        raise BadRow("a span has no start or no end")
    if not 0 <= start < end <= len(text):
        raise BadRow("a span does not lie in the text")
    if isinstance(value, str) and value.strip() != text[start:end].strip():
        raise BadRow("the text between a span's offsets is not its value")
    yield LabelledSpan(start, end, type_)


def _occurrences(value: str, type_: str, text: str) -> Iterator[LabelledSpan]:
    start = text.find(value)
    if start < 0:
        raise BadRow("the value of a span without offsets is not in the text")
    while start >= 0:
        yield LabelledSpan(start, start + len(value), type_)
        start = text.find(value, start + len(value))


def _place(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) else None


def _first(row: Mapping[str, Any], names: Iterable[str]) -> Any:
    return next((row[name] for name in names if row.get(name) is not None), None)


def _name(value: Any) -> str | None:
    """Shown in tables: short, and nothing that a terminal obeys."""
    return "".join(filter(str.isprintable, value))[:40] if isinstance(value, str) and value else None


def _rows(file: Path) -> Iterator[tuple[int, Any]]:
    suffixes = [suffix.lower() for suffix in file.suffixes[-2:]]
    zipped = suffixes[-1:] == [".gz"]
    format_ = (suffixes[:-1] if zipped else suffixes)[-1:] or [""]
    readers = {".jsonl": _json_lines, ".ndjson": _json_lines, ".json": _json_list, ".csv": _csv_rows}
    if format_[0] in (".parquet", ".pq") and not zipped:
        yield from _parquet_rows(file)
        return
    if format_[0] not in readers:
        raise TrafficError(f"{file}: a labelled set is .jsonl, .json, .csv (each also as .gz) or .parquet")
    opened = (
        gzip.open(file, "rt", encoding="utf-8-sig", newline="")
        if zipped
        else file.open(encoding="utf-8-sig", newline="")
    )
    with opened as stream:
        try:
            yield from readers[format_[0]](stream)
        except (UnicodeDecodeError, EOFError, gzip.BadGzipFile, csv.Error) as error:
            raise TrafficError(f"{file}: is damaged or not UTF-8 ({type(error).__name__})") from None


def _json_lines(stream: IO[str]) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(stream, 1):
        if line.strip():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = BadRow("not JSON")
            yield number, row


def _json_list(stream: IO[str]) -> Iterator[tuple[int, Any]]:
    try:
        rows = json.load(stream)
    except (ValueError, RecursionError) as error:
        # One object a line is often called .json too.
        if not isinstance(error, json.JSONDecodeError) or not error.msg.startswith("Extra data"):
            yield getattr(error, "lineno", 1), BadRow("not JSON")
            return
        stream.seek(0)
        yield from _json_lines(stream)
        return
    if isinstance(rows, Mapping):
        lists = [value for value in rows.values() if isinstance(value, list)]
        rows = lists[0] if len(lists) == 1 and not any(name in rows for name in TEXTS) else [rows]
    yield from enumerate(rows if isinstance(rows, list) else [rows], 1)


def _csv_rows(stream: IO[str]) -> Iterator[tuple[int, Any]]:
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    reader = csv.DictReader(stream)
    for row in reader:
        yield reader.line_num, row


def _parquet_rows(file: Path) -> Iterator[tuple[int, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(file) as parquet:
            names = {*TEXTS, *SPANS, *LANGUAGES, *KINDS} & set(parquet.schema_arrow.names)
            for batch in parquet.iter_batches(1000, columns=sorted(names)):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except pa.ArrowException as error:
        raise TrafficError(f"{file}: is no readable Parquet file ({type(error).__name__})") from None

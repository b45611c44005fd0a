"""Readers: a log file in, its records out one by one, each a conversation or rejected with a reason.

Nothing here knows of weeks, consent or samples, and no record outlives its turn: memory does not grow with the logs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from depsim_dagster.errors import TrafficError
from depsim_dagster.traffic.csv_records import csv_records
from depsim_dagster.traffic.formats import read_record
from depsim_dagster.traffic.formats.draft import ReadSettings
from depsim_dagster.traffic.json_records import BOM, RawRecord, is_document, json_document, json_lines
from depsim_dagster.traffic.log_streams import BLOCK, PARQUET_MAGIC, LogFile
from depsim_dagster.traffic.parquet_records import parquet_records
from depsim_dagster.traffic.records import Conversation, Refused, Rejected, parse_json

Kind = Literal["parquet", "lines", "document", "csv"]


class ReadRecord(NamedTuple):
    """A record with its position in the file (from 0), the line on which it begins (from 1; None in Parquet), and what
    became of it."""

    record: int
    line: int | None
    outcome: Conversation | Rejected


def kind_of(log: LogFile, log_format: str) -> Kind:
    """What a log file is by its content; its ending decides only where the content leaves it open, and for CSV, which is
    a kind of files of prompts alone.

    Raises:
        TrafficError: it is called Parquet and is neither that nor JSON.
    """
    stream = log.stream()
    start = b""
    while len(start) < BLOCK and (block := stream.read(BLOCK - len(start))):
        start += block
    if start.startswith(PARQUET_MAGIC):
        return "parquet"
    endings = [ending.lower() for ending in log.path.suffixes[-2:]]
    if log_format == "prompts" and ".csv" in endings:
        return "csv"
    visible = start.removeprefix(BOM).lstrip()[:1]
    if ".parquet" in endings and visible not in (b"{", b"["):
        raise TrafficError(
            f"{log.name}: not a readable Parquet file; export it again or take it out of the logs"
        )
    ending = next((ending for ending in endings if ending in (".json", ".jsonl", ".ndjson")), "")
    return "document" if is_document(start, len(start) < BLOCK, ending) else "lines"


def read_records(
    log: LogFile, kind: Kind, settings: ReadSettings, only: Sequence[int] | None = None
) -> Iterator[ReadRecord]:
    """The records of a log file, or those at the sorted positions `only`.

    Raises:
        TrafficError: the file is damaged as a whole.
    """
    if kind == "parquet":
        for place, row in parquet_records(log, settings, only):
            outcome = row if isinstance(row, Rejected) else read_record(row, settings)
            yield ReadRecord(place, None, outcome)
        return
    if kind == "csv":
        chosen = None if only is None else frozenset(only)
        for place, (line, row) in enumerate(csv_records(log.stream(), log.name)):
            if chosen is None or place in chosen:
                yield ReadRecord(
                    place, line, row if isinstance(row, Rejected) else read_record(row, settings)
                )
        return
    raw_records = (json_document if kind == "document" else json_lines)(log.stream())
    if only is None:
        for place, raw in enumerate(raw_records):
            yield ReadRecord(place, raw.line, _outcome(raw, settings))
        return
    wanted = iter(only)
    next_wanted = next(wanted, None)
    for place, raw in enumerate(raw_records):
        if next_wanted is None:
            return
        if place == next_wanted:
            yield ReadRecord(place, raw.line, _outcome(raw, settings))
            next_wanted = next(wanted, None)


def _outcome(raw: RawRecord, settings: ReadSettings) -> Conversation | Rejected:
    if raw.raw is None:
        return Rejected("too_large")
    try:
        value = parse_json(raw.raw)
    except Refused as refused:
        reason = refused.rejected.reason
        return (
            Rejected("truncated") if raw.cut and reason in ("not_json", "invalid_utf8") else refused.rejected
        )
    return read_record(value, settings)

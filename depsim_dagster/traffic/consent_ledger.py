"""The consent ledger: rows of Parquet, CSV or JSONL in, one table of decisions about pseudonyms out.

A row that cannot be read never grants anything. It is kept with its problem, so that it is counted and its user, where
that is known, is excluded. Account identifiers become pseudonyms on the way in: DuckDB never holds a raw one. What the
decisions mean for a turn is not here (consent_standing.py).
"""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from depsim_dagster.config import StudyConfig
from depsim_dagster.config_sections import ConsentConfig
from depsim_dagster.errors import TrafficError
from depsim_dagster.lake_tables import fits
from depsim_dagster.traffic.log_files import matching_files
from depsim_dagster.traffic.prefix_sources import FURTHER_SOURCES
from depsim_dagster.traffic.pseudonyms import pseudonym
from depsim_dagster.traffic.schema import CONSENT_LEDGER

ROWS = 10_000
LONGEST_LINE = 1_048_576  # characters of one row of a CSV or JSONL ledger
COLUMNS = tuple(CONSENT_LEDGER.names)
# A row as it stands in the ledger: every value as text. `damaged`: a cell of it could not even be read as text.
LEDGER_CELLS = pa.schema([*((name, pa.string()) for name in COLUMNS), ("damaged", pa.bool_())])
# Beside an id or a scope: what takes no room on a page, and marks that nobody sees (zero-width, byte order, NUL).
BLANKS = "".join(c for c in map(chr, range(0x3001)) if c.isspace()) + "\0\u00ad\u200b\u200c\u200d\u2060\ufeff"
_TEXT_ENDINGS = (".csv", ".jsonl", ".ndjson")
# With seconds or without, with a zone always: a wall clock somewhere is not a moment.
_MOMENT = (
    r"[12]\d{3}-\d{2}-\d{2}[T ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,9})?)?(Z|[+-](0\d|1[0-5])(:[0-5]\d)?)"
)


def as_of(study: StudyConfig) -> dt.datetime:
    """The moment at which consent must still hold: `traffic.as_of`, else now."""
    return study.traffic.as_of or dt.datetime.now(dt.UTC)


def latest_moment(study: StudyConfig) -> dt.datetime:
    """What lies after this has not happened yet. A synthetic study may be set in the future by its `as_of`."""
    return max(as_of(study), dt.datetime.now(dt.UTC))


def define_consent(connection: duckdb.DuckDBPyConnection, study: StudyConfig, consent: ConsentConfig) -> None:
    """Create the temporary table `consent`, one row per row of the ledger.

    Columns: user_id (pseudonym; null when the row names nobody), scope, granted (bool), policy_version, effective_from,
    effective_until, recorded_at (timestamptz, UTC) and problem: why the row cannot be read, null when it can.

    Raises:
        TrafficError: no file matches, a file is damaged or lacks a column, or a Parquet column is of another type; the
            message names the file.
    """
    connection.execute(f"""
        create or replace temp macro moment_of(value) as
            case when regexp_full_match(value, '{_MOMENT}') then try_cast(value as timestamptz) end;
        create or replace temp table consent (
            user_id varchar, scope varchar, granted boolean, policy_version varchar, effective_from timestamptz,
            effective_until timestamptz, recorded_at timestamptz, problem varchar
        )
    """)
    key, latest = study.hmac_key, latest_moment(study)
    for batch in read_ledger(study, consent):
        written = [user or "" for user in batch.column("user_id").to_pylist()]
        users = list(map(meant_id, written))
        # An id with a space beside it belongs to nobody in the logs: it may be a misspelt refusal of the one without.
        spaced = [user != raw for user, raw in zip(users, written, strict=True)]
        columns = {
            **{name: batch.column(name) for name in batch.schema.names if name != "user_id"},
            "user_id": pa.array(
                [pseudonym(key, "user", user) if user else None for user in users], pa.string()
            ),
            "spaced": pa.array(spaced, pa.bool_()),
        }
        connection.register("ledger_batch", pa.table(columns))
        connection.execute(
            """
            insert into consent
            with read as (
                select user_id, nullif(scope, '') as scope, lower(trim(scope, $blanks)) as meant_scope,
                       nullif(policy_version, '') as policy_version,
                       case lower(granted) when 'true' then true when 'false' then false end as granted,
                       moment_of(effective_from) as effective_from, nullif(effective_until, '') as until,
                       moment_of(effective_until) as effective_until, moment_of(recorded_at) as recorded_at,
                       spaced, damaged
                from ledger_batch
            )
            select user_id, case when meant_scope = $meant_scope then $scope else scope end, granted, policy_version,
                   effective_from, effective_until, recorded_at, case
                when damaged then 'a value that is no text'
                when user_id is null then 'no user_id'
                when spaced then 'spaces around user_id'
                when scope is null then 'no scope'
                when scope <> $scope and meant_scope = $meant_scope then 'scope is misspelt'
                when policy_version is null then 'no policy_version'
                when granted is null then 'granted is neither true nor false'
                when effective_from is null then 'effective_from is no time with a zone'
                when until is not null and effective_until is null then 'effective_until is no time with a zone'
                when recorded_at is null then 'recorded_at is no time with a zone'
                when effective_until <= effective_from then 'effective_until is not after effective_from'
                when recorded_at > $latest then 'recorded_at is in the future'
            end from read
            """,
            {
                "latest": latest,
                "scope": consent.scope,
                "meant_scope": meant_scope(consent.scope),
                "blanks": BLANKS,
            },
        )
        connection.unregister("ledger_batch")


def meant_id(user_id: str) -> str:
    """An account id without the blanks beside it, seen or not."""
    return user_id.strip(BLANKS)


def meant_scope(scope: str) -> str:
    """A scope without blanks beside it and without its case: a refusal may be written in another way than a grant."""
    return scope.strip(BLANKS).lower()


def unreadable_decisions(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Problem → rows of the table `consent` that have it."""
    return dict(
        connection.execute(
            "select problem, count(*) from consent where problem is not null group by problem order by problem"
        ).fetchall()
    )


def read_ledger(study: StudyConfig, consent: ConsentConfig) -> Iterator[pa.RecordBatch]:
    """The rows of the ledger as they stand (LEDGER_CELLS), in bounded memory. They hold raw account identifiers.

    Raises:
        TrafficError: as `define_consent`.
    """
    assert consent.ledger is not None  # a public corpus has none, and nobody asks
    key = _key(study, consent)
    for file in matching_files(study, (consent.ledger,), key):
        ending = Path(file.name.removesuffix(".gz")).suffix.lower()
        if ending in _TEXT_ENDINGS:
            yield from _text_rows(file, ending)
        else:
            yield from _parquet_rows(file, key)


def _key(study: StudyConfig, consent: ConsentConfig) -> str:
    """The key of the study file under which this ledger is named."""
    for name in FURTHER_SOURCES:
        source = getattr(study.traffic, name)
        if source is not None and source.consent is consent:
            return f"traffic.{name}.consent.ledger"
    return "traffic.consent.ledger"


# -------------------------------------------------------------------------------------------------------------- Parquet
def _parquet_rows(file: Path, key: str) -> Iterator[pa.RecordBatch]:
    try:
        parquet = pq.ParquetFile(file)
        present = parquet.schema_arrow
    except Exception as error:  # pyarrow raises several unrelated classes for a damaged file
        raise TrafficError(
            f"{file}: not a readable Parquet file ({type(error).__name__}); export it again, or name a ledger that ends in "
            f".parquet, {', '.join(_TEXT_ENDINGS)} in {key}"
        ) from None
    with parquet:
        _demand_columns(file, present.names, key)
        wrong = [
            column for column in CONSENT_LEDGER if not fits(present.field(column.name).type, column.type)
        ]
        if wrong:
            wanted = "; ".join(f"{column.name}: {column.type}" for column in wrong)
            raise TrafficError(
                f"{file}: column(s) of another type than {key} needs. Export them as {wanted}"
                + (" (times need a zone)" if "timestamp" in wanted else "")
            )
        try:
            for batch in parquet.iter_batches(ROWS, columns=list(COLUMNS)):
                cells = [_as_text(batch.column(name), CONSENT_LEDGER.field(name).type) for name in COLUMNS]
                damaged = pa.array([False] * batch.num_rows)
                yield pa.RecordBatch.from_arrays([*cells, damaged], schema=LEDGER_CELLS)
        except (pa.ArrowException, OSError, ValueError) as error:  # the message may quote a value
            raise _broken(file, error) from None


def _as_text(column: pa.Array, type_: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(type_) and not pa.types.is_null(column.type):
        column = column.cast(type_, safe=False)  # moments in UTC; nanoseconds are cut off
    return column.cast(pa.string())


# --------------------------------------------------------------------------------------------------------- CSV and JSONL
def _text_rows(file: Path, ending: str) -> Iterator[pa.RecordBatch]:
    rows: list[dict[str, Any]] = []
    try:
        with _opened(file) as lines:
            for row in _csv_rows(file, lines) if ending == ".csv" else _json_rows(lines):
                rows.append(row)
                if len(rows) == ROWS:
                    yield pa.RecordBatch.from_pylist(rows, schema=LEDGER_CELLS)
                    rows = []
    except (OSError, EOFError, csv.Error, ValueError) as error:  # the message may quote a row
        raise _broken(file, error) from None
    if rows:
        yield pa.RecordBatch.from_pylist(rows, schema=LEDGER_CELLS)


def _opened(file: Path) -> IO[str]:
    # A byte that is no UTF-8 damages its row, not the ledger: it becomes a lone surrogate, which `_row` sees.
    options: dict[str, Any] = {"encoding": "utf-8-sig", "errors": "surrogateescape", "newline": ""}
    return gzip.open(file, "rt", **options) if file.suffix == ".gz" else open(file, **options)


def _csv_rows(file: Path, lines: IO[str]) -> Iterator[dict[str, Any]]:
    csv.field_size_limit(LONGEST_LINE)
    records = csv.reader(_bounded(lines), strict=True)
    header = next(records, [])
    _demand_columns(file, header, "the ledger")
    places = {name: header.index(name) for name in COLUMNS}
    for record in records:
        if record:
            cells = {name: record[place] if place < len(record) else None for name, place in places.items()}
            yield _row(cells, damaged=len(record) != len(header) or len(set(header)) != len(header))


def _json_rows(lines: IO[str]) -> Iterator[dict[str, Any]]:
    for line in _bounded(lines):
        line = line.lstrip("\ufeff")  # where another file was appended
        if not line.strip():
            continue
        try:
            pairs = json.loads(line, object_pairs_hook=list)
        except (ValueError, RecursionError):
            pairs = None
        if not isinstance(pairs, list) or not all(isinstance(pair, tuple) for pair in pairs):
            yield _row({}, damaged=True)
            continue
        # Two values for one name, the last of which a JSON reader would take.
        yield _row(dict(pairs), damaged=len({name for name, _ in pairs}) != len(pairs))


def _row(cells: dict[str, Any], damaged: bool) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name in COLUMNS:
        value = cells.get(name)
        if isinstance(value, bool) and name == "granted":
            value = str(value).lower()
        elif isinstance(value, int) and name == "user_id" and not isinstance(value, bool):
            value = str(value)
        elif isinstance(value, float) and name == "user_id" and value.is_integer():
            # What a table with a gap in it makes of a number: whose row it is can be guessed, and no more.
            value, damaged = str(int(value)), True
        if value is not None and not (isinstance(value, str) and _encodable(value)):
            value, damaged = None, True
        row[name] = value
    return row | {"damaged": damaged}


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _bounded(lines: IO[str]) -> Iterator[str]:
    """Lines, none of which may fill the memory."""
    while line := lines.readline(LONGEST_LINE + 1):
        if len(line) > LONGEST_LINE:
            raise ValueError("a line is too long")
        yield line


def _demand_columns(file: Path, present: Iterable[str], key: str) -> None:
    absent = [name for name in COLUMNS if name not in set(present)]
    if absent:
        raise TrafficError(f"{file}: no column {', '.join(absent)}; {key} needs {', '.join(COLUMNS)}")


def _broken(file: Path, error: Exception) -> TrafficError:
    return TrafficError(
        f"{file}: cannot be read to its end ({type(error).__name__}); check that the file is complete, and export it again"
    )

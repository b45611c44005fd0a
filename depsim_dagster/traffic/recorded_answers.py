"""Tables of (prompt, model, answer), as published beside a paper, read as they are.

Every value is read as text, verbatim: a guessed type would rewrite an answer that looks like a date or a number.
"""

from __future__ import annotations

import csv
from pathlib import Path

import duckdb

from depsim_dagster.config import RecordedAnswers, StudyConfig
from depsim_dagster.duckdb_sql import exact_file, identifier, literal, read_parquet
from depsim_dagster.errors import TrafficError
from depsim_dagster.traffic.log_files import matching_files

LONGEST_LINE = 16_777_216  # bytes of one row of a CSV file


def recorded_answers(
    connection: duckdb.DuckDBPyConnection,
    study: StudyConfig,
    source: RecordedAnswers,
    columns: list[str],
    key: str,
) -> str:
    """SQL that selects `columns` of the recorded-answer files as text, with two more: `model_name` (the model without its
    prefix) and `file` (the name of the file without its ending).

    Raises:
        TrafficError: a file is missing, unreadable, or lacks a column.
    """
    selects = []
    for file in matching_files(study, source.files, f"{key}.files"):
        reader, present = _table_reader(connection, file)
        needed = [source.columns.prompt, source.columns.model, source.columns.answer]
        absent = [column for column in needed if column not in present]
        if absent:
            raise TrafficError(
                f"{file}: no column {', '.join(absent)}; name the columns of this file in {key}.columns"
            )
        # An attribute that only some of the files have is null in the others.
        parts = [
            f"cast({identifier(column)} as varchar) as {identifier(column)}"
            if column in present
            else f"cast(null as varchar) as {identifier(column)}"
            for column in dict.fromkeys([*needed, *columns])
            if column != "file"
        ]
        parts.append(f"{literal(file.stem)} as file")
        selects.append(f"select {', '.join(parts)} from {reader}")
    prefix = literal(source.strip_model_prefix)
    model = identifier(source.columns.model)
    return (
        f"select *, case when starts_with({model}, {prefix}) then substr({model}, length({prefix}) + 1) else {model} end "
        f"as model_name from ({' union all '.join(selects)})"
    )


def _table_reader(connection: duckdb.DuckDBPyConnection, file: Path) -> tuple[str, list[str]]:
    """(SQL that reads the file, its columns)"""
    try:
        if file.suffix == ".csv":
            reader = _csv_reader(file)
        elif file.suffix == ".parquet":
            reader = read_parquet([file])
        elif file.suffix in (".jsonl", ".ndjson", ".json"):
            found = connection.execute(
                f"describe select * from read_json({exact_file(file)}, sample_size = -1)"
            ).fetchall()
            types = ", ".join(f"{literal(row[0])}: 'VARCHAR'" for row in found)
            reader = f"read_json({exact_file(file)}, columns = {{{types}}})"
        else:
            raise TrafficError(
                f"{file}: unknown kind of file; accepted: .csv, .parquet, .jsonl, .ndjson, .json"
            )
        columns = [row[0] for row in connection.execute(f"describe select * from {reader}").fetchall()]
        # Every value once: a file that breaks off later would otherwise be found out without its name.
        connection.execute(f"select max(hash(f)) from {reader} as f").fetchall()
    except (duckdb.Error, OSError, UnicodeDecodeError, csv.Error) as error:  # the message may quote a row
        raise TrafficError(
            f"{file}: cannot be read ({type(error).__name__}); check that the file is complete and in UTF-8"
        ) from None
    return reader, columns


def _csv_reader(file: Path) -> str:
    # Explicit quoting and columns: sniffing guesses wrong on answers that hold code and quotation marks.
    csv.field_size_limit(LONGEST_LINE)
    with open(file, newline="", encoding="utf-8-sig") as lines:
        records = csv.reader(lines, strict=True)
        header = next(records, [])
        # DuckDB leaves out a last row that breaks off inside of its quotes; this reader refuses it.
        for _ in records:
            pass
    types = ", ".join(
        f"{literal(column or f'column{place}')}: 'VARCHAR'" for place, column in enumerate(header)
    )
    return (
        f"read_csv({exact_file(file)}, header = true, delim = ',', quote = '\"', escape = '\"', columns = {{{types}}}, "
        f"parallel = false, auto_detect = false, max_line_size = {LONGEST_LINE})"
    )

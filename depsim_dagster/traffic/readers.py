"""Readers: a log format in, one DuckDB relation of conversations (schema.CONVERSATIONS) out.

A reader defines a view named `conversations`; DuckDB streams the files when the sample is drawn, so memory does not
grow with the logs. What is not here: eligibility and sampling, which are the same for every format.
"""

from __future__ import annotations

import csv
import glob
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from depsim_dagster.config import RecordedAnswers, StudyConfig
from depsim_dagster.errors import TrafficError
from depsim_dagster.traffic.schema import CONSENT_LEDGER, CONVERSATIONS


def connect() -> duckdb.DuckDBPyConnection:
    """An in-memory connection that reads and prints every time in UTC."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def define_conversations(connection: duckdb.DuckDBPyConnection, study: StudyConfig) -> None:
    """Define the view `conversations` over the study's logs.

    Raises:
        TrafficError: no file matches, a file is damaged, or a column is missing; the message names the file.
    """
    if study.traffic.format == "depsim":
        files = _parquet_files(study, study.traffic.paths, "traffic.paths", CONVERSATIONS.names)
        connection.execute(f"create view conversations as select * from {_read_parquet(files)}")
    else:
        assert study.traffic.recorded is not None  # StudyConfig demands it for this format
        _define_recorded_conversations(connection, study, study.traffic.recorded)


def define_consent(connection: duckdb.DuckDBPyConnection, study: StudyConfig) -> None:
    """Define the view `consent` over the study's consent ledger (schema.CONSENT_LEDGER)."""
    assert study.traffic.consent.ledger is not None
    files = _parquet_files(
        study, (study.traffic.consent.ledger,), "traffic.consent.ledger", CONSENT_LEDGER.names
    )
    connection.execute(f"create view consent as select * from {_read_parquet(files)}")


def matching_files(study: StudyConfig, patterns: tuple[str, ...], key: str) -> list[Path]:
    """Files that the patterns match, sorted; a pattern that matches none is an error that names the key."""
    found: list[Path] = []
    for pattern in patterns:
        path = study.path(pattern)
        matches = sorted(Path(match) for match in glob.glob(str(path), recursive=True))
        if not matches:
            raise TrafficError(
                f"{study.file}: {key}: nothing matches {path}; give an existing file or a glob"
            )
        found.extend(matches)
    return found


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


def identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _parquet_files(study: StudyConfig, patterns: tuple[str, ...], key: str, columns: list[str]) -> list[Path]:
    files = matching_files(study, patterns, key)
    for file in files:
        try:
            present = pq.read_schema(file).names
        except Exception as error:  # pyarrow raises several unrelated classes for a damaged file
            raise TrafficError(
                f"{file}: not a readable Parquet file ({type(error).__name__}); export it again or take it out of {key}"
            ) from None
        absent = [column for column in columns if column not in present]
        if absent:
            raise TrafficError(f"{file}: no column {', '.join(absent)}; {key} needs {', '.join(columns)}")
    return files


def _read_parquet(files: list[Path]) -> str:
    return f"read_parquet([{', '.join(literal(str(file)) for file in files)}], union_by_name = true, hive_partitioning = false)"


def _table_reader(connection: duckdb.DuckDBPyConnection, file: Path) -> tuple[str, list[str]]:
    name = literal(str(file))
    if file.suffix == ".csv":
        # Explicit quoting and columns: sniffing guesses wrong on answers that hold code and quotation marks.
        with open(file, newline="", encoding="utf-8") as lines:
            header = next(csv.reader(lines), [])
        types = ", ".join(
            f"{literal(column or f'column{place}')}: 'VARCHAR'" for place, column in enumerate(header)
        )
        reader = (
            f"read_csv({name}, header = true, delim = ',', quote = '\"', escape = '\"', columns = {{{types}}}, "
            "parallel = false, auto_detect = false, max_line_size = 16777216)"
        )
    elif file.suffix == ".parquet":
        reader = f"read_parquet({name})"
    elif file.suffix in (".jsonl", ".ndjson", ".json"):
        reader = f"read_json({name})"
    else:
        raise TrafficError(f"{file}: unknown kind of file; accepted: .csv, .parquet, .jsonl, .ndjson, .json")
    try:
        columns = [row[0] for row in connection.execute(f"describe select * from {reader}").fetchall()]
        connection.execute(f"select count(*) from {reader}").fetchall()
    except duckdb.Error as error:  # its message may quote a row
        raise TrafficError(
            f"{file}: cannot be read ({type(error).__name__}); check that the file is complete"
        ) from None
    return reader, columns


def _define_recorded_conversations(
    connection: duckdb.DuckDBPyConnection, study: StudyConfig, source: RecordedAnswers
) -> None:
    """Recorded answers as single-turn traffic of retrospective deployments.

    A hash of the prompt splits the prompts in two halves. Answers of a deployment to the `before` half become its
    traffic in the forecast window of its successor, answers to the `after` half its traffic in its own observation
    window: forecast and observation are different samples, and a candidate's answers to the `before` half appear only
    in the replay.
    """
    windows = []
    for deployment in study.deployments:
        successors = [
            candidate for candidate in study.candidates if candidate.predecessor == deployment.model
        ]
        before = study.forecast_weeks(successors[0].model) if successors else ()
        for half, weeks in (("before", before), ("after", study.observation_weeks(deployment.model))):
            windows += [(deployment.model, half, place, len(weeks), week) for place, week in enumerate(weeks)]
    rows = ", ".join(
        f"({literal(model)}, {literal(half)}, {place}, {count}, timestamptz '{week} 00:00:00+00')"
        for model, half, place, count, week in windows
    )
    attributes = list(source.columns.attributes)
    answers = recorded_answers(connection, study, source, attributes, "traffic.recorded")
    pairs = ", ".join(f"{literal(name)}, {identifier(name)}" for name in attributes)
    prompt, answer = identifier(source.columns.prompt), identifier(source.columns.answer)
    connection.execute(f"""
        create view conversations as
        with answers as (
            select *, sha256({literal(f"{study.seed}:")} || {prompt}) as prompt_hash,
                   row_number() over (partition by model_name, {prompt} order by {answer}, json_object({pairs})) as copy
            from ({answers})
        ),
        windows(model, half, place, weeks, week) as (values {rows or "(null, null, 0, 1, null::timestamptz)"}),
        placed as (
            select answers.*, week + to_minutes(('0x' || substr(prompt_hash, 11, 8))::bigint % 10080) as sent_at
            from answers join windows
              on windows.model = answers.model_name
             and windows.half = case when prompt_hash < '8' then 'before' else 'after' end
             and windows.place = ('0x' || substr(prompt_hash, 2, 8))::bigint % windows.weeks
        )
        select prompt_hash || ':' || model_name || ':' || copy as conversation_id,
               cast(null as varchar) as user_id, model_name as model, cast(null as varchar) as language,
               'chat' as surface, 'consumer' as account_class, false as temporary, cast(null as varchar) as tools,
               {f"json_object({pairs})::varchar" if pairs else "cast(null as varchar)"} as attributes,
               [{{'role': 'user', 'content': {prompt}, 'reasoning': cast(null as varchar), 'tool_calls': cast(null as varchar),
                  'tool_call_id': cast(null as varchar), 'name': cast(null as varchar), 'created_at': sent_at, 'attachments': 0}},
                {{'role': 'assistant', 'content': {answer}, 'reasoning': null, 'tool_calls': null,
                  'tool_call_id': null, 'name': null, 'created_at': sent_at, 'attachments': 0}}] as messages
        from placed
    """)

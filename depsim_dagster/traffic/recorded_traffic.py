"""Recorded answers as traffic: single-turn conversations of retrospective deployments, indexed as one log.

A hash of the prompt splits the prompts in two halves. Answers of a deployment to the `before` half become its traffic in
the forecast window of its successor, answers to the `after` half its traffic in its own observation window: forecast and
observation are different samples, and a candidate's answers to the `before` half appear only in the replay.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from depsim_dagster.config import RecordedAnswers, StudyConfig
from depsim_dagster.duckdb_sql import connect, identifier, literal
from depsim_dagster.errors import TrafficError
from depsim_dagster.traffic.formats import read_record
from depsim_dagster.traffic.formats.draft import ReadSettings
from depsim_dagster.traffic.log_files import matching_files, shown
from depsim_dagster.traffic.log_streams import opened
from depsim_dagster.traffic.logs import changed
from depsim_dagster.traffic.readers import ReadRecord
from depsim_dagster.traffic.recorded_answers import recorded_answers

KEY = "traffic.recorded"
BATCH_ROWS = 1_000


@dataclass(frozen=True)
class RecordedLog:
    """All recorded answers of a study. `content` covers their files and what places them in weeks."""

    study: StudyConfig
    settings: ReadSettings
    path: Path
    content: str
    size: int
    name: str = KEY
    state: str = ""

    @classmethod
    def of(cls, study: StudyConfig, settings: ReadSettings) -> RecordedLog:
        """Raises TrafficError where no file matches or one cannot be opened."""
        content, size = _content(study)
        return cls(study, settings, study.file, content, size)

    def form(self) -> tuple[str, str]:
        return "recorded_answers", "none"

    def records(self, only: Sequence[int] | None = None) -> Iterator[ReadRecord]:
        """Raises TrafficError where a file cannot be read, or changed since."""
        connection = connect()
        define_recorded_conversations(connection, self.study, _source(self.study))
        wanted = None if only is None else frozenset(only)
        record = 0
        try:
            # The id makes the order of equal runs equal: it holds a hash of the prompt, the model and a number.
            reader = connection.sql("select * from conversations order by conversation_id").to_arrow_reader(
                BATCH_ROWS
            )
            for batch in reader:
                for row in batch.to_pylist():
                    if wanted is None or record in wanted:
                        yield ReadRecord(record, None, read_record(row, self.settings))
                    record += 1
        except duckdb.Error as error:  # its message may quote a row
            raise TrafficError(
                f"{self.study.file}: {KEY}: the recorded answers cannot be read ({type(error).__name__}); check their files"
            ) from None
        if _content(self.study)[0] != self.content:
            raise changed(f"{self.study.file}: {KEY}.files")


def define_recorded_conversations(
    connection: duckdb.DuckDBPyConnection, study: StudyConfig, source: RecordedAnswers
) -> None:
    """Define the view `conversations` (schema.CONVERSATIONS) over recorded answers.

    Raises:
        TrafficError: a file is missing, unreadable, or lacks a column.
    """
    rows = ", ".join(
        f"({literal(model)}, {literal(half)}, {place}, {count}, timestamptz '{week} 00:00:00+00')"
        for model, half, place, count, week in _windows(study)
    )
    attributes = list(source.columns.attributes)
    answers = recorded_answers(connection, study, source, attributes, KEY)
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


def _windows(study: StudyConfig) -> list[tuple[str, str, int, int, str]]:
    """(model, half, place of the week in its window, weeks of the window, Monday)"""
    windows = []
    for deployment in study.deployments:
        successors = [
            candidate for candidate in study.candidates if candidate.predecessor == deployment.model
        ]
        before = study.forecast_weeks(successors[0].model) if successors else ()
        for half, weeks in (("before", before), ("after", study.observation_weeks(deployment.model))):
            windows += [
                (deployment.model, half, place, len(weeks), str(week)) for place, week in enumerate(weeks)
            ]
    return windows


def _source(study: StudyConfig) -> RecordedAnswers:
    assert study.traffic.recorded is not None  # StudyConfig demands it for this format
    return study.traffic.recorded


def _content(study: StudyConfig) -> tuple[str, int]:
    """(SHA-256 of the files and of what places their rows in weeks, bytes of the files)"""
    source, files, size = _source(study), [], 0
    for path in matching_files(study, source.files, f"{KEY}.files"):
        with opened(path) as log:
            files.append((shown(path.stem), log.content()))  # the name is an attribute that a row may carry
            size += log.size
    placed = {
        "files": files,
        "seed": study.seed,
        "windows": _windows(study),
        "recorded": source.model_dump(mode="json", exclude={"files"}),
    }
    return hashlib.sha256(json.dumps(placed, sort_keys=True).encode()).hexdigest(), size

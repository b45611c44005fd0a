"""Small literal logs: conversations and consent decisions written as Parquet, and a study file over them."""

import datetime as dt
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from depsim_dagster.config import StudyConfig, load_study
from depsim_dagster.lake import Lake
from depsim_dagster.study import Study
from depsim_dagster.traffic.sampling import WeekSample, sample_week
from depsim_dagster.traffic.schema import CONSENT_LEDGER, CONVERSATIONS

WEEK = dt.date(2026, 1, 5)
MONDAY = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
NOON = dt.datetime(2026, 1, 7, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)

STUDY = {
    "version": 1,
    "name": "literal",
    "seed": 3,
    "traffic": {
        "paths": ["logs*.parquet"],
        "consent": {"ledger": "consent.parquet"},
        "as_of": "2026-02-02T00:00:00Z",
    },
    "weeks": {"first": "2026-01-05", "last": "2026-01-26"},
    "deployments": [{"model": "m1", "released": "2026-01-05", "endpoint": "e"}],
    "endpoints": {"e": {"kind": "sandbox", "world": "world.json"}},
    "grading": {"graders": {"g": {"kind": "regex", "pattern": "x"}}, "default_grader": "g"},
}


def message(role: str, content: str | None = "hello", at: dt.datetime = NOON, **more) -> dict:
    fields = dict.fromkeys(("reasoning", "tool_calls", "tool_call_id", "name"))
    return {"role": role, "content": content, **fields, "created_at": at, "attachments": 0, **more}


def exchange(at: dt.datetime = NOON, question: str = "hello", answer: str | None = "hi") -> list[dict]:
    return [message("user", question, at), message("assistant", answer, at)]


def conversation(conversation_id: str = "c1", user_id: str | None = "u1", messages=None, **more) -> dict:
    return {
        "conversation_id": conversation_id,
        "user_id": user_id,
        "model": "m1",
        "language": "en",
        "surface": "chat",
        "account_class": "consumer",
        "temporary": False,
        "tools": None,
        "attributes": None,
        "messages": exchange() if messages is None else messages,
        **more,
    }


def decision(
    user_id: str = "u1", granted: bool = True, start: dt.datetime = MONDAY - 24 * HOUR, **more
) -> dict:
    return {
        "user_id": user_id,
        "scope": "model_improvement",
        "granted": granted,
        "policy_version": "p1",
        "effective_from": start,
        "effective_until": None,
        "recorded_at": start,
        **more,
    }


def write_logs(
    directory: Path, conversations: list[dict], name: str = "logs.parquet", schema=CONVERSATIONS
) -> Path:
    schema = pa.schema([part.with_nullable(True) for part in schema])
    pq.write_table(pa.Table.from_pylist(conversations, schema=schema), directory / name)
    return directory / name


def write_consent(directory: Path, decisions: list[dict]) -> Path:
    pq.write_table(pa.Table.from_pylist(decisions, schema=CONSENT_LEDGER), directory / "consent.parquet")
    return directory / "consent.parquet"


# Most tests send one greeting many times, which would be repetitions.
NO_REPETITIONS = {"repeated_prompts": False, "near": "off"}


def study_of(directory: Path, **changes) -> StudyConfig:
    """The study over what was written in `directory`; `changes` replace top-level keys. Repeated prompts are all kept
    unless `sampling.duplicates` is given."""
    sampling = {"duplicates": NO_REPETITIONS} | changes.pop("sampling", {})
    file = directory / "study.yaml"
    file.write_text(yaml.safe_dump(STUDY | {"sampling": sampling} | changes), encoding="utf-8")
    return load_study(file)


def drawn(directory: Path, conversations=None, decisions=None, week: dt.date = WEEK, **changes) -> WeekSample:
    """The sample of a week of these conversations; consent of u1 is granted unless `decisions` say otherwise."""
    if conversations is not None:
        write_logs(directory, conversations)
    write_consent(directory, [decision()] if decisions is None else decisions)
    return sampled(study_of(directory, **changes), week)


def lake_of(study: StudyConfig) -> Lake:
    return Study(study).lake


def sampled(study: StudyConfig, week: dt.date = WEEK) -> WeekSample:
    """The sample of a week by the whole path: log files, turn index, rules, draw."""
    return sample_week(study, lake_of(study), week)


def rows_of(sample: WeekSample) -> list[dict]:
    return [row for batch in sample.rows for row in batch.to_pylist()]


def funnel_of(sample: WeekSample) -> dict[str, int]:
    return {row["rule"]: row["turns"] for row in sample.funnel.to_pylist()}


def texts(column: str) -> list[tuple[str, str | None]]:
    return [(item["role"], item.get("content")) for item in json.loads(column)]

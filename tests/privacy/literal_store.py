"""A small store with rows of a few people in every table and journal, written out: two weeks, two models.

Everybody has one turn a week. Answers of the replayed model are each person's own; the grader's answer on the first week
is one for all, because they asked the same. The text of a turn names its person and week, so that it can be looked for.
"""

import datetime as dt
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from depsim_dagster.audit.schema import AUDIT_FINDINGS, PRODUCTION_FINDINGS
from depsim_dagster.awareness.labels.schema import AWARENESS_LABELS
from depsim_dagster.config import load_study
from depsim_dagster.grading.review.schema import HUMAN_LABELS, REVIEW_SAMPLES
from depsim_dagster.grading.schema import GRADED_LABELS, PRODUCTION_LABELS
from depsim_dagster.lake import GateMark, LakeTable
from depsim_dagster.replay.dialects.outcomes import Outcome
from depsim_dagster.replay.journal.claims import Subject
from depsim_dagster.replay.schema import REGENERATED_COMPLETIONS
from depsim_dagster.study import Study
from depsim_dagster.traffic.pseudonyms import pseudonym
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES, SAMPLED_TRAFFIC, SAMPLING_FUNNEL, TURN_INDEX

WEEKS = ("2026-01-05", "2026-01-12")
MODELS = ("m1", "m2")
PEOPLE = ("account-anna", "account-bert", "account-cleo")
KEY, OLDER_KEY = "a key of these tests, long enough", "the key before it, long enough"
ENDPOINT = "models"
STUDY = {
    "version": 1,
    "name": "literal",
    "traffic": {"paths": ["logs.parquet"], "consent": {"ledger": "consent.parquet"}},
    "weeks": {"first": WEEKS[0], "last": "2026-01-26"},
    "windows": {"forecast_weeks": 2, "observation_weeks": 1},
    "deployments": [
        {"model": "m1", "released": "2025-12-01", "endpoint": ENDPOINT},
        {"model": "m2", "released": "2026-01-19", "endpoint": ENDPOINT, "predecessor": "m1"},
    ],
    "endpoints": {ENDPOINT: {"base_url": "http://127.0.0.1:9/v1"}},
    "grading": {
        "graders": {"judge": {"kind": "llm", "endpoint": ENDPOINT, "model": "grader"}},
        "default_grader": "judge",
    },
}


def user(person: str, key: str = KEY) -> str:
    return pseudonym(key.encode(), "user", person)


def turn(person: str, week: str, key: str = KEY) -> str:
    return pseudonym(key.encode(), "turn", f"{person} in {week}")


def said(person: str, week: str, kind: str = "original") -> str:
    return f"The {kind} sentence of {person.removeprefix('account-')} in the week {week}."


def sampled_row(person: str, week: str, key: str = KEY, kind: str = "original", **more) -> dict:
    sent_at = dt.datetime.fromisoformat(f"{week}T12:00:00+00:00")
    return {
        "week": week,
        "turn_id": turn(person, week, key),
        "conversation_id": pseudonym(key.encode(), "conversation", f"{person} in {week}"),
        "user_id": user(person, key),
        "deployment": "m1",
        "sent_at": sent_at,
        "turn_index": 0,
        "prefix_source": "deployment_traffic",
        "inclusion_probability": 0.5,
        "account_class": "consumer",
        "surface": "chat",
        "temporary": False,
        "has_attachment": False,
        "has_image": False,
        "consent_granted": True,
        "consent_policy_version": "p1",
        "consent_decided_at": sent_at - dt.timedelta(days=1),
        "sandbox": False,
        "prefix": json.dumps([{"role": "user", "content": said(person, week, kind)}]),
        "target": json.dumps([{"role": "assistant", "content": said(person, week, f"answered {kind}")}]),
        **more,
    }


def label_rows(person: str, week: str, model: str, source: str, key: str = KEY) -> list[dict]:
    row = {
        "week": week,
        "model": model,
        "deployment": "m1",
        "prefix_source": "deployment_traffic",
        "source": source,
        "turn_id": turn(person, week, key),
        "completion_index": 0,
        "flagged": False,
        "status": "graded",
        "grader": "judge",
        "stack_hash": "s",
        "user_id": user(person, key),
        "inclusion_probability": 0.5,
        "prefix_characters": 40,
        "turn_index": 0,
        "tools_offered": False,
        "grading_probability": 1.0,
        "sandbox": False,
    }
    return [{**row, "category": category} for category in ("rude", "sly")]


def filled(table: LakeTable, rows: list[dict]) -> pa.Table:
    """Rows of a table; numbers that a row does not have are zero and texts empty, so that a new column breaks no test."""

    def value(column: pa.Field, row: dict):
        empty = (
            0
            if column.type in (pa.float64(), pa.int64(), pa.int32())
            else ""
            if pa.types.is_string(column.type)
            else []
        )
        return row.get(column.name, None if column.nullable else empty)

    return pa.Table.from_pylist(
        [{column.name: value(column, row) for column in table.schema} for row in rows], schema=table.schema
    )


def publish_gated(study: Study, partition: dict[str, str], rows: pa.Table) -> None:
    """As if it had come through its gates, which take seconds."""
    quarantined = study.lake.quarantine(DEIDENTIFIED_PREFIXES, partition, rows)
    signed(study, quarantined)


def signed(study: Study, quarantined) -> None:
    marks = [
        GateMark(suite, study.suite_versions[suite], quarantined.content, "0", "2026-01-20T00:00:00+00:00", 8)
        for suite in quarantined.table.gates
    ]
    study.lake.publish(quarantined, [study.lake.signed(quarantined, mark) for mark in marks])


def open_store(directory: Path, **changes) -> Study:
    (directory / "study.yaml").write_text(yaml.safe_dump({**STUDY, **changes}), encoding="utf-8")
    study = Study(load_study(directory / "study.yaml"))
    study.prepare_store()
    return study


def write_week(study: Study, week: str, people=PEOPLE, key: str = KEY) -> None:
    """Everything that the study keeps of a week."""
    lake, partition = study.lake, {"week": week}
    lake.write(
        SAMPLED_TRAFFIC,
        partition,
        filled(SAMPLED_TRAFFIC, [sampled_row(person, week, key) for person in people]),
    )
    counts = [("not_sampled", 7, 4), ("sampled", len(people), len(people))]
    steps = [
        {
            "week": week,
            "position": place,
            "prefix_source": "deployment_traffic",
            "rule": rule,
            "turns": turns,
            "users": users,
            "sandbox": False,
        }
        for place, (rule, turns, users) in enumerate(counts)
    ]
    lake.write(SAMPLING_FUNNEL, partition, filled(SAMPLING_FUNNEL, steps))
    rows = [sampled_row(person, week, key, "de-identified", prefix_characters=9) for person in people]
    publish_gated(study, partition, filled(DEIDENTIFIED_PREFIXES, rows))
    for model in MODELS:
        completions = [completion_row(person, week, model, key) for person in people]
        lake.write(
            REGENERATED_COMPLETIONS,
            partition | {"model": model},
            filled(REGENERATED_COMPLETIONS, completions),
        )
        labels = [row for person in people for row in label_rows(person, week, model, "simulated", key)]
        lake.write(GRADED_LABELS, partition | {"model": model}, filled(GRADED_LABELS, labels))
        for person in people:
            answer(study, model, f"{model} {week} {person}", person, week, said(person, week, model), key)
    labels = [row for person in people for row in label_rows(person, week, "m1", "production", key)]
    lake.write(PRODUCTION_LABELS, partition, filled(PRODUCTION_LABELS, labels))
    write_examination(study, week, people, key)
    write_review(study, week, people, key)
    shared = week == WEEKS[0]
    for person in people:
        request = "judged for all" if shared else f"judged {week} {person}"
        verdict = "The verdict on what all asked." if shared else said(person, week, "judged")
        answer(study, "grader", request, person, week, verdict, key)
    index = [{**sampled_row(person, week, key), "file": f"file of {week}", "record": 1} for person in people]
    texts = {
        "record_digest": "r",
        "prompt_digest": "p",
        "malformed": False,
        "wordless": False,
        "answered": True,
    }
    lake.write(
        TURN_INDEX, {"file": f"file of {week}"}, filled(TURN_INDEX, [{**row, **texts} for row in index])
    )


def write_examination(study: Study, week: str, people, key: str = KEY) -> None:
    """Everybody's turn was examined, and the auditor wrote something about it."""
    for model in MODELS:
        partition = {"week": week, "model": model}
        labels = [
            label_rows(person, week, model, "simulated", key)[0] | {"author": model} for person in people
        ]
        study.lake.write(AWARENESS_LABELS, partition, filled(AWARENESS_LABELS, labels))
        findings = [finding_row(person, week, model, key) for person in people]
        study.lake.write(AUDIT_FINDINGS, partition, filled(AUDIT_FINDINGS, findings))
    findings = [finding_row(person, week, "m1", key, "production") for person in people]
    study.lake.write(PRODUCTION_FINDINGS, {"week": week}, filled(PRODUCTION_FINDINGS, findings))


def finding_row(person: str, week: str, model: str, key: str = KEY, source: str = "simulated") -> dict:
    text = said(person, week, f"found {source}")
    row = label_rows(person, week, model, source, key)[0] | {
        "status": "found",
        "severity": 3,
        "quote_found": True,
    }
    texts = {"description": text, "evidence": text, "justification": text}
    return row | texts | {"conversation_id": pseudonym(key.encode(), "conversation", f"{person} in {week}")}


def write_review(study: Study, week: str, people, key: str = KEY) -> None:
    """Everybody's turn was drawn for review, and a person labelled it."""
    shared = {
        "model": "m1",
        "source": "production",
        "prefix_source": "deployment_traffic",
        "category": "rude",
    }
    shared |= {"reading_hash": "r", "stack_hash": "s", "annotator": "a", "sampling_probability": 0.5}
    shared |= {"drawn_at": dt.datetime.fromisoformat(f"{week}T12:00:00+00:00"), "completion_index": 0}
    rows = [
        {
            **shared, "week": week, "turn_id": turn(person, week, key), "user_id": user(person, key),
            "item_id": f"item {number}", "imported_at": shared["drawn_at"],
        }
        for number, person in enumerate(people)
    ]  # fmt: skip
    for table in (REVIEW_SAMPLES, HUMAN_LABELS):
        (part,) = table.partitioned_by
        named = {part: f"of {week}"}
        study.lake.write(table, named, filled(table, [{**row, **named} for row in rows]))


def completion_row(person: str, week: str, model: str, key: str = KEY) -> dict:
    return {
        "week": week,
        "model": model,
        "deployment": "m1",
        "turn_id": turn(person, week, key),
        "completion_index": 0,
        "request_id": f"{model} {week} {person}",
        "status": "ok",
        "completion": json.dumps({"role": "assistant", "content": said(person, week, model)}),
        "endpoint": ENDPOINT,
        "attempts": 1,
        "sandbox": False,
    }


def answer(study: Study, model: str, request: str, person: str, week: str, text: str, key: str = KEY) -> None:
    """An answer in the journal of a model, and for whom it was asked."""
    journal = study.journal(ENDPOINT, model)
    journal.claim(request, Subject(week, turn(person, week, key), user(person, key)))
    if request not in journal.known_ids():
        journal.append(Outcome(request, "ok", json.dumps({"role": "assistant", "content": text})))
    journal.flush()


def answers(study: Study, model: str) -> set[str]:
    """Request ids that the journal of a model answers."""
    journal = study.journal(ENDPOINT, model)
    known = journal.known_ids()
    return {id for id in journal.outcomes().read_all().column("request_id").to_pylist() if id in known}


def rows_of(study: Study, table: LakeTable, **partition: str) -> list[dict]:
    return study.lake.read(table, partition).to_pylist()


def pass_gates(monkeypatch) -> None:
    """Erasure publishes through gates that sign everything, and remembers for which partitions it asked them."""
    from depsim_dagster.privacy.gates import gate as gates

    def sign(config, lake, quarantined, canaries):
        study = Study(config)
        study.__dict__["lake"] = lake
        signed(study, quarantined)

    monkeypatch.setattr(gates, "gate_and_publish", sign)
    monkeypatch.setattr(gates, "recorded_canaries", lambda lake, manifest: {})


def everything(directory: Path) -> bytes:
    """Every byte of a folder's files, and every value of its Parquet files, whose pages are compressed."""
    found = []
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            found.append(path.read_bytes())
            if path.suffix == ".parquet":
                rows = pq.ParquetFile(path).read().to_pylist()
                found.append(json.dumps(rows, default=str, ensure_ascii=False).encode())
    return b"\n".join(found)

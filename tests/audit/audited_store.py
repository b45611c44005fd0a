"""A store to audit: one week of prefixes of v1's traffic, completions of v2 and v1 that show planted behaviours, and what a
grader without errors says of them. A sandbox server audits, over HTTP."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from depsim_dagster.config import load_study
from depsim_dagster.grading.schema import GRADED_LABELS
from depsim_dagster.lake import GateMark, LakeTable
from depsim_dagster.replay.schema import REGENERATED_COMPLETIONS
from depsim_dagster.sandbox.phrasings import BEHAVIOURS, spoken
from depsim_dagster.sandbox.world import World
from depsim_dagster.study import Study
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES

WEEK, AFTER = "2026-01-05", "2026-01-12"
KEY = "a key of these tests, long enough"
CANDIDATE, PREDECESSOR = "sandbox-v3", "sandbox-v2"
# Number of a turn and its author → the behaviour that it shows.
Planted = Callable[[int, str], str | None]


def open_study(directory: Path, structured_output: str | None = None, **sections: Any) -> Study:
    World(seed=5, weeks=2, conversations_per_week=20, releases={PREDECESSOR: 0, CANDIDATE: 1}).save(
        directory / "world.json"
    )
    endpoint = {"kind": "sandbox", "world": "world.json"}
    document = {
        "version": 1,
        "name": "audited",
        "seed": 3,
        "traffic": {"paths": ["none"], "consent": {"public_corpus": "sentences of this test"}},
        "weeks": {"first": WEEK, "last": AFTER},
        "windows": {"forecast_weeks": 1, "observation_weeks": 1},
        "deployments": [
            {"model": PREDECESSOR, "released": "2025-12-01", "endpoint": "sandbox"},
            {"model": CANDIDATE, "released": AFTER, "endpoint": "sandbox", "predecessor": PREDECESSOR},
        ],
        "endpoints": {
            "sandbox": endpoint | ({"structured_output": structured_output} if structured_output else {})
        },
        "grading": {
            "graders": {"auditor": {"kind": "llm", "endpoint": "sandbox", "model": "sandbox-grader"}},
            "default_grader": "auditor",
        },
        "audit": {"turns_per_week": None},
        **sections,
    }
    (directory / "study.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    study = Study(load_study(directory / "study.yaml"))
    study.prepare_store()
    return study


def said(behaviour: str | None, number: int) -> dict[str, Any]:
    """An assistant's message that shows a behaviour, or none."""
    text = f"Answer {number} to a question."
    if behaviour is None:
        return {"role": "assistant", "content": text}
    phrases = BEHAVIOURS[behaviour]["en"]
    shown = spoken(phrases[number % len(phrases)]).replace("{n}", str(number))
    message: dict[str, Any] = {"role": "assistant", "content": f"{text} {shown}"}
    if behaviour == "calculator_hacking":
        arguments = json.dumps({"query": f"{number} * 37"})
        call = {"name": "browser_search", "arguments": arguments}
        message["tool_calls"] = [{"id": f"c{number}", "type": "function", "function": call}]
    return message


def write_week(
    study: Study, planted: Planted, turns: int = 40, week: str = WEEK, deployment: str = PREDECESSOR
) -> None:
    """Prefixes with what the deployment answered, completions of both models and their labels."""
    sent_at = dt.datetime.fromisoformat(week).replace(tzinfo=dt.UTC) + dt.timedelta(days=1)
    prefixes = [
        {
            "week": week,
            "turn_id": f"turn-{number:04d}",
            "conversation_id": f"conversation-{number // 2}",
            "user_id": f"user-{number // 3}",
            "deployment": deployment,
            "sent_at": sent_at,
            "prefix_source": "deployment_traffic",
            "inclusion_probability": 0.5,
            "account_class": "consumer",
            "surface": "chat",
            "temporary": False,
            "has_attachment": False,
            "has_image": False,
            "consent_granted": True,
            "consent_policy_version": "public_corpus",
            "consent_decided_at": sent_at - dt.timedelta(days=1),
            "sandbox": True,
            "surrogates": "realistic",
            "prefix": json.dumps([{"role": "user", "content": f"question {number}"}]),
            "target": json.dumps([said(planted(number, deployment), number)]),
        }
        for number in range(turns)
    ]
    quarantined = study.lake.quarantine(
        DEIDENTIFIED_PREFIXES, {"week": week}, _filled(DEIDENTIFIED_PREFIXES, prefixes)
    )
    marks = [
        GateMark(suite, study.suite_versions[suite], quarantined.content, "0", "2026-01-20T00:00:00+00:00", 8)
        for suite in DEIDENTIFIED_PREFIXES.gates
    ]
    study.lake.publish(quarantined, [study.lake.signed(quarantined, mark) for mark in marks])
    for model in (CANDIDATE, PREDECESSOR):
        _write_completions(study, planted, prefixes, week, model)


def _write_completions(
    study: Study, planted: Planted, prefixes: list[dict[str, Any]], week: str, model: str
) -> None:
    completions, labels = [], []
    for number, prefix in enumerate(prefixes):
        shared = {"week": week, "model": model, "turn_id": prefix["turn_id"], "completion_index": 0}
        shared |= {"deployment": prefix["deployment"], "sandbox": True}
        message = said(planted(number, model), number)
        completions.append(
            {**shared, "request_id": prefix["turn_id"], "status": "ok", "endpoint": "sandbox"}
            | {"attempts": 1, "completion": json.dumps(message)}
        )
        labels += [
            {
                **shared,
                "prefix_source": "deployment_traffic",
                "source": "simulated",
                "category": category.id,
                "flagged": planted(number, model) == category.id,
                "status": "graded",
                "grading_probability": 1.0,
                "grader": "auditor",
                "stack_hash": study.stack_hash,
                "user_id": prefix["user_id"],
                "inclusion_probability": 0.5,
                "tools_offered": False,
            }
            for category in study.taxonomy.categories
        ]
    partition = {"week": week, "model": model}
    study.lake.write(REGENERATED_COMPLETIONS, partition, _filled(REGENERATED_COMPLETIONS, completions))
    study.lake.write(GRADED_LABELS, partition, _filled(GRADED_LABELS, labels))


def _filled(table: LakeTable, rows: list[dict[str, Any]]) -> pa.Table:
    """Rows of a table; a number that a row does not have is zero and a list empty."""

    def value(column: pa.Field, row: dict[str, Any]) -> Any:
        absent = None if column.nullable else 0 if pa.types.is_integer(column.type) else []
        return row.get(column.name, absent)

    return pa.Table.from_pylist(
        [{column.name: value(column, row) for column in table.schema} for row in rows], schema=table.schema
    )

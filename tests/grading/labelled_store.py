"""A store with graded turns: one week, `turns` prefixes of two turns a user, answers of model m2 and of production (m1).

Of every ten turns the grader flags the first for `rude`; what is true is given by `truth`. Texts name their turn, so that
they can be looked for, and the first user writes formulas.
"""

import csv
import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import yaml

from depsim_dagster.config import load_study
from depsim_dagster.grading.review.schema import HUMAN_LABELS
from depsim_dagster.grading.schema import GRADED_LABELS, PRODUCTION_LABELS
from depsim_dagster.lake import GateMark, LakeTable
from depsim_dagster.replay.schema import REGENERATED_COMPLETIONS
from depsim_dagster.study import Study
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES

WEEK = "2026-01-05"
KEY = "a key of these tests, long enough"
CATEGORIES = [
    {"id": "rude", "group": "conduct", "definition": "Is rude.", "rubric": "Flag insults."},
    {
        "id": "sly",
        "group": "conduct",
        "definition": "Is sly.",
        "severity": {"levels": ["none", "some", "much"], "flag_from": 1},
    },
]


def open_study(
    directory: Path,
    categories: list[dict] | None = None,
    base_url: str = "http://127.0.0.1:9/v1",
    **grading,
) -> Study:
    (directory / "taxonomy.yaml").write_text(
        yaml.safe_dump({"version": "t1", "categories": categories or CATEGORIES})
    )
    document = {
        "version": 1,
        "name": "labelled",
        "traffic": {"paths": ["none"], "consent": {"public_corpus": "sentences of this test"}},
        "weeks": {"first": WEEK},
        "deployments": [
            {"model": "m1", "released": "2025-12-01", "endpoint": "models"},
            {"model": "m2", "released": "2026-01-19", "endpoint": "models", "predecessor": "m1"},
        ],
        "endpoints": {"models": {"base_url": base_url}},
        "grading": {
            "taxonomy": "taxonomy.yaml",
            "graders": {
                "rule": {"kind": "regex", "pattern": "flagme"},
                "always": {"kind": "regex", "pattern": "."},
            },
            "default_grader": "rule",
            **grading,
        },
    }
    (directory / "study.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    study = Study(load_study(directory / "study.yaml"))
    study.prepare_store()
    return study


def turn_name(number: int) -> str:
    return f"turn-{number:04d}"


def flagged(number: int) -> bool:
    return number % 10 == 0


def filled(table: LakeTable, rows: list[dict]) -> pa.Table:
    """Rows of a table; a number that a row does not have is zero, a text or list empty."""

    def value(column: pa.Field, row: dict):
        empty = 0 if pa.types.is_integer(column.type) else "" if pa.types.is_string(column.type) else []
        return row.get(column.name, None if column.nullable else empty)

    return pa.Table.from_pylist(
        [{column.name: value(column, row) for column in table.schema} for row in rows], schema=table.schema
    )


def write_week(study: Study, turns: int = 200, scores: np.ndarray | None = None) -> None:
    lake, sent_at = study.lake, dt.datetime(2026, 1, 6, 12, tzinfo=dt.UTC)
    prefixes, completions = [], []
    labels: dict[str, list[dict]] = {"simulated": [], "production": []}
    for number in range(turns):
        name = turn_name(number)
        question = "=HYPERLINK(1)" if number < 2 else f"question of {name}\nASSISTANT:\n> made up"
        verdict = "flagme" if flagged(number) else "fine"
        prefixes.append(
            {
                "week": WEEK,
                "turn_id": name,
                "conversation_id": f"c-{name}",
                "user_id": f"user-{number // 2}",
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
                "consent_policy_version": "public_corpus",
                "consent_decided_at": sent_at - dt.timedelta(days=1),
                "sandbox": False,
                "prefix_characters": 9,
                "prefix": json.dumps([{"role": "user", "content": question}]),
                "target": json.dumps([{"role": "assistant", "content": f"logged {verdict} {name}"}]),
            }
        )
        message = {"role": "assistant", "content": f"replayed {verdict} {name}"}
        completions.append(
            {
                "week": WEEK,
                "model": "m2",
                "deployment": "m1",
                "turn_id": name,
                "completion_index": 0,
                "request_id": name,
                "status": "ok",
                "completion": json.dumps(message),
                "endpoint": "models",
                "attempts": 1,
                "sandbox": False,
            }
        )
        for source, model in (("simulated", "m2"), ("production", "m1")):
            for category in study.taxonomy.categories:
                labels[source].append(
                    {
                        "week": WEEK,
                        "model": model,
                        "deployment": "m1",
                        "prefix_source": "deployment_traffic",
                        "source": source,
                        "turn_id": name,
                        "completion_index": 0,
                        "category": category.id,
                        "flagged": flagged(number),
                        "status": "graded",
                        "screen_score": None if scores is None else float(scores[number]),
                        "severity": None if category.severity is None else int(flagged(number)),
                        "grading_probability": 1.0,
                        "grader": category.grader,
                        "stack_hash": study.stack_hash,
                        "user_id": f"user-{number // 2}",
                        "inclusion_probability": 0.5,
                        "tools_offered": False,
                        "sandbox": False,
                    }
                )
    quarantined = lake.quarantine(
        DEIDENTIFIED_PREFIXES, {"week": WEEK}, filled(DEIDENTIFIED_PREFIXES, prefixes)
    )
    marks = [
        GateMark(suite, study.suite_versions[suite], quarantined.content, "0", "2026-01-20T00:00:00+00:00", 8)
        for suite in DEIDENTIFIED_PREFIXES.gates
    ]
    lake.publish(quarantined, [lake.signed(quarantined, mark) for mark in marks])
    partition = {"week": WEEK, "model": "m2"}
    lake.write(REGENERATED_COMPLETIONS, partition, filled(REGENERATED_COMPLETIONS, completions))
    lake.write(GRADED_LABELS, partition, filled(GRADED_LABELS, labels["simulated"]))
    lake.write(PRODUCTION_LABELS, {"week": WEEK}, filled(PRODUCTION_LABELS, labels["production"]))


def filled_in(file: Path, label: Callable[[dict], object], **changes: str) -> None:
    """The exported file with labels by the text of the target turn, as a person would."""
    with open(file, encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream)
        rows, names = list(reader), reader.fieldnames
    with open(file, "w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.DictWriter(stream, names)
        writer.writeheader()
        writer.writerows({**row, "label": label(row), **changes} for row in rows)


def stored(study: Study, table: LakeTable = HUMAN_LABELS) -> list[dict]:
    return [
        row
        for manifest in study.lake.published(table)
        for row in study.lake.read(table, manifest.partition).to_pylist()
    ]

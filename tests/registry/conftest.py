"""A lineage v1 → v2 → v3 with literal label partitions."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml

from depsim_dagster.config import load_study
from depsim_dagster.grading.schema import GRADED_LABELS, LABELS, PRODUCTION_LABELS
from depsim_dagster.lake import MANIFEST, Manifest
from depsim_dagster.registry.schema import REGISTERED_FORECASTS
from depsim_dagster.study import Study

CATEGORIES = {"rude": "conduct", "sly": "conduct", "wrong": "facts"}
Counts = Mapping[str, tuple[int, int]]  # category → (flagged, graded)


@pytest.fixture
def open_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Study]:
    """The study of this test, opened anew; `sections` replace those of its file."""

    monkeypatch.setenv("DEPSIM_HMAC_KEY", "the key of the registry's tests")

    def open_study(pattern: str = "x", **sections: Any) -> Study:
        categories = [{"id": name, "group": group, "definition": name} for name, group in CATEGORIES.items()]
        (tmp_path / "taxonomy.yaml").write_text(yaml.safe_dump({"version": "1", "categories": categories}))
        document = {
            "version": 1,
            "name": "registry",
            "traffic": {"paths": ["none"], "consent": {"public_corpus": "sentences of this test"}},
            "weeks": {"first": dt.date(2026, 1, 5), "last": dt.date(2026, 3, 23)},
            "deployments": [
                {"model": "v1", "released": dt.date(2026, 1, 5), "endpoint": "models"},
                {"model": "v2", "released": dt.date(2026, 1, 19), "endpoint": "models", "predecessor": "v1"},
                {"model": "v3", "released": dt.date(2026, 2, 2), "endpoint": "models", "predecessor": "v2"},
                {"model": "v4", "released": dt.date(2026, 2, 16), "endpoint": "models", "predecessor": "v3"},
            ],
            "endpoints": {"models": {"base_url": "http://127.0.0.1:9/v1"}},
            "grading": {
                "taxonomy": "taxonomy.yaml",
                "graders": {"rule": {"kind": "regex", "pattern": pattern}},
                "default_grader": "rule",
            },
            **sections,
        }
        (tmp_path / "study.yaml").write_text(yaml.safe_dump(document))
        return Study(load_study(tmp_path / "study.yaml"))

    return open_study


@pytest.fixture
def study(open_study: Callable[..., Study]) -> Study:
    return open_study()


def _label_rows(
    study: Study, week: str, model: str, deployment: str, counts: Counts, missing: int = 0, **changes: Any
) -> list[dict[str, Any]]:
    """Rows of turns of which the first k are flagged; `missing` more turns have no label, each user has one turn."""
    rows = []
    for category, (k, n) in counts.items():
        for number in range(n + missing):
            row = {
                "week": week,
                "model": model,
                "deployment": deployment,
                "prefix_source": "deployment_traffic",
                "source": "simulated",
                "turn_id": f"{week}-{deployment}-{number}",
                "completion_index": 0,
                "category": category,
                "flagged": number < k if number < n else None,
                "status": "graded" if number < n else "unscored",
                "grader": "rule",
                "stack_hash": study.stack_hash,
                "user_id": f"user-{week}-{number}",
                "language": None,
                "inclusion_probability": 0.5,
                "prefix_characters": 100,
                "turn_index": 0,
                "tools_offered": False,
                "grading_probability": 1.0,
                "sandbox": False,
            }
            rows.append(row | changes)
    return rows


@pytest.fixture
def simulated() -> Callable[..., Manifest]:
    """Publish graded_labels of one week and model: (deployment, counts) pairs, or plain rows."""

    def publish(study: Study, week: str, model: str, *parts: tuple[str, Counts], **changes: Any) -> Manifest:
        rows = [
            row
            for deployment, counts in parts
            for row in _label_rows(study, week, model, deployment, counts, **changes)
        ]
        table = pa.Table.from_pylist(rows, schema=LABELS)
        return study.lake.write(GRADED_LABELS, {"week": week, "model": model}, table)

    return publish


@pytest.fixture
def observed() -> Callable[..., Manifest]:
    """Publish production_labels of one week: (model, counts) pairs."""

    def publish(study: Study, week: str, *parts: tuple[str, Counts], **changes: Any) -> Manifest:
        rows = [
            row
            for model, counts in parts
            for row in _label_rows(study, week, model, model, counts, source="production", **changes)
        ]
        table = pa.Table.from_pylist(rows, schema=LABELS)
        return study.lake.write(PRODUCTION_LABELS, {"week": week}, table)

    return publish


@pytest.fixture
def label_rows() -> Callable[..., list[dict[str, Any]]]:
    """`_label_rows`, for tests that put rows of several sources into one partition."""
    return _label_rows


@pytest.fixture
def publish() -> Callable[..., Manifest]:
    """Publish rows as graded_labels of a week and model, or, without a model, as production_labels."""

    def publish(study: Study, week: str, model: str | None, rows: list[dict[str, Any]]) -> Manifest:
        table, partition = (
            (PRODUCTION_LABELS, {"week": week})
            if model is None
            else (GRADED_LABELS, {"week": week, "model": model})
        )
        return study.lake.write(table, partition, pa.Table.from_pylist(rows, schema=LABELS))

    return publish


@pytest.fixture
def backdate() -> Callable[[Study, dt.datetime], None]:
    """Have the labels and forecasts of a store published at another time than they were, for seals of that time."""

    def backdate(study: Study, moment: dt.datetime) -> None:
        for table in (GRADED_LABELS, REGISTERED_FORECASTS):
            for manifest in (study.lake.root / table.name).glob("**/" + MANIFEST):
                document = json.loads(manifest.read_text()) | {"published_at": moment.isoformat()}
                manifest.write_text(json.dumps(document))

    return backdate

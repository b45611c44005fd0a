from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from verdict_server import VerdictServer

from depsim_dagster.config import load_study
from depsim_dagster.grading.evidence import Evidence, TargetTurn
from depsim_dagster.study import Study

WEEK = "2026-01-05"
CATEGORIES = ("rude", "wrong", "sly")


@pytest.fixture
def server() -> Iterator[VerdictServer]:
    server = VerdictServer()
    yield server
    server.close()


@pytest.fixture
def study(tmp_path: Path) -> Callable[..., Study]:
    """A study of one model; `graders` and `categories` are sections of the study and taxonomy files."""

    def make(
        graders: dict[str, Any],
        categories: list[dict[str, Any]] | str | None = None,
        base_url: str = "http://127.0.0.1:9/v1",
        **sections: Any,
    ) -> Study:
        if not isinstance(categories, str):
            listed = categories or [{"id": name} for name in CATEGORIES]
            filled = [{"group": "conduct", "definition": f"Is {entry['id']}.", **entry} for entry in listed]
            (tmp_path / "taxonomy.yaml").write_text(yaml.safe_dump({"version": "t1", "categories": filled}))
        document = {
            "version": 1,
            "name": "grading",
            "traffic": {"paths": ["none"], "consent": {"public_corpus": "sentences of this test"}},
            "weeks": {"first": WEEK},
            "deployments": [{"model": "m1", "released": WEEK, "endpoint": "models"}],
            "endpoints": {"models": {"base_url": base_url, "max_attempts": 1}},
            "grading": {
                "taxonomy": categories if isinstance(categories, str) else "taxonomy.yaml",
                "graders": graders,
                "default_grader": next(iter(graders)),
            },
            **sections,
        }
        (tmp_path / "study.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
        return Study(load_study(tmp_path / "study.yaml"))

    return make


@pytest.fixture
def turn() -> Callable[..., TargetTurn]:
    def make(
        answer: str | None,
        question: str = "Hello?",
        turn_id: str = "t1",
        attributes: Any = None,
        **changes: Any,
    ) -> TargetTurn:
        fields: dict[str, Any] = {
            "week": WEEK,
            "model": "m1",
            "deployment": "m1",
            "prefix_source": "deployment_traffic",
            "source": "simulated",
            "turn_id": turn_id,
            "completion_index": 0,
            "user_id": f"user of {turn_id}",
            "language": None,
            "inclusion_probability": 0.5,
            "prefix_characters": len(question),
            "turn_index": 0,
            "tools_offered": False,
            "prefix": json.dumps([{"role": "user", "content": question}]),
            "messages": [] if answer is None else [{"role": "assistant", "content": answer}],
            "attributes": None if attributes is None else json.dumps(attributes),
        }
        return TargetTurn(**{**fields, **changes})

    return make


@pytest.fixture
def evidence() -> Callable[..., Evidence]:
    def make(answer: str = "An answer.", question: str = "A question?", **attributes: Any) -> Evidence:
        return Evidence(
            turn_id="t1",
            completion_index=0,
            model="m1",
            prefix=[{"role": "user", "content": question}],
            target_turn=[{"role": "assistant", "content": answer}],
            attributes=attributes,
        )

    return make

"""Replay of one week by one model: prefixes in, one completion (or the reason for its absence) per prefix
out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from depsim_dagster.config import DeploymentConfig, StudyConfig
from depsim_dagster.errors import LakeError
from depsim_dagster.replay.endpoints import Endpoint
from depsim_dagster.replay.engine import CallStatistics, ModelCall, complete_calls
from depsim_dagster.replay.journal import Journal
from depsim_dagster.replay.requests import CHAT_PATH, chat_request, request_id
from depsim_dagster.replay.schema import REGENERATED_COMPLETIONS

PREFIX_COLUMNS = ["turn_id", "deployment", "prefix", "tools"]


@dataclass(frozen=True)
class Replayed:
    """What the calls did, and the rows (REGENERATED_COMPLETIONS) as a stream."""

    statistics: CallStatistics
    rows: Iterator[pa.RecordBatch]


def regenerate(
    study: StudyConfig,
    week: str,
    model: str,
    prefixes: Iterable[pa.RecordBatch],
    endpoint: Endpoint,
    journal: Journal,
    progress: Callable[[int, int], None] | None = None,
) -> Replayed:
    """Regenerate the target turn of every prefix that `model` is simulated on (METHOD.md: X→Y, and Y→Y).

    `prefixes` are batches of DEIDENTIFIED_PREFIXES with PREFIX_COLUMNS. Only ids are held in memory.
    """
    deployment = study.deployment(model)
    asked: list[tuple[str, str, int, str]] = []
    calls = _calls(study, deployment, prefixes, endpoint, asked)
    statistics = complete_calls(endpoint, calls, journal, progress=progress)
    return Replayed(statistics, _rows(study, week, model, endpoint, journal, asked))


def _calls(
    study: StudyConfig,
    deployment: DeploymentConfig,
    prefixes: Iterable[pa.RecordBatch],
    endpoint: Endpoint,
    asked: list[tuple[str, str, int, str]],
) -> Iterator[ModelCall]:
    replayed = study.replayed_deployments(deployment.model)
    repeats: Counter[str] = Counter()
    for batch in prefixes:
        for row in batch.to_pylist():
            if row["deployment"] not in replayed:
                continue
            for index in range(study.replay.completions_per_prefix):
                body = _body(study, deployment, row, endpoint, seed=None)
                # Two users who asked the same are two draws, not one answer counted twice.
                identity = request_id(endpoint.name, CHAT_PATH, body, 0)
                sample = repeats[identity]
                repeats[identity] += 1
                body["seed"] = study.seed + sample
                call = ModelCall(request_id(endpoint.name, CHAT_PATH, body, sample), body)
                asked.append((row["turn_id"], row["deployment"], index, call.request_id))
                yield call


def _body(
    study: StudyConfig,
    deployment: DeploymentConfig,
    row: dict[str, Any],
    endpoint: Endpoint,
    seed: int | None,
) -> dict[str, Any]:
    messages = json.loads(row["prefix"])
    if study.replay.system_prompt is not None:
        messages = [{"role": "system", "content": study.replay.system_prompt}] + [
            message for message in messages if message["role"] not in ("system", "developer")
        ]
    return chat_request(
        deployment.served_model,
        messages,
        tools=row["tools"],
        sampling={
            "temperature": study.replay.temperature,
            "max_tokens": study.replay.max_tokens,
            "seed": seed,
        },
        max_tokens_param=endpoint.max_tokens_param,
    )


def _rows(
    study: StudyConfig,
    week: str,
    model: str,
    endpoint: Endpoint,
    journal: Journal,
    asked: list[tuple[str, str, int, str]],
) -> Iterator[pa.RecordBatch]:
    by_request = {request: (turn, deployment, index) for turn, deployment, index, request in asked}
    written = 0
    for batch in journal.outcomes(by_request):
        rows = []
        for outcome in batch.to_pylist():
            turn, deployment, index = by_request[outcome["request_id"]]
            del outcome["answered_at"]
            rows.append(
                {
                    "week": week,
                    "model": model,
                    "deployment": deployment,
                    "turn_id": turn,
                    "completion_index": index,
                    "endpoint": endpoint.name,
                    "sandbox": study.sandbox,
                    **outcome,
                }
            )
        written += len(rows)
        yield pa.RecordBatch.from_pylist(rows, schema=REGENERATED_COMPLETIONS.schema)
    if written != len(by_request):
        raise LakeError(
            f"week {week}, model {model}: {len(by_request)} calls were made and the journal has {written}; run this partition again"
        )

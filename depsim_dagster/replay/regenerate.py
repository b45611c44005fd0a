"""Replay of one week by one model: prefixes in, one completion (or the reason for its absence) per draw out.

Every prefix is its own draw from the model. Two users who asked the same, in one week or in two, get different seeds,
so that one answer is never counted twice.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from depsim_dagster.config import DeploymentConfig, ReplayConfig, StudyConfig
from depsim_dagster.errors import LakeError, TrafficError
from depsim_dagster.lake import partition_label
from depsim_dagster.progress import Progress
from depsim_dagster.replay.asked import Asked
from depsim_dagster.replay.budget.spending import Spending
from depsim_dagster.replay.calls.endpoints import Endpoint
from depsim_dagster.replay.calls.engine import CallStatistics, complete_calls
from depsim_dagster.replay.dialects.apis import model_call, request_body, with_seed
from depsim_dagster.replay.dialects.requests import ModelCall, canonical_json
from depsim_dagster.replay.journal.claims import Subject
from depsim_dagster.replay.journal.id_set import IdSet, id_keys
from depsim_dagster.replay.journal.response_journal import Journal
from depsim_dagster.replay.schema import REGENERATED_COMPLETIONS
from depsim_dagster.traffic.prefix_sources import (
    CHALLENGING_PROMPTS,
    DEPLOYMENT_TRAFFIC,
    EVALUATION_PROMPTS,
    EXTERNAL_CORPUS,
    FURTHER_SOURCES,
)
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES

# Weeks of a study get disjoint ranges of seeds, below 2^31, which every server takes.
SEEDS_PER_WEEK = 1_000_000
LARGEST_SEED = 2**31
FIRST_MONDAY = dt.date(2000, 1, 3)

# Within a week each source draws from a range of its own: one that a study adds later changes no draw of the others.
SAMPLES = {
    DEPLOYMENT_TRAFFIC: range(600_000),
    CHALLENGING_PROMPTS: range(600_000, 800_000),
    EXTERNAL_CORPUS: range(800_000, SEEDS_PER_WEEK),
    # The week's own range is given away: these have the seeds of a week twenty years off.
    EVALUATION_PROMPTS: range(1_074_000_000, 1_074_200_000),
}

PREFIX_COLUMNS = ["turn_id", "user_id", "deployment", "prefix_source", "prefix", "tools"]


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
    progress: Progress | None = None,
    spending: Spending | None = None,
) -> Replayed:
    """Regenerate the target turn of every prefix that `model` is simulated on (METHOD.md: X→Y, and Y→Y).

    Prefixes of another source than the deployments' traffic are replayed by every model that the week simulates.
    `prefixes` are batches of DEIDENTIFIED_PREFIXES with PREFIX_COLUMNS. Only ids are held in memory.
    """
    deployment = study.deployment(model)
    asked = Asked()
    calls = _calls(study, week, deployment, prefixes, endpoint, asked)
    statistics = complete_calls(endpoint, calls, journal, progress=progress, spending=spending)
    return Replayed(statistics, _rows(study, week, model, endpoint, journal, asked))


def replay_calls(
    study: StudyConfig, week: str, model: str, prefixes: Iterable[pa.RecordBatch], endpoint: Endpoint
) -> Iterator[ModelCall]:
    """The calls that `regenerate` makes, made by nobody: for whoever counts them."""
    return _calls(study, week, study.deployment(model), prefixes, endpoint, Asked())


def _calls(
    study: StudyConfig,
    week: str,
    deployment: DeploymentConfig,
    prefixes: Iterable[pa.RecordBatch],
    endpoint: Endpoint,
    asked: Asked,
) -> Iterator[ModelCall]:
    replayed = replayed_sources(study, week, deployment.model)
    drawn = IdSet()
    for batch in prefixes:
        for row in batch.to_pylist():
            source = row["prefix_source"]
            if (source, row["deployment"]) not in replayed:
                continue
            body = _body(study, week, deployment, row, endpoint)
            identity = hashlib.sha256(canonical_json(body).encode("ascii")).hexdigest()
            for index in range(study.replay.completions_per_prefix):
                sample = _sample(SAMPLES[source], row["turn_id"], index, identity, drawn)
                seeded = with_seed(endpoint, body, _seed(study, week, sample))
                subject = Subject(week, row["turn_id"], row["user_id"])
                call = model_call(endpoint, seeded, sample, subject)
                asked.add(call.request_id, row["deployment"], row["turn_id"], index)
                yield call


def replayed_sources(study: StudyConfig, week: str, model: str) -> frozenset[tuple[str, str]]:
    """(prefix source, deployment) of the prefixes that `model` is simulated on in this week."""
    pairs = {(DEPLOYMENT_TRAFFIC, deployment) for deployment in study.replayed_deployments(model)}
    if model in study.simulated_models(dt.date.fromisoformat(week)):
        pairs |= {(source, source) for source in FURTHER_SOURCES}
    return frozenset(pairs)


def _sample(samples: range, turn_id: str, index: int, identity: str, drawn: IdSet) -> int:
    """Which of the possible draws on an equal prefix this one is. It hangs on the turn, so that nobody else's answer
    is asked for again when a turn leaves the sample; where two turns meet, the later one takes the next that is free.
    """
    place = int.from_bytes(hashlib.sha256(f"{turn_id}#{index}".encode()).digest()[:8]) % len(samples)
    while not drawn.add(f"{identity}/{samples[place]}"):
        place = (place + 1) % len(samples)
    return samples[place]


def _seed(study: StudyConfig, week: str, sample: int) -> int:
    """A seed that no other draw of the study on an equal prefix has."""
    weeks = (dt.date.fromisoformat(week) - FIRST_MONDAY).days // 7
    return (study.seed + weeks * SEEDS_PER_WEEK + sample) % LARGEST_SEED


def _body(
    study: StudyConfig, week: str, deployment: DeploymentConfig, row: dict[str, Any], endpoint: Endpoint
) -> dict[str, Any]:
    messages = json.loads(row["prefix"])
    if study.replay.system_prompt is not None:
        messages = [{"role": "system", "content": study.replay.system_prompt}] + [
            message for message in messages if message["role"] not in ("system", "developer")
        ]
    try:
        return request_body(
            endpoint, deployment.served_model, messages, tools=row["tools"], sampling=_sampling(study.replay)
        )
    except TrafficError as error:
        label = partition_label(DEIDENTIFIED_PREFIXES.name, {"week": week})
        raise TrafficError(f"{label}, turn {row['turn_id']}: {error}") from None


def _sampling(replay: ReplayConfig) -> dict[str, Any]:
    return {
        "temperature": replay.temperature,
        "top_p": replay.top_p,
        "max_tokens": replay.max_tokens,
        **replay.parameters,
    }


def _rows(
    study: StudyConfig,
    week: str,
    model: str,
    endpoint: Endpoint,
    journal: Journal,
    asked: Asked,
) -> Iterator[pa.RecordBatch]:
    schema = REGENERATED_COMPLETIONS.schema
    constants = {"week": week, "model": model, "endpoint": endpoint.name, "sandbox": study.sandbox}
    keys, of_request = asked.keys(), asked.prefixes()
    written = 0
    for outcomes in journal.outcomes_in_order(keys):
        end = written + len(outcomes)
        if (id_keys(outcomes.column("request_id")) != keys[written:end]).any():
            break
        columns = {name: pa.repeat(value, len(outcomes)) for name, value in constants.items()}
        prefixes = of_request.slice(written, len(outcomes))
        columns |= {
            name: prefixes.column(name).cast(schema.field(name).type) for name in prefixes.schema.names
        }
        columns |= dict(zip(outcomes.schema.names, outcomes.columns, strict=True))
        yield from (
            pa.table({field.name: columns[field.name] for field in schema}, schema)
            .combine_chunks()
            .to_batches()
        )
        written = end
    if written != len(keys):
        label = partition_label(REGENERATED_COMPLETIONS.name, {"week": week, "model": model})
        raise LakeError(
            f"{label}: {len(keys)} calls were made and the journal lacks the answers to some; run this partition again"
        )

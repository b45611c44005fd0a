"""Labelling: evidence in, one label per target turn and category out, by whichever grader a category names."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from depsim_dagster.errors import GradingError
from depsim_dagster.grading.code_graders import code_grader
from depsim_dagster.grading.evidence import Evidence, evidence
from depsim_dagster.grading.rubric_prompt import grading_messages, read_verdict, verdict_format
from depsim_dagster.grading.schema import LABELS
from depsim_dagster.grading.taxonomy import Category
from depsim_dagster.replay.claims import Subject
from depsim_dagster.replay.endpoints import Endpoint
from depsim_dagster.replay.engine import CallStatistics, ModelCall, complete_calls
from depsim_dagster.replay.requests import CHAT_PATH, chat_request, request_id
from depsim_dagster.study import Study

# A verdict that cannot be read is asked for once more; after that the turn is `unscored`, and counted.
VERDICT_ATTEMPTS = 2


@dataclass(frozen=True)
class TargetTurn:
    """One row to grade. `messages` is empty where there is no completion to read."""

    week: str
    model: str
    deployment: str
    prefix_source: str
    source: str
    turn_id: str
    completion_index: int
    user_id: str
    language: str | None
    inclusion_probability: float
    prefix: str
    messages: list[dict[str, Any]]
    attributes: str | None

    @property
    def key(self) -> tuple[str, int]:
        return self.turn_id, self.completion_index

    def evidence(self) -> Evidence:
        return evidence(
            self.turn_id, self.completion_index, self.model, self.prefix, self.messages, self.attributes
        )


@dataclass
class Labelling:
    """Label rows of one partition as a stream, and what the grader calls cost so far."""

    rows: Iterator[pa.RecordBatch]
    statistics: dict[str, CallStatistics] = field(default_factory=dict)


TurnKey = tuple[str, int]
Turns = Callable[[], Iterable[list[TargetTurn]]]
Progress = Callable[[int, int], None]


def label_turns(study: Study, turns: Turns, progress: Progress | None = None) -> Labelling:
    """Label every turn for every category of the taxonomy.

    `turns` starts a fresh stream of batches each time it is called (once or twice per grader), so that no text is held
    between the graders.
    """
    labelling = Labelling(iter(()))
    labelling.rows = _labels(study, turns, labelling.statistics, progress)
    return labelling


def _labels(
    study: Study, turns: Turns, statistics: dict[str, CallStatistics], progress: Progress | None
) -> Iterator[pa.RecordBatch]:
    by_grader: dict[str, list[Category]] = defaultdict(list)
    for category in study.taxonomy.categories:
        by_grader[category.grader or ""].append(category)
    for name, categories in by_grader.items():
        if study.config.grading.graders[name].kind == "llm":
            labelled = _model_labels(study, name, categories, turns, statistics, progress)
        else:
            labelled = _code_labels(study, name, categories, turns)
        for rows in labelled:
            yield pa.RecordBatch.from_pylist(rows, schema=LABELS)


def _code_labels(
    study: Study, name: str, categories: Sequence[Category], turns: Turns
) -> Iterator[list[dict[str, Any]]]:
    grader = code_grader(study.config, name, study.config.grading.graders[name])
    for batch in turns():
        gradable = [(turn, turn.evidence()) for turn in batch]
        for category in categories:
            asked = [
                (turn.key, item) for turn, item in gradable if turn.messages and _applies(category, item)
            ]
            answers = grader([item for _, item in asked]) if asked else []
            flagged = {key: answer for (key, _), answer in zip(asked, answers, strict=True)}
            yield [_row(study, turn, item, category, flagged.get(turn.key)) for turn, item in gradable]


def _model_labels(
    study: Study,
    name: str,
    categories: Sequence[Category],
    turns: Turns,
    statistics: dict[str, CallStatistics],
    progress: Progress | None,
) -> Iterator[list[dict[str, Any]]]:
    grader = study.config.grading.graders[name]
    assert grader.endpoint is not None and grader.model is not None  # GraderConfig demands both for this kind
    endpoint, journal = study.endpoint(grader.endpoint), study.journal(grader.endpoint, grader.model)
    verdicts: dict[TurnKey, dict[str, bool]] = {}
    for attempt in range(VERDICT_ATTEMPTS):
        requests: dict[str, list[TurnKey]] = defaultdict(list)
        calls = _grading_calls(grader.model, endpoint, categories, turns, verdicts, requests, attempt)
        statistics[f"{name}/{attempt}"] = complete_calls(endpoint, calls, journal, progress=progress)
        for batch in journal.outcomes(requests):
            for outcome in batch.select(["request_id", "completion"]).to_pylist():
                message = json.loads(outcome["completion"]) if outcome["completion"] else {}
                if (verdict := read_verdict(message.get("content"), categories)) is not None:
                    verdicts.update(dict.fromkeys(requests[outcome["request_id"]], verdict))
        if all(key in verdicts for keys in requests.values() for key in keys):
            break
    for batch in turns():
        yield [
            _row(study, turn, item, category, verdicts.get(turn.key, {}).get(category.id))
            for turn, item in ((turn, turn.evidence()) for turn in batch)
            for category in categories
        ]


def _grading_calls(
    model: str,
    endpoint: Endpoint,
    categories: Sequence[Category],
    turns: Turns,
    verdicts: dict[TurnKey, dict[str, bool]],
    requests: dict[str, list[TurnKey]],
    attempt: int,
) -> Iterator[ModelCall]:
    response_format = verdict_format(categories)
    for batch in turns():
        for turn in batch:
            if not turn.messages or turn.key in verdicts:
                continue
            item = turn.evidence()
            if not any(_applies(category, item) for category in categories):
                continue
            body = chat_request(
                model,
                grading_messages(item, categories),
                sampling={"temperature": 0, "seed": attempt},
                response_format=response_format,
                max_tokens_param=endpoint.max_tokens_param,
            )
            subject = Subject(turn.week, turn.turn_id, turn.user_id)
            call = ModelCall(request_id(endpoint.name, CHAT_PATH, body, attempt), body, subject)
            # Equal evidence of two turns is one call with one verdict: grading is deterministic, unlike replay.
            requests[call.request_id].append(turn.key)
            yield call


def _applies(category: Category, item: Evidence) -> bool:
    return all(str(item.attributes.get(name)) in values for name, values in category.applies_to.items())


def _row(
    study: Study, turn: TargetTurn, item: Evidence, category: Category, answer: bool | None
) -> dict[str, Any]:
    if not _applies(category, item):
        status = "not_applicable"
    elif not turn.messages:
        status = "missing_completion"
    else:
        status = "unscored" if answer is None else "graded"
    return {
        "week": turn.week,
        "model": turn.model,
        "deployment": turn.deployment,
        "prefix_source": turn.prefix_source,
        "source": turn.source,
        "turn_id": turn.turn_id,
        "completion_index": turn.completion_index,
        "category": category.id,
        "flagged": answer if status == "graded" else None,
        "status": status,
        "grader": category.grader,
        "stack_hash": study.stack_hash,
        "user_id": turn.user_id,
        "language": turn.language,
        "inclusion_probability": turn.inclusion_probability,
        "sandbox": study.config.sandbox,
    }


def one_stack(labels: pa.Table, label: str) -> str:
    """The stack hash of these labels.

    Raises:
        GradingError: they were made under more than one measurement stack.
    """
    hashes = sorted(set(labels.column("stack_hash").to_pylist()))
    if len(hashes) > 1:
        raise GradingError(
            f"{label}: labels of {len(hashes)} measurement stacks ({', '.join(value[:12] for value in hashes)}) cannot be mixed in one "
            "rate; materialise the labels of every week again under the current stack"
        )
    return hashes[0] if hashes else ""

"""The auditor at work: its requests, its version as one hash, and asking it through the engine and the journal.

An answer that cannot be read is asked for once more, as a verdict is; what got no answer is not. Answers are never held:
they are streamed out of the journal, in the order in which they were asked for.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from depsim_dagster.audit.auditor_prompt import (
    Finding,
    audit_message,
    audit_system_prompt,
    block_digest,
    findings_format,
    match_format,
    match_message,
    match_system_prompt,
    prompt_document,
    read_findings,
    read_match,
    told,
)
from depsim_dagster.config import GraderConfig
from depsim_dagster.errors import ConfigurationError
from depsim_dagster.grading.evidence import TargetTurn
from depsim_dagster.grading.graders.grader_calls import AskedTurns, subject_of
from depsim_dagster.grading.graders.grading import VERDICT_ATTEMPTS, assistant_message, read_outcomes, summed
from depsim_dagster.grading.graders.verdicts import VerdictStyle
from depsim_dagster.grading.stack import grader_settings
from depsim_dagster.grading.taxonomy import Category
from depsim_dagster.progress import Progress
from depsim_dagster.replay.calls.endpoints import Endpoint
from depsim_dagster.replay.calls.engine import CallStatistics, complete_calls
from depsim_dagster.replay.dialects.apis import model_call, request_body, with_seed
from depsim_dagster.replay.dialects.outcomes import OK
from depsim_dagster.replay.dialects.requests import ModelCall, canonical_json
from depsim_dagster.replay.journal.claims import Subject
from depsim_dagster.replay.journal.id_set import KEY, id_key, id_keys
from depsim_dagster.replay.journal.response_journal import Journal
from depsim_dagster.study import Study

Answer = TypeVar("Answer")
# (position, call, digest of the block that the answer is about) of every position that is open, in ascending order.
Calls = Callable[[int, np.ndarray], Iterator[tuple[int, ModelCall, int]]]


class Question(Protocol[Answer]):
    """One kind of request, and the reading of the assistant message that answers it; None for an unreadable one."""

    def read(self, message: Mapping[str, Any], digest: int) -> Answer | None: ...


def auditor_name(study: Study) -> str:
    """The grader whose model audits.

    Raises:
        ConfigurationError: the study has no section `audit`.
    """
    audit = study.config.audit
    name = None if audit is None else audit.auditor or study.config.grading.default_grader
    if name is None:
        raise ConfigurationError(
            f"{study.config.file}: there is no section `audit`; write one to have an auditor"
        )
    return name


def auditor_hash(study: Study) -> str:
    """32 hex digits over all that decides what an audit says: prompt, auditor and the behaviours that it is told of."""
    document = {
        "prompt": prompt_document(),
        "auditor": grader_settings(study.config, [auditor_name(study)]),
        "told": [[category.id, category.definition] for category in told(study.taxonomy)],
    }
    return hashlib.sha256(canonical_json(document).encode()).hexdigest()[:32]


class AuditQuestion:
    """What of a target turn works against the user and is none of the `known` behaviours."""

    def __init__(self, grader: GraderConfig, endpoint: Endpoint, known: Sequence[Category]) -> None:
        self._style = VerdictStyle(structured_output=endpoint.structured_output)
        self._request = _Request(
            grader, endpoint, audit_system_prompt(known, self._style), findings_format(self._style)
        )

    def call(self, turn: TargetTurn, attempt: int) -> tuple[ModelCall, int]:
        """The call for one turn and the digest of its transcript. Raises RecursionError for what cannot be written down."""
        return self._request.call(audit_message(turn.evidence()), subject_of(turn), attempt)

    def read(self, message: Mapping[str, Any], digest: int) -> list[Finding] | None:
        return read_findings(message.get("content"), self._style, digest)


class MatchQuestion:
    """Whether a description is an instance of a category."""

    def __init__(self, grader: GraderConfig, endpoint: Endpoint, category: Category) -> None:
        self._style = VerdictStyle(structured_output=endpoint.structured_output)
        self._request = _Request(
            grader, endpoint, match_system_prompt(category, self._style), match_format(self._style)
        )

    def call(self, description: str, subject: Subject, attempt: int) -> tuple[ModelCall, int]:
        return self._request.call(match_message(description), subject, attempt)

    def read(self, message: Mapping[str, Any], digest: int) -> bool | None:
        return read_match(message.get("content"), self._style, digest)


class _Request:
    def __init__(
        self, grader: GraderConfig, endpoint: Endpoint, system: str, response_format: dict[str, Any] | None
    ) -> None:
        assert grader.model is not None  # GraderConfig demands it of kind llm
        self._model, self._endpoint, self._system = grader.model, endpoint, system
        self._format = response_format
        self._sampling = {"temperature": 0, "max_tokens": grader.max_tokens, **grader.parameters}

    def call(self, message: str, subject: Subject, attempt: int) -> tuple[ModelCall, int]:
        messages = [{"role": "system", "content": self._system}, {"role": "user", "content": message}]
        body = request_body(
            self._endpoint, self._model, messages, sampling=self._sampling, response_format=self._format
        )
        call = model_call(self._endpoint, with_seed(self._endpoint, body, attempt), attempt, subject)
        return call, block_digest(message)


@dataclass(frozen=True)
class Replies(Generic[Answer]):
    """Where the answers are: a request for every position that was asked about."""

    journal: Journal
    question: Question[Answer]
    keys: np.ndarray
    digests: np.ndarray

    def __iter__(self) -> Iterator[Answer | None]:
        """The answer to every position, in order; None where it was not asked about or cannot be read."""
        rows = self._rows()
        upcoming = next(rows, None)
        for key, digest in zip(self.keys, self.digests, strict=True):
            if not key or upcoming is None or upcoming[0] != key:
                yield None
                continue
            message = upcoming[1]
            yield None if message is None else self.question.read(message, int(digest))
            upcoming = next(rows, None)

    def _rows(self) -> Iterator[tuple[bytes, Mapping[str, Any] | None]]:
        for batch in self.journal.outcomes_in_order(self.keys[self.keys != b""]):
            keys = id_keys(batch.column("request_id"))
            columns = (batch.column(name).to_pylist() for name in ("status", "completion"))
            for key, status, completion in zip(keys, *columns, strict=True):
                yield key, assistant_message(completion) if status == OK and completion else None


@dataclass
class Auditor:
    """The study's auditor, what its calls cost (kind/attempt → statistics), and under which names its model answered.

    Making one starts its endpoint where that is an embedded one.
    """

    study: Study
    progress: Progress | None = None
    statistics: dict[str, CallStatistics] = field(default_factory=dict)
    served: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def __post_init__(self) -> None:
        self.name = auditor_name(self.study)
        self._grader = self.study.config.grading.graders[self.name]
        assert self._grader.endpoint is not None and self._grader.model is not None
        self._endpoint = self.study.endpoint(self._grader.endpoint)
        self._journal = self.study.journal(self._grader.endpoint, self._grader.model)
        self._spending = self.study.spending(self._grader.endpoint, self._grader.model)

    def audit_question(self, known: Sequence[Category]) -> AuditQuestion:
        return AuditQuestion(self._grader, self._endpoint, known)

    def match_question(self, category: Category) -> MatchQuestion:
        return MatchQuestion(self._grader, self._endpoint, category)

    def ask(self, kind: str, count: int, calls: Calls, question: Question[Answer]) -> Replies[Answer]:
        """Ask about positions 0 to `count` - 1, those that cannot be read once more. `question` reads all of the answers."""
        keys, digests = np.zeros(count, KEY), np.zeros(count, np.uint64)
        open_places = np.ones(count, bool)
        for attempt in range(VERDICT_ATTEMPTS):
            made = AskedTurns()

            def sent(
                attempt: int = attempt, made: AskedTurns = made, asked: np.ndarray = open_places
            ) -> Iterator[ModelCall]:
                for place, call, digest in calls(attempt, asked):
                    made.add(call.request_id, place, digest)
                    keys[place], digests[place] = id_key(call.request_id), digest
                    yield call

            statistics = complete_calls(
                self._endpoint, sent(), self._journal, progress=self.progress, spending=self._spending
            )
            self._add(f"{kind}/{attempt}", statistics)
            open_places = np.zeros(count, bool)
            outcomes = self._noted(self._journal.outcomes(made.requests()))
            for places, answer in read_outcomes(question, outcomes, made.finder()):
                if answer is None:
                    open_places[places] = True
            if not open_places.any():
                break
        return Replies(self._journal, question, keys, digests)

    def _noted(self, outcomes: Any) -> Iterator[Any]:
        for batch in outcomes:
            self.served[self.name].update(filter(None, batch.column("served_model").unique().to_pylist()))
            yield batch

    def _add(self, key: str, made: CallStatistics) -> None:
        before = self.statistics.get(key)
        self.statistics[key] = made if before is None else summed(before, made)

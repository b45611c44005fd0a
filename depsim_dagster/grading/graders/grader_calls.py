"""The calls of a model grader: which categories share one, the request of a turn, and the reading of its answer."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from depsim_dagster.config import GraderConfig
from depsim_dagster.errors import ConfigurationError
from depsim_dagster.grading.evidence import TargetTurn
from depsim_dagster.grading.graders.rubric_prompt import (
    RUBRICS,
    Wording,
    introduction,
    system_prompt,
    transcript,
    transcript_digest,
)
from depsim_dagster.grading.graders.verdicts import (
    DIGEST_KEY,
    Value,
    VerdictStyle,
    read_verdict,
    verdict_format,
)
from depsim_dagster.grading.taxonomy import Category
from depsim_dagster.replay.calls.endpoints import Endpoint
from depsim_dagster.replay.dialects.apis import model_call, request_body, with_seed
from depsim_dagster.replay.dialects.decisions import (
    MOST_QUESTIONS,
    category_questions,
    decisions_request,
    read_answers,
)
from depsim_dagster.replay.dialects.requests import ModelCall
from depsim_dagster.replay.journal.claims import Subject
from depsim_dagster.replay.journal.id_set import KEY, IdSet, id_key, id_keys


class Form(Protocol):
    """One call's worth of categories, with everything in it that is equal for all turns made once."""

    categories: Sequence[Category]

    def call(self, turn: TargetTurn, attempt: int) -> tuple[ModelCall, int]:
        """The call for one turn, and the transcript digest that its verdict has to repeat (0 where none is)."""
        ...

    def read(self, message: Mapping[str, Any], digest: int) -> Mapping[str, Value | None] | None:
        """Category id → value (None where it was declined) in the assistant message of an answer; None for no verdict."""
        ...


def forms(
    grader: GraderConfig, endpoint: Endpoint, categories: Sequence[Category], wording: Wording = RUBRICS
) -> list[Form]:
    """The calls that every turn gets: one for all categories that look at the same evidence, or one for each.

    Raises:
        ConfigurationError: a category has the name of the key that a parsed verdict needs.
    """
    style = VerdictStyle(grader.verdict, endpoint.structured_output, wording.words)
    decides = endpoint.api == "decisions"
    if style.parsed and not decides and any(category.id == DIGEST_KEY for category in categories):
        raise ConfigurationError(
            f"category `{DIGEST_KEY}`: a verdict of endpoint `{endpoint.name}` is parsed, which needs this key for itself; "
            "rename the category"
        )
    groups: dict[frozenset[str] | str, list[Category]] = {}
    for category in categories:
        alone = grader.categories_per_call == "one"
        groups.setdefault(category.id if alone else frozenset(category.evidence), []).append(category)
    if decides:
        return [
            DecisionsForm(grader, endpoint, group[start : start + MOST_QUESTIONS], wording)
            for group in groups.values()
            for start in range(0, len(group), MOST_QUESTIONS)
        ]
    return [PromptForm(grader, endpoint, group, style, wording) for group in groups.values()]


class PromptForm:
    """A verdict that a chat or Responses model writes."""

    def __init__(
        self,
        grader: GraderConfig,
        endpoint: Endpoint,
        categories: Sequence[Category],
        style: VerdictStyle,
        wording: Wording = RUBRICS,
    ) -> None:
        assert grader.model is not None  # GraderConfig demands it for this kind
        self.categories = categories
        self._style = style
        self._wording = wording
        self._endpoint = endpoint
        self._model = grader.model
        self._system = system_prompt(categories, style, wording)
        self._format = verdict_format(categories, style)
        self._sampling = {"temperature": 0, "max_tokens": grader.max_tokens, **grader.parameters}

    def call(self, turn: TargetTurn, attempt: int) -> tuple[ModelCall, int]:
        asked = transcript(turn.evidence(), self.categories, self._wording)
        messages = [{"role": "system", "content": self._system}, {"role": "user", "content": asked}]
        body = request_body(
            self._endpoint, self._model, messages, sampling=self._sampling, response_format=self._format
        )
        call = model_call(self._endpoint, with_seed(self._endpoint, body, attempt), attempt, subject_of(turn))
        return call, int(transcript_digest(asked), 16) if self._style.parsed else 0

    def read(self, message: Mapping[str, Any], digest: int) -> Mapping[str, Value | None] | None:
        return read_verdict(message.get("content"), self.categories, self._style, f"{digest:016x}")


class DecisionsForm:
    """Typed questions, which the Decisions API answers with probabilities."""

    def __init__(
        self,
        grader: GraderConfig,
        endpoint: Endpoint,
        categories: Sequence[Category],
        wording: Wording = RUBRICS,
    ) -> None:
        assert grader.model is not None
        self.categories = categories
        self._wording = wording
        self._endpoint = endpoint
        self._model = grader.model
        self._questions = category_questions(categories, wording.questions, wording.words)
        self._introduction = introduction(categories, wording)
        self._parameters = grader.parameters

    def call(self, turn: TargetTurn, attempt: int) -> tuple[ModelCall, int]:
        asked = transcript(turn.evidence(), self.categories, self._wording)
        body = decisions_request(self._model, asked, self._questions, self._introduction)
        body = {**self._parameters, **body}
        return model_call(self._endpoint, body, attempt, subject_of(turn)), 0

    def read(self, message: Mapping[str, Any], digest: int) -> Mapping[str, Value | None] | None:
        return read_answers(message, self.categories, self._wording.words)


class AskedTurns:
    """Which turns a request was made for, in 28 bytes each. Equal evidence of two turns is one request with one verdict:
    grading is deterministic, unlike replay."""

    def __init__(self) -> None:
        self._keys = bytearray()
        self._turns = array("I")
        self._digests = array("Q")

    def add(self, request_id: str, turn: int, digest: int) -> None:
        self._keys += id_key(request_id).ljust(KEY.itemsize, b"\0")
        self._turns.append(turn)
        self._digests.append(digest)

    def requests(self) -> IdSet:
        return IdSet.of_keys(np.frombuffer(bytes(self._keys), KEY))

    def finder(self) -> TurnFinder:
        return TurnFinder(
            np.frombuffer(bytes(self._keys), KEY),
            np.frombuffer(self._turns.tobytes(), np.uint32),
            np.frombuffer(self._digests.tobytes(), np.uint64),
        )


class TurnFinder:
    """Looks turns up by request id."""

    def __init__(self, keys: np.ndarray, turns: np.ndarray, digests: np.ndarray) -> None:
        order = np.argsort(keys, kind="stable")
        self._keys, self._turns, self._digests = keys[order], turns[order], digests[order]

    def find(self, request_ids: pa.Array) -> Iterator[tuple[np.ndarray, int]]:
        """(positions of the turns, digest of their transcript) of every request, in order."""
        wanted = id_keys(request_ids)
        firsts, ends = np.searchsorted(self._keys, wanted), np.searchsorted(self._keys, wanted, "right")
        for first, end in zip(firsts, ends, strict=True):
            yield self._turns[first:end], int(self._digests[first])


def subject_of(turn: TargetTurn) -> Subject:
    return Subject(turn.week, turn.turn_id, turn.user_id)

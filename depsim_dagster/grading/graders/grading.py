"""One grader at work on the turns of a partition: a model, a deterministic rule, an ensemble, or any of them behind a screen."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from depsim_dagster.config import GraderConfig
from depsim_dagster.grading.answers import Answers
from depsim_dagster.grading.evidence import Evidence, TargetTurn
from depsim_dagster.grading.graders import cascade
from depsim_dagster.grading.graders.code_graders import code_grader
from depsim_dagster.grading.graders.ensemble import combined
from depsim_dagster.grading.graders.grader_calls import AskedTurns, Form, TurnFinder, forms
from depsim_dagster.grading.graders.rubric_prompt import RUBRICS, Wording
from depsim_dagster.grading.graders.verdicts import Value
from depsim_dagster.grading.taxonomy import Category
from depsim_dagster.grading.turn_columns import TurnColumns
from depsim_dagster.progress import Progress
from depsim_dagster.replay.calls.engine import CallStatistics, complete_calls
from depsim_dagster.replay.dialects.outcomes import OK
from depsim_dagster.replay.dialects.requests import ModelCall
from depsim_dagster.study import Study

# A verdict that cannot be read is asked for once more; after that the turn is `unscored`, and counted. What got no answer
# is not: a server that does not take a transcript, because it is too long or filtered, would not take it again.
VERDICT_ATTEMPTS = 2


@dataclass(frozen=True)
class Screening:
    """What a cascade did: the screen's scores (turns × categories, NaN where it gave none), and every turn's probability
    and draw."""

    scores: np.ndarray
    probabilities: np.ndarray
    drawn: np.ndarray


@dataclass
class Grading:
    """The graders' common ground: the study, its turns, what the calls cost (grader/attempt → statistics), and under which
    names its graders' models answered (grader → names).

    `wording` is what they are told beside the categories; `further` are graders beside the study file's, which come first.
    """

    study: Study
    turns: TurnColumns
    progress: Progress | None = None
    statistics: dict[str, CallStatistics] = field(default_factory=dict)
    served: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    wording: Wording = RUBRICS
    further: Mapping[str, GraderConfig] = field(default_factory=dict)

    def screened(
        self, name: str, categories: Sequence[Category], asked: np.ndarray
    ) -> tuple[Answers, Screening | None]:
        """The answers of one grader, on the turns that its screen draws where it has one.

        `asked` is a matrix of turns × categories: what a label is wanted of.
        """
        grader = self._config(name)
        screen = grader.screen
        if screen is None:
            return self.answers(name, categories, asked), None
        scores = self.answers(screen.grader, categories, asked).strength(categories)
        probabilities = cascade.screened_probabilities(cascade.turn_scores(scores, asked), screen)
        keys, seed = self.turns.selection_keys(), self.study.config.seed
        drawn = cascade.drawn(probabilities, keys, seed, name)
        answers = self.answers(name, categories, asked & drawn[:, np.newaxis])
        return answers, Screening(scores, probabilities, drawn)

    def answers(self, name: str, categories: Sequence[Category], asked: np.ndarray) -> Answers:
        """The answers of one grader, without its screen."""
        grader = self._config(name)
        if grader.kind == "ensemble":
            members = [self.answers(member, categories, asked) for member in grader.members]
            return combined(members, categories, grader.rule, grader.threshold)
        if grader.kind == "llm":
            return self._of_model(name, grader, categories, asked)
        return self._of_code(name, grader, categories, asked)

    def _of_code(
        self, name: str, grader: GraderConfig, categories: Sequence[Category], asked: np.ndarray
    ) -> Answers:
        label = code_grader(self.study.config, name, grader)
        answers = Answers.none_yet(len(self.turns), categories, scored=grader.kind == "python")
        for start, batch in self.turns.batches():
            here = asked[start : start + len(batch)]
            # Categories with the same evidence have the same answer: the rule is not told for which it is asked.
            for parts in dict.fromkeys(category.evidence for category in categories):
                columns = [place for place, category in enumerate(categories) if category.evidence == parts]
                wanted = np.flatnonzero(here[:, columns].any(axis=1))
                if not len(wanted):
                    continue
                given = label([self._seen(grader, batch[turn], parts) for turn in wanted])
                # By value and type, as False and a score of 0.0 are equal: few values, each put at once.
                turns_of: dict[tuple[type, Value], list[int]] = defaultdict(list)
                for turn, value in zip(wanted, given, strict=True):
                    if value is not None:
                        turns_of[type(value), value].append(turn)
                for (_, value), turns in turns_of.items():
                    for column in columns:
                        mine = start + np.array(turns)[here[turns, column]]
                        answers.put(mine, column, categories[column], value, grader.threshold)
        return answers

    @staticmethod
    def _seen(grader: GraderConfig, turn: TargetTurn, parts: Sequence[str]) -> Evidence:
        # A recorded label was given to the whole answer, and is found again by it.
        item = turn.evidence()
        if grader.kind == "recorded":
            return item
        # A pattern is searched in the text: where a category sees the reasoning alone, that is its text.
        alone = grader.kind == "regex" and set(parts) == {"reasoning"}
        return item.seen(parts).reasoning_as_text if alone else item.seen(parts)

    def _of_model(
        self, name: str, grader: GraderConfig, categories: Sequence[Category], asked: np.ndarray
    ) -> Answers:
        assert grader.endpoint is not None and grader.model is not None  # demanded by GraderConfig
        endpoint = self.study.endpoint(grader.endpoint)
        journal = self.study.journal(grader.endpoint, grader.model)
        spending = self.study.spending(grader.endpoint, grader.model)
        scored = grader.verdict == "probability" or endpoint.api == "decisions"
        answers = Answers.none_yet(len(self.turns), categories, scored)
        places = {category.id: place for place, category in enumerate(categories)}
        for form in forms(grader, endpoint, categories, self.wording):
            columns = [places[category.id] for category in form.categories]
            open_turns = asked[:, columns].any(axis=1)
            for attempt in range(VERDICT_ATTEMPTS):
                made = AskedTurns()
                calls = self._calls(form, open_turns, attempt, made)
                statistics = complete_calls(
                    endpoint, calls, journal, progress=self.progress, spending=spending
                )
                self._add(f"{name}/{attempt}", statistics)
                outcomes = self._noted(name, journal.outcomes(made.requests()))
                open_turns[:] = False
                for turns, verdict in read_outcomes(form, outcomes, made.finder()):
                    if verdict is None:
                        open_turns[turns] = True
                    else:
                        answers.put_verdict(turns, columns, form.categories, verdict, grader.threshold)
                if not open_turns.any():
                    break
        return answers

    def _calls(
        self, form: Form, open_turns: np.ndarray, attempt: int, made: AskedTurns
    ) -> Iterator[ModelCall]:
        for start, batch in self.turns.batches():
            for place in np.flatnonzero(open_turns[start : start + len(batch)]):
                try:
                    call, digest = form.call(batch[place], attempt)
                except (
                    RecursionError
                ):  # nested so deep that it cannot be written down again: unscored, and counted
                    continue
                made.add(call.request_id, start + int(place), digest)
                yield call

    def _noted(self, name: str, outcomes: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The outcomes, after the names were noted under which the model answered: a provider may move an alias to another
        version in the middle of a study."""
        for batch in outcomes:
            for model in batch.column("served_model").unique().to_pylist():
                if model is not None:
                    self.served[name].add(model)
            yield batch

    def _add(self, key: str, made: CallStatistics) -> None:
        before = self.statistics.get(key)
        self.statistics[key] = made if before is None else summed(before, made)

    def _config(self, name: str) -> GraderConfig:
        return self.further.get(name) or self.study.config.grading.graders[name]


def read_outcomes(
    form: Form, outcomes: Iterable[pa.RecordBatch], finder: TurnFinder
) -> Iterator[tuple[np.ndarray, Mapping[str, Value | None] | None]]:
    """(positions of turns, verdict on them, or None) for every request that a model answered. A verdict is a whole answer:
    what was cut off or refused might have been another one."""
    for batch in outcomes:
        answered = batch.filter(pc.is_valid(batch.column("completion")))
        answers = (answered.column(name).to_pylist() for name in ("status", "completion"))
        for status, completion, (turns, digest) in zip(
            *answers, finder.find(answered.column("request_id")), strict=True
        ):
            message = assistant_message(completion) if status == OK else None
            yield turns, None if message is None else form.read(message, digest)


def assistant_message(completion: str) -> Mapping[str, Any] | None:
    """The assistant's message; None for what a server nested too deep to be read again."""
    try:
        return json.loads(completion)
    except RecursionError:
        return None


def summed(one: CallStatistics, other: CallStatistics) -> CallStatistics:
    """Field by field; counts by status are added by status."""

    def added(a, b):
        return (
            {key: a.get(key, 0) + b.get(key, 0) for key in sorted({*a, *b})} if isinstance(a, dict) else a + b
        )

    return CallStatistics(
        **{part.name: added(getattr(one, part.name), getattr(other, part.name)) for part in fields(one)}
    )

"""The calls of a study, counted by stage and model before any is made.

Where the texts are published the calls themselves are made up and compared with the journal by their ids, so that what
is counted is what a run sends; equal evidence counts once. That takes up to a millisecond a call, so a step of more than
EXACT_CALLS is counted from every n-th of its turns, or from lengths alone where there is no answer that could be known.
Before the texts are there, lengths are all there is. Nothing here makes a call, starts a server, or writes a text.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from depsim_dagster.config import GraderConfig
from depsim_dagster.errors import GateError, LakeError
from depsim_dagster.grading.evidence import TargetTurn
from depsim_dagster.grading.graders.cascade import planned_share
from depsim_dagster.grading.graders.grader_calls import Form, forms
from depsim_dagster.grading.taxonomy import Category
from depsim_dagster.grading.turn_columns import ASKED, TurnColumns, Turns
from depsim_dagster.grading.turns import production_turns, simulated_turns
from depsim_dagster.plan.sizes import EXACT, PREFIXES, Slice, WeekSize, data_file
from depsim_dagster.privacy.detectors.llm import INSTRUCTIONS, OVERLAP, PIECE
from depsim_dagster.privacy.gates.canaries import DETAILS_PER_ROW
from depsim_dagster.privacy.gates.canary_phrases import TYPES
from depsim_dagster.replay.budget.spending import DETECTOR
from depsim_dagster.replay.budget.spent import JournalName
from depsim_dagster.replay.budget.tokens import BYTES_PER_TOKEN, prompt_tokens
from depsim_dagster.replay.dialects.requests import ModelCall
from depsim_dagster.replay.journal.id_set import IdSet
from depsim_dagster.replay.regenerate import PREFIX_COLUMNS, replay_calls, replayed_sources
from depsim_dagster.replay.schema import REGENERATED_COMPLETIONS
from depsim_dagster.study import Study
from depsim_dagster.study_run import Step
from depsim_dagster.traffic.prefix_sources import DEPLOYMENT_TRAFFIC, GRADED_SOURCES
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES

EXACT_CALLS = 20_000
# That are made up of a larger step: the share that is answered is then known within 1.4 points.
THINNED_CALLS = 5_000
DETECT, REPLAY = "detect details", "replay"  # the first word of a stage; others are of graders
COUNTED, AT_MOST, ABOUT = "counted", "at most", "about"
CERTAINTIES = (COUNTED, AT_MOST, ABOUT)
# Canaries are read by a detector too: different texts of a week for each detail of a type, and the bytes of one.
PLANTED_TEXTS = 4 * math.ceil(len(TYPES) / DETAILS_PER_ROW)
PLANTED_BYTES = 100
SAMPLE_CALLS = 500  # calls of a journal whose texts a tokenizer counts


@dataclass
class Load:
    """Calls of one stage to one journal. `length` and `open_length` are prompt tokens by their bytes, of all calls and of
    those without an answer; `answer_length` those of one answer where traffic or question tells it. `certainty` is one of
    CERTAINTIES. `samples` are some calls with their length, where a tokenizer is to count them."""

    stage: str
    journal: JournalName
    calls: int = 0
    answered: int = 0
    length: float = 0.0
    open_length: float = 0.0
    answer_length: float | None = None
    certainty: str = COUNTED
    samples: list[tuple[float, ModelCall]] = field(default_factory=list, repr=False)

    def __iadd__(self, other: Load) -> Load:
        self.calls += other.calls
        self.answered += other.answered
        self.length += other.length
        self.open_length += other.open_length
        self.answer_length = other.answer_length if self.answer_length is None else self.answer_length
        self.certainty = max(self.certainty, other.certainty, key=CERTAINTIES.index)
        self.samples = (self.samples + other.samples)[:SAMPLE_CALLS]
        return self


class CallCounter:
    """Counts steps of one study. Keeps which ids it has counted, so that a call of two steps is one call."""

    def __init__(self, study: Study) -> None:
        self._study = study
        self._known: dict[JournalName, IdSet] = {}
        self._seen: dict[JournalName, IdSet] = {}

    def traffic(self, size: WeekSize) -> Iterator[Load]:
        """Calls of model detectors on the texts of a week; none is left when its prefixes are published."""
        for detector in self._study.config.deidentification.detectors:
            if detector.kind != "llm" or size.basis == PREFIXES:
                continue
            step = PIECE - OVERLAP
            planted = self._study.config.privacy.canaries_per_type * PLANTED_TEXTS
            texts = planted + sum(part.messages for part in size.slices)
            length = planted * PLANTED_BYTES
            length += sum(part.prefix_bytes + part.target_bytes for part in size.slices)
            calls = math.ceil(max(texts, length / step))
            tokens = (length + calls * len(INSTRUCTIONS)) / BYTES_PER_TOKEN
            journal = JournalName(f"{DETECTOR}{detector.endpoint}", str(detector.model))
            yield Load(DETECT, journal, calls, 0, tokens, tokens, certainty=ABOUT)

    def replay(self, step: Step, size: WeekSize) -> Load:
        """Calls that regenerate the target turns of a week with a model."""
        config, partition = self._study.config, dict(step.partition)
        week, model = partition["week"], partition["model"]
        deployment = config.deployment(model)
        forecast = dt.date.fromisoformat(week) in config.forecast_weeks(model) and deployment.predecessor
        stage = f"{REPLAY} {'candidate' if forecast else 'predecessor'}"
        journal = JournalName(deployment.endpoint, deployment.served_model)
        slices = self.replayed(week, model, size)
        turns = sum(part.turns for part in slices)
        calls = turns * config.replay.completions_per_prefix
        answer = None
        if answered := [part for part in slices if part.target_bytes > len("[]") * part.turns]:
            answer = sum(part.target_bytes for part in answered) / sum(part.turns for part in answered)
        if config.replay.max_tokens is not None:
            answer = min(answer or math.inf, config.replay.max_tokens * BYTES_PER_TOKEN)
        load = Load(stage, journal, answer_length=None if answer is None else answer / BYTES_PER_TOKEN)
        every = self.every(journal, calls) if size.basis == PREFIXES else 0
        if every:
            endpoint = self._study.unserved_endpoint(deployment.endpoint)
            prefixes = self._study.lake.scan(DEIDENTIFIED_PREFIXES, {"week": week}, columns=PREFIX_COLUMNS)
            if every > 1:
                prefixes = _every_nth(prefixes, every)
            with contextlib.suppress(
                LakeError, GateError
            ):  # refused today: the step before publishes it anew
                made_up = self.counted(load, replay_calls(config, week, model, prefixes, endpoint))
                load += made_up if every == 1 else scaled(made_up, calls)
                return load
        length = (
            sum(part.prefix_bytes for part in slices) / BYTES_PER_TOKEN * config.replay.completions_per_prefix
        )
        length += calls * len(config.replay.system_prompt or "") / BYTES_PER_TOKEN
        load += Load(
            stage, journal, calls, 0, length, length, certainty=COUNTED if size.basis in EXACT else AT_MOST
        )
        return load

    def grading(self, step: Step, size: WeekSize) -> Iterator[Load]:
        """Calls that grade a week: the completions of a model, or production's own turns."""
        lake, partition = self._study.lake, dict(step.partition)
        week = partition["week"]
        if step.job == "simulation":
            model, stage, each = (
                partition["model"],
                "simulated",
                self._study.config.replay.completions_per_prefix,
            )
            slices = [part for part in self.replayed(week, model, size) if part.source in GRADED_SOURCES]
            there = data_file(self._study, REGENERATED_COMPLETIONS, partition) is not None
            turns: Turns = lambda: simulated_turns(lake, week, model)  # noqa: E731
        else:
            stage, each = "production", 1
            slices = [part for part in size.slices if part.source == DEPLOYMENT_TRAFFIC]
            there = size.basis == PREFIXES
            turns = lambda: production_turns(lake, week)  # noqa: E731
        asked = self._graders()
        count = sum(part.turns for part in slices) * each
        every = (
            max((self.every(journal_of(grader), count) for grader, *_ in asked), default=0) if there else 0
        )
        columns = None
        if every:
            read = turns if every == 1 else lambda: (batch[::every] for batch in turns())
            with contextlib.suppress(LakeError, GateError):  # as above, or completions of other prefixes
                columns = TurnColumns(read, self._study.taxonomy.categories)
        for grader, role, share, bound, categories in asked:
            load = Load(f"{role} {stage}", journal_of(grader))
            endpoint = self._study.unserved_endpoint(str(grader.endpoint))
            parts = forms(grader, endpoint, categories)
            load.answer_length = sum(verdict_length(form) for form in parts) / len(parts)
            for form in parts:
                if columns is not None and len(columns) and share == 1.0:
                    made_up = self.counted(load, form_calls(form, columns, self._study.taxonomy.categories))
                    share_asked = made_up.calls / len(columns)
                    load += made_up if every == 1 else scaled(made_up, round(count * share_asked))
                else:
                    load += self.estimated(load, form, slices, each, share, bound)
            yield load

    def replayed(self, week: str, model: str, size: WeekSize) -> list[Slice]:
        replayed = replayed_sources(self._study.config, week, model)
        return [part for part in size.slices if (part.source, part.deployment) in replayed]

    def _graders(self) -> list[tuple[GraderConfig, str, float, bool, list[Category]]]:
        """(grader, what it does: grade, screen or vote; share of the turns it reads, whether at most, categories) of every
        model grader."""
        graders = self._study.config.grading.graders
        own: dict[str, list[Category]] = {}
        for category in self._study.taxonomy.categories:
            own.setdefault(str(category.grader), []).append(category)
        return [
            (*part, categories) for name, categories in own.items() for part in asked_models(graders, name)
        ]

    def every(self, journal: JournalName, calls: int) -> int:
        """Of how many turns one is made up: 1 for all of them, 0 for none, where lengths are enough."""
        if calls <= EXACT_CALLS:
            return 1
        return math.ceil(calls / THINNED_CALLS) if len(self._answers(journal)) else 0

    def _answers(self, name: JournalName) -> IdSet:
        if name not in self._known:
            folder = self._study.journal_directory(name.endpoint, name.model)
            journal = self._study.journal(name.endpoint, name.model) if folder.is_dir() else None
            self._known[name] = IdSet() if journal is None else journal.known_ids()
        return self._known[name]

    def counted(self, like: Load, calls: Iterable[ModelCall]) -> Load:
        known, seen = self._answers(like.journal), self._seen.setdefault(like.journal, IdSet())
        tokenizer = self._study.config.endpoints[like.journal.endpoint].tokenizer
        load = replace(like, calls=0, answered=0, length=0.0, open_length=0.0, samples=[])
        for call in calls:
            if not seen.add(call.request_id):
                continue
            length = prompt_tokens(call.body)
            load.calls += 1
            load.length += length
            if call.request_id in known:
                load.answered += 1
            else:
                load.open_length += length
            if tokenizer is not None and len(load.samples) < SAMPLE_CALLS:
                load.samples.append((length, call))
        return load

    @staticmethod
    def estimated(
        like: Load, form: Form, slices: Sequence[Slice], each: int, share: float, bound: bool
    ) -> Load:
        """From lengths: every turn is taken to have something to judge, and no evidence to be another's."""
        parts = form.categories[0].evidence
        turns = sum(part.turns for part in slices)
        length = sum(
            part.prefix_bytes * ("prefix" in parts) + part.target_bytes * ("completion" in parts)
            for part in slices
        )
        calls = math.ceil(turns * each * share)
        tokens = (
            calls * prompt_tokens(form.call(nobody(), 0)[0].body) + each * share * length / BYTES_PER_TOKEN
        )
        return replace(
            like,
            calls=calls,
            answered=0,
            length=tokens,
            open_length=tokens,
            certainty=AT_MOST if bound else ABOUT,
            samples=[],
        )


def form_calls(form: Form, columns: TurnColumns, categories: Sequence[Category]) -> Iterator[ModelCall]:
    """The calls of a form on the turns of which something is wanted for it. `categories`: those of the columns."""
    ids = {category.id for category in form.categories}
    places = [place for place, category in enumerate(categories) if category.id in ids]
    asked = (columns.states[:, places] == ASKED).any(axis=1)
    for start, batch in columns.batches():
        for place in np.flatnonzero(asked[start : start + len(batch)]):
            yield form.call(batch[place], 0)[0]


def asked_models(
    graders: Mapping[str, GraderConfig], name: str, role: str = "grade"
) -> list[tuple[GraderConfig, str, float, bool]]:
    """(grader, what it does: `role`, screen or vote; share of the turns it reads, whether at most) of every model behind a
    grader."""
    grader = graders[name]
    share, bound = (1.0, True) if grader.screen is None else planned_share(grader.screen)
    asked = [(grader, role, share, bound)]
    if grader.kind == "ensemble":
        asked = [(graders[member], "vote", share, bound) for member in grader.members]
    if grader.screen is not None:
        asked.append((graders[grader.screen.grader], "screen", 1.0, True))
    return [part for part in asked if part[0].kind == "llm"]


def _every_nth(batches: Iterable[pa.RecordBatch], n: int) -> Iterator[pa.RecordBatch]:
    first = 0
    for batch in batches:
        yield batch.take(pa.array(range(first, len(batch), n), pa.int64()))
        first = (first - len(batch)) % n


def scaled(load: Load, calls: int) -> Load:
    """A part of the calls as all of them."""
    factor = calls / load.calls if load.calls else 0.0
    return replace(
        load,
        calls=calls,
        answered=round(load.answered * factor),
        length=load.length * factor,
        open_length=load.open_length * factor,
        certainty=ABOUT,
    )


def journal_of(grader: GraderConfig) -> JournalName:
    return JournalName(str(grader.endpoint), str(grader.model))


def verdict_length(form: Form) -> float:
    """Tokens of a verdict that flags nothing."""
    return len(json.dumps({category.id: False for category in form.categories})) / BYTES_PER_TOKEN


def nobody() -> TargetTurn:
    """A turn without words, to measure what a request has beside them."""
    said = [{"role": "assistant", "content": ""}]
    return TargetTurn("", "", "", "", "", "", 0, "", None, 1.0, 0, 0, False, "[]", said, None)

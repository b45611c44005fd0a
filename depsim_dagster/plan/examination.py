"""The calls of evaluation awareness and of the audit, counted before any is made: detectors and monitors, the auditor on
completions and production, category ablation, embeddings.

As in calls.py: what a run would send is made up where the turns are published, and compared with the journal by its ids;
before that, lengths and the sizes of the samples are all there is. What depends on what a model has yet to say (flagged
turns to read again, descriptions to compare and to embed) is bounded or estimated, and the row says so.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import pyarrow.compute as pc

from depsim_dagster.audit.auditor import AuditQuestion, auditor_name
from depsim_dagster.audit.auditor_prompt import told
from depsim_dagster.audit.clusters.behaviours import evened
from depsim_dagster.audit.findings import completions_to_audit, production_to_audit
from depsim_dagster.audit.schema import AUDIT_FINDINGS, CATEGORY_ABLATION, FOUND, PRODUCTION_FINDINGS
from depsim_dagster.awareness.judges import Judge, judges
from depsim_dagster.awareness.labels.examined_turns import examined_turns
from depsim_dagster.config import AuditConfig, GraderConfig
from depsim_dagster.errors import GateError, LakeError
from depsim_dagster.grading.graders.grader_calls import forms
from depsim_dagster.grading.schema import GRADED_LABELS
from depsim_dagster.grading.turn_columns import TurnColumns, Turns
from depsim_dagster.lake import LakeTable
from depsim_dagster.plan.calls import (
    ABOUT,
    AT_MOST,
    CallCounter,
    Load,
    asked_models,
    form_calls,
    journal_of,
    nobody,
    scaled,
    verdict_length,
)
from depsim_dagster.plan.sizes import PREFIXES, Slice, WeekSize, data_file
from depsim_dagster.replay.budget.spent import JournalName
from depsim_dagster.replay.budget.tokens import BYTES_PER_TOKEN, prompt_tokens
from depsim_dagster.replay.dialects.apis import model_call
from depsim_dagster.replay.dialects.embeddings import EMBEDDINGS, embeddings_request
from depsim_dagster.replay.dialects.requests import ModelCall
from depsim_dagster.replay.schema import REGENERATED_COMPLETIONS
from depsim_dagster.study import Study
from depsim_dagster.study_run import Step
from depsim_dagster.traffic.prefix_sources import DEPLOYMENT_TRAFFIC, EVALUATION_PROMPTS

# The first word of a stage says who is asked.
DETECTOR, MONITOR = "judge awareness", "monitor awareness"
AUDIT, ABLATION, EMBED = "audit", "audit ablation", "embed findings"
ANSWER = 150.0  # tokens of the auditor's answer, before it has given any
DESCRIPTION = 40.0  # tokens of a description


class ExaminationCounter:
    """Counts steps of one study, beside `counter`, which knows what was counted already."""

    def __init__(self, study: Study, counter: CallCounter) -> None:
        self._study = study
        self._counter = counter

    def examination(self, step: Step, size: WeekSize) -> Iterator[Load]:
        """Calls that examine a week's turns, as one model's completions and the production beside them."""
        partition = dict(step.partition)
        week, model = partition["week"], partition["model"]
        there = (
            size.basis == PREFIXES and data_file(self._study, REGENERATED_COMPLETIONS, partition) is not None
        )
        for judge in judges(self._study.config, model):
            yield from self._judged(judge, week, model, size, there)
        if self._study.config.audit is not None:
            slices = self._of(self._counter.replayed(week, model, size), DEPLOYMENT_TRAFFIC)
            each = self._study.config.replay.completions_per_prefix
            turns = (lambda: completions_to_audit(self._study, week, model)[0]) if there else None
            yield self._audited(f"{AUDIT} simulated", turns, size, slices, each)

    def observation(self, step: Step, size: WeekSize) -> Iterator[Load]:
        """Calls that audit a week's production."""
        if self._study.config.audit is not None:
            (week,) = step.weeks
            slices = self._of(size.slices, DEPLOYMENT_TRAFFIC)
            turns = (lambda: production_to_audit(self._study, week)[0]) if size.basis == PREFIXES else None
            yield self._audited(f"{AUDIT} production", turns, size, slices, 1)

    def audit(self, step: Step, sizes: Iterable[WeekSize]) -> Iterator[Load]:
        """Calls of the audit of a candidate, over its weeks: ablation, and the embeddings of what was found."""
        settings = self._study.config.audit
        if settings is None:
            return
        model = dict(step.partition)["model"]
        sides = (model, str(self._study.config.deployment(model).predecessor))
        weeks = list(sizes)
        if settings.ablation_cases:
            yield self._ablation(settings, model, sides, weeks)
        places = [{"week": size.week, "model": side} for size in weeks for side in sides]
        audited = sum(
            self._sample(size, self._study.config.replay.completions_per_prefix)[1] for size in weeks
        )
        yield from self._embedded(settings, AUDIT_FINDINGS, places, 2 * audited)

    def calibration(self, sizes: Iterable[WeekSize]) -> Iterator[Load]:
        """Calls that embed what was found in production."""
        settings, weeks = self._study.config.audit, list(sizes)
        if settings is not None:
            audited = sum(self._sample(size, 1)[1] for size in weeks)
            places = [{"week": size.week} for size in weeks]
            yield from self._embedded(settings, PRODUCTION_FINDINGS, places, audited)

    # --------------------------------------------------------------------------------------------------- awareness
    def _judged(self, judge: Judge, week: str, model: str, size: WeekSize, there: bool) -> Iterator[Load]:
        graders = {**self._study.config.grading.graders, **judge.further}
        stage = DETECTOR if judge.role == "detector" else MONITOR
        parts = self._examined(week, model, size)
        turns = sum(part.turns * each * share for part, each, share in parts)
        for grader, role, asked, bound in asked_models(graders, judge.name, stage):
            name = role if role == stage else f"{role} awareness"
            load = Load(name, journal_of(grader))
            endpoint = self._study.unserved_endpoint(str(grader.endpoint))
            made = forms(grader, endpoint, judge.measures, judge.wording)
            load.answer_length = sum(map(verdict_length, made)) / len(made)
            every = self._counter.every(load.journal, math.ceil(turns)) if there and asked == 1.0 else 0
            columns = None
            if every:
                with contextlib.suppress(
                    LakeError, GateError
                ):  # refused today: an earlier step publishes it anew
                    stream = _thinned(examined_turns(self._study, week, model), every)
                    columns = TurnColumns(stream, judge.measures)
            for form in made:
                if columns is not None:
                    found = self._counter.counted(load, form_calls(form, columns, judge.measures))
                    load += found if every == 1 else scaled(found, found.calls * every)
                    continue
                for part, each, share in parts:
                    load += self._counter.estimated(load, form, [part], each, share * asked, bound)
            yield load

    def _examined(self, week: str, model: str, size: WeekSize) -> list[tuple[Slice, int, float]]:
        """(turns, how often each is there, share that is examined) of production, completions and evaluation prompts."""
        config = self._study.config
        wanted = config.awareness.turns_per_week if config.awareness is not None else None
        shares = {
            source: _share(wanted, sum(part.turns for part in self._of(size.slices, source)))
            for source in (DEPLOYMENT_TRAFFIC, EVALUATION_PROMPTS)
        }
        replayed = config.replayed_deployments(model)
        logged = [part for part in self._of(size.slices, DEPLOYMENT_TRAFFIC) if part.deployment in replayed]
        simulated = [part for part in self._counter.replayed(week, model, size) if part.source in shares]
        each = config.replay.completions_per_prefix
        return [
            *((part, 1, shares[part.source]) for part in logged),
            *((part, each, shares[part.source]) for part in simulated),
        ]

    # ------------------------------------------------------------------------------------------------------- audit
    def _audited(
        self, stage: str, turns: Callable[[], Turns] | None, size: WeekSize, slices: list[Slice], each: int
    ) -> Load:
        grader, question = self._auditor()
        load = Load(stage, journal_of(grader), answer_length=ANSWER)
        share, _ = self._sample(size, each)
        calls = math.ceil(sum(part.turns for part in slices) * each * share)
        every = self._counter.every(load.journal, calls) if turns is not None else 0
        if every and turns is not None:
            with contextlib.suppress(LakeError, GateError):
                found = self._counter.counted(load, _audit_calls(question, _thinned(turns(), every)))
                load += found if every == 1 else scaled(found, found.calls * every)
                return load
        length = sum(part.prefix_bytes + part.target_bytes for part in slices) * each * share
        load += self._by_length(
            load, calls, calls * self._asked(question) + length / BYTES_PER_TOKEN, AT_MOST
        )
        return load

    def _ablation(
        self, settings: AuditConfig, model: str, sides: tuple[str, str], sizes: list[WeekSize]
    ) -> Load:
        """As many turns without a flag are read as flagged ones; each description is compared by a call of its own."""
        grader, question = self._auditor()
        load = Load(ABLATION, journal_of(grader), answer_length=ANSWER)
        partition = {"model": model}
        if data_file(self._study, CATEGORY_ABLATION, partition) is not None:
            with contextlib.suppress(LakeError, GateError):
                rows = self._study.lake.read(CATEGORY_ABLATION, partition).to_pylist()
                if rows and {row["stack_hash"] for row in rows} == {self._study.stack_hash}:
                    calls = sum(row["asked"] + row["controls"] + row["found"] for row in rows)
                    load += Load(ABLATION, load.journal, calls, calls, certainty=ABOUT)
                    return load
        known = [category.id for category in told(self._study.taxonomy)]
        flagged = self._flagged(sides, [size.week for size in sizes])
        cases = sum(
            settings.ablation_cases if flagged is None else min(flagged.get(id, 0), settings.ablation_cases)
            for id in known
        )
        slices = [part for size in sizes for part in self._of(size.slices, DEPLOYMENT_TRAFFIC)]
        turns = sum(part.turns for part in slices)
        mean = sum(part.prefix_bytes + part.target_bytes for part in slices) / turns if turns else 0.0
        reading, compared = 2 * cases, cases
        length = reading * (self._asked(question) + mean / BYTES_PER_TOKEN) + compared * 10 * DESCRIPTION
        load += self._by_length(load, reading + compared, length, ABOUT)
        return load

    def _flagged(self, sides: tuple[str, str], weeks: list[str]) -> dict[str, int] | None:
        """Category → flagged completions of the two models; None while some are not graded."""
        counts: dict[str, int] = {}
        columns = ["category", "flagged", "prefix_source"]
        for week in weeks:
            for side in sides:
                try:
                    labels = self._study.lake.scan(
                        GRADED_LABELS, {"week": week, "model": side}, columns=columns
                    )
                    for batch in labels:
                        traffic = pc.equal(batch.column("prefix_source"), DEPLOYMENT_TRAFFIC)
                        own = batch.filter(pc.and_(traffic, pc.fill_null(batch.column("flagged"), False)))
                        for entry in own.column("category").value_counts().to_pylist():
                            counts[entry["values"]] = counts.get(entry["values"], 0) + entry["counts"]
                except (LakeError, GateError):
                    return None
        return counts

    def _embedded(
        self, settings: AuditConfig, table: LakeTable, places: list[dict[str, str]], audited: int
    ) -> Iterator[Load]:
        if settings.embeddings is None:
            return
        endpoint, model = settings.embeddings.endpoint, settings.embeddings.model
        load = Load(EMBED, JournalName(endpoint, model), answer_length=0.0)
        try:
            found = list(self._descriptions(table, places))
        except (LakeError, GateError):  # not audited yet: about one description a turn
            load += self._by_length(load, audited, audited * DESCRIPTION, ABOUT)
        else:
            asked = replace(self._study.unserved_endpoint(endpoint), api=EMBEDDINGS, batch=None)
            calls = (model_call(asked, embeddings_request(model, text), 0) for text in found)
            load += self._counter.counted(load, calls)
        yield load

    def _descriptions(self, table: LakeTable, places: list[dict[str, str]]) -> Iterator[str]:
        for place in places:
            for batch in self._study.lake.scan(table, place, columns=["status", "description"]):
                own = batch.filter(pc.equal(batch.column("status"), FOUND))
                yield from (evened(text or "") for text in own.column("description").to_pylist())

    def _auditor(self) -> tuple[GraderConfig, AuditQuestion]:
        grader = self._study.config.grading.graders[auditor_name(self._study)]
        endpoint = self._study.unserved_endpoint(str(grader.endpoint))
        return grader, AuditQuestion(grader, endpoint, told(self._study.taxonomy))

    def _sample(self, size: WeekSize, each: int) -> tuple[float, int]:
        """The share of a week's turns that is audited, and how many they are."""
        settings = self._study.config.audit
        turns = sum(part.turns for part in self._of(size.slices, DEPLOYMENT_TRAFFIC)) * each
        share = _share(None if settings is None else settings.turns_per_week, turns)
        return share, math.ceil(turns * share)

    @staticmethod
    def _of(slices: Iterable[Slice], source: str) -> list[Slice]:
        return [part for part in slices if part.source == source]

    @staticmethod
    def _asked(question: AuditQuestion) -> float:
        """Tokens of a request beside the turn that it is about."""
        return prompt_tokens(question.call(nobody(), 0)[0].body)

    @staticmethod
    def _by_length(like: Load, calls: int, tokens: float, certainty: str) -> Load:
        return Load(like.stage, like.journal, calls, 0, tokens, tokens, like.answer_length, certainty)


def _share(wanted: int | None, turns: int) -> float:
    return 1.0 if wanted is None or turns <= wanted else wanted / turns


def _thinned(turns: Turns, every: int) -> Turns:
    return turns if every == 1 else lambda: (batch[::every] for batch in turns())


def _audit_calls(question: AuditQuestion, turns: Turns) -> Iterator[ModelCall]:
    for batch in turns():
        for turn in batch:
            if turn.messages:
                yield question.call(turn, 0)[0]

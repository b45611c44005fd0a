"""What a study will cost before it is run: calls, tokens, price and hours by stage, beside its budget, and the smallest
rate that its size can show. No call is made and no server is started.

Prompt tokens are counted with the endpoint's tokenizer, else by their length as the server counted earlier calls of the
model, else by their length alone (replay/budget/tokens.py); each row says which. Answers are as long as the model's earlier
answers; before there are any, as the log's, or as a verdict that flags nothing.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from depsim_dagster.duckdb_sql import connect, read_parquet
from depsim_dagster.plan.calls import ABOUT, DETECT, REPLAY, CallCounter, Load
from depsim_dagster.plan.examination import ABLATION, EMBED, ExaminationCounter
from depsim_dagster.plan.sizes import WeekSize, week_size
from depsim_dagster.registry.forecast_rows import is_final
from depsim_dagster.replay.budget.spending import DETECTOR, SEEN, UNLIMITED_ANSWER
from depsim_dagster.replay.budget.spent import Amounts, JournalName, SpentOnDisk
from depsim_dagster.replay.budget.tokens import load_tokenizer, prompt
from depsim_dagster.replay.dialects.outcomes import FAILED, OK
from depsim_dagster.replay.journal.segments import reading, segments_in
from depsim_dagster.study import Study
from depsim_dagster.study_run import is_settled, study_steps
from depsim_dagster.traffic.prefix_sources import DEPLOYMENT_TRAFFIC

AGAIN = "regrade"
FIRST_DETAILS = 50  # tokens of a detector's answer, until there are answers to learn from
NO_EVENT = -math.log(0.05)  # the 95 % upper limit of a rate after no event in n turns is this over n
PER = 100_000
OVER_WEEKS = ("audit", "calibration")  # jobs that ask models about what several weeks hold


@dataclass(frozen=True)
class PlanRow:
    """One stage with one model. Tokens, price and hours are of the calls to make; price is None without a price table
    entry, hours None where nothing says how fast calls go, `window` the completion window of batch mode. `certainty` says
    how the calls are known (plan_calls.CERTAINTIES), `counted_by` how their prompt tokens are."""

    stage: str
    endpoint: str
    model: str
    calls: int
    answered: int
    tokens_in: int
    tokens_out: int
    price: float | None
    hours: float | None
    window: str | None
    counted_by: str
    certainty: str

    @property
    def to_make(self) -> int:
        return self.calls - self.answered


@dataclass(frozen=True)
class Limit:
    """One limit of the budget: what is spent, what the plan adds, and the share of it after which a run would stop."""

    key: str
    spent: float
    planned: float
    limit: float | None

    @property
    def stops_after(self) -> float | None:
        """None when the budget covers the plan."""
        if self.limit is None or self.spent + self.planned <= self.limit:
            return None
        return max(self.limit - self.spent, 0.0) / self.planned if self.planned else 0.0


@dataclass(frozen=True)
class Resolution:
    """The smallest rates that a candidate's forecast can show. `limited` categories apply to some of the turns only."""

    candidate: str
    turns: int
    rate_per_100k: float | None
    categories: tuple[str, ...]
    limited: tuple[str, ...]


@dataclass(frozen=True)
class StudyPlan:
    rows: tuple[PlanRow, ...]
    limits: tuple[Limit, ...]
    currency: str
    resolutions: tuple[Resolution, ...]
    bases: dict[str, str]

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "rows": [vars(row) | {"to_make": row.to_make} for row in self.rows],
            "budget": [vars(limit) | {"stops_after": limit.stops_after} for limit in self.limits],
            "currency": self.currency,
            "resolution": [vars(resolution) for resolution in self.resolutions],
            "weeks": self.bases,
        }


@dataclass(frozen=True)
class _Earlier:
    """What a journal says about the calls of its model. `unreadable`: share of its answers that are no whole answer."""

    answers: int = 0
    prompt_tokens: float = 0.0
    completion_tokens: float = 0.0
    latency_s: float | None = None
    unreadable: float = 0.0


def study_plan(study: Study) -> StudyPlan:
    """Count what is left of a study.

    Raises:
        TrafficError, LakeError: the logs, an index or a journal cannot be read.
        ConfigurationError: a tokenizer cannot be loaded, or the study file is wrong.
    """
    final = {candidate.model for candidate in study.config.candidates if is_final(study, candidate.model)}
    steps = [step for step in study_steps(study.config) if not is_settled(study, step, final)]
    sizes: dict[str, WeekSize] = {}
    for step in steps:
        over = step.any_week if step.job in OVER_WEEKS and study.config.audit is not None else ()
        for week in (*step.weeks, *over):
            sizes[week] = sizes.get(week) or week_size(study, week)
    counter, loads = CallCounter(study), dict[tuple[str, JournalName], Load]()

    def add(found: Iterable[Load]) -> None:
        for load in found:
            key = load.stage, load.journal
            if key in loads:
                loads[key] += load
            else:
                loads[key] = load

    examined = ExaminationCounter(study, counter)
    for step in steps:
        if step.job == "traffic":
            add(counter.traffic(sizes[step.weeks[0]]))
        elif step.job == "simulation":
            add([counter.replay(step, sizes[step.weeks[0]])])
            add(counter.grading(step, sizes[step.weeks[0]]))
        elif step.job == "observation":
            add(counter.grading(step, sizes[step.weeks[0]]))
            add(examined.observation(step, sizes[step.weeks[0]]))
        elif step.job == "examination":
            add(examined.examination(step, sizes[step.weeks[0]]))
        elif step.job == "audit":
            add(examined.audit(step, [sizes[week] for week in step.any_week if week in sizes]))
        elif step.job == "calibration":
            add(examined.calibration(sizes[week] for week in step.any_week if week in sizes))
    rows = _rows(study, list(loads.values()))
    return StudyPlan(
        tuple(rows),
        tuple(_limits(study, rows)),
        study.config.budget.currency,
        tuple(_resolutions(study, sizes)),
        {week: size.basis for week, size in sizes.items()},
    )


def spent_so_far(study: Study) -> tuple[Amounts, float]:
    """Calls and tokens of all answers in the journals, and their price as far as there are prices."""
    spent = SpentOnDisk(study.lake.journal_directory)
    spent.refresh()
    return sum(spent.amounts.values(), Amounts()), study.prices.money(spent.amounts)


def _rows(study: Study, loads: list[Load]) -> list[PlanRow]:
    by_journal: dict[JournalName, list[Load]] = defaultdict(list)
    for load in loads:
        by_journal[load.journal].append(load)
    earlier = {name: _earlier(study, name) for name in by_journal}
    prompts = {name: _prompt_factor(study, name, own, earlier[name]) for name, own in by_journal.items()}
    rows = []
    for load in loads:
        before, (factor, counted_by) = earlier[load.journal], prompts[load.journal]
        row = _row(study, load, load.calls, load.answered, load.open_length * factor, counted_by, before)
        rows.append(row)
        again = round(row.to_make * before.unreadable) if _is_graded(load) else 0
        if again:
            tokens = load.open_length * factor * again / row.to_make
            retried = replace(load, stage=f"{AGAIN} {load.stage.split()[-1]}", certainty=ABOUT)
            rows.append(_row(study, retried, again, 0, tokens, counted_by, before))
    return rows


def _row(
    study: Study, load: Load, calls: int, answered: int, prompt: float, counted_by: str, before: _Earlier
) -> PlanRow:
    to_make = calls - answered
    each = before.completion_tokens if before.answers >= SEEN else _first_answer(study, load)
    tokens = Amounts(to_make, round(prompt), round(to_make * each))
    name = load.journal.endpoint.removeprefix(DETECTOR)
    settings = study.config.endpoints[name]
    hours = None
    if settings.batch is None:
        limits = settings.limits
        minutes = [
            *([to_make / limits.requests_per_minute] if limits.requests_per_minute else []),
            *([tokens.tokens / limits.tokens_per_minute] if limits.tokens_per_minute else []),
            *([to_make * before.latency_s / settings.max_in_flight / 60] if before.latency_s else []),
        ]
        hours = max(minutes) / 60 if minutes else None
    return PlanRow(
        load.stage,
        load.journal.endpoint,
        load.journal.model,
        calls,
        answered,
        tokens.prompt_tokens,
        tokens.completion_tokens,
        study.prices.price(load.journal, tokens),
        hours,
        None if settings.batch is None else settings.batch.completion_window,
        counted_by,
        load.certainty,
    )


def _is_graded(load: Load) -> bool:
    return load.stage not in (DETECT, ABLATION, EMBED) and not load.stage.startswith(REPLAY)


def _first_answer(study: Study, load: Load) -> float:
    """Tokens of an answer before the model has given any."""
    if load.answer_length is not None:
        return load.answer_length
    if load.stage == DETECT:
        return FIRST_DETAILS
    return study.config.replay.max_tokens or UNLIMITED_ANSWER


def _prompt_factor(study: Study, name: JournalName, loads: list[Load], before: _Earlier) -> tuple[float, str]:
    """By what estimated prompt tokens are to be multiplied, and how that is known."""
    endpoint = name.endpoint.removeprefix(DETECTOR)
    file = study.config.endpoints[endpoint].tokenizer
    samples = [sample for load in loads for sample in load.samples]
    if file is not None:
        count = load_tokenizer(
            study.config.path(file), f"{study.config.file}: endpoints.{endpoint}.tokenizer"
        )
        length = sum(length for length, _ in samples)
        if length:
            counted = sum(count(text) for _, call in samples for text in _texts(prompt(call.body)))
            return counted / length, f"tokenizer, on {len(samples):,} calls"
    if before.answers >= SEEN:
        answered = sum(load.answered for load in loads)
        known = answered >= SEEN
        calls = answered if known else sum(load.calls for load in loads)
        length = sum(load.length - load.open_length if known else load.length for load in loads)
        if length and before.prompt_tokens:
            return before.prompt_tokens * calls / length, f"length, as {before.answers:,} earlier calls took"
    return 1.0, "estimated from their length; the endpoint's `tokenizer` counts them, and so does a first run"


def _texts(body: Any) -> list[str]:
    """What a request says, without the names of its fields."""
    texts, waiting = [], [body]
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, dict):
            waiting.extend(part.values())
        elif isinstance(part, (list, tuple)):
            waiting.extend(part)
    return texts


def _earlier(study: Study, name: JournalName) -> _Earlier:
    folder = study.journal_directory(name.endpoint, name.model)
    if not folder.is_dir():
        return _Earlier()
    with reading(folder):
        segments = segments_in(folder)
        if not segments:
            return _Earlier()
        row = (
            connect()
            .execute(
                f"""
            select count(prompt_tokens), avg(prompt_tokens), avg(completion_tokens), avg(latency_ms) / 1000,
                   count(*) filter (status <> '{OK}') / count(*)
            from {read_parquet(segments)} where status <> '{FAILED}'
            """
            )
            .fetchone()
        )
    answers, prompt, completion, latency, unreadable = row or (0, None, None, None, None)
    return _Earlier(answers, prompt or 0.0, completion or 0.0, latency, unreadable or 0.0)


def _limits(study: Study, rows: list[PlanRow]) -> list[Limit]:
    budget, (spent, money) = study.config.budget, spent_so_far(study)
    planned = {
        "calls": sum(row.to_make for row in rows),
        "tokens": sum(row.tokens_in + row.tokens_out for row in rows),
        "money": sum(row.price or 0.0 for row in rows),
    }
    before = {"calls": spent.calls, "tokens": spent.tokens, "money": money}
    return [Limit(key, before[key], planned[key], getattr(budget, key)) for key in planned]


def _resolutions(study: Study, sizes: dict[str, WeekSize]) -> list[Resolution]:
    """Of every candidate with a week in the plan: the turns of its forecast's windows."""
    limited = tuple(category.id for category in study.taxonomy.categories if category.applies_to)
    rest = tuple(category.id for category in study.taxonomy.categories if not category.applies_to)
    found = []
    for candidate in study.config.candidates:
        weeks = [
            sizes[str(week)] for week in study.config.forecast_weeks(candidate.model) if str(week) in sizes
        ]
        if not weeks:
            continue
        turns = sum(
            part.turns
            for size in weeks
            for part in size.slices
            if part.source == DEPLOYMENT_TRAFFIC and part.deployment == candidate.predecessor
        )
        rate = PER * min(NO_EVENT / turns, 1.0) if turns else None
        found.append(Resolution(candidate.model, turns, rate, rest, limited))
    return found

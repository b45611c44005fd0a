"""Category ablation: a known category is taken out of what the auditor is told, and it reads turns that the grader flags
for it. How many it brings back is its recall for behaviours that nobody told it of.

Cases are flagged completions of candidate and predecessor in the weeks of the forecast, drawn by hash; as many completions
that no category flags are read under the same instructions, to see how often it finds something where nothing is known. A
case counts as matched when one of its descriptions is an instance of the category: a second question to the same model,
which sees the description and the definition alone. The texts of both stay in the journal. The recall is measured against
the grader, so that what the grader flags wrongly counts as missed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from depsim_dagster.audit.ablation_cases import Cases, Place, drawn_cases, readable_weeks
from depsim_dagster.audit.auditor import Auditor, auditor_hash
from depsim_dagster.audit.auditor_prompt import told
from depsim_dagster.audit.schema import CATEGORY_ABLATION
from depsim_dagster.grading.evidence import TargetTurn
from depsim_dagster.grading.graders.grader_calls import subject_of
from depsim_dagster.grading.turn_columns import TurnColumns
from depsim_dagster.grading.turns import simulated_turns
from depsim_dagster.progress import Progress
from depsim_dagster.replay.calls.engine import CallStatistics
from depsim_dagster.replay.dialects.requests import ModelCall
from depsim_dagster.replay.journal.claims import Subject
from depsim_dagster.study import Study


@dataclass
class Ablation:
    """Rows of CATEGORY_ABLATION, what the calls cost, under which names the auditor's model answered, how many comparisons of
    a description could not be read (they count as no match), and the weeks whose text is gone."""

    rows: pa.Table
    statistics: dict[str, CallStatistics] = field(default_factory=dict)
    served: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    unread_matches: int = 0
    left_out: tuple[str, ...] = ()


# The category that is left out, whether the turn is a case, and whose turn it is.
_Planned = tuple[str, bool, Subject]


@dataclass(frozen=True)
class _Asked:
    """One question, and what came of it: `findings` is their number, -1 for an unreadable answer."""

    category: str
    is_case: bool
    user: str
    findings: int
    matched: bool = False


def ablate_categories(
    study: Study, model: str, progress: Callable[[str], Progress | None] = lambda what: None
) -> Ablation:
    """The auditor's recall for every category of the taxonomy that has flagged completions of the candidate `model` or its
    predecessor. `progress` is asked for a callback for each kind of call. What was published before the text of a week was
    purged stays.

    Raises:
        GradingError: the labels were not all made under one measurement stack.
    """
    weeks, left_out = readable_weeks(study, model)
    if left_out and study.lake.manifest(CATEGORY_ABLATION, {"model": model}) is not None:
        return Ablation(study.lake.read(CATEGORY_ABLATION, {"model": model}), left_out=left_out)
    cases = drawn_cases(study, model, weeks)
    if not cases.cases:  # no flags, or none are to be read
        return Ablation(CATEGORY_ABLATION.schema.empty_table(), left_out=left_out)
    auditor = Auditor(study, progress("audit without a category"))
    asked, unread = _asked(study, auditor, cases, progress)
    rows = _rows(study, model, auditor.name, cases, asked)
    return Ablation(rows, auditor.statistics, auditor.served, unread, left_out)


def recall_limits(
    matched: int, answered: int, level: float
) -> tuple[float | None, float | None, float | None]:
    """(recall, lower, upper), by Clopper and Pearson; nothing where nothing was answered."""
    from depsim_dagster.estimation.intervals import korn_graubard_limits

    if not answered:
        return None, None, None
    # Of independent turns with equal weights, which is Clopper-Pearson.
    lower, upper = korn_graubard_limits(matched / answered, answered, 1.0, answered, level)
    return matched / answered, float(lower), float(upper)


def recalls_by_user(
    cases: Sequence[tuple[str, str, bool]], level: float
) -> dict[str, tuple[float, float, float]]:
    """Category → (recall, lower, upper) of its answered cases (category, user, matched), with users as clusters: an auditor
    that overlooks one turn of a user tends to overlook the next, and both models answered the same prefixes. Clopper-Pearson
    where every case is another user's; where none is matched the upper limit is one-sided (`estimate_rates`)."""
    import pandas as pd

    from depsim_dagster.estimation.counts import PER
    from depsim_dagster.estimation.rates import estimate_rates

    if not cases:
        return {}
    table = pd.DataFrame(cases, columns=["category", "user_id", "flagged"]).assign(
        status="graded", inclusion_probability=1.0, grading_probability=1.0
    )
    rates = estimate_rates(table, ["category"], level).set_index("category")
    columns = ["rate_per_100k", "lower_per_100k", "upper_per_100k"]
    return {str(row[0]): (row[1] / PER, row[2] / PER, row[3] / PER) for row in rates[columns].itertuples()}


def _asked(
    study: Study, auditor: Auditor, cases: Cases, progress: Callable[[str], Progress | None]
) -> tuple[list[_Asked], int]:
    """Every question with what came of it, and how many comparisons could not be read."""
    asked_of = cases.questions()
    columns = TurnColumns(lambda: _turns(study, asked_of), ())
    plan = [
        (*question, subject_of(turn))
        for _, batch in columns.batches()
        for turn in batch
        for question in asked_of[_place(turn)]
    ]
    if not plan:  # what was flagged has no completion any more
        return [], 0
    counts, described = _audits(study, auditor, columns, plan, asked_of)
    auditor.progress = progress("compare its findings with the categories")
    matched, unread = _comparisons(study, auditor, plan, described)
    return [
        _Asked(category, is_case, subject.user_id or subject.turn_id, int(count), bool(hit))
        for (category, is_case, subject), count, hit in zip(plan, counts, matched, strict=True)
    ], unread


def _audits(
    study: Study,
    auditor: Auditor,
    columns: TurnColumns,
    plan: Sequence[_Planned],
    asked_of: Mapping[Place, Sequence[tuple[str, bool]]],
) -> tuple[np.ndarray, list[tuple[int, str]]]:
    """The number of findings to each question of the plan (-1 for an unreadable answer), and (question, description) of all
    findings on cases: the only texts that are held."""
    left_out = {category for category, _, _ in plan}
    questions = {name: auditor.audit_question(told(study.taxonomy, without=name)) for name in left_out}

    def calls(attempt: int, asked: np.ndarray) -> Iterator[tuple[int, ModelCall, int]]:
        number = -1
        for _, batch in columns.batches():
            for turn in batch:
                for category, _ in asked_of[_place(turn)]:
                    number += 1
                    if not asked[number]:
                        continue
                    try:
                        call, digest = questions[category].call(turn, attempt)
                    except RecursionError:  # nested so deep that it cannot be written down again
                        continue
                    yield number, call, digest

    counts, described = np.full(len(plan), -1), []
    reader = next(iter(questions.values()))  # what is left out is nothing to the reading
    for number, findings in enumerate(auditor.ask("ablation", len(plan), calls, reader)):
        if findings is not None:
            counts[number] = len(findings)
            if plan[number][1]:
                described += [(number, finding.description) for finding in findings]
    return counts, described


def _comparisons(
    study: Study, auditor: Auditor, plan: Sequence[_Planned], described: Sequence[tuple[int, str]]
) -> tuple[np.ndarray, int]:
    """Whether a description to each question is an instance of its category, and how many comparisons could not be read."""
    matched, unread = np.zeros(len(plan), bool), 0
    if not described:
        return matched, unread
    compared = {plan[number][0] for number, _ in described}
    questions = {
        category.id: auditor.match_question(category)
        for category in told(study.taxonomy)
        if category.id in compared
    }

    def calls(attempt: int, asked: np.ndarray) -> Iterator[tuple[int, ModelCall, int]]:
        for place in np.flatnonzero(asked):
            number, description = described[place]
            category, _, subject = plan[number]
            yield int(place), *questions[category].call(description, subject, attempt)

    reader = next(iter(questions.values()))
    answers = auditor.ask("match", len(described), calls, reader)
    for (number, _), same in zip(described, answers, strict=True):
        unread += same is None
        matched[number] |= bool(same)
    return matched, unread


def _turns(study: Study, asked_of: Mapping[Place, object]) -> Iterator[list[TargetTurn]]:
    """The completions that something is asked of."""
    for week, side in sorted({place[:2] for place in asked_of}):
        for batch in simulated_turns(study.lake, week, side):
            kept = [turn for turn in batch if turn.messages and _place(turn) in asked_of]
            if kept:
                yield kept


def _place(turn: TargetTurn) -> Place:
    return turn.week, turn.model, *turn.key


def _rows(study: Study, model: str, auditor: str, cases: Cases, asked: Sequence[_Asked]) -> pa.Table:
    groups, rows = study.taxonomy.groups(), []
    read = [(each.category, each.user, each.matched) for each in asked if each.is_case and each.findings >= 0]
    found = recalls_by_user(read, study.config.estimation.level)
    for category in cases.cases:
        own = [question for question in asked if question.category == category and question.is_case]
        answered = [question for question in own if question.findings >= 0]
        controls = [
            question
            for question in asked
            if question.category == category and not question.is_case and question.findings >= 0
        ]
        matched = sum(question.matched for question in answered)
        _, lower, upper = found.get(category, (None, None, None))
        rows.append(
            {
                "model": model,
                "category": category,
                "category_group": groups[category],
                "flagged": cases.flagged[category],
                "asked": len(own),
                "answered": len(answered),
                "found": sum(question.findings > 0 for question in answered),
                "matched": matched,
                "recall": matched / len(answered) if answered else None,
                "recall_lower": lower,
                "recall_upper": upper,
                "controls": len(controls),
                "controls_found": sum(question.findings > 0 for question in controls),
                "auditor": auditor,
                "auditor_hash": auditor_hash(study),
                "stack_hash": cases.stack,
                "sandbox": study.config.sandbox,
            }
        )
    return pa.Table.from_pylist(rows, CATEGORY_ABLATION.schema)

"""Findings of the auditor on a sample of one partition's turns: turns in, one row per finding out.

Turns are streamed as for grading (grading/turns.py) and drawn by the hash of their id (TurnSample), so that candidate and
predecessor are audited on the same turns. Texts are held for one batch at a time: of turns while they are asked about, of
answers while their rows are written.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from depsim_dagster.audit.auditor import Auditor, auditor_hash
from depsim_dagster.audit.auditor_prompt import Finding, told
from depsim_dagster.audit.schema import FINDINGS, FOUND, MISSING_COMPLETION, NO_FINDING, NOTHING, UNREADABLE
from depsim_dagster.grading.evidence import TargetTurn
from depsim_dagster.grading.turn_columns import TurnColumns, Turns
from depsim_dagster.grading.turn_sample import TurnSample
from depsim_dagster.grading.turns import production_turns, simulated_turns
from depsim_dagster.lake import Lake
from depsim_dagster.progress import Progress
from depsim_dagster.replay.calls.engine import CallStatistics
from depsim_dagster.replay.dialects.requests import ModelCall
from depsim_dagster.replay.journal.id_set import KEY, id_keys
from depsim_dagster.study import Study
from depsim_dagster.traffic.prefix_sources import DEPLOYMENT_TRAFFIC
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES

PURPOSE = "audit"
_SUBJECT = ("week", "model", "deployment", "source", "turn_id", "completion_index", "user_id")


@dataclass
class Audit:
    """Rows of findings as a stream; once its first batch was taken, what the calls cost (`audit/attempt` → statistics), and
    under which names the auditor's model answered."""

    rows: Iterator[pa.RecordBatch]
    statistics: dict[str, CallStatistics] = field(default_factory=dict)
    served: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))


def audit_completions(study: Study, week: str, model: str, progress: Progress | None = None) -> Audit:
    """The findings on `model`'s completions of the week's deployment traffic."""
    return audit_turns(study, week, *completions_to_audit(study, week, model), progress)


def audit_production(study: Study, week: str, progress: Progress | None = None) -> Audit:
    """The findings on the week's logged target turns. To be called once their outcome was opened."""
    return audit_turns(study, week, *production_to_audit(study, week), progress)


def completions_to_audit(study: Study, week: str, model: str) -> tuple[Turns, float]:
    """The completions of a week that are audited, and the share of all that they are."""
    sample = _sample(study, week, study.config.replay.completions_per_prefix)
    return _drawn(lambda: simulated_turns(study.lake, week, model), sample), sample.share


def production_to_audit(study: Study, week: str) -> tuple[Turns, float]:
    """The logged target turns of a week that are audited, and the share of all that they are."""
    sample = _sample(study, week, 1)
    return _drawn(lambda: production_turns(study.lake, week), sample), sample.share


def audit_turns(
    study: Study, week: str, turns: Turns, share: float = 1.0, progress: Progress | None = None
) -> Audit:
    """The findings on these turns of one week, of which each was drawn with probability `share`.

    `turns` starts a fresh stream of batches each time it is called, which is up to four times.
    """
    audit = Audit(iter(()))
    audit.rows = _rows(study, week, turns, share, audit, progress)
    return audit


def quoted(evidence: str, turn: TargetTurn) -> bool:
    """Whether a quotation stands in the target turn, in a text, a reasoning, a tool call or a tool's result; runs of
    whitespace count as one space."""
    words = " ".join(evidence.split())
    return bool(words) and any(words in " ".join(text.split()) for text in _texts(turn.messages))


def _sample(study: Study, week: str, completions: int) -> TurnSample:
    """The draw of a week: by the prefixes that there are, so that it is the same for every model."""
    assert study.config.audit is not None  # without it there is no auditor
    sources = study.lake.read(DEIDENTIFIED_PREFIXES, {"week": week}, columns=["prefix_source"])
    prefixes = int(pc.sum(pc.equal(sources.column("prefix_source"), DEPLOYMENT_TRAFFIC)).as_py() or 0)
    wanted = study.config.audit.turns_per_week
    return TurnSample.of(wanted, prefixes * completions, study.config.seed, PURPOSE)


def _drawn(turns: Callable[[], Iterable[list[TargetTurn]]], sample: TurnSample) -> Turns:
    def drawn() -> Iterator[list[TargetTurn]]:
        for batch in turns():
            kept = [
                turn
                for turn in batch
                if turn.prefix_source == DEPLOYMENT_TRAFFIC and sample.holds(turn.turn_id)
            ]
            if kept:
                yield kept

    return drawn


def _rows(
    study: Study, week: str, turns: Turns, share: float, audit: Audit, progress: Progress | None
) -> Iterator[pa.RecordBatch]:
    auditor = Auditor(study, progress, audit.statistics, audit.served)
    columns = TurnColumns(turns, ())
    question = auditor.audit_question(told(study.taxonomy))

    def calls(attempt: int, asked: np.ndarray) -> Iterator[tuple[int, ModelCall, int]]:
        for start, batch in columns.batches():
            for place, turn in enumerate(batch, start):
                if not turn.messages or not asked[place]:
                    continue
                try:
                    call, digest = question.call(turn, attempt)
                except RecursionError:  # nested so deep that it cannot be written down again: unreadable
                    continue
                yield place, call, digest

    answers = iter(auditor.ask("audit", len(columns), calls, question))
    conversations = _Conversations(study.lake, week)
    constant = {
        "auditor": auditor.name,
        "auditor_hash": auditor_hash(study),
        "stack_hash": study.stack_hash,
        "sandbox": study.config.sandbox,
    }
    for start, batch in columns.batches():
        places, found = [], []
        for place, turn in enumerate(batch):
            answer = next(answers)
            for row in _of_turn(turn, answer):
                places.append(place)
                found.append(row)
        subjects = columns.subjects(start, len(batch))
        at = pa.array(places, pa.int32())
        made = {name: subjects[name].take(at) for name in _SUBJECT}
        made["inclusion_probability"] = pc.multiply(subjects["inclusion_probability"], share).take(at)
        made["conversation_id"] = conversations.of(subjects["turn_id"]).take(at)
        made |= {
            name: pa.array([row[name] for row in found], FINDINGS.field(name).type) for name in _NOTHING_FOUND
        }
        made |= {name: pa.repeat(pa.scalar(value), len(at)) for name, value in constant.items()}
        yield pa.RecordBatch.from_arrays([made[name] for name in FINDINGS.names], schema=FINDINGS)


def _of_turn(turn: TargetTurn, answer: list[Finding] | None) -> list[dict[str, Any]]:
    """The columns of `_NOTHING_FOUND` for each row of a turn."""
    if answer:
        return [
            {
                "finding_index": index,
                "status": FOUND,
                **vars(finding),
                "quote_found": quoted(finding.evidence, turn),
            }
            for index, finding in enumerate(answer)
        ]
    status = MISSING_COMPLETION if not turn.messages else UNREADABLE if answer is None else NOTHING
    return [{**_NOTHING_FOUND, "status": status}]


_NOTHING_FOUND: dict[str, Any] = {
    "finding_index": NO_FINDING,
    "status": NOTHING,
    "description": None,
    "evidence": None,
    "severity": None,
    "justification": None,
    "quote_found": None,
}


class _Conversations:
    """The conversations of a week's turns, looked up by turn: ids only."""

    def __init__(self, lake: Lake, week: str) -> None:
        turns: list[np.ndarray] = [np.array([], KEY)]
        conversations = []
        columns = ["turn_id", "conversation_id"]
        for batch in lake.scan(DEIDENTIFIED_PREFIXES, {"week": week}, columns=columns):
            turns.append(id_keys(batch.column("turn_id")))
            conversations.append(batch.column("conversation_id"))
        keys = np.concatenate(turns)
        self._order = np.argsort(keys)
        self._keys = keys[self._order]
        self._conversations = pa.chunked_array(conversations, pa.string()).combine_chunks()

    def of(self, turn_ids: pa.Array) -> pa.Array:
        """The conversation of every turn; the turns are of this week's prefixes."""
        return self._conversations.take(pa.array(self._order[np.searchsorted(self._keys, id_keys(turn_ids))]))


def _texts(messages: Any) -> Iterator[str]:
    """Every text in messages, however deep."""
    left = [messages]
    while left:
        value = left.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, Mapping):
            left.extend(value.values())
        elif isinstance(value, list):
            left.extend(value)

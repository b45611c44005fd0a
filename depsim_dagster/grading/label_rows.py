"""Label rows out of the graders' answers: columns made whole from arrays, a row for every turn and category."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from depsim_dagster.grading.answers import NO_ANSWER, Answers
from depsim_dagster.grading.graders.grading import Screening
from depsim_dagster.grading.schema import LABELS
from depsim_dagster.grading.taxonomy import Category
from depsim_dagster.grading.turn_columns import ASKED, MISSING_COMPLETION, NOT_APPLICABLE, TurnColumns
from depsim_dagster.study import Study

ROWS_IN_BATCH = 65_536
# By number: the states of TurnColumns, of which ASKED ends as one of the last three.
STATUSES = ("not_applicable", "missing_completion", "graded", "unscored", "screened_out")
GRADED, UNSCORED, SCREENED_OUT = 2, 3, 4
assert (NOT_APPLICABLE, MISSING_COMPLETION, ASKED) == (0, 1, GRADED)
# Scores are kept as float32: so many decimal places are what was given.
SCORE_DECIMALS = 6


@dataclass(frozen=True)
class Graded:
    """What one grader said, and on which categories (places in the taxonomy)."""

    columns: Sequence[int]
    answers: Answers
    screening: Screening | None


def label_rows(
    study: Study, turns: TurnColumns, categories: Sequence[Category], graded: Sequence[Graded]
) -> Iterator[pa.RecordBatch]:
    """LABELS in the order of the turns, and within one in the order of the taxonomy."""
    width = len(categories)
    names = pa.array([category.id for category in categories], pa.string())
    graders = pa.array([category.grader for category in categories], pa.string())
    step = max(1, ROWS_IN_BATCH // width)
    for start in range(0, len(turns), step):
        count = min(step, len(turns) - start)
        turn_of_row = pa.array(np.repeat(np.arange(count, dtype=np.int32), width))
        category_of_row = pa.array(np.tile(np.arange(width, dtype=np.int32), count))
        columns = {name: column.take(turn_of_row) for name, column in turns.subjects(start, count).items()}
        columns |= _verdict_columns(turns, graded, start, count)
        columns |= {
            "category": names.take(category_of_row),
            "grader": graders.take(category_of_row),
            "stack_hash": pa.repeat(pa.scalar(study.stack_hash), count * width),
            "sandbox": pa.repeat(pa.scalar(study.config.sandbox), count * width),
        }
        yield pa.RecordBatch.from_arrays([columns[name] for name in LABELS.names], schema=LABELS)


def _verdict_columns(
    turns: TurnColumns, graded: Sequence[Graded], start: int, count: int
) -> dict[str, pa.Array]:
    rows = slice(start, start + count)
    states = turns.states[rows].copy()
    flags = np.full(states.shape, NO_ANSWER, np.uint8)
    scores, screen_scores = np.full((2, *states.shape), np.nan)
    levels = np.full(states.shape, -1, np.int8)
    probabilities = np.ones(states.shape)
    for part in graded:
        at = np.s_[:, part.columns]
        flags[at] = part.answers.flags[rows]
        if part.answers.scores is not None:
            scores[at] = part.answers.scores[rows]
        if part.answers.levels is not None:
            levels[at] = part.answers.levels[rows]
        if part.screening is not None:
            asked = turns.states[rows][at] == ASKED
            screen_scores[at] = np.where(asked, part.screening.scores[rows], np.nan)
            probability = part.screening.probabilities[rows, np.newaxis]
            probabilities[at] = np.where(asked, probability, 1.0)
            states[at] = np.where(asked & ~part.screening.drawn[rows, np.newaxis], SCREENED_OUT, states[at])
    states[(states == GRADED) & (flags == NO_ANSWER)] = UNSCORED
    # Only what is graded has a label: an answer on a category that does not apply is none.
    without = (states != GRADED).ravel()
    flagged = pa.array((flags == 1).ravel(), mask=without)
    return {
        "flagged": flagged,
        "status": pa.array(STATUSES).take(pa.array(states.ravel())),
        "score": _score(scores.ravel(), without),
        "severity": pa.array(levels.ravel(), mask=without | (levels.ravel() < 0)),
        "screen_score": _score(screen_scores.ravel(), False),
        "grading_probability": pa.array(probabilities.ravel()),
    }


def _score(scores: np.ndarray, without: np.ndarray | bool) -> pa.Array:
    return pa.array(np.round(scores, SCORE_DECIMALS), mask=np.isnan(scores) | without)

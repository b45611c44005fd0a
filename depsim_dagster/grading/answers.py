"""What one grader said of every turn, in a few bytes a turn and category."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from depsim_dagster.grading.graders.verdicts import Value
from depsim_dagster.grading.taxonomy import Category

NOT_FLAGGED, FLAGGED, NO_ANSWER = 0, 1, 255


@dataclass
class Answers:
    """Matrices of turns × categories.

    flags: NOT_FLAGGED, FLAGGED or NO_ANSWER. scores: NaN where the grader gave none, or None when it never does. levels:
    of the severity scale, -1 where there is none, or None when no category has a scale.
    """

    flags: np.ndarray
    scores: np.ndarray | None = None
    levels: np.ndarray | None = None

    @classmethod
    def none_yet(cls, turns: int, categories: Sequence[Category], scored: bool) -> Answers:
        """Without any answer; `scored` when the grader gives scores."""
        shape = (turns, len(categories))
        scaled = any(category.severity is not None for category in categories)
        return cls(
            np.full(shape, NO_ANSWER, np.uint8),
            np.full(shape, np.nan, np.float32) if scored else None,
            np.full(shape, -1, np.int8) if scaled else None,
        )

    @property
    def answered(self) -> np.ndarray:
        return self.flags != NO_ANSWER

    def put(
        self,
        turns: Sequence[int] | np.ndarray,
        column: int,
        category: Category,
        value: Value,
        threshold: float,
    ) -> None:
        """Take one value (a flag, a level or a score) on one category for these turns."""
        flag, score, level = _label(value, category, threshold)
        self.flags[turns, column] = flag
        if self.scores is not None:
            self.scores[turns, column] = score
        if self.levels is not None:
            self.levels[turns, column] = level

    def put_verdict(
        self,
        turns: np.ndarray,
        columns: Sequence[int],
        categories: Sequence[Category],
        verdict: Mapping[str, Value | None],
        threshold: float,
    ) -> None:
        """Take a verdict on several categories, whose columns these are, for these turns; None is no answer."""
        labels = [_label(verdict[category.id], category, threshold) for category in categories]
        flags, scores, levels = zip(*labels, strict=True)
        for turn in turns:
            self.flags[turn, columns] = flags
            if self.scores is not None:
                self.scores[turn, columns] = scores
            if self.levels is not None:
                self.levels[turn, columns] = levels

    def strength(self, categories: Sequence[Category]) -> np.ndarray:
        """Every answer as a number from 0 to 1: its score, its level as a share of the scale, or 0 or 1 for a bare flag. NaN
        without an answer."""
        strength = np.where(self.answered, self.flags, np.nan).astype(np.float32)
        if self.levels is not None:
            for column, category in enumerate(categories):
                if category.severity is not None:
                    levels = self.levels[:, column]
                    share = levels / np.float32(len(category.severity.levels) - 1)
                    strength[:, column] = np.where(levels >= 0, share, strength[:, column])
        if self.scores is not None:
            strength = np.where(np.isnan(self.scores), strength, self.scores)
        return np.where(self.answered, strength, np.float32(np.nan))


def _label(value: Value | None, category: Category, threshold: float) -> tuple[int, float, int]:
    """(flag, score, level) of one value: its type, and whether the category has a scale, tell what it is."""
    if value is None:
        return NO_ANSWER, math.nan, -1
    if isinstance(value, bool):
        return int(value), math.nan, -1
    if category.severity is not None and isinstance(value, int):
        return int(value >= category.severity.flag_from), math.nan, value
    return int(value >= threshold), float(value), -1

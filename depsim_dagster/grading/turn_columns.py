"""The turns of one partition without their text: what label rows repeat of them, and which category is asked of which.

Texts are streamed, once a grader, and never held. What is kept is about a hundred bytes a turn and one a category, so that
a partition of a million turns fits. A turn is known by its position in the stream; a stream that comes back in another
order, because the partition was published anew meanwhile, is an error and not a label on the wrong turn.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from depsim_dagster.errors import GradingError
from depsim_dagster.grading.evidence import TargetTurn
from depsim_dagster.grading.taxonomy import Category
from depsim_dagster.grading.topics import Topics

Turns = Callable[[], Iterable[list[TargetTurn]]]

NOT_APPLICABLE, MISSING_COMPLETION, ASKED = range(3)
# Columns with few different values: kept as numbers.
_REPEATED = ("week", "model", "deployment", "prefix_source", "source", "language")
_CODED = (*_REPEATED, "topic")
_OWN = {
    "turn_id": pa.string(),
    "completion_index": pa.int32(),
    "user_id": pa.string(),
    "inclusion_probability": pa.float64(),
    "prefix_characters": pa.int32(),
    "turn_index": pa.int32(),
    "tools_offered": pa.bool_(),
}


class TurnColumns:
    """Made by one pass over `turns`. `states` is a matrix of turns × categories: NOT_APPLICABLE, MISSING_COMPLETION or ASKED.

    `topic` names the attribute of the log that is the turns' topic; `unusable_topics` counts the turns whose value is none.
    """

    def __init__(self, turns: Turns, categories: Sequence[Category], topic: str | None = None) -> None:
        self._turns = turns
        self._codes = {name: array("I") for name in _CODED}
        self._values: dict[str, dict[str | None, int]] = {name: {} for name in _CODED}
        topics = Topics(topic)
        chunks: list[pa.RecordBatch] = []
        states: list[np.ndarray] = []
        for batch in turns():
            chunks.append(_own_columns(batch))
            states.append(_states(batch, categories))
            for name in _REPEATED:
                known, codes = self._values[name], self._codes[name]
                codes.extend(known.setdefault(getattr(turn, name), len(known)) for turn in batch)
            known = self._values["topic"]
            self._codes["topic"].extend(
                known.setdefault(topics.of(turn.attributes), len(known)) for turn in batch
            )
        self.unusable_topics = topics.unusable
        schema = pa.schema(list(_OWN.items()))
        self._own = pa.Table.from_batches(chunks, schema)
        self.states = np.concatenate(states) if states else np.empty((0, len(categories)), np.uint8)

    def __len__(self) -> int:
        return self._own.num_rows

    def batches(self) -> Iterator[tuple[int, list[TargetTurn]]]:
        """A fresh stream of the turns, each batch with the position of its first.

        Raises:
            GradingError: they are not the turns of the first pass.
        """
        start = 0
        for batch in self._turns():
            here = self._own.slice(start, len(batch)).select(["turn_id", "completion_index"])
            if pa.Table.from_batches([_own_columns(batch)]).select(here.column_names) != here:
                raise _changed()
            yield start, batch
            start += len(batch)
        if start != len(self):
            raise _changed()

    def subjects(self, start: int, count: int) -> dict[str, pa.Array]:
        """Columns of `count` turns from `start` on, as they stand in a label row."""
        own = self._own.slice(start, count).combine_chunks()
        columns = {name: _whole(own.column(name)) for name in own.column_names}
        for name in _CODED:
            values = pa.array(list(self._values[name]), pa.string())
            codes = np.frombuffer(self._codes[name], np.uint32, count, start * self._codes[name].itemsize)
            columns[name] = values.take(pa.array(codes))
        return columns

    def selection_keys(self) -> Iterator[tuple[str, int]]:
        """(turn id, completion index) of every turn, in order."""
        for batch in self._own.select(["turn_id", "completion_index"]).to_batches():
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _changed() -> GradingError:
    return GradingError(
        "the turns to grade were published anew while they were graded; materialise this partition again (answers that were "
        "paid for are reused)"
    )


def _own_columns(batch: Sequence[TargetTurn]) -> pa.RecordBatch:
    columns = [pa.array([getattr(turn, name) for turn in batch], kind) for name, kind in _OWN.items()]
    return pa.RecordBatch.from_arrays(columns, names=list(_OWN))


def _states(batch: Sequence[TargetTurn], categories: Sequence[Category]) -> np.ndarray:
    """The state of every turn and category. `applies_to` looks at the turn's attributes, and what a category's evidence does
    not show is nothing to judge, so that it does not apply either."""
    states = np.full((len(batch), len(categories)), ASKED, np.uint8)
    states[[not turn.messages for turn in batch], :] = MISSING_COMPLETION
    limited = [(column, category) for column, category in enumerate(categories) if category.applies_to]
    attributes = [json.loads(turn.attributes) if limited and turn.attributes else {} for turn in batch]
    for column, category in limited:
        applies = [
            all(_word(given.get(name)) in values for name, values in category.applies_to.items())
            for given in attributes
        ]
        states[~np.array(applies, bool), column] = NOT_APPLICABLE
    for parts in {category.evidence for category in categories}:
        shown = np.array([not turn.messages or turn.shows(parts) for turn in batch], bool)
        columns = [place for place, category in enumerate(categories) if category.evidence == parts]
        states[np.ix_(~shown, columns)] = NOT_APPLICABLE
    return states


def _word(value: Any) -> str | None:
    """An attribute as a taxonomy names it: a text itself, anything else as the log's JSON writes it, and none where it is
    null or absent."""
    return value if value is None or isinstance(value, str) else json.dumps(value)


def _whole(column: pa.ChunkedArray) -> pa.Array:
    combined = column.combine_chunks()
    return pa.concat_arrays(combined.chunks) if isinstance(combined, pa.ChunkedArray) else combined

"""The pairs of a candidate and its predecessor in the lake: the same prefix and completion index, answered by both.

A pair is left out when the taxonomy flags the turn of either model: what is left is what the taxonomy does not name. The
pair goes and not the flagged turn alone. Prefixes differ in how often they are flagged and in everything else that is
counted here; without the flagged turns of each model by itself, the model that is flagged more would lose more of certain
prefixes, and what is common on these would seem to differ. Given that neither turn is flagged, two models that write alike on
every prefix show everything alike (simulated in benchmarks/novel_behaviours.py --left-out). What only the category for all
that has no name flags is kept: that is what is looked for. Texts are streamed; ids and numbers are held.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from depsim_dagster.audit.minimum import Minimum
from depsim_dagster.audit.mining.features import message_text, says_something
from depsim_dagster.audit.mining.pairs import Pairs, Prefixes, Side
from depsim_dagster.errors import LakeError
from depsim_dagster.grading.labelling import one_stack
from depsim_dagster.grading.schema import GRADED_LABELS
from depsim_dagster.grading.taxonomy import HOLE
from depsim_dagster.grading.topics import Topics
from depsim_dagster.lake import Lake, partition_label
from depsim_dagster.replay.journal.id_set import KEY, id_keys
from depsim_dagster.replay.schema import REGENERATED_COMPLETIONS
from depsim_dagster.traffic.prefix_sources import DEPLOYMENT_TRAFFIC
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES

# A pair is one number: the prefix's, times this, and the completion index.
_INDICES = 1 << 20


@dataclass(frozen=True)
class LakePairs:
    """The pairs without text, a stream of each side's messages, the stack of the labels, and how many pairs were left out
    because of a flag."""

    pairs: Pairs
    candidate: Side
    predecessor: Side
    stack_hash: str
    flagged_left_out: int


def lake_pairs(
    lake: Lake, weeks: list[str], model: str, predecessor: str, minimum: Minimum, topic: str | None = None
) -> LakePairs:
    """The pairs of `weeks` on the traffic of `predecessor`. topic: the attribute of the log that is the topic.

    Every week needs completions and labels of both models.

    Raises:
        LakeError, GateError: a partition cannot be read, or completions are of prefixes that are no longer there.
        GradingError: labels of more than one measurement stack.
    """
    prefixes, known = Prefixes(), {}
    for week in weeks:
        known[week] = _add_prefixes(lake, week, predecessor, prefixes, Topics(topic))
    answered, flagged, stacks = [], [], []
    for side in (model, predecessor):
        places, flags = [], []
        for week in weeks:
            partition = {"week": week, "model": side}
            places += [code for code, _ in _messages(lake, partition, known[week])]
            found, hashes = _flagged(lake, partition, known[week])
            flags.append(found)
            stacks += hashes
        answered.append(np.array(places, dtype=np.int64))
        flagged.append(np.concatenate([np.zeros(0, np.int64), *flags]))
    stack = one_stack(
        pa.table({"stack_hash": pa.array(stacks, pa.string())}), f"mining of {model} and {predecessor}"
    )
    both = np.intersect1d(*answered)
    kept = np.setdiff1d(both, np.concatenate(flagged), assume_unique=False)

    def side(name: str) -> Side:
        return lambda: (batch for week in weeks for batch in _side(lake, week, name, known[week], kept))

    pairs = prefixes.pairs(kept // _INDICES, minimum)
    return LakePairs(pairs, side(model), side(predecessor), stack, len(both) - len(kept))


@dataclass(frozen=True)
class _Known:
    """The week's prefixes: sorted keys of their ids, and the number of each, -1 for those of other traffic."""

    keys: np.ndarray
    numbers: np.ndarray

    def codes(self, batch: pa.RecordBatch, label: str) -> np.ndarray:
        """The pair that each row is of, -1 where it is of other traffic."""
        keys = id_keys(batch.column("turn_id"))
        if not len(self.keys):
            raise _lost(label)
        place = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        if (self.keys[place] != keys).any():
            raise _lost(label)
        numbers = self.numbers[place]
        index = batch.column("completion_index").to_numpy().astype(np.int64)
        return np.where(numbers < 0, -1, numbers * _INDICES + index)


def _lost(label: str) -> LakeError:
    return LakeError(
        f"{label}: rows of turns that are no longer in {DEIDENTIFIED_PREFIXES.name}; materialise this partition again"
    )


def _add_prefixes(lake: Lake, week: str, deployment: str, prefixes: Prefixes, topics: Topics) -> _Known:
    columns = [
        "turn_id",
        "user_id",
        "conversation_id",
        "deployment",
        "prefix_source",
        "prefix",
        "tools",
        "attributes",
    ]
    keys, numbers = [np.zeros(0, KEY)], []
    for batch in lake.scan(DEIDENTIFIED_PREFIXES, {"week": week}, columns=columns):
        keys.append(id_keys(batch.column("turn_id")))
        for row in batch.to_pylist():
            if row["deployment"] != deployment or row["prefix_source"] != DEPLOYMENT_TRAFFIC:
                numbers.append(-1)
                continue
            numbers.append(
                prefixes.add(
                    row["user_id"] or row["turn_id"],
                    row["conversation_id"],
                    _last_user_text(row["prefix"]),
                    row["tools"],
                    topics.of(row["attributes"]),
                )
            )
    found = np.concatenate(keys)
    order = np.argsort(found)
    return _Known(found[order], np.array(numbers, dtype=np.int64)[order])


def _last_user_text(prefix: str) -> str:
    messages = json.loads(prefix)
    return next((message_text(m) for m in reversed(messages) if m.get("role") == "user"), "")


def _messages(
    lake: Lake, partition: Mapping[str, str], known: _Known
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Every completion of the partition that says something, with its pair."""
    label = partition_label(REGENERATED_COMPLETIONS.name, partition)
    columns = ["turn_id", "completion_index", "completion"]
    for batch in lake.scan(REGENERATED_COMPLETIONS, partition, columns=columns):
        codes = known.codes(batch, label)
        for code, completion in zip(codes.tolist(), batch.column("completion").to_pylist(), strict=True):
            message = _read(completion) if code >= 0 and completion else None
            if message is not None and says_something(message):
                yield code, message


def _side(
    lake: Lake, week: str, model: str, known: _Known, kept: np.ndarray
) -> Iterator[list[tuple[int, Mapping[str, Any]]]]:
    """Batches of (number of the pair, message) of the pairs that are kept: their codes, sorted."""
    label = partition_label(REGENERATED_COMPLETIONS.name, {"week": week, "model": model})
    columns = ["turn_id", "completion_index", "completion"]
    for batch in lake.scan(REGENERATED_COMPLETIONS, {"week": week, "model": model}, columns=columns):
        codes = known.codes(batch, label)
        place = np.minimum(np.searchsorted(kept, codes), max(len(kept) - 1, 0))
        inside = np.flatnonzero(kept[place] == codes) if len(kept) else np.zeros(0, np.int64)
        completions = batch.column("completion").take(pa.array(inside)).to_pylist()
        yield [
            (pair, message)
            for pair, completion in zip(place[inside].tolist(), completions, strict=True)
            if (message := _read(completion)) is not None
        ]


def _read(completion: str) -> Mapping[str, Any] | None:
    """The message; None for what a server nested too deep to be read again."""
    try:
        return json.loads(completion)
    except RecursionError:
        return None


def _flagged(lake: Lake, partition: Mapping[str, str], known: _Known) -> tuple[np.ndarray, list[str]]:
    """The pairs with a flagged label of any category that names a behaviour, and the stacks of the partition's labels."""
    label = partition_label(GRADED_LABELS.name, partition)
    columns = ["turn_id", "completion_index", "category", "flagged", "stack_hash"]
    found, stacks = [np.zeros(0, np.int64)], set()
    for batch in lake.scan(GRADED_LABELS, partition, columns=columns, rows=50_000):
        stacks.update(batch.column("stack_hash").unique().to_pylist())
        named = pc.not_equal(batch.column("category"), HOLE)
        flagged = batch.filter(pc.and_(named, pc.fill_null(batch.column("flagged"), False)))
        if flagged.num_rows:
            found.append(np.unique(known.codes(flagged, label)))
    return np.unique(np.concatenate(found)), sorted(stacks)

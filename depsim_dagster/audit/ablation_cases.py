"""The turns that an ablation reads: flagged completions of each category, and as many that no category flags.

They are drawn by hash out of the labels of candidate and predecessor in the weeks of the forecast, so that a second run
reads the same. Not here: what is asked about them (ablation.py).
"""

from __future__ import annotations

import hashlib
import heapq
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from depsim_dagster.audit.auditor_prompt import told
from depsim_dagster.audit.schema import CATEGORY_ABLATION
from depsim_dagster.grading.labelling import one_stack
from depsim_dagster.grading.schema import GRADED_LABELS
from depsim_dagster.replay.schema import REGENERATED_COMPLETIONS
from depsim_dagster.study import Study
from depsim_dagster.traffic.prefix_sources import DEPLOYMENT_TRAFFIC
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES

LABEL_ROWS = 65_536
_READ = [
    "turn_id", "completion_index", "category", "flagged", "deployment", "prefix_source", "status", "stack_hash",
]  # fmt: skip
# A completion: week, model, turn, index.
Place = tuple[str, str, str, int]


@dataclass(frozen=True)
class Cases:
    """Of each category: how many completions are flagged, and which are read. `cases` has no category without any."""

    flagged: dict[str, int]
    cases: dict[str, list[Place]]
    controls: dict[str, list[Place]]
    stack: str

    def questions(self) -> dict[Place, list[tuple[str, bool]]]:
        """What is asked of each completion: (category that is left out, whether it is a case)."""
        asked: dict[Place, list[tuple[str, bool]]] = defaultdict(list)
        for drawn, is_case in ((self.cases, True), (self.controls, False)):
            for category, places in drawn.items():
                for place in places:
                    asked[place].append((category, is_case))
        return asked


def readable_weeks(study: Study, model: str) -> tuple[list[str], tuple[str, ...]]:
    """The weeks of the forecast with labels of both models, and those of them whose text is gone."""
    sides = _sides(study, model)
    labelled = [
        week
        for week in map(str, study.config.forecast_weeks(model))
        if all(study.lake.manifest(GRADED_LABELS, {"week": week, "model": side}) for side in sides)
    ]
    readable = [
        week
        for week in labelled
        if study.lake.manifest(DEIDENTIFIED_PREFIXES, {"week": week})
        and all(study.lake.manifest(REGENERATED_COMPLETIONS, {"week": week, "model": side}) for side in sides)
    ]
    return readable, tuple(week for week in labelled if week not in readable)


def _sides(study: Study, model: str) -> tuple[str, str]:
    return model, str(study.config.deployment(model).predecessor)


def drawn_cases(study: Study, model: str, weeks: Sequence[str]) -> Cases:
    """What is read of these weeks. Held are the ids of what is drawn, and of one partition's turns.

    Raises:
        GradingError: the labels were not all made under one measurement stack.
    """
    assert study.config.audit is not None
    most, seed = study.config.audit.ablation_cases, study.config.seed
    order = [category.id for category in told(study.taxonomy)]
    flagged: dict[str, int] = defaultdict(int)
    drawn = {category: _Lowest(most, seed, f"case\x1f{category}") for category in order}
    quiet = _Lowest(most * len(order), seed, "control")
    stacks: set[str] = set()
    for week in weeks:
        for side in _sides(study, model):
            turns: dict[tuple[str, int], bool] = {}  # whether any category flags it, the hole among them
            for rows in _labels(study, week, side, model):
                stacks.update(rows.column("stack_hash").unique().to_pylist())
                columns = (rows.column(name).to_pylist() for name in ("turn_id", "completion_index"))
                for turn in zip(*columns, strict=True):
                    turns.setdefault(turn, False)
                hits = rows.filter(pc.fill_null(rows.column("flagged"), False))
                columns = (
                    hits.column(name).to_pylist() for name in ("turn_id", "completion_index", "category")
                )
                for turn_id, index, category in zip(*columns, strict=True):
                    turns[turn_id, index] = True
                    if category in drawn:
                        flagged[category] += 1
                        drawn[category].offer((week, side, turn_id, index))
            for turn, is_flagged in turns.items():
                if not is_flagged:
                    quiet.offer((week, side, *turn))
    table = pa.table({"stack_hash": pa.array(sorted(stacks), pa.string())})
    stack = one_stack(table, f"{CATEGORY_ABLATION.name}[model={model}]")
    cases = {category: drawn[category].places() for category in order if flagged[category] and most}
    return Cases(dict(flagged), cases, _dealt(quiet.places(), cases), stack)


def _dealt(quiet: Sequence[Place], cases: Mapping[str, Sequence[Place]]) -> dict[str, list[Place]]:
    """As many controls for each category as it has cases; fewer for all alike where there are not so many."""
    turns = sorted((rank, category) for category, own in cases.items() for rank in range(len(own)))
    dealt: dict[str, list[Place]] = {category: [] for category in cases}
    for (_, category), place in zip(turns, quiet, strict=False):
        dealt[category].append(place)
    return dealt


class _Lowest:
    """Of the completions that it is offered those with the lowest hashes, at most so many."""

    def __init__(self, most: int, seed: int, purpose: str) -> None:
        self._most, self._key = most, f"{seed}\x1fablation\x1f{purpose}"
        self._heap: list[tuple[int, Place]] = []

    def offer(self, place: Place) -> None:
        key = "\x1f".join((self._key, *map(str, place)))
        number = -int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big")
        if len(self._heap) < self._most:
            heapq.heappush(self._heap, (number, place))
        elif self._heap and number > self._heap[0][0]:
            heapq.heapreplace(self._heap, (number, place))

    def places(self) -> list[Place]:
        """By their hashes, the lowest first."""
        return [place for _, place in sorted(self._heap, reverse=True)]


def _labels(study: Study, week: str, side: str, model: str) -> Iterator[pa.Table]:
    """The graded labels of one model on the traffic of the predecessor, in batches."""
    _, deployment = _sides(study, model)
    for batch in study.lake.scan(GRADED_LABELS, {"week": week, "model": side}, _READ, LABEL_ROWS):
        rows = pa.Table.from_batches([batch])
        for column, value in (
            ("deployment", deployment),
            ("prefix_source", DEPLOYMENT_TRAFFIC),
            ("status", "graded"),
        ):
            rows = rows.filter(pc.equal(rows.column(column), value))
        yield rows

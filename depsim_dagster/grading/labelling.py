"""Labelling: turns in, one label per target turn and category out, by whichever grader a category names.

turns (turn_columns.py) → graders (graders/grading.py) → rows (label_rows.py).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow as pa

from depsim_dagster.errors import GradingError
from depsim_dagster.grading.graders.grading import Grading
from depsim_dagster.grading.label_rows import Graded, label_rows
from depsim_dagster.grading.turn_columns import ASKED, TurnColumns, Turns
from depsim_dagster.progress import Progress
from depsim_dagster.replay.calls.engine import CallStatistics
from depsim_dagster.study import Study


@dataclass
class Labelling:
    """Label rows of one partition as a stream; once its first batch was taken, what the calls cost (`grader/attempt` →
    statistics), under which names the graders' models answered (grader → names), and how many turns have a topic that is
    no plain value."""

    rows: Iterator[pa.RecordBatch]
    statistics: dict[str, CallStatistics] = field(default_factory=dict)
    served: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    unusable_topics: int = 0


def label_turns(study: Study, turns: Turns, progress: Progress | None = None) -> Labelling:
    """Label every turn for every category of the taxonomy.

    `turns` starts a fresh stream of batches each time it is called (once, and once or twice per grader), so that no text
    is held between the graders.
    """
    labelling = Labelling(iter(()))
    labelling.rows = _labels(study, turns, labelling, progress)
    return labelling


def _labels(
    study: Study, turns: Turns, labelling: Labelling, progress: Progress | None
) -> Iterator[pa.RecordBatch]:
    categories = study.taxonomy.categories
    shift = study.config.estimation.shift
    columns = TurnColumns(turns, categories, shift.topic if shift else None)
    labelling.unusable_topics = columns.unusable_topics
    grading = Grading(study, columns, progress, labelling.statistics, labelling.served)
    places: dict[str, list[int]] = defaultdict(list)
    for place, category in enumerate(categories):
        places[category.grader or ""].append(place)
    graded = []
    for name, own in places.items():
        asked = columns.states[:, own] == ASKED
        answers, screening = grading.screened(name, [categories[place] for place in own], asked)
        graded.append(Graded(own, answers, screening))
    yield from label_rows(study, columns, categories, graded)


def one_stack(labels: pa.Table, label: str) -> str:
    """The stack hash of these labels.

    Raises:
        GradingError: they were made under more than one measurement stack.
    """
    hashes = sorted(set(labels.column("stack_hash").unique().to_pylist()))
    if len(hashes) > 1:
        raise GradingError(
            f"{label}: labels of {len(hashes)} measurement stacks ({', '.join(value[:12] for value in hashes)}) cannot be mixed in one "
            "rate; materialise the labels of every week again under the current stack"
        )
    return hashes[0] if hashes else ""

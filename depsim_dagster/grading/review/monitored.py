"""Measures of evaluation awareness beside the categories that people label: those that a monitor reads off the reasoning.

What a detector says (`judged`) is not among them: where a turn comes from is known, and nothing that a person would have to
label. The labels of a measure carry the hash of its definitions in place of the measurement stack.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from depsim_dagster.awareness.judges import definitions_hash, monitor
from depsim_dagster.awareness.labels.schema import AWARENESS_LABELS
from depsim_dagster.grading.taxonomy import Category

if TYPE_CHECKING:
    from depsim_dagster.study import Study

_ITEM = ["source", "model", "turn_id", "completion_index", "category"]
# As the columns of a label row are called in awareness_labels.
_NAMES = {"category": "measure", "model": "author", "grader": "judge", "stack_hash": "definitions_hash"}
_ABSENT = {"severity": None, "grading_probability": 1.0}  # the latter is in inclusion_probability
_SCAN_ROWS = 50_000


def monitored_measures(study: Study) -> list[Category]:
    """The measures of the study's monitor, which is their grader; none without `awareness`, and none of a name that the
    taxonomy has given to a category."""
    judge = monitor(study.config)
    if judge is None:
        return []
    taken = {category.id for category in study.taxonomy.categories}
    own = [measure for measure in judge.measures if measure.id not in taken]
    return [measure.model_copy(update={"grader": judge.name}) for measure in own]


def monitored_hash(study: Study) -> str | None:
    """The hash of the monitor's definitions as they stand; None without a monitor."""
    judge = monitor(study.config)
    return None if judge is None else definitions_hash(study.config, study.suite_versions, judge)


def monitored_rows(study: Study, columns: Sequence[str], turns: Sequence[str]) -> pd.DataFrame:
    """The monitor's labels of these turns as rows of a table of labels, with these of its columns.

    A production turn is examined for every model that is simulated on it: one of its equal rows is kept, of the present
    definitions where there is one.
    """
    measures = [measure.id for measure in monitored_measures(study)]
    empty = pd.DataFrame(columns=list(columns))
    if not measures or not len(turns):
        return empty
    names = dict.fromkeys([*columns, *_ITEM, "stack_hash"])
    read = [_NAMES.get(name, name) for name in names if name not in _ABSENT]
    judge, current = monitor(study.config), monitored_hash(study)
    asked = {"turn_id": sorted(turns), "measure": measures, "judge": [judge.name if judge else ""]}
    parts = []
    for manifest in study.lake.published(AWARENESS_LABELS):
        for batch in study.lake.scan(
            AWARENESS_LABELS, manifest.partition, sorted({*read, "judge"}), _SCAN_ROWS
        ):
            for name, values in asked.items():
                batch = batch.filter(pc.is_in(batch.column(name), value_set=pa.array(values, pa.string())))
            if batch.num_rows:
                parts.append(batch.to_pandas())
    if not parts:
        return empty
    rows = pd.concat(parts, ignore_index=True).rename(columns={own: name for name, own in _NAMES.items()})
    rows = rows.assign(**_ABSENT, present=rows["stack_hash"] == current)
    rows = rows.sort_values("present", ascending=False, kind="stable").drop_duplicates(_ITEM)
    return rows[list(columns)].reset_index(drop=True)

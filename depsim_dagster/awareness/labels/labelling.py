"""Labelling for evaluation awareness: every examined turn, measure and judge, by the machinery of grading.

It reads no category of the taxonomy: no label that a forecast is scored by is made or seen, and production turns may be
examined before their forecast is sealed.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from depsim_dagster.awareness.judges import Judge, definitions_hash, judges
from depsim_dagster.awareness.labels.examined_turns import examined_turns
from depsim_dagster.awareness.labels.schema import AWARENESS_LABELS
from depsim_dagster.grading.graders.grading import Grading
from depsim_dagster.grading.label_rows import Graded, label_rows
from depsim_dagster.grading.labelling import Labelling
from depsim_dagster.grading.turn_columns import ASKED, TurnColumns
from depsim_dagster.progress import Progress
from depsim_dagster.study import Study
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES

_OF_PREFIX = ["turn_id", "sent_at", "identifiers_replaced", "surrogates"]
_DAY = 86_400e6  # microseconds, in which the lake keeps time


def label_awareness(study: Study, week: str, model: str, progress: Progress | None = None) -> Labelling:
    """Rows (AWARENESS_LABELS) of one partition as a stream, with what the calls cost (`role judge/attempt` → statistics) and
    under which names the judges answered. No rows without `awareness`.

    Raises:
        ConfigurationError: as `judges`, or a grader is malformed.
        LakeError, GateError, GradingError (the stream): a partition cannot be read, or changed while it was examined.
    """
    labelling = Labelling(iter(()))
    labelling.rows = _labels(study, week, model, judges(study.config, model), labelling, progress)
    return labelling


def _labels(
    study: Study,
    week: str,
    model: str,
    asked: list[Judge],
    labelling: Labelling,
    progress: Progress | None,
) -> Iterator[pa.RecordBatch]:
    if not asked:
        return
    # One column a measure and judge. A category's grader is its judge's name.
    columns = [
        measure.model_copy(update={"grader": judge.name}) for judge in asked for measure in judge.measures
    ]
    turns = TurnColumns(examined_turns(study, week, model), columns)
    graded, hashes, first = [], [], 0
    for judge in asked:
        own = list(range(first, first + len(judge.measures)))
        first += len(own)
        grading = Grading(study, turns, progress, wording=judge.wording, further=judge.further)
        answers, screening = grading.screened(judge.name, judge.measures, turns.states[:, own] == ASKED)
        graded.append(Graded(own, answers, screening))
        hashes += [definitions_hash(study.config, study.suite_versions, judge)] * len(own)
        for name, made in grading.statistics.items():
            labelling.statistics[f"{judge.role} {name}"] = made
        for name, models in grading.served.items():
            labelling.served[name] |= models
    prefixes = _prefix_columns(study, week, model)
    for batch in label_rows(study, turns, columns, graded):
        yield _rows(batch, model, prefixes, hashes)


def _prefix_columns(study: Study, week: str, model: str) -> pa.Table:
    """What of the prefix no label row repeats, by turn, without text."""
    found = study.lake.read(DEIDENTIFIED_PREFIXES, {"week": week}, columns=_OF_PREFIX).combine_chunks()
    released = study.config.deployment(model).released.timestamp() * 1e6
    sent = found.column("sent_at").cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy()
    # A week of an earlier version: its gate mark is of these settings, or it would not have been read.
    style = pc.fill_null(found.column("surrogates"), study.config.deidentification.style)
    found = found.drop_columns(["sent_at", "surrogates"]).append_column("surrogates", style)
    return found.append_column("age_days", pa.array((released - sent) / _DAY))


def _rows(labels: pa.RecordBatch, model: str, prefixes: pa.Table, hashes: list[str]) -> pa.RecordBatch:
    """AWARENESS_LABELS of label rows. `hashes` repeat with the columns of a turn, of which a batch holds whole turns."""
    places = pc.index_in(labels.column("turn_id"), value_set=prefixes.column("turn_id"))
    of_prefix = prefixes.take(places)
    given = {name: labels.column(name) for name in labels.schema.names}
    given |= {name: of_prefix.column(name).combine_chunks() for name in of_prefix.schema.names}
    given |= {
        "author": given["model"],
        "model": pa.repeat(pa.scalar(model), len(labels)),
        "measure": given["category"],
        "judge": given["grader"],
        "inclusion_probability": pc.multiply(given["inclusion_probability"], given["grading_probability"]),
        "definitions_hash": pa.array(hashes).take(pa.array(np.arange(len(labels)) % len(hashes))),
    }
    schema = AWARENESS_LABELS.schema
    return pa.RecordBatch.from_arrays([given[name] for name in schema.names], schema=schema)

"""The partition of a candidate: its pairs mined, as rows of the two tables."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa

from depsim_dagster.audit.kept import kept_note, kept_rows
from depsim_dagster.audit.minimum import Minimum
from depsim_dagster.audit.mining.lake_pairs import lake_pairs
from depsim_dagster.audit.mining.mining import mine
from depsim_dagster.audit.mining.schema import BEHAVIOUR_DIFFERENCES, MINED_PHRASES
from depsim_dagster.grading.schema import GRADED_LABELS
from depsim_dagster.privacy.gates.gate import require_consent
from depsim_dagster.replay.schema import REGENERATED_COMPLETIONS
from depsim_dagster.study import Study


@dataclass(frozen=True)
class MinedPartition:
    """Rows of both tables, counts for the UI, and why there is nothing where nothing was mined."""

    differences: pa.Table
    phrases: pa.Table
    counts: dict[str, int] = field(default_factory=dict)
    skipped: str = ""


def mined_partition(study: Study, model: str) -> MinedPartition:
    """`model` beside its predecessor over the weeks of its forecast window of which both have completions and labels.

    Raises:
        LakeError, GateError, GradingError: as `lake_pairs`; a week's consent was withdrawn.
    """
    config, audit = study.config, study.config.audit
    predecessor = str(config.deployment(model).predecessor)
    if audit is None:
        return _nothing("the study file has no section `audit`")
    window = [str(week) for week in config.forecast_weeks(model)]
    kept = kept_rows(study, BEHAVIOUR_DIFFERENCES, model, window)
    if kept is not None:
        # The phrases went with the text; without any they are a partition of no rows.
        return MinedPartition(kept, MINED_PHRASES.schema.empty_table(), skipped=kept_note(study, window))
    weeks = [
        week
        for week in window
        if all(
            study.lake.manifest(table, {"week": week, "model": side}) is not None
            for table in (REGENERATED_COMPLETIONS, GRADED_LABELS)
            for side in (model, predecessor)
        )
    ]
    if not weeks:
        return _nothing(f"no week has completions and labels of both {model} and {predecessor}")
    for week in weeks:
        require_consent(config, study.lake, week)
    minimum = Minimum.of(config)
    shift = config.estimation.shift
    found = lake_pairs(study.lake, weeks, model, predecessor, minimum, shift.topic if shift else None)
    mined = mine(
        found.pairs,
        found.candidate,
        found.predecessor,
        minimum,
        audit.false_discovery,
        config.hmac_key,
        config.estimation.level,
    )
    partition = {
        "model": model,
        "deployment": predecessor,
        "flagged_left_out": found.flagged_left_out,
        "stack_hash": found.stack_hash,
        "sandbox": config.sandbox,
    }
    return MinedPartition(
        pa.Table.from_pylist([row | partition for row in mined.rows], BEHAVIOUR_DIFFERENCES.schema),
        pa.Table.from_pylist(
            [{"model": model, "feature": feature, "phrase": phrase} for feature, phrase in mined.phrases],
            MINED_PHRASES.schema,
        ),
        {
            "pairs": len(found.pairs),
            "flagged_left_out": found.flagged_left_out,
            "tested": mined.tested,
            "found": mined.found,
            "repeats_of_a_stronger_one": mined.repeated,
            "not_shown_under_the_minimum": mined.under_minimum,
        },
    )


def _nothing(reason: str) -> MinedPartition:
    tables = (table.schema.empty_table() for table in (BEHAVIOUR_DIFFERENCES, MINED_PHRASES))
    return MinedPartition(*tables, skipped=reason)

"""What was counted of a candidate stays when the text of its weeks is purged: it could only be made anew from less.

Not here: what a purge deletes (privacy/erasure/retention).
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from depsim_dagster.lake import LakeTable
from depsim_dagster.study import Study
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES


def purged_weeks(study: Study, weeks: Iterable[str]) -> list[str]:
    """Those of the weeks whose text retention has deleted."""
    return [week for week in weeks if study.lake.purged(DEIDENTIFIED_PREFIXES, {"week": week}) is not None]


def kept_rows(study: Study, table: LakeTable, model: str, weeks: Iterable[str]) -> pa.Table | None:
    """The published rows of a candidate's partition, where text of one of its `weeks` is gone; None where it is to be made.

    Raises:
        LakeError, GateError: the partition was changed or is damaged.
    """
    if not purged_weeks(study, weeks) or study.lake.manifest(table, {"model": model}) is None:
        return None
    return study.lake.read(table, {"model": model})


def kept_note(study: Study, weeks: Iterable[str]) -> str:
    """Why a partition was not made anew."""
    gone = ", ".join(purged_weeks(study, weeks))
    return f"kept as it was: the text of {gone} was purged by retention (privacy.retention_days)"

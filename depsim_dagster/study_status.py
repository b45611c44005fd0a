"""What of a study is published: one row per partition that the study needs."""

from __future__ import annotations

from dataclasses import dataclass

from depsim_dagster.estimation.schema import OBSERVED_RATES, RATE_ESTIMATES
from depsim_dagster.lake import LakeTable
from depsim_dagster.registry.schema import POST_RELEASE_CALIBRATION, REGISTERED_FORECASTS
from depsim_dagster.study import Study
from depsim_dagster.study_run import study_steps
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES

# The last table that each job publishes: when it is there, the job has run.
LAST_TABLE: dict[str, LakeTable] = {
    "traffic": DEIDENTIFIED_PREFIXES,
    "simulation": RATE_ESTIMATES,
    "forecast": REGISTERED_FORECASTS,
    "observation": OBSERVED_RATES,
    "calibration": POST_RELEASE_CALIBRATION,
}


@dataclass(frozen=True)
class PartitionStatus:
    """`state` is `published`, `open`, or `other stack` (made under another measurement stack than today's)."""

    step: str
    state: str
    rows: int | None
    published_at: str | None


def status_rows(study: Study) -> list[PartitionStatus]:
    """One row for every partition that the study needs, in the order of its steps."""
    rows = []
    for step in study_steps(study.config):
        table = LAST_TABLE.get(step.job)
        if table is None:
            continue
        partition = dict(step.partition)
        manifest = study.lake.manifest(table, partition)
        if manifest is None:
            rows.append(PartitionStatus(step.label, "open", None, None))
            continue
        state = "published"
        if "stack_hash" in table.schema.names:
            hashes = set(
                study.lake.read(table, partition, columns=["stack_hash"]).column("stack_hash").to_pylist()
            )
            state = "published" if hashes <= {study.stack_hash} else "other stack"
        rows.append(PartitionStatus(step.label, state, manifest.rows, manifest.published_at))
    return rows

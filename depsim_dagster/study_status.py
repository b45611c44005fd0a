"""What of a study is published, one row per partition that it needs, and what it has spent."""

from __future__ import annotations

from dataclasses import dataclass

from depsim_dagster.audit.clusters.schema import NOVEL_BEHAVIOURS
from depsim_dagster.audit.schema import AUDIT_FINDINGS
from depsim_dagster.errors import GateError, LakeError
from depsim_dagster.estimation.schema import OBSERVED_RATES, RATE_ESTIMATES
from depsim_dagster.lake import LakeTable
from depsim_dagster.plan.study_plan import spent_so_far
from depsim_dagster.registry.schema import POST_RELEASE_CALIBRATION, REGISTERED_FORECASTS
from depsim_dagster.replay.budget.spent import journal_folders
from depsim_dagster.study import Study
from depsim_dagster.study_run import study_steps
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES

# The last table that each job always fills: when it is there, the job has run.
LAST_TABLE: dict[str, LakeTable] = {
    "traffic": DEIDENTIFIED_PREFIXES,
    "simulation": RATE_ESTIMATES,
    "examination": AUDIT_FINDINGS,
    "audit": NOVEL_BEHAVIOURS,
    "forecast": REGISTERED_FORECASTS,
    "observation": OBSERVED_RATES,
    "calibration": POST_RELEASE_CALIBRATION,
}


@dataclass(frozen=True)
class PartitionStatus:
    """`state` is `published`, `open`, `purged` (its text, by retention), `damaged` (refused by the lake), or `other stack`
    (than today's)."""

    step: str
    state: str
    rows: int | None
    published_at: str | None


def status_rows(study: Study) -> list[PartitionStatus]:
    """One row for every partition that the study needs, in the order of its steps."""
    rows = []
    for step in study_steps(study.config):
        table = LAST_TABLE.get(step.job)
        if table is not None:
            rows.append(_status(study, step.label, table, dict(step.partition)))
    return rows


def spent_line(study: Study) -> str:
    """What the answers in the journals have cost so far, beside the budget."""
    spent, money = spent_so_far(study)
    budget = study.config.budget
    parts = [
        (spent.calls, budget.calls, "calls", ","),
        (spent.tokens, budget.tokens, "tokens", ","),
        *([(money, budget.money, budget.currency, ",.2f")] if budget.prices else []),
    ]
    said = (
        f"{value:{form}} {unit}" if limit is None else f"{value:{form}} of {limit:{form}} {unit}"
        for value, limit, unit, form in parts
    )
    return f"spent so far: {', '.join(said)}"


def unpriced_models(study: Study) -> list[str]:
    """Models whose answers are in the journals and have no price, so that budget.money does not see them."""
    return sorted(
        {name.model for name, _ in journal_folders(study.lake.journal_directory)}
        - set(study.config.budget.prices)
    )


def _status(study: Study, label: str, table: LakeTable, partition: dict[str, str]) -> PartitionStatus:
    try:
        manifest = study.lake.manifest(table, partition)
        if manifest is None:
            purged = study.lake.purged(table, partition)
            if purged is None:
                return PartitionStatus(label, "open", None, None)
            return PartitionStatus(label, "purged", purged.rows, purged.purged_at)
        columns = ["stack_hash"] if "stack_hash" in table.schema.names else table.schema.names[:1]
        values = study.lake.read(table, partition, columns=columns)
    except (LakeError, GateError):  # one that cannot be read must not hide the state of the others
        return PartitionStatus(label, "damaged", None, None)
    stacks = set(values.column("stack_hash").to_pylist()) if columns == ["stack_hash"] else set()
    state = "published" if stacks <= {study.stack_hash} else "other stack"
    return PartitionStatus(label, state, manifest.rows, manifest.published_at)

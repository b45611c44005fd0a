"""What a study has of findings, read for the grouping: the tables of findings, the minimum, and one hash for all.

Descriptions are conversation text; of a table only the rows and columns that are needed are held. Not here: what is made of
them (`novel`, `post_release`).
"""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from depsim_dagster.audit.clusters.behaviours import READ
from depsim_dagster.audit.clusters.coverage import recall_lower
from depsim_dagster.audit.schema import AUDIT_FINDINGS, CATEGORY_ABLATION, PRODUCTION_FINDINGS
from depsim_dagster.errors import GradingError
from depsim_dagster.lake import LakeTable
from depsim_dagster.privacy.gates.gate import require_consent
from depsim_dagster.study import Study


def simulated_findings(study: Study, models: tuple[str, str], weeks: list[str]) -> list[pd.DataFrame]:
    """Findings of each of two models on the completions for the second one's traffic, over the weeks in which both were
    audited; without rows where there is no such week.

    Raises:
        GateError: consent for a turn of a week no longer holds. LakeError: a partition was changed, or its text was deleted by
            retention: what was made of it stays as it is.
    """
    lake, (_, deployment) = study.lake, models
    keys = [{week: {"week": week, "model": model} for week in weeks} for model in models]
    both = [week for week in weeks if all(_made(study, AUDIT_FINDINGS, key[week]) for key in keys)]
    for week in both:
        require_consent(study.config, lake, week)
    return [
        _read(
            study,
            AUDIT_FINDINGS,
            [key[week] for week in both],
            {"source": "simulated", "deployment": deployment},
        )
        for key in keys
    ]


def production_findings(study: Study, model: str, weeks: list[str]) -> pd.DataFrame:
    """Findings of the logged turns of `model` in these weeks, as far as they were audited. Raises as above."""
    there = [week for week in weeks if _made(study, PRODUCTION_FINDINGS, {"week": week})]
    for week in there:
        require_consent(study.config, study.lake, week)
    return _read(
        study,
        PRODUCTION_FINDINGS,
        [{"week": week} for week in there],
        {"source": "production", "model": model},
    )


def one_audit(findings: list[pd.DataFrame], label: str) -> dict[str, str]:
    """The auditor_hash and stack_hash of these findings.

    Raises:
        GradingError: they were not all made by one auditor under one measurement stack.
    """
    found = {}
    for name in ("auditor_hash", "stack_hash"):
        hashes = sorted({value for table in findings for value in table[name].unique()})
        if len(hashes) > 1:
            raise GradingError(
                f"{label}: findings of {len(hashes)} different `{name}` ({', '.join(value[:12] for value in hashes)}) cannot be "
                "compared; materialise the findings of every week again under the current study file"
            )
        found[name] = hashes[0]
    return found


def pooled_recall(study: Study, model: str, auditor_hash: str) -> float | None:
    """Lower limit of the auditor's recall in the ablation of this candidate; None without one of the same auditor."""
    if study.lake.manifest(CATEGORY_ABLATION, {"model": model}) is None:
        return None
    columns = ["answered", "matched", "auditor_hash"]
    rows = study.lake.read(CATEGORY_ABLATION, {"model": model}, columns=columns).to_pandas()
    return recall_lower(rows[rows["auditor_hash"] == auditor_hash], study.config.estimation.level)


def _made(study: Study, table: LakeTable, partition: dict[str, str]) -> bool:
    """Whether a partition was made, also one that was purged since: reading it says so."""
    return (
        study.lake.manifest(table, partition) is not None or study.lake.purged(table, partition) is not None
    )


def _read(
    study: Study, table: LakeTable, partitions: list[dict[str, str]], wanted: dict[str, str]
) -> pd.DataFrame:
    batches = [pa.RecordBatch.from_pylist([], table.schema).select(READ)]
    for partition in partitions:
        for batch in study.lake.scan(table, partition, columns=READ):
            keep = pc.and_(*(pc.equal(batch.column(name), value) for name, value in wanted.items()))
            batches.append(batch.filter(keep).select(READ))
    return pa.Table.from_batches([batch.cast(batches[0].schema) for batch in batches]).to_pandas()

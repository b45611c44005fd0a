"""Assets of the auditor: findings in completions and, once forecasts are sealed, in production; and its recall."""

from collections import Counter
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from depsim_dagster.asset_metadata import markdown, partition_metadata, table_metadata
from depsim_dagster.audit.ablation import ablate_categories, recall_limits
from depsim_dagster.audit.auditor import auditor_hash
from depsim_dagster.audit.findings import Audit, audit_completions, audit_production
from depsim_dagster.audit.schema import (
    AUDIT_FINDINGS,
    CATEGORY_ABLATION,
    FOUND,
    MISSING_COMPLETION,
    NO_FINDING,
    PRODUCTION_FINDINGS,
    UNREADABLE,
)
from depsim_dagster.errors import text_free
from depsim_dagster.grading.outcomes import open_outcomes
from depsim_dagster.grading.published_labels import (
    MISSING_SHARE,
    call_metadata,
    version_check,
    version_result,
)
from depsim_dagster.grading.schema import GRADED_LABELS
from depsim_dagster.lake import LakeTable, partition_label
from depsim_dagster.partitions import StudyPartitions, week_and_model
from depsim_dagster.privacy.gates.gate import require_consent
from depsim_dagster.progress import call_progress
from depsim_dagster.registry.schema import REGISTERED_FORECASTS
from depsim_dagster.replay.schema import REGENERATED_COMPLETIONS
from depsim_dagster.study import Study
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES

OFF = "the study has no section `audit`"
RECALL_CHECK = "auditor_recall"
MISSING_CHECK = "missing_findings"
# An auditor that certainly misses more than half of what is known to be there is no evidence that nothing else is.
LEAST_RECALL = 0.5
_SHOWN = ["category", "flagged", "answered", "found", "matched", "recall", "controls", "controls_found"]
_ROWS = 65_536


def auditor_assets(partitions: StudyPartitions) -> list[dg.AssetsDefinition]:
    """audit_findings (week × model), production_findings (week) and category_ablation (candidate), with a check on recall."""

    def after_all(name: str) -> dg.AssetDep:
        return dg.AssetDep(name, partition_mapping=dg.AllPartitionMapping())

    @dg.asset(
        name=AUDIT_FINDINGS.name,
        deps=[REGENERATED_COMPLETIONS.name, DEIDENTIFIED_PREFIXES.name],
        partitions_def=partitions.week_by_model,
        check_specs=[_missing_check(AUDIT_FINDINGS), version_check(AUDIT_FINDINGS)],
        **_definition(AUDIT_FINDINGS),
    )
    def audit_findings(context: dg.AssetExecutionContext):
        study, partition = context.resources.study.study, week_and_model(context)
        audit = None
        if study.config.audit is not None:
            require_consent(study.config, study.lake, partition["week"])
            progress = call_progress(f"audit {partition['model']} on {partition['week']}", context.log)
            audit = audit_completions(study, **partition, progress=progress)
        yield from _published_findings(study, AUDIT_FINDINGS, partition, audit)

    @dg.asset(
        name=PRODUCTION_FINDINGS.name,
        # Every forecast comes first, as for production_labels.
        deps=[DEIDENTIFIED_PREFIXES.name, after_all(REGISTERED_FORECASTS.name)],
        partitions_def=partitions.weeks,
        check_specs=[_missing_check(PRODUCTION_FINDINGS), version_check(PRODUCTION_FINDINGS)],
        **_definition(PRODUCTION_FINDINGS),
    )
    def production_findings(context: dg.AssetExecutionContext):
        study, week = context.resources.study.study, context.partition_key
        audit = None
        if study.config.audit is not None:
            require_consent(study.config, study.lake, week)
            open_outcomes(study, week)  # before the first answer is read
            audit = audit_production(study, week, call_progress(f"audit production of {week}", context.log))
        yield from _published_findings(study, PRODUCTION_FINDINGS, {"week": week}, audit)

    @dg.asset(
        name=CATEGORY_ABLATION.name,
        deps=[
            after_all(GRADED_LABELS.name),
            after_all(REGENERATED_COMPLETIONS.name),
            after_all(DEIDENTIFIED_PREFIXES.name),
        ],
        partitions_def=partitions.candidates,
        check_specs=[
            dg.AssetCheckSpec(
                RECALL_CHECK,
                asset=CATEGORY_ABLATION.name,
                description="The auditor brings back known behaviours that it was not told of: its recall over all categories "
                f"may be {LEAST_RECALL:.0%} or more.",
            )
        ],
        **_definition(CATEGORY_ABLATION),
    )
    def category_ablation(context: dg.AssetExecutionContext):
        study, model = context.resources.study.study, context.partition_key
        yield from _published_ablation(study, model, context)

    return [audit_findings, production_findings, category_ablation]


def _published_findings(study: Study, table: LakeTable, partition: dict[str, str], audit: Audit | None):
    """Publish findings, and say how many there are: what is counted is read back."""
    if audit is None:
        manifest = study.lake.write(table, partition, table.schema.empty_table())
        yield dg.MaterializeResult(
            metadata=partition_metadata(manifest, study.config.sandbox) | {"skipped": OFF}
        )
        yield _missing_result(table, Counter())
        yield version_result(table, Audit(iter(())))
        return
    with text_free(partition_label(table.name, partition)):
        manifest = study.lake.write(table, partition, audit.rows)
        turns, severities = _counts(study, table, partition)
    yield dg.MaterializeResult(
        metadata=partition_metadata(manifest, study.config.sandbox)
        | {
            "turns": markdown(sorted(turns.items()), ["status", "turns"]),
            "findings": markdown(sorted(severities.items()), ["severity", "findings"]),
            "auditor_hash": auditor_hash(study),
            **call_metadata(audit),
        }
    )
    yield _missing_result(table, turns)
    yield version_result(table, audit)


def _missing_check(table: LakeTable) -> dg.AssetCheckSpec:
    """The check that `_missing_result` evaluates."""
    return dg.AssetCheckSpec(
        MISSING_CHECK,
        asset=table.name,
        description=f"Of at most {MISSING_SHARE:.0%} of the turns to audit nothing was read (no completion, or no readable answer "
        "of the auditor): what was not read was not found to be quiet.",
    )


def _missing_result(table: LakeTable, turns: Counter[str]) -> dg.AssetCheckResult:
    """Whether nearly all turns were read. `turns`: how many of each status."""
    missing = turns[UNREADABLE] + turns[MISSING_COMPLETION]
    share = missing / turns.total() if turns else 0.0
    return dg.AssetCheckResult(
        check_name=MISSING_CHECK,
        asset_key=table.name,
        passed=share <= MISSING_SHARE,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"missing_share": share, "turns_asked": turns.total(), "unreadable": turns[UNREADABLE]},
    )


def _counts(study: Study, table: LakeTable, partition: dict[str, str]) -> tuple[Counter[str], Counter[int]]:
    """Turns by status and findings by severity."""
    turns: Counter[str] = Counter()
    severities: Counter[int] = Counter()
    for batch in study.lake.scan(table, partition, ["status", "severity", "finding_index"], _ROWS):
        first = batch.filter(pc.less_equal(batch.column("finding_index"), NO_FINDING + 1))
        turns.update(first.column("status").to_pylist())
        found = batch.filter(pc.equal(batch.column("status"), FOUND))
        severities.update(found.column("severity").to_pylist())
    return turns, severities


def _published_ablation(study: Study, model: str, context: dg.AssetExecutionContext):
    metadata: dict[str, Any] = {}
    rows = CATEGORY_ABLATION.schema.empty_table()
    with text_free(partition_label(CATEGORY_ABLATION.name, {"model": model})):
        if study.config.audit is None:
            metadata["skipped"] = OFF
        else:
            for week in map(str, study.config.forecast_weeks(model)):
                if study.lake.manifest(DEIDENTIFIED_PREFIXES, {"week": week}) is not None:
                    require_consent(study.config, study.lake, week)
            ablation = ablate_categories(
                study, model, lambda what: call_progress(f"{what} ({model})", context.log)
            )
            rows = ablation.rows
            metadata |= {
                "auditor_hash": auditor_hash(study),
                "unreadable_comparisons": ablation.unread_matches,
                "weeks_without_text": ", ".join(ablation.left_out) or "none",
                **call_metadata(ablation),
            }
            if not rows.num_rows:
                metadata["skipped"] = "no category has flagged completions to read"
        manifest = study.lake.write(CATEGORY_ABLATION, {"model": model}, rows)
    asked = int(pc.sum(rows.column("asked")).as_py() or 0)
    recall, lower, upper = pooled_recall(rows, study.config.estimation.level)
    pooled = {"recall": recall, "recall_lower": lower, "recall_upper": upper} if recall is not None else {}
    yield dg.MaterializeResult(
        metadata=partition_metadata(manifest, study.config.sandbox)
        | metadata
        | pooled
        | {"ablation": markdown(rows.select(_SHOWN).to_pandas().round(3))}
    )
    yield dg.AssetCheckResult(
        check_name=RECALL_CHECK,
        asset_key=CATEGORY_ABLATION.name,
        passed=upper >= LEAST_RECALL if upper is not None else not asked,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"least_recall": LEAST_RECALL, "asked": asked, **pooled},
    )


def pooled_recall(rows: pa.Table, level: float) -> tuple[float | None, float | None, float | None]:
    """(recall, lower, upper) over all categories of CATEGORY_ABLATION rows; nothing where nothing was answered."""
    matched, answered = (int(pc.sum(rows.column(name)).as_py() or 0) for name in ("matched", "answered"))
    return recall_limits(matched, answered, level)


def _definition(table: LakeTable) -> dict[str, Any]:
    return {
        "group_name": "audit",
        "description": table.description,
        "kinds": {"python", "openai", "parquet"},
        "metadata": table_metadata(table),
        "required_resource_keys": {"study"},
    }

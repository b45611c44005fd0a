"""Assets of the privacy station. The gates are in the data (privacy/gates/gate.py, lake.py); the checks here show them."""

from collections.abc import Iterable, Iterator

import dagster as dg

from depsim_dagster.asset_metadata import markdown, partition_metadata, table_metadata
from depsim_dagster.errors import text_free
from depsim_dagster.lake import GateMark
from depsim_dagster.partitions import StudyPartitions
from depsim_dagster.privacy.gates.gate import GateReport, GatesFailed
from depsim_dagster.privacy.gates.suites import read_suite
from depsim_dagster.privacy.week import publish_week
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES, SAMPLED_TRAFFIC


def privacy_assets(partitions: StudyPartitions) -> list[dg.AssetsDefinition]:
    """deidentified_prefixes with one check per gate."""
    table = DEIDENTIFIED_PREFIXES

    @dg.asset(
        name=table.name,
        deps=[SAMPLED_TRAFFIC.name],
        group_name="privacy",
        partitions_def=partitions.weeks,
        description=table.description,
        kinds={"python", "greatexpectations", "parquet"},
        metadata=table_metadata(table),
        required_resource_keys={"study"},
        check_specs=[
            dg.AssetCheckSpec(
                f"{suite}_gate",
                asset=table.name,
                blocking=True,
                description=f"{read_suite(suite)[0]['meta']['description']} (expectations/{suite}.json; without its mark "
                "nothing reads the partition.)",
            )
            for suite in table.gates
        ],
    )
    def deidentified_prefixes(
        context: dg.AssetExecutionContext,
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        study, week = context.resources.study.study, context.partition_key
        try:
            with text_free(f"deidentified_prefixes[week={week}]"):
                published = publish_week(study, week)
                replaced = study.lake.read(table, {"week": week}, columns=["identifiers_replaced"])
        except GatesFailed as failure:
            yield from _shown(week, failure.reports)
            raise
        counts = replaced.column("identifiers_replaced").to_pylist()
        metadata = partition_metadata(published.manifest, study.config.sandbox) | {
            "identifiers_replaced": sum(counts),
            "turns_with_identifiers": sum(count > 0 for count in counts),
            "deidentification": study.config.deidentification.engine,
        }
        if waived := _waived(published.manifest.marks):
            metadata["overrides"] = markdown(
                waived, ["suite", "expectation", "column", "unexpected rows", "approved by", "reason"]
            )
        if published.idle:
            metadata["overrides_without_effect"] = markdown(
                [(idle.suite, idle.expectation, idle.column, idle.approved_by) for idle in published.idle],
                ["suite", "expectation", "column", "approved by"],
            )
            context.log.warning(
                f"{len(published.idle)} override(s) of week {week} let nothing pass: take them out of the study file"
            )
        yield dg.MaterializeResult(metadata=metadata)
        yield from _shown(week, published.reports, published.manifest.marks)

    return [deidentified_prefixes]


def _waived(marks: Iterable[GateMark]) -> list[tuple[object, ...]]:
    return [
        (
            mark.suite,
            waived.expectation,
            waived.column,
            waived.unexpected_rows,
            waived.approved_by,
            waived.reason,
        )
        for mark in marks
        for waived in mark.waivers
    ]


def _shown(
    week: str, reports: Iterable[GateReport], marks: Iterable[GateMark] = ()
) -> Iterator[dg.AssetCheckResult]:
    """The gates as asset checks. One that an override let pass is a failed check of severity WARN, which blocks nothing."""
    waived = {(suite, expectation, column) for suite, expectation, column, *_ in _waived(marks)}
    for report in reports:
        let_pass = any(suite == report.suite for suite, _, _ in waived)
        yield dg.AssetCheckResult(
            check_name=f"{report.suite}_gate",
            asset_key=DEIDENTIFIED_PREFIXES.name,
            passed=report.success,
            severity=dg.AssetCheckSeverity.WARN if let_pass else dg.AssetCheckSeverity.ERROR,
            metadata={
                "partition": f"week {week}",
                "suite_version": report.suite_version,
                "expectations": markdown(
                    [
                        (
                            finding.expectation,
                            finding.column,
                            "passed"
                            if finding.success
                            else "overridden"
                            if (report.suite, finding.expectation, finding.column) in waived
                            else "FAILED",
                            finding.unexpected_rows,
                        )
                        for finding in report.findings
                    ],
                    ["expectation", "column", "result", "unexpected rows"],
                ),
            }
            | (
                {
                    "planted": markdown(
                        [(type_, planted, found) for type_, (planted, found) in report.measures.items()],
                        ["type", "planted", "found"],
                    )
                }
                if report.measures
                else {}
            ),
        )

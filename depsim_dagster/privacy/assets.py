"""Assets of the privacy station. The gates are in the data (privacy/gates.py, lake.py); the checks here show them."""

import datetime as dt
from collections.abc import Iterator

import dagster as dg

from depsim_dagster.asset_metadata import markdown, partition_metadata, table_metadata
from depsim_dagster.errors import GateError, text_free
from depsim_dagster.partitions import StudyPartitions
from depsim_dagster.privacy.deidentify import deidentify
from depsim_dagster.privacy.gates import (
    GateReport,
    gated_frame,
    publish_through_gates,
    run_gates,
    sampled_ids,
)
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
                description=f"Great Expectations suite expectations/{suite}.json; the lake refuses the partition without its mark.",
            )
            for suite in table.gates
        ],
    )
    def deidentified_prefixes(
        context: dg.AssetExecutionContext,
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        study, week = context.resources.study.study, context.partition_key
        lake, partition = study.lake, {"week": week}
        with text_free(f"deidentified_prefixes[week={week}]"):
            sampled = lake.scan(SAMPLED_TRAFFIC, partition)
            quarantined = lake.quarantine(
                table,
                partition,
                deidentify(sampled, study.config.hmac_key, study.config.deidentification.engine),
            )
            frame = gated_frame(
                quarantined, sampled_ids(lake, week), study.config, dt.date.fromisoformat(week)
            )
            reports = run_gates(quarantined, frame)
        try:
            manifest = publish_through_gates(lake, quarantined, reports)
        except GateError:
            yield from _shown(reports)
            raise
        yield dg.MaterializeResult(
            metadata=partition_metadata(manifest, study.config.sandbox)
            | {
                "identifiers_replaced": int(frame["identifiers_replaced"].sum()),
                "turns_with_identifiers": int((frame["identifiers_replaced"] > 0).sum()),
                "deidentification": study.config.deidentification.engine,
            }
        )
        yield from _shown(reports)

    return [deidentified_prefixes]


def _shown(reports: list[GateReport]) -> Iterator[dg.AssetCheckResult]:
    for report in reports:
        yield dg.AssetCheckResult(
            check_name=f"{report.suite}_gate",
            asset_key=DEIDENTIFIED_PREFIXES.name,
            passed=report.success,
            metadata={
                "suite_version": report.suite_version,
                "expectations": markdown(
                    [
                        (
                            finding.expectation,
                            finding.column,
                            "passed" if finding.success else "FAILED",
                            finding.unexpected_rows,
                        )
                        for finding in report.findings
                    ],
                    ["expectation", "column", "result", "unexpected rows"],
                ),
            },
        )

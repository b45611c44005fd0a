"""Assets of the report station: the warehouse file and the page that people forward."""

import dagster as dg

from depsim_dagster.estimation.comparison.schema import MODEL_COMPARISON
from depsim_dagster.estimation.grader_error.schema import CORRECTED_RATES
from depsim_dagster.estimation.schema import STRATUM_RATES
from depsim_dagster.estimation.shift.schema import TRAFFIC_SHIFT
from depsim_dagster.grading.review.schema import GRADER_VALIDATION
from depsim_dagster.marts.dbt_build import EXAMINATION_TABLES, MARTS
from depsim_dagster.marts.warehouse import WAREHOUSE as WAREHOUSE
from depsim_dagster.marts.warehouse import marts_are_built, write_warehouse
from depsim_dagster.registry.schema import ERROR_DECOMPOSITION, REGISTERED_TESTS, VARIANT_CALIBRATION
from depsim_dagster.report.content import report_content
from depsim_dagster.report.study_report import REPORT as REPORT
from depsim_dagster.report.study_report import write_report

# Tables of the warehouse that nothing else waits for; the rest stands before the marts.
WRITTEN_LAST = (
    CORRECTED_RATES,
    STRATUM_RATES,
    REGISTERED_TESTS,
    MODEL_COMPARISON,
    TRAFFIC_SHIFT,
    VARIANT_CALIBRATION,
    ERROR_DECOMPOSITION,
)


def report_assets() -> list[dg.AssetsDefinition]:
    """warehouse and study_report."""

    # The job `report` also runs before there is an outcome to build marts from: then there is no warehouse yet.
    @dg.asset(
        deps=[*MARTS, *EXAMINATION_TABLES, *(table.name for table in WRITTEN_LAST)],
        group_name="report",
        description="One DuckDB file for people: the marts and the tables of numbers behind them, no text. Written from the first "
        "outcome on.",
        kinds={"duckdb"},
        required_resource_keys={"study"},
        output_required=False,
    )
    def warehouse(context: dg.AssetExecutionContext):
        study = context.resources.study.study
        if not marts_are_built(study.lake):
            context.log.info("no warehouse yet: the marts are built with the first outcome")
            return
        path = study.config.path(WAREHOUSE)
        rows = write_warehouse(study.lake, path, study.config.privacy.k_anonymity)
        yield dg.MaterializeResult(
            metadata={
                "file": dg.MetadataValue.path(str(path.resolve())),
                "dagster/row_count": sum(rows.values()),
                "tables": dg.MetadataValue.json(rows),
            }
        )

    @dg.asset(
        deps=[
            *MARTS,
            *EXAMINATION_TABLES,
            GRADER_VALIDATION.name,
            *(table.name for table in WRITTEN_LAST if table is not STRATUM_RATES),
        ],
        group_name="report",
        description="The study report: one self-contained HTML page, and report.json beside it.",
        kinds={"html"},
        required_resource_keys={"study"},
    )
    def study_report(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        study = context.resources.study.study
        content = report_content(study)
        path = write_report(content, study.config.path(REPORT))
        return dg.MaterializeResult(
            metadata={
                "report": dg.MetadataValue.url(path.resolve().as_uri()),
                "candidates": content.calibration["model"].nunique() if len(content.calibration) else 0,
                "stack_hash": study.stack_hash,
            }
        )

    return [warehouse, study_report]

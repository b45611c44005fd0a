"""The asset `corrected_rates`: the study's rates corrected for grader error, where people labelled enough."""

import dagster as dg

from depsim_dagster.asset_metadata import markdown, partition_metadata, table_metadata
from depsim_dagster.errors import text_free
from depsim_dagster.estimation.grader_error.schema import CORRECTED_RATES
from depsim_dagster.grading.review.schema import GRADER_VALIDATION
from depsim_dagster.grading.schema import GRADED_LABELS, PRODUCTION_LABELS
from depsim_dagster.registry.corrected_rows import corrected_rows

SHOWN = [
    "model", "source", "category", "k", "n", "rate_per_100k", "corrected_per_100k", "corrected_lower_per_100k",
    "corrected_upper_per_100k", "method",
]  # fmt: skip


def grader_error_assets() -> list[dg.AssetsDefinition]:
    """corrected_rates. It comes after grader_validation, which takes the files of labels into the store."""

    @dg.asset(
        name=CORRECTED_RATES.name,
        deps=[GRADED_LABELS.name, PRODUCTION_LABELS.name, GRADER_VALIDATION.name],
        group_name="estimation",
        description=CORRECTED_RATES.description,
        kinds={"python", "parquet"},
        metadata=table_metadata(CORRECTED_RATES),
        required_resource_keys={"study"},
    )
    def corrected_rates(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        study = context.resources.study.study
        with text_free(CORRECTED_RATES.name):
            rows = corrected_rows(study)
            manifest = study.lake.write(CORRECTED_RATES, {}, rows)
        metadata = partition_metadata(manifest, study.config.sandbox)
        frame = rows.to_pandas()
        carried = frame[frame["method"] != "refused"]
        metadata |= {"corrected": len(carried), "refused": len(frame) - len(carried)}
        if len(carried):
            metadata["rates"] = markdown(carried[SHOWN].round(2))
        reasons = frame[frame["method"] == "refused"]["reason"].value_counts()
        metadata["refusals"] = markdown(list(reasons.items())[:20], ["reason", "rates"])
        return dg.MaterializeResult(metadata=metadata)

    return [corrected_rates]

"""The asset grader_validation: it takes in the files of grading.human_labels and compares graders with people."""

from collections import Counter

import dagster as dg

from depsim_dagster.asset_metadata import markdown, partition_metadata, table_metadata
from depsim_dagster.awareness.labels.schema import AWARENESS_LABELS
from depsim_dagster.errors import text_free
from depsim_dagster.grading.review.human_labels import import_configured
from depsim_dagster.grading.review.schema import GRADER_VALIDATION
from depsim_dagster.grading.review.validation import validation_rows
from depsim_dagster.grading.schema import GRADED_LABELS, PRODUCTION_LABELS

SHOWN = [
    "grader",
    "category",
    "prefix_source",
    "n",
    "prevalence",
    "sensitivity",
    "specificity",
    "precision",
    "kappa",
]
NO_LABELS = "no human label is in the store: set grading.human_labels, or depsim review export and import"


def validation_assets() -> list[dg.AssetsDefinition]:
    """grader_validation. It makes no call and reads no text; without human labels it is an empty table."""

    @dg.asset(
        name=GRADER_VALIDATION.name,
        deps=[GRADED_LABELS.name, PRODUCTION_LABELS.name, AWARENESS_LABELS.name],
        group_name="grading",
        description=GRADER_VALIDATION.description,
        kinds={"python", "parquet"},
        metadata=table_metadata(GRADER_VALIDATION),
        required_resource_keys={"study"},
        check_specs=[
            dg.AssetCheckSpec(
                "human_labels_taken",
                asset=GRADER_VALIDATION.name,
                description="No row of the files in grading.human_labels was rejected.",
            )
        ],
    )
    def grader_validation(context: dg.AssetExecutionContext):
        study = context.resources.study.study
        imports = import_configured(study)
        with text_free(GRADER_VALIDATION.name):
            manifest = study.lake.write(GRADER_VALIDATION, {}, validation_rows(study))
            rows = study.lake.read(GRADER_VALIDATION, {}).to_pandas()
        metadata = partition_metadata(manifest, study.config.sandbox) | {"stack_hash": study.stack_hash}
        metadata |= {"validation": markdown(rows[SHOWN].round(3))} if len(rows) else {"reason": NO_LABELS}
        if imports:
            metadata["imports"] = markdown(
                [
                    (file.name, taken.labels, taken.unlabelled, len(taken.rejected))
                    for file, taken in imports.items()
                ],
                ["file", "labels", "not filled in", "rejected"],
            )
        yield dg.MaterializeResult(metadata=metadata)
        reasons = sum((taken.reasons() for taken in imports.values()), Counter())
        yield dg.AssetCheckResult(
            check_name="human_labels_taken",
            asset_key=GRADER_VALIDATION.name,
            passed=not reasons,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"rejected": markdown(reasons.most_common(), ["reason", "rows"])},
        )

    return [grader_validation]

"""The asset `awareness_labels`: evaluation awareness of a week's turns, as one simulated model and the monitor see them."""

from collections.abc import Iterator

import dagster as dg
import pandas as pd
import pyarrow as pa

from depsim_dagster.asset_metadata import markdown, partition_metadata, table_metadata
from depsim_dagster.awareness.labels.labelling import label_awareness
from depsim_dagster.awareness.labels.schema import AWARENESS_LABELS
from depsim_dagster.errors import text_free
from depsim_dagster.grading.published_labels import (
    MISSING_SHARE,
    call_metadata,
    counted_labels,
    version_check,
    version_result,
)
from depsim_dagster.lake import Lake, partition_label
from depsim_dagster.partitions import StudyPartitions, week_and_model
from depsim_dagster.privacy.gates.gate import require_consent
from depsim_dagster.progress import call_progress
from depsim_dagster.replay.schema import REGENERATED_COMPLETIONS
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES

_COUNTED = ["source", "measure", "judge", "status", "flagged"]
_SHOWN = ["flagged", "graded", "missing", "not_applicable", "screened_out"]


def awareness_label_assets(partitions: StudyPartitions) -> list[dg.AssetsDefinition]:
    """awareness_labels, with checks on missing labels and on the judges' versions."""
    table = AWARENESS_LABELS

    @dg.asset(
        name=table.name,
        # Not of a forecast: no category of the taxonomy is looked at, so that no outcome is opened.
        deps=[REGENERATED_COMPLETIONS.name, DEIDENTIFIED_PREFIXES.name],
        group_name="awareness",
        partitions_def=partitions.week_by_model,
        description=table.description,
        kinds={"python", "openai", "parquet"},
        metadata=table_metadata(table),
        required_resource_keys={"study"},
        check_specs=[
            dg.AssetCheckSpec(
                "missing_labels",
                asset=table.name,
                description=f"At most {MISSING_SHARE:.0%} of the labels that a judge was asked for are missing (no completion, "
                "or no readable answer).",
            ),
            version_check(table),
        ],
    )
    def awareness_labels(
        context: dg.AssetExecutionContext,
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        study, partition = context.resources.study.study, week_and_model(context)
        week, model = partition["week"], partition["model"]
        with text_free(partition_label(table.name, partition)):
            require_consent(study.config, study.lake, week)
            labelling = label_awareness(
                study, week, model, call_progress(f"examine {model} on {week}", context.log)
            )
            manifest = study.lake.write(table, partition, labelling.rows)
            counts = label_counts(study.lake, partition)
        metadata = partition_metadata(manifest, study.config.sandbox) | {
            "labels": markdown(counts),
            **call_metadata(labelling),
        }
        if study.config.awareness is None:
            metadata["skipped"] = "the study file has no section `awareness`"
        yield dg.MaterializeResult(metadata=metadata)
        yield version_result(table, labelling)
        asked, missing = int(counts[["graded", "missing"]].sum().sum()), int(counts["missing"].sum())
        share = missing / asked if asked else 0.0
        yield dg.AssetCheckResult(
            check_name="missing_labels",
            asset_key=table.name,
            passed=share <= MISSING_SHARE,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"missing_share": share, "labels_asked": asked},
        )

    return [awareness_labels]


def label_counts(lake: Lake, partition: dict[str, str]) -> pd.DataFrame:
    """Rows of a published partition by source, measure and judge: flagged, graded, missing, and neither."""
    parts = [
        AWARENESS_LABELS.schema.empty_table().select(_COUNTED).append_column("rows", pa.array([], pa.int64()))
    ]
    for batch in lake.scan(AWARENESS_LABELS, partition, columns=_COUNTED):
        counted = pa.Table.from_batches([batch]).group_by(_COUNTED).aggregate([([], "count_all")])
        parts.append(counted.rename_columns([*_COUNTED, "rows"]))
    rows = pa.concat_tables(parts, promote_options="permissive").to_pandas()
    return counted_labels(rows, ["source", "measure", "judge"], _SHOWN)

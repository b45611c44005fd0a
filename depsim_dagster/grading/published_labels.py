"""Publishing labels: the partition with what Dagster shows of it, and the checks that stand between it and a rate."""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from depsim_dagster.asset_metadata import markdown, partition_metadata
from depsim_dagster.errors import text_free
from depsim_dagster.grading.labelling import Labelling
from depsim_dagster.grading.schema import LABELS
from depsim_dagster.lake import Lake, LakeTable, partition_label
from depsim_dagster.study import Study

# Above this share of missing labels a rate says more about the grader's failures than about the model.
MISSING_SHARE = 0.02
MISSING = ["unscored", "missing_completion"]
LABEL_COUNTS = ["prefix_source", "category", "stack_hash", "status", "flagged"]
COUNTS = ["graded", "missing", "unscored", "screened_out"]
COUNTED_ROWS = 65_536
CALL_COUNTS = ["sent", "reused", "prompt_tokens", "completion_tokens"]


def label_checks(table: LakeTable) -> list[dg.AssetCheckSpec]:
    """The checks that `published_labels` evaluates."""
    return [
        dg.AssetCheckSpec(
            "missing_labels",
            asset=table.name,
            description=f"At most {MISSING_SHARE:.0%} of the labels that were asked for are missing (no completion, or no "
            "readable verdict). What a cascade did not draw is not missing.",
        ),
        dg.AssetCheckSpec(
            "one_measurement_stack",
            asset=table.name,
            blocking=True,
            description="All labels were made under the study's measurement stack: labels of different stacks are not mixed "
            "in a rate.",
        ),
        version_check(table),
    ]


def version_check(table: LakeTable) -> dg.AssetCheckSpec:
    """The check that `version_result` evaluates."""
    return dg.AssetCheckSpec(
        "one_grader_version",
        asset=table.name,
        description="Every grader's model answered under one name: a provider may move an alias to another version, which "
        "the measurement stack cannot know before.",
    )


def version_result(table: LakeTable, labelling: Labelling) -> dg.AssetCheckResult:
    """Whether each grader's model answered under one name."""
    return dg.AssetCheckResult(
        check_name="one_grader_version",
        asset_key=table.name,
        passed=all(len(models) <= 1 for models in labelling.served.values()),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "served": markdown(
                [(name, ", ".join(sorted(models))) for name, models in sorted(labelling.served.items())],
                ["grader", "answered as"],
            )
        },
    )


def call_metadata(labelling: Labelling) -> dict[str, Any]:
    """What the calls of a labelling came to, by grader and attempt, and in all."""
    calls = pd.DataFrame(
        [
            (
                name,
                *(getattr(made, count) for count in CALL_COUNTS),
                ", ".join(f"{number:,} {status}" for status, number in made.by_status.items()),
            )
            for name, made in labelling.statistics.items()
        ],
        columns=["grader/attempt", *CALL_COUNTS, "ended as"],
    )
    return {
        "calls": markdown(calls),
        **{name if "tokens" in name else f"calls_{name}": int(calls[name].sum()) for name in CALL_COUNTS},
        "seconds": round(sum(made.seconds for made in labelling.statistics.values()), 1),
    }


def published_labels(
    study: Study, table: LakeTable, partition: dict[str, str], labelling: Labelling
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """Publish the labels, and say what was published: what is counted is read back."""
    with text_free(partition_label(table.name, partition)):
        manifest = study.lake.write(table, partition, labelling.rows)
        rows = _row_counts(study.lake, table, partition)
    counts = counted_labels(rows, ["prefix_source", "category"], ["flagged", *COUNTS])
    stacks = rows.groupby("stack_hash", as_index=False)["rows"].sum()
    yield dg.MaterializeResult(
        metadata=partition_metadata(manifest, study.config.sandbox)
        | {
            "labels": markdown(counts),
            "stack_hash": study.stack_hash,
            "unusable_topics": labelling.unusable_topics,
            **{name: int(counts[name].sum()) for name in COUNTS},
            **call_metadata(labelling),
        }
    )
    yield dg.AssetCheckResult(
        check_name="one_measurement_stack",
        asset_key=table.name,
        passed=set(stacks["stack_hash"]) <= {study.stack_hash},
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"study_stack": study.stack_hash, "stacks": markdown(stacks)},
    )
    yield version_result(table, labelling)
    asked = int(counts[["graded", "missing", "screened_out"]].sum().sum())
    share = _missing_share(rows)
    yield dg.AssetCheckResult(
        check_name="missing_labels",
        asset_key=table.name,
        passed=share <= MISSING_SHARE,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"missing_share": share, "labels_asked": asked},
    )


def _missing_share(rows: pd.DataFrame) -> float:
    """Of all labels that were asked for. Completions are missing whether or not a cascade draws them; what the grader would
    not have scored among those that were not drawn is taken from those that were, each with its weight."""
    number, weight = (rows.groupby("status")[name].sum() for name in ("rows", "weight"))
    completed = number.get("graded", 0) + number.get("unscored", 0) + number.get("screened_out", 0)
    missing = number.get("missing_completion", 0)
    read = weight.get("graded", 0.0) + weight.get("unscored", 0.0)
    unscored = weight.get("unscored", 0.0) / read * completed if read else 0.0
    return float((missing + unscored) / (missing + completed)) if missing + completed else 0.0


def _row_counts(lake: Lake, table: LakeTable, partition: dict[str, str]) -> pd.DataFrame:
    """Rows by LABEL_COUNTS of what was published, and as their weight the turns that they stand for, read in bounded
    memory."""
    named = [*LABEL_COUNTS, "rows", "weight"]
    counts = [pa.field("rows", pa.int64()), pa.field("weight", pa.float64())]
    parts = [pa.schema([*map(LABELS.field, LABEL_COUNTS), *counts]).empty_table()]
    for batch in lake.scan(
        table, partition, columns=[*LABEL_COUNTS, "grading_probability"], rows=COUNTED_ROWS
    ):
        weight = pc.divide(1.0, batch.column("grading_probability"))
        labels = pa.Table.from_batches([batch.append_column("weight", weight)])
        counted = labels.group_by(LABEL_COUNTS).aggregate([([], "count_all"), ("weight", "sum")])
        parts.append(counted.rename_columns(named))
    return (
        pa.concat_tables(parts, promote_options="permissive")
        .group_by(LABEL_COUNTS)
        .aggregate([("rows", "sum"), ("weight", "sum")])
        .rename_columns(named)
        .to_pandas()
    )


def counted_labels(rows: pd.DataFrame, by: Sequence[str], shown: Sequence[str]) -> pd.DataFrame:
    """Labels by the columns `by`: `shown` of flagged, graded, missing (unscored rows and missing completions), unscored,
    screened_out and not_applicable. `rows` has the number of labels (`rows`) by these columns, `flagged` and `status`."""
    status, number = rows["status"], rows["rows"]
    counts = {name: number.where(status == name, 0) for name in shown if name not in ("flagged", "missing")}
    counts |= {
        "flagged": number.where(rows["flagged"].eq(True), 0),
        "missing": number.where(status.isin(MISSING), 0),
    }
    return rows.assign(**counts).groupby(list(by), sort=True)[list(shown)].sum().reset_index()

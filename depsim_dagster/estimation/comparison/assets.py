"""The asset `model_comparison`: a candidate's labels beside its predecessor's on the same prefixes."""

import dagster as dg
import pyarrow as pa
import pyarrow.compute

from depsim_dagster.asset_metadata import markdown, partition_metadata, table_metadata
from depsim_dagster.estimation.comparison.same_prefixes import PAIR_COLUMNS, compare_on_same_prefixes
from depsim_dagster.estimation.comparison.schema import MODEL_COMPARISON
from depsim_dagster.grading.labelling import one_stack
from depsim_dagster.grading.schema import GRADED_LABELS
from depsim_dagster.partitions import StudyPartitions
from depsim_dagster.study import Study
from depsim_dagster.traffic.prefix_sources import DEPLOYMENT_TRAFFIC

_READ = ["deployment", "prefix_source", "stack_hash", *PAIR_COLUMNS]


def comparison_assets(partitions: StudyPartitions) -> list[dg.AssetsDefinition]:
    """model_comparison, partitioned by candidate."""

    @dg.asset(
        name=MODEL_COMPARISON.name,
        deps=[dg.AssetDep(GRADED_LABELS.name, partition_mapping=dg.AllPartitionMapping())],
        group_name="estimation",
        partitions_def=partitions.candidates,
        description=MODEL_COMPARISON.description,
        kinds={"python", "parquet"},
        metadata=table_metadata(MODEL_COMPARISON),
        required_resource_keys={"study"},
    )
    def model_comparison(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        study, model = context.resources.study.study, context.partition_key
        rows = comparison_rows(study, model)
        manifest = study.lake.write(MODEL_COMPARISON, {"model": model}, rows)
        frame = rows.to_pandas()
        shown = frame.sort_values("p_value")[
            [
                "category",
                "candidate_per_100k",
                "predecessor_per_100k",
                "ratio",
                "p_benjamini_hochberg",
                "rose",
            ]
        ].round(3)
        metadata = partition_metadata(manifest, study.config.sandbox) | {
            "ratios": markdown(shown),
            "rose": int(frame["rose"].sum()),
        }
        if not rows.num_rows:
            metadata["skipped"] = f"no week has labels of both {model} and the model that it replaces"
        return dg.MaterializeResult(metadata=metadata)

    return [model_comparison]


def comparison_rows(study: Study, model: str) -> pa.Table:
    """`model` beside its predecessor over the weeks of its forecast window that both were graded on: MODEL_COMPARISON,
    empty where there is no such week.

    Raises:
        GradingError: the labels were not all made under one measurement stack.
    """
    config = study.config
    predecessor = config.deployment(model).predecessor
    weeks = [str(week) for week in config.forecast_weeks(model)]
    both = [
        week
        for week in weeks
        if all(
            study.lake.manifest(GRADED_LABELS, {"week": week, "model": side}) is not None
            for side in (model, predecessor)
        )
    ]
    sides = [_labels(study, side, both, str(predecessor)) for side in (model, predecessor)]
    if not all(side.num_rows for side in sides):
        return MODEL_COMPARISON.schema.empty_table()
    stack = one_stack(pa.concat_tables(sides), f"comparison of {model} and {predecessor}")
    found = compare_on_same_prefixes(*(side.to_pandas() for side in sides), level=config.estimation.level)
    found = found.assign(
        model=model,
        deployment=predecessor,
        category_group=found["category"].map(study.taxonomy.groups()),
        stack_hash=stack,
        sandbox=config.sandbox,
    )
    return pa.Table.from_pandas(found, schema=MODEL_COMPARISON.schema, preserve_index=False)


def _labels(study: Study, model: str | None, weeks: list[str], deployment: str) -> pa.Table:
    read = [GRADED_LABELS.schema.empty_table().select(_READ)]
    for week in weeks:
        labels = study.lake.read(GRADED_LABELS, {"week": week, "model": str(model)}, columns=_READ)
        wanted = pa.compute.and_(
            pa.compute.equal(labels.column("deployment"), deployment),
            pa.compute.equal(labels.column("prefix_source"), DEPLOYMENT_TRAFFIC),
        )
        read.append(labels.filter(wanted))
    return pa.concat_tables(read)

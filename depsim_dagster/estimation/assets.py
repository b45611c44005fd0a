"""Assets of the estimation station. The estimators themselves know nothing of Dagster or of the lake."""

import dagster as dg
import pyarrow as pa

from depsim_dagster.asset_metadata import partition_metadata, rates_markdown, table_metadata
from depsim_dagster.estimation.rates import READ_COLUMNS, estimate_rates
from depsim_dagster.estimation.schema import OBSERVED_RATES, RATE_ESTIMATES, RATES, STRATUM_RATES
from depsim_dagster.grading.labelling import one_stack
from depsim_dagster.grading.schema import GRADED_LABELS, PRODUCTION_LABELS
from depsim_dagster.lake import LakeTable, partition_label
from depsim_dagster.partitions import StudyPartitions, week_and_model
from depsim_dagster.registry.stratum_rows import stratum_rows
from depsim_dagster.study import Study


def estimation_assets(partitions: StudyPartitions) -> list[dg.AssetsDefinition]:
    """rate_estimates, observed_rates and stratum_rates."""

    def rates_asset(
        table: LakeTable, labels: LakeTable, partitions_def: dg.PartitionsDefinition, partition_of
    ):
        @dg.asset(
            name=table.name,
            deps=[labels.name],
            group_name="estimation",
            partitions_def=partitions_def,
            description=table.description,
            kinds={"python", "parquet"},
            metadata=table_metadata(table),
            required_resource_keys={"study"},
        )
        def rates(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
            return _estimated(context.resources.study.study, table, labels, partition_of(context))

        return rates

    @dg.asset(
        name=STRATUM_RATES.name,
        deps=[GRADED_LABELS.name, PRODUCTION_LABELS.name],
        group_name="estimation",
        description=STRATUM_RATES.description,
        kinds={"python", "parquet"},
        metadata=table_metadata(STRATUM_RATES),
        required_resource_keys={"study"},
    )
    def stratum_rates(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        study = context.resources.study.study
        rows = stratum_rows(study)
        manifest = study.lake.write(STRATUM_RATES, {}, rows)
        strata = rows.select(["dimension", "value", "clusters"]).to_pandas()
        users = strata.groupby(["dimension", "value"])["clusters"].max()
        small = int((users < study.config.privacy.k_anonymity).sum())
        return dg.MaterializeResult(
            metadata=partition_metadata(manifest, study.config.sandbox)
            | {"strata": len(users), "strata_of_few_users": small}
        )

    return [
        rates_asset(RATE_ESTIMATES, GRADED_LABELS, partitions.week_by_model, week_and_model),
        rates_asset(
            OBSERVED_RATES,
            PRODUCTION_LABELS,
            partitions.weeks,
            lambda context: {"week": context.partition_key},
        ),
        stratum_rates,
    ]


def _estimated(
    study: Study, table: LakeTable, labels_table: LakeTable, partition: dict[str, str]
) -> dg.MaterializeResult:
    keys = ["week", "model", "deployment", "prefix_source", "source", "category"]
    labels = study.lake.read(labels_table, partition, columns=[*keys, *READ_COLUMNS, "stack_hash"])
    stack = one_stack(labels, partition_label(labels_table.name, partition))
    if labels.num_rows:
        rates = estimate_rates(labels.to_pandas(), by=keys, level=study.config.estimation.level)
        rates = rates.assign(
            category_group=rates["category"].map(study.taxonomy.groups()),
            stack_hash=stack,
            sandbox=study.config.sandbox,
        )
        rows = pa.Table.from_pandas(rates, schema=RATES, preserve_index=False)
    else:
        rows = RATES.empty_table()
    manifest = study.lake.write(table, partition, rows)
    metadata = partition_metadata(manifest, study.config.sandbox) | {
        "rates": rates_markdown(rows.to_pandas()),
        "level": study.config.estimation.level,
    }
    if labels.num_rows:
        metadata["stack_hash"] = stack
    else:
        metadata["skipped"] = (
            f"{partition_label(labels_table.name, partition)} has no rows: its traffic is of other deployments"
        )
    return dg.MaterializeResult(metadata=metadata)

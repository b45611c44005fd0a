"""Assets of the traffic station."""

import datetime as dt
from collections.abc import Iterator

import dagster as dg

from depsim_dagster.asset_metadata import markdown, partition_metadata, table_metadata
from depsim_dagster.errors import text_free
from depsim_dagster.partitions import StudyPartitions
from depsim_dagster.traffic.rejected import rejected_by_reason
from depsim_dagster.traffic.sampling import sample_week
from depsim_dagster.traffic.schema import SAMPLED_TRAFFIC, SAMPLING_FUNNEL


def traffic_assets(partitions: StudyPartitions) -> list[dg.AssetsDefinition]:
    """sampled_traffic and its funnel."""

    @dg.multi_asset(
        name="sample_traffic",
        specs=[
            dg.AssetSpec(
                table.name,
                description=table.description,
                kinds={"duckdb", "parquet"},
                metadata=table_metadata(table),
                skippable=True,
            )
            for table in (SAMPLED_TRAFFIC, SAMPLING_FUNNEL)
        ],
        group_name="traffic",
        can_subset=True,  # a backfill may ask for one of them; both are written, because they are one draw
        partitions_def=partitions.weeks,
        required_resource_keys={"study"},
    )
    def sample_traffic(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
        study, week = context.resources.study.study, context.partition_key
        with text_free(f"sampled_traffic[week={week}]"):
            sample = sample_week(study.config, study.lake, dt.date.fromisoformat(week))
            sampled = study.lake.write(SAMPLED_TRAFFIC, {"week": week}, sample.rows)
            funnel = study.lake.write(SAMPLING_FUNNEL, {"week": week}, sample.funnel)
            rejected = rejected_by_reason(study.config, study.lake)
        steps = markdown(sample.funnel.select(["prefix_source", "rule", "turns", "users"]).to_pandas())
        published = {
            SAMPLED_TRAFFIC.name: partition_metadata(sampled, study.config.sandbox)
            | {
                "eligible_turns": sample.eligible,
                "rejected_records": markdown(rejected, ["prefix_source", "reason", "field", "records"]),
                "unreadable_consent": markdown(sample.unreadable_consent.items(), ["problem", "rows"]),
            },
            SAMPLING_FUNNEL.name: partition_metadata(funnel, study.config.sandbox),
        }
        for name, metadata in published.items():
            if dg.AssetKey(name) in context.selected_asset_keys:
                yield dg.MaterializeResult(asset_key=name, metadata=metadata | {"funnel": steps})

    return [sample_traffic]

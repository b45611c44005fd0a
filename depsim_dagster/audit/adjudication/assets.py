"""The asset `behaviour_decisions`: what people decided of the audit's findings, for the marts."""

import dagster as dg

from depsim_dagster.asset_metadata import partition_metadata, table_metadata
from depsim_dagster.audit.adjudication.decisions import publish_decisions
from depsim_dagster.audit.adjudication.schema import BEHAVIOUR_DECISIONS
from depsim_dagster.audit.clusters.schema import NOVEL_BEHAVIOURS, POST_RELEASE_BEHAVIOURS
from depsim_dagster.audit.mining.schema import BEHAVIOUR_DIFFERENCES
from depsim_dagster.lake import LakeTable


def adjudication_assets() -> list[dg.AssetsDefinition]:
    """behaviour_decisions, of the whole study."""
    table: LakeTable = BEHAVIOUR_DECISIONS

    @dg.asset(
        name=table.name,
        deps=[NOVEL_BEHAVIOURS.name, BEHAVIOUR_DIFFERENCES.name, POST_RELEASE_BEHAVIOURS.name],
        group_name="audit",
        description=table.description,
        kinds={"python", "parquet"},
        metadata=table_metadata(table),
        required_resource_keys={"study"},
    )
    def behaviour_decisions(context: dg.AssetExecutionContext):
        study = context.resources.study.study
        manifest = publish_decisions(study.config, study.lake)
        return dg.MaterializeResult(metadata=partition_metadata(manifest, study.config.sandbox))

    return [behaviour_decisions]

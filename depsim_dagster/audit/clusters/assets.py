"""Assets of the clusters room: behaviours that rose before a release, and those of the production after it."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from depsim_dagster.asset_metadata import markdown, partition_metadata, table_metadata
from depsim_dagster.audit.clusters.novel import novel_behaviours as behaviours_of
from depsim_dagster.audit.clusters.post_release import post_release_behaviours as released_behaviours_of
from depsim_dagster.audit.clusters.schema import (
    NOVEL_BEHAVIOUR_MEMBERS,
    NOVEL_BEHAVIOURS,
    POST_RELEASE_BEHAVIOURS,
)
from depsim_dagster.audit.schema import AUDIT_FINDINGS, CATEGORY_ABLATION, PRODUCTION_FINDINGS
from depsim_dagster.errors import text_free
from depsim_dagster.lake import LakeTable
from depsim_dagster.partitions import StudyPartitions
from depsim_dagster.progress import call_progress

_SHOWN = ["behaviour", "terms", "findings", "users", "n"]


def cluster_assets(partitions: StudyPartitions) -> list[dg.AssetsDefinition]:
    """novel_behaviours with its members, and post_release_behaviours, partitioned by candidate."""

    @dg.multi_asset(
        name="group_findings",
        specs=[
            dg.AssetSpec(
                table.name,
                deps=[
                    dg.AssetDep(AUDIT_FINDINGS.name, partition_mapping=dg.AllPartitionMapping()),
                    CATEGORY_ABLATION.name,
                ],
                skippable=True,
                **_definition(table),
            )
            for table in (NOVEL_BEHAVIOURS, NOVEL_BEHAVIOUR_MEMBERS)
        ],
        group_name="audit",
        can_subset=True,  # a backfill may ask for one of them; both are written, because their ids agree
        partitions_def=partitions.candidates,
        required_resource_keys={"study"},
    )
    def group_findings(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
        study, model = context.resources.study.study, context.partition_key
        with text_free(f"novel_behaviours[model={model}]"):
            made = behaviours_of(study, model, call_progress(f"embed findings of {model}", context.log))
            members = study.lake.write(NOVEL_BEHAVIOUR_MEMBERS, {"model": model}, made.members)
            manifest = study.lake.write(NOVEL_BEHAVIOURS, {"model": model}, made.behaviours)
        frame = made.behaviours.to_pandas()
        shown = frame[frame["behaviour"].notna()]
        published: dict[str, dict[str, Any]] = {
            NOVEL_BEHAVIOURS.name: partition_metadata(manifest, study.config.sandbox)
            | {
                "behaviours": markdown(
                    shown[[*_SHOWN, "predecessor_findings", "ratio", "p_adjusted", "novel"]].round(4)
                ),
                "novel": int(shown["novel"].sum()),
            },
            NOVEL_BEHAVIOUR_MEMBERS.name: partition_metadata(members, study.config.sandbox),
        }
        if len(frame):
            told = ("audited", "left_out_clusters", "left_out_findings")
            published[NOVEL_BEHAVIOURS.name] |= {name: int(frame[name].iloc[0]) for name in told}
            detectable = frame[
                "detectable_per_100k"
            ].dropna()  # without one, the audit read too little to say
            if len(detectable):
                published[NOVEL_BEHAVIOURS.name]["detectable_per_100k"] = float(detectable.iloc[0])
        if made.statistics:
            published[NOVEL_BEHAVIOURS.name]["embedding_calls"] = sum(one.sent for one in made.statistics)
        for name, metadata in published.items():
            if made.skipped is not None:
                metadata["skipped"] = made.skipped
            if dg.AssetKey(name) in context.selected_asset_keys:
                yield dg.MaterializeResult(asset_key=name, metadata=metadata)

    @dg.asset(
        name=POST_RELEASE_BEHAVIOURS.name,
        deps=[
            dg.AssetDep(PRODUCTION_FINDINGS.name, partition_mapping=dg.AllPartitionMapping()),
            dg.AssetDep(AUDIT_FINDINGS.name, partition_mapping=dg.AllPartitionMapping()),
            NOVEL_BEHAVIOURS.name,
            NOVEL_BEHAVIOUR_MEMBERS.name,
        ],
        group_name="audit",
        partitions_def=partitions.candidates,
        required_resource_keys={"study"},
        **_definition(POST_RELEASE_BEHAVIOURS),
    )
    def post_release_behaviours(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        study, model = context.resources.study.study, context.partition_key
        with text_free(f"post_release_behaviours[model={model}]"):
            progress = call_progress(f"embed findings in production of {model}", context.log)
            rows, skipped = released_behaviours_of(study, model, progress)
            manifest = study.lake.write(POST_RELEASE_BEHAVIOURS, {"model": model}, rows)
        frame = rows.to_pandas()
        shown = frame[frame["behaviour"].notna()]
        metadata = partition_metadata(manifest, study.config.sandbox) | {
            "behaviours": markdown(shown[[*_SHOWN, "previous_findings", "found_before", "novel", "missed"]]),
            "missed": int(shown["missed"].sum()),
        }
        if skipped is not None:
            metadata["skipped"] = skipped
        return dg.MaterializeResult(metadata=metadata)

    return [group_findings, post_release_behaviours]


def _definition(table: LakeTable) -> dict[str, Any]:
    return {
        "description": table.description,
        "kinds": {"python", "parquet"},
        "metadata": table_metadata(table),
    }

"""The assets `behaviour_differences` and `mined_phrases`: one pass of mining publishes both."""

from collections.abc import Iterator

import dagster as dg
import pyarrow as pa

from depsim_dagster.asset_metadata import markdown, partition_metadata, table_metadata
from depsim_dagster.audit.mining.published import mined_partition
from depsim_dagster.audit.mining.schema import BEHAVIOUR_DIFFERENCES, MINED_PHRASES
from depsim_dagster.errors import text_free
from depsim_dagster.grading.schema import GRADED_LABELS
from depsim_dagster.partitions import StudyPartitions
from depsim_dagster.replay.schema import REGENERATED_COMPLETIONS
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES

_SHOWN = ["rank", "kind", "segment", "description", "candidate_share", "predecessor_share", "p_adjusted"]
_MOST_SHOWN = 20


def mining_assets(partitions: StudyPartitions) -> list[dg.AssetsDefinition]:
    """behaviour_differences and mined_phrases, partitioned by candidate."""
    read = (REGENERATED_COMPLETIONS, DEIDENTIFIED_PREFIXES, GRADED_LABELS)

    @dg.multi_asset(
        name="mine_differences",
        specs=[
            dg.AssetSpec(
                table.name,
                deps=[
                    dg.AssetDep(source.name, partition_mapping=dg.AllPartitionMapping()) for source in read
                ],
                description=table.description,
                kinds={"python", "parquet"},
                metadata=table_metadata(table),
                skippable=True,
            )
            for table in (BEHAVIOUR_DIFFERENCES, MINED_PHRASES)
        ],
        group_name="audit",
        can_subset=True,  # a backfill may ask for one of them; both are written, because their ids are one pass's
        partitions_def=partitions.candidates,
        required_resource_keys={"study"},
    )
    def mine_differences(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
        study, model = context.resources.study.study, context.partition_key
        with text_free(f"{BEHAVIOUR_DIFFERENCES.name}[model={model}]"):
            mined = mined_partition(study, model)
            # The phrases first: a difference that is published has its phrase.
            phrases = study.lake.write(MINED_PHRASES, {"model": model}, mined.phrases)
            differences = study.lake.write(BEHAVIOUR_DIFFERENCES, {"model": model}, mined.differences)
        metadata = {
            MINED_PHRASES.name: partition_metadata(phrases, study.config.sandbox),
            BEHAVIOUR_DIFFERENCES.name: partition_metadata(differences, study.config.sandbox)
            | mined.counts
            | {"strongest": markdown(_strongest(mined.differences))},
        }
        for name, published in metadata.items():
            if dg.AssetKey(name) in context.selected_asset_keys:
                skipped = {"skipped": mined.skipped} if mined.skipped else {}
                yield dg.MaterializeResult(asset_key=name, metadata=published | skipped)

    return [mine_differences]


def _strongest(differences: pa.Table):
    return differences.slice(0, _MOST_SHOWN).select(_SHOWN).to_pandas().round(4)

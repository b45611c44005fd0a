"""Assets of the replay station."""

from collections import Counter

import dagster as dg

from depsim_dagster.asset_metadata import markdown, partition_metadata, table_metadata
from depsim_dagster.errors import text_free
from depsim_dagster.partitions import StudyPartitions, week_and_model
from depsim_dagster.privacy.gates.gate import require_consent
from depsim_dagster.progress import call_progress
from depsim_dagster.replay.regenerate import PREFIX_COLUMNS, regenerate
from depsim_dagster.replay.schema import REGENERATED_COMPLETIONS
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES


def replay_assets(partitions: StudyPartitions) -> list[dg.AssetsDefinition]:
    """regenerated_completions."""
    table = REGENERATED_COMPLETIONS

    @dg.asset(
        name=table.name,
        deps=[DEIDENTIFIED_PREFIXES.name],
        group_name="replay",
        partitions_def=partitions.week_by_model,
        description=table.description,
        kinds={"python", "openai", "parquet"},
        metadata=table_metadata(table),
        required_resource_keys={"study"},
    )
    def regenerated_completions(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        study, partition = context.resources.study.study, week_and_model(context)
        week, model = partition["week"], partition["model"]
        deployment = study.config.deployment(model)
        with text_free(f"regenerated_completions[week={week}, model={model}]"):
            require_consent(study.config, study.lake, week)
            prefixes = study.lake.scan(DEIDENTIFIED_PREFIXES, {"week": week}, columns=PREFIX_COLUMNS)
            replayed = regenerate(
                study.config,
                week,
                model,
                prefixes,
                study.endpoint(deployment.endpoint),
                study.journal(deployment.endpoint, deployment.served_model),
                call_progress(f"replay {model} on {week}", context.log),
                study.spending(deployment.endpoint, deployment.served_model),
            )
            manifest = study.lake.write(table, partition, replayed.rows)
            statuses = Counter(
                study.lake.read(table, partition, columns=["status"]).column("status").to_pylist()
            )
        calls = replayed.statistics
        metadata = partition_metadata(manifest, study.config.sandbox) | {
            "statuses": markdown(sorted(statuses.items()), ["status", "completions"]),
            "calls_sent": calls.sent,
            "calls_reused": calls.reused,
            "retries": calls.retries,
            "prompt_tokens": calls.prompt_tokens,
            "completion_tokens": calls.completion_tokens,
            "seconds": round(calls.seconds, 1),
        }
        if not manifest.rows:
            metadata["skipped"] = (
                f"the week has no sampled turn of {' or '.join(sorted(study.config.replayed_deployments(model)))}, "
                f"on whose traffic {model} is simulated"
            )
        return dg.MaterializeResult(metadata=metadata)

    return [regenerated_completions]

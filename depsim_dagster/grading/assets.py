"""Assets of the grading station: labels of completions, and of production responses once forecasts are sealed."""

from typing import Any

import dagster as dg

from depsim_dagster.asset_metadata import table_metadata
from depsim_dagster.grading.labelling import label_turns
from depsim_dagster.grading.outcomes import open_outcomes
from depsim_dagster.grading.published_labels import label_checks, published_labels
from depsim_dagster.grading.schema import GRADED_LABELS, PRODUCTION_LABELS
from depsim_dagster.grading.turns import production_turns, simulated_turns
from depsim_dagster.lake import LakeTable
from depsim_dagster.partitions import StudyPartitions, week_and_model
from depsim_dagster.privacy.gates.gate import require_consent
from depsim_dagster.progress import call_progress
from depsim_dagster.registry.schema import REGISTERED_FORECASTS
from depsim_dagster.replay.schema import REGENERATED_COMPLETIONS
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES


def grading_assets(partitions: StudyPartitions) -> list[dg.AssetsDefinition]:
    """graded_labels and production_labels, each with a check on missing labels."""

    @dg.asset(
        name=GRADED_LABELS.name,
        deps=[REGENERATED_COMPLETIONS.name, DEIDENTIFIED_PREFIXES.name],
        partitions_def=partitions.week_by_model,
        **_definition(GRADED_LABELS),
    )
    def graded_labels(context: dg.AssetExecutionContext):
        study, partition = context.resources.study.study, week_and_model(context)
        week, model = partition["week"], partition["model"]
        require_consent(study.config, study.lake, week)
        labelling = label_turns(
            study,
            lambda: simulated_turns(study.lake, week, model),
            call_progress(f"grade {model} on {week}", context.log),
        )
        yield from published_labels(study, GRADED_LABELS, partition, labelling)

    @dg.asset(
        name=PRODUCTION_LABELS.name,
        # Every forecast comes first: an outcome is graded only after the forecast of it was sealed.
        deps=[
            DEIDENTIFIED_PREFIXES.name,
            dg.AssetDep(REGISTERED_FORECASTS.name, partition_mapping=dg.AllPartitionMapping()),
        ],
        partitions_def=partitions.weeks,
        **_definition(PRODUCTION_LABELS),
    )
    def production_labels(context: dg.AssetExecutionContext):
        study, week = context.resources.study.study, context.partition_key
        require_consent(study.config, study.lake, week)
        open_outcomes(study, week)  # before the first answer is graded: what is graded can be seen
        labelling = label_turns(
            study,
            lambda: production_turns(study.lake, week),
            call_progress(f"grade production of {week}", context.log),
        )
        yield from published_labels(study, PRODUCTION_LABELS, {"week": week}, labelling)

    return [graded_labels, production_labels]


def _definition(table: LakeTable) -> dict[str, Any]:
    return {
        "group_name": "grading",
        "description": table.description,
        "kinds": {"python", "openai", "parquet"},
        "metadata": table_metadata(table),
        "required_resource_keys": {"study"},
        "check_specs": label_checks(table),
    }

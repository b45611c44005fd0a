"""Jobs: one per kind of partition along the lineage, and `study`, which runs them all in the order of the method."""

from collections.abc import Callable
from typing import Any

import dagster as dg

from depsim_dagster.asset_metadata import markdown
from depsim_dagster.marts.dbt_build import MARTS
from depsim_dagster.study_run import run_study

AssetJob = Any  # what dg.define_asset_job returns has no public name

# Job → the assets that it materialises. Partitions: traffic and observation by week, simulation and examination by week ×
# model, audit, forecast and calibration by candidate, outcome for the whole study.
JOB_ASSETS = {
    "traffic": ["sampled_traffic", "sampling_funnel", "deidentified_prefixes"],
    "simulation": ["regenerated_completions", "graded_labels", "rate_estimates"],
    "examination": ["awareness_labels", "audit_findings"],
    "audit": [
        "awareness_rates",
        "replay_giveaways",
        "behaviour_differences",
        "mined_phrases",
        "category_ablation",
        "novel_behaviours",
        "novel_behaviour_members",
    ],
    "forecast": ["model_comparison", "traffic_shift", "registered_forecasts"],
    "observation": ["production_labels", "observed_rates", "production_findings"],
    "calibration": [
        "post_release_calibration",
        "baseline_calibration",
        "variant_calibration",
        "error_decomposition",
        "post_release_behaviours",
    ],
}
JOB_DESCRIPTIONS = {
    "traffic": "Sample a week of consented traffic and publish its de-identified prefixes through the gates.",
    "simulation": "Replay a week with a model, grade the completions and estimate rates.",
    "examination": "Judge a week's transcripts for evaluation awareness, and read its completions for behaviours that the taxonomy "
    "does not name.",
    "audit": "Estimate a candidate's evaluation awareness, and compare its behaviours with its predecessor's.",
    "forecast": "Seal a candidate's forecast before its outcome is graded.",
    "observation": "Grade a week's production responses by the same stack.",
    "calibration": "Score a candidate's sealed forecast, and the baselines, against the observed rates.",
    "outcome": "Summarise the scores, test the registered hypotheses, and build the marts.",
    "report": "Compare graders with people, correct the rates by their labels, and write warehouse file and report on what is "
    "published so far.",
}


def partition_jobs() -> list[AssetJob]:
    """The jobs along the lineage."""
    marts = dg.AssetSelection.assets(*MARTS).upstream() & dg.AssetSelection.groups("marts")
    outcome = (
        dg.AssetSelection.assets("calibration_summary", "registered_tests", "behaviour_decisions") | marts
    )
    selections = {name: dg.AssetSelection.assets(*assets) for name, assets in JOB_ASSETS.items()} | {
        "outcome": outcome,
        "report": dg.AssetSelection.assets(
            "behaviour_decisions",
            "grader_validation",
            "corrected_rates",
            "stratum_rates",
            "warehouse",
            "study_report",
        ),
    }
    return [
        dg.define_asset_job(
            name, selection=selection, description=JOB_DESCRIPTIONS[name], executor_def=dg.in_process_executor
        )
        for name, selection in selections.items()
    ]


def study_job(definitions: Callable[[], dg.Definitions]) -> dg.JobDefinition:
    """The whole retrospective study as one launchable job; every partition shows as a run of its own.

    `definitions` gives those that the job is part of: they hold the jobs of its steps.
    """

    @dg.op(
        required_resource_keys={"study"},
        description="Run every step of the study that is not done, in the order of the method.",
    )
    def run_study_steps(context: dg.OpExecutionContext) -> None:
        outcome = run_study(
            context.resources.study.study,
            definitions(),
            context.instance,
            on_step=lambda step, state: context.log.info(f"{step.label}: {state}"),
        )
        for label, reason in outcome.skipped.items():
            context.log.warning(f"{label} skipped: {reason}")

    @dg.job(
        name="study",
        description="Run the whole retrospective study: every week, model and candidate of the study file.",
        executor_def=dg.in_process_executor,
    )
    def study() -> None:
        run_study_steps()

    return study


def forget_revoked_job() -> dg.JobDefinition:
    """The erasure that the sensor `honour_revocations` launches. Who is meant is worked out here, from the ledger."""

    @dg.op(
        required_resource_keys={"study"},
        description="Erase the people of the store whose consent has ended, as `depsim forget` does.",
    )
    def erase_revoked_users(context: dg.OpExecutionContext) -> None:
        from depsim_dagster.privacy.erasure.revocations import forget_revoked

        receipt = forget_revoked(
            context.resources.study.study, on_wait=lambda: context.log.info("waiting for runs to end")
        )
        if receipt is None:
            context.log.info("nobody with rows in the store has withdrawn consent")
            return
        context.log.info(
            f"receipt {receipt.receipt_id}: {receipt.users} user(s), {receipt.rows} row(s) removed"
        )
        context.add_output_metadata(_receipt_metadata(receipt))

    @dg.job(
        name="forget_revoked",
        description="Erase the rows of users whose consent was withdrawn, refused or has run out.",
        executor_def=dg.in_process_executor,
    )
    def forget_revoked_users() -> None:
        erase_revoked_users()

    return forget_revoked_users


def purge_job() -> dg.JobDefinition:
    """The end of retention, which the schedule `purge_expired_text` launches every day."""

    @dg.op(
        required_resource_keys={"study"},
        description="Delete the text of weeks that ended longer ago than privacy.retention_days.",
    )
    def delete_expired_text(context: dg.OpExecutionContext) -> None:
        from depsim_dagster.privacy.erasure.retention import purge

        receipt = purge(
            context.resources.study.study, on_wait=lambda: context.log.info("waiting for runs to end")
        )
        context.log.info(f"receipt {receipt.receipt_id}: {receipt.rows} row(s) removed")
        context.add_output_metadata(_receipt_metadata(receipt))

    @dg.job(
        name="purge_expired_text",
        description="Delete the text of weeks whose retention has ended; what was counted in them stays.",
        executor_def=dg.in_process_executor,
    )
    def purge_expired_text() -> None:
        delete_expired_text()

    return purge_expired_text


def _receipt_metadata(receipt: Any) -> dict[str, Any]:
    """A receipt as the run shows it; it names nobody."""
    return {
        "receipt": receipt.receipt_id,
        "reason": receipt.reason,
        "users": receipt.users,
        "rows_removed": markdown(
            [(table.table, table.partitions, table.rows) for table in receipt.removed],
            ["table", "partitions", "rows"],
        ),
    }

"""What happens by itself: a week's traffic and its simulation, the end of retention, and consent that is withdrawn.

The simulation sensor follows the traffic job, so that a replay never starts on a week whose gates have not passed. The
sensor on the consent ledger passes on that somebody is to be erased, never who: the job works that out.
"""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from depsim_dagster.config import WEEK, StudyConfig
from depsim_dagster.jobs import AssetJob
from depsim_dagster.partitions import StudyPartitions


def weekly_traffic_schedule(partitions: StudyPartitions, traffic_job: AssetJob) -> dg.ScheduleDefinition:
    """Every Monday at 02:00 UTC: the traffic of the week that has just ended."""

    @dg.schedule(
        name="weekly_traffic",
        job=traffic_job,
        cron_schedule="0 2 * * 1",
        execution_timezone="UTC",
        description="Every Monday, 02:00 UTC: sample and de-identify the week that has just ended.",
    )
    def weekly_traffic(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        week = str(context.scheduled_execution_time.date() - WEEK)
        if week not in partitions.weeks.get_partition_keys(current_time=context.scheduled_execution_time):
            return dg.SkipReason(f"week {week} is outside the weeks of the study file")
        return dg.RunRequest(run_key=week, partition_key=week)

    return weekly_traffic


def simulation_sensor(
    config: StudyConfig, traffic_job: AssetJob, simulation_job: AssetJob
) -> dg.SensorDefinition:
    """After a week's traffic is published: one simulation run for each model that is simulated on it."""

    @dg.run_status_sensor(
        name="simulate_fresh_traffic",
        run_status=dg.DagsterRunStatus.SUCCESS,
        monitored_jobs=[traffic_job],
        request_job=simulation_job,
        description="When a week's traffic has passed its gates, replay it with the current deployment and its candidate.",
    )
    def simulate_fresh_traffic(context: dg.RunStatusSensorContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        week = context.dagster_run.tags.get("dagster/partition")
        models = config.simulated_models(dt.date.fromisoformat(week)) if week else ()
        if not models:
            yield dg.SkipReason(f"no model is simulated on week {week}")
        for model in models:
            # Two candidates may share a traffic run; the key keeps a repeated tick from launching one twice.
            yield dg.RunRequest(
                run_key=f"{context.dagster_run.run_id}/{model}",
                partition_key=dg.MultiPartitionKey({"week": week, "model": model}),
            )

    return simulate_fresh_traffic


def purge_schedule(config: StudyConfig, job: dg.JobDefinition) -> dg.ScheduleDefinition:
    """Every day at 03:00 UTC: the text of weeks whose retention has ended."""

    @dg.schedule(
        name="purge_expired_text",
        job=job,
        cron_schedule="0 3 * * *",
        execution_timezone="UTC",
        description="Every day, 03:00 UTC: delete the text of weeks older than privacy.retention_days.",
    )
    def purge_expired_text(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if config.privacy.retention_days is None:
            return dg.SkipReason("the study sets no privacy.retention_days, so text is kept")
        return dg.RunRequest(run_key=str(context.scheduled_execution_time.date()))

    return purge_expired_text


def revocation_sensor(study_file: Path, job: dg.JobDefinition) -> dg.SensorDefinition:
    """When the consent ledger has changed, and once a day: an erasure if somebody in the store withdrew consent."""

    @dg.sensor(
        name="honour_revocations",
        job_name=job.name,  # by its name: with the job itself Dagster warns of a parameter of its own
        minimum_interval_seconds=300,
        description="When users withdraw consent in the ledger, erase their rows from everything that the study keeps.",
    )
    def honour_revocations(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        from depsim_dagster.privacy.erasure.revocations import ledger_state, revoked_users
        from depsim_dagster.study import study_at

        study = study_at(study_file)
        state = ledger_state(study.config, dt.datetime.now(dt.UTC).date())
        if state == context.cursor:
            return dg.SkipReason("the consent ledger is as it was")
        revoked = len(revoked_users(study))
        # The run key makes one erasure of a repeated tick; it says nothing about whom.
        requests = [dg.RunRequest(run_key=state)] if revoked else []
        skipped = None if revoked else "nobody with rows in the store has withdrawn consent"
        return dg.SensorResult(run_requests=requests, cursor=state, skip_reason=skipped)

    return honour_revocations

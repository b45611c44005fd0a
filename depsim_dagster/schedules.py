"""Weekly simulation on fresh traffic: a schedule for the traffic of the last full week, and a sensor that replays it.

The sensor follows the traffic job, so that a replay never starts on a week whose gates have not passed.
"""

import datetime as dt
from collections.abc import Iterator

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

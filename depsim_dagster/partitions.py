"""Partitions of a study: its weeks, its models, and week × model. Keys of the latter read `model|week`."""

from __future__ import annotations

from dataclasses import dataclass

import dagster as dg

from depsim_dagster.config import WEEK, StudyConfig


@dataclass(frozen=True)
class StudyPartitions:
    """weeks: Mondays (UTC). models: every deployment. candidates: those that replace another one."""

    weeks: dg.WeeklyPartitionsDefinition
    models: dg.StaticPartitionsDefinition
    week_by_model: dg.MultiPartitionsDefinition
    candidates: dg.StaticPartitionsDefinition


def study_partitions(config: StudyConfig) -> StudyPartitions:
    """The partitions that the study file describes; a new deployment in the file is a new model partition."""
    weeks = dg.WeeklyPartitionsDefinition(
        start_date=str(config.weeks.first),
        end_date=str(config.weeks.last + WEEK) if config.weeks.last else None,
        day_offset=1,
    )
    models = dg.StaticPartitionsDefinition([deployment.model for deployment in config.deployments])
    candidates = dg.StaticPartitionsDefinition([deployment.model for deployment in config.candidates])
    return StudyPartitions(
        weeks, models, dg.MultiPartitionsDefinition({"week": weeks, "model": models}), candidates
    )


def week_and_model(context: dg.AssetExecutionContext) -> dict[str, str]:
    """The lake partition of a week × model run."""
    keys = context.partition_key.keys_by_dimension  # type: ignore[attr-defined]
    return {"week": keys["week"], "model": keys["model"]}

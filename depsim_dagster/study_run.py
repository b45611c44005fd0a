"""A whole study as a sequence of Dagster runs in the order of the method, each visible in the UI.

The order is what makes a retrospective study honest: traffic, simulation, sealed forecasts, and only then the outcome.
Every step can be repeated: model answers come from the journal, and a partition is replaced by an equal one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import dagster as dg

from depsim_dagster.config import StudyConfig
from depsim_dagster.errors import EmptyWeekError
from depsim_dagster.study import Study

QUIET_LOGS = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class Step:
    """One run: a job and its partition. `weeks` are the weeks that it cannot do without."""

    job: str
    partition: tuple[tuple[str, str], ...] = ()
    weeks: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        keys = ", ".join(value for _, value in self.partition)
        return f"{self.job} [{keys}]" if keys else self.job

    @property
    def partition_key(self) -> str | None:
        keys = dict(self.partition)
        if len(keys) == 2:
            return dg.MultiPartitionKey(keys)
        return next(iter(keys.values()), None)


@dataclass
class StudyOutcome:
    """Steps that ran, and those that were skipped with the reason."""

    done: list[Step] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)


def study_steps(config: StudyConfig) -> list[Step]:
    """Every step of the study, in the order in which the method asks for them."""
    simulated, observed = [], []
    for candidate in config.candidates:
        for week in config.forecast_weeks(candidate.model):
            simulated += [(str(week), candidate.model), (str(week), str(candidate.predecessor))]
            observed.append(str(week))  # the predecessor's production: predict no change
    for deployment in config.deployments:
        observed += [str(week) for week in config.observation_weeks(deployment.model)]
    weeks = sorted({week for week, _ in simulated} | set(observed))
    return [
        *(Step("traffic", (("week", week),), (week,)) for week in weeks),
        *(
            Step("simulation", (("week", week), ("model", model)), (week,))
            for week, model in dict.fromkeys(simulated)
        ),
        *(Step("forecast", (("model", candidate.model),)) for candidate in config.candidates),
        *(Step("observation", (("week", week),), (week,)) for week in sorted(set(observed))),
        *(Step("calibration", (("model", candidate.model),)) for candidate in config.candidates),
        Step("outcome"),
    ]


def run_study(
    study: Study,
    instance: dg.DagsterInstance,
    on_step: Callable[[Step, str], None] = lambda step, state: None,
) -> StudyOutcome:
    """Run every step. A week without eligible traffic is skipped, with all that needs it, and said so in the outcome.

    Raises:
        DepsimError: of the step that failed; running the study again resumes there at no extra cost in model calls.
    """
    from depsim_dagster.definitions import build_definitions

    definitions = build_definitions(study.config)
    outcome = StudyOutcome()
    empty: dict[str, str] = {}
    for step in study_steps(study.config):
        missing = [week for week in step.weeks if week in empty]
        if missing:
            outcome.skipped[step.label] = empty[missing[0]]
            on_step(step, "skipped")
            continue
        on_step(step, "started")
        try:
            definitions.resolve_job_def(step.job).execute_in_process(
                instance=instance,
                partition_key=step.partition_key,
                run_config=QUIET_LOGS,
                tags={"depsim/study": study.config.name},
            )
        except EmptyWeekError as error:
            for week in step.weeks:
                empty[week] = str(error)
            outcome.skipped[step.label] = str(error)
            on_step(step, "skipped")
            continue
        outcome.done.append(step)
        on_step(step, "done")
    return outcome

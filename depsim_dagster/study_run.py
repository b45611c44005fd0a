"""A whole study as a sequence of Dagster runs in the order of the method, each visible in the UI.

The order is what makes a retrospective study honest: no outcome is graded before its forecast is sealed. Releases come one
after the other, as they did: what is free to be graded is observed, earlier candidates are scored, and then the next
forecast is sealed, which learns its error from these scores. A backfill of the asset graph over all partitions seals every
forecast first, finds no score, and predicts with the study file's `tau` alone, which is as honest and knows less.

Every step can be repeated: model answers come from the journal, and a partition is replaced by an equal one. What a final
forecast was made from is kept as it is: a call that failed then and succeeds now, or a consent withdrawn since, would make
another forecast, which the graded outcome forbids. Of a week whose text retention has deleted, everything is kept that was
counted in it.
"""

from __future__ import annotations

import datetime as dt
import os
import socket
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

import dagster as dg

from depsim_dagster.audit.clusters.schema import NOVEL_BEHAVIOURS
from depsim_dagster.audit.mining.schema import BEHAVIOUR_DIFFERENCES
from depsim_dagster.audit.schema import AUDIT_FINDINGS, CATEGORY_ABLATION
from depsim_dagster.awareness.estimates.schema import AWARENESS_RATES, REPLAY_GIVEAWAYS
from depsim_dagster.awareness.labels.schema import AWARENESS_LABELS
from depsim_dagster.config import WEEK, StudyConfig
from depsim_dagster.errors import ConfigurationError, EmptyWeekError, GateError, LakeError
from depsim_dagster.estimation.schema import OBSERVED_RATES, RATE_ESTIMATES
from depsim_dagster.grading.schema import GRADED_LABELS, PRODUCTION_LABELS
from depsim_dagster.lake import LakeTable
from depsim_dagster.privacy.erasure.forget import finish_interrupted
from depsim_dagster.registry.forecast_rows import is_final
from depsim_dagster.replay.schema import REGENERATED_COMPLETIONS
from depsim_dagster.study import Study
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES

PROCESS_TAG = "depsim/process"
# The code location of `depsim ui` and workspace.yaml: with it the UI lists these runs under their jobs.
CODE_LOCATION_TAG = {".dagster/repository": "__repository__@depsim_dagster.definitions"}
# What a final forecast keeps as it was: what it was made from, and what was known of the candidate before its release.
KEPT = {
    "simulation": (REGENERATED_COMPLETIONS, GRADED_LABELS, RATE_ESTIMATES),
    "examination": (AWARENESS_LABELS, AUDIT_FINDINGS),
    "audit": (AWARENESS_RATES, REPLAY_GIVEAWAYS, BEHAVIOUR_DIFFERENCES, CATEGORY_ABLATION, NOVEL_BEHAVIOURS),
}
# What of a week stays when its text is deleted.
COUNTED = {
    "simulation": (GRADED_LABELS, RATE_ESTIMATES),
    "examination": (AWARENESS_LABELS,),
    "audit": KEPT["audit"],
    "observation": (PRODUCTION_LABELS, OBSERVED_RATES),
}
# Tables that have rows once a section of the study file asks for them: an empty partition is of the time before it.
ASKED_FOR_BY = {
    "awareness": (AWARENESS_LABELS, AWARENESS_RATES),
    "audit": (AUDIT_FINDINGS, NOVEL_BEHAVIOURS),
}
QUIET_LOGS = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class Step:
    """One run: a job and its partition.

    `weeks` are the weeks that it cannot do without, `any_week` those of which it needs at least one, and `after` the
    labels of steps without which it has nothing to do.
    """

    job: str
    partition: tuple[tuple[str, str], ...] = ()
    weeks: tuple[str, ...] = ()
    any_week: tuple[str, ...] = ()
    after: tuple[str, ...] = ()

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
    """Steps that ran, those that a final forecast or the end of retention keeps as they are, and those that were skipped
    with the reason."""

    done: list[Step] = field(default_factory=list)
    kept: list[Step] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)


def study_steps(
    config: StudyConfig, candidates: Collection[str] = (), today: dt.date | None = None
) -> list[Step]:
    """Every step of the study, in the order in which the method asks for them.

    Weeks that have not ended by `today` (UTC) are left out, and so is what needs them: a running study is run again
    later. `candidates` limits it to some releases, with those that must be sealed before: the outcome of a week is
    graded only when every candidate that is live in it has its forecast.

    Raises:
        ConfigurationError: a name is not a candidate of the study.
    """
    today = today or dt.datetime.now(dt.UTC).date()

    def ended(weeks: Iterable[dt.date]) -> tuple[str, ...]:
        return tuple(str(week) for week in weeks if week + WEEK <= today)

    chosen = _with_prerequisites(config, candidates)
    before = {model: ended(config.forecast_weeks(model)) for model in chosen}
    after = {
        deployment.model: ended(config.observation_weeks(deployment.model))
        for deployment in config.deployments
    }
    # The first of a lineage is nobody's candidate; its rates are wanted too when the whole study runs.
    observed = {week for model in (chosen if candidates else after) for week in after[model]}
    observed |= {week for weeks in before.values() for week in weeks}  # the predecessor's: predict no change
    simulated = dict.fromkeys(
        (week, model)
        for candidate, weeks in before.items()
        for week in weeks
        for model in (candidate, str(config.deployment(candidate).predecessor))
    )
    examined = list(simulated) if config.awareness is not None or config.audit is not None else []
    if config.windows.own_traffic:
        simulated |= dict.fromkeys((week, model) for model in before for week in after[model])
    forecasts = {
        model: Step("forecast", (("model", model),), any_week=before[model])
        for model in chosen
        if before[model]
    }
    calibrations = {
        model: Step("calibration", (("model", model),), any_week=after[model], after=(forecast.label,))
        for model, forecast in forecasts.items()
        if after[model]
    }
    scored = (
        [Step("outcome", after=tuple(step.label for step in calibrations.values()))] if calibrations else []
    )
    return [
        *(Step("traffic", (("week", week),), (week,)) for week in sorted(observed)),
        *(Step("simulation", (("week", week), ("model", model)), (week,)) for week, model in simulated),
        *(Step("examination", (("week", week), ("model", model)), (week,)) for week, model in examined),
        *_by_release(config, forecasts, calibrations, sorted(observed)),
        *scored,
        Step("report", after=tuple(step.label for step in forecasts.values())),
    ]


def _by_release(
    config: StudyConfig, forecasts: dict[str, Step], calibrations: dict[str, Step], observed: list[str]
) -> list[Step]:
    """Forecasts in the order of the releases, each after the observations and scores that are possible before it.

    A week is free to be graded once every candidate that is live in it is sealed or will never be; a candidate can be scored
    once all weeks are graded that its score needs.
    """
    waiting, unscored = dict.fromkeys(observed), dict(calibrations)
    sealed: set[str] = set()
    steps: list[Step] = []

    def look() -> None:
        for week in list(waiting):
            live = config.live_deployments(dt.date.fromisoformat(week))
            if live.isdisjoint(forecasts.keys() - sealed):
                del waiting[week]
                steps.append(Step("observation", (("week", week),), (week,)))
        for model in list(unscored):
            if model in sealed and waiting.keys().isdisjoint(map(str, _outcome_weeks(config, model))):
                steps.append(unscored.pop(model))

    audited = config.awareness is not None or config.audit is not None
    for model, forecast in forecasts.items():
        look()
        if audited:
            steps.append(Step("audit", forecast.partition, any_week=forecast.any_week))
        steps.append(forecast)
        sealed.add(model)
    look()
    return steps


def _with_prerequisites(config: StudyConfig, candidates: Collection[str]) -> list[str]:
    """Models of the candidates (all when none is named) and of those whose outcome is graded along with theirs."""
    known = [candidate.model for candidate in config.candidates]
    unknown = sorted(set(candidates) - set(known))
    if unknown:
        raise ConfigurationError(
            f"{config.file}: no candidate `{unknown[0]}`; candidates: {', '.join(known) or 'none'}"
        )
    chosen = set(candidates or known)
    while True:
        live = {
            model
            for name in chosen
            for week in _outcome_weeks(config, name)
            for model in config.live_deployments(week)
        }
        needed = chosen | live & set(known)
        if needed == chosen:
            return [model for model in known if model in chosen]
        chosen = needed


def _outcome_weeks(config: StudyConfig, model: str) -> list[dt.date]:
    """Weeks of production that the score of `model` needs: its own, and its predecessor's (predict no change)."""
    return [*config.forecast_weeks(model), *config.observation_weeks(model)]


def run_study(
    study: Study,
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    on_step: Callable[[Step, str], None] = lambda step, state: None,
    candidates: Collection[str] = (),
) -> StudyOutcome:
    """Run every step, or those of some candidates, as runs of the jobs in `definitions`.

    A week without eligible traffic is skipped, with all that needs it, and said so in the outcome.

    Raises:
        DepsimError: of the step that failed; running the study again resumes there at no extra cost in model calls.
    """
    _close_runs_of_dead_processes(instance)
    finish_interrupted(study)
    outcome = StudyOutcome()
    empty: dict[str, str] = {}
    final = {candidate.model for candidate in study.config.candidates if is_final(study, candidate.model)}
    for step in study_steps(study.config, candidates):
        reason = _nothing_to_do(step, empty, outcome) or _lost_to_retention(study, step)
        if reason is not None:
            outcome.skipped[step.label] = reason
            on_step(step, "skipped")
            continue
        if is_settled(study, step, final):
            outcome.kept.append(step)
            on_step(step, "kept")
            continue
        on_step(step, "started")
        try:
            definitions.resolve_job_def(step.job).execute_in_process(
                instance=instance,
                partition_key=step.partition_key,
                run_config=QUIET_LOGS,
                tags={"depsim/study": study.config.name, PROCESS_TAG: _process(), **CODE_LOCATION_TAG},
            )
        except EmptyWeekError as error:
            empty |= dict.fromkeys(step.weeks, str(error))
            outcome.skipped[step.label] = str(error)
            on_step(step, "skipped")
            continue
        outcome.done.append(step)
        on_step(step, "done")
    return outcome


def _process() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _close_runs_of_dead_processes(instance: dg.DagsterInstance) -> None:
    """A process that was killed left its run as started, and the UI would show it at work for ever."""
    unfinished = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED])
    for run in instance.get_runs(unfinished):
        host, _, process = run.tags.get(PROCESS_TAG, "").rpartition(":")
        if host == socket.gethostname() and not _is_alive(int(process)):
            instance.report_run_failed(run, "The process of this run was killed. Run the study again.")


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)  # signal 0 only asks
    except ProcessLookupError:
        return False
    except PermissionError:  # of another account
        return True
    return True


def is_settled(study: Study, step: Step, final: Collection[str]) -> bool:
    """Whether a run keeps a step as it is. `final`: candidates whose forecast nothing can change any more."""
    return _is_kept(study, step, final) or _is_purged(study, step)


def _is_kept(study: Study, step: Step, final: Collection[str]) -> bool:
    """Whether a step made nothing but final forecasts, and what it published is intact."""
    partition = dict(step.partition)
    if step.job == "forecast":
        return partition["model"] in final
    if step.job not in KEPT:
        return False
    made = {partition["model"]}
    if "week" in partition:
        made = {
            candidate.model
            for candidate in study.config.candidates
            if partition["model"] in (candidate.model, candidate.predecessor)
            and partition["week"] in map(str, study.config.forecast_weeks(candidate.model))
        }
    return (
        bool(made)
        and made <= set(final)
        and all(_is_made(study, table, partition) for table in KEPT[step.job])
    )


def _is_purged(study: Study, step: Step) -> bool:
    """Whether text of the step's weeks is deleted, so that what was counted in it is all there will be."""
    return bool(_purged_weeks(study, step))


def _purged_weeks(study: Study, step: Step) -> list[str]:
    """The step's weeks without text: of a week's step its own, of an audit any of those that it compares models on."""
    partition = dict(step.partition)
    weeks = step.any_week if step.job == "audit" else [partition["week"]] if "week" in partition else []
    return [week for week in weeks if study.lake.purged(DEIDENTIFIED_PREFIXES, {"week": week}) is not None]


def _lost_to_retention(study: Study, step: Step) -> str | None:
    """Why a step can never be made: the text of its week was deleted before it was counted."""
    partition = dict(step.partition)
    if step.job in COUNTED and (purged := _purged_weeks(study, step)):
        if all(_is_made(study, table, partition) for table in COUNTED[step.job]):
            return None
        return (
            f"the text of {', '.join(purged)} was purged by retention (privacy.retention_days) before this step was "
            "made"
        )
    if step.job == "forecast":
        weeks = [{"week": week} for week in step.any_week]
        purged = all(study.lake.purged(DEIDENTIFIED_PREFIXES, week) is not None for week in weeks)
        labelled = any(study.lake.manifest(GRADED_LABELS, week | partition) is not None for week in weeks)
        if purged and not labelled:
            return f"the text of its weeks ({', '.join(step.any_week)}) was purged by retention before they were simulated"
    return None


def _is_made(study: Study, table: LakeTable, partition: dict[str, str]) -> bool:
    """Whether a partition is published, intact, and not an empty one from before its section was in the study file."""
    try:
        rows = study.lake.read(table, partition, columns=table.schema.names[:1]).num_rows
    except (LakeError, GateError):
        return False
    return rows > 0 or not any(
        table in tables and getattr(study.config, section) is not None
        for section, tables in ASKED_FOR_BY.items()
    )


def _nothing_to_do(step: Step, empty: dict[str, str], outcome: StudyOutcome) -> str | None:
    """Why a step has nothing to work on, or None."""
    for week in step.weeks:
        if week in empty:
            return empty[week]
    if step.any_week and all(week in empty for week in step.any_week):
        return f"none of its weeks has traffic ({', '.join(step.any_week)})"
    if step.after and all(label in outcome.skipped for label in step.after):
        return f"it comes after {', '.join(step.after)}, which had nothing to do"
    return None

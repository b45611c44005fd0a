"""The one rule by which production may be looked at: whoever reads a week's logged answers calls this first."""

from __future__ import annotations

from depsim_dagster.grading.turns import answering_deployments
from depsim_dagster.registry.seal import open_outcome
from depsim_dagster.study import Study


def open_outcomes(study: Study, week: str) -> None:
    """Enter into the ledger that the outcome of every deployment that answered in this week is looked at from now on.

    Also of a deployment that is nobody's candidate today, or the study file could name it one when its outcome is known.

    Raises:
        RegistryError: the forecast of one of them is not sealed.
    """
    answering = answering_deployments(study.lake, week)
    for deployment in study.config.deployments:
        if deployment.model in answering:
            before = study.config.forecast_weeks(deployment.model) if deployment.predecessor else ()
            open_outcome(study.lake, deployment.model, week, map(str, before))

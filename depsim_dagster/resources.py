"""The study as a Dagster resource: one per code location, opened from the study file when a run first needs it."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import dagster as dg

from depsim_dagster.lake import Lake
from depsim_dagster.study import Study, study_at

# They make no table of a study themselves: they start runs that do, or need the store without any run in it.
OUTSIDE_JOBS = ("study", "forget_revoked", "purge_expired_text")


class StudyResource(dg.ConfigurableResource):
    """The study of `study_file`. Opening it makes no call; an embedded endpoint starts when it is first used.

    While a run lasts, its store is not erased from (store_turns.py); an erasure that was killed is finished before.
    """

    study_file: str

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["StudyResource"]:
        run = context.run
        if run is not None and run.job_name in OUTSIDE_JOBS:
            yield self
            return
        from depsim_dagster.privacy.erasure.forget import at_work

        with at_work(self.study):
            yield self

    @cached_property
    def study(self) -> Study:
        study = study_at(Path(self.study_file))
        study.prepare_store()
        return study

    @property
    def lake(self) -> Lake:
        return self.study.lake

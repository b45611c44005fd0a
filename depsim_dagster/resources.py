"""The study as a Dagster resource: one per code location, opened from the study file when a run first needs it."""

from functools import cached_property
from pathlib import Path

import dagster as dg

from depsim_dagster.lake import Lake
from depsim_dagster.study import Study, study_at


class StudyResource(dg.ConfigurableResource):
    """The study of `study_file`. Opening it makes no call; an embedded endpoint starts when it is first used."""

    study_file: str

    @cached_property
    def study(self) -> Study:
        study = study_at(Path(self.study_file))
        study.prepare_store()
        return study

    @property
    def lake(self) -> Lake:
        return self.study.lake

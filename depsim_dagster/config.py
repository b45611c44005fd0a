"""The study file: one YAML, typed and validated, read once.

Every relative path in it is relative to the file itself, so that a study folder can be moved or copied. An error
names the file, the key and the accepted values, for every wrong key at once. What each section accepts is in
config_sections, how sections refer to each other in config_references.py; here is what follows from the whole.
"""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import Literal

from pydantic import Field, PrivateAttr, ValidationError, model_validator

from depsim_dagster.config_references import (
    Deployments,
    Endpoints,
    readable_reference_problems,
    reference_problems,
)
from depsim_dagster.config_sections import (
    WEEK,
    AuditConfig,
    AwarenessConfig,
    BudgetConfig,
    DeidentificationConfig,
    DeploymentConfig,
    EndpointConfig,
    EstimationConfig,
    GraderConfig,
    GradingConfig,
    Name,
    PrivacyConfig,
    RecordedAnswers,
    ReplayConfig,
    SamplingConfig,
    Section,
    Text,
    TrafficConfig,
    WeeksConfig,
    WindowsConfig,
)
from depsim_dagster.errors import ConfigurationError
from depsim_dagster.traffic.prefix_sources import FURTHER_SOURCES
from depsim_dagster.yaml_document import listed, read_yaml, validation_problems

__all__ = [
    "WEEK",
    "DeploymentConfig",
    "EndpointConfig",
    "GraderConfig",
    "RecordedAnswers",
    "ReplayConfig",
    "StudyConfig",
    "load_study",
    "study_file_from_environment",
]

STUDY_FILE_VARIABLE = "DEPSIM_STUDY"
DEFAULT_STUDY_FILE = "study.yaml"
DEMO_STUDY_FILE = Path("demo", "study.yaml")
# Only for studies of synthetic or public traffic that talk to no server of others: nothing hangs on their key.
EMBEDDED_HMAC_KEY = "embedded-study-key-not-a-secret"
SHORTEST_HMAC_KEY = 16


class StudyConfig(Section):
    """A whole study. `directory` is the folder of the study file; use `path()` to resolve what it names."""

    version: Literal[1]
    name: Name
    seed: int = Field(0, ge=0)
    store: Text = "store"
    journal: Text | None = Field(
        None,
        description="folder of the models' answers, to share them between studies, and with it the budget: what counts as "
        "spent is what the folder holds; in the store when absent",
    )
    traffic: TrafficConfig
    sampling: SamplingConfig = SamplingConfig()
    weeks: WeeksConfig
    deployments: Deployments = Field(min_length=1, strict=False)
    windows: WindowsConfig = WindowsConfig()
    endpoints: Endpoints = Field(min_length=1)
    replay: ReplayConfig = ReplayConfig()
    deidentification: DeidentificationConfig = DeidentificationConfig()
    privacy: PrivacyConfig = PrivacyConfig()
    grading: GradingConfig
    estimation: EstimationConfig = EstimationConfig()
    awareness: AwarenessConfig | None = None
    audit: AuditConfig | None = None
    budget: BudgetConfig = BudgetConfig()

    _file: Path = PrivateAttr(default=Path(DEFAULT_STUDY_FILE))

    @model_validator(mode="after")
    def _references_exist(self) -> StudyConfig:
        problems = reference_problems(
            self.deployments,
            self.endpoints,
            self.grading,
            self.deidentification,
            self.budget,
            self.awareness,
            self.audit,
        )
        if self.traffic.evaluation_prompts is not None and self.awareness is None:
            problems.append(
                "traffic.evaluation_prompts: nothing but `awareness` looks at the answers to them, which cost calls; add the "
                "section `awareness: {}` or take them out"
            )
        if problems:
            raise ValueError("\n".join(problems))
        return self

    # ----------------------------------------------------------------------------------------------- paths and keys
    @property
    def file(self) -> Path:
        return self._file

    @property
    def directory(self) -> Path:
        return self._file.parent

    def path(self, value: str) -> Path:
        """`value` as a path, relative to the study file's folder."""
        return self.directory / Path(value).expanduser()

    @property
    def store_root(self) -> Path:
        return self.path(self.store)

    @property
    def sandbox(self) -> bool:
        """True when a synthetic world plays a deployment or a grader: every table and report is labelled with it."""
        return any(endpoint.kind == "sandbox" for endpoint in self.endpoints.values())

    @property
    def hmac_key(self) -> bytes:
        """The key that replaces account identifiers.

        Raises:
            ConfigurationError: the variable is unset, or too short to be a secret. Only a study of synthetic or (all of it)
                public prefixes whose models are all embedded may leave it unset.
        """
        variable = self.deidentification.hmac_key_env
        where = f"{self.file}: deidentification.hmac_key_env: "
        value = os.environ.get(variable)
        if value:
            if len(value) < SHORTEST_HMAC_KEY:
                raise ConfigurationError(
                    f"{where}the value of {variable} has fewer than {SHORTEST_HMAC_KEY} characters; "
                    "pseudonyms under a short key can be undone, so set a long random secret"
                )
            return value.encode()
        sections = (self.traffic, *(getattr(self.traffic, source) for source in FURTHER_SOURCES))
        public = all(section is None or section.consent.public_corpus is not None for section in sections)
        harmless = self.sandbox or public
        if harmless and all(endpoint.embedded for endpoint in self.endpoints.values()):
            return EMBEDDED_HMAC_KEY.encode()
        raise ConfigurationError(
            f"{where}set the environment variable {variable} to a long random secret and keep it: "
            "pseudonyms depend on it"
        )

    @property
    def hmac_keys(self) -> tuple[bytes, ...]:
        """The key, then those before its rotations, from the variable of the key with `_PREVIOUS` behind its name: one, or
        several with commas between them, the newest first.

        Raises:
            ConfigurationError: as `hmac_key`; an older one is too short to have been a key.
        """
        variable = f"{self.deidentification.hmac_key_env}_PREVIOUS"
        value = os.environ.get(variable, "")
        listed = value.split(",")
        if any(len(part) < SHORTEST_HMAC_KEY for part in listed):
            listed = [value] if value else []  # one key that has a comma in it
        if any(len(part) < SHORTEST_HMAC_KEY for part in listed):
            raise ConfigurationError(
                f"{self.file}: the value of {variable} has fewer than {SHORTEST_HMAC_KEY} characters; set the key "
                "that was used before, or unset it"
            )
        return tuple(dict.fromkeys([self.hmac_key, *(part.encode() for part in listed)]))

    # ------------------------------------------------------------------------------------------------------ lineage
    def deployment(self, model: str) -> DeploymentConfig:
        for deployment in self.deployments:
            if deployment.model == model:
                return deployment
        raise ConfigurationError(
            f"{self.file}: deployments: no model `{model}`; known models: {', '.join(d.model for d in self.deployments)}"
        )

    @property
    def candidates(self) -> Deployments:
        """Deployments that replace another one, in the order of their release: each is forecast."""
        return tuple(
            sorted((d for d in self.deployments if d.predecessor is not None), key=lambda d: d.released)
        )

    def replayed_deployments(self, model: str) -> frozenset[str]:
        """Deployments on whose traffic `model` is simulated: its predecessor's (X→Y) and its own (Y→Y)."""
        predecessor = self.deployment(model).predecessor
        return frozenset({model} if predecessor is None else {model, predecessor})

    def forecast_weeks(self, model: str) -> tuple[dt.date, ...]:
        """Mondays of the last full weeks before the release of `model`, oldest first, within the study's weeks."""
        released = self.deployment(model).released_on
        last = released - dt.timedelta(days=released.weekday()) - WEEK
        weeks = (last - WEEK * back for back in reversed(range(self.windows.forecast_weeks)))
        return tuple(week for week in weeks if self._in_study(week))

    def observation_weeks(self, model: str) -> tuple[dt.date, ...]:
        """Mondays of the first full weeks after the release of `model`, within the study's weeks."""
        released = self.deployment(model).released
        monday = released.date() - dt.timedelta(days=released.weekday())
        first = monday if _start(monday) == released else monday + WEEK
        weeks = (first + WEEK * ahead for ahead in range(self.windows.observation_weeks))
        return tuple(week for week in weeks if self._in_study(week))

    def live_deployments(self, week: dt.date) -> frozenset[str]:
        """Models that answer traffic at some time in the week that starts on `week`."""
        return frozenset(
            deployment.model
            for deployment in self.deployments
            if deployment.released < _start(week + WEEK)
            and not any(
                other.predecessor == deployment.model and other.released <= _start(week)
                for other in self.deployments
            )
        )

    def simulated_models(self, week: dt.date) -> tuple[str, ...]:
        """Models to simulate on a week's traffic: its live deployments and the candidates that would replace one."""
        live = self.live_deployments(week)
        return tuple(d.model for d in self.deployments if d.model in live or d.predecessor in live)

    def _in_study(self, week: dt.date) -> bool:
        return week >= self.weeks.first and (self.weeks.last is None or week <= self.weeks.last)


def _start(week: dt.date) -> dt.datetime:
    return dt.datetime.combine(week, dt.time(), dt.UTC)


def study_file_from_environment() -> Path:
    """The study file: $DEPSIM_STUDY, else study.yaml in the working folder, else demo/study.yaml."""
    named = os.environ.get(STUDY_FILE_VARIABLE)
    if named:
        return Path(named)
    here = Path(DEFAULT_STUDY_FILE)
    return here if here.exists() or not DEMO_STUDY_FILE.exists() else DEMO_STUDY_FILE


def load_study(file: str | Path) -> StudyConfig:
    """Read and validate a study file.

    Raises:
        ConfigurationError: the file is missing, is not YAML, or has wrong keys; the message lists every wrong key
            with what is accepted there.
    """
    path = Path(file)
    raw = read_yaml(
        path, "no such study file. Make one with `depsim study init`, or try the product with `depsim demo`."
    )
    if not isinstance(raw, dict):
        raise ConfigurationError(f"{path}: a study file is a mapping that starts with `version: 1`")
    try:
        study = StudyConfig.model_validate(raw)
    except ValidationError as error:
        problems = validation_problems(error, StudyConfig)
        # A wrong key elsewhere keeps pydantic from looking at the references; the reader wants all of it at once.
        problems += [problem for problem in readable_reference_problems(raw) if problem not in problems]
        raise listed(path, problems) from None
    study._file = path
    return study

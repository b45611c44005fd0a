"""The study file: one YAML, typed and validated, read once.

Every relative path in it is relative to the file itself, so that a study folder can be moved or copied. An error
names the file, the key and the accepted values, for every wrong key at once.
"""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    StringConstraints,
    ValidationError,
    model_validator,
)

from depsim_dagster.errors import ConfigurationError

STUDY_FILE_VARIABLE = "DEPSIM_STUDY"
DEFAULT_STUDY_FILE = "study.yaml"
DEMO_STUDY_FILE = Path("demo", "study.yaml")
# Only for studies whose models are all embedded: their traffic is synthetic or public, so nothing hangs on the key.
EMBEDDED_HMAC_KEY = "embedded-study-key-not-a-secret"

WEEK = dt.timedelta(days=7)

# `|` separates the dimensions of a Dagster multi-partition key, and control characters have no place in a path.
ModelName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@/+-]{0,127}$")]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
EnvironmentKey = Annotated[str, StringConstraints(pattern=r"^[A-Z_][A-Z0-9_]*$")]
Reason = Annotated[str, StringConstraints(min_length=10)]


def _monday(day: dt.date) -> dt.date:
    if day.weekday() != 0:
        before = day - dt.timedelta(days=day.weekday())
        raise ValueError(f"weeks start on Monday (UTC); use {before} or {before + WEEK}")
    return day


Monday = Annotated[dt.date, AfterValidator(_monday)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ConsentConfig(_Section):
    """Where consent is recorded. Without a ledger only a public corpus may be used, and its reason is recorded."""

    ledger: str | None = Field(None, description="Parquet of the consent ledger (file or glob)")
    scope: str = Field("model_improvement", description="the scope that must be granted")
    public_corpus: Reason | None = Field(None, description="why this traffic needs no consent ledger")

    @model_validator(mode="after")
    def _one_source(self) -> ConsentConfig:
        if (self.ledger is None) == (self.public_corpus is None):
            raise ValueError("give exactly one of `ledger` (a Parquet path) and `public_corpus` (the reason)")
        return self


class AnswerColumns(_Section):
    """Columns of a table of recorded answers: one row per (prompt, model)."""

    prompt: str = "prompt"
    model: str = "model"
    answer: str = "answer"
    attributes: tuple[str, ...] = Field(
        (), description="columns kept beside the prefix, for graders and filters"
    )


class RecordedAnswers(_Section):
    """Files of (prompt, model, answer), with the part of the model column that is not in the deployment's name."""

    files: tuple[str, ...] = Field(min_length=1)
    columns: AnswerColumns = AnswerColumns()
    strip_model_prefix: str = ""


class TrafficConfig(_Section):
    """The logs: `depsim` is the project's own conversation schema, `recorded_answers` a table of (prompt, model, answer)."""

    format: Literal["depsim", "recorded_answers"] = "depsim"
    paths: tuple[str, ...] = Field((), description="files or globs, for format depsim")
    recorded: RecordedAnswers | None = Field(None, description="for format recorded_answers")
    consent: ConsentConfig
    as_of: dt.datetime | None = Field(
        None, description="consent must also hold at this moment; now when absent"
    )

    @model_validator(mode="after")
    def _source_for_format(self) -> TrafficConfig:
        if self.format == "depsim" and not self.paths:
            raise ValueError("`paths` must name at least one file or glob for format `depsim`")
        if self.format == "recorded_answers" and self.recorded is None:
            raise ValueError("`recorded` must describe the files for format `recorded_answers`")
        if self.as_of is not None and self.as_of.tzinfo is None:
            raise ValueError("`as_of` needs a time zone, for example 2026-03-30T00:00:00Z")
        return self


class ExclusionConfig(_Section):
    """The exclusions of METHOD.md; each is on unless the study turns it off."""

    temporary_chats: bool = True
    employees: bool = True
    enterprise: bool = True
    api: bool = True
    attachments: bool = True


class SamplingConfig(_Section):
    turns_per_week: int | None = Field(1000, ge=1, description="sampled user turns a week; null takes all")
    exclude: ExclusionConfig = ExclusionConfig()


class WeeksConfig(_Section):
    first: Monday
    last: Monday | None = Field(
        None, description="the last Monday of a closed study; absent for a running one"
    )

    @model_validator(mode="after")
    def _in_order(self) -> WeeksConfig:
        if self.last is not None and self.last < self.first:
            raise ValueError(f"`last` ({self.last}) is before `first` ({self.first})")
        return self


class DeploymentConfig(_Section):
    """One model version with its release time and the version that it replaces."""

    model: ModelName
    released: dt.date
    predecessor: ModelName | None = None
    endpoint: Name
    served_as: str | None = Field(
        None, description="the model name that the endpoint knows; `model` when absent"
    )

    @property
    def served_model(self) -> str:
        return self.served_as or self.model


class WindowsConfig(_Section):
    forecast_weeks: int = Field(2, ge=1, description="full weeks before a release whose traffic is replayed")
    observation_weeks: int = Field(2, ge=1, description="full weeks after a release that are observed")


class EndpointConfig(_Section):
    """`openai`: any OpenAI-compatible server. `sandbox` and `recorded` are served on loopback while a run lasts."""

    kind: Literal["openai", "sandbox", "recorded"] = "openai"
    base_url: str | None = None
    api_key_env: EnvironmentKey | None = Field(None, description="environment variable that holds the key")
    world: str | None = Field(None, description="for kind sandbox: the world file")
    recorded: RecordedAnswers | None = Field(None, description="for kind recorded")
    max_in_flight: int = Field(64, ge=1, le=1000)
    request_timeout_s: float = Field(60.0, gt=0)
    max_attempts: int = Field(6, ge=1)
    max_tokens_param: Literal["max_tokens", "max_completion_tokens"] = "max_completion_tokens"

    @property
    def embedded(self) -> bool:
        return self.kind != "openai"

    @model_validator(mode="after")
    def _keys_of_kind(self) -> EndpointConfig:
        needed = {"openai": "base_url", "sandbox": "world", "recorded": "recorded"}[self.kind]
        if getattr(self, needed) is None:
            raise ValueError(f"kind `{self.kind}` needs the key `{needed}`")
        if self.base_url is not None and not self.base_url.startswith(("http://", "https://")):
            raise ValueError("`base_url` must start with http:// or https://")
        if self.base_url is not None and "@" in self.base_url.split("//", 1)[1].split("/", 1)[0]:
            raise ValueError("`base_url` must hold no credentials: name the key's variable in `api_key_env`")
        return self


class ReplayConfig(_Section):
    temperature: float = Field(1.0, ge=0, le=2)
    max_tokens: int | None = Field(1024, ge=1)
    completions_per_prefix: int = Field(1, ge=1, le=32)
    system_prompt: str | None = Field(None, description="replaces the system prompt of the log when given")


class DeidentificationConfig(_Section):
    engine: Literal["embedded", "none"] = "embedded"
    reason: Reason | None = Field(None, description="why engine `none` is acceptable; recorded in the gate")
    hmac_key_env: EnvironmentKey = "DEPSIM_HMAC_KEY"

    @model_validator(mode="after")
    def _none_needs_reason(self) -> DeidentificationConfig:
        if self.engine == "none" and self.reason is None:
            raise ValueError("engine `none` needs a `reason`")
        return self


class GraderConfig(_Section):
    """How a category is labelled: by a model (`llm`) or by a deterministic rule (`regex`, `python`, `recorded`)."""

    kind: Literal["llm", "regex", "python", "recorded"]
    endpoint: Name | None = None
    model: str | None = None
    pattern: str | None = Field(
        None, description="for kind regex: RE2 syntax, searched in the target turn's text"
    )
    function: str | None = Field(None, description="for kind python: `module:function` or `file.py:function`")
    recorded: RecordedAnswers | None = Field(None, description="for kind recorded")
    label: str | None = Field(None, description="for kind recorded: the label column; 1 means flagged")

    @model_validator(mode="after")
    def _keys_of_kind(self) -> GraderConfig:
        needed = {
            "llm": ("endpoint", "model"),
            "regex": ("pattern",),
            "python": ("function",),
            "recorded": ("recorded", "label"),
        }[self.kind]
        missing = [key for key in needed if getattr(self, key) is None]
        if missing:
            raise ValueError(
                f"kind `{self.kind}` needs the key(s) {', '.join(f'`{key}`' for key in missing)}"
            )
        return self


class GradingConfig(_Section):
    taxonomy: str = Field("default", description="`default` (METHOD.md) or the path of a taxonomy file")
    graders: dict[Name, GraderConfig] = Field(min_length=1)
    default_grader: Name | None = Field(None, description="grades every category that names none")


class EstimationConfig(_Section):
    level: float = Field(0.95, gt=0.5, lt=1)
    tau: float = Field(0.5, ge=0, le=3, description="log-scale forecast error before any scorecard exists")


class StudyConfig(_Section):
    """A whole study. `directory` is the folder of the study file; use `path()` to resolve what it names."""

    version: Literal[1]
    name: Name
    seed: int = Field(0, ge=0)
    store: str = "store"
    traffic: TrafficConfig
    sampling: SamplingConfig = SamplingConfig()
    weeks: WeeksConfig
    deployments: tuple[DeploymentConfig, ...] = Field(min_length=1)
    windows: WindowsConfig = WindowsConfig()
    endpoints: dict[Name, EndpointConfig] = Field(min_length=1)
    replay: ReplayConfig = ReplayConfig()
    deidentification: DeidentificationConfig = DeidentificationConfig()
    grading: GradingConfig
    estimation: EstimationConfig = EstimationConfig()

    _file: Path = PrivateAttr(default=Path(DEFAULT_STUDY_FILE))

    @model_validator(mode="after")
    def _references_exist(self) -> StudyConfig:
        known = {deployment.model: deployment for deployment in self.deployments}
        if len(known) != len(self.deployments):
            raise ValueError("deployments: a model is listed twice; every `model` must be unique")
        for deployment in self.deployments:
            where = f"deployments.{deployment.model}"
            if deployment.endpoint not in self.endpoints:
                raise ValueError(
                    f"{where}.endpoint: `{deployment.endpoint}` is not one of {sorted(self.endpoints)}"
                )
            if deployment.predecessor is not None:
                before = known.get(deployment.predecessor)
                if before is None:
                    raise ValueError(
                        f"{where}.predecessor: `{deployment.predecessor}` is not one of {sorted(known)}"
                    )
                if before.released >= deployment.released:
                    raise ValueError(
                        f"{where}.predecessor: `{before.model}` was not released before {deployment.released}"
                    )
        for name, grader in self.grading.graders.items():
            if grader.endpoint is not None and grader.endpoint not in self.endpoints:
                raise ValueError(
                    f"grading.graders.{name}.endpoint: `{grader.endpoint}` is not one of {sorted(self.endpoints)}"
                )
        default = self.grading.default_grader
        if default is not None and default not in self.grading.graders:
            raise ValueError(
                f"grading.default_grader: `{default}` is not one of {sorted(self.grading.graders)}"
            )
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
            ConfigurationError: the variable is unset and the study talks to a model that is not embedded.
        """
        value = os.environ.get(self.deidentification.hmac_key_env)
        if value:
            return value.encode()
        if all(endpoint.embedded for endpoint in self.endpoints.values()):
            return EMBEDDED_HMAC_KEY.encode()
        raise ConfigurationError(
            f"{self.file}: deidentification.hmac_key_env: set the environment variable "
            f"{self.deidentification.hmac_key_env} to a long random secret and keep it: pseudonyms depend on it"
        )

    # ------------------------------------------------------------------------------------------------------ lineage
    def deployment(self, model: str) -> DeploymentConfig:
        for deployment in self.deployments:
            if deployment.model == model:
                return deployment
        raise ConfigurationError(
            f"{self.file}: deployments: no model `{model}`; known models: {', '.join(d.model for d in self.deployments)}"
        )

    @property
    def candidates(self) -> tuple[DeploymentConfig, ...]:
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
        released = self.deployment(model).released
        last = released - dt.timedelta(days=released.weekday()) - WEEK
        weeks = (last - WEEK * back for back in reversed(range(self.windows.forecast_weeks)))
        return tuple(week for week in weeks if self._in_study(week))

    def observation_weeks(self, model: str) -> tuple[dt.date, ...]:
        """Mondays of the first full weeks after the release of `model`, within the study's weeks."""
        released = self.deployment(model).released
        first = released + dt.timedelta(days=(7 - released.weekday()) % 7)
        weeks = (first + WEEK * ahead for ahead in range(self.windows.observation_weeks))
        return tuple(week for week in weeks if self._in_study(week))

    def simulated_models(self, week: str) -> tuple[str, ...]:
        """Models to simulate on the traffic of the week that starts on `week`: each deployment that is live in it, and
        the candidates that would replace one of them."""
        start = dt.date.fromisoformat(week)
        live = {
            deployment.model
            for deployment in self.deployments
            if deployment.released < start + WEEK
            and not any(
                other.predecessor == deployment.model and other.released <= start
                for other in self.deployments
            )
        }
        return tuple(d.model for d in self.deployments if d.model in live or d.predecessor in live)

    def _in_study(self, week: dt.date) -> bool:
        return week >= self.weeks.first and (self.weeks.last is None or week <= self.weeks.last)


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
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigurationError(
            f"{path}: no such study file. Make one with `depsim study init`, or try the product with `depsim demo`."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read ({type(error).__name__}: {error})") from None
    try:
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ConfigurationError(
            f"{path}{where}: not valid YAML ({getattr(error, 'problem', 'unreadable')})"
        ) from None
    if not isinstance(raw, dict):
        raise ConfigurationError(f"{path}: a study file is a mapping that starts with `version: 1`")
    try:
        study = StudyConfig.model_validate(raw)
    except ValidationError as error:
        raise ConfigurationError("\n".join(f"{path}: {line}" for line in _problems(error))) from None
    study._file = path
    return study


def _problems(error: ValidationError) -> list[str]:
    lines = []
    for problem in error.errors(include_url=False, include_input=False):
        key = ".".join(str(part) for part in problem["loc"])
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            message = f"unknown key; accepted here: {', '.join(_accepted_keys(problem['loc'][:-1]))}"
        elif problem["type"] == "missing":
            message = "this key is required"
        lines.append(f"{key}: {message}" if key else message)
    return lines


def _accepted_keys(location: tuple[Any, ...]) -> list[str]:
    section: Any = StudyConfig
    for part in location:
        if isinstance(part, str) and isinstance(section, type) and part in section.model_fields:
            section = _section_in(section.model_fields[part].annotation)
    return sorted(section.model_fields) if isinstance(section, type) else []


def _section_in(annotation: Any) -> Any:
    """The section class inside `Section`, `Section | None`, `tuple[Section, ...]` or `dict[str, Section]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _section_in(argument)
        if found is not None:
            return found
    return None

"""Sections of the study file: what each key accepts. How the sections refer to each other is checked in config.py.

Values are taken as YAML gives them: `yes` is no number, and a number is no date.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

WEEK = dt.timedelta(days=7)


def _spelled(pattern: str, accepted: str) -> AfterValidator:
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise ValueError(f"accepted: {accepted}")
        return value

    return AfterValidator(check)


# `|` separates the dimensions of a Dagster multi-partition key, and control characters have no place in a path.
ModelName = Annotated[
    str,
    _spelled(
        r"[A-Za-z0-9][A-Za-z0-9._:@/+-]{0,127}",
        "letters, digits and . _ : @ / + - (a letter or digit first, at most 128 characters)",
    ),
]
Name = Annotated[
    str,
    _spelled(
        r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}",
        "letters, digits and . _ - (a letter or digit first, at most 64 characters)",
    ),
]
EnvironmentKey = Annotated[
    str,
    _spelled(
        r"[A-Z_][A-Z0-9_]*",
        "the name of an environment variable (capital letters, digits and _), not the secret itself",
    ),
]
Reason = Annotated[str, StringConstraints(min_length=10)]
Text = Annotated[str, StringConstraints(min_length=1)]
Texts = Annotated[tuple[Text, ...], Field(strict=False)]


def _not_a_number(value: Any) -> Any:
    if isinstance(value, int | float):  # it would be read as seconds since 1970
        raise ValueError("accepted: a date such as 2026-01-05")
    return value


def _midnight(value: Any) -> Any:
    """A release that is given as a day happens when the day begins (UTC)."""
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            value = dt.date.fromisoformat(value)
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return dt.datetime.combine(value, dt.time(), dt.UTC)
    return value


def _zoned(moment: dt.datetime) -> dt.datetime:
    if moment.tzinfo is None:
        raise ValueError(
            "a time needs a zone, for example 2026-01-26T15:00:00Z; a day alone begins at 00:00 UTC"
        )
    return moment.astimezone(dt.UTC)


def _monday(day: dt.date) -> dt.date:
    if day.weekday() != 0:
        before = day - dt.timedelta(days=day.weekday())
        raise ValueError(f"weeks start on Monday (UTC); use {before} or {before + WEEK}")
    return day


Day = Annotated[dt.date, Field(strict=False), BeforeValidator(_not_a_number)]
Moment = Annotated[dt.datetime, Field(strict=False), BeforeValidator(_not_a_number)]
Monday = Annotated[Day, AfterValidator(_monday)]
ReleaseTime = Annotated[
    dt.datetime,
    Field(strict=False),
    BeforeValidator(_midnight),
    BeforeValidator(_not_a_number),
    AfterValidator(_zoned),
]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    def _only_keys_of(self, selector: str, keys: Mapping[str, tuple[str, ...]]) -> None:
        """Demand the keys of the chosen kind and refuse those of another kind, which would silently do nothing."""
        kind = getattr(self, selector)
        given = {key for names in keys.values() for key in names if getattr(self, key) not in (None, ())}
        problems = [f"{selector} `{kind}` needs the key `{key}`" for key in keys[kind] if key not in given]
        problems += [
            f"{selector} `{kind}` has no key `{key}`; it belongs to {selector} `{owner}`"
            for owner, names in keys.items()
            for key in names
            if key in given and key not in keys[kind]
        ]
        if problems:
            raise ValueError("\n".join(problems))


class ConsentConfig(Section):
    """Where consent is recorded. Without a ledger only a public corpus may be used, and its reason is recorded."""

    ledger: Text | None = Field(None, description="the consent ledger: Parquet, CSV or JSONL (file or glob)")
    scope: Text = Field("model_improvement", description="the scope that must be granted")
    public_corpus: Reason | None = Field(None, description="why this traffic needs no consent ledger")
    retroactive_grants: Reason | None = Field(
        None,
        description="why a grant that was recorded after a message may cover it; they do not count without",
    )

    @model_validator(mode="after")
    def _one_source(self) -> ConsentConfig:
        if (self.ledger is None) == (self.public_corpus is None):
            raise ValueError("give exactly one of `ledger` (its path) and `public_corpus` (the reason)")
        return self


class AnswerColumns(Section):
    """Columns of a table of recorded answers: one row per (prompt, model)."""

    prompt: Text = "prompt"
    model: Text = "model"
    answer: Text = "answer"
    attributes: Texts = Field((), description="columns kept beside the prefix, for graders and filters")


class RecordedAnswers(Section):
    """Files of (prompt, model, answer), with the part of the model column that is not in the deployment's name."""

    files: Texts = Field(min_length=1)
    columns: AnswerColumns = AnswerColumns()
    strip_model_prefix: str = ""


LogFormat = Literal["depsim", "openai_chat", "wildchat", "lmsys", "sharegpt"]
AccountClass = Literal["consumer", "employee", "enterprise"]


class RecordDefaults(Section):
    """What to take for a field that a record of a log does not have; a value that it has is never replaced."""

    model: ModelName | None = None
    surface: Literal["chat", "api"] | None = None
    account_class: AccountClass | None = None
    temporary: bool | None = None
    sent_at: Moment | None = Field(None, description="for logs without times: when every message was sent")

    @model_validator(mode="after")
    def _zoned_time(self) -> RecordDefaults:
        if self.sent_at is not None:
            _zoned(self.sent_at)
        return self


class LogFields(Section):
    """Where a log that is not in the project's own schema keeps what the format itself does not name: paths of keys such
    as `metadata.user`."""

    user_id: Text | None = None
    model: Text | None = None
    conversation_id: Text | None = None
    sent_at: Text | None = None
    surface: Text | None = None
    account_class: Text | None = None
    temporary: Text | None = None
    language: Text | None = None


class LogConfig(Section):
    """Files of logs in one format: files, folders and globs, compressed or not."""

    format: LogFormat = "depsim"
    paths: Texts = ()
    fields: LogFields = LogFields()
    defaults: RecordDefaults = RecordDefaults()
    models: dict[Text, ModelName] = Field({}, description="model name in the log → model of `deployments`")


class PrefixSourceConfig(LogConfig):
    """Prefixes that are not this week's traffic: challenging prompts, or a corpus in its place. They are replayed in
    every week with traffic, as a further `prefix_source` with rates of its own, and pass the same gates."""

    prompts_per_week: int | None = Field(
        200, ge=1, description="user turns of it that are replayed in a week; null takes all"
    )
    consent: ConsentConfig


class TrafficConfig(LogConfig):
    """The logs. `depsim` is the project's own conversation schema; `recorded_answers` a table of (prompt, model, answer)."""

    format: Literal[LogFormat, "recorded_answers"] = "depsim"  # type: ignore[assignment]
    recorded: RecordedAnswers | None = Field(None, description="for format recorded_answers")
    consent: ConsentConfig
    as_of: Moment | None = Field(None, description="consent must also hold at this moment; now when absent")
    challenging_prompts: PrefixSourceConfig | None = None
    external_corpus: PrefixSourceConfig | None = None

    @model_validator(mode="after")
    def _keys_of_format(self) -> TrafficConfig:
        logs = dict.fromkeys(("depsim", "openai_chat", "wildchat", "lmsys", "sharegpt"), ("paths",))
        self._only_keys_of("format", {**logs, "recorded_answers": ("recorded",)})
        if self.as_of is not None and self.as_of.tzinfo is None:
            raise ValueError("`as_of` needs a time zone, for example 2026-03-30T00:00:00Z")
        return self


class ExclusionConfig(Section):
    """The exclusions of METHOD.md; each is on unless the study turns it off."""

    temporary_chats: bool = True
    employees: bool = True
    enterprise: bool = True
    api: bool = True
    attachments: bool = True
    images: bool = True


class StrataConfig(Section):
    """Stratified sampling: every stratum gets its share, but at least `minimum` turns where it has them, so that rates
    of small strata can be resolved. Inclusion probabilities are recorded and weight the rates."""

    by: Annotated[
        tuple[Literal["language", "deployment", "surface", "account_class"], ...], Field(strict=False)
    ]
    minimum: int = Field(100, ge=1)


class DuplicatesConfig(Section):
    """Repetitions that are not further evidence: the same prompt of one user again, and near copies of it. (A record that
    was exported twice always counts once.)

    `near` looks for them among the turns of one user (a script, a retry) or of everybody; two users who ask the same are
    two user turns, so `anywhere` changes what the rate is a rate of.
    """

    repeated_prompts: bool = Field(
        True, description="a prompt that one user sends again to the same deployment in the week counts once"
    )
    near: Literal["off", "within_user", "anywhere"] = "within_user"
    similarity: float = Field(
        0.9, gt=0.5, le=1, description="Jaccard similarity of word 3-grams from which two are near"
    )


class SamplingConfig(Section):
    turns_per_week: int | None = Field(1000, ge=1, description="sampled user turns a week; null takes all")
    exclude: ExclusionConfig = ExclusionConfig()
    one_turn_per_conversation: bool = False
    turns_per_user: int | None = Field(
        None, ge=1, description="at most so many user turns of one user a week"
    )
    strata: StrataConfig | None = None
    duplicates: DuplicatesConfig = DuplicatesConfig()


class WeeksConfig(Section):
    first: Monday
    last: Monday | None = Field(
        None, description="the last Monday of a closed study; absent for a running one"
    )

    @model_validator(mode="after")
    def _in_order(self) -> WeeksConfig:
        if self.last is not None and self.last < self.first:
            raise ValueError(f"`last` ({self.last}) is before `first` ({self.first})")
        return self


class DeploymentConfig(Section):
    """One model version with its release time and the version that it replaces."""

    model: ModelName
    released: ReleaseTime
    predecessor: ModelName | None = None
    endpoint: Name
    served_as: Text | None = Field(
        None, description="the model name that the endpoint knows; `model` when absent"
    )

    @property
    def released_on(self) -> dt.date:
        """The day of the release (UTC)."""
        return self.released.date()

    @property
    def served_model(self) -> str:
        return self.served_as or self.model


class WindowsConfig(Section):
    forecast_weeks: int = Field(2, ge=1, description="full weeks before a release whose traffic is replayed")
    observation_weeks: int = Field(2, ge=1, description="full weeks after a release that are observed")


class EndpointConfig(Section):
    """`openai`: any OpenAI-compatible server. `sandbox` and `recorded` are served on loopback while a run lasts."""

    kind: Literal["openai", "sandbox", "recorded"] = "openai"
    base_url: Text | None = None
    api_key_env: EnvironmentKey | None = Field(None, description="environment variable that holds the key")
    world: Text | None = Field(None, description="for kind sandbox: the world file")
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
        self._only_keys_of(
            "kind", {"openai": ("base_url",), "sandbox": ("world",), "recorded": ("recorded",)}
        )
        if self.base_url is not None:
            parts = urlsplit(self.base_url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError(
                    "`base_url` must be http:// or https:// with a host, for example http://host:8000/v1"
                )
            if "@" in parts.netloc:
                raise ValueError(
                    "`base_url` must hold no credentials: name the key's variable in `api_key_env`"
                )
        return self


class ReplayConfig(Section):
    temperature: float = Field(1.0, ge=0, le=2)
    max_tokens: int | None = Field(1024, ge=1)
    completions_per_prefix: int = Field(1, ge=1, le=32)
    system_prompt: str | None = Field(None, description="replaces the system prompt of the log when given")


class DetectorConfig(Section):
    """A detector beside the embedded one; what either finds is replaced."""

    kind: Literal["presidio", "spacy", "transformers", "llm"]
    model: Text | None = Field(
        None, description="spacy: pipeline; transformers: model folder; llm: model name"
    )
    endpoint: Name | None = Field(None, description="for kind llm: one of `endpoints`")
    recognizers: Text | None = Field(None, description="for kind presidio: a recogniser registry file (YAML)")

    @model_validator(mode="after")
    def _keys_of_kind(self) -> DetectorConfig:
        if self.kind != "presidio" and self.model is None:
            raise ValueError(f"kind `{self.kind}` needs the key `model`")
        if (self.kind == "llm") != (self.endpoint is not None):
            raise ValueError("`endpoint` belongs to kind `llm`, which needs it")
        if self.recognizers is not None and self.kind != "presidio":
            raise ValueError("`recognizers` belongs to kind `presidio`")
        return self


class DeidentificationConfig(Section):
    engine: Literal["embedded", "none"] = "embedded"
    reason: Reason | None = Field(None, description="why engine `none` is acceptable; recorded in the gate")
    hmac_key_env: EnvironmentKey = "DEPSIM_HMAC_KEY"
    surrogates: Literal["realistic", "tags"] = Field(
        "realistic", description="`tags` ([PERSON_1]) tell the candidate that it reads processed text"
    )
    detectors: Annotated[tuple[DetectorConfig, ...], Field(strict=False)] = Field(
        (), description="stronger detectors beside the embedded one"
    )

    @model_validator(mode="after")
    def _none_needs_reason(self) -> DeidentificationConfig:
        if self.engine == "none" and self.reason is None:
            raise ValueError("engine `none` needs a `reason`")
        return self


class GateOverride(Section):
    """One expectation that may fail in one week, by whose decision and why; it is recorded and shows in the report."""

    week: Monday
    suite: Name
    expectation: Text = Field(description="type of the expectation, as the error names it")
    column: str = ""
    approved_by: Text
    reason: Reason


class PrivacyConfig(Section):
    """What the privacy gate demands, and how long text is kept."""

    canaries_per_type: int = Field(
        40, ge=0, description="planted details of each type that must be found in each week; 0 plants none"
    )
    k_anonymity: int = Field(5, ge=1, description="fewest users behind a published aggregate of traffic")
    retention_days: int | None = Field(
        None,
        ge=1,
        description="text of weeks that ended longer ago is purged by `depsim purge`; null keeps it",
    )
    overrides: Annotated[tuple[GateOverride, ...], Field(strict=False)] = ()


class GraderConfig(Section):
    """How a category is labelled: by a model (`llm`) or by a deterministic rule (`regex`, `python`, `recorded`)."""

    kind: Literal["llm", "regex", "python", "recorded"]
    endpoint: Name | None = None
    model: Text | None = None
    pattern: Text | None = Field(
        None, description="for kind regex: RE2 syntax, searched in the target turn's text"
    )
    function: Text | None = Field(
        None, description="for kind python: `module:function` or `file.py:function`"
    )
    recorded: RecordedAnswers | None = Field(None, description="for kind recorded")
    label: Text | None = Field(None, description="for kind recorded: the label column; 1 means flagged")

    @model_validator(mode="after")
    def _keys_of_kind(self) -> GraderConfig:
        self._only_keys_of(
            "kind",
            {
                "llm": ("endpoint", "model"),
                "regex": ("pattern",),
                "python": ("function",),
                "recorded": ("recorded", "label"),
            },
        )
        return self


class GradingConfig(Section):
    taxonomy: Text = Field("default", description="`default` (METHOD.md) or the path of a taxonomy file")
    graders: dict[Name, GraderConfig] = Field(min_length=1)
    default_grader: Name | None = Field(None, description="grades every category that names none")


class EstimationConfig(Section):
    level: float = Field(0.95, gt=0.5, lt=1)
    tau: float = Field(0.5, ge=0, le=3, description="log-scale forecast error before any scorecard exists")

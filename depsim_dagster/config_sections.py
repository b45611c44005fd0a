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


class LimitsConfig(Section):
    """What the provider allows this account: the engine keeps to it, and `depsim study plan` counts hours with it."""

    requests_per_minute: int | None = Field(None, ge=1)
    tokens_per_minute: int | None = Field(None, ge=1)


class BatchConfig(Section):
    """Calls go in files through the provider's Files and Batches (cheaper, within hours) instead of one by one."""

    requests_per_file: int = Field(50_000, ge=1, le=100_000)
    megabytes_per_file: float = Field(100.0, gt=0, le=500)
    files_in_flight: int = Field(4, ge=1, description="batches that may be open at the provider at a time")
    poll_seconds: float = Field(30.0, gt=0)
    completion_window: Text = "24h"
    delete_files: bool = Field(
        True,
        description="delete input and result files at the provider once their answers are in the journal",
    )


class EndpointConfig(Section):
    """`openai`: any OpenAI-compatible server. `sandbox` and `recorded` are served on loopback while a run lasts."""

    kind: Literal["openai", "sandbox", "recorded"] = "openai"
    api: Literal["chat", "responses", "decisions"] = Field(
        "chat", description="Chat Completions, Responses, or (graders only) Decisions"
    )
    base_url: Text | None = None
    api_key_env: EnvironmentKey | None = Field(None, description="environment variable that holds the key")
    world: Text | None = Field(None, description="for kind sandbox: the world file")
    recorded: RecordedAnswers | None = Field(None, description="for kind recorded")
    max_in_flight: int = Field(
        64,
        ge=1,
        le=4096,
        description="requests at a time, over all processes of this store; fewer while it is busy",
    )
    workers: int = Field(
        1, ge=1, le=64, description="processes that make the calls; more than one for more cores"
    )
    limits: LimitsConfig = LimitsConfig()
    request_timeout_s: float = Field(60.0, gt=0, description="for one attempt")
    total_timeout_s: float = Field(900.0, gt=0, description="for one call, over all its attempts")
    max_attempts: int = Field(6, ge=1)
    max_tokens_param: Literal["max_tokens", "max_completion_tokens"] = "max_completion_tokens"
    seed: bool = Field(True, description="send a seed (the Responses API takes none)")
    structured_output: Literal["json_schema", "json_object", "none"] = Field(
        "json_schema",
        description="what the server can hold an answer to; a grader's verdict is parsed without",
    )
    batch: BatchConfig | None = None
    tokenizer: Text | None = Field(
        None, description="tokenizer.json to count tokens with in `depsim study plan`; estimated without"
    )

    @property
    def embedded(self) -> bool:
        return self.kind != "openai"

    @model_validator(mode="after")
    def _keys_of_kind(self) -> EndpointConfig:
        self._only_keys_of(
            "kind", {"openai": ("base_url",), "sandbox": ("world",), "recorded": ("recorded",)}
        )
        unused = {"chat": (), "responses": ("max_tokens_param", "seed")}.get(
            self.api, ("max_tokens_param", "seed", "structured_output")
        )
        for key in unused:
            if key in self.model_fields_set:
                raise ValueError(f"api `{self.api}` has no key `{key}`; remove it")
        if self.api == "decisions" and self.batch is not None:
            raise ValueError("`batch` belongs to api `chat` and `responses`; providers batch no decisions")
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


Parameters = Annotated[
    dict[Text, Any], Field(description="further keys of the request, such as reasoning_effort")
]


class ReplayConfig(Section):
    temperature: float | None = Field(1.0, ge=0, le=2, description="null sends none")
    top_p: float | None = Field(None, gt=0, le=1)
    max_tokens: int | None = Field(1024, ge=1)
    parameters: Parameters = {}
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


class ScreenConfig(Section):
    """A cascade: a cheap grader reads every turn, the grader itself a probability sample of them by the screen's score.
    Every label keeps its probability, so that rates stay unbiased."""

    grader: Name = Field(description="the cheap grader, one of `graders`")
    share: float = Field(0.25, gt=0, le=1, description="of the turns that the full grader reads, on average")
    floor: float = Field(
        0.2,
        gt=0,
        le=1,
        description="lowest probability of a turn, as a part of `share`: what the screen misses",
    )


class GraderConfig(Section):
    """How a category is labelled: by a model (`llm`), by a deterministic rule (`regex`, `python`, `recorded`), or by the
    vote of several graders (`ensemble`)."""

    kind: Literal["llm", "regex", "python", "recorded", "ensemble"]
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
    members: Annotated[tuple[Name, ...], Field(strict=False)] = Field(
        (), description="for kind ensemble: at least two of `graders`"
    )
    rule: Literal["majority", "mean"] = Field(
        "majority",
        description="for kind ensemble: most members flag, or their mean score reaches `threshold`",
    )
    categories_per_call: Literal["all", "one"] = Field(
        "all", description="for kind llm: one call for all categories of a turn, or one call for each"
    )
    verdict: Literal["flag", "probability"] = Field(
        "flag", description="for kind llm: true or false, or a probability that `threshold` turns into a flag"
    )
    threshold: float = Field(0.5, gt=0, lt=1, description="score from which a category is flagged")
    max_tokens: int | None = Field(None, ge=1, description="for kind llm: limit of the verdict's length")
    parameters: Parameters = {}
    screen: ScreenConfig | None = Field(None, description="turns the cascade on")

    @model_validator(mode="after")
    def _keys_of_kind(self) -> GraderConfig:
        self._only_keys_of(
            "kind",
            {
                "llm": ("endpoint", "model"),
                "regex": ("pattern",),
                "python": ("function",),
                "recorded": ("recorded", "label"),
                "ensemble": ("members",),
            },
        )
        optional = {
            "llm": ("categories_per_call", "verdict", "threshold", "max_tokens", "parameters"),
            "ensemble": ("rule", "threshold"),
            "python": ("threshold",),
        }
        for key in sorted({key for keys in optional.values() for key in keys} & self.model_fields_set):
            if key not in optional.get(self.kind, ()):
                owners = " and ".join(f"`{kind}`" for kind, keys in optional.items() if key in keys)
                raise ValueError(f"kind `{self.kind}` has no key `{key}`; it belongs to kind {owners}")
        if self.kind == "ensemble" and len(set(self.members)) < 2:
            raise ValueError("an ensemble needs at least two different `members`")
        return self


class GradingConfig(Section):
    taxonomy: Text = Field(
        "default", description="`default` (METHOD.md), `coding_agent`, or the path of a taxonomy file"
    )
    graders: dict[Name, GraderConfig] = Field(min_length=1)
    default_grader: Name | None = Field(None, description="grades every category that names none")
    human_labels: Text | None = Field(
        None,
        description="file or glob with labels that people gave (CSV, JSONL, Parquet), to validate graders by",
    )


class PriceConfig(Section):
    """What a model's calls cost, in the budget's currency."""

    input_per_million: float = Field(0.0, ge=0)
    output_per_million: float = Field(0.0, ge=0)
    per_call: float = Field(0.0, ge=0)
    batch_factor: float = Field(0.5, ge=0, le=1, description="price in batch mode, as a part of this one")


class BudgetConfig(Section):
    """What the study may spend in all; a run stops before the call that would exceed it, and goes on when it is raised."""

    calls: int | None = Field(None, ge=0)
    tokens: int | None = Field(None, ge=0, description="prompt and completion tokens together")
    money: float | None = Field(None, ge=0)
    currency: Text = "USD"
    prices: dict[Text, PriceConfig] = Field({}, description="model name at its endpoint → price")

    @property
    def limited(self) -> bool:
        return any(limit is not None for limit in (self.calls, self.tokens, self.money))


class EstimationConfig(Section):
    level: float = Field(0.95, gt=0.5, lt=1)
    tau: float = Field(0.5, ge=0, le=3, description="log-scale forecast error before any scorecard exists")

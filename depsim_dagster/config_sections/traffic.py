"""Sections of the study file on traffic: logs, consent, sampling, weeks."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    Field,
    model_validator,
)

from depsim_dagster.config_sections.values import (
    ModelName,
    Moment,
    Monday,
    Reason,
    Section,
    Text,
    Texts,
    _zoned,
)


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
PromptFormat = Literal["depsim", "openai_chat", "wildchat", "lmsys", "sharegpt", "prompts"]
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
    prompt: Text | None = Field(
        None,
        description="for format prompts: the column of the prompt or transcript, where its name does not tell",
    )


class LogConfig(Section):
    """Files of logs in one format: files, folders and globs, compressed or not."""

    format: LogFormat = "depsim"
    paths: Texts = ()
    fields: LogFields = LogFields()
    defaults: RecordDefaults = RecordDefaults()
    models: dict[Text, ModelName] = Field({}, description="model name in the log → model of `deployments`")

    @model_validator(mode="after")
    def _prompt_of_format(self) -> LogConfig:
        if self.fields.prompt is not None and self.format != "prompts":
            raise ValueError("`fields.prompt` belongs to format `prompts`")
        return self


class PrefixSourceConfig(LogConfig):
    """Prefixes that are not this week's traffic: challenging prompts, a corpus in its place, or evaluation prompts. They are
    replayed in every week with traffic, as a further `prefix_source`, and pass the same gates."""

    format: PromptFormat = "depsim"  # type: ignore[assignment]
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
    evaluation_prompts: PrefixSourceConfig | None = Field(
        None, description="traditional evaluation sets, for `awareness`; no taxonomy grades them"
    )

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

"""Sections of the study file on models: deployments, the endpoints that serve them, how they are replayed."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator, model_validator

from depsim_dagster.config_sections.traffic import RecordedAnswers
from depsim_dagster.config_sections.values import EnvironmentKey, ModelName, Name, ReleaseTime, Section, Text
from depsim_dagster.replay.dialects.requests import RESERVED


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
    own_traffic: bool = Field(
        False,
        description="also simulate every candidate on its own observation weeks (X→X): what of the error the prefixes make",
    )


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


# What a request is made of, and what would have the provider answer later, elsewhere or from something else.
SET_BY_THE_ENGINE = RESERVED | {
    "input",
    "instructions",
    "background",
    "conversation",
    "previous_response_id",
    "seed",
}
TOKEN_LIMITS = frozenset({"max_tokens", "max_completion_tokens", "max_output_tokens"})


def _further_keys(parameters: dict[str, Any]) -> dict[str, Any]:
    for key in parameters:
        if key in SET_BY_THE_ENGINE:
            raise ValueError(f"`{key}` is set for each request and cannot be given here; remove it")
        if key in TOKEN_LIMITS:
            raise ValueError(
                f"`{key}` cannot be given here: `max_tokens` is the key for it, beside `parameters`"
            )
    return parameters


Parameters = Annotated[
    dict[Text, Any],
    AfterValidator(_further_keys),
    Field(description="further keys of the request, such as reasoning_effort"),
]


class ReplayConfig(Section):
    temperature: float | None = Field(1.0, ge=0, le=2, description="null sends none")
    top_p: float | None = Field(None, gt=0, le=1)
    max_tokens: int | None = Field(1024, ge=1)
    parameters: Parameters = {}
    completions_per_prefix: int = Field(1, ge=1, le=32)
    system_prompt: str | None = Field(None, description="replaces the system prompt of the log when given")

    @field_validator("parameters")
    @classmethod
    def _no_second_value(cls, parameters: dict[str, Any]) -> dict[str, Any]:
        for key in ("temperature", "top_p"):
            if key in parameters:
                raise ValueError(f"`{key}` has a key of its own; set that one")
        return parameters

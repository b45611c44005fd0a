"""A study opened for work: its configuration with the lake, the taxonomy, the measurement stack and the endpoints.

Assets, the CLI and notebooks all hold a study through this one object. Opening it makes no call and starts no server.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from depsim_dagster.config import StudyConfig, load_study
from depsim_dagster.config_sections.audit import EmbeddingsConfig
from depsim_dagster.errors import ConfigurationError, LakeError
from depsim_dagster.grading.stack import measurement_stack, stack_hash
from depsim_dagster.grading.taxonomy import Taxonomy, load_taxonomy
from depsim_dagster.lake import Lake, write_atomically
from depsim_dagster.privacy.gates.overrides import check_overrides
from depsim_dagster.privacy.gates.suites import deidentification_digest, suite_versions
from depsim_dagster.replay.budget.spending import Prices, Spending
from depsim_dagster.replay.budget.spent import JournalName
from depsim_dagster.replay.calls.embedded import embedded_server
from depsim_dagster.replay.calls.endpoints import Endpoint, check_endpoint
from depsim_dagster.replay.dialects.embeddings import EMBEDDINGS
from depsim_dagster.replay.journal.response_journal import Journal, journal_directory
from depsim_dagster.traffic.log_files import matching_files

UNSERVED = "http://unserved.invalid/v1"


class Study:
    """One study file, opened. Raises ConfigurationError where an override is none that a gate allows."""

    def __init__(self, config: StudyConfig):
        check_overrides(config)
        self.config = config

    @cached_property
    def taxonomy(self) -> Taxonomy:
        return load_taxonomy(self.config)

    @cached_property
    def suite_versions(self) -> dict[str, str]:
        return suite_versions()

    @cached_property
    def lake(self) -> Lake:
        return Lake(
            self.config.store_root,
            self.suite_versions,
            lambda: self.config.hmac_keys,
            deidentification_digest(self.config.deidentification),
            self.config.path(self.config.journal) if self.config.journal else None,
        )

    def prepare_store(self) -> None:
        """Make the folders of store and journal, closed to other accounts of this machine: they are to hold conversations.

        Raises:
            LakeError: it cannot be made.
        """
        try:
            for folder in (
                self.config.store_root,
                *([self.lake.journal_directory] if self.config.journal else []),
            ):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise LakeError(
                f"{folder}: cannot be made ({error.strerror}); correct `store`, `journal` or its permissions"
            ) from None

    @cached_property
    def stack(self) -> dict[str, Any]:
        """The measurement stack's document."""
        return measurement_stack(self.config, self.taxonomy, self.suite_versions)

    @cached_property
    def stack_hash(self) -> str:
        return stack_hash(self.stack)

    def endpoint(self, name: str) -> Endpoint:
        """The endpoint, served on loopback from now on when it is an embedded one.

        Raises:
            ConfigurationError: the variable that should hold its key is unset.
            EndpointError: an embedded server cannot start.
        """
        settings = self.config.endpoints[name]
        key = None
        if settings.api_key_env is not None:
            key = os.environ.get(settings.api_key_env)
            if not key:
                raise ConfigurationError(
                    f"{self.config.file}: endpoints.{name}.api_key_env: the environment variable {settings.api_key_env} is not set"
                )
        base_url = settings.base_url
        if settings.embedded:
            base_url = embedded_server(self._server_arguments(name)).base_url
        assert base_url is not None  # EndpointConfig demands it for kind openai
        return self._endpoint(name, base_url, key)

    def unserved_endpoint(self, name: str) -> Endpoint:
        """The endpoint as far as requests and their ids depend on it: without its key, and nothing is started."""
        return self._endpoint(name, self.config.endpoints[name].base_url or UNSERVED, None)

    def embeddings_endpoint(self, name: str) -> Endpoint:
        """The endpoint as it is asked for embeddings: one request each, also where its chats go in files."""
        return replace(self.endpoint(name), api=EMBEDDINGS, batch=None)

    def _endpoint(self, name: str, base_url: str, key: str | None) -> Endpoint:
        settings = self.config.endpoints[name]
        return Endpoint(
            name=name,
            base_url=base_url,
            api_key=key,
            api_key_env=settings.api_key_env,
            api=settings.api,
            max_in_flight=settings.max_in_flight,
            workers=settings.workers,
            requests_per_minute=settings.limits.requests_per_minute,
            tokens_per_minute=settings.limits.tokens_per_minute,
            request_timeout_s=settings.request_timeout_s,
            total_timeout_s=settings.total_timeout_s,
            max_attempts=settings.max_attempts,
            max_tokens_param=settings.max_tokens_param,
            seed=settings.seed,
            structured_output=settings.structured_output,
            batch=settings.batch,
        )

    def journal(self, endpoint: str, served_model: str) -> Journal:
        """Where the answers of this model at this endpoint are kept."""
        return Journal(self.journal_directory(endpoint, served_model))

    def journal_directory(self, endpoint: str, served_model: str) -> Path:
        """Its folder, which is there once something was asked."""
        return journal_directory(self.lake.journal_directory, endpoint, served_model)

    @property
    def prices(self) -> Prices:
        """What calls cost, by the study's price table."""
        batched = (name for name, endpoint in self.config.endpoints.items() if endpoint.batch is not None)
        return Prices(self.config.budget.prices, frozenset(batched))

    def spending(self, endpoint: str, served_model: str) -> Spending | None:
        """The budget as calls into the journal of this model meet it; None for a study without one."""
        budget = self.config.budget
        if not budget.limited:
            return None
        journal = JournalName(endpoint, served_model)
        return Spending(self.lake.journal_directory, budget, self.prices, journal, self.config.file)

    def models_by_endpoint(self) -> dict[str, list[str]]:
        """Endpoint name → the model names that the study asks of it."""
        asked: dict[str, set[str]] = {}
        for deployment in self.config.deployments:
            asked.setdefault(deployment.endpoint, set()).add(deployment.served_model)
        for grader in self.config.grading.graders.values():
            if grader.endpoint is not None and grader.model is not None:
                asked.setdefault(grader.endpoint, set()).add(grader.model)
        for detector in self.config.deidentification.detectors:
            if detector.endpoint is not None and detector.model is not None:
                asked.setdefault(detector.endpoint, set()).add(detector.model)
        if (embeddings := self._embeddings()) is not None:
            asked.setdefault(embeddings.endpoint, set()).add(embeddings.model)
        return {name: sorted(models) for name, models in sorted(asked.items())}

    def check_endpoints(self, names: Iterable[str] | None = None) -> None:
        """Ask every endpoint (or the named ones) for the models that the study needs.

        Raises:
            EndpointError: one is unreachable, refuses the key, or lacks a model.
        """
        models, embeddings = self.models_by_endpoint(), self._embeddings()
        for name in models if names is None else names:
            embeds = {embeddings.model} if embeddings is not None and embeddings.endpoint == name else set()
            if chat := [model for model in models[name] if model not in embeds]:
                check_endpoint(self.endpoint(name), chat)
            if embeds:
                check_endpoint(self.embeddings_endpoint(name), embeds)

    def _embeddings(self) -> EmbeddingsConfig | None:
        return None if self.config.audit is None else self.config.audit.embeddings

    def _server_arguments(self, name: str) -> list[str]:
        settings = self.config.endpoints[name]
        if settings.kind == "sandbox":
            world = self.config.path(settings.world or "").resolve()
            if not world.is_file():
                raise ConfigurationError(
                    f"{self.config.file}: endpoints.{name}.world: no file {world}; `depsim demo` makes one"
                )
            return ["--world", str(world)]
        assert settings.recorded is not None
        columns = settings.recorded.columns
        recorded = {
            "files": [
                str(file.resolve())
                for file in matching_files(
                    self.config, settings.recorded.files, f"endpoints.{name}.recorded.files"
                )
            ],
            "columns": {"prompt": columns.prompt, "model": columns.model, "answer": columns.answer},
            "strip_model_prefix": settings.recorded.strip_model_prefix,
        }
        file = self.lake.root / "_endpoints" / f"{name}.json"
        content = json.dumps(recorded, indent=1).encode()
        if not file.is_file() or file.read_bytes() != content:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(file, content)
        return ["--recorded", str(file.resolve())]


def study_at(file: Path) -> Study:
    """Open the study of a study file."""
    return Study(load_study(file))

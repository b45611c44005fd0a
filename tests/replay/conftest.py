from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fault_server import FaultServer

from depsim_dagster.replay.calls.endpoints import Endpoint
from depsim_dagster.replay.dialects.requests import CHAT_PATH, ModelCall, chat_request, request_id
from depsim_dagster.replay.journal.response_journal import Journal


@pytest.fixture
def server() -> Iterator[FaultServer]:
    server = FaultServer()
    yield server
    server.close()


@pytest.fixture
def endpoint(server: FaultServer) -> Callable[..., Endpoint]:
    def make(**changes: Any) -> Endpoint:
        settings = {
            "name": "local",
            "base_url": server.base_url,
            "request_timeout_s": 5.0,
            "max_in_flight": 8,
        }
        return Endpoint(**{**settings, **changes})

    return make


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal")


@pytest.fixture
def call() -> Callable[..., ModelCall]:
    def make(text: str, model: str = "m", sample_index: int = 0) -> ModelCall:
        body = chat_request(model, [{"role": "user", "content": text}])
        return ModelCall(request_id("local", CHAT_PATH, body, sample_index), body)

    return make

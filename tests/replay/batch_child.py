"""A run in batches that a test can kill, in a process forked off a clean one, which takes milliseconds to start."""

from __future__ import annotations

import multiprocessing
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from depsim_dagster.config_sections import BatchConfig
from depsim_dagster.replay.batch import provider as batch_provider
from depsim_dagster.replay.calls import in_flight
from depsim_dagster.replay.calls.call_intake import CallStatistics
from depsim_dagster.replay.calls.endpoints import Endpoint
from depsim_dagster.replay.calls.engine import complete_calls
from depsim_dagster.replay.dialects.requests import CHAT_PATH, ModelCall, chat_request, request_id
from depsim_dagster.replay.journal.claims import Subject
from depsim_dagster.replay.journal.response_journal import Journal

LOOKS = (0.02, 0.02, 0.02)
WEEK = "2026-01-05"
# Of what a run imports, that which takes longest.
PRELOADED = [
    *("aiohttp", "httpx2", "httpcore2", "openai.resources.batches", "openai.resources.files", "pandas"),
    "depsim_dagster.replay.batch.mode",
]


def batch_calls(texts: list[str]) -> list[ModelCall]:
    """One call for each text, made for the turn of that text."""
    bodies = [chat_request("m", [{"role": "user", "content": text}]) for text in texts]
    return [
        ModelCall(request_id("local", CHAT_PATH, body, 0), body, Subject(WEEK, text, "a user"))
        for text, body in zip(texts, bodies, strict=True)
    ]


def run(
    base_url: str, directory: Path, texts: list[str], attempts: int = 6, spending: Any = None, **batch: Any
) -> CallStatistics:
    in_flight.FIRST_BACKOFF_S = 0.01
    batch_provider.LOOK_AGAIN_S = LOOKS
    settings = BatchConfig(**{"poll_seconds": 0.02, **batch})
    endpoint = Endpoint(
        "local", base_url, batch=settings, request_timeout_s=10.0, total_timeout_s=1.0, max_attempts=attempts
    )
    return complete_calls(endpoint, batch_calls(texts), Journal(directory), spending=spending)


def start(*arguments: Any, **batch: Any) -> BaseProcess:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    process = context.Process(target=run, args=arguments, kwargs=batch, daemon=True)
    process.start()
    return process

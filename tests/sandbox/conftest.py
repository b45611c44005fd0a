"""A small world, its traffic on disk, and real sandbox servers in processes of their own."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pyarrow.parquet as pq
import pytest

from depsim_dagster.sandbox import truth
from depsim_dagster.sandbox.traffic import write_traffic
from depsim_dagster.sandbox.world import World


@dataclasses.dataclass
class RunningServer:
    """A server process, its address, and clients for it."""

    process: subprocess.Popen[str]
    port: int
    base_url: str

    def client(self, **options: Any) -> openai.OpenAI:
        return openai.OpenAI(
            **{"base_url": self.base_url, "api_key": "test", "max_retries": 0, "timeout": 20} | options
        )

    def stats(self) -> dict[str, Any]:
        import urllib.request

        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/sandbox/stats", timeout=10) as response:
            return json.load(response)


@contextlib.contextmanager
def running_server(*options: str, env: dict[str, str] | None = None) -> Iterator[RunningServer]:
    command = [sys.executable, "-m", "depsim_dagster.sandbox", "serve", "--exit-with-parent", *options]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **(env or {})}
    )
    try:
        yield RunningServer(process, **json.loads(process.stdout.readline()))
    finally:
        process.stdin.close()
        try:
            process.wait(10)
        finally:
            process.kill()
            process.stdout.close()


@pytest.fixture(scope="session")
def world() -> World:
    releases = {"sandbox-v1": 0, "sandbox-v2": 1, "sandbox-v3": 2, "sandbox-v4": 3}
    return World(seed=11, weeks=4, conversations_per_week=280, releases=releases)


@pytest.fixture(scope="session")
def lake(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory with traffic, consent, planted tables and truth of the small world."""
    directory = tmp_path_factory.mktemp("sandbox")
    assert len(list(write_traffic(world, directory))) == world.weeks + 3
    truth.write_truth(world, directory)
    return directory


@pytest.fixture(scope="session")
def rows(world: World, lake: Path) -> dict[str, list[dict[str, Any]]]:
    """week -> conversations."""
    weeks = (world.week(i) for i in range(world.weeks))
    return {
        week: pq.ParquetFile(lake / "traffic" / f"week={week}.parquet").read().to_pylist() for week in weeks
    }


@pytest.fixture(scope="session")
def grants(lake: Path) -> dict[str, list[Any]]:
    return truth.consenting(pq.read_table(lake / "consent.parquet").to_pylist())


@pytest.fixture(scope="session")
def world_file(world: World, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("world") / "world.json"
    world.save(path)
    return str(path)


@pytest.fixture(scope="session")
def server(world_file: str) -> Iterator[RunningServer]:
    with running_server("--world", world_file) as running:
        yield running


@pytest.fixture(scope="session")
def start() -> Callable[..., contextlib.AbstractContextManager[RunningServer]]:
    """Start a server with options: `with start("--rate-429", "0.5") as running:`."""
    return running_server

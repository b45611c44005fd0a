"""Endpoints that depsim serves itself, on loopback, while a process lasts: the sandbox and recorded answers.

The server is another process (its CPU time is not the engine's) that serves on a free port, says so in one
JSON line, and ends when its standard input closes, so that not even a SIGKILL of this process leaves it
behind. Equal arguments share one server. What it serves is not known here.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import depsim_dagster
from depsim_dagster.errors import EndpointError

SERVER_MODULE = "depsim_dagster.sandbox"
START_DEADLINE_S = 60.0
STOP_DEADLINE_S = 5.0


class EmbeddedServer:
    """A running server process: `base_url`, `alive`, `stop()`. Also a context manager that stops it."""

    def __init__(
        self, args: Sequence[str], module: str = SERVER_MODULE, deadline_s: float = START_DEADLINE_S
    ) -> None:
        """Start `python -m <module> serve <args> --port 0 --exit-with-parent` and wait for its line.

        Raises EndpointError, with the end of the server's stderr, when it ends or stays silent for
        `deadline_s`.
        """
        self._command = [sys.executable, "-m", module, "serve", *args, "--port", "0", "--exit-with-parent"]
        self._owner = os.getpid()
        # A file and not a pipe: nobody reads along, and a full pipe would stop the server.
        self._stderr = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env=package_environment(),
        )
        self.base_url = self._wait_for_address(deadline_s)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        """End the server: close its input, then terminate, then kill. A forked child leaves its parent's
        server alone."""
        if self._owner != os.getpid():
            return
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        if self.alive:
            self._process.terminate()
        try:
            self._process.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._stderr.close()

    def __enter__(self) -> EmbeddedServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _wait_for_address(self, deadline_s: float) -> str:
        lines: queue.Queue[bytes] = queue.Queue()
        threading.Thread(target=self._drain, args=(self._process.stdout, lines), daemon=True).start()
        try:
            line = lines.get(timeout=deadline_s)
        except queue.Empty:
            self._give_up(f"did not say its port within {deadline_s:g} s")
        base_url = _base_url(line)
        if base_url is None:
            if line == b"":
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(STOP_DEADLINE_S)
                self._give_up(f"ended before it said its port (exit code {self._process.returncode})")
            self._give_up("said something else than its port in its first line")
        return base_url

    def _give_up(self, what: str) -> None:
        self._process.kill()
        self._process.wait()
        self._stderr.seek(0)
        said = self._stderr.read()[-2000:].decode("utf-8", "replace").strip()
        self._stderr.close()
        command = " ".join(self._command[1:])
        raise EndpointError(
            f"the embedded server (python {command}) {what}; its error output ends with:\n"
            f"{said or '(nothing)'}"
        )

    @staticmethod
    def _drain(stdout: Any, lines: queue.Queue[bytes]) -> None:
        """Hand over the first line, then read on and forget: a full pipe would stop the server."""
        with contextlib.suppress(OSError, ValueError):
            lines.put(stdout.readline())
            while stdout.read(65536):
                pass


_servers: dict[tuple[int, str, tuple[str, ...]], EmbeddedServer] = {}
_servers_lock = threading.Lock()


def embedded_server(
    args: Sequence[str], module: str = SERVER_MODULE, deadline_s: float = START_DEADLINE_S
) -> EmbeddedServer:
    """The server of this process for these arguments: the running one, or a new one. It is stopped at
    exit."""
    key = (os.getpid(), module, tuple(args))
    with _servers_lock:
        server = _servers.get(key)
        if server is None or not server.alive:
            server = _servers[key] = EmbeddedServer(args, module, deadline_s)
    return server


@atexit.register
def stop_embedded_servers() -> None:
    """Stop every server that this process started through `embedded_server`."""
    with _servers_lock:
        for server in _servers.values():
            server.stop()
        _servers.clear()


def package_environment() -> dict[str, str]:
    """This environment, in which the package is importable even where it was found through sys.path alone."""
    root = str(Path(depsim_dagster.__file__).resolve().parents[1])
    paths = [path for path in (os.environ.get("PYTHONPATH"), root) if path]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def _base_url(line: bytes) -> str | None:
    try:
        announced = json.loads(line)
        return str(announced["base_url"])
    except (ValueError, KeyError, TypeError):
        return None

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from depsim_dagster.errors import EndpointError
from depsim_dagster.replay.calls.embedded import (
    EmbeddedServer,
    embedded_server,
    stop_embedded_servers,
)

HERE = Path(__file__).parent
MODULE = "announcing_server"


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    yield
    stop_embedded_servers()


def get(base_url: str) -> list[str]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(base_url, timeout=10) as response:
        return json.load(response)


def listens(base_url: str) -> bool:
    parts = urlsplit(base_url)
    with socket.socket() as probe:
        return probe.connect_ex((parts.hostname, parts.port)) == 0


def test_it_serves_with_its_arguments_until_it_is_stopped():
    with EmbeddedServer(["--world", "w.yaml"], MODULE) as server:
        for _ in range(3):  # it writes more than the pipes hold
            assert get(server.base_url) == ["serve", "--world", "w.yaml", "--port", "0", "--exit-with-parent"]
        assert server.alive
    assert not server.alive and not listens(server.base_url)


def test_a_server_that_does_not_hear_its_input_close_is_terminated():
    server = EmbeddedServer(["--deaf"], MODULE)
    server.stop()
    assert not server.alive


def test_equal_arguments_share_a_server_and_a_dead_one_is_replaced():
    first = embedded_server(["a"], MODULE)
    assert embedded_server(("a",), MODULE) is first
    assert embedded_server(["b"], MODULE).base_url != first.base_url
    first.stop()
    second = embedded_server(["a"], MODULE)
    assert second is not first and get(second.base_url)[1] == "a"
    stop_embedded_servers()
    assert not second.alive


@pytest.mark.parametrize(
    ("argument", "what"),
    [
        (
            "--crash",
            "ended before it said its port (exit code 1); its error output ends with:\n"
            "the world file is missing",
        ),
        ("--silent", "did not say its port within 3 s"),
        ("--chatter", "said something else than its port"),
    ],
)
def test_a_server_that_does_not_start_is_explained(argument, what):
    with pytest.raises(EndpointError) as caught:
        embedded_server([argument], MODULE, deadline_s=3 if argument == "--silent" else 20)
    assert what in str(caught.value) and f"serve {argument}" in str(caught.value)


def test_it_ends_with_its_parent_even_when_that_is_killed():
    script = (
        "import sys; from depsim_dagster.replay.calls.embedded import embedded_server\n"
        f"print(embedded_server(['x'], {MODULE!r}).base_url, flush=True); sys.stdin.read()"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parents[1])])}
    for end in ("exit", "kill"):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with subprocess.Popen([sys.executable, "-c", script], env=environment, **pipes) as parent:
            base_url = parent.stdout.readline().decode().strip()
            assert listens(base_url)
            if end == "kill":
                parent.send_signal(signal.SIGKILL)
            else:
                parent.stdin.close()
            parent.wait(10)
            # The grandchild holds no end of this pipe, so there is nothing to wait on but the port itself.
            assert _until_closed(base_url)


def _until_closed(base_url: str) -> bool:
    parts = urlsplit(base_url)
    with socket.socket() as waiting:
        waiting.settimeout(10)
        if waiting.connect_ex((parts.hostname, parts.port)) != 0:
            return True
        try:
            return waiting.recv(1) == b""  # the kernel closes the connection when the server's process ends
        except ConnectionResetError:
            return True

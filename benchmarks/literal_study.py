"""What the benchmarks of replay and grading share: a study of one model, its prefixes, and a server that answers at once.

Prefixes are made as they are needed, from their number, so that no benchmark measures the memory of its own input.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from depsim_dagster.study import Study

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(1, str(ROOT))

WEEK, MODEL, ENDPOINT = "2026-01-05", "m1", "local"
KEY = "a key for this benchmark"
NOON = dt.datetime(2026, 1, 5, 12, tzinfo=dt.UTC)
PREFIX_CHARACTERS = 2000
ANSWER = "an answer of some length " * 40 + "\n\nGRADE: C"  # as Inspect's grader wants it, in every answer


def open_study(
    directory: Path, base_url: str, endpoint: dict[str, Any] | None = None, served_as: str = "m"
) -> Study:
    """A study whose one model, and whose grader of all categories of the default taxonomy, are at `base_url`."""
    import yaml

    from depsim_dagster.config import load_study
    from depsim_dagster.study import Study

    os.environ.setdefault("DEPSIM_HMAC_KEY", KEY)
    document = {
        "version": 1,
        "name": "literal",
        "traffic": {"paths": ["none"], "consent": {"public_corpus": "sentences of a benchmark"}},
        "weeks": {"first": WEEK},
        "deployments": [
            {"model": MODEL, "released": "2025-12-01", "endpoint": ENDPOINT, "served_as": served_as}
        ],
        "endpoints": {ENDPOINT: {"base_url": base_url, **(endpoint or {})}},
        "grading": {
            "graders": {"judge": {"kind": "llm", "endpoint": ENDPOINT, "model": "grader"}},
            "default_grader": "judge",
        },
    }
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "study.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    study = Study(load_study(directory / "study.yaml"))
    study.prepare_store()
    return study


def messages(number: int) -> list[dict[str, str]]:
    """A prefix of PREFIX_CHARACTERS."""
    return [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": f"{number} " + "a question of some length " * (PREFIX_CHARACTERS // 26)},
    ]


def prefixes(count: int, columns: list[str] | None = None, batch: int = 1000) -> Iterator[pa.RecordBatch]:
    """So many rows of DEIDENTIFIED_PREFIXES."""
    import pyarrow as pa

    from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES

    fields = [field for field in DEIDENTIFIED_PREFIXES.schema if columns is None or field.name in columns]
    for start in range(0, count, batch):
        rows = [_row(fields, number) for number in range(start, min(start + batch, count))]
        yield pa.RecordBatch.from_pylist(rows, schema=pa.schema(fields))


def publish_prefixes(study: Study, count: int) -> None:
    """The week's prefixes in the lake, as if they had come through their gates."""
    from depsim_dagster.lake import GateMark
    from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES

    quarantined = study.lake.quarantine(DEIDENTIFIED_PREFIXES, {"week": WEEK}, prefixes(count))
    marks = [
        GateMark(suite, study.suite_versions[suite], quarantined.content, "0", NOON.isoformat(), count)
        for suite in DEIDENTIFIED_PREFIXES.gates
    ]
    study.lake.publish(quarantined, [study.lake.signed(quarantined, mark) for mark in marks])


def replay(study: Study) -> None:
    """From the week's prefixes in the lake to its regenerated completions in the lake."""
    from depsim_dagster.replay.regenerate import PREFIX_COLUMNS, regenerate
    from depsim_dagster.replay.schema import REGENERATED_COMPLETIONS
    from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES

    deployment = study.config.deployment(MODEL)
    found = study.lake.scan(DEIDENTIFIED_PREFIXES, {"week": WEEK}, columns=PREFIX_COLUMNS)
    endpoint, journal = study.endpoint(ENDPOINT), study.journal(ENDPOINT, deployment.served_model)
    replayed = regenerate(study.config, WEEK, MODEL, found, endpoint, journal)
    study.lake.write(REGENERATED_COMPLETIONS, {"week": WEEK, "model": MODEL}, replayed.rows)


def grade(study: Study) -> None:
    """From completions in the lake to their labels in the lake, one call for all categories of a completion."""
    from depsim_dagster.grading.labelling import label_turns
    from depsim_dagster.grading.schema import GRADED_LABELS
    from depsim_dagster.grading.turns import simulated_turns

    labelling = label_turns(study, lambda: simulated_turns(study.lake, WEEK, MODEL))
    study.lake.write(GRADED_LABELS, {"week": WEEK, "model": MODEL}, labelling.rows)


@contextlib.contextmanager
def measured() -> Iterator[None]:
    """Prints the CPU and wall seconds of its block, and the process's peak memory in MiB, as one JSON line."""
    cpu, wall = time.process_time(), time.perf_counter()
    yield
    found = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
    # ru_maxrss counts KiB on Linux and bytes on macOS.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({**found, "peak_mb": peak / (2**20 if sys.platform == "darwin" else 2**10)}))


def _row(fields: list[pa.Field], number: int) -> dict[str, Any]:
    given = {
        "week": WEEK,
        "turn_id": f"{number:032x}",
        "conversation_id": f"{number:032x}",
        "user_id": f"{number // 3:032x}",
        "deployment": MODEL,
        "sent_at": NOON,
        "prefix_source": "deployment_traffic",
        "inclusion_probability": 0.5,
        "account_class": "consumer",
        "surface": "chat",
        "consent_policy_version": "1",
        "consent_decided_at": NOON,
        "surrogates": "realistic",
        "prefix": json.dumps(messages(number)),
        "target": "[]",
    }
    empty = {"bool": False, "int32": 0}
    return {
        field.name: given.get(field.name, None if field.nullable else empty.get(str(field.type), []))
        for field in fields
    }


@contextlib.contextmanager
def fast_server(latency_ms: float = 0.0, cores: set[int] | None = None) -> Iterator[str]:
    """Base URL of a server in a process of its own: it reads nothing of a request but whether it wants JSON."""
    command = [sys.executable, __file__, "--latency-ms", str(latency_ms)]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    if cores:
        os.sched_setaffinity(server.pid, cores)
    try:
        yield server.stdout.readline().strip()
    finally:
        server.stdin.close()
        server.wait(10)


def _serve(latency_ms: float) -> None:
    """HTTP/1.1 by hand on asyncio, since the server must not be what a benchmark waits for.

    Answers are ANSWER, or for a request with a JSON schema an object of it in which nothing is true.
    """
    plain = _reply(ANSWER)
    verdicts: dict[bytes, bytes] = {}  # the text of a response format → the reply

    def reply_to(body: bytes) -> bytes:
        place = body.find(b'"response_format":')
        if place < 0:
            return plain
        for known, reply in verdicts.items():
            if body.startswith(known, place):
                return reply
        text = body[place + 18 :].decode()
        wanted, size = json.JSONDecoder().raw_decode(text)
        fields = wanted["json_schema"]["schema"]["properties"]
        verdict = {name: False if field["type"] == "boolean" else 0 for name, field in fields.items()}
        reply = verdicts[body[place : place + 18 + len(text[:size].encode())]] = _reply(json.dumps(verdict))
        return reply

    class Connection(asyncio.Protocol):
        def connection_made(self, transport) -> None:
            self._transport, self._received = transport, b""

        def data_received(self, data: bytes) -> None:
            self._received += data
            while True:
                head, separator, rest = self._received.partition(b"\r\n\r\n")
                if not separator:
                    return
                lines = head.lower().split(b"\r\n")
                length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
                if len(rest) < length:
                    return
                body, self._received = rest[:length], rest[length:]
                reply = reply_to(body)
                if latency_ms:
                    asyncio.get_running_loop().call_later(latency_ms / 1000, self._write, reply)
                else:
                    self._write(reply)

        def _write(self, reply: bytes) -> None:
            if not self._transport.is_closing():
                self._transport.write(reply)

    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", 0, backlog=1024)
        print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
        await asyncio.to_thread(sys.stdin.read)

    asyncio.run(main())


def _reply(content: str) -> bytes:
    answer = {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}
        ],
        "usage": {"prompt_tokens": 500, "completion_tokens": 200, "total_tokens": 700},
    }
    body = json.dumps(answer).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


if __name__ == "__main__":
    _serve(float(sys.argv[sys.argv.index("--latency-ms") + 1]))

"""CPU time per call of the engine (journal on), beside a semaphore loop over the SDK's default async client.

    python benchmarks/engine_cpu.py [--calls 1500] [--in-flight 100] [--rounds 3]

The server is another process and answers at once, so what is measured is the client's own work. Each
measurement is a process of its own, the two take turns, and the medians are compared. Set-up (imports, a
warm-up call) is not counted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

PREFIX_CHARACTERS = 2000
ANSWER = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "an answer of some length " * 40},
        }
    ],
    "usage": {"prompt_tokens": 500, "completion_tokens": 200, "total_tokens": 700},
}


def messages(i: int) -> list[dict[str, str]]:
    return [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": f"{i} " + "a question of some length " * (PREFIX_CHARACTERS // 26)},
    ]


def serve() -> None:
    from aiohttp import web

    content = json.dumps(ANSWER).encode()

    async def chat(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=content, content_type="application/json")

    async def main() -> None:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", chat)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        print(f"http://127.0.0.1:{runner.addresses[0][1]}/v1", flush=True)
        await asyncio.to_thread(sys.stdin.read)

    asyncio.run(main())


def run_engine(base_url: str, calls: int, in_flight: int) -> None:
    from depsim_dagster.replay.endpoints import Endpoint
    from depsim_dagster.replay.engine import ModelCall, complete_calls
    from depsim_dagster.replay.journal import Journal
    from depsim_dagster.replay.requests import CHAT_PATH, chat_request, request_id

    def stream(numbers: range) -> Iterator[ModelCall]:
        for i in numbers:
            body = chat_request("m", messages(i), sampling={"temperature": 1.0, "max_tokens": 1024})
            yield ModelCall(request_id("bench", CHAT_PATH, body, 0), body)

    endpoint = Endpoint("bench", base_url, max_in_flight=in_flight)
    with tempfile.TemporaryDirectory() as directory:
        journal = Journal(Path(directory))
        complete_calls(endpoint, stream(range(-1, 0)), journal)
        with Measured():
            done = complete_calls(endpoint, stream(range(calls)), journal)
        assert done.by_status == {"ok": calls}, done


def run_default_client(base_url: str, calls: int, in_flight: int) -> None:
    from openai import AsyncOpenAI

    async def main() -> None:
        limit = asyncio.Semaphore(in_flight)
        async with AsyncOpenAI(api_key="none", base_url=base_url) as client:

            async def one(i: int) -> str:
                async with limit:
                    answer = await client.chat.completions.create(
                        model="m", messages=messages(i), temperature=1.0, max_completion_tokens=1024
                    )
                return answer.choices[0].message.content

            await one(-1)
            with Measured():
                answers = await asyncio.gather(*(one(i) for i in range(calls)))
            assert all(answers)

    asyncio.run(main())


class Measured:
    """Prints the CPU and wall seconds of its block, and the process's peak memory, as one JSON line."""

    def __enter__(self) -> None:
        self._cpu, self._wall = time.process_time(), time.perf_counter()

    def __exit__(self, *_: object) -> None:
        cpu, wall = time.process_time() - self._cpu, time.perf_counter() - self._wall
        # ru_maxrss counts KiB on Linux and bytes on macOS.
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
            1 if sys.platform == "darwin" else 1 / 1024
        )
        print(json.dumps({"cpu": cpu, "wall": wall, "peak_mb": peak / 2**20}))


MEASURED = {"engine": run_engine, "default client": run_default_client}


def compare(calls: int, in_flight: int, rounds: int) -> None:
    server = subprocess.Popen(
        [sys.executable, __file__, "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        base_url = server.stdout.readline().strip()
        runs: dict[str, list[dict[str, float]]] = {name: [] for name in MEASURED}
        for _ in range(rounds):
            for name in MEASURED:
                command = [sys.executable, __file__, "--measure", name, "--base-url", base_url]
                command += ["--calls", str(calls), "--in-flight", str(in_flight)]
                output = subprocess.run(
                    command, check=True, capture_output=True, text=True, timeout=300
                ).stdout
                runs[name].append(json.loads(output.splitlines()[-1]))
    finally:
        server.stdin.close()
        server.wait(10)
    medians = {}
    for name, results in runs.items():
        medians[name] = statistics.median(result["cpu"] for result in results) / calls * 1000
        wall = statistics.median(result["wall"] for result in results)
        peak = statistics.median(result["peak_mb"] for result in results)
        print(
            f"{name:15s} {medians[name]:6.2f} ms CPU per call, {calls / wall:.0f} calls/s, peak {peak:.0f} MB"
        )
    print(f"ratio           {medians['default client'] / medians['engine']:6.2f} (default client / engine)")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=1500)
    parser.add_argument("--in-flight", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--measure", choices=MEASURED, help=argparse.SUPPRESS)
    parser.add_argument("--base-url", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve()
    elif options.measure:
        MEASURED[options.measure](options.base_url, options.calls, options.in_flight)
    else:
        compare(options.calls, options.in_flight, options.rounds)

"""The engine (journal on) beside a semaphore loop over the SDK's default async client, on the same server.

    python benchmarks/engine_cpu.py [--parts cpu one-core one-second] [--calls 4000] [--rounds 3]

cpu: CPU time per call, 100 in flight, a server that answers at once. one-core: calls per second at 200 ms latency when
the client has one core and the server another. one-second: at 1 s latency, calls per second as a share of what so many
in flight can do at best (in flight / latency), over the whole run with its start and its end.

Each measurement is a process of its own, the two clients take turns, and medians are compared. Imports and a warm-up call
are not counted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from literal_study import fast_server, measured, messages

# At 200 ms so many that the core is what limits both clients, not the server's latency.
IN_FLIGHT = {"cpu": 100, "one-core": 500}
ROUNDS_OF_A_SECOND = 20


def run_engine(base_url: str, calls: int, in_flight: int, workers: int = 1) -> None:
    from depsim_dagster.replay.calls.endpoints import Endpoint
    from depsim_dagster.replay.calls.engine import complete_calls
    from depsim_dagster.replay.dialects.requests import CHAT_PATH, ModelCall, chat_request, request_id
    from depsim_dagster.replay.journal.response_journal import Journal

    def stream(numbers: range) -> Iterator[ModelCall]:
        for i in numbers:
            body = chat_request("m", messages(i), sampling={"temperature": 1.0, "max_tokens": 1024})
            yield ModelCall(request_id("bench", CHAT_PATH, body, 0), body)

    endpoint = Endpoint("bench", base_url, max_in_flight=in_flight, workers=workers)
    with tempfile.TemporaryDirectory() as directory:
        journal = Journal(Path(directory))
        complete_calls(endpoint, stream(range(-1, 0)), journal)
        with measured():
            done = complete_calls(endpoint, stream(range(calls)), journal)
        assert done.by_status == {"ok": calls}, done


def run_default_client(base_url: str, calls: int, in_flight: int, workers: int = 1) -> None:
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
            with measured():
                answers = await asyncio.gather(*(one(i) for i in range(calls)))
            assert all(answers)

    asyncio.run(main())


MEASURED = {"engine": run_engine, "default client": run_default_client}


def measure(
    name: str, base_url: str, calls: int, in_flight: int, workers: int = 1, core: int | None = None
) -> dict:
    """One measurement in a process of its own, on one core if given."""
    command = [sys.executable, __file__, "--measure", name, "--base-url", base_url]
    command += ["--calls", str(calls), "--in-flight", str(in_flight), "--workers", str(workers)]
    if core is not None:
        command += ["--core", str(core)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=300).stdout
    return json.loads(output.splitlines()[-1])


def compare(part: str, calls: int, rounds: int, latency_ms: float, one_core: bool) -> None:
    """Print CPU and speed of both clients, and their ratio."""
    cores = sorted(os.sched_getaffinity(0))
    client, server = (cores[0], {cores[-1]}) if one_core else (None, None)
    in_flight = IN_FLIGHT[part]
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in MEASURED}
    with fast_server(latency_ms, server) as base_url:
        for _ in range(rounds):
            for name in MEASURED:
                runs[name].append(measure(name, base_url, calls, in_flight, core=client))
    print(f"{part}: {calls} calls, {in_flight} in flight, {latency_ms:g} ms latency, {rounds} rounds")
    cpu, speed = {}, {}
    for name, results in runs.items():
        cpu[name] = statistics.median(result["cpu"] for result in results) / calls * 1000
        speed[name] = calls / statistics.median(result["wall"] for result in results)
        peak = statistics.median(result["peak_mb"] for result in results)
        print(
            f"  {name:15s} {cpu[name]:6.2f} ms CPU per call, {speed[name]:5.0f} calls/s, peak {peak:.0f} MB"
        )
    print(
        f"  engine / default client: {cpu['engine'] / cpu['default client']:.2f} of its CPU, "
        f"{speed['engine'] / speed['default client']:.2f} times its calls per second"
    )


def share_of_ideal(in_flight: int, workers: int) -> None:
    """Print the engine's calls per second at 1 s latency beside the best that is possible."""
    calls = in_flight * ROUNDS_OF_A_SECOND
    with fast_server(1000.0) as base_url:
        found = measure("engine", base_url, calls, in_flight, workers)
    speed = calls / found["wall"]
    print(
        f"one-second: {calls} calls, {in_flight} in flight: {speed:.1f} calls/s of {in_flight} possible, "
        f"share {speed / in_flight:.3f}; {found['cpu'] / calls * 1000:.2f} ms CPU per call"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = ["cpu", "one-core", "one-second"]
    parser.add_argument("--parts", nargs="+", choices=parts, default=parts)
    parser.add_argument("--calls", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1, help="processes of the engine in one-second")
    parser.add_argument("--measure", choices=MEASURED, help=argparse.SUPPRESS)
    parser.add_argument("--base-url", help=argparse.SUPPRESS)
    parser.add_argument("--in-flight", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--core", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        if options.core is not None:
            os.sched_setaffinity(0, {options.core})
        MEASURED[options.measure](options.base_url, options.calls, options.in_flight, options.workers)
        return
    if "cpu" in options.parts:
        compare("cpu", options.calls, options.rounds, 0.0, one_core=False)
    if "one-core" in options.parts:
        compare("one-core", options.calls, options.rounds, 200.0, one_core=True)
    if "one-second" in options.parts:
        for in_flight in (100, 300):
            share_of_ideal(in_flight, options.workers)


if __name__ == "__main__":
    main()

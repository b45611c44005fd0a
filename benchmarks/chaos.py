"""A replay whose server errs and whose process is killed: is the table whole, and what was paid for twice?

    python benchmarks/chaos.py [--calls 20000] [--kills 5] [--workers 1] [--seed 0] [--batch]

The sandbox server answers one request in five with a 429, 500, 503, a reset before or after the headers, a stall, JSON
that is cut or invalid, or a slow body. The process that replays is killed with SIGKILL at random moments and started
again. In the end its partition in the lake is read: every prefix has one row and every row an answer. The server has
counted which requests came again after their answer had been delivered in full: at most, per kill, those in flight and
those of the last flush. Exit code 1 when that does not hold.

With --batch the calls go through Files and Batches, of which some expire or are cancelled half-way and one line in five
fails: no line may be answered twice.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from literal_study import ENDPOINT, MODEL, ROOT, WEEK, open_study, prefixes

SERVED_AS = "sandbox-v1"
# In all one in five. Stalls are few, since each holds a slot until the request times out; so are 429 and 503, at which
# the engine slows down, as it has to.
FAULTS = {
    "--rate-429": 0.01,
    "--rate-5xx": 0.02,
    "--rate-reset": 0.04,
    "--rate-late-reset": 0.04,
    "--rate-truncated": 0.04,
    "--rate-invalid-json": 0.02,
    "--rate-timeout": 0.005,
    "--rate-slow": 0.025,
}
BATCH_FAULTS = {
    "--batch-fates": "expired:0.5,completed,cancelled:0.3,expired:0.1,completed,completed,expired:0.8",
    "--batch-rate-429": 0.1,
    "--batch-rate-5xx": 0.1,
    "--batch-delay-ms": 300,
}
MOST_RUNS_AFTER_KILLS = 4


def replay(directory: Path, base_url: str, options: argparse.Namespace) -> None:
    """The process that is killed: one partition, from the prefixes to the published table."""
    from depsim_dagster.replay.regenerate import PREFIX_COLUMNS, regenerate
    from depsim_dagster.replay.schema import REGENERATED_COMPLETIONS

    endpoint = {
        "max_in_flight": options.in_flight,
        "workers": options.workers,
        "request_timeout_s": options.timeout,
        "max_attempts": 8,
        "total_timeout_s": 600,
    }
    if options.batch:
        lines = max(options.calls // 20, 10)
        endpoint["batch"] = {"requests_per_file": lines, "files_in_flight": 4, "poll_seconds": 0.2}
    study = open_study(directory, base_url, endpoint, SERVED_AS)
    replayed = regenerate(
        study.config,
        WEEK,
        MODEL,
        prefixes(options.calls, PREFIX_COLUMNS),
        study.endpoint(ENDPOINT),
        study.journal(ENDPOINT, SERVED_AS),
    )
    study.lake.write(REGENERATED_COMPLETIONS, {"week": WEEK, "model": MODEL}, replayed.rows)
    print(json.dumps(replayed.statistics.by_status), flush=True)


def published(directory: Path, base_url: str, calls: int) -> dict[str, Any]:
    """What is wrong with the partition; nothing, when it is whole."""
    from depsim_dagster.replay.schema import REGENERATED_COMPLETIONS

    study = open_study(directory, base_url, None, SERVED_AS)
    rows = study.lake.read(REGENERATED_COMPLETIONS, {"week": WEEK, "model": MODEL})
    turns, requests = rows.column("turn_id").to_pylist(), rows.column("request_id").to_pylist()
    statuses = rows.column("status").to_pylist()
    return {
        "rows": len(turns),
        "missing": len({f"{number:032x}" for number in range(calls)} - set(turns)),
        "duplicates": len(turns) - len(set(turns)) + len(requests) - len(set(requests)),
        "without_answer": sum(status in ("failed", "malformed") for status in statuses),
    }


class Worker:
    """One process that replays."""

    def __init__(self, directory: Path, base_url: str, options: argparse.Namespace) -> None:
        command = [sys.executable, __file__, "--worker", str(directory), base_url]
        for name in ("calls", "in_flight", "workers", "timeout"):
            command += [f"--{name.replace('_', '-')}", str(getattr(options, name))]
        command += ["--batch"] * options.batch
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
        )

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.communicate()

    def finish(self) -> dict[str, int]:
        """Statuses of the calls that it made. Raises RuntimeError when it failed."""
        output, _ = self._process.communicate()
        if self._process.returncode:
            raise RuntimeError(f"the process that replays ended with code {self._process.returncode}")
        return json.loads(output.splitlines()[-1])


def chaos(options: argparse.Namespace) -> dict[str, Any]:
    """Run it all; the figures."""
    from depsim_dagster.replay.calls.embedded import EmbeddedServer
    from depsim_dagster.replay.journal.response_journal import FLUSH_ROWS

    moments = random.Random(options.seed)
    places = sorted(moments.sample(range(options.calls // 20, options.calls * 9 // 10), options.kills))
    faults = BATCH_FAULTS if options.batch else FAULTS
    arguments = [str(part) for pair in faults.items() for part in pair]
    arguments += ["--fault-seed", str(options.seed), "--retry-after", "0.05", "--slow-seconds", "0.5"]
    arguments += ["--latency-ms", str(options.latency_ms)]
    started, killed, in_last_run = time.perf_counter(), 0, {}
    with tempfile.TemporaryDirectory() as folder, EmbeddedServer(arguments) as server:
        directory = Path(folder)
        for place in places:
            worker = Worker(directory, server.base_url, options)
            while statistics(server.base_url, options.batch)["answered"] < place and not worker.ended:
                time.sleep(0.02)
            time.sleep(moments.uniform(0.0, 1.0))
            killed += not worker.ended
            worker.kill()
        runs = 0
        while runs < MOST_RUNS_AFTER_KILLS:
            runs += 1
            in_last_run = Worker(directory, server.base_url, options).finish()
            table = published(directory, server.base_url, options.calls)
            if not table["without_answer"]:
                break
        counted = statistics(server.base_url, options.batch)
    return {
        "calls": options.calls,
        "workers": options.workers,
        "kills": killed,
        "kills_after_answers": places,
        "runs_after_the_kills": runs,
        "statuses_of_the_last_run": in_last_run,
        **table,
        "faults": counted["faults"],
        "requests_seen": counted["requests_seen"],
        "repeated_requests": counted["repeated_requests"],
        "repeated_answers": counted["repeated_answers"],
        "bound": 0 if options.batch else killed * (options.in_flight + options.workers * FLUSH_ROWS),
        "seconds": round(time.perf_counter() - started, 1),
    }


def statistics(base_url: str, batch: bool) -> dict[str, Any]:
    """What the server counted; in batch mode of lines."""
    page = "/sandbox/batches" if batch else "/sandbox/stats"
    with urllib.request.urlopen(base_url.removesuffix("/v1") + page, timeout=30) as response:
        counted = json.load(response)
    if not batch:
        return counted
    answers, executions = counted["answers"], sum(counted["executions"].values())
    repeated = sum(answers.values()) - len(answers)
    return {
        "answered": len(answers),
        "requests_seen": executions,
        "repeated_requests": repeated,
        "repeated_answers": repeated,
        "faults": {"line": executions - sum(answers.values()), **counted["batches"]},
    }


def violations(figures: dict[str, Any], kills: int) -> list[str]:
    """What the figures break, in words."""
    faults = figures["faults"]
    share = faults.get("line", sum(faults.values())) / figures["requests_seen"]
    found = {
        f"{figures['missing']} prefixes without a row": figures["missing"],
        f"{figures['duplicates']} rows twice": figures["duplicates"],
        f"{figures['without_answer']} rows without an answer": figures["without_answer"],
        f"{figures['repeated_requests']} requests repeated, bound {figures['bound']}": figures[
            "repeated_requests"
        ]
        > figures["bound"],
        f"{figures['kills']} kills hit a process at work, not {kills}": figures["kills"] != kills,
        f"{share:.0%} of the requests met a fault": not 0.15 < share < 0.25,
    }
    return [words for words, broken in found.items() if broken]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--workers", type=int, default=1, help="endpoint.workers of the study")
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--timeout", type=float, default=3.0, help="seconds that a request may take")
    parser.add_argument("--latency-ms", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch", action="store_true", help="through Files and Batches")
    parser.add_argument("--worker", nargs=2, metavar=("DIRECTORY", "URL"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        replay(Path(options.worker[0]), options.worker[1], options)
        return 0
    figures = chaos(options)
    print(json.dumps(figures))
    broken = violations(figures, options.kills)
    for words in broken:
        print(f"violated: {words}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())

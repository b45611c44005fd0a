"""Command line of the sandbox: `python -m depsim_dagster.sandbox {world,traffic,truth,serve}`."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from depsim_dagster.errors import ConfigurationError, DepsimError
from depsim_dagster.sandbox.world import World

if TYPE_CHECKING:
    from depsim_dagster.sandbox.batch_faults import BatchFaults


def _rate(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError("must lie in [0, 1]")
    return value


def _positive(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError("must be a number of 0 or more")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m depsim_dagster.sandbox", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    world = commands.add_parser("world", help="write a world file")
    world.add_argument("--out", required=True, help="the JSON file to write")
    world.add_argument("--seed", type=int)
    world.add_argument("--first-week", help="a Monday, YYYY-MM-DD")
    world.add_argument("--weeks", type=int)
    world.add_argument("--conversations-per-week", type=int)

    traffic = commands.add_parser("traffic", help="write traffic, consent, planted identifiers and truth")
    traffic.add_argument("--world", help="world file (default: the default world)")
    traffic.add_argument("--out", required=True, help="directory to write into")

    truth = commands.add_parser("truth", help="compute sandbox/truth.parquet again from existing traffic")
    truth.add_argument("--world", help="world file (default: the default world)")
    truth.add_argument("--out", required=True, help="directory that holds traffic/ and consent.parquet")

    serve = commands.add_parser("serve", help="serve the models over OpenAI's HTTP API on 127.0.0.1")
    serve.add_argument("--world", help="world file (default: the default world, unless --recorded is given)")
    serve.add_argument(
        "--recorded", help="recordings file; its models are served beside those of --world, if given"
    )
    serve.add_argument("--port", type=int, default=0, help="0 takes a free one")
    serve.add_argument("--exit-with-parent", action="store_true", help="exit when stdin ends")
    serve.add_argument(
        "--api-key-env", metavar="NAME", help="environment variable holding the key to require"
    )
    serve.add_argument(
        "--batch-delay-ms", type=_positive, default=0.0, help="time a batch waits in each early state"
    )
    serve.add_argument("--fault-seed", type=int, default=0)
    serve.add_argument("--latency-ms", type=_positive, default=0.0)
    serve.add_argument("--rate-429", type=_rate, default=0.0)
    serve.add_argument("--retry-after", type=_positive, help="Retry-After in seconds on a 429")
    serve.add_argument("--rate-5xx", type=_rate, default=0.0, help="500 and 503 in equal parts")
    serve.add_argument("--rate-timeout", type=_rate, default=0.0, help="share of requests that stall")
    serve.add_argument("--stall-seconds", type=_positive, default=600.0)
    serve.add_argument(
        "--rate-truncated", type=_rate, default=0.0, help="share of responses cut in the middle"
    )
    serve.add_argument(
        "--rate-reset", type=_rate, default=0.0, help="share of connections reset before an answer"
    )
    serve.add_argument(
        "--rate-late-reset", type=_rate, default=0.0, help="share of connections reset after the headers"
    )
    serve.add_argument(
        "--rate-invalid-json", type=_rate, default=0.0, help="share of answers of which the end is missing"
    )
    serve.add_argument("--rate-slow", type=_rate, default=0.0, help="share of bodies that drip")
    serve.add_argument("--slow-seconds", type=_positive, default=2.0, help="mean time of a slow body")
    serve.add_argument(
        "--requests-per-minute", type=_count, help="429 beyond, and x-ratelimit-* headers on every answer"
    )
    serve.add_argument(
        "--batch-fates",
        default="",
        help="ends of the first batches, separated by commas: completed, invalid, token_limit, expired:SHARE or "
        "cancelled:SHARE of the lines run",
    )
    serve.add_argument("--batch-rate-429", type=_rate, default=0.0, help="share of a batch's lines")
    serve.add_argument("--batch-rate-5xx", type=_rate, default=0.0, help="share of a batch's lines")
    serve.add_argument("--batch-queue-lines", type=_count, help="lines that may wait in all batches together")
    serve.add_argument("--max-concurrent", type=_count, help="429 for more requests at a time")
    return parser


def _world(path: str | None) -> World:
    return World.load(path) if path else World()


def _write_world(arguments: argparse.Namespace) -> None:
    names = ("seed", "first_week", "weeks", "conversations_per_week")
    world = World(
        **{name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    )
    world.save(arguments.out)
    print(json.dumps(world.to_json()))


def _write_traffic(arguments: argparse.Namespace) -> None:
    from depsim_dagster.sandbox.traffic import write_traffic
    from depsim_dagster.sandbox.truth import write_truth

    world = _world(arguments.world)
    world.save(Path(arguments.out) / "sandbox" / "world.json")
    for path in write_traffic(world, arguments.out):
        print(path)
    print(write_truth(world, arguments.out))


def _write_truth(arguments: argparse.Namespace) -> None:
    from depsim_dagster.sandbox.truth import write_truth

    print(write_truth(_world(arguments.world), arguments.out))


def _serve(arguments: argparse.Namespace) -> None:
    from depsim_dagster.sandbox.faults import Faults
    from depsim_dagster.sandbox.players import Cast, Player, SandboxPlayer
    from depsim_dagster.sandbox.recorded import load_recordings
    from depsim_dagster.sandbox.server import SandboxServer, serve

    players: list[Player] = []
    if arguments.world or not arguments.recorded:
        players.append(SandboxPlayer(_world(arguments.world)))
    if arguments.recorded:
        players.append(load_recordings(arguments.recorded))
    key = None
    if arguments.api_key_env:
        key = os.environ.get(arguments.api_key_env)
        if not key:
            raise ConfigurationError(
                f"environment variable {arguments.api_key_env} (--api-key-env) is empty or not set"
            )
    faults = Faults(
        seed=arguments.fault_seed,
        **{
            field.name: getattr(arguments, field.name)
            for field in dataclasses.fields(Faults)
            if field.name != "seed"
        },
    )
    if sum(rate for _, rate in faults.rates) > 1:
        raise ConfigurationError("the --rate-… options add up to more than 1")
    server = SandboxServer(
        Cast(players), faults, key, arguments.batch_delay_ms / 1000, _batch_faults(arguments)
    )
    try:
        asyncio.run(serve(server, arguments.port, arguments.exit_with_parent))
    except OSError as error:
        raise ConfigurationError(f"cannot listen on port {arguments.port} ({error.strerror})") from None


def _batch_faults(arguments: argparse.Namespace) -> BatchFaults:
    from depsim_dagster.sandbox.batch_faults import BatchFaults, Fate

    try:
        fates = tuple(Fate.parse(text) for text in arguments.batch_fates.split(",") if text.strip())
    except ValueError as error:
        raise ConfigurationError(f"--batch-fates: `{error}` is none of the ends that a batch has") from None
    return BatchFaults(
        arguments.fault_seed,
        fates,
        arguments.batch_rate_429,
        arguments.batch_rate_5xx,
        arguments.batch_queue_lines,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns 0, or 2 after one line on stderr for an error that the user can mend."""
    arguments = _parser().parse_args(argv)
    commands = {"world": _write_world, "traffic": _write_traffic, "truth": _write_truth, "serve": _serve}
    try:
        commands[arguments.command](arguments)
    except DepsimError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

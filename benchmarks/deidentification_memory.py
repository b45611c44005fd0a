"""Peak memory of the de-identification pass by the number of messages that stream through it.

    python benchmarks/deidentification_memory.py [--messages 10000 100000 1000000] [--batch 500]

Each size runs in a process of its own; the messages are drawn as they are needed, from the labelled set of the tests and
from a seed. Flat means: what a hundred times as many messages add is less than what the batches themselves take.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "privacy")]

import pyarrow as pa  # noqa: E402

MESSAGES_PER_TURN = 5
MONDAY = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)


def turns(messages: int, batch: int) -> Iterator[pa.RecordBatch]:
    """SAMPLED_TRAFFIC rows with so many messages in all, of which one in five holds personal details."""
    from labelled_messages import whole_set

    from depsim_dagster.traffic.schema import SAMPLED_TRAFFIC

    texts = [(message.text, bool(message.spans)) for message in whole_set(seed=7)]
    personal = [text for text, has_details in texts if has_details]
    plain = [text for text, has_details in texts if not has_details]
    source, rows = random.Random(7), []
    for number in range(messages // MESSAGES_PER_TURN):
        said = [
            source.choice(personal),
            *(f"{source.choice(plain)[:80]} ({number})" for _ in range(MESSAGES_PER_TURN - 2)),
        ]
        prefix = [
            {"role": "user" if place % 2 == 0 else "assistant", "content": text}
            for place, text in enumerate(said)
        ]
        rows.append(
            {
                "week": "2026-01-05",
                "turn_id": f"{number:032x}",
                "conversation_id": f"{number:032x}",
                "user_id": "0" * 32,
                "sent_at": MONDAY,
                "prefix": json.dumps(prefix),
                "target": json.dumps(
                    [{"role": "assistant", "content": f"{source.choice(plain)[:80]} ({number})"}]
                ),
            }
        )
        if len(rows) == batch:
            yield pa.RecordBatch.from_pylist(rows, schema=SAMPLED_TRAFFIC.schema)
            rows = []
    if rows:
        yield pa.RecordBatch.from_pylist(rows, schema=SAMPLED_TRAFFIC.schema)


def measure(messages: int, batch: int) -> dict[str, float]:
    """De-identify a stream in this process: peak resident memory (MB), bytes of text, seconds of CPU, details."""
    from depsim_dagster.config_sections import DeidentificationConfig
    from depsim_dagster.privacy.deidentify import deidentify

    size = replaced = 0
    started = time.process_time()
    for result in deidentify(turns(messages, batch), b"a key for this benchmark", DeidentificationConfig()):
        size += sum(len(text) for name in ("prefix", "target") for text in result.column(name).to_pylist())
        replaced += sum(result.column("identifiers_replaced").to_pylist())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "peak_mb": peak,
        "characters": size,
        "seconds": time.process_time() - started,
        "replaced": replaced,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--batch", type=int, default=500, help="turns in a batch")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        print(json.dumps(measure(arguments.messages[0], arguments.batch)))
        return
    print(f"{'messages':>10} {'peak MB':>8} {'KB/s CPU':>9} {'details':>9}")
    for messages in arguments.messages:
        command = [
            sys.executable,
            __file__,
            "--here",
            "--messages",
            str(messages),
            "--batch",
            str(arguments.batch),
        ]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        speed = found["characters"] / 1e3 / found["seconds"]
        print(f"{messages:>10,} {found['peak_mb']:>8.0f} {speed:>9.0f} {found['replaced']:>9,}", flush=True)


if __name__ == "__main__":
    main()

"""Throughput and memory of the turn index: MB/s of a log on one core, and the peak memory of a small and a large file.

    python benchmarks/turn_index.py [--megabytes 20 200]

Each kind of file and size is indexed in a process of its own. Throughput is in bytes as they are on the disk; memory is
the largest resident size of the process above what it was when the imports were done.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

STUDY = """
version: 1
name: benchmark
traffic:
  format: openai_chat
  paths: [{file}]
  defaults: {{surface: chat, account_class: consumer, temporary: false}}
  consent: {{public_corpus: random words of a benchmark}}
weeks: {{first: 2026-01-05}}
deployments: [{{model: m1, released: 2026-01-05, endpoint: e}}]
endpoints: {{e: {{kind: sandbox, world: none}}}}
grading: {{graders: {{g: {{kind: regex, pattern: x}}}}, default_grader: g}}
"""
KINDS = ("jsonl", "json", "jsonl.gz", "parquet")


def records(megabytes: float) -> Iterator[dict]:
    """Conversations of one to four exchanges of random words, about 4 KB each."""
    rng = random.Random(1)
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(2, 9))) for _ in range(20_000)]
    size, number = 0.0, 0
    while size < megabytes * 1e6:
        messages = []
        for _ in range(rng.randint(1, 4)):
            asked = " ".join(rng.choices(words, k=rng.randint(5, 120)))
            said = " ".join(rng.choices(words, k=rng.randint(50, 300))) + '\n```python\nprint("x")\n```'
            messages += [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]
        yield {
            "id": f"c{number}",
            "model": "m1",
            "user": f"u{number % 500}",
            "created": 1767787200 + number,
            "messages": messages,
        }
        size += sum(len(message["content"]) + 40 for message in messages)
        number += 1


def write(file: Path, megabytes: float) -> None:
    if file.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        rows, writer = [], None
        for record in records(megabytes):
            rows.append(record)
            if len(rows) == 5_000:
                table = pa.Table.from_pylist(rows)
                writer = writer or pq.ParquetWriter(file, table.schema)
                writer.write_table(table)
                rows = []
        if rows:
            table = pa.Table.from_pylist(rows)
            writer = writer or pq.ParquetWriter(file, table.schema)
            writer.write_table(table)
        writer.close()
        return
    with gzip.open(file, "wt", 6) if file.suffix == ".gz" else open(file, "w") as out:
        document = file.suffix == ".json"
        for number, record in enumerate(records(megabytes)):
            before = ("[" if number == 0 else ",\n") if document else ""
            out.write(before + json.dumps(record) + ("" if document else "\n"))
        if document:
            out.write("]")


def peak() -> float:
    """Largest resident size of this process so far, in MB. (getrusage also knows that of the parent.)"""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def index(study_file: Path) -> None:
    """In the child: index the study's log and print what it took."""
    from depsim_dagster.config import load_study
    from depsim_dagster.lake import Lake
    from depsim_dagster.traffic.turn_index import index_traffic

    study = load_study(study_file)
    before, start, cpu = peak(), time.perf_counter(), time.process_time()
    (file,) = index_traffic(study, Lake(study.store_root))
    print(
        json.dumps(
            {
                "seconds": time.perf_counter() - start,
                "cpu": time.process_time() - cpu,
                "mb": file.path.stat().st_size / 1e6,
                "memory": peak() - before,
                "turns": file.user_turns,
            }
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--megabytes", type=float, nargs="+", default=[20, 200])
    parser.add_argument("--index", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.index:
        index(arguments.index)
        return
    print(f"{'kind':10} {'MB':>7} {'turns':>8} {'MB/s':>7} {'MB/s CPU':>9} {'memory MB':>10}")
    for kind in KINDS:
        for megabytes in arguments.megabytes:
            with tempfile.TemporaryDirectory() as directory:
                file = Path(directory, f"log.{kind}")
                write(file, megabytes)
                study_file = Path(directory, "study.yaml")
                study_file.write_text(STUDY.format(file=file.name))
                command = [sys.executable, __file__, "--index", str(study_file)]
                found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
            print(
                f"{kind:10} {found['mb']:7.1f} {found['turns']:8} {found['mb'] / found['seconds']:7.1f} "
                f"{found['mb'] / found['cpu']:9.1f} {found['memory']:10.1f}"
            )


if __name__ == "__main__":
    main()

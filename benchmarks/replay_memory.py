"""Peak memory of replay and of grading, by the number of prefixes.

    python benchmarks/replay_memory.py [--prefixes 10000 100000] [--parts replay grading]

Each measurement is a process of its own that does what the asset does: from the prefixes in the lake to the published
completions (replay), or from those to the published labels of twenty categories (grading). The server is another
process. Prefixes are of some 2,000 characters, answers of 1,000.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from literal_study import fast_server, grade, measured, open_study, publish_prefixes, replay

PARTS = {"prepare": None, "replay": replay, "grading": grade}


def run(part: str, directory: Path, base_url: str, prefixes: int) -> None:
    study = open_study(directory, base_url, {"max_in_flight": 64})
    if part == "prepare":
        publish_prefixes(study, prefixes)
        return
    with measured():
        PARTS[part](study)


def child(part: str, directory: str, base_url: str, prefixes: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--part", part, directory, base_url, "--prefixes", str(prefixes)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(output.splitlines()[-1]) if output else {}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--prefixes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--parts", nargs="+", choices=["replay", "grading"], default=["replay", "grading"])
    parser.add_argument("--part", nargs=3, metavar=("NAME", "DIRECTORY", "URL"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        run(options.part[0], Path(options.part[1]), options.part[2], options.prefixes[0])
        return
    peaks: dict[str, list[float]] = {part: [] for part in options.parts}
    print(f"{'part':8} {'prefixes':>9} {'peak MB':>8} {'s':>6} {'CPU ms per call':>16}")
    for prefixes in options.prefixes:
        with tempfile.TemporaryDirectory() as folder, fast_server() as base_url:
            child("prepare", folder, base_url, prefixes)
            for part in ["replay", "grading"] if "grading" in options.parts else ["replay"]:
                found = child(part, folder, base_url, prefixes)
                if part in options.parts:
                    peaks[part].append(found["peak_mb"])
                    cpu = found["cpu"] / prefixes * 1000
                    print(
                        f"{part:8} {prefixes:>9,} {found['peak_mb']:>8.0f} {found['wall']:>6.0f} {cpu:>16.2f}",
                        flush=True,
                    )
    for part, found in peaks.items():
        if len(found) > 1:
            print(f"{part}: last / first {found[-1] / found[0]:.2f}, largest {max(found):.0f} MB")


if __name__ == "__main__":
    main()

"""Replay and grading beside Inspect AI: one generation and one grading call for each of the same prompts.

    python benchmarks/beside_inspect_ai.py [--inspect-python PATH] [--samples 1000] [--rounds 3]

Both have a server that answers at once and as many requests in flight. Depsim's part is from the prefixes in the lake to
the published labels (journal, completions and labels written), where one call grades twenty categories by their rubrics;
Inspect's is `eval` of a task with a model-graded scorer, log written. Inspect has an interpreter of its own where its
requirements clash with these; where it is not installed, nothing is compared. Imports are not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from literal_study import fast_server, grade, measured, messages, open_study, publish_prefixes, replay


def run_depsim(base_url: str, samples: int, in_flight: int) -> None:
    import duckdb  # noqa: F401
    import openai  # noqa: F401

    with tempfile.TemporaryDirectory() as folder:
        study = open_study(Path(folder), base_url, {"max_in_flight": in_flight})
        publish_prefixes(study, samples)
        with measured():
            replay(study)
            grade(study)


def run_inspect(base_url: str, samples: int, in_flight: int) -> None:
    from inspect_ai import Task, eval
    from inspect_ai.dataset import MemoryDataset, Sample
    from inspect_ai.model import ChatMessageSystem, ChatMessageUser, get_model
    from inspect_ai.scorer import model_graded_qa
    from inspect_ai.solver import generate

    def sample(number: int) -> Sample:
        system, user = messages(number)
        said = [ChatMessageSystem(content=system["content"]), ChatMessageUser(content=user["content"])]
        return Sample(id=number, input=said, target="an answer of some length")

    model = get_model("openai-api/local/m", base_url=base_url, api_key="none")
    dataset = MemoryDataset([sample(number) for number in range(samples)])
    with tempfile.TemporaryDirectory() as folder:
        task = Task(dataset=dataset, solver=generate(), scorer=model_graded_qa(model=model))
        with measured():
            (log,) = eval(
                task,
                model=model,
                log_dir=folder,
                display="none",
                max_connections=in_flight,
                max_samples=in_flight,
            )
        assert log.status == "success" and log.results.completed_samples == samples, log.status
        assert log.results.scores[0].metrics["accuracy"].value == 1.0


RUN = {"depsim": run_depsim, "inspect": run_inspect}


def has_inspect(python: str) -> bool:
    # -P: the folder of this script is none to import from.
    return subprocess.run([python, "-P", "-c", "import inspect_ai"], capture_output=True).returncode == 0


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--inspect-python", default=sys.executable, help="interpreter that has inspect-ai")
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--in-flight", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--measure", nargs=2, metavar=("NAME", "URL"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        name, base_url = options.measure
        RUN[name](base_url, options.samples, options.in_flight)
        return
    if not has_inspect(options.inspect_python):
        print(f"skipped: {options.inspect_python} has no inspect-ai; name one that has with --inspect-python")
        return
    pythons = {"depsim": sys.executable, "inspect": options.inspect_python}
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in RUN}
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    for _ in range(options.rounds):
        for name, python in pythons.items():
            with fast_server() as base_url:
                command = [python, __file__, "--measure", name, base_url]
                command += ["--samples", str(options.samples), "--in-flight", str(options.in_flight)]
                output = subprocess.run(
                    command, check=True, stdout=subprocess.PIPE, text=True, env=environment, timeout=300
                ).stdout
                runs[name].append(json.loads(output.splitlines()[-1]))
    cpu, speed = {}, {}
    print(f"{options.samples} samples, {options.in_flight} requests in flight, {options.rounds} rounds")
    for name, results in runs.items():
        cpu[name] = statistics.median(result["cpu"] for result in results) / options.samples * 1000
        speed[name] = options.samples / statistics.median(result["wall"] for result in results)
        peak = statistics.median(result["peak_mb"] for result in results)
        print(
            f"  {name:8s} {cpu[name]:6.2f} ms CPU per sample, {speed[name]:5.0f} samples/s, peak {peak:.0f} MB"
        )
    print(
        f"  depsim / inspect: 1/{cpu['inspect'] / cpu['depsim']:.1f} of its CPU per sample, "
        f"{speed['depsim'] / speed['inspect']:.1f} times its samples per second"
    )


if __name__ == "__main__":
    main()

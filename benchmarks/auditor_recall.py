"""The auditor's recall by category ablation on a sandbox study, beside what is planted.

    python benchmarks/auditor_recall.py
    python benchmarks/auditor_recall.py --candidate sandbox-v4 --cases 50

Traffic, simulation and grading run over HTTP through Dagster; then the ablation asks the auditor. The sandbox auditor misses
a planted share of what is there and answers a planted share of comparisons wrongly, so that the recall should be about
(1 - missed) * (1 - mismatched), less what the grader flags wrongly.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import pandas as pd
import yaml

LINEAGE = ("sandbox-v1", "sandbox-v2", "sandbox-v3", "sandbox-v4")


def ablated(directory: Path, candidate: str, conversations: int, turns: int, cases: int):
    """The ablation of one candidate, and the confidence level of its study."""
    import dagster as dg

    from depsim_dagster.audit.ablation import ablate_categories
    from depsim_dagster.config import load_study
    from depsim_dagster.definitions import build_definitions
    from depsim_dagster.sandbox.demo import STUDY_FILE, WORLD_FILE
    from depsim_dagster.sandbox.traffic import write_traffic
    from depsim_dagster.sandbox.world import World
    from depsim_dagster.study import Study
    from depsim_dagster.study_run import QUIET_LOGS, study_steps
    from depsim_dagster.templates import DEMO_TEMPLATE

    predecessor = LINEAGE[LINEAGE.index(candidate) - 1]
    releases = {predecessor: 0, candidate: 2}
    world = World(weeks=3, conversations_per_week=conversations, releases=releases)
    for _ in write_traffic(world, directory):
        pass
    world.save(directory / WORLD_FILE)
    study = yaml.safe_load(DEMO_TEMPLATE.read_text(encoding="utf-8"))
    study |= {
        "weeks": {"first": world.week(0), "last": world.week(2)},
        "deployments": [
            {"model": predecessor, "released": world.week(0), "endpoint": "sandbox"},
            {
                "model": candidate,
                "released": world.week(2),
                "endpoint": "sandbox",
                "predecessor": predecessor,
            },
        ],
        "audit": {"auditor": "sandbox", "ablation_cases": cases},
    }
    study["sampling"]["turns_per_week"] = turns
    study.pop("awareness", None)
    study["traffic"].pop("evaluation_prompts", None)
    (directory / STUDY_FILE).write_text(yaml.safe_dump(study), encoding="utf-8")
    opened = Study(load_study(directory / STUDY_FILE))
    with dg.DagsterInstance.local_temp(str(directory)) as instance:
        definitions = build_definitions(opened.config, opened.config.file)
        for step in study_steps(opened.config, [candidate]):
            if step.job in ("traffic", "simulation"):
                definitions.resolve_job_def(step.job).execute_in_process(
                    instance=instance, partition_key=step.partition_key, run_config=QUIET_LOGS
                )
    return ablate_categories(opened, candidate), opened.config.estimation.level


def main() -> None:
    from depsim_dagster.audit.assets import pooled_recall
    from depsim_dagster.sandbox.auditor import MISMATCHED, MISSED

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--candidate", choices=LINEAGE[1:], default="sandbox-v3")
    parser.add_argument("--conversations", type=int, default=2400, help="a week")
    parser.add_argument("--turns", type=int, default=1000, help="sampled, a week")
    parser.add_argument("--cases", type=int, default=25, help="of each category")
    options = parser.parse_args()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        ablation, level = ablated(
            Path(folder), options.candidate, options.conversations, options.turns, options.cases
        )
    rows = ablation.rows.to_pandas()
    columns = [
        "category",
        "flagged",
        "answered",
        "found",
        "matched",
        "recall",
        "recall_lower",
        "recall_upper",
    ]
    with pd.option_context("display.width", 200, "display.max_columns", None):
        print(rows[[*columns, "controls", "controls_found"]].round(3).to_string(index=False))
    recall, lower, upper = pooled_recall(ablation.rows, level)
    if recall is not None:
        print(
            f"pooled recall {recall:.3f} [{lower:.3f}, {upper:.3f}]; planted {(1 - MISSED) * (1 - MISMATCHED):.3f}"
        )
    controls = rows["controls"].sum()
    print(f"controls with a finding: {rows['controls_found'].sum()} of {controls}")
    sent = sum(made.sent for made in ablation.statistics.values())
    print(f"{sent:,} calls; {time.perf_counter() - start:.0f} s with traffic, simulation and grading")


if __name__ == "__main__":
    main()

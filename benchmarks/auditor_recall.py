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
from novel_study import LINEAGE, study_of_one_release


def main() -> None:
    from depsim_dagster.audit.ablation import ablate_categories
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
        study = study_of_one_release(
            Path(folder),
            options.candidate,
            ("traffic", "simulation"),
            {"ablation_cases": options.cases},
            options.conversations,
            options.turns,
        )
        ablation = ablate_categories(study, options.candidate)
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
    recall, lower, upper = pooled_recall(ablation.rows, study.config.estimation.level)
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

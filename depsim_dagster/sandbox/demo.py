"""The demo: a sandbox world with its study file, and the check of the study's result against the planted truth.

The truth is read here, after the study, and nowhere else: no estimator ever sees it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import duckdb

from depsim_dagster.config import load_study
from depsim_dagster.lake import write_atomically
from depsim_dagster.registry.schema import POST_RELEASE_CALIBRATION
from depsim_dagster.sandbox.evaluations import EVALUATIONS_FILE, write_evaluations
from depsim_dagster.sandbox.traffic import write_traffic
from depsim_dagster.sandbox.truth import write_truth
from depsim_dagster.sandbox.world import World
from depsim_dagster.study import Study
from depsim_dagster.templates import DEMO_TEMPLATE

STUDY_FILE, WORLD_FILE = "study.yaml", "world.json"
TRUTH_FILE = Path("sandbox", "truth.parquet")


@dataclass(frozen=True)
class TruthCheck:
    """How many cells (category × release) have their planted rate within the interval of the observed rate."""

    inside: int
    cells: int
    misses: tuple[str, ...]


def make_demo(
    directory: Path, turns_per_week: int | None = None, conversations_per_week: int | None = None
) -> Path:
    """Write traffic, consent ledger, evaluation prompts, planted truth and study file; returns the study file.

    What is there from an earlier demo of the same world is kept, so that the demo can be run again or resumed. A study
    file is never overwritten.
    """
    world = (
        World() if conversations_per_week is None else World(conversations_per_week=conversations_per_week)
    )
    world_file, study_file = directory / WORLD_FILE, directory / STUDY_FILE
    written = world_file.is_file() and json.loads(world_file.read_text(encoding="utf-8")) == world.to_json()
    if not written:
        directory.mkdir(parents=True, exist_ok=True)
        for _ in write_traffic(world, directory):  # a generator: one file at a time
            pass
        write_truth(world, directory)
        world.save(world_file)  # last: its presence says that the rest is complete
    if not (directory / EVALUATIONS_FILE).is_file():
        write_evaluations(world, directory)
    if not study_file.is_file():
        text = DEMO_TEMPLATE.read_text(encoding="utf-8")
        if turns_per_week is not None:
            text = text.replace("turns_per_week: 1000", f"turns_per_week: {turns_per_week}")
        write_atomically(study_file, text.encode())
    load_study(study_file)
    return study_file


def check_against_truth(study: Study) -> TruthCheck:
    """Compare the observed rates of every candidate's observation window with the planted production rates.

    A category that was not observed counts as missed: what is not measured is not confirmed. Raises KeyError for a
    category without a planted rate.
    """
    truth = str(study.config.path(str(TRUTH_FILE)))
    inside, cells, misses = 0, 0, []
    for candidate in study.config.candidates:
        weeks = [str(week) for week in study.config.observation_weeks(candidate.model)]
        with duckdb.connect() as connection:  # the shared one may be at work elsewhere in the process
            rates = connection.execute(
                """
            select category, sum(rate_per_100k * n_turns) / sum(n_turns) from read_parquet($truth)
            where environment = 'production' and model = $model and list_contains($weeks, week) group by category
            """,
                {"truth": truth, "model": candidate.model, "weeks": weeks},
            ).fetchall()
        planted = dict(rates)
        for row in study.lake.read(POST_RELEASE_CALIBRATION, {"model": candidate.model}).to_pylist():
            cells += 1
            low, high, rate = (
                row["observed_lower_per_100k"],
                row["observed_upper_per_100k"],
                planted[row["category"]],
            )
            if row["observed_n"] and low <= rate <= high:
                inside += 1
            elif not row["observed_n"]:
                misses.append(
                    f"{candidate.model} {row['category']}: planted {rate:,.0f} per 100k, not observed"
                )
            else:
                misses.append(
                    f"{candidate.model} {row['category']}: planted {rate:,.1f}, observed interval {low:,.1f} – {high:,.1f} per 100k"
                )
    return TruthCheck(inside, cells, tuple(misses))

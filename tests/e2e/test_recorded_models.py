"""The retrospective study on recorded models: LLMDrift's answers, replayed over HTTP, counted exactly."""

import json
import re
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner

from depsim_dagster.cli import main

# Category of the template → (data set, label) of observed_rates.json.
LABELS = {
    "sensitiveq_answered": ("SENSITIVEQ", "answered"),
    "prime_correct": ("PRIME_FULL", "correct"),
    "prime_says_yes": ("PRIME_FULL", "says_yes"),
    "prime_verbose": ("PRIME_FULL", "verbose_over_100_chars"),
    "opinion_gives_an_option": ("OPINIONQA", "gives_an_option"),
    "opinion_gives_an_option_other_than_refused": ("OPINIONQA", "gives_an_option_other_than_Refused"),
    "code_fence": ("LEETCODE_EASY", "code_fence"),
    "directly_executable": ("LEETCODE_EASY", "directly_executable"),
}


@pytest.fixture(scope="module")
def recorded_study(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("llmdrift")
    runner = CliRunner()
    made = runner.invoke(
        main,
        ["study", "init", str(directory), "--template", "llmdrift", "--data", str(shared_data / "llmdrift")],
    )
    assert made.exit_code == 0, made.output
    ran = runner.invoke(main, ["study", "run", "-c", str(directory / "study.yaml")])
    assert ran.exit_code == 0, ran.output
    assert "gpt-4-0613" in ran.output
    return directory


def test_counts_of_both_halves_equal_the_published_ones(recorded_study: Path, shared_data: Path):
    published = json.loads((shared_data / "observed_rates.json").read_text(encoding="utf-8"))["llmdrift"]
    with duckdb.connect(str(recorded_study / "warehouse.duckdb"), read_only=True) as warehouse:
        # A candidate's answers to the first half are completions; those of a model without predecessor are traffic.
        rows = warehouse.execute("""
            select category, model, sum(flagged::int), count(*) from (
                select category, model, flagged from production_labels where status = 'graded'
                union all
                select category, model, flagged from graded_labels
                where status = 'graded' and model in ('gpt-3.5-turbo-0613', 'gpt-4-0613')
            ) group by all
        """).fetchall()
    counted = {(category, model): (k, n) for category, model, k, n in rows}
    compared = 0
    for category, (dataset, label) in LABELS.items():
        (part,) = published[dataset].values()
        (name,) = [key for key in part if re.split(r"[ (]", key)[0] == label]
        for model, expected in part[name].items():
            assert counted[category, model] == (expected["k"], expected["n"]), (category, model)
            compared += 1
    assert compared == len(LABELS) * 4


def test_forecast_and_observation_are_different_prompts(recorded_study: Path):
    with duckdb.connect(str(recorded_study / "warehouse.duckdb"), read_only=True) as warehouse:
        shared = warehouse.execute("""
            select count(*) from graded_labels join production_labels using (turn_id, category)
            where graded_labels.model = 'gpt-4-0613' and production_labels.model = 'gpt-4-0613'
        """).fetchall()
        labels = warehouse.execute("select count(*) from graded_labels where model = 'gpt-4-0613'").fetchall()
    assert shared == [(0,)] and labels[0][0] > 1000


def test_no_result_is_labelled_as_sandbox(recorded_study: Path):
    assert "SANDBOX" not in (recorded_study / "report.html").read_text(encoding="utf-8")

"""A study with one key more than the usual one: its grader reads a sample, and its rates are those of grading everything."""

from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
from small_study import SMALL_STUDY, write_study

from depsim_dagster.config import load_study
from depsim_dagster.definitions import build_definitions
from depsim_dagster.estimation.schema import RATE_ESTIMATES
from depsim_dagster.grading.schema import GRADED_LABELS
from depsim_dagster.study import Study

WEEK = "2026-01-12"  # the last full week before the release of sandbox-v2
REPLAY = {"week": WEEK, "model": "sandbox-v2"}
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
SHARE = 0.4


def _table(study: Study, table) -> pd.DataFrame:
    rows = study.lake.read(table, REPLAY).to_pandas()
    return rows[rows["prefix_source"] == "deployment_traffic"]


@pytest.fixture(scope="module")
def cascade(small_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    directory = tmp_path_factory.mktemp("cascade")
    judge = SMALL_STUDY["grading"]["graders"]["sandbox"]
    graders = {
        "sandbox": {**judge, "screen": {"grader": "cheap", "share": SHARE}},
        "cheap": {**judge, "verdict": "probability"},
    }
    file = write_study(directory, small_world, grading={"graders": graders, "default_grader": "sandbox"})
    home = directory / "dagster_home"
    home.mkdir()
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        definitions = build_definitions(load_study(file), file)
        for name, key in {"traffic": WEEK, "simulation": dg.MultiPartitionKey(REPLAY)}.items():
            job = definitions.resolve_job_def(name)
            assert job.execute_in_process(instance=instance, partition_key=key, run_config=QUIET).success
    return Study(load_study(file))


def test_a_cascade_labels_a_sample_as_the_whole_is_labelled(cascade, finished_study):
    whole = _table(Study(load_study(finished_study)), GRADED_LABELS)
    sample = _table(cascade, GRADED_LABELS)
    key = ["turn_id", "completion_index", "category"]
    both = sample.merge(whole, on=key, suffixes=("", "_whole"), validate="one_to_one")
    assert len(both) == len(sample) == len(whole)
    read = both["status"] == "graded"
    assert set(both.loc[~read, "status"]) == {"screened_out"}
    assert (both.loc[read, "flagged"] == both.loc[read, "flagged_whole"]).all()
    # One call grades all categories of a turn, so all of them are read or none.
    turns = both.groupby(key[:2]).agg({"grading_probability": ["min", "max"], "status": "nunique"})
    assert (turns["status", "nunique"] == 1).all()
    assert (turns["grading_probability", "min"] == turns["grading_probability", "max"]).all()
    assert both["grading_probability"].mean() == pytest.approx(SHARE, abs=1e-6)
    assert read.mean() == pytest.approx(SHARE, abs=0.12)


def test_its_rates_are_those_of_the_whole_within_their_intervals(cascade, finished_study):
    whole = _table(Study(load_study(finished_study)), RATE_ESTIMATES)
    sample = _table(cascade, RATE_ESTIMATES)
    both = sample.merge(whole, on="category", suffixes=("", "_whole"), validate="one_to_one")
    assert len(both) == len(whole) and (both["n"] < 0.6 * both["n_whole"]).all()
    inside = both["rate_per_100k_whole"].between(both["lower_per_100k"], both["upper_per_100k"])
    assert inside.all(), both.loc[~inside, "category"].tolist()
    assert (both["k_whole"] > 0).sum() >= 5, "enough behaviours to tell"
    # Each read turn is worth more than one drawn at random.
    assert (both["design_effect"] < both["design_effect_whole"]).all()

"""Other prefix sources beside the sealed forecast: whose labels, of which weeks, and that the forecast is as without."""

import datetime as dt

import pytest

from depsim_dagster.errors import GradingError
from depsim_dagster.registry.baseline_rows import baseline_rows
from depsim_dagster.registry.forecast_rows import calibration_rows, forecast_rows
from depsim_dagster.registry.schema import BASELINE_CALIBRATION, POST_RELEASE_CALIBRATION
from depsim_dagster.registry.seal import seal

TODAY = dt.date(2026, 1, 1)
FEW = {"rude": (2, 100), "sly": (0, 100), "wrong": (10, 100)}
MANY = {"rude": (8, 100), "sly": (0, 100), "wrong": (30, 100)}
HARD = {"rude": (60, 80), "sly": (4, 80), "wrong": (20, 80)}
HARDER = {"rude": (70, 80), "sly": (4, 80), "wrong": (10, 80)}
WEEKS = ("2026-01-05", "2026-01-12")


@pytest.fixture
def scored(study, publish, label_rows):
    """Score v2; `prompts` are the labels of v2 and v1 on challenging prompts in each week of the forecast."""

    def make(*prompts, weeks=WEEKS, **changes):
        for week in WEEKS:
            for model, counts, hard in (("v2", MANY, prompts[:1]), ("v1", FEW, prompts[1:])):
                rows = label_rows(study, week, model, "v1", counts)
                for on_prompts in hard if week in weeks else ():
                    rows += label_rows(
                        study, week, model, "challenging_prompts", on_prompts,
                        prefix_source="challenging_prompts", **changes,
                    )  # fmt: skip
                publish(study, week, model, rows)
            publish(study, week, None, label_rows(study, week, "v1", "v1", FEW, source="production"))
        seal(study.lake, "v2", forecast_rows(study, "v2", TODAY))
        publish(
            study, "2026-01-19", None, label_rows(study, "2026-01-19", "v2", "v2", MANY, source="production")
        )
        study.lake.write(POST_RELEASE_CALIBRATION, {"model": "v2"}, calibration_rows(study, "v2"))
        return {row["category"]: row for row in baseline_rows(study, "v2").to_pylist()}

    return make


def test_without_other_sources_there_are_no_rows(study, scored):
    assert scored() == {}
    assert baseline_rows(study, "v2").schema == BASELINE_CALIBRATION.schema


def test_rates_on_challenging_prompts_are_pooled_over_the_weeks_of_the_forecast(scored):
    rows = scored(HARDER, HARD)
    assert {(row["model"], row["deployment"], row["prefix_source"]) for row in rows.values()} == {
        ("v2", "v1", "challenging_prompts")
    }
    rude = rows["rude"]
    assert (rude["baseline_k"], rude["baseline_n"], rude["baseline_per_100k"]) == (140, 160, 87_500)
    assert (rude["predecessor_k"], rude["predecessor_per_100k"]) == (120, 75_000)
    # forecast and outcome are both 8 %
    assert (rude["forecast_per_100k"], rude["observed_per_100k"]) == (8_000, 8_000)
    assert rude["sme"] == pytest.approx(1.04, abs=0.02) and rude["baseline_sme"] > 10
    assert rude["baseline_log_score"] > 50 * rude["log_score"]


def test_a_source_calls_the_direction_of_candidate_against_predecessor_on_its_prompts(scored):
    rows = scored(HARDER, HARD)
    calls = {
        name: (row["baseline_direction"], row["baseline_direction_correct"]) for name, row in rows.items()
    }
    assert calls == {"rude": (1, True), "sly": (0, None), "wrong": (-1, False)}
    assert {name: row["direction_correct"] for name, row in rows.items()} == {
        "rude": True,
        "sly": None,
        "wrong": True,
    }


def test_the_forecast_is_the_same_with_and_without_a_source(study, scored, tmp_path):
    def numbers():
        forecast = forecast_rows(study, "v2", TODAY).drop(columns="labels_hash")
        scores = study.lake.read(POST_RELEASE_CALIBRATION, {"model": "v2"}).drop_columns("forecast_hash")
        return forecast.to_dict("records"), scores.to_pylist()

    scored()
    without = numbers()
    for part in ("registered_forecasts", "production_labels"):
        (study.lake.root / part).rename(tmp_path / part)
    scored(HARDER, HARD)
    assert numbers() == without


def test_a_week_without_prompts_of_the_candidate_is_left_out_of_both(scored):
    rows = scored(HARDER, HARD, weeks=WEEKS[1:])
    assert (rows["rude"]["baseline_n"], rows["rude"]["predecessor_n"]) == (80, 80)


def test_without_the_predecessor_no_direction_is_called(scored):
    rows = scored(HARDER)
    assert {row["predecessor_n"] for row in rows.values()} == {None}
    assert {row["baseline_direction_correct"] for row in rows.values()} == {None}
    assert rows["rude"]["baseline_sme"] > 10


def test_labels_of_another_stack_are_refused(scored):
    with pytest.raises(GradingError):
        scored(HARDER, HARD, stack_hash="another")

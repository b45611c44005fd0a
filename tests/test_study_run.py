"""The order of a study's steps, and what a backfill of one release needs."""

import datetime as dt

import pytest

from depsim_dagster.config import load_study
from depsim_dagster.errors import ConfigurationError
from depsim_dagster.study_run import study_steps
from depsim_dagster.templates import DEMO_TEMPLATE


def steps(*candidates: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for step in study_steps(load_study(DEMO_TEMPLATE), candidates):
        found.setdefault(step.job, []).append(str(step.partition_key))
    return found


def test_jobs_come_in_the_order_of_the_method():
    # The weeks of the first deployment, which nobody forecast, are free before any forecast is sealed.
    before = ["traffic", "simulation", "examination", "observation", "audit", "forecast"]
    assert list(steps()) == [*before, "calibration", "outcome", "report"]


def test_every_candidate_is_audited_before_its_forecast_is_sealed():
    labels = [step.label for step in study_steps(load_study(DEMO_TEMPLATE))]
    for number in (2, 3, 4):
        assert labels.index(f"audit [sandbox-v{number}]") + 1 == labels.index(f"forecast [sandbox-v{number}]")


def test_study_without_the_sections_has_no_audit():
    config = load_study(DEMO_TEMPLATE).model_copy(update={"awareness": None, "audit": None})
    assert {"examination", "audit"}.isdisjoint(step.job for step in study_steps(config))


def test_a_forecast_comes_after_the_scores_of_the_releases_before_it():
    labels = [step.label for step in study_steps(load_study(DEMO_TEMPLATE))]
    sealed = [labels.index(f"forecast [sandbox-v{number}]") for number in (2, 3, 4)]
    scored = [labels.index(f"calibration [sandbox-v{number}]") for number in (2, 3, 4)]
    assert sealed[0] < scored[0] < sealed[1] < scored[1] < sealed[2] < scored[2]


def test_no_outcome_is_graded_before_its_forecast():
    config = load_study(DEMO_TEMPLATE)
    labels = [step.label for step in study_steps(config)]
    graded = [step for step in study_steps(config) if step.job == "observation"]
    for step in graded:
        for model in config.live_deployments(dt.date.fromisoformat(dict(step.partition)["week"])):
            if config.deployment(model).predecessor is not None:
                assert labels.index(f"forecast [{model}]") < labels.index(step.label)
    # A score needs its own window and its predecessor's production before the release.
    for number in (2, 3, 4):
        model = f"sandbox-v{number}"
        for week in (*config.forecast_weeks(model), *config.observation_weeks(model)):
            assert labels.index(f"observation [{week}]") < labels.index(f"calibration [{model}]")


def test_whole_study_covers_every_window_once():
    found = steps()
    assert found["forecast"] == ["sandbox-v2", "sandbox-v3", "sandbox-v4"]
    assert len(found["simulation"]) == len(set(found["simulation"])) == 3 * 2 * 2
    # Both models on the same prefixes: X→Y and Y→Y.
    assert {"sandbox-v3|2026-02-02", "sandbox-v2|2026-02-02"} <= set(found["simulation"])
    # The first of the lineage is observed too; the last week of the world is nobody's window.
    assert found["observation"][0] == "2026-01-05" and found["observation"][-1] == "2026-03-16"
    assert set(found["observation"]) == set(found["traffic"])


def test_backfill_of_one_release_seals_what_its_outcome_needs():
    found = steps("sandbox-v3")
    # sandbox-v2's production is the baseline, so its forecast has to be sealed before; sandbox-v4 is not touched.
    assert found["forecast"] == ["sandbox-v2", "sandbox-v3"]
    assert not any("sandbox-v4" in key for key in found["simulation"])
    assert found["observation"][-1] == "2026-02-23"


def test_unknown_candidate_names_the_known_ones():
    with pytest.raises(
        ConfigurationError, match="no candidate `sandbox-v1`; candidates: sandbox-v2, sandbox-v3, sandbox-v4"
    ):
        steps("sandbox-v1")


def test_running_study_leaves_out_weeks_that_have_not_ended():
    config = load_study(DEMO_TEMPLATE)
    days = {str(day): study_steps(config, today=day) for day in (dt.date(2026, 1, 27), dt.date(2026, 2, 9))}
    # On the day after the release of sandbox-v2 its forecast can be made, and nothing of it is observed yet.
    labels = [step.label for step in days["2026-01-27"]]
    assert "forecast [sandbox-v2]" in labels and "calibration [sandbox-v2]" not in labels
    assert "traffic [2026-01-26]" not in labels and "forecast [sandbox-v3]" not in labels
    # There is no score yet, and the report shows the sealed forecast.
    assert "outcome" not in labels and labels[-1] == "report"
    labels = [step.label for step in days["2026-02-09"]]
    assert "calibration [sandbox-v2]" in labels and "forecast [sandbox-v3]" in labels


def test_candidate_without_a_week_before_its_release_is_not_forecast(tmp_path):
    text = DEMO_TEMPLATE.read_text(encoding="utf-8").replace("first: 2026-01-05", "first: 2026-01-26")
    (tmp_path / "study.yaml").write_text(text, encoding="utf-8")
    labels = [step.label for step in study_steps(load_study(tmp_path / "study.yaml"))]
    assert "forecast [sandbox-v2]" not in labels and "calibration [sandbox-v2]" not in labels
    assert "observation [2026-01-26]" in labels and "forecast [sandbox-v3]" in labels

"""From label partitions to forecast and score: which weeks, whose traffic, and what is null."""

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest

from depsim_dagster.errors import DepsimError, GradingError, LakeError, RegistryError
from depsim_dagster.grading.schema import GRADED_LABELS
from depsim_dagster.registry.forecast_rows import calibration_rows, forecast_rows, is_final
from depsim_dagster.registry.schema import POST_RELEASE_CALIBRATION
from depsim_dagster.registry.seal import seal

TODAY = dt.date(2026, 1, 1)
FEW = {"rude": (2, 100), "sly": (0, 100), "wrong": (10, 100)}
MANY = {"rude": (8, 100), "sly": (0, 100), "wrong": (30, 100)}


def by_category(frame):
    return frame.set_index("category")


@pytest.fixture
def forecast(study, simulated):
    """Seal the forecast of v2 on v1's traffic; `weeks` have both X→Y and Y→Y."""

    def make(weeks=("2026-01-05", "2026-01-12"), opened=study):
        for week in weeks:
            simulated(opened, week, "v2", ("v1", MANY))
            simulated(opened, week, "v1", ("v1", FEW))
        return seal(opened.lake, "v2", forecast_rows(opened, "v2", TODAY))

    return make


# --------------------------------------------------------------------------------------------------------------- forecast


def test_counts_are_pooled_over_the_window_and_the_predecessor_stands_beside(study, simulated):
    simulated(study, "2026-01-05", "v2", ("v1", MANY), ("v2", FEW))  # on its own traffic too: not a forecast
    simulated(study, "2026-01-12", "v2", ("v1", FEW), missing=3)
    simulated(study, "2026-01-05", "v1", ("v1", FEW))
    simulated(study, "2026-01-12", "v1", ("v1", FEW))
    simulated(study, "2026-01-19", "v2", ("v1", MANY))  # after the release
    rows = by_category(forecast_rows(study, "v2", TODAY))
    assert rows[["k", "n", "missing", "clusters"]].to_dict("index") == {
        "rude": {"k": 10, "n": 200, "missing": 3, "clusters": 200},
        "sly": {"k": 0, "n": 200, "missing": 3, "clusters": 200},
        "wrong": {"k": 40, "n": 200, "missing": 3, "clusters": 200},
    }
    assert rows["rate_per_100k"].tolist() == pytest.approx([5_000, 0, 20_000])
    assert (
        rows["predecessor_sim_k"].tolist() == [4, 0, 20] and rows["predecessor_sim_n"].tolist() == [200] * 3
    )
    assert rows["predecessor_sim_rate_per_100k"].tolist() == pytest.approx([2_000, 0, 10_000])
    assert rows["category_group"].to_dict() == {"rude": "conduct", "sly": "conduct", "wrong": "facts"}
    assert set(rows["deployment"]) == {"v1"} and set(rows["released_at"]) == {"2026-01-19T00:00:00+00:00"}
    assert rows["forecast_weeks"].tolist() == [["2026-01-05", "2026-01-12"]] * 3
    assert set(rows["stack_hash"]) == {study.stack_hash} and set(rows["kind"]) == {"registered"}
    assert set(rows["tau"]) == {0.5} and set(rows["level"]) == {0.95} and not rows["sandbox"].any()


def test_a_week_without_labels_is_left_out_and_said_so(study, simulated):
    simulated(study, "2026-01-05", "v2")  # published, with no rows
    simulated(study, "2026-01-05", "v1", ("v1", MANY))
    simulated(study, "2026-01-12", "v2", ("v1", MANY))
    simulated(study, "2026-01-12", "v1", ("v1", FEW))
    rows = by_category(forecast_rows(study, "v2", TODAY))
    assert rows["forecast_weeks"].tolist() == [["2026-01-12"]] * 3
    # Y→Y on the same prefixes only: the first week of v1 has none of them.
    assert (
        rows["predecessor_sim_k"].tolist() == [2, 0, 10] and rows["predecessor_sim_n"].tolist() == [100] * 3
    )


def test_without_y_to_y_its_columns_are_null_and_the_forecast_is_sealed(study, simulated):
    simulated(study, "2026-01-12", "v2", ("v1", MANY))
    simulated(study, "2026-01-12", "v1", ("v0", MANY))  # traffic of another deployment
    sealed = seal(study.lake, "v2", forecast_rows(study, "v2", TODAY)).to_pylist()
    for name in ("k", "n", "rate_per_100k"):
        assert {row[f"predecessor_sim_{name}"] for row in sealed} == {None}
    assert [row["k"] for row in sealed] == [8, 0, 30]


def test_a_category_that_was_never_graded_is_a_row_without_a_rate(study, simulated, observed):
    for model in ("v1", "v2"):
        simulated(study, "2026-01-12", model, ("v1", {**MANY, "sly": (0, 0)}), missing=2)
    row = seal(study.lake, "v2", forecast_rows(study, "v2", TODAY)).to_pylist()[1]
    assert (row["category"], row["k"], row["n"], row["missing"]) == ("sly", 0, 0, 2)
    assert row["rate_per_100k"] is row["upper_per_100k"] is row["predecessor_sim_rate_per_100k"] is None
    observed(study, "2026-01-19", ("v2", {**MANY, "sly": (0, 0)}), missing=2)
    scored = calibration_rows(study, "v2").to_pylist()[1]
    assert scored["sme"] is scored["observed_per_100k"] is scored["observed_in_prediction"] is None
    assert not scored["comparable"] and scored["observed_missing"] == 2


def test_under_a_cascade_missing_labels_count_for_the_turns_that_were_not_drawn(study, simulated):
    """Nine lost verdicts that stand for ten turns each: under a third of the rows, over two thirds of the turns."""
    simulated(study, "2026-01-12", "v2", ("v1", dict.fromkeys(MANY, (1, 20))), missing=9)
    partition = {"week": "2026-01-12", "model": "v2"}
    labels = study.lake.read(GRADED_LABELS, partition).to_pandas()
    assert set(forecast_rows(study, "v2", TODAY)["missing"]) == {9}
    labels.loc[labels["status"] == "unscored", "grading_probability"] = 0.1
    study.lake.write(GRADED_LABELS, partition, pa.Table.from_pandas(labels, schema=GRADED_LABELS.schema))
    with pytest.raises(RegistryError, match=r"27 of 87 labels .* are missing, so nothing is sealed"):
        forecast_rows(study, "v2", TODAY)


def test_a_forecast_of_mostly_missing_labels_is_refused(study, simulated):
    """It is sealed once, and an outage of the server is no measurement of the model."""
    simulated(study, "2026-01-12", "v2", ("v1", dict.fromkeys(MANY, (1, 10))), missing=10)
    assert set(forecast_rows(study, "v2", TODAY)["missing"]) == {10}
    simulated(study, "2026-01-12", "v2", ("v1", dict.fromkeys(MANY, (1, 10))), missing=11)
    with pytest.raises(
        RegistryError, match=r"v2: 33 of 63 labels .* \(2026-01-12\) are missing, so nothing is sealed"
    ):
        forecast_rows(study, "v2", TODAY)


def test_a_forecast_of_which_nothing_was_graded_is_refused(study, simulated):
    """A cascade that drew none of a handful of turns: nothing is missing, and nothing is known."""
    simulated(study, "2026-01-12", "v2", ("v1", dict.fromkeys(MANY, (0, 3))))
    partition = {"week": "2026-01-12", "model": "v2"}
    labels = study.lake.read(GRADED_LABELS, partition).to_pandas()
    labels = labels.assign(status="screened_out", flagged=None)
    study.lake.write(GRADED_LABELS, partition, pa.Table.from_pandas(labels, schema=GRADED_LABELS.schema))
    with pytest.raises(RegistryError, match=r"v2: no label of its forecast window \(2026-01-12\) is graded"):
        forecast_rows(study, "v2", TODAY)


def test_a_forecast_is_final_when_its_outcome_is_graded_and_the_study_file_is_the_same(
    study, open_study, simulated, observed
):
    simulated(study, "2026-01-12", "v2", ("v1", MANY))
    assert not is_final(study, "v2")
    seal(study.lake, "v2", forecast_rows(study, "v2", TODAY))
    assert not is_final(study, "v2")
    observed(study, "2026-01-19", ("v2", MANY))
    assert is_final(study, "v2") and not is_final(study, "v3")
    assert not is_final(open_study(estimation={"tau": 0.1}), "v2")
    assert not is_final(open_study(pattern="y"), "v2")  # another measurement stack
    assert is_final(open_study(), "v2")
    simulated(study, "2026-01-05", "v2", ("v1", MANY))  # another week of its window
    assert not is_final(study, "v2")


def test_no_labels_is_an_error_that_says_which(study, simulated, open_study):
    with pytest.raises(
        RegistryError,
        match=r"v2: no labels on v1's traffic .* \(2026-01-05, 2026-01-12\); materialise graded_labels",
    ):
        forecast_rows(study, "v2", TODAY)
    simulated(study, "2026-01-12", "v2", ("v2", MANY))
    with pytest.raises(RegistryError, match="no labels on v1's traffic"):
        forecast_rows(study, "v2", TODAY)
    with pytest.raises(RegistryError, match="v1 has no predecessor"):
        forecast_rows(study, "v1", TODAY)
    late = open_study(weeks={"first": dt.date(2026, 1, 19)})
    with pytest.raises(
        RegistryError, match=r"no week of the study lies before its release \(2026-01-19\).*weeks\.first"
    ):
        forecast_rows(late, "v2", TODAY)


def test_labels_of_another_stack_are_no_forecast(study, simulated, open_study):
    simulated(study, "2026-01-05", "v2", ("v1", MANY))
    changed = open_study(pattern="another rule")
    with pytest.raises(
        GradingError, match=f"stack {study.stack_hash[:12]} and the study's is now {changed.stack_hash[:12]}"
    ):
        forecast_rows(changed, "v2", TODAY)
    simulated(changed, "2026-01-12", "v2", ("v1", MANY))
    with pytest.raises(GradingError, match="labels of 2 measurement stacks"):
        forecast_rows(changed, "v2", TODAY)
    simulated(changed, "2026-01-05", "v2", ("v1", MANY))
    simulated(study, "2026-01-12", "v1", ("v1", FEW))
    with pytest.raises(GradingError, match="labels of 2 measurement stacks"):
        forecast_rows(changed, "v2", TODAY)


# ------------------------------------------------------------------------------------------------------------ calibration


def test_a_forecast_is_scored_on_its_own_traffic_after_the_release(study, forecast, observed):
    sealed = forecast()
    observed(study, "2026-01-05", ("v1", FEW))
    observed(study, "2026-01-12", ("v1", FEW))
    observed(study, "2026-01-19", ("v1", MANY), ("v2", MANY))  # v1 still answers some: not the outcome
    observed(study, "2026-01-26", ("v2", FEW))
    observed(study, "2026-02-02", ("v2", MANY))  # after the observation window
    table = calibration_rows(study, "v2")
    study.lake.write(POST_RELEASE_CALIBRATION, {"model": "v2"}, table)
    rows = {row["category"]: row for row in table.to_pylist()}
    assert {name: (row["forecast_k"], row["forecast_n"]) for name, row in rows.items()} == {
        "rude": (16, 200),
        "sly": (0, 200),
        "wrong": (60, 200),
    }
    assert {name: (row["observed_k"], row["observed_n"]) for name, row in rows.items()} == {
        "rude": (10, 200),
        "sly": (0, 200),
        "wrong": (40, 200),
    }
    assert [row["predecessor_production_k"] for row in rows.values()] == [4, 0, 20]
    assert [row["predecessor_sim_k"] for row in rows.values()] == [4, 0, 20]
    assert {row["forecast_hash"] for row in rows.values()} == set(sealed.column("forecast_hash").to_pylist())
    assert rows["rude"]["sme"] == pytest.approx(16.5 / 10.5) and rows["rude"]["comparable"]
    assert rows["rude"]["forecast_direction"] == rows["rude"]["observed_direction"] == 1
    assert rows["rude"]["direction_correct"] is True and rows["sly"]["direction_correct"] is None
    assert rows["rude"]["baseline_sme"] == pytest.approx(10.5 / 4.5)


def test_without_a_baseline_its_columns_are_null(study, forecast, observed):
    forecast()
    observed(study, "2026-01-12")  # published, with no rows
    observed(study, "2026-01-19", ("v2", MANY))
    for row in calibration_rows(study, "v2").to_pylist():
        for name in (
            "predecessor_production_k",
            "predecessor_production_n",
            "predecessor_production_per_100k",
        ):
            assert row[name] is None
        for name in ("baseline_sme", "baseline_log_score", "moved", "observed_ratio", "rise_probability"):
            assert row[name] is None or np.isnan(row[name])
        assert row["forecast_direction"] is row["direction_correct"] is None
        assert row["sme"] >= 1 and row["predecessor_sim_n"] == 200


def test_the_baseline_is_of_the_sealed_weeks_whatever_the_file_says_later(
    study, forecast, observed, open_study
):
    forecast(weeks=["2026-01-12"])
    observed(study, "2026-01-05", ("v1", MANY))
    observed(study, "2026-01-12", ("v1", FEW))
    observed(study, "2026-01-19", ("v2", MANY))
    for opened in (study, open_study(windows={"forecast_weeks": 4, "observation_weeks": 1})):
        rows = calibration_rows(opened, "v2").to_pylist()
        assert [row["predecessor_production_k"] for row in rows] == [2, 0, 10]


def test_without_an_outcome_there_is_no_score(study, forecast, observed, open_study):
    with pytest.raises(LakeError, match=r"registered_forecasts\[model=v2\]: not published"):
        calibration_rows(study, "v2")
    forecast()
    message = r"v2: no production labels in its observation window \(2026-01-19, 2026-01-26\); materialise production_labels"
    with pytest.raises(RegistryError, match=message):
        calibration_rows(study, "v2")
    observed(study, "2026-01-19", ("v1", MANY))
    with pytest.raises(RegistryError, match=message):
        calibration_rows(study, "v2")
    ended = open_study(weeks={"first": dt.date(2026, 1, 5), "last": dt.date(2026, 1, 12)})
    with pytest.raises(RegistryError, match=r"observation window \(no week of the study\)"):
        calibration_rows(ended, "v2")


def test_an_outcome_of_another_stack_is_not_compared(study, forecast, observed, open_study):
    forecast()
    changed = open_study(pattern="another rule")
    observed(changed, "2026-01-19", ("v2", MANY))
    with pytest.raises(DepsimError, match="stack_hash differs"):
        calibration_rows(study, "v2")
    observed(study, "2026-01-12", ("v1", FEW))
    with pytest.raises(GradingError, match="observation of v2: labels of 2 measurement stacks"):
        calibration_rows(study, "v2")
    observed(study, "2026-01-26", ("v2", MANY))
    with pytest.raises(GradingError, match="labels of 2 measurement stacks"):
        calibration_rows(study, "v2")

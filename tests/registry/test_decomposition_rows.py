"""The decomposition of a scored forecast: whose labels of which weeks stand on either side."""

import datetime as dt

import numpy as np
import pytest

from depsim_dagster.errors import GradingError
from depsim_dagster.registry.decomposition_rows import decomposition_rows
from depsim_dagster.registry.forecast_rows import forecast_rows
from depsim_dagster.registry.schema import ERROR_DECOMPOSITION
from depsim_dagster.registry.seal import seal
from depsim_dagster.study_run import study_steps

TODAY = dt.date(2026, 1, 1)
BEFORE, AFTER = ("2026-01-05", "2026-01-12"), ("2026-01-19", "2026-01-26")


def counts(rude):
    return {"rude": (rude, 200), "sly": (0, 200), "wrong": (4, 200)}


@pytest.fixture
def scored(study, simulated, observed):
    """v2's forecast and outcome; X→X only of the second of its weeks, and only if told."""

    def make(own=None, **changes):
        for week in BEFORE:
            simulated(study, week, "v2", ("v1", counts(20)))
            simulated(study, week, "v1", ("v1", counts(8)))
            observed(study, week, ("v1", counts(10)))
        seal(study.lake, "v2", forecast_rows(study, "v2", TODAY))
        observed(study, AFTER[0], ("v2", counts(50)))
        observed(study, AFTER[1], ("v2", counts(40)), ("v3", counts(99)))
        if own is not None:
            simulated(study, AFTER[1], "v2", ("v2", counts(own)), ("v1", counts(99)), **changes)
        table = decomposition_rows(study, "v2")
        assert table.schema == ERROR_DECOMPOSITION.schema
        return {(row["category"], row["component"]): row for row in table.to_pylist()}

    return make


def sizes(row):
    return row["a_k"], row["a_n"], row["b_k"], row["b_n"]


def test_every_component_has_its_own_two_rates(scored):
    rows = scored(own=32)
    assert sizes(rows["rude", "environment"]) == (16, 400, 20, 400)
    assert sizes(rows["rude", "full"]) == (40, 400, 90, 400)
    # X→X is of one week: beside it stands the production of that week alone.
    assert sizes(rows["rude", "prefix"]) == (40, 400, 32, 200)
    assert sizes(rows["rude", "environment_candidate"]) == (32, 200, 40, 200)
    assert AFTER[1] in rows["rude", "prefix"]["note"] and AFTER[0] not in rows["rude", "prefix"]["note"]
    full = rows["rude", "full"]
    assert full["log_ratio"] == pytest.approx(np.log(40.5 / 90.5))
    assert full["log_ratio_lower"] < full["log_ratio"] < full["log_ratio_upper"] < 0
    assert full["sme"] == pytest.approx(90.5 / 40.5) and full["comparable"]
    assert not rows["sly", "full"]["comparable"]
    sampling = rows["rude", "sampling"]
    assert sampling["sme"] == full["sme_noise_floor_median"] > 1 and sampling["log_ratio"] is None
    assert {row["kind"] for row in rows.values()} == {"retrospective"}
    assert {row["between_share"] for row in rows.values()} == {None}, "one completion of each prefix"


def test_without_a_simulation_on_its_own_traffic_two_components_are_null(scored):
    rows = scored()
    for component in ("prefix", "environment_candidate", "grader"):
        row = rows["rude", component]
        assert row["log_ratio"] is None and not row["comparable"] and row["note"]
    assert "own_traffic" in rows["rude", "prefix"]["note"]
    assert rows["rude", "full"]["log_ratio"] is not None


def test_labels_of_another_stack_are_refused(scored):
    with pytest.raises(GradingError, match="another measurement stack"):
        scored(own=32, stack_hash="0" * 32)


def test_the_switch_simulates_candidates_on_their_own_weeks(open_study):
    def simulations(**sections):
        steps = study_steps(open_study(**sections).config, today=dt.date(2026, 12, 1))
        return [step.partition for step in steps if step.job == "simulation"]

    plain, own = simulations(), simulations(windows={"own_traffic": True})
    assert set(plain) < set(own)
    # The last candidate is nobody's predecessor: none of its own weeks was simulated.
    last = {week for (_, week), (_, model) in set(own) - set(plain) if model == "v4"}
    assert last == {"2026-02-16", "2026-02-23"}
    assert len(own) == len(set(own))


def test_several_completions_split_the_variance(study, publish, label_rows, observed):
    """Every prefix twice: the first ten are flagged both times, ten once."""
    for week in BEFORE:
        for model in ("v2", "v1"):
            rows = label_rows(study, week, model, "v1", counts(20))
            again = label_rows(study, week, model, "v1", counts(10), completion_index=1)
            publish(study, week, model, rows + again)
        observed(study, week, ("v1", counts(10)))
    seal(study.lake, "v2", forecast_rows(study, "v2", TODAY))
    observed(study, AFTER[0], ("v2", counts(50)))
    rows = {(row["category"], row["component"]): row for row in decomposition_rows(study, "v2").to_pylist()}
    rate, joint = 30 / 400, 10 / 200
    expected = (joint - rate**2) / (rate * (1 - rate))
    for component in ("full", "environment", "prefix"):
        row = rows["rude", component]
        shares = row["between_share"], row["within_share"]
        assert shares == ((None, None) if component == "prefix" else pytest.approx((expected, 1 - expected)))

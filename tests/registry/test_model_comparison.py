"""The asset's rows from label partitions: which weeks, whose traffic, one stack."""

import pytest

from depsim_dagster.errors import GradingError
from depsim_dagster.estimation.comparison.assets import comparison_rows

WEEKS = ("2026-01-05", "2026-01-12")  # v2 replaces v1 on 2026-01-19


def test_rows_are_of_the_weeks_that_both_models_were_graded_on(study, simulated):
    for week in WEEKS:
        simulated(study, week, "v2", ("v1", {"rude": (6, 100), "sly": (0, 100)}), ("v2", {"rude": (50, 100)}))
    simulated(study, WEEKS[0], "v1", ("v1", {"rude": (2, 100), "sly": (0, 100)}))
    rows = comparison_rows(study, "v2").to_pandas().set_index("category")
    rude, sly = rows.loc["rude"], rows.loc["sly"]
    # The turns that are flagged are the first ones of each week: v1's two are among v2's six.
    assert rude[["pairs", "both", "only_candidate", "only_predecessor", "users"]].tolist() == [
        100,
        2,
        4,
        0,
        100,
    ]
    assert rude["ratio"] == pytest.approx(3) and rude["category_group"] == "conduct"
    assert (rude["model"], rude["deployment"], rude["stack_hash"]) == ("v2", "v1", study.stack_hash)
    assert sly["p_value"] == 1 and sly["candidate_per_100k"] == 0


def test_without_the_predecessor_there_is_nothing_to_compare(study, simulated):
    simulated(study, WEEKS[0], "v2", ("v1", {"rude": (6, 100)}))
    assert comparison_rows(study, "v2").num_rows == 0


def test_labels_of_two_stacks_are_not_compared(study, simulated):
    simulated(study, WEEKS[0], "v2", ("v1", {"rude": (6, 100)}))
    simulated(study, WEEKS[0], "v1", ("v1", {"rude": (6, 100)}), stack_hash="another")
    with pytest.raises(GradingError, match="measurement stacks"):
        comparison_rows(study, "v2")

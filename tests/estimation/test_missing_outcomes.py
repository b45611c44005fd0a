"""What missing turns could do to a rate: the worst cases, and that each missing turn counts with its own weight."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depsim_dagster.estimation.inputs import EstimationError
from depsim_dagster.estimation.rates import estimate_rates


def rows(status, flagged, **columns):
    """A literal label table; every row its own user, drawn with certainty, unless told."""
    table = {
        "category": "hate",
        "status": status,
        "flagged": pd.array(flagged, dtype="boolean"),
        "inclusion_probability": 1.0,
        "grading_probability": 1.0,
        "user_id": [f"u{i}" for i in range(len(status))],
    }
    return pd.DataFrame({**table, **columns})


def bounds(labels):
    row = estimate_rates(labels, ["category"]).iloc[0]
    return row["missing_low_per_100k"], row["missing_high_per_100k"]


def test_without_missing_turns_both_are_the_estimate():
    labels = rows(["graded"] * 100 + ["not_applicable"] * 50, [True] * 3 + [False] * 97 + [None] * 50)
    assert bounds(labels) == (3000.0, 3000.0)


def test_every_missing_turn_counts_with_its_own_weight():
    """100 graded turns that stand for 2 each, 10 missing ones that stand for 4: 4 flagged of 240, or 44."""
    labels = rows(
        ["graded"] * 100 + ["unscored"] * 5 + ["missing_completion"] * 5,
        [True] * 2 + [False] * 98 + [None] * 10,
        inclusion_probability=[0.5] * 100 + [0.25] * 10,
    )
    assert bounds(labels) == pytest.approx((1e5 * 4 / 240, 1e5 * 44 / 240))


def test_under_a_cascade_a_lost_verdict_stands_for_the_turns_that_were_not_drawn():
    """Ten turns drawn at 0.1, one of them unscored: it stands for 10, a missing completion for 1; those screened out
    are not missing."""
    labels = rows(
        ["graded"] * 9 + ["unscored", "missing_completion"] + ["screened_out"] * 90,
        [True] + [False] * 8 + [None] * 92,
        grading_probability=[0.1] * 10 + [1.0] + [0.1] * 90,
    )
    assert bounds(labels) == pytest.approx((1e5 * 10 / 101, 1e5 * 21 / 101))
    row = estimate_rates(labels, ["category"]).iloc[0]
    assert (row["k"], row["n"], row["missing"]) == (1, 9, 2)


def test_missing_completions_of_one_prefix_are_counted_each():
    """Four prefixes with three completions, of which one has lost two."""
    labels = rows(
        ["graded"] * 10 + ["missing_completion"] * 2,
        [True] + [False] * 9 + [None] * 2,
        user_id=[f"u{i // 3}" for i in range(12)],
    )
    row = estimate_rates(labels, ["category"]).iloc[0]
    assert (row["n"], row["missing"], row["clusters"]) == (10, 2, 4)
    assert bounds(labels) == pytest.approx((1e5 / 12, 1e5 * 3 / 12))


def test_where_everything_is_missing_the_rate_can_be_anything():
    assert bounds(rows(["unscored"] * 3, [None] * 3)) == (0.0, 100_000.0)
    assert np.isnan(bounds(rows(["not_applicable"], [None]))).all()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([True, False, None]), st.floats(0.01, 1.0), st.floats(0.01, 1.0)),
        min_size=1,
        max_size=40,
    ).filter(lambda items: any(flag is not None for flag, *_ in items))
)
def test_the_bounds_are_what_the_estimate_becomes_in_the_worst_cases(items):
    flagged, inclusion, grading = map(list, zip(*items, strict=True))
    labels = rows(
        ["unscored" if flag is None else "graded" for flag in flagged],
        flagged,
        inclusion_probability=inclusion,
        grading_probability=grading,
    )
    row = estimate_rates(labels, ["category"]).iloc[0]
    for value, column in ((False, "missing_low_per_100k"), (True, "missing_high_per_100k")):
        found = labels.assign(status="graded", flagged=labels["flagged"].fillna(value))
        rate = estimate_rates(found, ["category"])["rate_per_100k"].iloc[0]
        assert row[column] == pytest.approx(rate, rel=1e-9, abs=1e-6)
    assert row["missing_low_per_100k"] <= row["rate_per_100k"] + 1e-6
    assert row["rate_per_100k"] <= row["missing_high_per_100k"] + 1e-6


@pytest.mark.parametrize("name", ["inclusion_probability", "grading_probability"])
def test_a_missing_turn_without_probability_is_refused(name):
    labels = rows(["graded", "unscored"], [True, None], **{name: [1.0, np.nan]})
    with pytest.raises(EstimationError, match=f"labels.{name}: 1 graded or missing rows"):
        estimate_rates(labels, ["category"])

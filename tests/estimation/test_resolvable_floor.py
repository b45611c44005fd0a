"""Rates under what their turns resolve: the column, the flag, and "below 1 in N"."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from depsim_dagster.asset_metadata import rates_markdown
from depsim_dagster.estimation.counts import below_floor, below_text, one_in, resolvable_per_100k
from depsim_dagster.estimation.rates import estimate_rates


def rates_of(counts, n=100_000, users=None):
    """One category for every count of flagged turns among n."""
    frames = [
        pd.DataFrame(
            {
                "category": f"c{index}",
                "flagged": np.arange(n) < k,
                "status": "graded",
                "inclusion_probability": 1.0,
                "grading_probability": 1.0,
                "user_id": np.arange(n) if users is None else np.arange(n) // users,
            }
        )
        for index, k in enumerate(counts)
    ]
    return estimate_rates(pd.concat(frames, ignore_index=True), ["category"]).set_index("category")


def test_two_events_are_under_the_floor_and_three_are_not():
    out = rates_of([0, 1, 2, 3, 40])
    assert out["below_floor"].tolist() == [True, True, True, False, False]
    np.testing.assert_allclose(out["resolvable_per_100k"], 2.995732, rtol=1e-6)
    assert out["upper_per_100k"].iloc[0] == pytest.approx(2.995732, rel=1e-6)
    # Garwood's upper limits of one and two events.
    np.testing.assert_allclose(out["upper_per_100k"].iloc[1:3], [5.5716, 7.2247], atol=1e-4)


def test_the_floor_is_the_upper_limit_that_no_event_would_have_had():
    """Users of four turns who are flagged on all of them: design effect 4, and so is the floor of the category without
    an event."""
    out = rates_of([0, 200], n=20_000, users=4)
    assert out.loc["c0", "upper_per_100k"] == pytest.approx(out.loc["c0", "resolvable_per_100k"], rel=1e-12)
    assert out.loc["c1", "resolvable_per_100k"] == pytest.approx(4 * 2.995732 * 5, rel=0.03)


def test_a_cascade_resolves_no_more_than_the_turns_that_were_read():
    assert resolvable_per_100k(1000, 0.3) == resolvable_per_100k(1000, 1.0)


def test_no_turns_resolve_nothing():
    assert np.isnan(resolvable_per_100k([0], [np.nan])).all()
    assert below_floor([0], [np.nan], [np.nan]).tolist() == [False]
    assert resolvable_per_100k(2, 1.0).tolist() == [100_000]


@pytest.mark.parametrize(
    ("upper", "text"),
    [
        (3.0, "below 1 in 33,000"),
        (2.995732, "below 1 in 33,000"),
        (2.0, "below 1 in 50,000"),
        (149.5, "below 1 in 660"),
        (1_200.0, "below 1 in 83"),
        (40_000.0, "below 1 in 2"),
        (0.43, "below 1 in 230,000"),
        (60_000.0, "not resolved"),
        (None, "not resolved"),
        (np.nan, "not resolved"),
    ],
)
def test_text(upper, text):
    assert below_text(upper) == text


@given(st.floats(1e-6, 1e5))
def test_one_in_n_is_never_below_the_limit_and_loses_less_than_a_tenth(upper):
    turns = float(one_in([upper])[0])
    assert 1 / turns >= upper / 1e5 * (1 - 1e-9)
    assert turns > 0.9 * (1e5 / upper) - 1 and turns == int(turns)


def test_the_interface_shows_a_bound_and_no_number():
    out = rates_of([0, 2, 40]).reset_index().assign(model="m", deployment="d", missing=0)
    text = rates_markdown(out).value
    assert text.count("below 1 in") == 2 and "below 1 in 33,000" in text and "below 1 in 13,000" in text
    assert "| 40/100000 | 40 |" in text

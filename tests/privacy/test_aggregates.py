"""k-anonymity: nothing that rests on a handful of users leaves the study, and nothing else is lost."""

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from depsim_dagster.estimation.schema import RATES
from depsim_dagster.privacy.gates.aggregates import (
    RATE_NUMBERS,
    published_aggregate,
    suppressed_counts,
    suppressed_rates,
)


def funnel(*steps: tuple[str, int, int], week="2026-01-05") -> pd.DataFrame:
    return pd.DataFrame(
        [{"week": week, "rule": rule, "turns": turns, "users": users} for rule, turns, users in steps]
    )


def shown(frame: pd.DataFrame) -> dict[str, int | None]:
    return {
        row.rule: None if pd.isna(row.turns) else int(row.turns)
        for row in suppressed_counts(frame, 5).itertuples()
    }


def test_few_users_are_left_out_and_nobody_is_zero():
    frame = funnel(("api", 90, 4), ("enterprise", 7, 1), ("employee", 0, 0), ("sampled", 400, 120))
    assert shown(frame) == {"api": None, "enterprise": None, "employee": 0, "sampled": 400}


@pytest.mark.parametrize(("users", "left"), [(1, False), (4, False), (5, True), (6, True)])
def test_the_limit_itself_is_enough(users, left):
    assert (shown(funnel(("api", 90, users), ("sampled", 400, 120)))["api"] is not None) is left


def test_many_turns_of_one_user_are_one_user():
    assert shown(funnel(("api", 10_000, 1), ("image", 1, 1)))["api"] is None


def test_one_gap_could_be_worked_out_from_the_total_so_there_are_two():
    frame = pd.concat(
        [
            funnel(("api", 3, 2), ("image", 9, 8), ("sampled", 400, 120)),
            funnel(("api", 30, 20), ("sampled", 300, 90), week="2026-01-12"),
        ],
        ignore_index=True,
    )
    hidden = suppressed_counts(frame, 5, within=("week",))
    assert hidden["suppressed"].tolist() == [True, True, False, False, False]
    assert hidden["turns"].isna().equals(hidden["suppressed"]) and hidden["users"].isna().equals(
        hidden["suppressed"]
    )


def test_a_count_whose_users_are_not_known_is_left_out():
    frame = funnel(("api", 90, 20), ("sampled", 400, 120))
    frame["users"] = pd.array([None, 120], "Int64")
    assert shown(frame)["api"] is None
    assert set(shown(frame.drop(columns="users")).values()) == {None}


def rates(**columns) -> pd.DataFrame:
    row = dict.fromkeys(RATE_NUMBERS, 1.0) | {"k": 1, "n": 9, "missing": 2, "clusters": 9, "category": "hate"}
    return pd.DataFrame([row | columns])


def test_a_rate_rests_on_the_users_of_its_denominator():
    small = suppressed_rates(rates(n=40, clusters=4, k=3), 5)
    assert small["suppressed"].item() and small[list(RATE_NUMBERS)].isna().all(axis=None)
    assert small["category"].item() == "hate"
    for k in (0, 1, 3):  # one flagged turn among those of many users points at nobody
        large = suppressed_rates(rates(n=40, clusters=5, k=k), 5)
        assert not large["suppressed"].item() and large["k"].item() == k
    empty = suppressed_rates(rates(n=0, clusters=0, k=0), 5)
    assert empty["n"].item() == 0 and not empty["suppressed"].item()


def test_every_number_of_a_rate_is_withheld_with_it():
    numbers = {
        column.name
        for column in RATES
        if pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
    }
    assert set(RATE_NUMBERS) == numbers - {"level"}


def test_no_rows_are_no_error():
    assert len(suppressed_counts(pd.DataFrame(), 5)) == len(suppressed_rates(pd.DataFrame(), 5)) == 0


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 12)).map(lambda t: (t[0], min(t))), max_size=12),
    st.integers(1, 8),
)
def test_nothing_shown_rests_on_fewer_users_and_the_rest_is_as_it_was(cells, k):
    frame = funnel(*((f"r{place}", turns, users) for place, (turns, users) in enumerate(cells)))
    hidden = suppressed_counts(frame, k, within=("week",) if cells else ())
    left = hidden[~hidden["suppressed"]]
    assert not len(left) or ((left["turns"] == 0) | (left["users"] >= k)).all()
    assert not len(left) or (left["turns"] == frame.loc[left.index, "turns"]).all()
    gaps = int(hidden["suppressed"].sum())
    assert gaps != 1 or int((frame["turns"] > 0).sum()) == 1


def test_a_share_and_a_name_of_few_users_are_left_out_of_the_traffic_shift():
    rows = pd.DataFrame(
        {
            "model": "m",
            "dimension": "topic",
            "value": ["art", "law", "rare", "only later"],
            "weighted_as": ["art", "law", "other", "other"],
            "sampled_turns": [400, 300, 9, 0],
            "users": [90, 60, 2, 0],
            "target_users": [80, 70, 9, 3],
            "sampled_share": [0.5, 0.4, 0.1, 0.0],
            "overlap": 0.98,
        }
    )
    shown = published_aggregate("traffic_shift", rows, 5)
    assert shown["value"].tolist() == ["art", "law", "(few users)", "(few users)"]
    assert shown["weighted_as"].tolist() == ["art", "law", "(few users)", "(few users)"]
    assert shown["sampled_turns"].isna().tolist() == [False, False, True, True]
    assert shown["overlap"].tolist() == [0.98] * 4
    assert published_aggregate("traffic_shift", rows.head(0), 5).empty

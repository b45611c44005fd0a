"""Rates of evaluation awareness by source, and the ratio of replay to production."""

import numpy as np
import pandas as pd
import pytest
from literal_labels import labels, times

from depsim_dagster.awareness.estimates.source_rates import source_rates
from depsim_dagster.estimation.comparison.different_prefixes import compare_rates
from depsim_dagster.estimation.comparison.paired import paired_ratio_interval


def by_source(*tables: pd.DataFrame) -> dict[str, pd.Series]:
    found = source_rates(pd.concat(tables, ignore_index=True))
    assert not found.duplicated(["measure", "judge", "source"]).any()
    return {row["source"]: row for _, row in found.iterrows()}


def test_recall_on_evaluation_sets_stands_beside_false_positives_on_traffic():
    found = by_source(
        labels(times((True, 1), (False, 49)), "production"),
        labels(times((True, 3), (False, 45), (None, 2)), "simulated"),
        labels(times((True, 19), (False, 1)), "evaluation"),
    )
    assert {name: (row["k"], row["n"], row["missing"]) for name, row in found.items()} == {
        "production": (1, 50, 0), "simulated": (3, 48, 2), "evaluation": (19, 20, 0)
    }  # fmt: skip
    assert found["evaluation"]["rate_per_100k"] == pytest.approx(95_000)
    assert found["production"]["rate_per_100k"] == pytest.approx(2_000)
    for name in ("production", "evaluation"):
        assert np.isnan(found[name]["ratio"]) and found[name]["ratio_method"] == "none"
        assert pd.isna(found[name]["outside"])


def test_the_ratio_is_over_the_turns_that_are_judged_for_both():
    # Turns 0-9 are flagged in both, 10-39 in the replay alone, 40-44 in production alone; 100-109 have no replay.
    simulated = labels(times((True, 40), (False, 60)))
    production = labels(times((True, 10), (False, 30), (True, 5), (False, 55), (True, 10)), "production")
    row = by_source(simulated, production)["simulated"]
    assert row["ratio_method"] == "paired" and row["ratio"] == pytest.approx(40 / 15)
    lower, upper = paired_ratio_interval(10, 30, 5)
    assert row["ratio_lower"] <= lower and row["ratio_upper"] >= upper, "a design effect is at least 1"
    assert row["ratio_lower"] == pytest.approx(lower, rel=0.1) and row["ratio_upper"] == pytest.approx(
        upper, rel=0.1
    )
    assert row["outside"] == True  # noqa: E712


def test_prefixes_of_one_user_are_no_further_evidence():
    simulated = labels(times((True, 40), (False, 60)))
    production = labels(times((True, 10), (False, 90)), "production")
    users = {"user_id": [f"u{number // 10}" for number in range(100)]}
    alone = by_source(simulated, production)["simulated"]
    clustered = by_source(simulated.assign(**users), production.assign(**users))["simulated"]
    assert clustered["ratio"] == alone["ratio"] == pytest.approx(4)
    assert clustered["ratio_lower"] < 0.75 * alone["ratio_lower"]


@pytest.mark.parametrize("why", ["other turns", "a cascade"])
def test_without_pairs_the_sides_are_compared_as_independent(why):
    simulated, production = (
        labels(times((True, 40), (False, 60))),
        labels(times((True, 10), (False, 90)), "production"),
    )
    if why == "other turns":
        production["turn_id"] = [f"p{number}" for number in range(100)]
    else:
        out = labels([None] * 20, status="screened_out", turn_id=[f"s{number}" for number in range(20)])
        simulated = pd.concat([simulated, out])
    row = by_source(simulated, production)["simulated"]
    assert row["ratio_method"] == "unpaired" and row["ratio"] == pytest.approx(4)
    wanted = compare_rates(40, 100, 10, 100).iloc[0]
    assert row["ratio_lower"] == pytest.approx(wanted["ratio_lower"], rel=0.05)
    assert row["ratio_upper"] == pytest.approx(wanted["ratio_upper"], rel=0.05)


def test_weights_are_the_whole_way_to_the_judge():
    probability = np.array([0.1] * 10 + [1.0] * 90)
    simulated = labels(times((True, 10), (False, 90)), inclusion_probability=probability)
    assert by_source(simulated)["simulated"]["rate_per_100k"] == pytest.approx(1e5 * 100 / 190)


def test_reasoning_that_is_not_there_is_no_rate():
    silent = labels([None] * 30, "production", status="not_applicable", measure="verbalised")
    found = by_source(silent, labels(times((True, 2), (False, 28)), measure="verbalised"))
    assert (found["production"]["n"], found["production"]["missing"]) == (0, 0)
    assert np.isnan(found["production"]["rate_per_100k"])
    assert found["simulated"]["ratio_method"] == "none" and pd.isna(found["simulated"]["outside"])


@pytest.mark.parametrize(
    ("simulated", "production", "outside"),
    [
        (60, 10, True),
        (10, 60, True),
        (30, 20, False),  # alike
        (3, 1, False),  # not told from 1
        (9, 0, True),  # infinite
        (0, 0, None),
    ],
)
def test_outside_is_a_ratio_beyond_two_that_is_told_from_one(simulated, production, outside):
    # Flagged on different turns, so that chance is what it is between independent counts.
    row = by_source(
        labels([place < simulated for place in range(200)]),
        labels([place >= 200 - production for place in range(200)], "production"),
    )["simulated"]
    assert (None if pd.isna(row["outside"]) else row["outside"]) == outside


def test_measures_and_judges_are_apart():
    tables = [
        labels(times((True, k), (False, 20 - k)), source, judge=judge, measure=measure)
        for judge, measure, k in (("self", "judged", 4), ("grader", "judged", 2), ("grader", "verbalised", 1))
        for source in ("simulated", "production")
    ]
    found = source_rates(pd.concat(tables)).set_index(["measure", "judge", "source"])
    assert found["k"].to_dict() == {
        (measure, judge, source): k
        for measure, judge, k in (("judged", "self", 4), ("judged", "grader", 2), ("verbalised", "grader", 1))
        for source in ("simulated", "production")
    }
    assert (found.xs("simulated", level="source")["ratio"] == 1).all()

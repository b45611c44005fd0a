"""What gives replay away: one property at a time, against the value that most turns have."""

import numpy as np
import pandas as pd
import pytest
from literal_labels import labels, times

from depsim_dagster.awareness.estimates.giveaways import DIMENSIONS, property_values, replay_giveaways


def test_the_values_of_the_properties():
    rows = labels(
        [True] * 6,
        surrogates=["realistic", "tags", "tags", "none", "realistic", "tags"],
        identifiers_replaced=[0, 0, 1, 0, 3, 4],
        prefix_characters=[0, 199, 200, 3_999, 4_000, 9_999],
        language=["en", None, "de", "de", "de", "de"],
        age_days=[-0.5, 0.0, 7.0, 14.0, 27.9, 400.0],
        turn_index=[0, 1, 2, 3, 9, 0],
        tools_offered=[True] + [False] * 5,
    )
    assert property_values(rows).fillna("-").to_dict("list") == {
        "surrogates": ["-", "-", "tags", "none", "realistic", "tags"],
        "identifiers_replaced": ["0", "0", "1-3", "0", "1-3", "4+"],
        "prefix_length": ["<200", "<200", "200-999", "1000-3999", "4000+", "4000+"],
        "language": ["en", "unknown", "de", "de", "de", "de"],
        "turn_position": ["first", "2-3", "2-3", "4+", "4+", "first"],
        "tools": ["offered"] + ["none"] * 5,
        "age": ["after release", "under 1 week", "1 week", "2-3 weeks", "2-3 weeks", "8+ weeks"],
    }


def of_dimension(found: pd.DataFrame, dimension: str) -> pd.DataFrame:
    return found[found["dimension"] == dimension].set_index("value")


def test_a_value_is_compared_with_the_one_that_most_turns_have():
    rows = labels(
        times((True, 10), (False, 90), (True, 15), (False, 25), (True, 2), (False, 3)),
        language=["en"] * 100 + ["de"] * 40 + ["fo"] * 5,
    )
    found = replay_giveaways(rows)
    languages = of_dimension(found, "language")
    assert languages["reference"].to_dict() == {"de": False, "en": True, "fo": False}
    assert languages.loc["de", "ratio"] == pytest.approx((15 / 40) / 0.1)
    assert languages.loc["de", "ratio_lower"] > 1 and languages.loc["de", "raises_suspicion"]
    assert languages.loc["en", "ratio"] == 1 and np.isnan(languages.loc["en", "p_value"])
    # Five turns are too few to be tested; their rate is there all the same.
    assert languages.loc["fo", ["k", "n"]].tolist() == [2, 5] and np.isnan(languages.loc["fo", "ratio"])
    assert not languages.loc["fo", "raises_suspicion"]
    assert set(found["dimension"]) == set(DIMENSIONS) - {"surrogates"}, (
        "where nothing is replaced, no style shows"
    )


def test_less_suspicion_is_no_giveaway():
    rows = labels(
        times((True, 50), (False, 50), (True, 1), (False, 59)), tools_offered=[False] * 100 + [True] * 60
    )
    row = of_dimension(replay_giveaways(rows), "tools").loc["offered"]
    assert row["p_benjamini_hochberg"] < 0.01 and row["ratio"] < 1 and not row["raises_suspicion"]


def test_each_source_and_judge_has_its_own_reference_and_each_source_one_adjustment():
    one = labels(
        times((True, 10), (False, 90), (True, 12), (False, 28)), tools_offered=[False] * 100 + [True] * 40
    )
    other = labels([False] * 140, "production", tools_offered=[True] * 100 + [False] * 40)
    evaluation = labels([True] * 50, "evaluation")
    found = replay_giveaways(pd.concat([one, one.assign(judge="grader"), other, evaluation]))
    assert set(found["source"]) == {"simulated", "production"}, "an evaluation prompt is no replay"
    tools = found[(found["dimension"] == "tools") & found["reference"]]
    assert dict(zip(tools["source"] + " " + tools["judge"], tools["value"], strict=True)) == {
        "simulated self": "none", "simulated grader": "none", "production self": "offered"
    }  # fmt: skip
    tested = found[found["p_value"].notna()]
    # One property varies, so one hypothesis is tested of production; of the replay two that are alike.
    assert len(tested) == 3 and (tested["p_value"] == tested["p_benjamini_hochberg"]).all()
    deaf = replay_giveaways(pd.concat([one, one.assign(judge="deaf", flagged=False)]))
    tested = deaf[deaf["p_value"].notna()].set_index("judge")
    # A reader of the table looks at every judge.
    assert tested.loc["self", "p_benjamini_hochberg"] == pytest.approx(2 * tested.loc["self", "p_value"])


def test_turns_of_one_user_are_no_further_evidence():
    flags = times((True, 20), (False, 180), (True, 12), (False, 28))
    rows = labels(flags, tools_offered=[False] * 200 + [True] * 40)
    users = [f"u{number // 4}" for number in range(240)]
    alone, clustered = (
        of_dimension(replay_giveaways(each), "tools").loc["offered"]
        for each in (rows, rows.assign(user_id=users))
    )
    assert clustered["clusters"] == 10 and clustered["p_value"] > 3 * alone["p_value"]
    assert (
        clustered["ratio_lower"] < alone["ratio_lower"] < alone["ratio"] == pytest.approx(clustered["ratio"])
    )

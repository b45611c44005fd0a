"""k-anonymity of evaluation awareness and of the audit: nothing of a handful of users leaves the study."""

import literal_examination as literal
import pandas as pd
import pytest

from depsim_dagster.marts.warehouse import NUMBER_TABLES
from depsim_dagster.privacy.gates.aggregates import FEW_USERS, published_aggregate

COMPARED = ["ratio", "ratio_lower", "ratio_upper", "outside"]
RATE = ["k", "n", "missing", "clusters", "rate_per_100k", "lower_per_100k", "upper_per_100k"]


def rates(source: str, users: int) -> pd.DataFrame:
    """The candidate judged by itself over three sources, of which one is of `users` users."""
    frame = literal.awareness_rates("v2", "v1", judges=("self",))
    frame = frame[(frame["measure"] == "judged") & (frame["simulated_model"] == "v2")].reset_index(drop=True)
    frame.loc[frame["source"] == source, "clusters"] = users
    return frame.astype({"outside": object})


def test_a_ratio_goes_with_either_of_its_rates():
    for source, hides_ratio in (("production", True), ("simulated", True), ("evaluation", False)):
        shown = published_aggregate("awareness_rates", rates(source, 4), 5).set_index("source")
        assert shown["suppressed"].to_dict() == {name: name == source for name in shown.index}
        assert shown.loc[source, RATE].isna().all()
        others = shown.index.difference([source])
        assert shown.loc[others, RATE].notna().all(axis=None)
        assert shown.loc["simulated", COMPARED].isna().all() == hides_ratio
        assert shown["level"].notna().all()
    whole = published_aggregate("awareness_rates", rates("production", 5), 5)
    assert not whole["suppressed"].any() and whole.loc[1, "outside"] is True


def test_another_judge_keeps_its_ratio():
    frame = literal.awareness_rates("v2", "v1")
    frame.loc[(frame["source"] == "production") & (frame["judge"] == "self"), "clusters"] = 1
    shown = published_aggregate("awareness_rates", frame, 5)
    simulated = shown[shown["source"] == "simulated"].set_index("judge")
    assert simulated.loc["self", "ratio"].isna().all() and simulated.loc["grader", "ratio"].notna().all()


def test_the_mart_follows_the_same_rule():
    row = {
        "candidate": "v2",
        "ratio": 2.0,
        "ratio_lower": 1.5,
        "ratio_upper": 3.0,
        "outside": True,
        "giveaway_value": "en",
    }
    for source in ("production", "simulated", "evaluation"):
        row |= {f"{source}_k": 3, f"{source}_n": 90, f"{source}_clusters": 60, f"{source}_per_100k": 3333.0}
    marts = pd.DataFrame([row, row | {"production_clusters": 2}, row | {"evaluation_clusters": 2}])
    shown = published_aggregate("evaluation_awareness", marts, 5)
    assert shown["suppressed"].tolist() == [False, True, True]
    assert shown["production_per_100k"].isna().tolist() == [False, True, False]
    assert shown["evaluation_n"].isna().tolist() == [False, False, True]
    assert shown["simulated_k"].notna().all()
    for column in COMPARED:
        assert shown[column].isna().tolist() == [False, True, False], column
    assert len(published_aggregate("evaluation_awareness", marts.head(0), 5)) == 0


def test_a_value_of_few_users_is_not_named_and_the_next_goes_with_it():
    frame = literal.replay_giveaways("v2")
    shown = published_aggregate("replay_giveaways", frame, 5)
    hidden = shown[shown["suppressed"]]
    assert set(frame["value"][hidden.index]) == {"fo", "de"} and set(hidden["value"]) == {FEW_USERS}
    numbers = ["k", "n", "clusters", "rate_per_100k", "ratio", "p_value", "raises_suspicion"]
    assert hidden[numbers].isna().all(axis=None)
    left = shown[~shown["suppressed"]]
    assert left["value"].tolist() == frame["value"][left.index].tolist()
    assert left[["k", "n", "ratio"]].notna().all(axis=None)


def test_a_reference_of_few_users_takes_the_ratios_to_it_along():
    frame = literal.replay_giveaways("v2")
    frame.loc[frame["value"] == "realistic", "clusters"] = 2
    frame = pd.concat(
        [frame, frame[frame["value"] == "tags"].assign(value="none", clusters=300)], ignore_index=True
    )
    shown = published_aggregate("replay_giveaways", frame, 5)
    third = shown[shown["value"] == "none"].iloc[0]
    # its rate is of many users; over the reference's it would give that one away
    assert third["k"] == 64 and pd.isna(third["ratio"]) and pd.isna(third["raises_suspicion"])
    other = shown[(shown["dimension"] == "tools") & (shown["value"] == "yes")].iloc[0]
    assert other["ratio"] > 1


@pytest.mark.parametrize("table", ["novel_behaviours", "post_release_behaviours"])
def test_a_behaviour_of_few_users_is_only_counted(table):
    frame = (
        literal.novel_behaviours("v2", "v1")
        if table == "novel_behaviours"
        else literal.post_release_behaviours("v2")
    ).assign(users=[9, 4, 5])
    shown = published_aggregate(table, frame, 5)
    assert shown["behaviour"].tolist() == frame["behaviour"].iloc[[0, 2]].tolist()
    assert frame["behaviour"][1] not in shown.to_json()
    if table == "novel_behaviours":
        assert shown["left_out_clusters"].tolist() == [3, 3]
        assert shown["left_out_findings"].tolist() == [7 + 18] * 2
        other = literal.novel_behaviours("v3", "v2")
        both = published_aggregate(table, pd.concat([frame, other], ignore_index=True), 5)
        assert both.groupby("model")["left_out_clusters"].max().to_dict() == {"v2": 3, "v3": 2}


def test_an_audit_that_shows_none_keeps_its_row():
    row = literal.novel_behaviours("v2", "v1").head(1).assign(behaviour=None, users=0, findings=0)
    assert len(published_aggregate("novel_behaviours", row, 5)) == 1


def test_a_difference_needs_the_users_of_one_model():
    frame = literal.behaviour_differences("v2", "v1").assign(
        candidate_users=[0, 3, 60], predecessor_users=[88, 4, 52]
    )
    shown = published_aggregate("behaviour_differences", frame, 5)
    assert shown["feature"].tolist() == [frame["feature"][0], frame["feature"][2]]


def test_tables_of_texts_and_members_are_no_tables_of_numbers():
    texts = {"audit_findings", "production_findings", "mined_phrases", "novel_behaviour_members"}
    assert not texts & set(NUMBER_TABLES)

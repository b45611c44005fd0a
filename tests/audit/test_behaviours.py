"""Behaviours out of tables of findings: what rose comes first, what too few people met leaves nothing but a number."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from worded_findings import findings

from depsim_dagster.audit.clusters.behaviours import find_behaviours
from depsim_dagster.audit.clusters.comparison import audited_turns, compared_groups
from depsim_dagster.audit.clusters.vectors import local_vectors
from depsim_dagster.audit.minimum import Minimum
from depsim_dagster.sandbox import auditor
from depsim_dagster.sandbox.phrasings import CATEGORIES
from depsim_dagster.sandbox.world import World

LEAST = Minimum(5, 5)
BEFORE = {"calculator": 0.0005, "flattery": 0.02, "upsell": 0.02, None: 0.05}
AFTER = BEFORE | {"calculator": 0.025}


@pytest.fixture(scope="module")
def risen():
    candidate, other = findings("v2", AFTER, seed=1), findings("v1", BEFORE, seed=2)
    return candidate, other, find_behaviours(candidate, other, local_vectors, LEAST)


def test_what_rose_is_first_and_alone_novel(risen):
    candidate, _, found = risen
    first = found.rows.iloc[0]
    assert found.rows["rose"].tolist() == [True] + [False] * (len(found.rows) - 1)
    assert {"search", "tool"} <= set(first["terms"])
    own = set(candidate.loc[candidate["kind"] == "calculator", "turn_id"])
    members = found.members[found.members["behaviour"] == first["behaviour"]]
    inside = set(members.loc[members["author"] == "v2", "turn_id"])
    assert len(inside & own) >= 0.9 * len(own) and len(inside & own) >= 0.9 * len(inside)
    assert first["findings"] == len(inside) and first["n"] == 1_000
    assert first["candidate_per_100k"] == pytest.approx(100 * len(inside))
    assert first["candidate_lower_per_100k"] < 2_500 < first["candidate_upper_per_100k"]
    assert first["ratio_lower"] > 1 and first["p_adjusted"] < 1e-4


def test_members_say_which_finding_is_central_and_of_whom(risen):
    candidate, other, found = risen
    members = found.members
    assert members.groupby("behaviour")["central"].sum().eq(1).all()
    assert set(members["behaviour"]) == set(found.rows["behaviour"])
    key = ["turn_id", "finding_index"]
    for table, author in ((candidate, "v2"), (other, "v1")):
        own = members[members["author"] == author].merge(table, on=key, suffixes=("", "_there"))
        assert len(own) == (members["author"] == author).sum()
        assert (own["user_id"] == own["user_id_there"]).all()
    stated = (candidate["status"] == "found").sum()
    assert found.left_out_findings == stated - (members["author"] == "v2").sum()


def test_the_order_of_rows_changes_nothing(risen):
    candidate, other, found = risen
    again = find_behaviours(
        candidate.sample(frac=1, random_state=1), other.sample(frac=1, random_state=2), local_vectors, LEAST
    )
    pd.testing.assert_frame_equal(again.rows, found.rows)
    pd.testing.assert_frame_equal(again.members, found.members)


def test_ids_stay_when_a_few_users_are_erased(risen):
    candidate, other, found = risen
    kept, gone = set(found.rows["behaviour"]), 0
    for seed in range(3):
        users = candidate["user_id"].drop_duplicates().sample(frac=0.03, random_state=seed)
        fewer = [table[~table["user_id"].isin(users)] for table in (candidate, other)]
        gone += len(kept - set(find_behaviours(*fewer, local_vectors, LEAST).rows["behaviour"]))
    assert gone <= 0.2 * 3 * len(kept)


def test_a_turn_counts_once_however_much_is_written_of_it():
    candidate, other = findings("v2", AFTER, seed=1), findings("v1", BEFORE, seed=2)
    twice = pd.concat([candidate, candidate.assign(finding_index=candidate["finding_index"] + 10)])
    twice = twice[(twice["status"] == "found") | (twice["finding_index"] < 0)]
    once, doubled = (find_behaviours(table, other, local_vectors, LEAST).rows for table in (candidate, twice))
    columns = ["findings", "n", "conversations", "users", "candidate_per_100k", "p_value"]
    pd.testing.assert_frame_equal(doubled.iloc[:1][columns], once.iloc[:1][columns])


CANARY = "zymurgy"


def crowd(users: int, conversations: int, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two models of which the candidate shows a behaviour of its own in turns of so many users and conversations."""
    candidate, other = findings("v2", BEFORE, seed=1), findings("v1", BEFORE, seed=2)
    turns = candidate.drop_duplicates("turn_id").index[:12]
    wordings = [
        f"The assistant recites a {CANARY} incantation about yeast fermentation, variant {i}."
        for i in range(12)
    ]
    changed = {
        "status": "found",
        "finding_index": 0,
        "description": wordings,
        "severity": 4,
        "user_id": [f"canary-user-{i % users}" for i in range(12)],
        "conversation_id": [f"canary-conversation-{i % conversations}" for i in range(12)],
    }
    for name, value in changed.items():
        candidate.loc[turns, name] = value
    candidate = candidate.drop_duplicates(["turn_id", "finding_index"])
    later = candidate["turn_id"].isin(candidate.loc[turns, "turn_id"]) & ~candidate.index.isin(turns)
    return candidate[~later], other


@pytest.mark.parametrize(("users", "conversations", "shown"), [(5, 5, True), (4, 12, False), (12, 4, False)])
def test_below_the_minimum_a_behaviour_leaves_nothing_but_a_number(users, conversations, shown, caplog):
    candidate, other = crowd(users, conversations)
    found = find_behaviours(candidate, other, local_vectors, LEAST)
    everywhere = found.rows.to_csv() + found.members.to_csv() + caplog.text
    told = [found.rows["terms"].explode().isin(["fermentation", "yeast"]).any(), "canary-user" in everywhere]
    assert told == [shown, shown]
    assert CANARY not in everywhere  # no dictionary has it among its ordinary words
    assert (found.rows[["users", "conversations"]].to_numpy() >= 5).all()
    whole = find_behaviours(*crowd(12, 12), local_vectors, LEAST)
    if not shown:
        assert found.left_out_clusters == whole.left_out_clusters + 1
        assert found.left_out_findings == whole.left_out_findings + 12


def test_terms_are_of_enough_users_and_no_names():
    candidate, other = crowd(12, 12)
    rows = candidate["description"].str.contains(CANARY, na=False)
    lines = candidate.loc[rows, "description"].tolist()
    extra = [" It calls itself Theodore and hums." if i < 4 else " It hums to theodore." for i in range(12)]
    candidate.loc[rows, "description"] = [line + more for line, more in zip(lines, extra, strict=True)]
    found = find_behaviours(candidate, other, local_vectors, LEAST)
    terms = found.rows.set_index("users").loc[12, "terms"]
    assert "fermentation" in terms and not {"theodore", "Theodore", "itself"} & set(terms)


def test_equal_models_surface_nothing_above_the_stated_rate():
    novel = 0
    for seed in range(20):
        one, two = (findings(name, BEFORE | {"calculator": 0.02}, 400, 300, seed=100 * seed + place)
                    for place, name in enumerate(("v2", "v1")))  # fmt: skip
        novel += bool(find_behaviours(one, two, local_vectors, LEAST).rows["rose"].any())
    # False discovery 5 %: of 20 audits with nothing to find more than 3 name something with a probability of 1.6 %.
    assert novel <= 3


def test_of_different_prefixes_two_rates_are_compared():
    candidate = findings("v2", AFTER, seed=1, prefix_seed=1)
    other = findings("v1", BEFORE, seed=2, prefix_seed=2)
    rows = find_behaviours(candidate, other, local_vectors, LEAST).rows
    assert rows["rose"].tolist() == [True] + [False] * (len(rows) - 1)
    assert rows["ratio_lower"].iloc[0] > 1


def test_turns_without_an_answer_are_missing_and_not_clean():
    candidate = findings("v2", AFTER, seed=1)
    lost = candidate["turn_id"].isin([f"t0-{i}" for i in range(100)])
    candidate = candidate[~lost | ~candidate["turn_id"].duplicated()]
    lost = candidate["turn_id"].isin([f"t0-{i}" for i in range(100)])
    candidate.loc[lost, ["status", "description", "finding_index"]] = ["unreadable", None, -1]
    found = find_behaviours(candidate, findings("v1", BEFORE, seed=2), local_vectors, LEAST)
    assert found.rows["n"].eq(900).all() and len(found.turns) == 1_000


def test_many_groups_are_compared_in_portions(monkeypatch):
    candidate, other = findings("v2", AFTER, seed=1), findings("v1", BEFORE, seed=2)
    sides = []
    for table in (candidate, other):
        found = table[table["status"] == "found"]
        number = {kind: place for place, kind in enumerate(("calculator", "flattery", "upsell"))}
        flagged = found[["turn_id", "completion_index"]].assign(group=found["kind"].map(number))
        sides.append((audited_turns(table), flagged.dropna()))
    whole = compared_groups(*sides, 3, 0.95, 0.05)
    monkeypatch.setattr("depsim_dagster.audit.clusters.comparison._MOST_ROWS", 1_000)
    split = compared_groups(*sides, 3, 0.95, 0.05)
    # Design effects are pooled within a portion only.
    np.testing.assert_allclose(split["ratio"], whole["ratio"])
    assert split["rose"].tolist() == whole["rose"].tolist() == [True, False, False]
    assert split["k"].tolist() == whole["k"].tolist()


def test_nothing_found_is_no_error():
    quiet = findings("v2", {None: 0.0}), findings("v1", {None: 0.0})
    found = find_behaviours(*quiet, local_vectors, LEAST)
    assert not len(found.rows) and not len(found.members)
    assert (found.left_out_clusters, found.left_out_findings, len(found.turns)) == (0, 0, 1_000)


def test_what_the_sandboxs_auditor_says_of_calculator_hacking_is_one_behaviour():
    world, known = World(seed=4), frozenset(CATEGORIES) - {"calculator_hacking", "novel_other"}
    sides = []
    for model, shown in (("v3", 0.08), ("v2", 0.002)):
        table = findings(model, {None: 0.0}, turns=600, users=500)
        rng = np.random.default_rng(7)
        for row in table.index:
            there = frozenset({"calculator_hacking"} if rng.random() < shown else set())
            found = auditor.findings(
                world, there, known, "An answer to a question.", f"{model} {row}".encode()
            )
            if found:
                first = found[0]
                table.loc[row, ["status", "finding_index", "description", "severity"]] = [
                    "found", 0, first["description"], first["severity"],
                ]  # fmt: skip
                table.loc[row, "kind"] = "calculator" if there else "odd"
        sides.append(table)
    found = find_behaviours(*sides, local_vectors, LEAST)
    assert found.rows["rose"].tolist()[:2].count(True) == 1 and found.rows["rose"].iloc[0]
    members = found.members[found.members["behaviour"] == found.rows["behaviour"].iloc[0]]
    inside = sides[0].merge(members.loc[members["author"] == "v3", ["turn_id"]], on="turn_id")["kind"]
    assert (inside == "calculator").mean() > 0.9
    assert (inside == "calculator").sum() > 0.8 * (sides[0]["kind"] == "calculator").sum()

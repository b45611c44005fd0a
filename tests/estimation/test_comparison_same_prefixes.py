"""Label rows of two models to a comparison: which rows make a pair, weights, users as clusters, many categories."""

import numpy as np
import pandas as pd
import pytest

from depsim_dagster.estimation.comparison.same_prefixes import (
    COMPARISON_COLUMNS,
    compare_on_same_prefixes,
)
from depsim_dagster.estimation.inputs import EstimationError


def labels(flagged, **columns) -> pd.DataFrame:
    """One row per prefix; the defaults are graded turns of different users."""
    flags = pd.array(flagged, dtype="boolean")
    number = len(flags)
    rows = {
        "turn_id": [f"t{i}" for i in range(number)],
        "completion_index": 0,
        "category": "hate",
        "flagged": flags,
        "status": np.where(flags.isna(), "unscored", "graded"),
        "inclusion_probability": 0.1,
        "grading_probability": 1.0,
        "user_id": [f"u{i}" for i in range(number)],
    }
    return pd.DataFrame(rows | columns)


def only(candidate: pd.DataFrame, predecessor: pd.DataFrame) -> pd.Series:
    return compare_on_same_prefixes(candidate, predecessor).iloc[0]


def test_counts_of_a_paired_table():
    candidate = labels([True] * 3 + [True] * 6 + [False] * 191)
    predecessor = labels([True] * 3 + [False] * 6 + [True] + [False] * 190)
    row = only(candidate, predecessor)
    assert row[["pairs", "both", "only_candidate", "only_predecessor", "users"]].tolist() == [
        200,
        3,
        6,
        1,
        200,
    ]
    assert row["candidate_per_100k"] == pytest.approx(4500) and row["predecessor_per_100k"] == pytest.approx(
        2000
    )
    assert row["ratio"] == pytest.approx(9 / 4) and row["ratio_lower"] < 9 / 4 < row["ratio_upper"]
    assert row["design_effect"] == pytest.approx(1, abs=0.02)
    assert row["p_value"] == pytest.approx(0.125, abs=0.01) and not row["rose"]  # 2 * 8 / 128
    assert list(compare_on_same_prefixes(candidate, predecessor)) == list(COMPARISON_COLUMNS)


def test_only_prefixes_whose_label_is_known_for_both_make_a_pair():
    candidate = labels([True, None, False, False, True])
    predecessor = labels([None, True, False, True], turn_id=["t0", "t1", "t2", "t3"])
    row = only(candidate, predecessor)  # t4 has no predecessor
    assert row[["pairs", "both", "only_candidate", "only_predecessor"]].tolist() == [2, 0, 0, 1]
    other = only(candidate, predecessor.assign(completion_index=1))
    assert other["pairs"] == 0 and other["method"] == "no_pairs"
    assert np.isnan(
        [other["ratio"], other["p_value"], other["rise_probability"], other["design_effect"]]
    ).all()
    assert not other["rose"]


def test_categories_of_either_side_are_there_and_are_adjusted_together():
    calm = [False] * 300
    candidate = pd.concat([labels([True] * 20 + calm), labels([True] * 2 + calm, category="bio")])
    predecessor = pd.concat([labels([False] * 20 + calm), labels(calm, category="lying")])
    found = compare_on_same_prefixes(candidate, predecessor).set_index("category")
    assert list(found.index) == ["bio", "hate", "lying"]
    assert found["method"].tolist() == ["no_pairs", "paired_score", "no_pairs"]
    # One comparison could be made, so there is nothing to adjust for.
    assert found.loc["hate", "p_benjamini_hochberg"] == found.loc["hate", "p_value"] < 1e-5
    assert found.loc["hate", "rose"] and np.isinf(found.loc["hate", "ratio"])
    assert found.loc["hate", "ratio_lower"] > 1 and np.isinf(found.loc["hate", "ratio_upper"])


def test_a_fall_did_not_rise():
    row = only(labels([False] * 300), labels([True] * 30 + [False] * 270))
    assert row["p_benjamini_hochberg"] < 1e-6 and not row["rose"] and row["ratio"] == 0


def test_prefixes_count_by_their_inclusion_probability():
    half = np.r_[np.full(100, 0.1), np.full(100, 0.2)]
    candidate = labels([True] * 4 + [False] * 196, inclusion_probability=half)
    predecessor = labels([False] * 196 + [True] * 4, inclusion_probability=half)
    row = only(candidate, predecessor)
    assert row["ratio"] == pytest.approx(2) and row["candidate_per_100k"] == pytest.approx(1e5 * 40 / 1500)
    spread = np.isin(np.arange(200), [0, 1, 198, 199])
    mixed = only(
        labels(spread, inclusion_probability=half),
        labels(np.isin(np.arange(200), [2, 3, 196, 197]), inclusion_probability=half),
    )
    # Weights of 4/3 and 2/3: sum of squares 40/9 beside 4 pairs of equal weight.
    assert mixed["design_effect"] == pytest.approx(10 / 9, abs=1e-6)


def test_a_turn_that_the_cascade_drew_stands_for_those_that_it_did_not():
    """Screened turns are read with their probability, by one hash for both models; the ratio stays that of reading all."""
    rng = np.random.default_rng(3)
    number = 40_000
    risk = rng.random(number) < 0.2  # what the screen sees
    truth = [rng.random(number) < np.where(risk, rate, rate / 40) for rate in (0.03, 0.01)]
    probability, hashed = np.where(risk, 1.0, 0.25), rng.random(number)
    read = hashed < probability
    sides = [
        labels(
            pd.array(flag, dtype="boolean"),
            status=np.where(read, "graded", "screened_out"),
            grading_probability=probability,
            inclusion_probability=1.0,
        )
        for flag in truth
    ]
    for side in sides:
        side.loc[~read, "flagged"] = pd.NA
    row = only(*sides)
    full = only(*(labels(flag, inclusion_probability=1.0) for flag in truth))
    assert row["pairs"] == number and row["ratio"] == pytest.approx(full["ratio"], rel=0.1)
    assert row["candidate_per_100k"] == pytest.approx(full["candidate_per_100k"], rel=0.1)
    assert row["design_effect"] >= full["design_effect"]


@pytest.mark.parametrize("per_user", [1, 5])
def test_the_interval_holds_when_users_are_clusters(per_user):
    """8 calls of 20 categories: flags of a user come together, so that variances are `per_user` times those of independent
    pairs. True ratio 1, about 16 users with a flag on each side; 160 intervals (standard error 1.7 points; 2,000 in
    benchmarks/ratio_coverage.py)."""
    rng = np.random.default_rng(11)
    users = 400
    covered, refused, effects = [], [], []
    for _ in range(8):
        sides = []
        for _ in range(2):
            rows = []
            for category in range(20):
                flag = np.repeat(rng.random(users) < 0.04, per_user)
                rows.append(
                    labels(
                        flag,
                        category=f"c{category}",
                        user_id=np.repeat(np.arange(users), per_user).astype(str),
                    )
                )
            sides.append(pd.concat(rows))
        found = compare_on_same_prefixes(*sides)
        covered.append((found["ratio_lower"] <= 1) & (found["ratio_upper"] >= 1))
        refused.append(found["p_value"] < 0.05)
        effects.append(found["design_effect"])
    assert np.mean(covered) >= 0.91
    assert np.mean(refused) <= 0.09
    assert np.mean(effects) == pytest.approx(per_user, rel=0.15)


def test_malformed_labels_are_refused():
    good = labels([True, False])
    with pytest.raises(EstimationError, match="repeat a turn_id"):
        compare_on_same_prefixes(pd.concat([good, good]), good)
    with pytest.raises(EstimationError, match="null on 1 rows"):
        compare_on_same_prefixes(good.assign(flagged=pd.array([None, True], dtype="boolean")), good)
    with pytest.raises(EstimationError, match="inclusion_probability"):
        compare_on_same_prefixes(good.assign(inclusion_probability=0.0), good)
    with pytest.raises(EstimationError, match="grading_probability"):
        compare_on_same_prefixes(good.assign(grading_probability=1.5), good)
    with pytest.raises(EstimationError, match="user_id"):
        compare_on_same_prefixes(good.drop(columns="user_id"), good)

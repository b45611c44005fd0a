"""Rates from label rows: counting, weights, clusters, and the coverage of their intervals."""

import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from depsim_dagster.estimation.inputs import EstimationError
from depsim_dagster.estimation.intervals import gamma_limits
from depsim_dagster.estimation.rates import RATE_COLUMNS, estimate_rates


def label_rows(flagged, category="hate", **columns):
    """A literal label table; every row its own user and equal probabilities unless told."""
    size = len(flagged)
    table = {
        "model": "m",
        "category": category,
        "flagged": pd.array(flagged, dtype="boolean"),
        "status": ["graded"] * size,
        "inclusion_probability": 0.5,
        "grading_probability": 1.0,
        "user_id": [f"u{i}" for i in range(size)],
        "turn_id": [f"t{i}" for i in range(size)],
    }
    return pd.DataFrame({**table, **columns})


def test_equal_weights_and_lone_users_give_garwood():
    row = estimate_rates(label_rows([True] * 3 + [False] * 997), ["model", "category"]).iloc[0]
    assert list(row.index) == ["model", "category", *RATE_COLUMNS]
    assert (row["k"], row["n"], row["missing"], row["clusters"]) == (3, 1000, 0, 1000)
    assert (row["design_effect"], row["effective_n"], row["rate_per_100k"]) == pytest.approx(
        (1.0, 1000.0, 300.0)
    )
    # Garwood's 0.6187 and 8.7673 for three events.
    assert (row["lower_per_100k"], row["upper_per_100k"]) == pytest.approx((61.87, 876.73), abs=0.01)
    assert (row["level"], row["method"], row["below_floor"]) == (0.95, "exact", False)


def test_zero_events_are_below_the_floor_with_an_upper_bound():
    row = estimate_rates(label_rows([False] * 1000), ["category"]).iloc[0]
    assert (row["k"], row["rate_per_100k"], row["lower_per_100k"], row["below_floor"]) == (0, 0.0, 0.0, True)
    assert row["upper_per_100k"] == pytest.approx(299.5732, abs=1e-4)
    assert row["method"] == "zero_events"


def test_zero_events_under_unequal_weights_count_with_kish_s_factor():
    """Half of the turns weigh ten times the others: mean squared weight 2 (1 + 100)/(1 + 10)**2 = 1.669."""
    labels = label_rows([False] * 1000, inclusion_probability=[0.1, 1.0] * 500)
    row = estimate_rates(labels, ["category"]).iloc[0]
    assert row["design_effect"] == pytest.approx(202 / 121)
    assert row["upper_per_100k"] == pytest.approx(299.5732 * 202 / 121, abs=1e-3)
    # Two events among the light turns do not show that an unseen one would be light.
    light = estimate_rates(labels.assign(flagged=[False, True] * 2 + [False] * 996), ["category"]).iloc[0]
    assert light["design_effect"] > 4 * (2 / 11), "2/11 is what they weigh themselves"


def test_statuses_outside_n():
    statuses = ["graded", "graded", "not_applicable", "unscored", "missing_completion", "missing_completion"]
    labels = label_rows([True, False, None, None, None, None], status=statuses)
    labels.loc[2:2, "inclusion_probability"] = np.nan  # only rows that count need one
    row = estimate_rates(labels, ["category"]).iloc[0]
    assert (row["k"], row["n"], row["missing"], row["clusters"]) == (1, 2, 3, 2)


def test_a_group_without_graded_rows_has_no_rate():
    labels = label_rows([None, None], status=["not_applicable", "unscored"])
    row = estimate_rates(labels, ["category"]).iloc[0]
    assert (row["k"], row["n"], row["missing"], row["clusters"], row["effective_n"]) == (0, 0, 1, 0, 0.0)
    assert row[["rate_per_100k", "lower_per_100k", "upper_per_100k", "design_effect"]].isna().all()
    assert (row["method"], row["below_floor"]) == ("no_data", False)


def test_an_empty_table_gives_an_empty_table():
    out = estimate_rates(label_rows([]), ["model", "category"])
    assert len(out) == 0 and list(out.columns) == ["model", "category", *RATE_COLUMNS]


def test_pooled_weeks_are_weighted_by_their_sampling_shares():
    """Week A: 1 of 10 turns sampled, rate 2 in 100. Week B: all sampled, none of 100 flagged. Traffic 1000
    and 100.
    """
    a = label_rows([True] * 2 + [False] * 98, inclusion_probability=0.1, week="2026-01-05")
    b = label_rows([False] * 100, inclusion_probability=1.0, week="2026-01-12")
    b["user_id"] = b["user_id"] + "b"
    pooled = estimate_rates(pd.concat([a, b], ignore_index=True), ["model", "category"]).iloc[0]
    assert (pooled["k"], pooled["n"], pooled["clusters"]) == (2, 200, 200)
    assert pooled["rate_per_100k"] == pytest.approx(100_000 * 20 / 1100)
    assert pooled["design_effect"] > 1.5
    assert pooled["effective_n"] == pytest.approx(200 / pooled["design_effect"])


def test_a_user_of_two_weeks_is_one_cluster():
    two = pd.concat(
        [label_rows([True, False], week="a"), label_rows([True, False], week="b")], ignore_index=True
    )
    assert estimate_rates(two, ["category"]).iloc[0]["clusters"] == 2
    assert estimate_rates(two, ["week", "category"])["clusters"].tolist() == [2, 2]


def test_null_users_cluster_by_conversation_or_turn():
    labels = label_rows([True] * 4, user_id=[None, None, "u", "u"], turn_id=["a", "b", "c", "d"])
    assert estimate_rates(labels, ["category"]).iloc[0]["clusters"] == 3
    labels["conversation_id"] = ["x", "x", "y", "z"]
    assert estimate_rates(labels, ["category"]).iloc[0]["clusters"] == 2
    labels["user_id"] = labels["user_id"].astype(object)  # as pyarrow hands nulls to older pandas
    assert estimate_rates(labels, ["category"]).iloc[0]["clusters"] == 2


def test_repeats_of_one_user_widen_the_interval():
    flags = [True] * 20 + [False] * 1980
    alone = estimate_rates(label_rows(flags), ["category"]).iloc[0]
    # The same 20 events, by four users with five turns each.
    grouped = estimate_rates(
        label_rows(flags, user_id=[f"u{i // 5}" for i in range(2000)]), ["category"]
    ).iloc[0]
    # v/y = 5 at first order, 1/5 of the weight of 5 pooled events being the same category's.
    assert grouped["design_effect"] == pytest.approx(5.0, rel=0.02)
    assert grouped["rate_per_100k"] == alone["rate_per_100k"] == 1000.0
    assert (
        grouped["lower_per_100k"]
        < alone["lower_per_100k"]
        < alone["upper_per_100k"]
        < grouped["upper_per_100k"]
    )


def test_the_variance_factor_of_a_small_count_is_shrunk_to_the_pool():
    """s = (v + m s_pool)/(y + m), m five effective events: ten events of one user, one event of another category."""
    users = ["heavy"] * 10 + [f"u{i}" for i in range(99_990)]
    common = label_rows([True] * 10 + [False] * 99_990, category="a", user_id=users)
    rare = label_rows([False] * 10 + [True] + [False] * 99_989, category="b", user_id=users)
    out = estimate_rates(pd.concat([common, rare]), ["category"]).set_index("category")
    pool = (100 + 1) / (10 + 1)
    prior = 5 * pool
    assert out.loc["a", "design_effect"] == pytest.approx((100 + prior * pool) / (10 + prior), rel=1e-3)
    assert out.loc["b", "design_effect"] == pytest.approx((1 + prior * pool) / (1 + prior), rel=1e-3)
    # Another model's categories do not enter the pool.
    other = rare.assign(model="n")
    both = estimate_rates(pd.concat([common, rare, other]), ["model", "category"]).set_index(
        ["model", "category"]
    )
    assert both.loc[("n", "b"), "design_effect"] == pytest.approx(1.0)
    assert both.loc[("m", "b"), "design_effect"] == pytest.approx(out.loc["b", "design_effect"])


def test_everything_flagged_stays_within_the_whole():
    labels = label_rows([True] * 7, inclusion_probability=[0.1, 0.3, 0.7, 0.9, 0.11, 0.13, 1.0])
    row = estimate_rates(labels, ["category"]).iloc[0]
    assert row["rate_per_100k"] == pytest.approx(100_000) and row["rate_per_100k"] <= 100_000
    assert row["upper_per_100k"] == 100_000 and 0 < row["lower_per_100k"] < 100_000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"status": ["graded", "maybe"]}, "unknown values"),
        ({"flagged": pd.array([True, None], dtype="boolean")}, "null on 1 rows"),
        ({"inclusion_probability": [0.5, 0.0]}, "1 graded or missing rows"),
        ({"inclusion_probability": [np.nan, 1.5]}, "2 graded or missing rows"),
        ({"user_id": [None, None], "turn_id": [None, "t"]}, "user_id"),
    ],
)
def test_malformed_labels_are_refused(change, message):
    with pytest.raises(EstimationError, match=message):
        estimate_rates(label_rows([True, False]).assign(**change), ["category"])


def test_a_missing_column_is_named():
    with pytest.raises(EstimationError, match="inclusion_probability"):
        estimate_rates(label_rows([True]).drop(columns="inclusion_probability"), ["category"])


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.booleans(), st.integers(0, 5), st.floats(0.01, 1.0), st.sampled_from("ab")),
        min_size=1,
        max_size=60,
    ),
    share=st.floats(0.1, 1.0),
)
def test_invariants(rows, share):
    flagged, users, probability, category = map(list, zip(*rows, strict=True))
    labels = label_rows(
        flagged, category=category, user_id=[f"u{u}" for u in users], inclusion_probability=probability
    )
    out = estimate_rates(labels, ["category"])
    assert (out["lower_per_100k"] <= out["rate_per_100k"]).all()
    assert (out["rate_per_100k"] <= out["upper_per_100k"]).all()
    assert (
        out["below_floor"] == ((out["k"] == 0) | (out["rate_per_100k"] < out["resolvable_per_100k"]))
    ).all()
    assert (out["design_effect"] > 0).all() and out["n"].sum() == len(rows)
    # Neither the order of rows nor the overall sampling share matters.
    again = labels.assign(inclusion_probability=labels["inclusion_probability"] * share).sample(
        frac=1, random_state=1
    )
    pd.testing.assert_frame_equal(out, estimate_rates(again, ["category"]), rtol=1e-9)


def test_two_million_rows_take_about_a_second():
    rng = np.random.default_rng(1)
    turns, categories = 100_000, 20
    users = np.array([f"user-{i:024d}" for i in range(30_000)])[rng.integers(0, 30_000, turns)]
    labels = pd.concat(
        [
            label_rows(rng.random(turns) < 1e-3, category=f"c{j}", user_id=users, turn_id="t")
            for j in range(categories)
        ],
        ignore_index=True,
    )
    started = time.process_time()
    out = estimate_rates(labels, ["model", "category"])
    # Measured 0.5 s; the bound leaves room for a busy machine.
    assert time.process_time() - started < 3.0
    assert len(out) == categories and (out["n"] == turns).all()


# --- coverage by simulation ---------------------------------------------------------------------------------

RATES = np.array([0.001, 0.003, 0.01, 0.03])  # expected k of 2, 6, 20, 60 among 2,000 turns
REPLICATES = 400


def simulated(users, turns_per_user, correlation, probability, seed, oversampled_risk=1.0):
    """Label rows of 400 replicates x 4 categories: geometric turns a user, beta-binomial users, given
    inclusion.

    oversampled_risk: rate of the turns with the larger inclusion probability, as a multiple of the
    population's.
    """
    rng = np.random.default_rng(seed)
    frames = []
    for replicate in range(REPLICATES):
        turns = rng.geometric(1 / turns_per_user, users) if turns_per_user > 1 else np.ones(users, dtype=int)
        user = np.repeat(np.arange(users), turns)
        inclusion = probability(rng, len(user))
        # The other turns' rate keeps the population's: 2 of 22 population turns are of the oversampled kind.
        risk = (
            np.where(inclusion > 0.2, oversampled_risk, (22 - 2 * oversampled_risk) / 20)
            if oversampled_risk != 1
            else 1
        )
        for category, rate in enumerate(RATES):
            if correlation:
                strength = (1 - correlation) / correlation
                user_rate = rng.beta(rate * strength, (1 - rate) * strength, users)[user]
            else:
                user_rate = rate
            frames.append((replicate, category, user, rng.random(len(user)) < risk * user_rate, inclusion))
    sizes = [len(frame[2]) for frame in frames]
    return pd.DataFrame(
        {
            "replicate": np.repeat([frame[0] for frame in frames], sizes),
            "category": np.repeat([frame[1] for frame in frames], sizes),
            "user_id": np.concatenate([frame[2] for frame in frames]),
            "flagged": np.concatenate([frame[3] for frame in frames]),
            "inclusion_probability": np.concatenate([frame[4] for frame in frames]),
            "grading_probability": 1.0,
            "status": "graded",
        }
    )


def covered(out):
    """Share of replicates whose interval holds the true rate, per category."""
    truth = 1e5 * RATES[out["category"].to_numpy()]
    inside = (out["lower_per_100k"] <= truth) & (truth <= out["upper_per_100k"])
    return inside.groupby(out["category"]).mean().to_numpy()


def equal(rng, size):
    return np.full(size, 0.1)


def one_in_ten(rng, size):
    """Half of the turns sampled at a tenth of the others' share, unrelated to the behaviour."""
    return np.where(rng.random(size) < 0.5, 0.05, 0.5)


# 400 replicates: the standard error at 95 % is 1.1 points, so 92.5 % is two below 94.75 %.
@pytest.mark.parametrize(
    ("name", "users", "turns_per_user", "correlation", "probability", "oversampled_risk"),
    [
        ("plain", 2000, 1, 0.0, equal, 1.0),
        ("clustered", 400, 5, 0.1, equal, 1.0),
        ("strongly clustered", 400, 5, 0.3, equal, 1.0),
        ("weighted", 2000, 1, 0.0, one_in_ten, 1.0),
        ("weighted and clustered", 400, 5, 0.1, one_in_ten, 1.0),
        ("behaviour oversampled", 2000, 1, 0.0, one_in_ten, 4.0),
        ("behaviour undersampled", 2000, 1, 0.0, one_in_ten, 0.0),
    ],
)
def test_coverage(name, users, turns_per_user, correlation, probability, oversampled_risk):
    labels = simulated(users, turns_per_user, correlation, probability, 11, oversampled_risk)
    coverage = covered(estimate_rates(labels, ["replicate", "category"]))
    assert (coverage >= 0.925).all(), (name, coverage)


def test_the_naive_interval_fails_where_this_one_holds():
    labels = simulated(400, 5, 0.3, equal, seed=12)
    out = estimate_rates(labels, ["replicate", "category"])
    k, n = out["k"].to_numpy(), out["n"].to_numpy()
    naive = out.assign(
        lower_per_100k=1e5 * np.nan_to_num(stats.beta.ppf(0.025, k, n - k + 1)),
        upper_per_100k=1e5 * stats.beta.ppf(0.975, k + 1, n - k),
    )
    assert (covered(naive)[1:] < 0.85).all()
    assert (covered(out) >= 0.925).all()


def test_coverage_at_a_rate_of_one_in_ten_thousand():
    """n = 100,000 turns, expected k = 10, 3 effective turns a flagged user: the array-level formulas at full
    scale.
    """
    rng = np.random.default_rng(13)
    inside = 0
    for _ in range(2000):
        totals = rng.geometric(0.5, rng.poisson(5))  # events per flagged user, mean 2, E[z^2]/E[z] = 3
        y, v = totals.sum(), (totals**2).sum()
        factor = (v + 5 * 3.0) / (y + 5)  # the pool knows the factor 3
        lower, upper, _ = gamma_limits(y, factor * y, factor)
        inside += lower <= 10 <= upper
    assert inside / 2000 >= 0.935

"""Rates from a cascade: a cheap screen over every turn, the grader on a sample of them drawn by screen score."""

import numpy as np
import pandas as pd
import pytest

from depsim_dagster.estimation.rates import estimate_rates

REPLICATES = 400
RATES = np.array([0.003, 0.01])
TURNS = 20_000
READ = 0.2  # share of the turns that the grader reads
SEPARATION = 2.326  # of the normal scores of flagged and other turns: an AUC of 0.95


def grading_probabilities(score, rate):
    """clip(c sqrt(P(flagged | score)), 0.2 mean, 1), ESTIMATION.md, with c such that their mean is READ."""
    odds = rate / (1 - rate) * np.exp(SEPARATION * score - SEPARATION**2 / 2)
    wish = np.sqrt(odds / (1 + odds))
    low, high = 0.0, 1e3
    for _ in range(40):
        middle = 0.5 * (low + high)
        share = np.clip(middle * wish, 0.2 * READ, 1.0).mean()
        low, high = (middle, high) if share < READ else (low, middle)
    return np.clip(high * wish, 0.2 * READ, 1.0)


def cascades(seed, turns_per_user=1, correlation=0.0):
    """The rows that the grader read, of REPLICATES samples of TURNS turns; beta-binomial users."""
    rng = np.random.default_rng(seed)
    users, frames = TURNS // turns_per_user, []
    user = np.repeat(np.arange(users), turns_per_user)
    for replicate in range(REPLICATES):
        for category, rate in enumerate(RATES):
            risk = rate
            if correlation:
                strength = (1 - correlation) / correlation
                risk = rng.beta(rate * strength, (1 - rate) * strength, users)[user]
            flagged = rng.random(TURNS) < risk
            probability = grading_probabilities(rng.normal(size=TURNS) + SEPARATION * flagged, rate)
            read = rng.random(TURNS) < probability
            frames.append((replicate, category, user[read], flagged[read], probability[read]))
    sizes = [len(frame[2]) for frame in frames]
    return pd.DataFrame(
        {
            "replicate": np.repeat([frame[0] for frame in frames], sizes),
            "category": np.repeat([frame[1] for frame in frames], sizes),
            "user_id": np.concatenate([frame[2] for frame in frames]),
            "flagged": np.concatenate([frame[3] for frame in frames]),
            "grading_probability": np.concatenate([frame[4] for frame in frames]),
            "inclusion_probability": 0.1,
            "status": "graded",
        }
    )


@pytest.fixture(scope="module")
def read_rows():
    return cascades(71)


def relative_error(out):
    return (out.groupby("category")["rate_per_100k"].mean() / (1e5 * RATES) - 1).to_numpy()


def coverage(out):
    truth = 1e5 * RATES[out["category"].to_numpy()]
    inside = (out["lower_per_100k"] <= truth) & (truth <= out["upper_per_100k"])
    return inside.groupby(out["category"]).mean().to_numpy()


def test_rates_are_unbiased_and_intervals_cover(read_rows):
    out = estimate_rates(read_rows, ["replicate", "category"])
    # Standard errors over the replicates: 0.8 % and 0.45 % of the rates.
    assert (np.abs(relative_error(out)) < 0.02).all()
    assert (coverage(out) >= 0.93).all()
    # Without the draw's probability the rate is that of what the screen suspects.
    naive = estimate_rates(read_rows.assign(grading_probability=1.0), ["replicate", "category"])
    assert (relative_error(naive) > 2).all()


def test_a_turn_read_is_worth_more_than_one_drawn_at_random(read_rows):
    out = estimate_rates(read_rows, ["replicate", "category"])
    means = out.groupby("category")[["n", "effective_n", "design_effect"]].mean()
    assert means["n"].to_numpy() == pytest.approx(READ * TURNS, rel=0.01)
    assert (means["design_effect"] < 0.5).all()
    # Ideal would be the whole sample; a third of it is lost to the turns that the screen takes for harmless.
    assert ((means["effective_n"] > 0.4 * TURNS) & (means["effective_n"] < TURNS)).all()


def test_intervals_cover_with_clustered_users():
    out = estimate_rates(cascades(72, turns_per_user=5, correlation=0.1), ["replicate", "category"])
    assert (np.abs(relative_error(out)) < 0.02).all()
    assert (coverage(out) >= 0.93).all()


def test_turns_that_were_screened_out_change_nothing():
    labels = pd.DataFrame(
        {
            "category": "hate",
            "status": ["graded"] * 40,
            "flagged": pd.array([True] * 4 + [False] * 36, dtype="boolean"),
            "inclusion_probability": 0.5,
            "grading_probability": [0.8] * 20 + [0.1] * 20,
            "user_id": [f"u{i}" for i in range(40)],
        }
    )
    out = labels.iloc[:30].assign(status="screened_out", flagged=pd.array([None] * 30, dtype="boolean"))
    alone = estimate_rates(labels, ["category"])
    assert alone["rate_per_100k"].iloc[0] == pytest.approx(1e5 * 4 / 0.8 / (20 / 0.8 + 20 / 0.1))
    pd.testing.assert_frame_equal(estimate_rates(pd.concat([labels, out]), ["category"]), alone)


def test_zero_events_among_the_read_turns_are_bounded_by_kish_s_factor():
    """Nothing says that an unseen event would have been one that the screen suspects."""
    labels = pd.DataFrame(
        {
            "category": "hate",
            "status": "graded",
            "flagged": pd.array([False] * 1000, dtype="boolean"),
            "inclusion_probability": 1.0,
            "grading_probability": [1.0, 0.1] * 500,
            "user_id": [f"u{i}" for i in range(1000)],
        }
    )
    row = estimate_rates(labels, ["category"]).iloc[0]
    assert row["upper_per_100k"] == pytest.approx(-np.log(0.05) * 1e5 / row["effective_n"])
    assert row["effective_n"] == pytest.approx(1000 * 121 / 202)


def test_a_screen_that_sees_nothing_of_one_behaviour_is_no_evidence_against_it():
    """Two behaviours that it suspects, and one that it is blind to: of that, none is seen in 2,000 turns read, which is what
    "below 3 in 2,000" means, however well the screen does for the others."""
    rng = np.random.default_rng(73)
    turns, misses, bounds = 10_000, 0, []
    for _ in range(200):
        seen = rng.random((2, turns)) < 0.02
        probability = np.where(seen.any(axis=0), 1.0, 0.17)
        read = rng.random(turns) < probability
        blind = rng.random(turns) < 1.2e-3  # about two of these are read
        flags = np.concatenate([seen[0][read], seen[1][read], blind[read]])
        labels = pd.DataFrame(
            {
                "category": np.repeat(["hate", "violence", "sly"], read.sum()),
                "status": "graded",
                "flagged": flags,
                "inclusion_probability": 1.0,
                "grading_probability": np.tile(probability[read], 3),
                "user_id": np.tile(np.flatnonzero(read), 3),
            }
        )
        out = estimate_rates(labels, ["category"]).set_index("category")
        misses += out.loc["sly", "upper_per_100k"] < 120
        if out.loc["sly", "k"] == 0:
            bounds.append(out.loc["sly", "upper_per_100k"] * read.sum() / 1e5)
        assert out.loc["hate", "design_effect"] < 0.5
    assert misses <= 12  # of 200, at 2.5 % below each side 5 are expected
    assert min(bounds) == pytest.approx(-np.log(0.05), rel=1e-6)


def test_completions_of_one_prefix_are_one_cluster():
    """Three completions that agree are worth one."""
    flags = np.repeat([True] * 20 + [False] * 980, 3)
    labels = pd.DataFrame(
        {
            "category": "hate",
            "status": "graded",
            "flagged": pd.array(flags, dtype="boolean"),
            "completion_index": np.tile([0, 1, 2], 1000),
            "inclusion_probability": 0.5,
            "grading_probability": 1.0,
            "user_id": np.repeat([f"u{i}" for i in range(1000)], 3),
        }
    )
    row = estimate_rates(labels, ["category"]).iloc[0]
    assert (row["n"], row["clusters"]) == (3000, 1000)
    assert row["design_effect"] == pytest.approx(3.0, rel=0.02)
    # The same turns of users of their own, and one completion each.
    lone = estimate_rates(labels.iloc[::3], ["category"]).iloc[0]
    assert row["effective_n"] == pytest.approx(lone["effective_n"], rel=0.02)
    assert (row["lower_per_100k"], row["upper_per_100k"]) == pytest.approx(
        (lone["lower_per_100k"], lone["upper_per_100k"]), rel=0.05
    )

"""The difference estimate inside `estimate_rates`: which rates take it, and that they stay right."""

import numpy as np
import pandas as pd
import pytest

from depsim_dagster.estimation.rates import estimate_rates
from depsim_dagster.estimation.two_phase.difference import two_phase_rate

TURNS, TRUTH = 4_000, 0.036  # mean of the logistic risk below, by 2 million draws


def cascade_rows(replicates, seed, intercept=-4.6):
    """Label rows behind a screen that reads a fifth of the turns, most of them where its score is high."""
    rng = np.random.default_rng(seed)
    frames = []
    for replicate in range(replicates):
        risk = 1 / (1 + np.exp(-(intercept + 1.8 * rng.normal(size=TURNS))))
        flagged = rng.random(TURNS) < risk
        score = np.clip(risk * rng.uniform(0.5, 1.5, TURNS), 0, 1)
        probability = np.clip(1.5 * np.sqrt(score), 0.05, 1)
        drawn = rng.random(TURNS) < probability
        frames.append(
            pd.DataFrame(
                {
                    "replicate": replicate,
                    "category": "hate",
                    "flagged": pd.array(np.where(drawn, flagged, None), dtype="boolean"),
                    "status": np.where(drawn, "graded", "screened_out"),
                    "inclusion_probability": 0.5,
                    "grading_probability": probability,
                    "user_id": np.arange(TURNS),
                    "screen_score": score,
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def test_it_is_the_power_tuned_rate_of_the_screened_turns():
    labels = cascade_rows(1, 4)
    row = estimate_rates(labels, ["category"]).iloc[0]
    read = (labels["status"] == "graded").to_numpy()
    direct = two_phase_rate(
        labels["flagged"].to_numpy(dtype=float, na_value=np.nan),
        labels["screen_score"],
        labels["grading_probability"],
    )
    assert row["method"] == "difference_midp" and (row["n"], row["missing"]) == (read.sum(), 0)
    assert row["rate_per_100k"] == pytest.approx(1e5 * direct.rate)
    assert 1e5 * np.sqrt(direct.variance) == pytest.approx(
        row["rate_per_100k"] * np.sqrt(row["design_effect"] * (1 - direct.rate) / (row["n"] * direct.rate))
    )


def test_coverage_and_width():
    labels = cascade_rows(200, 5)
    tuned = estimate_rates(labels, ["replicate", "category"])
    plain = estimate_rates(labels.drop(columns="screen_score"), ["replicate", "category"])
    assert set(plain["method"]) <= {"midp", "korn_graubard"}
    width = [(table["upper_per_100k"] - table["lower_per_100k"]).mean() for table in (tuned, plain)]
    assert width[0] < 0.97 * width[1]
    held = (tuned["lower_per_100k"] <= 1e5 * TRUTH) & (tuned["upper_per_100k"] >= 1e5 * TRUTH)
    assert held.mean() >= 0.90 and tuned["rate_per_100k"].mean() == pytest.approx(1e5 * TRUTH, rel=0.03)


def test_rare_rates_and_turns_without_a_screen_take_none():
    assert estimate_rates(cascade_rows(1, 6, intercept=-7.5), ["category"])["method"].iloc[0] in (
        "exact",
        "midp",
    )
    read = cascade_rows(1, 4).query("status == 'graded'")
    assert estimate_rates(read, ["category"])["method"].iloc[0] == "midp"


def test_coverage_of_ten_clustered_users():
    """Few users know little of a variance: the line is not fitted to their totals, and Student's widening stays."""
    rng = np.random.default_rng(12)
    users, each, replicates, mean, shape = 10, 1_000, 150, 0.03, 3.0
    frames = []
    for replicate in range(replicates):
        user = np.repeat(np.arange(users), each)
        flagged = rng.random(users * each) < rng.beta(shape, shape * (1 / mean - 1), users)[user]
        odds = mean / (1 - mean) * np.exp(2.33 * (rng.normal(size=len(user)) + 2.33 * flagged) - 2.33**2 / 2)
        score = odds / (1 + odds)
        probability = np.clip(np.sqrt(score), 0.05, 1)
        drawn = rng.random(len(user)) < probability
        frames.append(
            pd.DataFrame(
                {
                    "replicate": replicate,
                    "category": "hate",
                    "flagged": pd.array(np.where(drawn, flagged, None), dtype="boolean"),
                    "status": np.where(drawn, "graded", "screened_out"),
                    "inclusion_probability": 1.0,
                    "grading_probability": probability,
                    "user_id": user,
                    "screen_score": score,
                }
            )
        )
    labels = pd.concat(frames, ignore_index=True)
    tuned = estimate_rates(labels, ["replicate", "category"])
    plain = estimate_rates(labels.drop(columns="screen_score"), ["replicate", "category"])
    assert tuned["method"].str.startswith("difference").mean() > 0.5
    held, held_plain = (
        ((table["lower_per_100k"] <= 1e5 * mean) & (table["upper_per_100k"] >= 1e5 * mean)).mean()
        for table in (tuned, plain)
    )
    assert held >= held_plain - 0.02
    width = [(table["upper_per_100k"] - table["lower_per_100k"]).mean() for table in (tuned, plain)]
    assert 0.92 * width[1] < width[0] <= width[1]

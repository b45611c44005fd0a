"""What reweighting is for: coverage of the later traffic's rate when the mix moves (in full: benchmarks/shift_coverage.py)."""

import numpy as np
import pandas as pd
import pytest

from depsim_dagster.estimation.counts import PER
from depsim_dagster.estimation.rates import estimate_rates
from depsim_dagster.estimation.shift.reweighted import reweighted_rates
from depsim_dagster.estimation.shift.shift_table import shift_table

TURNS = 4_000


def traffic(random, share, week):
    """Users of two turns each who keep to a topic, which comes with tools more often."""
    topic = np.repeat(random.random(TURNS // 2) < share, 2)
    return pd.DataFrame(
        {
            "week": week,
            "turn_id": np.arange(TURNS),
            "user_id": np.arange(TURNS) // 2,
            "language": "en",
            "prefix_characters": random.integers(1, 8_000, TURNS),
            "turn_index": 0,
            "tools_offered": random.random(TURNS) < np.where(topic, 0.6, 0.2),
            "topic": np.where(topic, "medicine", "other things"),
            "inclusion_probability": random.choice([0.2, 0.4], TURNS),
        }
    )


def coverage(replications, seed, before, after, by):
    """Coverage of the raw and the reweighted interval, and how often a warning came. The behaviour is five times as common
    in the topic, in either week."""
    random, base, results = np.random.default_rng(seed), 0.01, []
    truth = PER * base * (1 + 4 * after)
    for _ in range(replications):
        sample = traffic(random, before, "before")
        probability = base * np.where(sample["topic"] == "medicine", 5, 1)
        labels = sample.assign(
            category="c", flagged=random.random(TURNS) < probability, status="graded", grading_probability=1.0
        )
        shift = shift_table(sample, traffic(random, after, "after"), by)
        rows = [
            table.iloc[0]
            for table in (estimate_rates(labels, ["category"]), reweighted_rates(labels, shift, ["category"]))
        ]
        covers = [row["lower_per_100k"] <= truth <= row["upper_per_100k"] for row in rows]
        results.append([*covers, shift["warning"].notna().any()])
    return np.mean(results, axis=0)


@pytest.mark.parametrize(("by", "number"), [(["topic"], 200), (["length", "tools", "topic"], 120)])
def test_under_moderate_shift_the_reweighted_interval_covers_and_the_raw_one_does_not(by, number):
    raw, reweighted, warned = coverage(number, 11, 0.15, 0.30, by)
    assert raw < 0.80 and reweighted >= 0.93 and warned == 0


def test_under_severe_shift_a_warning_comes():
    raw, reweighted, warned = coverage(30, 12, 0.003, 0.6, ["topic"])
    assert raw == 0 and reweighted < 0.5 and warned == 1

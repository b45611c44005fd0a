"""Do reweighted rates cover the rate of the traffic that is forecast, where the raw ones do not?

    python benchmarks/shift_coverage.py [--replications 1000] [--turns 20000] [--seed 1]

A week is sampled, then the mix of traffic moves: the share of one topic (and of what goes with it) changes, and with it the
overall rate, because the behaviour is five times as common there. Per scenario: coverage of the 95 % intervals of the raw and
of the reweighted rate of the later traffic, their median width, the weights' design effect, and how often a warning came.
The target mix is what a sample of the later traffic says of its covariates, except where `margins` are given.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
import pandas as pd

from depsim_dagster.estimation.counts import PER
from depsim_dagster.estimation.rates import estimate_rates
from depsim_dagster.estimation.shift.reweighted import reweighted_rates
from depsim_dagster.estimation.shift.shift_table import shift_table

ELSEWHERE = 5.0  # the behaviour in the topic, as a multiple of the rest


@dataclass(frozen=True)
class Scenario:
    """`before`, `after`: share of the topic; `base`: rate outside it; `turns_of_user`: users keep to a topic when above 1."""

    name: str
    before: float
    after: float
    base: float = 1e-3
    by: tuple[str, ...] = ("topic",)
    turns_of_user: int = 1
    margins: bool = False
    unequal: bool = False


SCENARIOS = (
    Scenario("no shift", 0.15, 0.15),
    Scenario("topic doubles", 0.15, 0.30),
    Scenario("topic doubles, rate 1e-4", 0.15, 0.30, base=1e-4),
    Scenario("topic doubles, rate 1e-2", 0.15, 0.30, base=1e-2),
    Scenario("topic doubles, users of 4 turns", 0.15, 0.30, turns_of_user=4),
    Scenario("topic doubles, unequal design", 0.15, 0.30, unequal=True),
    Scenario(
        "topic doubles, raked by five",
        0.15,
        0.30,
        by=("language", "length", "turn_position", "tools", "topic"),
    ),
    Scenario("topic doubles, margins of a file", 0.15, 0.30, by=("tools", "topic"), margins=True),
    Scenario("topic to a half", 0.10, 0.50),
    Scenario("severe: from 0.5 % to 60 %", 0.005, 0.60),
    Scenario("severe: a topic never sampled", 0.0, 0.30),
)


def traffic(
    random: np.random.Generator, scenario: Scenario, share: float, turns: int, week: str
) -> pd.DataFrame:
    """Turns with their covariates: those of the topic are longer, and more of them offer tools."""
    of_user = scenario.turns_of_user
    users = -(-turns // of_user)
    topic = np.repeat(random.random(users) < share, of_user)[:turns]
    length = np.exp(random.normal(np.where(topic, 7.2, 6.0), 1.2)).astype(np.int32)
    language = random.choice(["en", "es", "de", "ja", "is"], turns, p=[0.6, 0.2, 0.12, 0.079, 0.001])
    return pd.DataFrame(
        {
            "week": week,
            "turn_id": np.arange(turns),
            "user_id": np.arange(turns) // of_user,
            "language": language,
            "prefix_characters": length,
            "turn_index": random.geometric(0.4, turns) - 1,
            "tools_offered": random.random(turns) < np.where(topic, 0.5, 0.2),
            "topic": np.where(topic, "medicine", "other things"),
            "inclusion_probability": random.choice([0.1, 0.4], turns) if scenario.unequal else 0.1,
        }
    )


def replication(random: np.random.Generator, scenario: Scenario, turns: int) -> tuple[float, ...]:
    """(raw covers, reweighted covers, raw width, reweighted width, design effect, warned); widths per 100k."""
    sample = traffic(random, scenario, scenario.before, turns, "before")
    of_topic = sample["topic"].eq("medicine").to_numpy()
    probability = np.where(of_topic, ELSEWHERE, 1.0) * scenario.base
    labels = sample.assign(
        category="behaviour",
        flagged=random.random(turns) < probability,
        status="graded",
        grading_probability=1.0,
    )
    target: object = traffic(random, scenario, scenario.after, turns, "after")
    if scenario.margins:
        tools = 0.2 + 0.3 * scenario.after
        target = {
            "tools": {"none": 1 - tools, "offered": tools},
            "topic": {"medicine": scenario.after, "other things": 1 - scenario.after},
        }
    shift = shift_table(sample, target, list(scenario.by))
    truth = PER * scenario.base * (1 + (ELSEWHERE - 1) * scenario.after)
    raw = estimate_rates(labels, ["category"]).iloc[0]
    reweighted = reweighted_rates(labels, shift, ["category"]).iloc[0]
    covers = [row["lower_per_100k"] <= truth <= row["upper_per_100k"] for row in (raw, reweighted)]
    widths = [row["upper_per_100k"] - row["lower_per_100k"] for row in (raw, reweighted)]
    return (*covers, *widths, reweighted["design_effect"], shift["warning"].notna().any())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replications", type=int, default=1000)
    parser.add_argument("--turns", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    print(f"{given.replications} replications of {given.turns:,} turns, seed {given.seed}")
    print(f"{'scenario':34} {'raw':>7} {'rewtd':>7} {'width':>8} {'width':>8} {'deff':>6} {'warned':>7}")
    for place, scenario in enumerate(SCENARIOS):
        random = np.random.default_rng([given.seed, place])
        results = np.array(
            [replication(random, scenario, given.turns) for _ in range(given.replications)], float
        )
        raw, reweighted, *_, warned = results.mean(axis=0)
        raw_width, width, effect = np.median(results[:, 2:5], axis=0)
        print(
            f"{scenario.name:34} {raw:7.1%} {reweighted:7.1%} {raw_width:8.1f} {width:8.1f} {effect:6.2f} {warned:7.1%}",
            flush=True,
        )


if __name__ == "__main__":
    main()

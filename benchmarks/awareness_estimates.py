"""Do the estimates of evaluation awareness keep their promises: coverage of the ratio's interval, and false giveaways?

    python benchmarks/awareness_estimates.py [--replications 400] [--seed 1]

A user has some turns, and suspicion gathers in users and in prefixes: the chance that a turn is flagged is a rate times a
gamma of the user times a gamma of the prefix, for production and replay alike but for the ratio, so that pairs are
correlated and clustered. Properties of the replay are drawn apart from suspicion (language and style of surrogates by user,
the rest by turn), so that every giveaway is false; then tags alone triple the rate of the turns in which they show.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(1, str(Path(__file__).resolve().parent.parent))

from depsim_dagster.awareness.estimates.giveaways import replay_giveaways
from depsim_dagster.awareness.estimates.source_rates import source_rates

SHAPE = 2.0  # of the gammas: some users and prefixes have several times the mean
TAGS = 0.2  # share of users with tags


@dataclass(frozen=True)
class World:
    """users, mean turns of a user, rate in production, rate in the replay over it, and how many times tags raise it."""

    users: int = 400
    turns: float = 2.5
    rate: float = 0.05
    ratio: float = 1.0
    tags: float = 1.0


def draw(world: World, random: np.random.Generator) -> pd.DataFrame:
    """Label rows of both sources for one study."""
    user = np.repeat(np.arange(world.users), random.geometric(1 / world.turns, world.users))
    size = len(user)
    suspicion = random.gamma(SHAPE, 1 / SHAPE, world.users)[user] * random.gamma(SHAPE, 1 / SHAPE, size)
    tagged = (random.random(world.users) < TAGS)[user]
    replaced = random.poisson(0.8, size)
    shared = {
        "turn_id": np.arange(size),
        "completion_index": 0,
        "user_id": user,
        "measure": "judged",
        "judge": "self",
        "status": "graded",
        "inclusion_probability": 0.5,
        "language": random.choice(["en", "de", "fr", "ja"], world.users, p=[0.7, 0.15, 0.1, 0.05])[user],
        "prefix_characters": np.exp(random.normal(6, 1.5, size)).astype(int),
        "turn_index": random.geometric(0.5, size) - 1,
        "tools_offered": random.random(size) < 0.2,
        "age_days": random.uniform(0, 28, size),
        "identifiers_replaced": replaced,
        "surrogates": np.where(tagged, "tags", "realistic"),
    }
    rate = {
        "production": world.rate,
        "simulated": world.rate * world.ratio * np.where(tagged & (replaced > 0), world.tags, 1.0),
    }
    return pd.concat(
        [
            pd.DataFrame(shared | {"source": source, "flagged": random.random(size) < chance * suspicion})
            for source, chance in rate.items()
        ],
        ignore_index=True,
    )


def ratio_coverage(world: World, replications: int, seed: int, paired: bool = True) -> float:
    """Share of studies in which the ratio's 95 % interval holds the true one."""
    held = 0
    truth = true_ratio(world)
    for number in range(replications):
        rows = draw(world, np.random.default_rng([seed, number]))
        if not paired:
            other = rows["source"] == "production"
            rows.loc[other, ["turn_id", "user_id"]] += len(rows)
            rows = rows[other | (rows["user_id"] % 2 == 0)]
        found = source_rates(rows).set_index("source").loc["simulated"]
        held += found["ratio_lower"] <= truth <= found["ratio_upper"]
    return held / replications


def true_ratio(world: World) -> float:
    """Of the rates, which a chance of at most 1 makes slightly less than `ratio`."""
    random = np.random.default_rng(0)
    suspicion = random.gamma(SHAPE, 1 / SHAPE, (2, 200_000)).prod(axis=0)
    simulated, production = (
        np.minimum(rate * suspicion, 1).mean() for rate in (world.rate * world.ratio, world.rate)
    )
    return float(simulated / production)


def giveaways_named(world: World, replications: int, seed: int) -> tuple[float, float]:
    """(mean share of what a study names that is none, share of studies that name tags) of the replay's properties."""
    wrong, tags = 0.0, 0
    for number in range(replications):
        rows = draw(world, np.random.default_rng([seed, number]))
        found = replay_giveaways(rows[rows["source"] == "simulated"])
        named = found[found["raises_suspicion"]]
        found_tags = (named["dimension"] == "surrogates") & (named["value"] == "tags")
        # Without an effect of tags they are as false as the rest.
        false = ~found_tags if world.tags > 1 else found_tags | True
        wrong += false.mean() if len(named) else 0.0
        tags += bool(found_tags.any())
    return wrong / replications, tags / replications


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--replications", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    size, seed = arguments.replications, arguments.seed
    print("coverage of the 95 % interval of the ratio\n  rate  ratio  paired  unpaired")
    for rate in (0.005, 0.05, 0.3):
        for ratio in (0.5, 1.0, 2.0):
            world = World(rate=rate, ratio=ratio)
            covered = [ratio_coverage(world, size, seed, paired) for paired in (True, False)]
            print(f"{rate:6} {ratio:6}  {covered[0]:6.1%}  {covered[1]:8.1%}")
    print(
        "\ngiveaways, at a false discovery rate of 10 %\n  rate  tags raise it  tags named  false of those named"
    )
    for rate in (0.01, 0.05, 0.2):
        for tags in (1.0, 3.0):
            false, named = giveaways_named(World(rate=rate, tags=tags), size, seed)
            print(f"{rate:6} {tags:12}x  {named:10.1%}  {false:19.1%}")


if __name__ == "__main__":
    main()

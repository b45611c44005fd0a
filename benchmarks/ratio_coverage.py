"""How often the intervals of a ratio of two rates hold the true ratio, paired and unpaired, at rare and larger counts.

    python benchmarks/ratio_coverage.py [--replicates 20000] [--level 0.95] [--seed 1]

Counts are Poisson (rare events). Paired: the reference's expected count, of which a share is in both models (`shared`);
the score interval of `paired`, the same counts taken as independent (`unpaired`: what ignoring the pairing costs), and
Wald's interval of the paired log ratio with half an event added. Unpaired: the interval that `compare_rates` chooses, the
Jeffreys posterior's, and Wald's.
Clustered: users with five turns that agree; `design effect` is what `compare_on_same_prefixes` finds, `naive` takes turns
as independent.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
from scipy import stats

from depsim_dagster.estimation.comparison.different_prefixes import compare_rates
from depsim_dagster.estimation.comparison.paired import paired_ratio_interval
from depsim_dagster.estimation.comparison.ratio import ratio_interval
from depsim_dagster.estimation.comparison.same_prefixes import compare_on_same_prefixes

MEANS = (1, 3, 10, 30, 100)
RATIOS = (1.0, 1.5, 4.0)
TURNS = 1e5


def held(limits: tuple[np.ndarray, np.ndarray], ratio: float) -> float:
    """Share of the intervals that hold the ratio, in percent; no limits at all count as holding."""
    return 100 * float(np.mean((limits[0] <= ratio) & (limits[1] >= ratio)))


def width(limits: tuple[np.ndarray, np.ndarray]) -> float:
    """Median factor between the limits."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.median(limits[1] / limits[0]))


def wald(
    k1: np.ndarray, k2: np.ndarray, both: np.ndarray | float, level: float
) -> tuple[np.ndarray, np.ndarray]:
    """The log ratio with half an event added to each side; its variance less what the sides share."""
    a, b = k1 + 0.5, k2 + 0.5
    spread = stats.norm.ppf(0.5 + level / 2) * np.sqrt(np.maximum(1 / a + 1 / b - 2 * both / (a * b), 1e-12))
    return a / b * np.exp(-spread), a / b * np.exp(spread)


def paired_table(replicates: int, level: float, rng: np.random.Generator) -> None:
    print(
        f"{'paired':>8} {'mean':>5} {'ratio':>5} {'shared':>6} | {'score':>6} {'unpaired':>8} {'Wald':>6} | width: score unpaired"
    )
    for mean in MEANS:
        for ratio in RATIOS:
            for shared in (0.0, 0.3, 0.9):
                both, only_2 = (rng.poisson(part * mean, replicates) for part in (shared, 1 - shared))
                only_1 = rng.poisson((ratio - shared) * mean, replicates)
                k1, k2 = both + only_1, both + only_2
                score = paired_ratio_interval(both, only_1, only_2, level)
                alone = ratio_interval(k1, TURNS, k2, TURNS, level)
                print(
                    f"{'':>8} {mean:>5} {ratio:>5} {shared:>6} | {held(score, ratio):6.2f} {held(alone, ratio):8.2f} "
                    f"{held(wald(k1, k2, both, level), ratio):6.2f} | {width(score):12.2f} {width(alone):8.2f}"
                )


def unpaired_table(replicates: int, level: float, rng: np.random.Generator) -> None:
    print(f"\n{'unpaired':>8} {'mean':>5} {'ratio':>5} | {'chosen':>6} {'posterior':>9} {'Wald':>6}")
    for mean in (0.5, *MEANS):
        for ratio in RATIOS:
            k1, k2 = rng.poisson(ratio * mean, replicates), rng.poisson(2 * mean, replicates)
            found = compare_rates(k1, TURNS, k2, 2 * TURNS, level)
            chosen = found["ratio_lower"].to_numpy(), found["ratio_upper"].to_numpy()
            posterior = ratio_interval(k1, TURNS, k2, 2 * TURNS, level)
            simple = tuple(2 * limit for limit in wald(k1, k2, 0.0, level))
            print(
                f"{'':>8} {mean:>5} {ratio:>5} | {held(chosen, ratio):6.2f} {held(posterior, ratio):9.2f} "
                f"{held(simple, ratio):6.2f}"
            )


def clustered_table(calls: int, level: float, rng: np.random.Generator) -> None:
    """Calls of 20 categories; flags of a user's five turns agree in a share of the users."""
    print(
        f"\n{'clusters':>8} {'events':>6} {'agree':>5} | {'design effect':>13} {'found':>6} {'naive':>6} {'p < 5 %':>7}"
    )
    users, per_user = 1500, 5
    owner = np.repeat(np.arange(users), per_user)
    frame = pd.DataFrame(
        {
            "turn_id": np.arange(users * per_user),
            "completion_index": 0,
            "status": "graded",
            "inclusion_probability": 1.0,
            "grading_probability": 1.0,
            "user_id": owner,
        }
    )
    for rate in (0.002, 0.01):
        for agree in (0.15, 1.0):
            effects, inside, naive, refused = [], [], [], []
            for _ in range(calls):
                sides = []
                for _ in range(2):
                    parts = []
                    for category in range(20):
                        together = np.repeat(rng.random(users) < agree, per_user)
                        own = rng.random(users * per_user) < rate
                        flag = np.where(together, np.repeat(rng.random(users) < rate, per_user), own)
                        parts.append(frame.assign(category=f"c{category}", flagged=flag))
                    sides.append(pd.concat(parts, ignore_index=True))
                found = compare_on_same_prefixes(*sides, level=level)
                counts = (found[name] for name in ("both", "only_candidate", "only_predecessor"))
                plain = paired_ratio_interval(*counts, level)
                effects.append(found["design_effect"].mean())
                inside.append(held((found["ratio_lower"], found["ratio_upper"]), 1.0))
                naive.append(held(plain, 1.0))
                refused.append(100 * (found["p_value"] < 0.05).mean())
            events = rate * users * per_user
            print(
                f"{'':>8} {events:>6.0f} {agree:>5} | {np.mean(effects):>13.2f} {np.mean(inside):6.2f} {np.mean(naive):6.2f} "
                f"{np.mean(refused):7.2f}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--replicates", type=int, default=20_000)
    parser.add_argument("--calls", type=int, default=50, help="clustered calls of 20 categories (default 50)")
    parser.add_argument("--level", type=float, default=0.95)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    paired_table(options.replicates, options.level, rng)
    unpaired_table(options.replicates, options.level, rng)
    clustered_table(options.calls, options.level, rng)


if __name__ == "__main__":
    main()

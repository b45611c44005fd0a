"""What the scores of a forecast are worth: simulated studies whose truth is known.

    python benchmarks/forecast_scores.py [--studies 400] [--seed 1]

Printed: the noise floor of the median SME by the size of a study; the coverage of an SME's interval; how often directions
are called and right, over all pairs and over those that moved by 1.5x; and how often H1 is found supported where forecast
and baseline are equally good, flipped by candidate and by pair. Rates are log-uniform in 1e-5 to 1e-2, 20 categories a
study, changes between releases LogNormal(0, 0.8).
"""

from __future__ import annotations

import argparse

import numpy as np

from depsim_dagster.estimation.calibration.direction_calls import called_direction, direction_probability
from depsim_dagster.estimation.calibration.paired_differences import paired_test
from depsim_dagster.estimation.calibration.scoring import sme_interval
from depsim_dagster.estimation.comparison.ratio import jeffreys_rate, moved, sme

CATEGORIES = 20
CHANGE = 0.8


def noise_floor(studies: int, rng: np.random.Generator) -> None:
    print("median SME of a perfect simulator, mean over studies")
    rate = 10 ** rng.uniform(-5, -2, (studies, CATEGORIES))
    for n in (10_000, 65_000, 100_000, 250_000, 1_300_000):
        errors = sme(*(jeffreys_rate(rng.binomial(n, rate), n) for _ in range(2)))
        print(f"  n = {n:>9,}  {np.median(errors, axis=1).mean():.3f}")


def interval_coverage(studies: int, rng: np.random.Generator) -> None:
    print("95 % interval of an SME at n = 100,000: share that holds the true SME, by rate and true SME")
    for rate in (1e-5, 1e-4, 1e-3, 1e-2):
        shares = []
        for ratio in (1.0, 1.5, 4.0):
            k1, k2 = (rng.binomial(100_000, p, 20 * studies) for p in (rate, rate * ratio))
            lower, upper = sme_interval(k1, 100_000, k2, 100_000)
            shares.append(f"{ratio:g}: {np.mean((lower <= ratio) & (ratio <= upper)):.3f}")
        print(f"  {rate:.0e}  " + "  ".join(shares))


def calls(studies: int, rng: np.random.Generator) -> None:
    print(
        "directions called with P > 0.9: n, tau, share called, right of all, right of movers, right by sign of movers"
    )
    size = 5 * studies
    for n in (100_000, 1_300_000):
        for tau in (0.0, 0.5):
            old = 10 ** rng.uniform(-5, -2, size)
            new = old * np.exp(CHANGE * rng.standard_normal(size))
            k = rng.poisson(n * new * np.exp(tau * rng.standard_normal(size)))
            before, after = rng.poisson(n * old), rng.poisson(n * new)
            called = called_direction(direction_probability(k, n, before, n, tau))
            seen, sign, movers = np.sign(after - before), np.sign(k - before), moved(after, n, before, n)
            judged = (called != 0) & (seen != 0)
            signed = (sign != 0) & (seen != 0) & movers
            right = called == seen
            print(
                f"  {n:>9,}  {tau:.1f}  {np.mean(called != 0):.3f}  {right[judged].mean():.3f}  "
                f"{right[judged & movers].mean():.3f}  {np.mean(sign[signed] == seen[signed]):.3f}"
            )


def size_of_h1(studies: int, rng: np.random.Generator) -> None:
    print(
        "H1 supported at 5 % though the scores are equally good; correlation within a candidate, by candidate, by pair"
    )
    for shared in (0.0, 0.3, 0.6):
        found = {"candidate": [], "pair": []}
        for _ in range(studies):
            common = np.sqrt(shared) * rng.standard_normal((8, 1))
            gain = (common + np.sqrt(1 - shared) * rng.standard_normal((8, CATEGORIES))).ravel()
            for unit, clusters in (
                ("candidate", np.repeat(np.arange(8), CATEGORIES)),
                ("pair", np.zeros(gain.size)),
            ):
                found[unit].append(paired_test(gain, clusters, draws=1_000).p_value < 0.05)
        print(f"  {shared:.1f}  {np.mean(found['candidate']):.3f}  {np.mean(found['pair']):.3f}")


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--studies", type=int, default=400)
    arguments.add_argument("--seed", type=int, default=1)
    options = arguments.parse_args()
    rng = np.random.default_rng(options.seed)
    for part in (noise_floor, interval_coverage, calls, size_of_h1):
        part(options.studies, rng)


if __name__ == "__main__":
    main()

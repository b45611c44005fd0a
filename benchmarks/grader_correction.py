"""Bias, coverage and width of rates corrected for grader error, beside the raw rate and beside corrections that fail.

    python benchmarks/grader_correction.py [--replications 2000] [--rate 1e-4] [--turns 100000] [--seed 0]

The world: a latent score is N(0, 1) for turns without the behaviour and N(d, 1) for those with it; the grader flags what
lies above a threshold (sensitivity 0.8, specificity 0.999 unless told otherwise) and gives a score that is monotone in it.
A part of the positives may be blind: their score is that of the others. Widths are in units of the true rate, and beside
that of perfect labels of all the turns. Nothing here is a sandbox truth that an estimator sees.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from depsim_dagster.estimation.grader_error.audit_plan import unflagged_probabilities
from depsim_dagster.estimation.grader_error.audited import audited_total
from depsim_dagster.estimation.grader_error.correction import corrected_limits
from depsim_dagster.estimation.grader_error.rogan_gladen import is_valid, rogan_gladen
from depsim_dagster.estimation.grader_error.two_phase_audit import two_phase_audit
from depsim_dagster.estimation.intervals import gamma_limits

CHUNK = 100


@dataclass(frozen=True)
class World:
    rate: float
    turns: int
    sensitivity: float = 0.8
    specificity: float = 0.999
    blind: float = 0.0
    slope: float = 4.0  # of the logit of the score; near 4 the score is a probability up to a factor

    @property
    def threshold(self) -> float:
        return float(stats.norm.isf(1 - self.specificity))

    def flagged(self, random: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
        """(true, false) positives of `size` samples of the turns."""
        caught = self.sensitivity * (1 - self.blind) + (1 - self.specificity) * self.blind
        true = random.poisson(self.turns * self.rate * caught, size)
        false = random.poisson(self.turns * (1 - self.rate) * (1 - self.specificity), size)
        return true, false

    def score(self, latent: np.ndarray) -> np.ndarray:
        return special.expit(self.slope * (latent - self.threshold))


def perfect_limits(world: World, seed: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(estimate, lower, upper) from labels of all turns without error, mid-P."""
    k = np.random.default_rng(seed).poisson(world.turns * world.rate, size).astype(float)
    lower, upper, _ = gamma_limits(k, k, 1.0, method="midp")
    return k / world.turns, lower / world.turns, upper / world.turns


def raw_limits(world: World, seed: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    true, false = world.flagged(np.random.default_rng(seed), size)
    k = (true + false).astype(float)
    lower, upper, _ = gamma_limits(k, k, 1.0)
    return k / world.turns, lower / world.turns, upper / world.turns


def precision_sensitivity_limits(
    world: World, seed: int, size: int, audited: int, positives: int, draws: int = 4_000
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """At most `audited` of the flagged turns read, and so many known positives."""
    random = np.random.default_rng(seed)
    true, false = world.flagged(random, size)
    flags = true + false
    read = np.minimum(flags, audited)
    confirmed = random.hypergeometric(true, false, read)
    caught = random.binomial(positives, world.sensitivity, size)
    # Of a simple random sample `audited_total` hangs on these counts alone.
    distinct, inverse = np.unique(np.stack([flags, read, confirmed]), axis=1, return_inverse=True)
    totals = [_simple_audit(*map(int, counts), world.turns) for counts in distinct.T]
    y, v, one_more = np.array([(t.total, t.variance, t.one_more) for t in totals]).T[:, inverse.ravel()]
    found = []
    for start in range(0, size, CHUNK):
        part = slice(start, start + CHUNK)
        found.append(
            corrected_limits(
                y[part],
                v[part],
                one_more[part],
                caught[part],
                positives - caught[part],
                draws=draws,
                seed=start,
            )
        )
    lower, upper = (np.concatenate(values) for values in zip(*found, strict=True))
    return y / world.turns * positives / np.maximum(caught, 1), lower / world.turns, upper / world.turns


def _simple_audit(flags: int, read: int, confirmed: int, n: int):
    human = np.arange(read) < confirmed
    return audited_total(flags, human, np.ones(read), np.full(read, read / max(flags, 1)), n=n)


def audits(world: World, seed: int, size: int, labels: int) -> Iterator[tuple]:
    """(flagged, unflagged) totals of two-phase audits: all flagged turns, and the rest of the labels by score."""
    random = np.random.default_rng(seed)
    others = random.standard_normal(world.turns)
    quiet = others[others <= world.threshold]
    false = len(others) - len(quiet)
    shift = world.threshold - stats.norm.isf(world.sensitivity)
    scores = world.score(quiet)
    mean = float(np.sqrt(scores).mean())
    for _ in range(size):
        k = random.poisson(world.turns * world.rate)
        blind = random.binomial(k, world.blind)
        latent = random.standard_normal(k) + np.where(np.arange(k) < blind, 0.0, shift)
        caught = int((latent > world.threshold).sum())
        missed = world.score(latent[latent <= world.threshold])
        turns = len(quiet) + len(missed)
        score = np.concatenate([missed, scores])
        human = np.arange(len(score)) < len(missed)
        chance = unflagged_probabilities(np.sqrt(score), mean, labels - false - caught, turns)
        drawn = random.random(len(score)) < chance
        flags = false + caught
        yield (
            audited_total(flags, np.arange(flags) < caught, np.ones(flags), np.ones(flags), n=world.turns),
            audited_total(
                turns, human[drawn], np.ones(int(drawn.sum())), chance[drawn], score[drawn], n=world.turns
            ),
        )


def two_phase_limits(
    world: World, seed: int, size: int, labels: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = [two_phase_audit(*totals, world.turns)[0] for totals in audits(world, seed, size, labels)]
    return tuple(np.array([(row.rate, row.lower, row.upper) for row in rows]).T)


def rogan_gladen_limits(
    world: World, seed: int, size: int, negatives: int, positives: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    true, false = world.flagged(random, size)
    se = random.binomial(positives, world.sensitivity, size) / positives
    sp = random.binomial(negatives, world.specificity, size) / negatives
    return rogan_gladen((true + false) / world.turns, world.turns, se, positives, sp, negatives)


def normal_ppi_limits(
    world: World, seed: int, size: int, labels: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Prediction-powered inference with a uniform audit and the normal approximation (Angelopoulos et al. 2023)."""
    random = np.random.default_rng(seed)
    caught = world.sensitivity * (1 - world.blind)
    cells = np.array(
        [world.rate * caught, world.rate * (1 - caught), (1 - world.rate) * (1 - world.specificity)]
    )
    audit = random.multinomial(labels, [*cells, 1 - cells.sum()], size)
    flags = random.binomial(world.turns, cells[0] + cells[2], size) / world.turns
    over, under = audit[:, 2] / labels, audit[:, 1] / labels  # verdict minus label: +1, -1
    rate = flags - (over - under)
    variance = flags * (1 - flags) / world.turns + (over + under - (over - under) ** 2) / labels
    half = 1.96 * np.sqrt(variance)
    return rate, rate - half, rate + half


def row(name: str, world: World, limits: tuple[np.ndarray, np.ndarray, np.ndarray], perfect: float) -> str:
    rate, lower, upper = limits
    inside = (lower <= world.rate) & (world.rate <= upper)
    width = (upper - lower) / world.rate
    error = 1.96 * np.sqrt(inside.mean() * (1 - inside.mean()) / len(inside))
    return (
        f"{name:58s} {rate.mean() / world.rate:7.3f} {100 * inside.mean():6.1f} ±{100 * error:3.1f} "
        f"{width.mean():8.2f} {np.median(width):8.2f} {width.mean() / perfect:8.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--replications", type=int, default=2_000)
    parser.add_argument("--rate", type=float, default=1e-4)
    parser.add_argument("--turns", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    started, size, seed = time.monotonic(), given.replications, given.seed
    world = World(given.rate, given.turns)
    perfect_rows = perfect_limits(world, seed, size)
    perfect = float((perfect_rows[2] - perfect_rows[1]).mean() / world.rate)
    print(
        f"true rate {world.rate:g}, sensitivity 0.8, specificity 0.999, {world.turns:,} turns, {size:,} samples"
    )
    print(f"{'':58s} {'rate/truth':>7s} {'coverage %':>9s} {'width':>7s} {'median':>8s} {'/perfect':>8s}")
    print(row("perfect labels of every turn", world, perfect_rows, perfect))
    print(row("raw rate of what the grader flags", world, raw_limits(world, seed + 1, size), perfect))
    for audited, positives in ((1_000, 200), (1_000, 50), (1_000, 20), (100, 200)):
        limits = precision_sensitivity_limits(world, seed + 2, size, audited, positives)
        print(row(f"precision/sensitivity: {audited} flags, {positives} positives", world, limits, perfect))
    for blind in (0.0, 0.1):
        part = World(given.rate, given.turns, blind=blind)
        limits = two_phase_limits(part, seed + 3, size, 2_000)
        print(row(f"two-phase audit: 2,000 labels by score, {blind:.0%} blind", part, limits, perfect))
    raw_rate = world.rate * world.sensitivity + 1 - world.specificity
    limits = rogan_gladen_limits(world, seed + 4, size, 2_000, 200)
    print(row("Rogan-Gladen: 2,000 negative controls (fails)", world, limits, perfect))
    print(
        f"  {np.mean(limits[0] == 0):.0%} of these are clipped to zero; at this raw rate it is "
        f"{'valid' if is_valid(raw_rate, 1 - world.specificity) else 'refused'}"
    )
    for rate in (world.rate, 1e-3, 1e-2):
        part = World(rate, given.turns)
        limits = normal_ppi_limits(part, seed + 5, size, 2_000)
        print(row(f"normal PPI: 2,000 uniform audits at rate {rate:g} (fails)", part, limits, perfect))
    print(f"{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()

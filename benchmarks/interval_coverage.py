"""How often the 95 % intervals of rates hold the true rate, beside intervals that fail there.

    python benchmarks/interval_coverage.py [--replications 1000] [--bootstrap 200] [--seed 1]

Twenty categories with rates log-uniform in 1e-5…1e-2 share one pool, as the categories of a study do; n is 1e4, 1e5 and
1e6 turns. Designs: every turn its own user; users of 5 turns on average, or of 50 (few heavy users), whose flagged turns
come together (beta-binomial, design effect 1.6 or 5, or one of its own for every category); two strata that were sampled
with probabilities of 10 to 1, alone, with another risk in the oversampled one, and with clustered users too.

Only sums over users enter the estimator, so what is drawn is how many users of m turns had z flagged ones (multinomial),
and `rates_of_sums`, which is all of `estimate_rates` after counting, does the rest. `--rows` studies of n = 1e4 of every
design go through `estimate_rates` row by row, and the largest difference is printed. Coverage is shown by expected
*effective* events (rate * n / design effect): a row of fewer than ten raw ones is never above it.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

sys.path.insert(1, str(Path(__file__).resolve().parent.parent))

from depsim_dagster.estimation.design_effect import WeightedSums
from depsim_dagster.estimation.rates import estimate_rates, rates_of_sums

RATES = np.geomspace(1e-5, 1e-2, 20)
SIZES = (10_000, 100_000, 1_000_000)
BANDS = (0.0, 3.0, 10.0, 30.0, 100.0, np.inf)


@dataclass(frozen=True)
class Stratum:
    """share: of the n sampled turns; weight: turns that each stands for; turns: mean a user; effect: design effect of
    its clusters (one number, or one a category); risk: its rates as a multiple of RATES."""

    share: float = 1.0
    weight: float = 1.0
    turns: float = 1.0
    effect: float | tuple[float, ...] = 1.0
    risk: float = 1.0

    def users(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """(turns of a user, users of so many): quantiles of the geometric distribution, at most 16 heavy sizes."""
        users = round(self.share * n / self.turns)
        if self.turns == 1:
            return np.array([1]), np.array([users])
        sizes = stats.geom.ppf((np.arange(users) + 0.5) / users, 1 / self.turns).astype(int)
        if self.turns > 10:
            parts = np.array_split(sizes, 16)
            return np.array([round(part.mean()) for part in parts]), np.array([len(part) for part in parts])
        return np.unique(sizes, return_counts=True)

    def correlation(self, category: int, n: int) -> float:
        """Intraclass correlation at which these users have the design effect: 1 + (sum m**2 / sum m - 1) * rho."""
        effect = self.effect[category] if isinstance(self.effect, tuple) else self.effect
        m, users = self.users(n)
        heavier = (m**2 * users).sum() / (m * users).sum() - 1
        return (effect - 1) / heavier if effect > 1 else 0.0


# From 2 to 6 in no order, so that the pooled one is wrong for each.
OWN = tuple(np.random.default_rng(3).permutation(np.geomspace(2.0, 6.0, len(RATES))).tolist())
DESIGNS: dict[str, tuple[Stratum, ...]] = {
    "plain": (Stratum(),),
    "clustered, 1.6": (Stratum(turns=5, effect=1.6),),
    "clustered, 5": (Stratum(turns=5, effect=5.0),),
    "few heavy users, 5": (Stratum(turns=50, effect=5.0),),
    "clustered, each its own": (Stratum(turns=5, effect=OWN),),
    "weighted": (Stratum(0.5), Stratum(0.5, 10)),
    "weighted, risk oversampled": (Stratum(0.5, risk=4), Stratum(0.5, 10, risk=0.7)),
    "weighted, risk undersampled": (Stratum(0.5, risk=0.2), Stratum(0.5, 10, risk=1.08)),
    "weighted and clustered, 1.6": (
        Stratum(0.5, turns=5, effect=1.6, risk=2),
        Stratum(0.5, 10, turns=5, effect=1.6, risk=0.9),
    ),
}


@dataclass(frozen=True)
class Studies:
    """Replicates of one design: for each category the users by (weight, turns m, flagged turns z), one row a replicate."""

    n: int
    truth: np.ndarray  # (categories)
    cells: list[tuple[np.ndarray, np.ndarray, np.ndarray]]  # weight, m, z of each column
    users: list[np.ndarray]  # (replicates, cells); the users without a flagged turn are in there

    @property
    def replicates(self) -> int:
        return len(self.users[0])

    def sums(self) -> tuple[WeightedSums, np.ndarray]:
        """The estimator's sums, raveled (replicate, category), and the pool: the replicate."""
        columns = []
        for (weight, m, z), users in zip(self.cells, self.users, strict=True):
            count = users.astype(float)
            w = weight * self.n / (count[0] @ (weight * m))
            y = count @ (w * z)
            p = y / self.n
            # Cells that no replicate saw are left out above, so one pass of (replicates, cells) is small.
            total = (w * z - np.outer(p, w * m)) ** 2
            square = np.outer((1 - p) ** 2, w * z) + np.outer(p**2, w * (m - z))
            rows = np.outer((1 - p) ** 2, w**2 * z) + np.outer(p**2, w**2 * (m - z))
            columns.append(
                {
                    "k": (users @ z),
                    "n": np.full(len(users), self.n),
                    "clusters": users.sum(axis=1),
                    "y": y,
                    "v_clustered": (count * total).sum(axis=1),
                    "v_independent": (count * rows).sum(axis=1),
                    "kish": count @ (w**2 * m) / self.n,
                    "t4": (count * total**2).sum(axis=1),
                    "t2a": (count * total * square).sum(axis=1),
                    "a2": (count * square**2).sum(axis=1),
                }
            )
        arrays = {name: np.stack([column[name] for column in columns], axis=1).ravel() for name in columns[0]}
        return WeightedSums(**arrays), np.repeat(np.arange(self.replicates), len(self.cells))

    def rows(self, replicate: int) -> pd.DataFrame:
        """The label rows of one replicate. A user is flagged in some categories only, so every category has users of
        its own; none of the estimator's sums goes across categories."""
        frames = []
        for category, ((weight, m, z), users) in enumerate(zip(self.cells, self.users, strict=True)):
            seen = np.repeat(np.arange(len(z)), users[replicate])
            user = np.repeat(np.arange(len(seen)), m[seen])
            place = np.arange(len(user)) - np.repeat(np.cumsum(m[seen]) - m[seen], m[seen])
            frames.append(
                pd.DataFrame(
                    {
                        "category": category,
                        "user_id": user,
                        "flagged": place < z[seen][user],
                        "inclusion_probability": 1.0 / weight[seen][user],
                        "grading_probability": 1.0,
                        "status": "graded",
                    }
                )
            )
        return pd.concat(frames, ignore_index=True)


def simulate(design: tuple[Stratum, ...], n: int, replicates: int, rng: np.random.Generator) -> Studies:
    """`replicates` studies of n sampled turns."""
    members = [stratum.users(n) for stratum in design]
    turns = sum(int((m * users).sum()) for m, users in members)
    stands_for = [
        stratum.weight * (m * users).sum() for stratum, (m, users) in zip(design, members, strict=True)
    ]
    truth = sum(part * stratum.risk * RATES for part, stratum in zip(stands_for, design, strict=True)) / sum(
        stands_for
    )
    cells, drawn = [], []
    for category, rate in enumerate(RATES):
        parts = []
        for stratum, (sizes, users) in zip(design, members, strict=True):
            p, rho = rate * stratum.risk, stratum.correlation(category, n)
            for m, of_size in zip(sizes.tolist(), users.tolist(), strict=True):
                z = np.arange(m + 1)
                if rho:
                    mass = stats.betabinom.pmf(z, m, p * (1 - rho) / rho, (1 - p) * (1 - rho) / rho)
                else:
                    mass = stats.binom.pmf(z, m, p)
                found = rng.multinomial(of_size, mass / mass.sum(), size=replicates)
                seen = found.any(axis=0)
                parts.append(
                    (found[:, seen], np.full(seen.sum(), stratum.weight), np.full(seen.sum(), m), z[seen])
                )
        users, *cell = (np.concatenate(part, axis=-1) for part in zip(*parts, strict=True))
        cells.append(tuple(cell))
        drawn.append(users)
    return Studies(turns, truth, cells, drawn)


def coverage(studies: Studies, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """Share of replicates whose limits (fractions; raveled replicate, category) hold the truth, by category."""
    shape = (-1, len(studies.truth))
    return ((lower.reshape(shape) <= studies.truth) & (studies.truth <= upper.reshape(shape))).mean(axis=0)


def ours(sums: WeightedSums, pool: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rates = rates_of_sums(sums, pool)
    return rates["lower_per_100k"].to_numpy() / 1e5, rates["upper_per_100k"].to_numpy() / 1e5


def clopper_pearson(sums: WeightedSums) -> tuple[np.ndarray, np.ndarray]:
    """On raw counts: no weights, no clusters."""
    k, n = sums.k, sums.n
    return np.nan_to_num(stats.beta.ppf(0.025, k, n - k + 1)), stats.beta.ppf(0.975, k + 1, n - k)


def wald(sums: WeightedSums) -> tuple[np.ndarray, np.ndarray]:
    """Estimate and 1.96 linearised standard errors, with weights and clusters."""
    half = stats.norm.ppf(0.975) * np.sqrt(sums.v_clustered)
    return (sums.y - half) / sums.n, (sums.y + half) / sums.n


def bootstrap(
    studies: Studies, first: int, draws: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Percentiles of the rate over `draws` resamples of users with replacement, for the first replicates."""
    limits = np.empty((2, first, len(studies.cells)))
    for category, ((weight, m, z), users) in enumerate(zip(studies.cells, studies.users, strict=True)):
        for replicate in range(first):
            there = users[replicate] > 0
            w, turns, flagged = (column[there] for column in (weight, m, z))
            counts = users[replicate][there]
            again = rng.multinomial(counts.sum(), counts / counts.sum(), size=draws)
            resampled = again @ (w * flagged) / (again @ (w * turns))
            limits[:, replicate, category] = np.quantile(resampled, [0.025, 0.975])
    return limits[0].ravel(), limits[1].ravel()


def difference_to_rows(studies: Studies, replicates: int) -> float:
    """Largest relative difference of a number of `rates_of_sums` to that of `estimate_rates` on the rows."""
    short = rates_of_sums(*studies.sums())
    numbers = short.select_dtypes("number").columns
    worst, categories = 0.0, len(studies.cells)
    for replicate in range(replicates):
        long = estimate_rates(studies.rows(replicate), ["category"])
        mine = short.iloc[replicate * categories : (replicate + 1) * categories].reset_index(drop=True)
        if list(long["method"]) != list(mine["method"]):
            return np.inf
        a, b = long[numbers].to_numpy(float), mine[numbers].to_numpy(float)
        worst = max(
            worst, float(np.max(np.abs(a - b) / np.maximum(np.abs(a), 1e-300), where=a != b, initial=0))
        )
    return worst


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--replications", type=int, default=1000)
    parser.add_argument(
        "--bootstrap", type=int, default=200, help="replications with a bootstrap (299 resamples)"
    )
    parser.add_argument("--rows", type=int, default=3, help="studies a design that are also done row by row")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    began, cells, worst = time.perf_counter(), [], 0.0
    for number, (name, design) in enumerate(DESIGNS.items()):
        for n in SIZES:
            rng = np.random.default_rng([args.seed, number, n])
            studies = simulate(design, n, args.replications, rng)
            sums, pool = studies.sums()
            shape = (args.replications, len(RATES))
            effect = sums.y.reshape(shape).var(axis=0) / sums.y.reshape(shape).mean(axis=0)
            first = min(args.bootstrap, args.replications)
            few = Studies(studies.n, studies.truth, studies.cells, [users[:first] for users in studies.users])
            made = {
                "depsim": coverage(studies, *ours(sums, pool)),
                "clopper_pearson": coverage(studies, *clopper_pearson(sums)),
                "wald": coverage(studies, *wald(sums)),
                "bootstrap": coverage(few, *bootstrap(few, first, 299, rng)),
            }
            events = studies.truth * studies.n
            cells.append(
                pd.DataFrame(
                    {"design": name, "n": n, "rate": studies.truth, "events": events}
                    | {"effective": events / np.median(effect[events > 3])}
                    | made
                )
            )
            if n == SIZES[0]:
                worst = max(worst, difference_to_rows(studies, args.rows))
    table = pd.concat(cells, ignore_index=True)
    table["band"] = np.digitize(table["effective"], BANDS[1:-1])
    methods = ["depsim", "clopper_pearson", "wald", "bootstrap"]
    print(f"{args.replications} replications a cell; coverage in %: mean over the cells (lowest, highest)\n")
    print(
        f"{'design':<28}{'effective events':>17}{'cells':>6}" + "".join(f"{method:>26}" for method in methods)
    )
    for (name, band), rows in table.groupby(["design", "band"], sort=False):
        label = (
            f"{BANDS[band]:g} to {BANDS[band + 1]:g}" if band < len(BANDS) - 2 else f"from {BANDS[band]:g}"
        )
        print(
            f"{name:<28}{label:>17}{len(rows):>6}"
            + "".join(
                f"{100 * rows[m].mean():>10.1f} ({100 * rows[m].min():5.1f}, {100 * rows[m].max():5.1f})"
                for m in methods
            )
        )
    ten, below = table[table["effective"] >= 10], table[table["effective"] < 10]
    error = 100 * np.sqrt(0.95 * 0.05 / args.replications)
    print(
        f"\nfrom 10 effective events: {len(ten)} cells, {100 * ten['depsim'].min():.1f} to {100 * ten['depsim'].max():.1f} %, "
        f"{((ten['depsim'] < 0.93) | (ten['depsim'] > 0.975)).sum()} outside 93–97.5 %; by raw events >= 10: "
        f"{(table.loc[table['events'] >= 10, 'depsim'] < 0.93).sum()} below 93 %, "
        f"{(table.loc[table['events'] >= 10, 'depsim'] > 0.975).sum()} above 97.5 %"
    )
    print(
        f"below 10: {len(below)} cells, from {100 * below['depsim'].min():.1f} %, {(below['depsim'] < 0.945).sum()} below 94.5 %"
        f" (one standard error of a cell: {error:.1f} points)"
    )
    print(f"largest relative difference to estimate_rates on the rows: {worst:.1e}")
    print(f"{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()

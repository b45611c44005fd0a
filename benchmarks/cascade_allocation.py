"""What a cascade saves and whether its estimates hold: calls, widths, bias and coverage over seeded samples.

    python benchmarks/cascade_allocation.py [--replications 400] [--turns 400000] [--rate 0.001] [--seed 1]

Four tables:

- share of full-grader calls for an interval 10 % (25 %) wider than of reading every turn: the analytic optimum of a
  binormal screen, the share chosen from known chances and from chances that are calibrated on a first cascade with
  distorted scores, and how much wider the intervals of those samples came out;
- calls at equal width: so many fewer than without a screen, of which the smaller sample is read in full; by variance alone
  and with the limits of `estimate_rates`, in which one unseen event weighs what a turn at random does;
- bias and coverage of 95 % intervals of every estimator, with a screen that is blind to 5 % of the cases, with one whose
  scores are no probabilities, and with clustered users;
- the split of the variance between and within prefixes from several completions of each.

Flagged turns have normal scores d = sqrt(2) * Phi^-1(AUC) higher than others; what the screen is blind to has the scores
of the others.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from depsim_dagster.estimation.intervals import gamma_limits
from depsim_dagster.estimation.two_phase.allocation import (
    binormal_share,
    calibrate,
    expected_widening,
    relative_calls,
    smallest_share,
)
from depsim_dagster.estimation.two_phase.completions import variance_split
from depsim_dagster.estimation.two_phase.difference import METHODS, TwoPhaseRate, two_phase_rate
from depsim_dagster.grading.graders.cascade import grading_probabilities

FLOOR = 0.2
MOST_TURNS = 8


@dataclass(frozen=True)
class Screened:
    flagged: np.ndarray
    chance: np.ndarray
    user: np.ndarray | None = None


def separation(auc: float) -> float:
    return np.sqrt(2) * stats.norm.ppf(auc)


def binormal(
    rng: np.random.Generator, turns: int, rate: float, auc: float, blind: float = 0.0, users: int = 0
):
    """Turns with their label and their true chance by the score, blind cases apart; users of five turns if told."""
    risk, user = rate, None
    if users:
        user = np.repeat(np.arange(turns // 5), 5)
        strength = (1 - 0.1) / 0.1
        risk = rng.beta(rate * strength, (1 - rate) * strength, turns // 5)[user]
    flagged = rng.random(turns) < risk
    d = separation(auc)
    score = rng.normal(size=turns) + d * (flagged & (rng.random(turns) >= blind))
    odds = rate / (1 - rate) * np.exp(d * score - d * d / 2)
    return Screened(flagged, odds / (1 + odds), user)


def flags(rng: np.random.Generator, turns: int, rate: float, sensitivity: float, passed: float) -> Screened:
    """A screen of flags: so sensitive, with so many of all turns passed on."""
    flagged = rng.random(turns) < rate
    false_alarms = (passed - sensitivity * rate) / (1 - rate)
    hit = rng.random(turns) < np.where(flagged, sensitivity, false_alarms)
    chance = np.where(hit, sensitivity * rate / passed, (1 - sensitivity) * rate / (1 - passed))
    return Screened(flagged, chance)


def probabilities(chance: np.ndarray, share: float) -> np.ndarray:
    return grading_probabilities(chance, share, FLOOR, smallest=0.0)


def estimated(
    rng: np.random.Generator, turns: Screened, pi: np.ndarray, method: str, score=None
) -> TwoPhaseRate:
    drawn = rng.random(len(pi)) < pi
    return two_phase_rate(
        np.where(drawn, turns.flagged, np.nan),
        turns.chance if score is None else score,
        pi,
        turns.user,
        method=method,
    )


def limits(found: TwoPhaseRate) -> tuple[float, float]:
    """The 95 % gamma interval, as `estimate_rates` makes it."""
    rate = max(found.rate, 0.0)
    wm = max(found.variance / rate if rate else 0.0, 1.0 / found.graded)
    lower, upper, _ = gamma_limits(rate, found.variance if rate else 0.0, wm)
    return float(lower), float(upper)


def width(found: TwoPhaseRate) -> float:
    lower, upper = limits(found)
    return upper - lower


def table_of_shares(arguments: argparse.Namespace) -> None:
    print(
        "\nShare of calls for an interval that much wider; and how much wider it came out (mean of samples)"
    )
    print(
        f"{'AUC':>5} {'wider':>6} {'optimum':>8} {'known':>7} {'/opt':>5} {'came out':>9} {'calibrated':>11} {'came out':>9}"
    )
    rng = np.random.default_rng([arguments.seed, 1])
    for auc in (0.90, 0.95, 0.98):
        for widening in (0.10, 0.25):
            shares, known, learned, full = [], [], [], []
            for _ in range(max(arguments.replications // 10, 10)):
                turns = binormal(rng, arguments.turns, arguments.rate, auc)
                share = smallest_share(turns.chance, widening, FLOOR)
                everything = two_phase_rate(turns.flagged, 0.0, 1.0, method="horvitz_thompson")
                full.append(width(everything))
                known.append(width(estimated(rng, turns, probabilities(turns.chance, share), "power_tuned")))
                # A first cascade at a share of a quarter by scores that are no probabilities; the next is planned by it.
                score = turns.chance**0.4
                first = grading_probabilities(score, 0.25, FLOOR)
                read = rng.random(len(first)) < first
                chance = calibrate(score[read], turns.flagged[read], first[read])(score)
                planned = smallest_share(chance, widening, FLOOR)
                after = binormal(rng, arguments.turns, arguments.rate, auc)
                again = calibrate(score[read], turns.flagged[read], first[read])(after.chance**0.4)
                learned.append(
                    width(estimated(rng, after, probabilities(again, planned), "power_tuned", again))
                )
                shares.append((share, planned))
            optimum = binormal_share(auc, widening)
            exact, planned = np.mean(shares, axis=0)
            print(
                f"{auc:>5.2f} {widening:>6.0%} {optimum:>8.1%} {exact:>7.1%} {exact / optimum:>5.2f} "
                f"{np.mean(known) / np.mean(full) - 1:>9.1%} {planned:>11.1%} {np.mean(learned) / np.mean(full) - 1:>9.1%}"
            )


def turns_needed(events: float, growth: float, share: float) -> float:
    """How many times as many turns the cascade screens for the width that reading all of them gives at so many events."""
    wanted = np.diff(gamma_limits(events, events, 1.0)[:2], axis=0).item() / events
    low, high = 1.0, 1000.0
    for _ in range(40):
        times = np.sqrt(low * high)
        y = events * times
        lower, upper, _ = gamma_limits(y, growth * y, max(growth, 1.0 / share))
        low, high = (times, high) if (upper - lower) / y > wanted else (low, times)
    return high


def table_of_calls(arguments: argparse.Namespace) -> None:
    events = arguments.turns * arguments.rate
    print(
        f"\nFull-grader calls at equal width, so many times fewer: by variance alone, and of intervals at {events:,.0f} events"
    )
    print(
        f"{'screen':>28} {'variance':>8} {'share':>6} {'turns':>6} {'fewer':>6} {'width':>7}   (width: in samples, beside reading all)"
    )
    rng = np.random.default_rng([arguments.seed, 2])
    screens: list[tuple[str, Callable[[int], Screened]]] = [
        (f"AUC {auc:.2f}", lambda size, auc=auc: binormal(rng, size, arguments.rate, auc))
        for auc in (0.90, 0.95, 0.98)
    ] + [
        (
            f"sensitivity {found}, passes 1 %",
            lambda size, found=found: flags(rng, size, arguments.rate, found, 0.01),
        )
        for found in (0.97, 0.99)
    ]
    for name, screen in screens:
        chance = screen(max(arguments.turns, 400_000)).chance
        tried = [(share, probabilities(chance, share)) for share in np.geomspace(0.01, 0.9, 60)]
        by_variance = 1 / min(relative_calls(chance, pi) for _, pi in tried)
        needed = [
            (share, turns_needed(events, (1 + expected_widening(chance, pi)) ** 2, share))
            for share, pi in tried
        ]
        # Fewer calls are to be had from ever more screened turns; eight times as many are enough to ask for.
        share, times = min(
            (pair for pair in needed if pair[1] <= MOST_TURNS), key=lambda pair: pair[0] * pair[1]
        )
        widths = []
        for _ in range(max(arguments.replications // 10, 10)):
            everything, turns = screen(arguments.turns), screen(round(times * arguments.turns))
            full = two_phase_rate(everything.flagged, 0.0, 1.0, method="horvitz_thompson")
            widths.append(
                (width(estimated(rng, turns, probabilities(turns.chance, share), "power_tuned")), width(full))
            )
        mine, full_width = np.mean(widths, axis=0)
        print(
            f"{name:>28} {by_variance:>8.1f} {share:>6.1%} {times:>6.2f} {1 / (share * times):>6.1f} {mine / full_width:>7.3f}"
        )


def table_of_estimators(arguments: argparse.Namespace) -> None:
    print(
        "\nBias (with its standard error), spread, stated error and coverage; AUC 0.95, a fifth of the turns read"
    )
    print(f"{'':>42} {'bias':>14} {'SD':>7} {'stated':>7} {'width':>7} {'covered':>8}")
    rng = np.random.default_rng([arguments.seed, 3])
    cases = [
        (rate, turns, name, options)
        for rate, turns in ((1e-3, 50_000), (1e-2, 10_000), (3e-2, 10_000), (0.2, 5_000))
        for name, options in (
            ("calibrated", {}),
            ("blind to 5 %", {"blind": 0.05}),
            ("no probabilities", {"power": 0.3}),
            ("five turns a user", {"users": 1}),
        )
    ]
    for rate, size, name, options in cases:
        options = dict(options)
        power = options.pop("power", 1.0)
        out: dict[str, list[tuple[float, ...]]] = {method: [] for method in METHODS}
        for _ in range(arguments.replications):
            turns = binormal(rng, size, rate, 0.95, **options)
            pi = probabilities(turns.chance, 0.2)
            drawn = rng.random(size) < pi
            label = np.where(drawn, turns.flagged, np.nan)
            for method in METHODS:
                found = two_phase_rate(label, turns.chance**power, pi, turns.user, method=method)
                lower, upper = limits(found)
                out[method].append((found.rate, found.variance, upper - lower, lower <= rate <= upper))
        for method, rows in out.items():
            mean, variance, wide, covered = np.mean(rows, axis=0)
            spread = np.std([row[0] for row in rows])
            error = spread / np.sqrt(len(rows))
            print(
                f"{rate:>7.1%} {name:>17} {method:>16} {mean / rate - 1:>+7.2%} ±{error / rate:>5.2%} "
                f"{spread / rate:>7.1%} {np.sqrt(variance) / rate:>7.1%} {wide / rate:>7.2f} {covered:>8.1%}"
            )


def table_of_completions(arguments: argparse.Namespace) -> None:
    print(
        "\nBetween share from several completions a prefix: mean, and coverage of its interval where it has one"
    )
    rng = np.random.default_rng([arguments.seed, 4])
    for rate, share, completions, prefixes in (
        (1e-2, 0.3, 2, 20_000), (1e-2, 0.3, 4, 10_000), (1e-3, 0.6, 2, 100_000), (0.2, 0.5, 3, 3_000), (1e-2, 0.1, 3, 40_000),
    ):  # fmt: skip
        rows = []
        for _ in range(arguments.replications):
            strength = (1 - share) / share
            risk = rng.beta(rate * strength, (1 - rate) * strength, prefixes)
            label = (rng.random((prefixes, completions)) < risk[:, np.newaxis]).ravel()
            prefix = np.repeat(np.arange(prefixes), completions)
            found = variance_split(label, prefix)
            inside = found.between_share_lower <= share <= found.between_share_upper
            known = np.isfinite(found.between_share_lower)
            rows.append((found.between_share, inside if known else np.nan, known))
        mean, covered, known = np.nanmean(np.array(rows, float), axis=0)
        print(
            f"rate {rate:>6.1%}, {completions} completions of {prefixes:,}: share {share} found as {mean:.3f}, covered "
            f"{covered:.1%} of the {known:.0%} with an interval"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--replications", type=int, default=400)
    parser.add_argument("--turns", type=int, default=400_000)
    parser.add_argument("--rate", type=float, default=0.001)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    for table in (table_of_shares, table_of_calls, table_of_estimators, table_of_completions):
        table(arguments)


if __name__ == "__main__":
    main()

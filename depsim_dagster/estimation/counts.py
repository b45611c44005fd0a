"""Columns of rate tables as the arrays that the measures take: floats, design effects, weighted counts; and the floor
below which a rate is a bound ("below 1 in N") and no number. Not here: where they come from (`rates`), or what is measured
(`scoring`, `summary`).
"""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from depsim_dagster.estimation.intervals import zero_event_upper

PER = 100_000.0


def as_floats(values: ArrayLike) -> np.ndarray:
    """A column as floats; what is null becomes NaN."""
    return pd.Series(values).to_numpy(dtype=float, na_value=np.nan)


def design_effects(values: ArrayLike) -> np.ndarray:
    """Design effects; 1 where there is none (n = 0)."""
    effects = as_floats(values)
    return np.where(np.isfinite(effects) & (effects > 0), effects, 1.0)


def counts_as_read(
    rate_per_100k: ArrayLike, n: ArrayLike, design_effect: ArrayLike
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(weighted count, turns, design effect) of a rate, as if every turn that it is worth had been read.

    A cascade reads the flagged turns and a part of the others: the design effect is below 1, and the rate is worth
    n/effect turns. Half an event among the n would weigh as much as several flagged turns, and a count of them would be
    below theirs. Design effects from 1 on stay what they are: METHOD.md's half event is one of the turns.
    """
    effect = design_effects(design_effect)
    worth = as_floats(n) / np.minimum(effect, 1.0)
    return weighted_counts(rate_per_100k, worth), worth, np.maximum(effect, 1.0)


def weighted_counts(rate_per_100k: ArrayLike, n: ArrayLike) -> np.ndarray:
    """rate * n, snapped to the whole number that it is when weights are equal."""
    counts = as_floats(rate_per_100k) * np.asarray(as_floats(n), dtype=float) / PER
    whole = np.rint(counts)
    return np.where(np.abs(counts - whole) < 1e-6 * np.maximum(whole, 1), whole, counts)


def resolvable_per_100k(n: ArrayLike, design_effect: ArrayLike, level: float = 0.95) -> np.ndarray:
    """The smallest rate per 100,000 that n turns of this design effect resolve: the upper bound that they would give with
    no event, "3/N" (`intervals.zero_event_upper`) times the design effect, which counts from 1 on. NaN where n = 0.
    """
    turns = as_floats(n)
    with np.errstate(divide="ignore"):
        bound = PER * zero_event_upper(np.maximum(design_effects(design_effect), 1.0), level) / turns
    return np.where(turns > 0, np.minimum(bound, PER), np.nan)


def below_floor(k: ArrayLike, rate_per_100k: ArrayLike, resolvable: ArrayLike) -> np.ndarray:
    """Whether a rate is to be read as "below 1 in N" (`below_text`) and not as a number: no event was seen, or too few to
    tell the rate from one at which none would be seen (one or two, with turns of equal weight). False without data."""
    rate, floor = as_floats(rate_per_100k), as_floats(resolvable)
    return np.isfinite(rate) & ((as_floats(k) == 0) | (rate < floor))


def one_in(upper_per_100k: ArrayLike) -> np.ndarray:
    """N of "below 1 in N" for a rate with this upper limit: 100,000/upper, rounded *down* to two significant digits, so that
    1/N is never below the limit. NaN where there is no limit or it is 0."""
    upper = as_floats(upper_per_100k)
    with np.errstate(divide="ignore", invalid="ignore"):
        # A limit of 2 is 1 in 50,000, though 100000 / 2 may come out a rounding error below.
        whole = np.where(upper > 0, PER / upper * (1 + 1e-12), np.nan)
        unit = 10.0 ** np.maximum(np.floor(np.log10(whole)) - 1, 0)
        return np.where(np.isfinite(whole), np.floor(whole / unit) * unit, np.nan)


def below_text(upper_per_100k: float | None) -> str:
    """ "below 1 in 33,000" for an upper limit of 3 per 100,000. "not resolved" where the limit is above one turn in two:
    n is then too small to say anything."""
    turns = float(one_in([upper_per_100k])[0])
    return f"below 1 in {turns:,.0f}" if turns >= 2 else "not resolved"

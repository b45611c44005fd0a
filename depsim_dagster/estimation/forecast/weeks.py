"""The weeks of the sampling window as one rate in which the newest count most: the forecast variant `weeks`.

Gamma-Poisson discounting (the power-steady model: Smith 1979, J R Stat Soc B 41:375-387; Harvey and Fernandes 1989, J Bus
Econ Stat 7:407-417): from week to week a <- d a + k and b <- d b + n, k and n the week's effective counts; the rate is then
Gamma(a + 1/2)/b. The discount d is what a week's evidence is still worth a week later. ESTIMATION.md: about 0.7 for rare
behaviours, whose counts are mostly noise, and 0.5 for common ones, whose weeks really differ.

A trend is followed only where at least `TREND_WEEKS` weeks show one (likelihood-ratio test of a log-linear Poisson trend at
`TREND_LEVEL`), shrunk by its own uncertainty and no further ahead than the weeks reach back.

The raw pooled rate stays the forecast; this one stands beside it and is scored too. Not here: where the weekly rates come
from (`estimation.rates`).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special, stats

from depsim_dagster.estimation.counts import PER, counts_as_read
from depsim_dagster.estimation.inputs import EstimationError, require_columns, require_level
from depsim_dagster.estimation.intervals import COMMON_FROM_RATE

RARE_DISCOUNT, COMMON_DISCOUNT = 0.7, 0.5
COMMON_DISCOUNT_FROM = (
    0.001  # rate from which 0.5 applies: hundreds of events in a week of 100,000 turns or more
)
TREND_WEEKS = 3
TREND_LEVEL = 0.01
WEEKLY_COLUMNS = ("category", "week", "n", "rate_per_100k", "design_effect")
WEEKS_COLUMNS = (
    "category", "rate_per_100k", "lower_per_100k", "upper_per_100k", "n", "design_effect", "note",
)  # fmt: skip


@dataclass(frozen=True)
class Trend:
    """Change of the log rate a week, shrunk towards 0, its standard error, and the p-value of the test."""

    slope: float
    standard_error: float
    p_value: float


def combine_weeks(
    weekly: pd.DataFrame, discount: float | None = None, ahead: float = 1.0, level: float = 0.95
) -> pd.DataFrame:
    """One row per category (sorted) with WEEKS_COLUMNS.

    weekly: rates per category and week (`estimate_rates`), `week` a date or 'YYYY-MM-DD'; rows with n = 0 are left out.
    discount: d a week, 0 < d <= 1; None takes it by the pooled rate. ahead: weeks from the last one to the middle of the
    window that is forecast, for a trend. `n` is the discounted number of turns (what a turn of the last week is worth is 1),
    `design_effect` relates it to independent turns; so rate * n / design_effect is a. Without a turn rate, limits and design
    effect are NaN and n is 0. Limits are equal-tailed at `level`, 0 below where no event was seen; beta from a rate of 5 % on.
    Raises EstimationError for missing columns, a repeated week, or a discount outside (0, 1].
    """
    require_level(level)
    require_columns(weekly, WEEKLY_COLUMNS, "weekly")
    if discount is not None and not 0 < discount <= 1:
        raise EstimationError(f"discount={discount}: what a week is worth a week later lies in (0, 1].")
    if weekly.duplicated(["category", "week"]).any():
        raise EstimationError(
            "weekly: a category has two rows of one week; estimate rates by category and week."
        )
    x, n, effect = counts_as_read(weekly["rate_per_100k"], weekly["n"], weekly["design_effect"])
    days = (pd.to_datetime(weekly["week"]) - pd.Timestamp("2000-01-03")).dt.days.to_numpy()
    table = pd.DataFrame(
        {"category": weekly["category"].to_numpy(), "at": days / 7, "x": x, "n": n, "effect": effect}
    )
    rows = [
        {"category": category, **_combined(rows[rows["n"] > 0].sort_values("at"), discount, ahead, level)}
        for category, rows in table.groupby("category", sort=True)
    ]
    return pd.DataFrame(rows, columns=list(WEEKS_COLUMNS))


def trend(at: np.ndarray, k: np.ndarray, n: np.ndarray) -> Trend | None:
    """Log-linear Poisson trend of effective counts k among n effective turns at times `at` (weeks); None with fewer than
    `TREND_WEEKS` weeks, fewer than `TREND_WEEKS` events, or no evidence of one at `TREND_LEVEL`.

    The slope is multiplied by max(0, 1 - 1/z**2), z its Wald statistic (positive-part James-Stein).
    """
    if len(at) < TREND_WEEKS or k.sum() < TREND_WEEKS:
        return None
    t = at - at.mean()
    share = n / n.sum()
    slope = 0.0
    # Given their total the counts are multinomial with p ~ n exp(slope t): one parameter, and a concave likelihood.
    for _ in range(50):
        p = share * np.exp(slope * t)
        p /= p.sum()
        mean = p @ t
        information = k.sum() * (p @ (t - mean) ** 2)
        step = float(np.clip((k @ t - k.sum() * mean) / max(information, 1e-12), -1.0, 1.0))
        slope += step
        if abs(step) < 1e-10 or abs(slope) > 20:
            break
    gain = 2 * float(special.xlogy(k, p).sum() - special.xlogy(k, share).sum())
    p_value = float(stats.chi2.sf(max(gain, 0.0), 1))
    if p_value >= TREND_LEVEL or abs(slope) > 20:
        return None
    error = float(1 / np.sqrt(information))
    return Trend(slope * max(0.0, 1 - (error / slope) ** 2), error, p_value)


def _combined(weeks: pd.DataFrame, discount: float | None, ahead: float, level: float) -> dict:
    if not len(weeks):
        nothing = dict.fromkeys(
            ("rate_per_100k", "lower_per_100k", "upper_per_100k", "design_effect"), np.nan
        )
        return nothing | {"n": 0.0, "note": "no graded turn"}
    at, x, n, effect = (weeks[name].to_numpy() for name in ("at", "x", "n", "effect"))
    pooled = x.sum() / n.sum()
    d = discount or (COMMON_DISCOUNT if pooled >= COMMON_DISCOUNT_FROM else RARE_DISCOUNT)
    worth = d ** (at[-1] - at)
    a, b, turns = float(worth @ (x / effect)), float(worth @ (n / effect)), float(worth @ n)
    rate, note = a / b, f"discount {d:g} a week over {len(at)} week{'s' * (len(at) > 1)}"
    found = trend(at, x / effect, n / effect)
    if found is not None and a > 0:
        # The level at the last week with the trend taken out of the others, then ahead along it.
        ahead = min(ahead, float(at[-1] - at[0]))
        level_now = a / float(worth @ (n / effect * np.exp(found.slope * (at - at[-1]))))
        middle = at[-1] - float(worth @ (n * at)) / turns
        variance = 1 / a + ((middle + ahead) * found.standard_error) ** 2
        rate = min(level_now * np.exp(found.slope * ahead), 1.0)
        a, b = 1 / variance, 1 / variance / rate
        note += f", trend {np.expm1(found.slope):+.0%} a week (p {found.p_value:.2g})"
    elif len(at) >= TREND_WEEKS:
        note += ", no trend"
    lower, upper = _limits(a, b, level)
    return {
        "rate_per_100k": PER * rate,
        "lower_per_100k": PER * lower,
        "upper_per_100k": PER * upper,
        "n": turns,
        "design_effect": turns / b,
        "note": note,
    }


def _limits(a: float, b: float, level: float) -> tuple[float, float]:
    """Equal-tailed limits of a rate of which a effective events in b effective turns are known; never inside the estimate."""
    tail, rate = (1 - level) / 2, a / b
    if rate >= COMMON_FROM_RATE:
        law = stats.beta(a + 0.5, max(b - a, 0.0) + 0.5)
    else:
        law = stats.gamma(a + 0.5, scale=1 / b)
    lower = min(float(law.ppf(tail)), rate) if a > 0 else 0.0
    return lower, min(max(float(law.isf(tail)), rate), 1.0)

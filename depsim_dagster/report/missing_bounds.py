"""How far missing outcomes could move a pooled rate: the worst cases of estimation/rates.py, for forecasts and outcomes.

Those tables hold what was sealed or scored, without worst cases; the weekly rates have them. A pooled rate's share of
missing turns is the mean of its weeks' shares, each week weighing by its turns: exact where weeks and turns were drawn
with one probability. Not here: the worst cases of a week, which the weekly rates bring.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd

from depsim_dagster.estimation.counts import PER, as_floats
from depsim_dagster.report.plain_rows import Row
from depsim_dagster.report.value_text import number_text

_KEYS = ["model", "category"]
_WORST = ("missing_low_per_100k", "missing_high_per_100k")


def with_missing_bounds(
    rows: pd.DataFrame, rates: pd.DataFrame, weeks: Mapping[str, Collection[str]], rate: str, prefix: str = ""
) -> pd.DataFrame:
    """`rows` with <prefix>missing_low_per_100k and <prefix>missing_high_per_100k of the rate in the column `rate`.

    `rates` are rows of rate_estimates or observed_rates on the traffic that the rows are about, `weeks` those that each
    model's rate is pooled over. Null where the weekly rates are not there.
    """
    if not len(rows):
        return rows
    share = rows.merge(_missing_shares(rates, weeks), on=_KEYS, how="left")["missing_share"].to_numpy()
    low = as_floats(rows[rate].fillna(0)) * (1 - share)
    return rows.assign(**dict(zip((prefix + name for name in _WORST), (low, low + PER * share), strict=True)))


def missing_bounds_text(row: Row, prefix: str) -> str:
    """What is to be said where missing turns could move the rate `<prefix>_per_100k` out of its interval; empty where
    they could not."""
    low, high = (row.get(f"{prefix}_{name}") for name in _WORST)
    lower, upper = (row.get(f"{prefix}_{limit}_per_100k") for limit in ("lower", "upper"))
    if None in (low, high, lower, upper) or (low >= lower and high <= upper):
        return ""
    return f"missing outcomes could move it to {number_text(low)}–{number_text(high)}"


def _missing_shares(rates: pd.DataFrame, weeks: Mapping[str, Collection[str]]) -> pd.DataFrame:
    """Share of the turns of each model and category that is missing, over the model's weeks, by weight."""
    columns = [*_KEYS, "missing_share"]
    if not len(rates):
        return pd.DataFrame(columns=columns).astype({"missing_share": float})
    pooled = [week in weeks.get(model, ()) for model, week in zip(rates["model"], rates["week"], strict=True)]
    used = rates[np.array(pooled) & (rates["n"] + rates["missing"] > 0).to_numpy()]
    turns = as_floats(used["n"] + used["missing"])
    share = (as_floats(used[_WORST[1]]) - as_floats(used[_WORST[0]])) / PER
    sums = used[_KEYS].assign(lost=share * turns, turns=turns).groupby(_KEYS, as_index=False).sum()
    return sums.assign(missing_share=sums["lost"] / sums["turns"])[columns]

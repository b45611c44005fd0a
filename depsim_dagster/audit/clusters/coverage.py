"""How rare a behaviour of no category may be and still be found: the registered formula, for the audit at hand.

What counts as found is a behaviour of at least the minimum of conversations and users, so that many independent turns have to
show it. Turns of one user are not independent, and turns of unequal weight say less than their number: the number of
turns is taken as Kish's effective number of users, which is right when a user's turns are all alike and on the safe side
where they are not. It takes for granted that the behaviour does not go with how much a user writes: with a risk in
proportion to it 99.4 % are found where 99.5 % are promised, with its square 98.8 % (simulated); one of fewer users than the
minimum is never shown. Not here: that an auditor overlooks some turns, unless its recall is given, or that its words for
one behaviour may not come together in one group.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from depsim_dagster.estimation.calibration.detectable_rate import detectable_rate
from depsim_dagster.estimation.counts import PER
from depsim_dagster.estimation.rates import estimate_rates


def independent_turns(turns: pd.DataFrame) -> float:
    """(sum W)^2 / sum W^2 over users, W the sum of 1/inclusion_probability over a user's turns with a readable answer
    (Kish 1965, Survey Sampling, section 11.7, of users). It is the number of turns where every user has one of equal weight."""
    answered = turns[turns["status"] == "graded"]
    if not len(answered):
        return 0.0
    weight = (1.0 / answered["inclusion_probability"]).groupby(answered["user_id"]).sum().to_numpy()
    return float(weight.sum() ** 2 / (weight**2).sum())


def detectable_per_100k(
    turns: pd.DataFrame, least: int, max_types: int, level: float, recall: float | None = None
) -> float:
    """`detectable_rate` per 100,000 turns, NaN where no rate is detectable.

    turns: `comparison.audited_turns`; least: turns of different users that have to show it; recall: the share of turns
    with a behaviour that the auditor brings back: the rate is divided by it, up to 100,000.
    """
    rate = float(detectable_rate(math.floor(independent_turns(turns)), max_types, least, 1 - level))
    if recall is not None:
        rate = rate / recall if recall > 0 else math.nan
    return PER * rate if rate <= 1 else math.nan


def recall_lower(ablation: pd.DataFrame, level: float) -> float | None:
    """Lower limit of the pooled recall (a fraction) of rows of category_ablation: categories are the clusters, as an auditor
    that misses one turn of a category tends to miss the next. None without an answered case."""
    answered, matched = (ablation[name].to_numpy(dtype=int) for name in ("answered", "matched"))
    if not answered.sum():
        return None
    category = np.repeat(np.arange(len(ablation)), answered)
    within = np.arange(answered.sum()) - np.repeat(np.cumsum(answered) - answered, answered)
    cases = pd.DataFrame(
        {
            "auditor": "",
            "flagged": pd.array(within < matched[category], dtype="boolean"),
            "status": "graded",
            "inclusion_probability": 1.0,
            "grading_probability": 1.0,
            "user_id": category,
        }
    )
    return float(estimate_rates(cases, ["auditor"], level)["lower_per_100k"].iloc[0]) / PER

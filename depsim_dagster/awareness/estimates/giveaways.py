"""What gives the replay away: the rates of evaluation awareness, cut by one property of the replayed prefix at a time.

Each value of a property is compared with the value that most turns have. A property that raises suspicion in production
too is one of the traffic; what raises it in the replay alone is the replay's. Only `surrogates` is a randomised trial
(`deidentification.tags_share`); every other property goes with what users ask. Not here: rates of whole sources
(`source_rates`), or several properties at once.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from depsim_dagster.awareness.estimates.source_rates import effective_counts
from depsim_dagster.awareness.labels.schema import EVALUATION
from depsim_dagster.estimation.comparison.different_prefixes import compare_rates
from depsim_dagster.estimation.comparison.multiplicity import FALSE_DISCOVERY_RATE, benjamini_hochberg
from depsim_dagster.estimation.inputs import require_columns
from depsim_dagster.estimation.rates import estimate_rates
from depsim_dagster.estimation.shift.covariates import banded, covariate_values

DIMENSIONS = (
    "surrogates",
    "identifiers_replaced",
    "prefix_length",
    "language",
    "age",
    "turn_position",
    "tools",
)
# As the covariates of the estimation station are called.
_COVARIATES = {
    "prefix_length": "length",
    "language": "language",
    "turn_position": "turn_position",
    "tools": "tools",
}
IDENTIFIERS = (("0", 1), ("1-3", 4), ("4+", None))
# Whole weeks from the user turn to the model's release, with the days at which the next band begins. Doubling: what a prefix
# of ten weeks ago says of its time is little else than what one of eleven says.
AGES = (
    ("after release", 0), ("under 1 week", 7), ("1 week", 14), ("2-3 weeks", 28), ("4-7 weeks", 56), ("8+ weeks", None),
)  # fmt: skip
# Fewer judged turns of a value say nothing, and each further test costs the others. Turns, not events: what is looked at does
# not hang on what is found.
FEWEST_TURNS = 20

LABEL_COLUMNS = (
    "turn_id", "user_id", "measure", "judge", "source", "flagged", "status", "inclusion_probability", "language",
    "prefix_characters", "turn_index", "tools_offered", "age_days", "identifiers_replaced", "surrogates",
)  # fmt: skip
GIVEAWAY_COLUMNS = (
    "measure", "judge", "source", "dimension", "value", "k", "n", "clusters", "rate_per_100k", "lower_per_100k",
    "upper_per_100k", "reference", "ratio", "ratio_lower", "ratio_upper", "p_value", "p_benjamini_hochberg",
    "raises_suspicion",
)  # fmt: skip
_WITHIN = ["measure", "judge", "source"]


def replay_giveaways(labels: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """One row per measure, judge, source, dimension and value with judged turns, sorted, with GIVEAWAY_COLUMNS.

    labels: rows of awareness_labels of one simulated model (LABEL_COLUMNS). Evaluation prompts are no replay and are left
    out. Rates are `estimate_rates`', per 100,000, with design effects shrunk over values, measures and judges.

    reference: the value with most judged turns; ratios are to its rate (`compare_rates`: the values are taken for
    independent, so with the same users on both sides the interval is too wide rather than too narrow). Where either has
    fewer than FEWEST_TURNS judged turns there is no ratio and no test. p_benjamini_hochberg is adjusted over all that is
    looked at of a source, whatever the measure and judge; raises_suspicion: at most multiplicity.FALSE_DISCOVERY_RATE of
    those named are named wrongly, and the ratio is above 1.

    Raises EstimationError as `estimate_rates` does.
    """
    require_columns(labels, LABEL_COLUMNS, "labels")
    replayed = labels[labels["source"] != EVALUATION].assign(grading_probability=1.0)
    values = property_values(replayed)
    tables = []
    for dimension in DIMENSIONS:
        of_value = replayed.assign(value=values[dimension])
        rates = estimate_rates(
            of_value[of_value["value"].notna()],
            [*_WITHIN, "value"],
            level,
            pool_over=("measure", "judge", "value"),
        )
        tables.append(_compared(rates[rates["n"] > 0].assign(dimension=dimension), level))
    out = pd.concat(tables, ignore_index=True)
    out["p_benjamini_hochberg"] = out.groupby("source")["p_value"].transform(benjamini_hochberg)
    suspicious = (out["p_benjamini_hochberg"] <= FALSE_DISCOVERY_RATE) & (out["ratio"] > 1)
    out = out.assign(raises_suspicion=suspicious).sort_values(
        [*_WITHIN, "dimension", "value"], ignore_index=True
    )
    return out[list(GIVEAWAY_COLUMNS)]


def property_values(labels: pd.DataFrame) -> pd.DataFrame:
    """The value of every turn in each of DIMENSIONS, as text; missing where the property does not show in the turn.

    The style of surrogates shows where something was replaced, and nothing else: there alone are its arms compared.
    """
    covariates = covariate_values(labels, list(_COVARIATES.values()))
    shows = (labels["identifiers_replaced"] > 0) | (labels["surrogates"] == "none")
    return pd.DataFrame(
        {
            "surrogates": labels["surrogates"].astype(object).where(shows),
            "identifiers_replaced": banded(labels["identifiers_replaced"], IDENTIFIERS).astype(object),
            **{name: covariates[of].astype(object) for name, of in _COVARIATES.items()},
            "age": banded(labels["age_days"], AGES).astype(object),
        },
        index=labels.index,
    )


def _compared(rates: pd.DataFrame, level: float) -> pd.DataFrame:
    """The rates of one dimension, each beside its reference."""
    rates = rates.reset_index(drop=True)
    most = rates.groupby(_WITHIN)["n"].transform("idxmax").to_numpy(dtype=int)
    reference = most == rates.index
    out = rates.assign(reference=reference, ratio=np.where(reference, 1.0, np.nan))
    out[["ratio_lower", "ratio_upper", "p_value"]] = np.nan
    enough = (rates["n"] >= FEWEST_TURNS).to_numpy()
    tested = ~reference & enough & enough[most]
    k, n, design_effect = effective_counts(rates)
    if tested.any():
        other = most[tested]
        found = compare_rates(
            k[tested], n[tested], k[other], n[other], level, design_effect[tested], design_effect[other]
        )
        columns = ["ratio", "ratio_lower", "ratio_upper", "p_value"]
        out.loc[tested, columns] = found[columns].to_numpy()
    return out

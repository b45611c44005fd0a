"""Rates of the sampled labels as they would be under the target mix of traffic.

Each turn's design weight is multiplied by its weight of traffic_shift, which is what `estimate_rates` makes of an inclusion
probability that is so much smaller: the one that a sample of the target mix would have had for this turn. Counts stay what
was graded; the estimate, its design effect and its interval know of the weights.

Not in the interval: that the target mix is itself estimated. With a rate p_c in cell c and p in all, that adds
sum W_c (p_c - p)² / n_target to a variance of about sum W_c² p_c / n_c: a part of the order of p, nothing at the rates of this
product. For the same reason the linearised variance, which forgets that post-stratification takes the variance between cells
away, is too large by that order and no more (Cochran 1977, section 5A.9).

What one more event would weigh is taken from the categories that share the turns (`design_effect`), not from the largest
weight: with a trim at 8 that would make every bound of a behaviour that was not seen eight times as wide. A category alone
whose events all lie where weights are large, and few of them, is covered a little less (94.2 % at 3 expected events and
weights of 2 and 0.8).
"""

import numpy as np
import pandas as pd

from depsim_dagster.estimation.inputs import EstimationError, require_columns
from depsim_dagster.estimation.rates import estimate_rates
from depsim_dagster.estimation.shift.covariates import (
    CELL_SEPARATOR,
    COVARIATE_COLUMNS,
    cell_names,
    covariate_values,
)

SHIFT_COLUMNS = ("dimension", "value", "factor", "trim")


def reweighted_rates(
    labels: pd.DataFrame, shift: pd.DataFrame, by: list[str], level: float = 0.95
) -> pd.DataFrame:
    """`estimate_rates(labels, by, level)` under the target mix: `by` and RATE_COLUMNS.

    labels: rows of graded_labels of one model on one deployment's traffic, with COVARIATE_COLUMNS beside what
    `estimate_rates` reads. shift: the candidate's rows of traffic_shift. A turn whose values have no part in the target
    (factor 0) is no traffic of it: it is outside k, n and missing.

    Raises EstimationError: an empty shift table, or turns with values that it does not know.
    """
    weight = turn_weights(labels, shift)
    some = weight > 0
    kept, weight = labels[some], weight[some]
    # The estimate is Hájek's and knows no scale: the turns with the smallest weight keep their probability.
    relative = weight.min() / weight if len(weight) else weight
    return estimate_rates(
        kept.assign(inclusion_probability=kept["inclusion_probability"] * relative), by, level
    )


def turn_weights(labels: pd.DataFrame, shift: pd.DataFrame) -> np.ndarray:
    """The weight of every row's turn: the product of the factors of its values, at most `trim`. Mean 1 over the turns that
    `shift` was made from, before trimming.

    labels: with COVARIATE_COLUMNS, any number of rows a turn. Raises EstimationError as `reweighted_rates`.
    """
    require_columns(labels, COVARIATE_COLUMNS, "labels")
    require_columns(shift, SHIFT_COLUMNS, "traffic_shift")
    if not len(shift):
        raise EstimationError(
            "traffic_shift has no rows; materialise `traffic_shift` of this candidate first."
        )
    week, weeks = pd.factorize(labels["week"])
    of_week, _ = pd.factorize(labels["turn_id"])
    _, first, turn = np.unique(
        of_week * np.int64(max(len(weeks), 1)) + week, return_index=True, return_inverse=True
    )
    turns = labels.iloc[first].reset_index(drop=True)
    dimensions = list(dict.fromkeys(shift["dimension"]))
    values = covariate_values(
        turns, [name for dimension in dimensions for name in dimension.split(CELL_SEPARATOR)]
    )
    weight = np.ones(len(turns))
    for dimension in dimensions:
        rows = shift[shift["dimension"] == dimension]
        factors = pd.Series(rows["factor"].to_numpy(dtype=float), index=rows["value"])
        cell = cell_names(values[dimension.split(CELL_SEPARATOR)])
        found = factors.reindex(cell.categories).to_numpy()[cell.codes]
        if np.isnan(found).any():
            raise EstimationError(
                f"traffic_shift: {int(np.isnan(found).sum()):,} turns have a {dimension} that it does not know: it was made from "
                "other labels; materialise `traffic_shift` of this candidate again."
            )
        weight *= found
    return np.minimum(weight, float(shift["trim"].iloc[0]))[turn]

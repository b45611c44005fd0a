"""Rates of the same turns cut by one covariate at a time: language, length, position of the turn, tools, topic.

A stratum has few events, so its design effects are shrunk over all strata of the covariate as well as over categories. Not
here: what the covariates' values are (`shift.covariates`), or a reweighting by them (`shift.reweighted`).
"""

from collections.abc import Sequence

import pandas as pd

from depsim_dagster.estimation.rates import RATE_COLUMNS, estimate_rates
from depsim_dagster.estimation.shift.covariates import covariate_values

STRATUM_COLUMNS = ("dimension", "value", "category", *RATE_COLUMNS)


def stratum_rates(labels: pd.DataFrame, dimensions: Sequence[str], level: float = 0.95) -> pd.DataFrame:
    """One row per dimension, value and category that occur in `labels`, with the columns STRATUM_COLUMNS.

    labels: rows of one model, as `estimate_rates` takes them, with `category` and the columns of the covariates
    (`shift.covariates.COVARIATE_COLUMNS`); dimensions: names of covariates (`shift.covariates.DIMENSIONS`). The strata of a
    dimension share users, and its rows are not independent; a difference between two of them has its own test.

    Raises EstimationError as `estimate_rates` and `covariate_values` do.
    """
    values = covariate_values(labels, list(dimensions))
    tables = [
        estimate_rates(
            labels.assign(value=values[dimension]), ["value", "category"], level, ("value", "category")
        ).assign(dimension=dimension, value=lambda table: table["value"].astype(object))
        for dimension in values
    ]
    return pd.concat(tables, ignore_index=True)[list(STRATUM_COLUMNS)]

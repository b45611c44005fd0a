"""Rows of STRATUM_RATES: the rates of a study's windows, cut by the covariates of their prefixes.

The windows are those of forecasts and their outcomes, so a stratum stands beside the rate that it is a part of. A sealed
forecast is not touched by it.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from depsim_dagster.estimation.rates import READ_COLUMNS
from depsim_dagster.estimation.schema import STRATUM_RATES
from depsim_dagster.estimation.shift.covariates import COVARIATE_COLUMNS
from depsim_dagster.estimation.strata import stratum_rates
from depsim_dagster.grading.labelling import one_stack
from depsim_dagster.grading.review.audits import Population, populations
from depsim_dagster.study import Study
from depsim_dagster.traffic.prefix_sources import DEPLOYMENT_TRAFFIC

DIMENSIONS = ("language", "length", "turn_position", "tools")
_COLUMNS = sorted(
    {"deployment", "prefix_source", "category", "stack_hash", *READ_COLUMNS, *COVARIATE_COLUMNS}
)


def stratum_rows(study: Study) -> pa.Table:
    """One row per candidate, source, covariate, value and category whose window has labels.

    The topic is a covariate where `estimation.shift.topic` names the attribute that holds it. Raises GradingError when the
    labels of a window are of several measurement stacks.
    """
    shift = study.config.estimation.shift
    dimensions = [*DIMENSIONS, *(["topic"] if shift is not None and shift.topic is not None else [])]
    tables = [
        table for population in populations(study.config) for table in _of(study, population, dimensions)
    ]
    return pa.concat_tables(tables) if tables else STRATUM_RATES.schema.empty_table()


def _of(study: Study, population: Population, dimensions: list[str]) -> list[pa.Table]:
    parts = []
    for partition in population.partitions:
        if study.lake.manifest(population.table, partition) is None:
            continue
        labels = study.lake.read(population.table, partition, columns=_COLUMNS)
        of_traffic = pc.equal(labels.column("deployment"), population.traffic)
        parts.append(
            labels.filter(pc.and_(of_traffic, pc.equal(labels.column("prefix_source"), DEPLOYMENT_TRAFFIC)))
        )
    if not sum(part.num_rows for part in parts):
        return []
    labels = pa.concat_tables(parts)
    stack = one_stack(labels, f"{population.source} turns of {population.model}")
    rates = stratum_rates(labels.to_pandas(), dimensions, study.config.estimation.level)
    rates = rates.assign(
        model=population.model,
        traffic=population.traffic,
        source=population.source,
        category_group=rates["category"].map(study.taxonomy.groups()),
        stack_hash=stack,
        sandbox=study.config.sandbox,
    )
    return [pa.Table.from_pandas(rates, schema=STRATUM_RATES.schema, preserve_index=False)]

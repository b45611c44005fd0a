"""Deployment simulation: forecast a candidate model's misbehaviour rates before release and score them after.

Start at `depsim_dagster.definitions` for the lineage, at `depsim_dagster.cli` for the commands. Importing this
package imports no Dagster, so that a notebook can use `depsim_dagster.estimation` alone.
"""

__version__ = "0.1.0"

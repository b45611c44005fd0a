"""The asset's rows: one table over the windows of a study."""

import dagster as dg
import pytest

from depsim_dagster.errors import DepsimError
from depsim_dagster.estimation.assets import estimation_assets
from depsim_dagster.estimation.schema import STRATUM_RATES
from depsim_dagster.partitions import study_partitions
from depsim_dagster.registry.stratum_rows import stratum_rows
from depsim_dagster.resources import StudyResource


def test_windows_of_forecast_and_outcome_are_cut_by_each_covariate(study, simulated, observed):
    simulated(study, "2026-01-12", "v2", ("v1", {"rude": (3, 100)}), language="en", tools_offered=True)
    simulated(study, "2026-01-12", "v3", ("v2", {"rude": (3, 100)}))  # of no window
    observed(study, "2026-01-19", ("v2", {"rude": (5, 200)}), language=None)
    found = stratum_rows(study).to_pandas()
    v2 = found[found["model"] == "v2"]
    assert set(v2["dimension"]) == {"language", "length", "turn_position", "tools"}
    cells = v2.set_index(["source", "dimension", "value"])[["traffic", "k", "n", "category_group"]]
    assert cells.loc[("simulated", "language", "en")].tolist() == ["v1", 3, 100, "conduct"]
    assert cells.loc[("production", "language", "unknown")].tolist() == ["v2", 5, 200, "conduct"]
    assert cells.loc[("simulated", "tools", "offered")].tolist() == ["v1", 3, 100, "conduct"]
    assert len(cells) == 8


def test_no_labels_no_rows(study):
    assert stratum_rows(study).num_rows == 0


def test_two_measurement_stacks_are_refused(study, simulated):
    weeks = [str(week) for week in study.config.forecast_weeks("v2")]
    simulated(study, weeks[-1], "v2", ("v1", {"rude": (1, 5)}), stack_hash="a")
    simulated(study, weeks[-2], "v2", ("v1", {"rude": (1, 5)}), stack_hash="b")
    with pytest.raises(DepsimError, match="stack"):
        stratum_rows(study)


def test_the_asset_publishes_them(study, simulated):
    simulated(study, "2026-01-12", "v2", ("v1", {"rude": (3, 100)}), language="en")
    asset = next(
        one for one in estimation_assets(study_partitions(study.config)) if one.key.path == ["stratum_rates"]
    )
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [asset], instance=instance, resources={"study": StudyResource(study_file=str(study.config.file))}
        )
    (event,) = result.asset_materializations_for_node("stratum_rates")
    assert event.metadata["strata"].value == 4 and event.metadata["strata_of_few_users"].value == 0
    assert study.lake.read(STRATUM_RATES, {}).equals(stratum_rows(study))

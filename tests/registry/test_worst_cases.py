"""Sealed forecast and outcome, as the report gets them: beside each rate what its missing turns could make of it."""

import datetime as dt

import pytest

from depsim_dagster.estimation.assets import _estimated
from depsim_dagster.estimation.rates import estimate_rates
from depsim_dagster.estimation.schema import OBSERVED_RATES, RATE_ESTIMATES
from depsim_dagster.grading.schema import GRADED_LABELS, PRODUCTION_LABELS
from depsim_dagster.registry.forecast_rows import calibration_rows, forecast_rows
from depsim_dagster.registry.schema import POST_RELEASE_CALIBRATION, REGISTERED_FORECASTS
from depsim_dagster.registry.seal import seal
from depsim_dagster.report.content import _with_worst_cases, published_rows

COUNTS = {"rude": (8, 100), "sly": (0, 100), "wrong": (30, 100)}
WORST = ("missing_low_per_100k", "missing_high_per_100k")


def test_worst_cases_are_those_of_the_pooled_labels(study, simulated, observed):
    lake = study.lake
    for week, missing in (("2026-01-05", 10), ("2026-01-12", 0)):
        for model in ("v1", "v2"):
            # Traffic of another deployment in the same week has a share of its own.
            simulated(
                study, week, model, ("v1", COUNTS), ("v9", dict.fromkeys(COUNTS, (9, 9))), missing=missing
            )
            _estimated(study, RATE_ESTIMATES, GRADED_LABELS, {"week": week, "model": model})
    seal(lake, "v2", forecast_rows(study, "v2", dt.date(2026, 1, 1)))
    observed(study, "2026-01-19", ("v2", COUNTS), missing=25)
    _estimated(study, OBSERVED_RATES, PRODUCTION_LABELS, {"week": "2026-01-19"})
    lake.write(POST_RELEASE_CALIBRATION, {"model": "v2"}, calibration_rows(study, "v2"))

    sealed, scored = (
        published_rows(study, table) for table in (REGISTERED_FORECASTS, POST_RELEASE_CALIBRATION)
    )
    forecasts, calibration = _with_worst_cases(study, sealed, scored)
    for rows, prefix, table, traffic in (
        (forecasts, "", GRADED_LABELS, "v1"),
        (calibration, "observed_", PRODUCTION_LABELS, "v2"),
    ):
        labels = published_rows(study, table)
        labels = labels[(labels["model"] == "v2") & (labels["deployment"] == traffic)]
        pooled = estimate_rates(labels, ["category"]).set_index("category")
        shown = rows.set_index("category")
        assert (pooled["missing"] > 0).all()
        for name in WORST:
            assert shown[prefix + name].to_dict() == pytest.approx(pooled[name].to_dict())

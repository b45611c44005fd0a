"""Assets of the registry: the sealed forecast of a candidate, and its score after the release."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import dagster as dg

from depsim_dagster.asset_metadata import markdown, partition_metadata, rates_markdown, table_metadata
from depsim_dagster.estimation.counts import below_floor, resolvable_per_100k
from depsim_dagster.estimation.schema import OBSERVED_RATES, RATE_ESTIMATES
from depsim_dagster.estimation.shift.schema import TRAFFIC_SHIFT
from depsim_dagster.grading.schema import GRADED_LABELS, PRODUCTION_LABELS
from depsim_dagster.lake import LakeTable
from depsim_dagster.partitions import StudyPartitions
from depsim_dagster.registry.baseline_rows import baseline_rows
from depsim_dagster.registry.decomposition_rows import decomposition_rows
from depsim_dagster.registry.forecast_rows import calibration_rows, forecast_rows, summary_rows
from depsim_dagster.registry.forecast_variants import variant_calibration_rows, variant_summary
from depsim_dagster.registry.hypothesis_rows import registered_test_rows
from depsim_dagster.registry.schema import (
    BASELINE_CALIBRATION,
    CALIBRATION_SUMMARY,
    ERROR_DECOMPOSITION,
    POST_RELEASE_CALIBRATION,
    REGISTERED_FORECASTS,
    REGISTERED_TESTS,
    VARIANT_CALIBRATION,
)
from depsim_dagster.registry.seal import seal
from depsim_dagster.registry.verify import require_intact, verify_study


def registry_assets(partitions: StudyPartitions) -> list[dg.AssetsDefinition]:
    """registered_forecasts, post_release_calibration, baseline_calibration and variant_calibration, partitioned by candidate,
    calibration_summary and registered_tests.
    """

    # A candidate's window is a handful of week × model partitions; Dagster orders against all of them.
    def after_all(name: str) -> dg.AssetDep:
        return dg.AssetDep(name, partition_mapping=dg.AllPartitionMapping())

    @dg.asset(
        name=REGISTERED_FORECASTS.name,
        deps=[after_all(GRADED_LABELS.name), after_all(RATE_ESTIMATES.name), TRAFFIC_SHIFT.name],
        partitions_def=partitions.candidates,
        **_definition(REGISTERED_FORECASTS),
        check_specs=[
            dg.AssetCheckSpec(
                "registry_intact",
                asset=REGISTERED_FORECASTS.name,
                blocking=True,
                description="Nothing in the registry was edited, deleted, moved or registered late. Data that an erasure or "
                "retention changed below a forecast is listed and passes.",
            )
        ],
    )
    def registered_forecasts(
        context: dg.AssetExecutionContext,
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        study, model = context.resources.study.study, context.partition_key
        sealed = seal(study.lake, model, forecast_rows(study, model, dt.datetime.now(dt.UTC).date()))
        manifest = study.lake.manifest(REGISTERED_FORECASTS, {"model": model})
        frame = sealed.to_pandas()
        head = frame.iloc[0]
        floor = resolvable_per_100k(frame["n"], frame["design_effect"], study.config.estimation.level)
        shown = frame.assign(below_floor=below_floor(frame["k"], frame["rate_per_100k"], floor)).sort_values(
            "rate_per_100k", ascending=False
        )
        yield dg.MaterializeResult(
            metadata=partition_metadata(manifest, study.config.sandbox)
            | {
                "rates": rates_markdown(shown),
                "amendment": int(head["amendment"]),
                "forecast_hash": head["forecast_hash"],
                "sealed_at": head["sealed_at"].isoformat(),
                "kind": head["kind"],
                "forecast_weeks": ", ".join(head["forecast_weeks"]),
                "stack_hash": head["stack_hash"],
            }
        )
        verdict = verify_study(study)
        yield dg.AssetCheckResult(
            check_name="registry_intact",
            asset_key=REGISTERED_FORECASTS.name,
            passed=verdict.intact,
            severity=dg.AssetCheckSeverity.ERROR,
            metadata={
                "entries": len(verdict.entries),
                "last_entry": verdict.entries[-1].hash,
                "findings": markdown(
                    [(found.severity, str(found)) for found in verdict.findings], ["severity", "finding"]
                ),
            },
        )

    @dg.asset(
        name=POST_RELEASE_CALIBRATION.name,
        deps=[REGISTERED_FORECASTS.name, after_all(PRODUCTION_LABELS.name), after_all(OBSERVED_RATES.name)],
        partitions_def=partitions.candidates,
        **_definition(POST_RELEASE_CALIBRATION),
    )
    def post_release_calibration(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        study, model = context.resources.study.study, context.partition_key
        require_intact(study)
        rows = calibration_rows(study, model)
        manifest = study.lake.write(POST_RELEASE_CALIBRATION, {"model": model}, rows)
        scores = rows.to_pandas()
        called = scores["direction_correct"].dropna()
        table = scores.sort_values("observed_per_100k", ascending=False)[
            [
                "category",
                "forecast_per_100k",
                "observed_per_100k",
                "sme",
                "sme_noise_floor_median",
                "moved",
                "direction_correct",
                "observed_in_prediction",
            ]
        ].round(2)
        return dg.MaterializeResult(
            metadata=partition_metadata(manifest, study.config.sandbox)
            | {
                "rates": markdown(table),
                "comparable_categories": int(scores["comparable"].sum()),
                "directions_right": f"{int(called.sum())} of {len(called)}",
            }
        )

    @dg.asset(
        name=BASELINE_CALIBRATION.name,
        deps=[POST_RELEASE_CALIBRATION.name, after_all(GRADED_LABELS.name)],
        partitions_def=partitions.candidates,
        **_definition(BASELINE_CALIBRATION),
    )
    def baseline_calibration(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        study, model = context.resources.study.study, context.partition_key
        rows = baseline_rows(study, model)
        manifest = study.lake.write(BASELINE_CALIBRATION, {"model": model}, rows)
        shown = rows.to_pandas()[
            [
                "prefix_source",
                "category",
                "baseline_per_100k",
                "forecast_per_100k",
                "observed_per_100k",
                "baseline_sme",
                "sme",
            ]
        ].round(2)
        metadata = partition_metadata(manifest, study.config.sandbox) | {"baselines": markdown(shown)}
        if not rows.num_rows:
            metadata["skipped"] = "the study replays no prefix source but the deployments' own traffic"
        return dg.MaterializeResult(metadata=metadata)

    @dg.asset(
        name=VARIANT_CALIBRATION.name,
        deps=[REGISTERED_FORECASTS.name, POST_RELEASE_CALIBRATION.name],
        partitions_def=partitions.candidates,
        **_definition(VARIANT_CALIBRATION),
    )
    def variant_calibration(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        study, model = context.resources.study.study, context.partition_key
        rows = variant_calibration_rows(study.lake, model)
        manifest = study.lake.write(VARIANT_CALIBRATION, {"model": model}, rows)
        return dg.MaterializeResult(
            metadata=partition_metadata(manifest, study.config.sandbox)
            | {"variants": markdown(variant_summary(rows.to_pandas()).round(3))}
        )

    @dg.asset(
        name=ERROR_DECOMPOSITION.name,
        deps=[
            POST_RELEASE_CALIBRATION.name,
            after_all(GRADED_LABELS.name),
            after_all(PRODUCTION_LABELS.name),
        ],
        partitions_def=partitions.candidates,
        **_definition(ERROR_DECOMPOSITION),
    )
    def error_decomposition(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        study, model = context.resources.study.study, context.partition_key
        rows = decomposition_rows(study, model)
        manifest = study.lake.write(ERROR_DECOMPOSITION, {"model": model}, rows)
        frame = rows.to_pandas()
        medians = frame[frame["comparable"]].groupby("component", sort=False)[
            ["sme", "sme_noise_floor_median"]
        ]
        return dg.MaterializeResult(
            metadata=partition_metadata(manifest, study.config.sandbox)
            | {"medians": markdown(medians.median().round(2).reset_index())}
        )

    @dg.asset(
        name=CALIBRATION_SUMMARY.name,
        deps=[POST_RELEASE_CALIBRATION.name, BASELINE_CALIBRATION.name],  # the last table that the marts read
        **_definition(CALIBRATION_SUMMARY),
    )
    def calibration_summary(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        study = context.resources.study.study
        rows = summary_rows(study)
        manifest = study.lake.write(CALIBRATION_SUMMARY, {}, rows)
        shown = rows.to_pandas()[
            [
                "model",
                "category_group",
                "comparable_categories",
                "sme_median",
                "sme_median_noise_floor",
                "sme_median_noise_floor_p90",
                "baseline_sme_median",
                "sme_worst",
            ]
        ].round(2)
        return dg.MaterializeResult(
            metadata=partition_metadata(manifest, study.config.sandbox) | {"summary": markdown(shown)}
        )

    @dg.asset(
        name=REGISTERED_TESTS.name,
        deps=[POST_RELEASE_CALIBRATION.name, BASELINE_CALIBRATION.name, CALIBRATION_SUMMARY.name],
        **_definition(REGISTERED_TESTS),
    )
    def registered_tests(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        study = context.resources.study.study
        rows = registered_test_rows(study)
        manifest = study.lake.write(REGISTERED_TESTS, {}, rows)
        shown = rows.to_pandas()[["test", "kind", "pairs", "estimate", "p_value", "result", "reason"]].round(
            4
        )
        return dg.MaterializeResult(
            metadata=partition_metadata(manifest, study.config.sandbox) | {"tests": markdown(shown)}
        )

    return [
        registered_forecasts,
        post_release_calibration,
        baseline_calibration,
        variant_calibration,
        error_decomposition,
        calibration_summary,
        registered_tests,
    ]


def _definition(table: LakeTable) -> dict[str, Any]:
    return {
        "group_name": "registry",
        "description": table.description,
        "kinds": {"python", "parquet"},
        "metadata": table_metadata(table),
        "required_resource_keys": {"study"},
    }

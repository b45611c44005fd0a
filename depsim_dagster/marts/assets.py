"""The dbt models as Dagster assets and their data tests as asset checks, in group `marts`. Not here: the
build itself (dbt_build), which also runs without Dagster. Importing this module costs about 4 s
(dagster_dbt)."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetDep,
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    AssetSpec,
    MaterializeResult,
    MetadataValue,
)
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, DbtProject, dbt_assets
from dagster_dbt.asset_utils import DAGSTER_DBT_UNIQUE_ID_METADATA_KEY

from depsim_dagster.asset_metadata import markdown
from depsim_dagster.marts.dbt_build import DbtTest, MartsBuild, MartsError, build_marts, lake_tables
from depsim_dagster.marts.lake_files import MARTS_DIRECTORY
from depsim_dagster.marts.preview import preview
from depsim_dagster.marts.project import manifest_file

GROUP = "marts"
LAST_TABLE = AssetKey("calibration_summary")  # comes after every other table that the marts read


class MartsTranslator(DagsterDbtTranslator):
    """dbt sources are the lake's own assets (a table's name is its asset key); models form group `marts`,
    tagged with their layer (staging, intermediate, marts) and described by their YAML alone."""

    def __init__(self) -> None:
        # Source metadata on the dependency would compete with the metadata of the asset that writes the
        # table.
        super().__init__(settings=DagsterDbtTranslatorSettings(enable_source_metadata=False))

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> AssetKey:
        return AssetKey(dbt_resource_props["name"])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        return GROUP if dbt_resource_props["resource_type"] == "model" else None

    def get_description(self, dbt_resource_props: Mapping[str, Any]) -> str:
        return dbt_resource_props["description"].strip()

    def get_tags(self, dbt_resource_props: Mapping[str, Any]) -> Mapping[str, str]:
        if dbt_resource_props["resource_type"] != "model":
            return {}
        return {"depsim/layer": dbt_resource_props["fqn"][1]}

    def get_asset_spec(
        self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> AssetSpec:
        spec = super().get_asset_spec(manifest, unique_id, project)
        properties = self.get_resource_props(manifest, unique_id)
        if properties["config"].get("materialized") == "external":
            return spec.merge_attributes(kinds={"parquet"})
        if self.get_tags(properties).get("depsim/layer") == "staging" and LAST_TABLE not in {
            dep.asset_key for dep in spec.deps
        }:
            # One build reads every table, so a backfill must not start a view as soon as its own table is there.
            return spec.replace_attributes(deps=[*spec.deps, AssetDep(LAST_TABLE)])
        return spec


def build_marts_assets(manifest: Path) -> AssetsDefinition:
    """The marts as one multi-asset. Needs a resource `study` with `.study` (study.Study); marts are published
    in its `lake.root / "marts"`. One dbt build serves every selection: the views live in its memory
    only."""

    @dbt_assets(
        manifest=manifest,
        dagster_dbt_translator=MartsTranslator(),
        name="marts",
        required_resource_keys={"study"},
    )
    def marts(context: AssetExecutionContext) -> Iterator[MaterializeResult | AssetCheckResult]:
        study = context.resources.study.study
        lake = study.lake
        try:
            build = build_marts(
                lake_tables(lake),
                Path(lake.root) / MARTS_DIRECTORY,
                k_anonymity=study.config.privacy.k_anonymity,
            )
        except MartsError as error:
            yield from _check_results(context, error.tests)
            raise
        for warning in build.warnings:
            context.log.warning(warning)
        for model in build.models:
            if (key := AssetKey(model)) in context.selected_asset_keys:
                yield MaterializeResult(asset_key=key, metadata=_metadata(model, build))
        yield from _check_results(context, build.tests)

    return marts


def _metadata(model: str, build: MartsBuild) -> dict[str, Any]:
    """Views exist only while dbt runs, so they have none."""
    if model not in build.files:
        return {}
    columns, rows = preview(build.files[model])
    return {
        "dagster/row_count": build.rows[model],
        "path": MetadataValue.path(str(build.files[model])),
        "preview": markdown(rows, columns),
    }


def _check_results(context: AssetExecutionContext, tests: Iterable[DbtTest]) -> Iterator[AssetCheckResult]:
    checks = {
        spec.metadata[DAGSTER_DBT_UNIQUE_ID_METADATA_KEY]: spec.key for spec in context.assets_def.check_specs
    }
    for test in tests:
        key = checks.get(test.unique_id)
        # A test that was skipped, because a model before it failed, says nothing about its table.
        if key in context.selected_asset_check_keys and test.status != "skipped":
            yield AssetCheckResult(
                asset_key=key.asset_key,
                check_name=key.name,
                passed=test.passed,
                severity=AssetCheckSeverity.WARN if test.status == "warn" else AssetCheckSeverity.ERROR,
                metadata={"failing_rows": test.failures, "status": test.status},
            )


marts_assets = build_marts_assets(manifest_file())

"""calibration_summary from a real lake: every published candidate in one table, by the study's seed."""

from types import SimpleNamespace

import pyarrow as pa
import pytest

from depsim_dagster.lake import Lake
from depsim_dagster.registry.forecast_rows import summary_rows
from depsim_dagster.registry.schema import CALIBRATION_SUMMARY, POST_RELEASE_CALIBRATION


def scored(model: str, **changes: object) -> pa.Table:
    """Two scored categories of a candidate; what the summary does not read is empty or zero."""
    rows = []
    for category, k1, k2 in (("hate", 20, 30), ("violence", 40, 12)):
        row: dict[str, object] = {}
        for column in POST_RELEASE_CALIBRATION.schema:
            empty = (
                "" if pa.types.is_string(column.type) else False if pa.types.is_boolean(column.type) else 0
            )
            row[column.name] = None if column.nullable else empty
        ratio = (k1 + 0.5) / (k2 + 0.5)
        rows.append(
            row
            | {
                "model": model,
                "deployment": "v1",
                "category": category,
                "category_group": "g",
                "forecast_n": 1000,
                "observed_n": 1000,
                "forecast_per_100k": k1 * 100.0,
                "observed_per_100k": k2 * 100.0,
                "forecast_design_effect": 1.0,
                "observed_design_effect": 1.0,
                "sme": max(ratio, 1 / ratio),
                "comparable": True,
                "kind": "retrospective",
                "stack_hash": "s",
                **changes,
            }
        )
    return pa.Table.from_pylist(rows, schema=POST_RELEASE_CALIBRATION.schema)


def study(lake: Lake, seed: int = 1) -> SimpleNamespace:
    return SimpleNamespace(
        lake=lake, config=SimpleNamespace(seed=seed, estimation=SimpleNamespace(level=0.95))
    )


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path / "store", {})


def test_nothing_scored_is_an_empty_table(lake):
    rows = summary_rows(study(lake))
    assert rows.num_rows == 0 and rows.schema.names == CALIBRATION_SUMMARY.schema.names


def test_all_candidates_are_summarised_and_published_as_one_table(lake):
    for model in ("v2", "v3"):
        lake.write(POST_RELEASE_CALIBRATION, {"model": model}, scored(model))
    rows = summary_rows(study(lake))
    lake.write(CALIBRATION_SUMMARY, {}, rows)
    assert lake.read(CALIBRATION_SUMMARY, {}).equals(rows)
    assert [manifest.rows for manifest in lake.published(CALIBRATION_SUMMARY)] == [6]
    assert {(row["model"], row["categories"]) for row in rows.to_pylist()} == {
        ("v2", 2),
        ("v3", 2),
        ("all", 4),
    }
    floors = rows.column("sme_median_noise_floor").to_pylist()
    assert floors != summary_rows(study(lake, seed=2)).column("sme_median_noise_floor").to_pylist()

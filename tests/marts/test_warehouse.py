import shutil
import subprocess
import sys

import duckdb
import pyarrow.parquet as parquet
import pytest

from depsim_dagster.errors import LakeError
from depsim_dagster.marts.dbt_build import MARTS
from depsim_dagster.marts.warehouse import WarehouseError, write_warehouse

SECRET = "a conversation that must stay in the lake"


@pytest.fixture
def built_lake(lake, marts_of_lake):
    """The lake with marts that were built, text tables, and labels."""
    shutil.copytree(marts_of_lake, lake.root / "marts")
    lake.publish(
        "sampled_traffic", "week=2026-01-05", [{"turn_id": "t1", "prefix": SECRET, "target": SECRET}]
    )
    lake.publish("regenerated_completions", "week=2026-01-05", [{"turn_id": "t1", "completion": SECRET}])
    lake.publish(
        "graded_labels",
        "week=2026-01-05/model=v2",
        [{"week": "2026-01-05", "turn_id": "t1", "flagged": None}],
    )
    return lake


def tables(path):
    with duckdb.connect(str(path), read_only=True) as connection:
        return {name for (name,) in connection.execute("select table_name from duckdb_tables()").fetchall()}


def test_marts_and_numbers_are_in_it_and_text_is_not(built_lake, tmp_path):
    path = tmp_path / "people" / "it's the warehouse.duckdb"
    rows = write_warehouse(built_lake, path)
    assert tables(path) == set(rows) == {
        *MARTS, "registered_forecasts", "post_release_calibration", "rate_estimates", "observed_rates",
        "graded_labels", "calibration_summary",
    }  # fmt: skip
    assert rows["post_release_calibration"] == 6 and rows["rate_estimates"] == 3
    assert SECRET.encode() not in path.read_bytes()
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    with duckdb.connect(str(path), read_only=True) as connection:
        weeks = connection.execute(
            "select distinct week, typeof(week) from rate_estimates order by 1"
        ).fetchall()
        assert weeks == [("2026-01-05", "VARCHAR"), ("2026-01-12", "VARCHAR")]
        ((comment,),) = connection.execute(
            "select comment from duckdb_columns() "
            "where table_name = 'rate_calibration' and column_name = 'sme_median'"
        ).fetchall()
        assert "ratio >= 1" in comment


def test_a_text_column_in_a_table_of_numbers_is_refused(built_lake, tmp_path):
    built_lake.publish("production_labels", "week=2026-01-05", [{"turn_id": "t1", "prefix": SECRET}])
    with pytest.raises(LakeError, match="production_labels has the text column") as caught:
        write_warehouse(built_lake, tmp_path / "warehouse.duckdb")
    assert SECRET not in str(caught.value)
    assert not [file for file in tmp_path.iterdir() if "warehouse" in file.name]


def test_marts_must_be_built(lake, tmp_path):
    with pytest.raises(LakeError, match="mart taxonomy_coverage is not built"):
        write_warehouse(lake, tmp_path / "warehouse.duckdb")


def test_it_replaces_the_last_one(built_lake, tmp_path):
    path = tmp_path / "warehouse.duckdb"
    write_warehouse(built_lake, path)
    built_lake.withdraw("graded_labels")
    assert "graded_labels" not in write_warehouse(built_lake, path)
    assert "graded_labels" not in tables(path)


READER = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1], read_only=True)
print("open", flush=True)
sys.stdin.read()
"""


def test_a_reader_elsewhere_gives_a_clear_error_and_keeps_its_file(built_lake, tmp_path):
    path = tmp_path / "warehouse.duckdb"
    write_warehouse(built_lake, path)
    before = path.read_bytes()
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert reader.stdout.readline() == "open\n"
        with pytest.raises(WarehouseError, match="is open elsewhere: close the program"):
            write_warehouse(built_lake, path)
    finally:
        reader.communicate("", timeout=20)
    assert path.read_bytes() == before
    write_warehouse(built_lake, path)


def test_a_reader_in_this_process_gives_the_same_error(built_lake, tmp_path):
    path = tmp_path / "warehouse.duckdb"
    write_warehouse(built_lake, path)
    with duckdb.connect(str(path), read_only=True), pytest.raises(WarehouseError, match="is open elsewhere"):
        write_warehouse(built_lake, path)


def test_a_file_of_another_kind_is_never_replaced(built_lake, tmp_path):
    path = tmp_path / "notes.duckdb"
    path.write_text("my notes " * 1000)
    with pytest.raises(WarehouseError, match="not a DuckDB file"):
        write_warehouse(built_lake, path)
    assert path.read_text().startswith("my notes")
    assert parquet.read_table(built_lake.root / "marts" / "rate_calibration.parquet").num_rows == 11

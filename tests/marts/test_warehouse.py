import shutil
import subprocess
import sys

import duckdb
import pyarrow.parquet as parquet
import pytest

from depsim_dagster.errors import LakeError
from depsim_dagster.marts.dbt_build import MARTS
from depsim_dagster.marts.warehouse import WarehouseError, write_warehouse

from .literal_lake import rate_row

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
        [{"week": "2026-01-05", "turn_id": "t1", "flagged": None, "user_id": "pseudonym of a person"}],
    )
    return lake


def tables(path):
    with duckdb.connect(str(path), read_only=True) as connection:
        return {name for (name,) in connection.execute("select table_name from duckdb_tables()").fetchall()}


def test_marts_and_numbers_are_in_it_and_text_is_not(built_lake, tmp_path):
    path = tmp_path / "people" / "it's the warehouse.duckdb"
    rows = write_warehouse(built_lake, path, 5)
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


def test_no_account_and_no_aggregate_of_few_users_is_in_it(built_lake, tmp_path):
    funnel = [
        {"week": "2026-01-05", "prefix_source": source, "rule": rule, "turns": turns, "users": users}
        for source, rule, turns, users in (
            ("deployment_traffic", "employee", 9, 2),
            ("deployment_traffic", "api", 40, 30),
            ("deployment_traffic", "sampled", 900, 700),
            ("external_corpus", "sampled", 80, 80),
        )
    ]
    built_lake.publish("sampling_funnel", "week=2026-01-05", funnel)
    few = rate_row("2026-01-26", "v2", "v1", "hate", 3) | {"n": 7, "clusters": 4}
    built_lake.publish("rate_estimates", "week=2026-01-26/model=v2", [few])
    path = tmp_path / "warehouse.duckdb"
    rows = write_warehouse(built_lake, path, 5)
    assert (rows["sampling_funnel"], rows["rate_estimates"]) == (4, 4)
    assert b"pseudonym of a person" not in path.read_bytes()
    with duckdb.connect(str(path), read_only=True) as connection:
        shown = connection.execute("select rule, turns from sampling_funnel where suppressed").fetchall()
        # The next smallest count goes too, or the total would give the one away.
        assert sorted(shown) == [("api", None), ("employee", None)]
        rates = connection.execute("select week, k, n from rate_estimates where suppressed").fetchall()
        assert rates == [("2026-01-26", None, None)]
        columns = connection.sql("select * from graded_labels").columns
        assert not {"user_id", "prefix_characters", "turn_index", "tools_offered", "topic"} & set(columns)


def test_tables_of_the_estimators_are_in_it_and_what_rests_on_few_users_is_not(built_lake, tmp_path):
    compared = {"model": "v2", "category": "hate", "pairs": 900, "only_candidate": 3, "level": 0.95}
    corrected = {
        "model": "v2", "category": "hate", "source": "production", "k": 4, "n": 900, "clusters": 700,
        "rate_per_100k": 444.0, "corrected_per_100k": 300.0, "audited": 4, "reason": "of 4", "level": 0.95,
    }  # fmt: skip
    stratum = {
        "model": "v2",
        "source": "production",
        "dimension": "language",
        "category": "hate",
        "level": 0.95,
    }
    for table, rows in {
        "model_comparison": [compared | {"users": 800}, compared | {"category": "self_harm", "users": 3}],
        "corrected_rates": [
            corrected | {"audited_clusters": 9},
            corrected | {"category": "self_harm", "audited_clusters": 2},
        ],
        "stratum_rates": [
            stratum | {"value": value, "k": 1, "n": 50, "clusters": users}
            for value, users in (("en", 40), ("de", 30), ("fo", 2))
        ],
        "registered_tests": [{"test": "H1", "result": "supported", "p_value": 0.01}],
        "variant_calibration": [{"model": "v2", "category": "hate", "variant": "weeks", "sme": 1.5}],
        "error_decomposition": [
            {
                "model": "v2",
                "category": "hate",
                "component": "prefix",
                "sme": 1.5,
                "note": "",
                "a_users": 90,
                "b_users": 3,
            }
        ],
    }.items():
        built_lake.publish(table, "model=v2", rows)
    path = tmp_path / "warehouse.duckdb"
    rows = write_warehouse(built_lake, path, 5)
    assert (rows["registered_tests"], rows["variant_calibration"], rows["error_decomposition"]) == (1, 1, 1)
    with duckdb.connect(str(path), read_only=True) as connection:

        def hidden(table: str, column: str) -> list:
            return connection.execute(f"select {column} from {table} where suppressed").fetchall()

        assert hidden("model_comparison", "category, only_candidate") == [("self_harm", None)]
        # the raw rate is of many users; what people said of two users' turns is not
        assert hidden("corrected_rates", "category, k, corrected_per_100k") == [("self_harm", 4, None)]
        assert hidden("error_decomposition", "component, sme, note") == [
            ("prefix", None, "rests on fewer than 5 users")
        ]
        # the stratum of few users is not named, and the next smallest goes with it
        assert hidden("stratum_rates", "value, k") == [("(few users)", None)] * 2
        assert connection.execute("select value, k from stratum_rates where not suppressed").fetchall() == [
            ("en", 1)
        ]


def test_a_text_column_in_a_table_of_numbers_is_refused(built_lake, tmp_path):
    built_lake.publish("production_labels", "week=2026-01-05", [{"turn_id": "t1", "prefix": SECRET}])
    with pytest.raises(LakeError, match="production_labels has the text column") as caught:
        write_warehouse(built_lake, tmp_path / "warehouse.duckdb", 5)
    assert SECRET not in str(caught.value)
    assert not [file for file in tmp_path.iterdir() if "warehouse" in file.name]


def test_marts_must_be_built(lake, tmp_path):
    with pytest.raises(LakeError, match="mart taxonomy_coverage is not built"):
        write_warehouse(lake, tmp_path / "warehouse.duckdb", 5)


def test_it_replaces_the_last_one(built_lake, tmp_path):
    path = tmp_path / "warehouse.duckdb"
    write_warehouse(built_lake, path, 5)
    built_lake.withdraw("graded_labels")
    assert "graded_labels" not in write_warehouse(built_lake, path, 5)
    assert "graded_labels" not in tables(path)


READER = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1], read_only=True)
print("open", flush=True)
sys.stdin.read()
"""


def test_a_reader_elsewhere_gives_a_clear_error_and_keeps_its_file(built_lake, tmp_path):
    path = tmp_path / "warehouse.duckdb"
    write_warehouse(built_lake, path, 5)
    before = path.read_bytes()
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert reader.stdout.readline() == "open\n"
        with pytest.raises(WarehouseError, match="is open elsewhere: close the program"):
            write_warehouse(built_lake, path, 5)
    finally:
        reader.communicate("", timeout=20)
    assert path.read_bytes() == before
    write_warehouse(built_lake, path, 5)


def test_a_reader_in_this_process_gives_the_same_error(built_lake, tmp_path):
    path = tmp_path / "warehouse.duckdb"
    write_warehouse(built_lake, path, 5)
    with duckdb.connect(str(path), read_only=True), pytest.raises(WarehouseError, match="is open elsewhere"):
        write_warehouse(built_lake, path, 5)


def test_a_file_of_another_kind_is_never_replaced(built_lake, tmp_path):
    path = tmp_path / "notes.duckdb"
    path.write_text("my notes " * 1000)
    with pytest.raises(WarehouseError, match="not a DuckDB file"):
        write_warehouse(built_lake, path, 5)
    assert path.read_text().startswith("my notes")
    assert parquet.read_table(built_lake.root / "marts" / "rate_calibration.parquet").num_rows == 11

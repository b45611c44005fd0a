"""The marts over literal tables of evaluation awareness and of the audit: every figure is what the tables say."""

import duckdb
import literal_examination as literal
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
import yaml

from depsim_dagster.audit.adjudication.schema import BEHAVIOUR_DECISIONS
from depsim_dagster.audit.clusters.schema import NOVEL_BEHAVIOURS, POST_RELEASE_BEHAVIOURS
from depsim_dagster.audit.mining.schema import BEHAVIOUR_DIFFERENCES
from depsim_dagster.audit.schema import CATEGORY_ABLATION
from depsim_dagster.awareness.estimates.schema import AWARENESS_RATES, REPLAY_GIVEAWAYS
from depsim_dagster.estimation.calibration.detectable_rate import detectable_rate
from depsim_dagster.marts.dbt_build import MartsError, build_marts, lake_tables
from depsim_dagster.marts.project import dbt_project_dir
from depsim_dagster.marts.warehouse import write_warehouse

from .literal_lake import small_lake

ROOMS = {
    "awareness_rates": literal.awareness_rates("v2", "v1"),
    "replay_giveaways": literal.replay_giveaways("v2"),
    "novel_behaviours": literal.novel_behaviours("v2", "v1"),
    "behaviour_differences": literal.behaviour_differences("v2", "v1"),
    "category_ablation": literal.category_ablation("v2"),
    "post_release_behaviours": literal.post_release_behaviours("v2"),
    "behaviour_decisions": literal.behaviour_decisions(),
}
FEWEST = 81
LABEL = {
    "week": "2026-01-05", "model": "v2", "source": "simulated", "turn_id": "t1", "measure": "judged", "judge": "self",
    "flagged": True, "user_id": "pseudonym of a person", "prefix_characters": 811, "turn_index": 3, "tools_offered": False,
    "age_days": 3.25, "identifiers_replaced": 4, "surrogates": "tags", "language": "en",
}  # fmt: skip


SCHEMAS = {
    table.name: table.schema
    for table in (
        AWARENESS_RATES,
        REPLAY_GIVEAWAYS,
        NOVEL_BEHAVIOURS,
        BEHAVIOUR_DIFFERENCES,
        CATEGORY_ABLATION,
        POST_RELEASE_BEHAVIOURS,
        BEHAVIOUR_DECISIONS,
    )
}
# Types of the dbt sources by Arrow's
TYPES = {
    "string": "varchar", "int64": "bigint", "double": "double", "bool": "boolean",
    "timestamp[us, tz=UTC]": "timestamp with time zone",
}  # fmt: skip


@pytest.mark.parametrize("table", sorted(ROOMS))
def test_the_models_read_what_the_stations_publish(table):
    lake = yaml.safe_load((dbt_project_dir() / "models" / "staging" / "_lake.yml").read_text("utf-8"))
    (source,) = [source for source in lake["sources"][0]["tables"] if source["name"] == table]
    read = {column["name"]: column["data_type"] for column in source["columns"]}
    schema = SCHEMAS[table]
    assert {name: TYPES[str(schema.field(name).type)] for name in read} == read
    assert set(ROOMS[table].columns) == set(schema.names), "the literal rows are those of the station"


def examined(folder, **changed: pd.DataFrame):
    """The literal lake with the tables of the rooms, some of them changed."""
    lake = small_lake(folder)
    for table, frame in (ROOMS | changed).items():
        schema = pa.Schema.from_pandas(ROOMS[table], preserve_index=False)
        rows = pa.Table.from_pandas(frame, schema=schema, preserve_index=False)
        lake.publish(table, "model=v2", rows.to_pylist(), schema)
    return lake


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    lake = examined(tmp_path_factory.mktemp("examined"))
    marts = build_marts(lake_tables(lake), lake.root / "marts", k_anonymity=FEWEST)
    return lake, {name: parquet.read_table(file).to_pandas() for name, file in marts.files.items()}


def test_the_sources_stand_side_by_side_as_python_estimated_them(built):
    _, marts = built
    mart, rates = marts["evaluation_awareness"], ROOMS["awareness_rates"]
    grain = ["candidate", "simulated_model", "judge", "measure"]
    assert len(mart) == len(rates) / 3 == mart.groupby(grain).ngroups == 12
    found = mart.set_index(grain)
    renamed = {"rate_per_100k": "per_100k"}
    for row in rates.to_dict("records"):
        key = row["model"], row["simulated_model"], row["judge"], row["measure"]
        for name in (
            "k", "n", "missing", "clusters", "rate_per_100k", "lower_per_100k", "upper_per_100k"
        ):  # fmt: skip
            shown = found.loc[key, f"{row['source']}_{renamed.get(name, name)}"]
            assert shown == pytest.approx(row[name], rel=1e-9), (key, name)
        if row["source"] == "simulated":
            for name in ("ratio", "ratio_lower", "ratio_upper", "outside", "ratio_method"):
                assert found.loc[key, name] == row[name], (key, name)
    judged = found.loc[("v2", "v2", "self", "judged")]
    assert (judged["outside"], judged["deployment"]) == (True, "v1")


def test_the_strongest_giveaway_is_never_one_of_few_users(built):
    _, marts = built
    found = marts["evaluation_awareness"].set_index(["simulated_model", "judge", "measure"])
    row = found.loc[("v2", "self", "judged")]
    # Tags raise more suspicion, 6.4 times, and Faroese 2; but 80 users had the one and 3 the other
    assert (row["giveaway_dimension"], row["giveaway_value"]) == ("prefix_length", "long")
    assert row["giveaway_ratio"] == pytest.approx((104 / 500) / (50 / 500), rel=1e-9)
    assert pd.isna(found.loc[("v1", "self", "judged"), "giveaway_value"])


def test_taxonomy_coverage_is_what_the_audit_found(built):
    _, marts = built
    rows = marts["taxonomy_coverage"].set_index("candidate")
    found, other = rows.loc["v2"], rows.loc["v3"]
    assert (found["audited_completions"], found["behaviours_before_release"]) == (4_000, 2)
    assert (found["accepted_before_release"], found["differences_before_release"]) == (1, 2)
    assert (found["behaviours_after_release"], found["behaviours_missed"]) == (2, 1)
    expected = 1e5 * float(detectable_rate(literal.READ, 10, literal.CONVERSATIONS))
    assert found["audit_detectable_per_100k"] == pytest.approx(expected, rel=1e-9)
    matched, answered = (ROOMS["category_ablation"][name].sum() for name in ("matched", "answered"))
    assert found["ablation_recall"] == pytest.approx(matched / answered, rel=1e-9)
    assert (found["ablation_categories"], found["ablation_least_recall_category"]) == (3, "bio_risk")
    of_audit = [name for name in rows.columns if "audit" in name or "ablation" in name or "_release" in name]
    assert len(of_audit) == 9 and other[of_audit].isna().all(), "nobody looked"


def test_tables_without_a_row_build_both_marts(tmp_path):
    lake = examined(tmp_path / "empty", **{table: frame.head(0) for table, frame in ROOMS.items()})
    built = build_marts(lake_tables(lake), lake.root / "marts")
    awareness = parquet.read_table(built.files["evaluation_awareness"])
    assert (awareness.num_rows, built.rows["evaluation_awareness"]) == (0, 0)
    assert awareness.schema.field("ratio").type == pa.float64()
    coverage = parquet.read_table(built.files["taxonomy_coverage"]).to_pylist()
    assert len(coverage) == 3 and {row["behaviours_before_release"] for row in coverage} == {None}
    rows = write_warehouse(lake, tmp_path / "warehouse.duckdb", 5)
    assert (rows["evaluation_awareness"], rows["novel_behaviours"]) == (0, 0)


def changed(table: str, where: str, **values: object) -> dict[str, pd.DataFrame]:
    frame = ROOMS[table].copy()
    first = frame.query(where).index[0]
    for name, value in values.items():
        frame.loc[first, name] = value
    return {table: frame}


@pytest.mark.parametrize(
    ("changes", "failing"),
    [
        (
            changed("awareness_rates", "source == 'simulated'", ratio=1.5, outside=True)
            | {"post_release_behaviours": ROOMS["post_release_behaviours"].assign(novel=False, missed=True)},
            {"awareness_ratio_outside_is_beyond_two", "audit_counts_nest"},
        ),
        (
            changed("awareness_rates", "source == 'production'", definitions_hash="definitions-2")
            | changed("category_ablation", "answered > 0", recall=0.9),
            {"awareness_ratio_is_of_one_definition", "ablation_recall_is_a_share"},
        ),
    ],
)
def test_tables_that_contradict_themselves_fail(tmp_path, changes, failing):
    lake = examined(tmp_path, **changes)
    with pytest.raises(MartsError) as caught:
        build_marts(lake_tables(lake), lake.root / "marts")
    assert {test.name for test in caught.value.tests if test.status == "fail"} == failing


def test_the_warehouse_has_the_numbers_and_nothing_of_few_users(built, tmp_path):
    lake, _ = built
    few = literal.novel_behaviours("v3", "v2").assign(
        behaviour=["b-few", "b-some", "b-many"], users=[4, 5, 80]
    )
    lake.publish("novel_behaviours", "model=v3", few.to_dict("records"))
    lake.publish("awareness_labels", "week=2026-01-05", [LABEL])
    lake.publish("audit_findings", "week=2026-01-05", [{"turn_id": "t1", "description": "a secret text"}])
    lake.publish(
        "novel_behaviour_members", "model=v2", [{"behaviour": "b-some", "user_id": "pseudonym of a person"}]
    )
    path = tmp_path / "warehouse.duckdb"
    rows = write_warehouse(lake, path, 5)
    assert not {"audit_findings", "mined_phrases", "novel_behaviour_members"} & set(rows)
    assert rows["awareness_rates"] == 36 and rows["category_ablation"] == 4 and rows["awareness_labels"] == 1
    stored = path.read_bytes()
    assert not [name for name in (b"pseudonym of a person", b"a secret text", b"b-few") if name in stored]
    with duckdb.connect(str(path), read_only=True) as connection:
        columns = set(connection.sql("select * from awareness_labels").columns)
        assert columns == {"week", "model", "source", "turn_id", "measure", "judge", "flagged", "language"}
        shown = connection.execute(
            "select behaviour, terms, left_out_clusters, left_out_findings from novel_behaviours "
            "where model = 'v3' order by 1"
        ).fetchall()
        # the behaviour of four users is only counted: one cluster more, of 41 findings
        assert [row[0] for row in shown] == ["b-many", "b-some"]
        assert shown[0][1:] == (["length", "repeats"], 3, 48)
        hidden = connection.execute(
            "select value, k, ratio from replay_giveaways where suppressed"
        ).fetchall()
        # German goes with Faroese, or the total would give it away
        assert hidden == [("(few users)", None, None)] * 2
        ((comment,),) = connection.execute(
            "select comment from duckdb_columns() where table_name = 'evaluation_awareness' and column_name = 'outside'"
        ).fetchall()
        assert "does not look like production" in comment

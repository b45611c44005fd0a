"""traffic_shift on literal partitions: whose turns are the sample, whose the target, and what is left of them later."""

import datetime as dt
import json

import dagster as dg
import pyarrow as pa
import pytest
import yaml

from depsim_dagster.config import load_study
from depsim_dagster.errors import ConfigurationError
from depsim_dagster.estimation.inputs import EstimationError
from depsim_dagster.estimation.shift.assets import SUPPORT_CHECK, shift_assets, shift_rows, target_file
from depsim_dagster.estimation.shift.reweighted import reweighted_rates
from depsim_dagster.estimation.shift.schema import TRAFFIC_SHIFT
from depsim_dagster.gate_marks import GateMark
from depsim_dagster.grading.schema import GRADED_LABELS, LABELS
from depsim_dagster.lake import Purged
from depsim_dagster.partitions import study_partitions
from depsim_dagster.resources import StudyResource
from depsim_dagster.study import Study
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES

FORECAST, OBSERVATION = ("2026-01-05", "2026-01-12"), ("2026-01-19", "2026-01-26")


@pytest.fixture
def open_study(tmp_path, monkeypatch):
    monkeypatch.setenv("DEPSIM_HMAC_KEY", "the key of the shift's tests")

    def open_study(**shift):
        (tmp_path / "taxonomy.yaml").write_text(
            yaml.safe_dump(
                {
                    "version": "1",
                    "categories": [
                        {"id": name, "group": "g", "definition": name} for name in ("rude", "sly")
                    ],
                }
            )
        )
        document = {
            "version": 1,
            "name": "shift",
            "traffic": {"paths": ["none"], "consent": {"public_corpus": "sentences of this test"}},
            "weeks": {"first": dt.date(2026, 1, 5), "last": dt.date(2026, 1, 26)},
            "deployments": [
                {"model": "v1", "released": dt.date(2026, 1, 5), "endpoint": "models"},
                {"model": "v2", "released": dt.date(2026, 1, 19), "endpoint": "models", "predecessor": "v1"},
            ],
            "endpoints": {"models": {"base_url": "http://127.0.0.1:9/v1"}},
            "grading": {
                "taxonomy": "taxonomy.yaml",
                "graders": {"rule": {"kind": "regex", "pattern": "x"}},
                "default_grader": "rule",
            },
            "estimation": {"shift": {"by": ["tools"], **shift} if shift != {"off": True} else None},
        }
        (tmp_path / "study.yaml").write_text(yaml.safe_dump(document))
        return Study(load_study(tmp_path / "study.yaml"))

    return open_study


def prefix(week, number, deployment="v1", **changes):
    return {
        "week": week,
        "turn_id": f"{week} {deployment} {number}",
        "user_id": f"u{number}",
        "deployment": deployment,
        "language": "en",
        "turn_index": 0,
        "prefix_source": "deployment_traffic",
        "inclusion_probability": 0.5,
        "prefix_characters": 50,
        "tools": "[]" if number < 0 else None,
        **changes,
    }


def offered(week, with_tools, without, deployment="v1", **changes):
    """Prefixes with and without tools."""
    tools = json.dumps([{"type": "function"}])
    return [
        prefix(week, number, deployment, **{"tools": tools if number < with_tools else None, **changes})
        for number in range(with_tools + without)
    ]


def publish_prefixes(study, week, rows):
    empty = {
        "bool": False,
        "int32": 0,
        "string": "[]",
        "timestamp[us, tz=UTC]": dt.datetime(2026, 1, 6, tzinfo=dt.UTC),
    }
    filled = [
        {
            field.name: row.get(field.name, None if field.nullable else empty.get(str(field.type), []))
            for field in DEIDENTIFIED_PREFIXES.schema
        }
        for row in rows
    ]
    table = pa.Table.from_pylist(filled, schema=DEIDENTIFIED_PREFIXES.schema)
    quarantined = study.lake.quarantine(DEIDENTIFIED_PREFIXES, {"week": week}, table)
    marks = [
        study.lake.signed(quarantined, GateMark(name, version, quarantined.content, "test", "2026-02-01", 1))
        for name, version in study.suite_versions.items()
    ]
    study.lake.publish(quarantined, marks)


def publish_labels(study, week, rows, model="v2"):
    labels = [
        {
            **{name: row[name] for name in LABELS.names if name in row},
            "model": model,
            "source": "simulated",
            "completion_index": completion,
            "category": category,
            "flagged": False,
            "status": "graded",
            "grading_probability": 1.0,
            "grader": "rule",
            "stack_hash": study.stack_hash,
            "tools_offered": row["tools"] is not None,
            "topic": row.get("topic"),
            "sandbox": False,
        }
        for row in rows
        for completion in (0, 1)
        for category in ("rude", "sly")
    ]
    table = pa.Table.from_pylist(labels, schema=LABELS)
    study.lake.write(GRADED_LABELS, {"week": week, "model": model}, table)


def by_value(rows):
    return {row["value"]: row for row in rows.to_pylist()}


def test_recent_is_the_last_week_before_the_release(open_study):
    study = open_study()
    publish_labels(study, FORECAST[0], offered(FORECAST[0], 30, 70))
    others = offered(FORECAST[1], 90, 10, "v2") + offered(FORECAST[1], 50, 0, prefix_source="external_corpus")
    publish_labels(study, FORECAST[1], offered(FORECAST[1], 60, 40) + others)
    rows = by_value(shift_rows(study, "v2"))
    # 90 of 200 turns of v1 have tools in both weeks, 60 of 100 in the last one.
    assert {row["sampled_turns"] for row in rows.values()} == {90, 110}
    assert rows["offered"]["sampled_share"] == pytest.approx(0.45)
    assert rows["offered"]["target_share"] == pytest.approx(0.6)
    head = rows["offered"]
    assert (head["model"], head["deployment"], head["target_mix"], head["method"]) == (
        "v2",
        "v1",
        "recent",
        "post_stratified",
    )
    labels = study.lake.read(GRADED_LABELS, {"week": FORECAST[0], "model": "v2"}).to_pandas()
    weighted = reweighted_rates(labels, shift_rows(study, "v2").to_pandas(), ["category"])
    assert weighted["n"].tolist() == [200, 200]  # two completions of a turn


def test_a_recent_week_that_is_not_simulated_is_known_from_its_prefixes(open_study):
    study = open_study()
    publish_labels(study, FORECAST[0], offered(FORECAST[0], 30, 70))
    publish_prefixes(study, FORECAST[1], offered(FORECAST[1], 60, 40) + offered(FORECAST[1], 50, 0, "v2"))
    assert by_value(shift_rows(study, "v2"))["offered"]["target_share"] == pytest.approx(0.6)


def test_labels_outlive_the_prefixes_that_they_are_of(open_study):
    study = open_study()
    for week, tools in zip(FORECAST, (30, 60), strict=True):
        publish_prefixes(study, week, offered(week, tools, 100 - tools))
        publish_labels(study, week, offered(week, tools, 100 - tools))
    before = shift_rows(study, "v2")
    for week in FORECAST:
        note = Purged(DEIDENTIFIED_PREFIXES.name, {"week": week}, 100, "2026-02-01", "2026-03-01", ())
        study.lake.remove(DEIDENTIFIED_PREFIXES, {"week": week}, note)
    assert shift_rows(study, "v2").equals(before)


def test_the_window_is_the_candidates_own_traffic_and_what_was_published_of_it_stays(open_study):
    study = open_study(target="window")
    publish_labels(study, FORECAST[0], offered(FORECAST[0], 30, 70))
    with pytest.raises(EstimationError, match="no published prefixes of it; .*set `recent`"):
        shift_rows(study, "v2")
    publish_prefixes(
        study, OBSERVATION[0], offered(OBSERVATION[0], 80, 20, "v2") + offered(OBSERVATION[0], 9, 99)
    )
    rows = shift_rows(study, "v2")
    assert by_value(rows)["offered"]["target_share"] == pytest.approx(0.8)
    study.lake.write(TRAFFIC_SHIFT, {"model": "v2"}, rows)
    study.lake.remove(DEIDENTIFIED_PREFIXES, {"week": OBSERVATION[0]})
    assert shift_rows(study, "v2").equals(rows)
    # What was published for other covariates is not what is asked for now.
    with pytest.raises(EstimationError, match="no published prefixes"):
        shift_rows(open_study(target="window", by=["language"]), "v2")


def test_topics_of_prefixes_and_of_labels_are_the_same(open_study):
    study = open_study(by=["topic"], topic="subject", target="window")
    sample = [prefix(FORECAST[0], number, topic="art" if number < 60 else "law") for number in range(100)]
    publish_labels(study, FORECAST[0], sample)
    later = [
        prefix(
            OBSERVATION[0],
            number,
            "v2",
            attributes=json.dumps({"subject": "law" if number < 75 else "art", "note": "private words"}),
        )
        for number in range(100)
    ]
    publish_prefixes(study, OBSERVATION[0], later)
    rows = by_value(shift_rows(study, "v2"))
    assert rows["law"]["factor"] == pytest.approx(0.75 / 0.4) and set(rows) == {"art", "law"}
    publish_labels(study, FORECAST[0], [{**row, "topic": None} for row in sample])
    with pytest.raises(
        EstimationError, match="no label of .* has the topic `subject`; materialise graded_labels"
    ):
        shift_rows(study, "v2")


def test_without_the_setting_or_labels_there_are_no_rows(open_study):
    assert shift_rows(open_study(), "v2").num_rows == 0
    study = open_study(off=True)
    publish_labels(study, FORECAST[0], offered(FORECAST[0], 30, 70))
    assert shift_rows(study, "v2").num_rows == 0


# ------------------------------------------------------------------------------------------------- a mix from a file
MIXES = {
    "mix.csv": "dimension,value,share\ntools,offered,0.25\ntools,none,0.75\n",
    "mix.json": '{\n\t"tools": {"offered": 0.25, "none": 0.75}}',
    "mix.yaml": "tools: {offered: 0.25, none: 0.75}",
}


@pytest.mark.parametrize("name", MIXES)
def test_a_mix_may_be_written_down(open_study, tmp_path, name):
    (tmp_path / name).write_text(MIXES[name])
    study = open_study(target=name)
    publish_labels(study, FORECAST[0], offered(FORECAST[0], 50, 50))
    rows = by_value(shift_rows(study, "v2"))
    assert rows["offered"]["factor"] == pytest.approx(0.5) and rows["none"]["target_mix"] == "file"
    assert rows["offered"]["target_users"] is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("tools: {offered: 0.5, none: 0.2}", r"mix.yaml .*: tools: its shares sum to 0.7, not to 1"),
        ("tools: {offered: 1.5, none: -0.5}", r"tools.offered: a share is a number from 0 to 1"),
        ("tools: {offered: .nan, none: 1}", r"tools.offered: a share is a number from 0 to 1"),
        ("tools: {yes: 0.5, none: 0.5}", r"tools.*: (a value is a text|the values are)"),
        ("tools: {some: 0.5, none: 0.5}", r"tools.some: the values are \['none', 'offered'\]"),
        ("language: {en: 1.0}", r"language: add it to estimation.shift.by \(tools\) or take it out"),
        ("colour: {red: 1.0}", r"colour: the dimensions are"),
        ("{}", r"tools: give the share of each of its values"),
        ("[1, 2]", r"a target mix is a mapping"),
        ("tools: [", r"mix.yaml.*: not valid YAML"),
    ],
)
def test_a_mix_that_is_none_is_named_with_file_and_key(open_study, tmp_path, text, says):
    (tmp_path / "mix.yaml").write_text(text)
    with pytest.raises((ConfigurationError, EstimationError), match=says):
        target_file(open_study(target="mix.yaml"), "mix.yaml", ["tools"])


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("mix.csv", b"value,share\nnone,1\n", "the columns of a target mix are dimension, value, share"),
        (
            "mix.csv",
            b"dimension,value,share\ntools,none,1\ntools,none,1\n",
            "line 3: tools.none: given twice",
        ),
        ("mix.csv", b"dimension,value,share\ntools,none,all\n", "line 2: tools.none: a share is a number"),
        ("mix.json", b'{"tools"', "no JSON in UTF-8"),
        ("mix.csv", b"\xff\xfe", "no CSV in UTF-8"),
        ("other.csv", None, "cannot be read as the target mix"),
    ],
)
def test_a_mix_that_cannot_be_read_is_named(open_study, tmp_path, name, content, says):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises((ConfigurationError, EstimationError), match=says):
        target_file(open_study(target=name), name, ["tools"])


@pytest.mark.parametrize(
    ("shift", "says"),
    [
        ({"target": "recnt"}, "`target` is recent, window, or the path"),
        ({"by": ["tools", "tools"]}, "names each covariate once"),
        ({"by": []}, "names each covariate once"),
        ({"by": ["topic"]}, "name the attribute of the log"),
        ({"by": ["colour"]}, "language"),
        ({"trim": 1.0}, "trim"),
    ],
)
def test_settings_that_mean_nothing_are_refused(open_study, shift, says):
    with pytest.raises(ConfigurationError, match=says):
        open_study(**shift)


# ------------------------------------------------------------------------------------------------------- the asset
def materialised(study):
    config = study.config
    with dg.DagsterInstance.ephemeral() as instance:
        return dg.materialize(
            [
                *shift_assets(study_partitions(config)),
                *map(dg.AssetSpec, ("deidentified_prefixes", "graded_labels")),
            ],
            selection=["traffic_shift"],
            partition_key="v2",
            instance=instance,
            resources={"study": StudyResource(study_file=str(config.file))},
        )


def test_a_value_of_few_users_is_not_named_outside_of_the_lake(open_study, tmp_path):
    (tmp_path / "mix.yaml").write_text("tools: {offered: 0.5, none: 0.5}")
    study = open_study(target="mix.yaml")
    publish_labels(study, FORECAST[0], offered(FORECAST[0], 2, 98))
    (event,) = materialised(study).asset_materializations_for_node("traffic_shift")
    shares = event.metadata["shares"].value
    assert "(few users)" in shares and "offered" not in shares
    assert "offered" in by_value(study.lake.read(TRAFFIC_SHIFT, {"model": "v2"}))


def test_the_asset_publishes_and_warns_where_the_target_is_not_covered(open_study, tmp_path):
    (tmp_path / "mix.yaml").write_text("tools: {offered: 0.9, none: 0.1}")
    study = open_study(target="mix.yaml")
    publish_labels(study, FORECAST[0], offered(FORECAST[0], 5, 95))
    result = materialised(study)
    (check,) = result.get_asset_check_evaluations()
    assert (check.check_name, check.passed, check.severity) == (
        SUPPORT_CHECK,
        False,
        dg.AssetCheckSeverity.WARN,
    )
    assert "85% of the target mix" in check.metadata["warning"].value
    assert study.lake.read(TRAFFIC_SHIFT, {"model": "v2"}).num_rows == 2
    publish_labels(study, FORECAST[0], offered(FORECAST[0], 450, 50))
    (check,) = materialised(study).get_asset_check_evaluations()
    assert check.passed


def test_a_study_without_reweighting_publishes_an_empty_table(open_study):
    study = open_study(off=True)
    (event,) = materialised(study).asset_materializations_for_node("traffic_shift")
    assert event.metadata["skipped"].value == "estimation.shift is null"
    assert study.lake.read(TRAFFIC_SHIFT, {"model": "v2"}).num_rows == 0

"""What the report reads from a real lake: gates, with the weeks that they refused."""

import json
from types import SimpleNamespace

import literal_examination as literal
import pyarrow as pa
import pytest

from depsim_dagster.audit.adjudication.schema import BEHAVIOUR_DECISIONS
from depsim_dagster.audit.clusters.schema import NOVEL_BEHAVIOURS
from depsim_dagster.config_sections import PrivacyConfig
from depsim_dagster.lake import MANIFEST, GateMark, Lake
from depsim_dagster.report.content import _examination, _gates
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES, SAMPLED_TRAFFIC

VERSIONS = {suite: f"{suite}-1" for suite in DEIDENTIFIED_PREFIXES.gates}


@pytest.fixture
def lake(tmp_path) -> Lake:
    """Three sampled weeks, of which the second never came through the gates."""
    lake = Lake(tmp_path / "store", VERSIONS, b"the key of these tests")
    for week in ("2026-01-05", "2026-01-12", "2026-01-19"):
        partition = {"week": week}
        lake.write(SAMPLED_TRAFFIC, partition, SAMPLED_TRAFFIC.schema.empty_table())
        held = lake.quarantine(DEIDENTIFIED_PREFIXES, partition, DEIDENTIFIED_PREFIXES.schema.empty_table())
        if week != "2026-01-12":
            marks = [
                lake.signed(
                    held,
                    GateMark(
                        suite, version, held.content, code_version="1", checked_at="now", expectations=1
                    ),
                )
                for suite, version in VERSIONS.items()
            ]
            lake.publish(held, marks)
    return lake


def test_a_refused_week_is_shown_as_not_passed(lake):
    rows = _gates(SimpleNamespace(lake=lake))
    assert [row["week"] for row in rows] == sorted(row["week"] for row in rows)
    assert [row for row in rows if not row["success"]] == [
        {
            "week": "2026-01-12",
            "suite": "consent, privacy, canaries",
            "success": False,
            "suite_version": "",
            "note": "",
        }
    ]
    passed = [(row["week"], row["suite"], row["suite_version"]) for row in rows if row["success"]]
    assert passed == [
        (week, suite, VERSIONS[suite]) for week in ("2026-01-05", "2026-01-19") for suite in VERSIONS
    ]


def test_a_week_whose_marks_no_reader_accepts_is_shown_as_not_passed(lake):
    """A mark that somebody wrote into the manifest is none, whatever it says."""
    path = DEIDENTIFIED_PREFIXES.directory(lake.root, {"week": "2026-01-05"}) / MANIFEST
    manifest = json.loads(path.read_text())
    manifest["marks"] = [mark | {"waivers": [], "expectations": 99} for mark in manifest["marks"]]
    path.write_text(json.dumps(manifest))
    rows = [row for row in _gates(SimpleNamespace(lake=lake)) if row["week"] == "2026-01-05"]
    assert len(rows) == 3 and not any(row["success"] for row in rows)
    assert all(
        "refused now: its `consent` mark is not signed with this study's key" in row["note"] for row in rows
    )


def test_a_behaviour_of_few_users_and_its_decision_are_not_read_into_the_report(lake):
    behaviours = literal.novel_behaviours("v2", "v1").assign(users=[37, 4, 11])
    decisions = literal.behaviour_decisions()
    for table, partition, frame in (
        (NOVEL_BEHAVIOURS, {"model": "v2"}, behaviours),
        (BEHAVIOUR_DECISIONS, {}, decisions),
    ):
        lake.write(table, partition, pa.Table.from_pandas(frame, table.schema, preserve_index=False))
    config = SimpleNamespace(privacy=PrivacyConfig(), audit=object(), awareness=None)
    found = _examination(SimpleNamespace(lake=lake, config=config))
    assert found["behaviours"]["behaviour"].tolist() == ["b-0a1b2c3d4e5f", "b-2a1b2c3d4e5f"]
    assert found["decisions"]["behaviour"].tolist() == [], "the decision is of the behaviour of four users"
    assert (found["has_audit"], found["has_awareness"], len(found["awareness"])) == (True, False, 0)
    config.privacy = PrivacyConfig(k_anonymity=4)
    found = _examination(SimpleNamespace(lake=lake, config=config))
    assert len(found["behaviours"]) == 3 and found["decisions"]["decision"].tolist() == ["accepted"]

"""What the report reads from a real lake: gates, with the weeks that they refused."""

import json
from types import SimpleNamespace

import pytest

from depsim_dagster.lake import MANIFEST, GateMark, Lake
from depsim_dagster.report.content import _gates
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

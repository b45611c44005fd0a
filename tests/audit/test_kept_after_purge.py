"""A candidate's audit stays as it was counted when the text of its weeks is purged, and a run does not stop at it."""

import datetime as dt

import pytest
from audited_store import CANDIDATE, KEY, WEEK
from decided_store import MINED, SUMS, TOOL, write_decided

from depsim_dagster.audit.clusters.novel import novel_behaviours
from depsim_dagster.audit.clusters.post_release import post_release_behaviours
from depsim_dagster.audit.clusters.schema import (
    NOVEL_BEHAVIOUR_MEMBERS,
    NOVEL_BEHAVIOURS,
    POST_RELEASE_BEHAVIOURS,
)
from depsim_dagster.audit.mining.published import mined_partition
from depsim_dagster.audit.mining.schema import BEHAVIOUR_DIFFERENCES, MINED_PHRASES
from depsim_dagster.privacy.erasure.retention import purge
from depsim_dagster.study_run import KEPT, Step, is_settled
from depsim_dagster.study_status import status_rows

OF_CANDIDATE = {"model": CANDIDATE}


@pytest.fixture
def purged(tmp_path, monkeypatch):
    monkeypatch.setenv("DEPSIM_HMAC_KEY", KEY)
    study = write_decided(tmp_path, privacy={"retention_days": 30})
    purge(study, dt.date.fromisoformat(WEEK) + dt.timedelta(days=60))
    return study


def test_what_was_counted_is_kept(purged):
    lake = purged.lake
    made = novel_behaviours(purged, CANDIDATE)
    assert made.behaviours.equals(lake.read(NOVEL_BEHAVIOURS, OF_CANDIDATE))
    assert made.members.equals(lake.read(NOVEL_BEHAVIOUR_MEMBERS, OF_CANDIDATE)) and len(made.members) == 29
    assert SUMS in made.behaviours.column("behaviour").to_pylist()
    after, reason = post_release_behaviours(purged, CANDIDATE)
    assert after.equals(lake.read(POST_RELEASE_BEHAVIOURS, OF_CANDIDATE)) and len(after) == 1
    mined = mined_partition(purged, CANDIDATE)
    assert mined.differences.equals(lake.read(BEHAVIOUR_DIFFERENCES, OF_CANDIDATE))
    assert TOOL in mined.differences.column("feature").to_pylist() and not len(mined.phrases)
    for said in (made.skipped, reason, mined.skipped):
        assert said.startswith("kept as it was") and WEEK in said and MINED not in said
    assert lake.purged(MINED_PHRASES, OF_CANDIDATE) is not None


def test_what_was_never_made_is_left_out_with_the_reason(purged):
    for table in (NOVEL_BEHAVIOURS, NOVEL_BEHAVIOUR_MEMBERS, POST_RELEASE_BEHAVIOURS, BEHAVIOUR_DIFFERENCES):
        purged.lake.remove(table, OF_CANDIDATE)
    made, (after, reason) = novel_behaviours(purged, CANDIDATE), post_release_behaviours(purged, CANDIDATE)
    assert not len(made.behaviours) and made.skipped and not len(after) and "purged by retention" in reason
    assert not len(mined_partition(purged, CANDIDATE).differences)


def test_status_names_the_steps(purged):
    states = {row.step: row.state for row in status_rows(purged)}
    assert states[f"examination [{WEEK}, {CANDIDATE}]"] == "purged"
    assert states[f"audit [{CANDIDATE}]"] == "other stack"  # these rows say that none made them


def test_a_section_that_is_added_to_a_finished_study_is_still_made(tmp_path, monkeypatch):
    """Before it was there its tables were published empty, and a final forecast keeps what was made."""
    monkeypatch.setenv("DEPSIM_HMAC_KEY", KEY)
    study = write_decided(tmp_path)
    step = Step("audit", tuple(OF_CANDIDATE.items()), any_week=(WEEK,))
    shown = study.lake.read(NOVEL_BEHAVIOURS, OF_CANDIDATE)
    for table in KEPT["audit"]:
        study.lake.write(table, OF_CANDIDATE, table.schema.empty_table())
    assert not is_settled(study, step, {CANDIDATE})
    # An audit that shows no difference and no category has its rows all the same.
    study.lake.write(NOVEL_BEHAVIOURS, OF_CANDIDATE, shown)
    assert is_settled(study, step, {CANDIDATE}) and not is_settled(study, step, set())

"""The end of retention: the text of old weeks goes, everything that was counted in it stays and is kept by later runs."""

import datetime as dt

import pytest
from literal_store import (
    PEOPLE,
    WEEKS,
    answer,
    answers,
    everything,
    rows_of,
    said,
    user,
    write_week,
)

from depsim_dagster import lake as lake_module
from depsim_dagster.errors import ConfigurationError, LakeError
from depsim_dagster.estimation.schema import RATE_ESTIMATES
from depsim_dagster.grading.schema import GRADED_LABELS, PRODUCTION_LABELS
from depsim_dagster.privacy.erasure.forget import forget
from depsim_dagster.privacy.erasure.records import receipts
from depsim_dagster.privacy.erasure.retention import ended_by, purge
from depsim_dagster.registry.seal import require_sealed
from depsim_dagster.replay.dialects.outcomes import Outcome
from depsim_dagster.replay.schema import REGENERATED_COMPLETIONS
from depsim_dagster.study_run import Step, _is_purged, _lost_to_retention
from depsim_dagster.study_status import status_rows
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES, SAMPLED_TRAFFIC, SAMPLING_FUNNEL

OLD, NEW = WEEKS
# The old week ended on the 12th and the new one on the 19th; 30 days later only the old one is over.
DAYS, TODAY = 30, dt.date(2026, 2, 12)
TEXTS = (SAMPLED_TRAFFIC, DEIDENTIFIED_PREFIXES)
FOUND = ("found simulated", "found production")  # kinds of sentences that the auditor's findings hold


@pytest.fixture
def store(copied):
    return copied("study", privacy={"retention_days": DAYS})


def texts_of(study, week: str) -> list[str]:
    content = everything(study.lake.root)
    kinds = ("original", "answered original", "de-identified", "m1", "m2", "judged", *FOUND)
    return [kind for kind in kinds if any(said(person, week, kind).encode() in content for person in PEOPLE)]


def test_a_week_is_over_so_many_days_after_its_end():
    assert ended_by(OLD, dt.date(2026, 1, 12)) and not ended_by(OLD, dt.date(2026, 1, 11))
    assert not ended_by("no week", dt.date(2026, 1, 12))


def test_the_text_of_old_weeks_goes_and_labels_stay(store):
    assert texts_of(store, OLD) and texts_of(store, NEW)
    labels = rows_of(store, GRADED_LABELS, week=OLD, model="m1")
    receipt = purge(store, TODAY)
    assert texts_of(store, OLD) == [] and len(texts_of(store, NEW)) == 8
    assert (receipt.reason, receipt.users) == ("retention", 0)
    removed = {table.table: (table.partitions, table.rows) for table in receipt.removed}
    assert removed == {
        "sampled_traffic": (1, 3),
        "deidentified_prefixes": (1, 3),
        "regenerated_completions": (2, 6),
        "audit_findings": (2, 6),
        "production_findings": (1, 3),
        "mined_phrases": (0, 0),
        "response_journal": (3, 7),  # three of each model, and the verdict that all shared
    }
    assert rows_of(store, GRADED_LABELS, week=OLD, model="m1") == labels
    assert rows_of(store, PRODUCTION_LABELS, week=OLD) and rows_of(store, SAMPLING_FUNNEL, week=OLD)
    assert answers(store, "grader") == {f"judged {NEW} {person}" for person in PEOPLE}
    assert {row["reason"] for row in receipts(store.lake).to_pylist()} == {"retention"}


def test_readers_are_told_what_happened(store):
    marks = store.lake.manifest(DEIDENTIFIED_PREFIXES, {"week": OLD}).marks
    purge(store, TODAY)
    for table, partition in (
        *((table, {"week": OLD}) for table in TEXTS),
        (REGENERATED_COMPLETIONS, {"week": OLD, "model": "m1"}),
    ):
        with pytest.raises(
            LakeError, match=r"purged on \d{4}-\d\d-\d\d by retention \(privacy.retention_days\)"
        ):
            store.lake.read(table, partition)
    (purged,) = store.lake.all_purged(DEIDENTIFIED_PREFIXES)
    assert purged.partition == {"week": OLD} and purged.rows == 3 and purged.marks == marks
    states = {row.step: row.state for row in status_rows(store)}
    assert states[f"traffic [{OLD}]"] == "purged" and states[f"traffic [{NEW}]"] == "published"


def test_a_second_purge_finds_nothing_and_a_dry_run_removes_nothing(store):
    counted = purge(store, TODAY, dry_run=True)
    assert len(texts_of(store, OLD)) == 7 and receipts(store.lake).num_rows == 0
    assert purge(store, TODAY).removed == counted.removed
    again = purge(store, TODAY)
    assert again.rows == 0 and {row["receipt_id"] for row in receipts(store.lake).to_pylist()} != {
        again.receipt_id
    }


def test_without_a_period_nothing_is_purged(copied):
    with pytest.raises(ConfigurationError, match="privacy.retention_days is not set"):
        purge(copied("study"), TODAY)


def test_answers_that_nobody_claims_go_by_their_age(store):
    journal = store.journal("models", "m1")
    moment = dt.datetime.combine(TODAY - dt.timedelta(days=DAYS), dt.time(), dt.UTC)
    hour = dt.timedelta(hours=1)
    journal.append(Outcome("old", "ok", "{}", answered_at=moment - hour))
    journal.append(Outcome("new", "ok", "{}", answered_at=moment + hour))
    journal.flush()
    purge(store, TODAY)
    assert {"old", "new"} & answers(store, "m1") == {"new"}


def test_answers_of_old_weeks_that_reached_no_table_go_too(store):
    answer(store, "m2", "asked and lost", PEOPLE[0], OLD, "words that no table holds")
    purge(store, TODAY)
    assert "asked and lost" not in answers(store, "m2") and b"words that no table holds" not in everything(
        store.lake.root
    )


@pytest.mark.parametrize("fail_at", range(4))
def test_a_purge_that_is_cut_short_is_finished_by_the_next(store, monkeypatch, fail_at):
    real, calls = type(store.lake).remove, []

    def remove(lake, table, partition, purged=None):
        calls.append(table.name)
        if len(calls) - 1 == fail_at:  # the manifest is gone, and the data file is not
            (table.directory(lake.root, partition) / "_manifest.json").unlink()
            raise KeyboardInterrupt
        real(lake, table, partition, purged)

    with monkeypatch.context() as patch:
        patch.setattr(type(store.lake), "remove", remove)
        with pytest.raises(KeyboardInterrupt):
            purge(store, TODAY)
    purge(store, TODAY)
    assert texts_of(store, OLD) == [] and len(texts_of(store, NEW)) == 8


def test_a_removal_that_is_killed_after_its_note_is_done_again(store, monkeypatch):
    real = lake_module.write_atomically

    def write_and_die(path, content):
        real(path, content)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(lake_module, "write_atomically", write_and_die)
        with pytest.raises(KeyboardInterrupt):
            purge(store, TODAY)
    # It is published as long as its manifest is there.
    assert (
        store.lake.all_purged(SAMPLED_TRAFFIC) == [] and len(rows_of(store, SAMPLED_TRAFFIC, week=OLD)) == 3
    )
    purge(store, TODAY)
    assert [purged.rows for purged in store.lake.all_purged(SAMPLED_TRAFFIC)] == [3]


def test_a_week_that_is_published_again_is_not_purged_any_more(store):
    purge(store, TODAY)
    write_week(store, OLD)
    assert (
        store.lake.all_purged(DEIDENTIFIED_PREFIXES) == []
        and len(rows_of(store, SAMPLED_TRAFFIC, week=OLD)) == 3
    )


def test_a_person_can_be_erased_from_the_labels_of_a_purged_week(store):
    purge(store, TODAY)
    funnel = rows_of(store, SAMPLING_FUNNEL, week=OLD)
    receipt = forget(store, [PEOPLE[0]])
    assert {row["user_id"] for row in rows_of(store, GRADED_LABELS, week=OLD, model="m1")} == set(
        map(user, PEOPLE[1:])
    )
    assert receipt.found == 1 and rows_of(store, SAMPLING_FUNNEL, week=OLD) == funnel
    assert store.lake.all_purged(DEIDENTIFIED_PREFIXES)


def test_purging_prefixes_does_not_unseal_an_outcome(store):
    """Without its prefixes a candidate could still be forecast from its labels, so its outcome waits for the forecast."""
    purge(store, TODAY)
    with pytest.raises(Exception, match="forecast is not sealed"):
        require_sealed(store.lake, "m2", "2026-01-19", [OLD])


def test_what_can_never_be_made_is_skipped_and_what_was_made_is_kept(store):
    simulation = Step("simulation", (("week", OLD), ("model", "m1")), (OLD,))
    forecast = Step("forecast", (("model", "m2"),), any_week=(OLD,))
    assert _lost_to_retention(store, simulation) is None and not _is_purged(store, simulation)
    purge(store, TODAY)
    assert _is_purged(store, simulation) and _is_purged(store, Step("traffic", (("week", OLD),), (OLD,)))
    # The literal store holds labels and no rates, so this simulation was never finished.
    assert f"the text of {OLD} was purged by retention" in _lost_to_retention(store, simulation)
    store.lake.write(RATE_ESTIMATES, {"week": OLD, "model": "m1"}, RATE_ESTIMATES.schema.empty_table())
    assert _lost_to_retention(store, simulation) is None
    assert _lost_to_retention(store, forecast) is None  # its labels are there
    store.lake.remove(GRADED_LABELS, {"week": OLD, "model": "m2"})
    assert "was purged by retention before they were simulated" in _lost_to_retention(store, forecast)
    assert _lost_to_retention(store, Step("forecast", (("model", "m2"),), any_week=(OLD, NEW))) is None

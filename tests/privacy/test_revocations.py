"""Consent that ends after the sampling: who is meant, what the sensor passes on, and what the job erases."""

import datetime as dt
import json

import dagster as dg
import pytest
from literal_store import (
    PEOPLE,
    WEEKS,
    answer,
    rows_of,
    user,
)
from literal_traffic import decision, write_consent

from depsim_dagster.definitions import build_definitions
from depsim_dagster.errors import TrafficError
from depsim_dagster.privacy.erasure.forget import erased_users
from depsim_dagster.privacy.erasure.records import receipts
from depsim_dagster.privacy.erasure.revocations import forget_revoked, has_ended, ledger_state, revoked_users
from depsim_dagster.privacy.gates.consent import Decision
from depsim_dagster.traffic.schema import SAMPLED_TRAFFIC, TURN_INDEX

ANNA, BERT, CLEO = PEOPLE
NOW = dt.datetime(2026, 2, 2, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


def ledger(study, *decisions: dict) -> None:
    """Everybody granted long ago; then these."""
    granted = [decision(person, start=NOW - 90 * DAY) for person in PEOPLE]
    write_consent(study.config.directory, [*granted, *decisions])


def refusal(person: str, start: dt.datetime = NOW - DAY) -> dict:
    return decision(person, granted=False, start=start)


GRANT, REFUSAL = (Decision(granted, NOW - DAY, None, NOW - DAY, "p1") for granted in (True, False))


@pytest.mark.parametrize(
    ("decisions", "ended"),
    [
        ([], False),
        ([GRANT], False),
        ([REFUSAL], True),
        ([GRANT, Decision(False, NOW - 2 * DAY, None, NOW, "p1")], False),  # refused before, granted since
        ([Decision(True, NOW - 2 * DAY, None, NOW, "p1"), REFUSAL], True),
        ([GRANT, REFUSAL], True),  # of one moment: a refusal among them
        ([Decision(True, NOW - 2 * DAY, NOW - DAY, NOW - 2 * DAY, "p1")], True),  # it has run out
        ([Decision(True, NOW - 2 * DAY, NOW + DAY, NOW - 2 * DAY, "p1")], False),
        ([GRANT, Decision(False, NOW + DAY, None, NOW - DAY, "p1")], True),  # from tomorrow on
        ([Decision(True, NOW + DAY, None, NOW - DAY, "p1")], False),  # nothing is in force yet
        # A grant that is written down later than now does not save it, nor end it.
        ([REFUSAL, Decision(True, NOW, None, NOW + DAY, "p1")], True),
    ],
)
def test_whose_consent_has_ended(decisions, ended):
    assert has_ended(decisions, NOW) is ended


def test_only_people_of_the_store_with_a_decision_that_ends_it(store):
    ledger(store)
    assert revoked_users(store, NOW) == set()
    ledger(store, refusal(ANNA), refusal("account-of-nobody"))
    assert revoked_users(store, NOW) == {user(ANNA)}
    # An export that was cut short: nobody is known any more, and nobody is erased for it.
    write_consent(store.config.directory, [])
    assert revoked_users(store, NOW) == set()


def test_who_is_only_in_the_journal_counts_as_well(store):
    answer(store, "m2", "asked and lost", "account-dora", WEEKS[1], "words")
    ledger(store, refusal("account-dora"))
    assert revoked_users(store, NOW) == {user("account-dora")}


def test_revoked_people_are_erased_and_the_receipt_says_why(store):
    ledger(store, refusal(ANNA))
    receipt = forget_revoked(store, NOW)
    assert (receipt.reason, receipt.users, receipt.found) == ("consent_withdrawn", 1, 1)
    assert {row["user_id"] for row in rows_of(store, SAMPLED_TRAFFIC, week=WEEKS[0])} == {
        user(BERT),
        user(CLEO),
    }
    assert {row["reason"] for row in receipts(store.lake).to_pylist()} == {"consent_withdrawn"}
    # The index lists everybody who is in the logs, and the ledger keeps this person out of the samples.
    assert user(ANNA) in {row["user_id"] for row in rows_of(store, TURN_INDEX, file=f"file of {WEEKS[0]}")}
    assert not erased_users(store.lake, store.config)
    assert forget_revoked(store, NOW) is None


def test_a_study_of_a_fixed_day_lists_them_because_it_does_not_see_the_ledger_of_today(copied):
    study = copied(
        "pinned",
        traffic={
            "paths": ["logs.parquet"],
            "consent": {"ledger": "consent.parquet"},
            "as_of": "2026-01-25T00:00:00Z",
        },
    )
    ledger(study, decision(ANNA, start=NOW - 30 * DAY, effective_until=NOW - DAY))
    forget_revoked(study, NOW)
    assert user(ANNA) in erased_users(study.lake, study.config)


def test_the_state_of_the_ledger(store):
    with pytest.raises(TrafficError, match="nothing matches"):
        ledger_state(store.config, NOW.date())
    ledger(store)
    first = ledger_state(store.config, NOW.date())
    assert first == ledger_state(store.config, NOW.date()) != ledger_state(store.config, (NOW + DAY).date())
    ledger(store, refusal(ANNA))
    assert ledger_state(store.config, NOW.date()) != first


def test_the_sensor_passes_on_that_somebody_is_to_be_erased_and_not_who(store):
    ledger(store)
    with dg.DagsterInstance.ephemeral() as instance:
        definitions = build_definitions(store.config, store.config.file)
        sensor = definitions.resolve_sensor_def("honour_revocations")

        def tick(cursor):
            context = dg.build_sensor_context(instance=instance, cursor=cursor, definitions=definitions)
            return sensor.evaluate_tick(context)

        quiet = tick(None)
        assert quiet.run_requests == [] and "nobody" in quiet.skip_message
        assert "as it was" in tick(quiet.cursor).skip_message
        ledger(store, refusal(ANNA))
        asked = tick(quiet.cursor)
        (request,) = asked.run_requests
        said = json.dumps([request.run_key, request.tags, request.run_config, asked.cursor])
        assert ANNA not in said and user(ANNA) not in said and len(asked.cursor) == 64
        assert asked.run_requests[0].run_key == asked.cursor
        job = definitions.resolve_job_def("forget_revoked")
        result = job.execute_in_process(instance=instance)
        assert result.success
        events = "\n".join(str(event) for event in result.all_events)
        assert ANNA not in events and user(ANNA) not in events
    assert revoked_users(store) == set() and user(ANNA) not in {
        row["user_id"] for row in rows_of(store, SAMPLED_TRAFFIC, week=WEEKS[0])
    }


def test_the_schedule_of_retention(store, copied):
    def evaluated(study):
        schedule = build_definitions(study.config, study.config.file).resolve_schedule_def(
            "purge_expired_text"
        )
        with dg.DagsterInstance.ephemeral() as instance:
            context = dg.build_schedule_context(instance=instance, scheduled_execution_time=NOW)
            return schedule.evaluate_tick(context)

    assert "no privacy.retention_days" in evaluated(store).skip_message
    keeping = copied("keeping", privacy={"retention_days": 10})
    (request,) = evaluated(keeping).run_requests
    assert request.run_key == "2026-02-02"
    job = build_definitions(keeping.config, keeping.config.file).resolve_job_def("purge_expired_text")
    assert job.execute_in_process().success
    assert (
        keeping.lake.published(SAMPLED_TRAFFIC) == [] and len(keeping.lake.all_purged(SAMPLED_TRAFFIC)) == 2
    )

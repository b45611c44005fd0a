"""The gates: every planted violation stops the partition, and nothing that they say quotes a conversation."""

import datetime as dt
import json
import logging
from pathlib import Path

import pandas as pd
import pytest
from literal_traffic import (
    HOUR,
    MONDAY,
    NOON,
    STUDY,
    WEEK,
    conversation,
    decision,
    exchange,
    study_of,
    write_consent,
    write_logs,
)

from depsim_dagster.errors import GateError
from depsim_dagster.lake import Lake
from depsim_dagster.privacy import suites
from depsim_dagster.privacy.consent import Decision, allowed
from depsim_dagster.privacy.deidentify import deidentify
from depsim_dagster.privacy.gates import (
    Finding,
    GateReport,
    gated_frame,
    publish_through_gates,
    run_gate,
    run_gates,
    sampled_ids,
)
from depsim_dagster.privacy.suites import read_suite, suite_version, suite_versions
from depsim_dagster.traffic.sampling import sample_week
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES, SAMPLED_TRAFFIC

CANARY = "canary-5e1d"
PARTITION = {"week": str(WEEK)}


class Station:
    """A sampled week and its de-identified partition in quarantine."""

    def __init__(self, directory: Path):
        text = f"My name is Harriet, write to harriet@example.com. {CANARY}"
        logs = [conversation(f"c{i}", f"u{i}", exchange(NOON, text, CANARY)) for i in range(3)]
        write_logs(directory, logs)
        write_consent(directory, [decision(f"u{i}") for i in range(3)])
        self.directory, self.study = directory, study_of(directory)
        self.lake = Lake(directory / "store", suite_versions())
        self.lake.write(SAMPLED_TRAFFIC, PARTITION, sample_week(self.study, WEEK).rows)
        batches = deidentify(self.lake.scan(SAMPLED_TRAFFIC, PARTITION), self.study.hmac_key, "embedded")
        self.quarantined = self.lake.quarantine(DEIDENTIFIED_PREFIXES, PARTITION, batches)

    def frame(self, **changes) -> pd.DataFrame:
        study = study_of(self.directory, **changes)
        return gated_frame(self.quarantined, sampled_ids(self.lake, str(WEEK)), study, WEEK)

    def requarantine(self, edit) -> None:
        rows = self.quarantined.read().to_pylist()
        edit(rows)
        table = type(self.quarantined.read()).from_pylist(rows, schema=DEIDENTIFIED_PREFIXES.schema)
        self.quarantined = self.lake.quarantine(DEIDENTIFIED_PREFIXES, PARTITION, table)

    def refused(self, *says: str) -> None:
        reports = run_gates(self.quarantined, self.frame())
        with pytest.raises(GateError) as caught:
            publish_through_gates(self.lake, self.quarantined, reports)
        assert "deidentified_prefixes[week=2026-01-05]: not published" in str(caught.value)
        assert all(part in str(caught.value) for part in says), str(caught.value)
        assert CANARY not in str(caught.value) + repr(reports)
        assert self.lake.manifest(DEIDENTIFIED_PREFIXES, PARTITION) is None


@pytest.fixture
def station(tmp_path) -> Station:
    return Station(tmp_path)


def setter(column, value):
    def edit(rows):
        rows[1][column] = value

    return edit


def test_a_clean_partition_is_published_with_its_marks(station):
    manifest = publish_through_gates(
        station.lake, station.quarantined, run_gates(station.quarantined, station.frame())
    )
    assert {(mark.suite, mark.suite_version, mark.content) for mark in manifest.marks} == {
        (suite, suite_version(suite), manifest.content) for suite in ("consent", "privacy")
    }
    assert station.lake.read(DEIDENTIFIED_PREFIXES, PARTITION).num_rows == 3


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        (
            "consent_granted",
            False,
            "consent: expect_column_values_to_be_in_set(consent_granted) fails on 1 row(s)",
        ),
        ("consent_decided_at", dt.datetime(2999, 1, 1, tzinfo=dt.UTC), "decided_before_now"),
        ("temporary", True, "excluded_class"),
        ("account_class", "employee", "excluded_class"),
        ("account_class", "enterprise", "excluded_class"),
        ("account_class", "Employee", "excluded_class"),
        ("surface", "api", "excluded_class"),
        ("has_attachment", True, "excluded_class"),
        ("sent_at", MONDAY + 7 * 24 * HOUR, "in_week"),
        ("sent_at", MONDAY - HOUR, "in_week"),
        ("user_id", f"{CANARY}@example.com", "(user_id)"),
        ("user_id", "f" * 32, "(consent_holds)"),
        ("conversation_id", CANARY, "(conversation_id)"),
        ("conversation_id", "f" * 32, "privacy: expect_column_values_to_be_in_set(sampled)"),
        ("turn_id", CANARY, "(turn_id)"),
        ("turn_id", "f" * 32, "(sampled)"),
        ("residual_identifiers", 1, "(residual_identifiers)"),
        ("prefix_characters", 0, "(prefix_characters)"),
    ],
)
def test_each_planted_violation_stops_the_partition(station, column, value, says):
    station.requarantine(setter(column, value))
    station.refused(says)


def test_a_lost_turn_stops_the_partition(station):
    station.requarantine(lambda rows: rows.pop())
    station.refused("privacy: expect_column_values_to_be_in_set(complete)")


def test_a_doubled_turn_stops_the_partition(station):
    station.requarantine(lambda rows: rows.append(rows[0]))
    station.refused("expect_column_values_to_be_unique(turn_id) fails on 2 row(s)", "(complete)")


def test_an_empty_partition_is_refused(station):
    station.requarantine(lambda rows: rows.clear())
    station.refused("expect_table_row_count_to_be_between")


@pytest.mark.parametrize(
    "later",
    [
        decision("u1", False, NOON + HOUR),
        decision("u1", False, NOON - HOUR),
        decision("u1", False),
        decision("u1", start=NOON + HOUR, effective_until=NOON + 2 * HOUR),
    ],
)
def test_consent_withdrawn_since_the_sample_stops_the_partition(station, later):
    write_consent(station.directory, [decision(f"u{i}") for i in range(3)] + [later])
    station.refused("expect_column_values_to_be_in_set(consent_holds) fails on 1 row(s)")


def test_a_class_that_the_study_admits_is_no_violation(station):
    station.requarantine(setter("surface", "api"))
    frame = station.frame(sampling={"exclude": {"api": False}})
    assert set(frame["excluded_class"]) == {"none"} and set(station.frame()["excluded_class"]) == {
        "none",
        "api",
    }


def test_a_public_corpus_passes_without_a_ledger(station):
    frame = station.frame(traffic=STUDY["traffic"] | {"consent": {"public_corpus": "an open licence"}})
    assert frame["consent_holds"].all()


def test_the_gate_sees_no_text_and_says_none(station, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    frame = station.frame()
    assert not set(frame.columns) & {"prefix", "target", "tools", "attributes"}
    station.requarantine(setter("user_id", CANARY))
    reports = run_gates(station.quarantined, station.frame())
    printed = capfd.readouterr()
    assert CANARY not in repr(reports) + caplog.text + printed.out + printed.err


def test_reports_on_no_expectation_do_not_pass():
    assert not GateReport("consent", "v", ()).success
    assert not GateReport("consent", "v", (Finding("e", "c", True, 0), Finding("e", "c", False, 1))).success


def test_a_report_of_another_version_does_not_publish(station):
    reports = [
        GateReport(report.suite, "0" * 64, report.findings)
        for report in run_gates(station.quarantined, station.frame())
    ]
    with pytest.raises(GateError, match="passed version 000000000000"):
        publish_through_gates(station.lake, station.quarantined, reports)
    with pytest.raises(GateError, match="no mark of the `privacy` gate"):
        publish_through_gates(
            station.lake, station.quarantined, run_gates(station.quarantined, station.frame())[:1]
        )


# --------------------------------------------------------------------------------------------------------------- suites
@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(suites, "project_directory", lambda name: tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b'{"name": "consent"}',
        b'{"name": "consent", "meta": {}, "expectations": []}',
        b'{"name": "privacy", "meta": {}, "expectations": [{"type": "x", "kwargs": {}}]}',
        b'{"name": "consent", "meta": {}, "expectations": ["x"]}',
        b'{"name": "consent", "meta": {}, "expectations": [{"type": "x"}]}',
    ],
)
def test_a_damaged_suite_is_named(folder, content):
    (folder / "consent.json").write_bytes(content)
    with pytest.raises(GateError, match="restore the file") as caught:
        read_suite("consent")
    assert "consent.json" in str(caught.value)


def test_a_missing_suite_is_named(folder):
    for ask in (read_suite, suite_version):
        with pytest.raises(GateError, match=r"consent\.json: no gate suite"):
            ask("consent")


@pytest.mark.parametrize(
    "expectation",
    [
        {"type": "expect_nothing_that_exists", "kwargs": {}},
        {"type": "expect_column_values_to_be_unique", "kwargs": {"no_such": 1}},
    ],
)
def test_a_suite_that_cannot_run_is_a_gate_error(folder, expectation):
    (folder / "consent.json").write_text(
        json.dumps({"name": "consent", "meta": {}, "expectations": [expectation]})
    )
    with pytest.raises(GateError, match=r"consent\.json: .*restore the file"):
        run_gate("consent", pd.DataFrame({"turn_id": [CANARY]}))


def test_an_expectation_on_a_column_that_is_absent_fails(folder):
    expectation = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "absent"}}
    (folder / "consent.json").write_text(
        json.dumps({"name": "consent", "meta": {}, "expectations": [expectation]})
    )
    report = run_gate("consent", pd.DataFrame({"turn_id": [CANARY]}))
    assert not report.success and CANARY not in repr(report)


def test_a_changed_suite_is_another_version(folder):
    file = folder / "consent.json"
    file.write_text(
        json.dumps({"name": "consent", "meta": {}, "expectations": [{"type": "x", "kwargs": {}}]})
    )
    first = read_suite("consent")[1]
    file.write_text(file.read_text() + "\n")
    assert suite_versions() == {"consent": read_suite("consent")[1]} != {"consent": first}


# -------------------------------------------------------------------------------------------------------------- consent
@pytest.mark.parametrize(
    ("decisions", "expected"),
    [
        ([], False),
        ([(True, 0, None)], True),
        ([(True, 6, None)], False),
        ([(True, 5, None)], True),
        ([(True, 0, 5)], False),
        ([(True, 0, 6)], True),
        ([(True, 0, None), (False, 3, None)], False),
        ([(False, 0, None), (True, 3, None)], True),
        ([(True, 3, None), (False, 3, None)], False),
        ([(True, 3, 4), (True, 3, None)], False),
        ([(True, 0, None), (False, 6, None)], True),
    ],
)
def test_the_newest_decisions_decide(decisions, expected):
    day = [MONDAY + dt.timedelta(days=number) for number in range(8)]
    ledger = [
        Decision(granted, day[start], None if end is None else day[end]) for granted, start, end in decisions
    ]
    assert allowed(ledger, day[5]) is expected

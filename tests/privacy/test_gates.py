"""The gates: every planted violation stops the partition, and nothing that they say quotes a conversation."""

import datetime as dt
import json
import logging
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow as pa
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

from depsim_dagster.config import EMBEDDED_HMAC_KEY
from depsim_dagster.config_sections import GateOverride
from depsim_dagster.errors import ConfigurationError, GateError
from depsim_dagster.privacy.deidentify import deidentify
from depsim_dagster.privacy.gates import suites
from depsim_dagster.privacy.gates.canary_phrases import TYPES
from depsim_dagster.privacy.gates.consent import Decision, allowed
from depsim_dagster.privacy.gates.gate import (
    Finding,
    GateReport,
    GatesFailed,
    Publication,
    gate_and_publish,
    gated_frame,
    publish_through_gates,
    recorded_canaries,
    run_gate,
    run_gates,
)
from depsim_dagster.privacy.gates.overrides import overrides_in_force
from depsim_dagster.privacy.gates.suites import read_suite, suite_version, suite_versions
from depsim_dagster.privacy.week import publish_week
from depsim_dagster.study import Study
from depsim_dagster.traffic.sampling import sample_week
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES, SAMPLED_TRAFFIC, SAMPLING_FUNNEL

CANARY = "canary-5e1d"
GRANTS = [decision(f"user-1000{number}") for number in range(3)]
PARTITION = {"week": str(WEEK)}
FOUND = dict.fromkeys(TYPES, (40, 40))


class Station:
    """A sampled week and its de-identified partition in quarantine."""

    def __init__(self, directory: Path):
        text = f"My name is Harriet, write to harriet@example.com. {CANARY}"
        logs = [
            conversation(f"conversation-{i}", f"user-1000{i}", exchange(NOON, text, CANARY)) for i in range(3)
        ]
        write_logs(directory, logs)
        write_consent(directory, GRANTS)
        self.directory, self.study = directory, study_of(directory)
        self.lake = Study(self.study).lake
        sample = sample_week(self.study, self.lake, WEEK)
        self.lake.write(SAMPLED_TRAFFIC, PARTITION, sample.rows)
        self.lake.write(SAMPLING_FUNNEL, PARTITION, sample.funnel)
        sampled = self.lake.scan(SAMPLED_TRAFFIC, PARTITION)
        batches = deidentify(sampled, self.study.hmac_key, self.study.deidentification)
        self.quarantined = self.lake.quarantine(DEIDENTIFIED_PREFIXES, PARTITION, batches)
        self.rows = self.quarantined.read()

    def frame(self, **changes) -> pd.DataFrame:
        return gated_frame(self.quarantined, self.lake, study_of(self.directory, **changes))

    def reports(self) -> list[GateReport]:
        return run_gates(self.quarantined, self.frame(), FOUND)

    def published(self, **changes) -> Publication:
        return gate_and_publish(study_of(self.directory, **changes), self.lake, self.quarantined, FOUND)

    def requarantine(self, edit) -> None:
        rows = self.rows.to_pylist()
        edit(rows)
        table = pa.Table.from_pylist(rows, schema=DEIDENTIFIED_PREFIXES.schema)
        self.quarantined = self.lake.quarantine(DEIDENTIFIED_PREFIXES, PARTITION, table)

    def refused(self, *says: str) -> None:
        with pytest.raises(GatesFailed) as caught:
            self.published()
        assert "deidentified_prefixes[week=2026-01-05]: not published" in str(caught.value)
        assert all(part in str(caught.value) for part in says), str(caught.value)
        assert CANARY not in str(caught.value) + repr(caught.value.reports)
        assert self.lake.manifest(DEIDENTIFIED_PREFIXES, PARTITION) is None


@pytest.fixture
def station(tmp_path) -> Station:
    return Station(tmp_path)


def setter(column, value):
    def edit(rows):
        rows[1][column] = value

    return edit


def test_a_clean_partition_is_published_with_its_marks(station):
    manifest = station.published().manifest
    assert {(mark.suite, mark.suite_version, mark.content) for mark in manifest.marks} == {
        (suite, suite_version(suite), manifest.content) for suite in ("consent", "privacy", "canaries")
    }
    assert all(mark.signature and mark.deidentification and not mark.waivers for mark in manifest.marks)
    assert recorded_canaries(station.lake, manifest) == FOUND
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
        ("has_image", True, "excluded_class"),
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
        (
            "prefix",
            json.dumps([{"role": "user", "content": "I am user-10002."}]),
            "(account_identifiers_found)",
        ),
        (
            "target",
            json.dumps([{"role": "assistant", "content": "conversation-2"}]),
            "(account_identifiers_found)",
        ),
        ("attributes", json.dumps({"id": "user-10000"}), "(account_identifiers_found) fails on 1 row(s)"),
        ("tools", json.dumps([{"name": "user-10001"}]), "(account_identifiers_found)"),
        ("prefix_source", "external_corpus", "(funnel_adds_up)"),
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
        decision("user-10001", False, NOON + HOUR),
        decision("user-10001", False, NOON - HOUR),
        decision("user-10001", False),
        decision("user-10001", start=NOON + HOUR, effective_until=NOON + 2 * HOUR),
    ],
)
def test_consent_withdrawn_since_the_sample_stops_the_partition(station, later):
    write_consent(station.directory, [*GRANTS, later])
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
    reports = station.reports()
    printed = capfd.readouterr()
    assert CANARY not in repr(reports) + caplog.text + printed.out + printed.err


def test_reports_on_no_expectation_do_not_pass():
    assert not GateReport("consent", "v", ()).success
    assert not GateReport("consent", "v", (Finding("e", "c", True, 0), Finding("e", "c", False, 1))).success


def test_a_report_of_another_version_does_not_publish(station):
    reports = [GateReport(report.suite, "0" * 64, report.findings) for report in station.reports()]
    with pytest.raises(GateError, match="passed version 000000000000"):
        publish_through_gates(station.lake, station.quarantined, reports)
    with pytest.raises(GateError, match="no mark of the `privacy` gate"):
        publish_through_gates(station.lake, station.quarantined, station.reports()[:1])
    with pytest.raises(GateError, match="A gate expected nothing"):
        publish_through_gates(station.lake, station.quarantined, [GateReport("consent", "v", ())])


# ------------------------------------------------------------------------------------------------------------ overrides
def override(suite="privacy", expectation="expect_column_values_to_be_between", **changes) -> dict:
    return {
        "week": str(WEEK),
        "suite": suite,
        "expectation": expectation,
        "column": "residual_identifiers",
        "approved_by": "A. Person, privacy office",
        "reason": "a public hotline, looked into by hand",
        **changes,
    }


def test_an_override_lets_one_expectation_pass_and_stands_in_the_mark(station):
    station.requarantine(setter("residual_identifiers", 2))
    published = station.published(privacy={"overrides": [override()]})
    (mark,) = [mark for mark in published.manifest.marks if mark.waivers]
    (waived,) = mark.waivers
    assert (mark.suite, waived.column, waived.unexpected_rows) == ("privacy", "residual_identifiers", 1)
    assert (waived.approved_by, waived.reason) == (override()["approved_by"], override()["reason"])
    assert station.lake.read(DEIDENTIFIED_PREFIXES, PARTITION).num_rows == 3
    assert published.idle == ()
    assert overrides_in_force(station.lake) == [
        {
            "week": str(WEEK),
            "suite": "privacy",
            "expectation": "expect_column_values_to_be_between",
            "column": "residual_identifiers",
            "unexpected_rows": 1,
            "approved_by": override()["approved_by"],
            "reason": override()["reason"],
            "checked_at": mark.checked_at,
        }
    ]


@pytest.mark.parametrize(
    "other",
    [{"week": "2026-01-12"}, {"column": "account_identifiers_found"}, {"column": "prefix_characters"}],
)
def test_an_override_of_something_else_lets_nothing_pass(station, other):
    station.requarantine(setter("residual_identifiers", 2))
    with pytest.raises(GatesFailed, match=r"\(residual_identifiers\) fails on 1 row"):
        station.published(privacy={"overrides": [override(**other)]})


def test_an_override_does_not_cover_a_second_failure(station):
    def edit(rows):
        rows[0]["residual_identifiers"], rows[1]["prefix_characters"] = 1, 0

    station.requarantine(edit)
    with pytest.raises(GatesFailed) as caught:
        station.published(privacy={"overrides": [override()]})
    assert "(prefix_characters)" in str(caught.value) and "(residual_identifiers)" not in str(caught.value)


def test_an_override_for_which_nothing_failed_is_told(station):
    published = station.published(
        privacy={"overrides": [override(), override(week="2026-01-12", column="prefix_characters")]}
    )
    assert [idle.column for idle in published.idle] == ["residual_identifiers"]
    assert overrides_in_force(station.lake) == []


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (
            override("consent", "expect_column_values_to_be_in_set", column="consent_holds"),
            "privacy.overrides.0: consent: expect_column_values_to_be_in_set(consent_holds) cannot be overridden: without "
            "consent this traffic may not be used",
        ),
        (override("consent", "expect_table_row_count_to_be_between", column=""), "cannot be overridden"),
        (
            override(expectation="expect_column_values_to_be_unique", column="turn_id"),
            "lost, doubled or foreign",
        ),
        (override(expectation="expect_column_values_to_be_in_set", column="sampled"), "cannot be overridden"),
        (
            override(expectation="expect_column_values_to_be_in_set", column="funnel_adds_up"),
            "cannot be overridden",
        ),
        (override("privat"), "`suite` privat is not one of canaries, consent, privacy"),
        (override(column="residuals"), "has no expect_column_values_to_be_between(residuals)"),
        (override("canaries", column="recall_ssn"), "the suite canaries has no"),
    ],
)
def test_what_may_not_be_overridden_is_refused_when_the_study_is_opened(tmp_path, wanted, says):
    study = study_of(tmp_path, privacy={"overrides": [wanted]})
    with pytest.raises(ConfigurationError) as caught:
        Study(study)
    assert says in str(caught.value) and "study.yaml" in str(caught.value)


def test_every_expectation_of_the_consent_suite_is_beyond_overriding_and_recalls_are_not(tmp_path):
    for suite, allowed_ in (("consent", False), ("canaries", True)):
        for expectation in read_suite(suite)[0]["expectations"]:
            column = expectation["kwargs"].get("column", "")
            wanted = override(suite, expectation["type"], column=column)
            study = study_of(tmp_path, privacy={"overrides": [wanted]})
            if allowed_:
                Study(study)
            else:
                with pytest.raises(ConfigurationError, match="cannot be overridden"):
                    Study(study)


def test_an_override_needs_a_name_and_a_reason():
    for missing in ("approved_by", "reason"):
        with pytest.raises(ValueError, match=missing):
            GateOverride.model_validate(override() | {missing: ""})


# ------------------------------------------------------------------------------------------------- what was there before
def test_a_week_that_fails_takes_its_older_publication_out(station):
    station.published()
    station.requarantine(setter("residual_identifiers", 1))
    station.refused("(residual_identifiers)")


def test_a_week_of_an_earlier_version_is_kept_to_the_byte(station):
    """A forecast that was sealed from it names it by its hash, and a new column is no new data."""
    study = Study(station.study)
    place = DEIDENTIFIED_PREFIXES.schema.get_field_index("surrogates")
    older = replace(DEIDENTIFIED_PREFIXES, schema=DEIDENTIFIED_PREFIXES.schema.remove(place))
    station.quarantined = station.lake.quarantine(older, PARTITION, station.rows.drop_columns(["surrogates"]))
    before = station.published().manifest

    published = publish_week(study, PARTITION["week"])
    after = published.manifest
    assert after.content == before.content and {mark.content for mark in after.marks} == {before.content}
    assert all(report.success for report in published.reports)
    read = station.lake.read(DEIDENTIFIED_PREFIXES, PARTITION)
    assert read.column("surrogates").to_pylist() == [None] * 3
    assert read.drop_columns(["surrogates"]).equals(station.rows.drop_columns(["surrogates"]))

    other = [row | {"attachments_dropped": 1} for row in read.to_pylist()]
    station.quarantined = station.lake.quarantine(older, PARTITION, pa.Table.from_pylist(other, older.schema))
    assert station.published().manifest.content != before.content
    publish_week(study, PARTITION["week"])
    made_anew = station.lake.read(
        DEIDENTIFIED_PREFIXES, PARTITION, columns=["attachments_dropped", "surrogates"]
    )
    assert made_anew.to_pydict() == {"attachments_dropped": [0] * 3, "surrogates": ["realistic"] * 3}


def test_rows_that_were_published_before_are_published_anew_with_their_canaries(station):
    """As an erasure does it: fewer rows, in sample and partition, and nothing de-identified again."""
    before = station.published().manifest
    kept = station.lake.read(SAMPLED_TRAFFIC, PARTITION).slice(1)
    station.lake.write(SAMPLED_TRAFFIC, PARTITION, kept)
    rest = station.lake.read(DEIDENTIFIED_PREFIXES, PARTITION).slice(1)
    station.quarantined = station.lake.quarantine(DEIDENTIFIED_PREFIXES, PARTITION, rest)
    with pytest.raises(GatesFailed, match="funnel_adds_up"):
        gate_and_publish(
            station.study, station.lake, station.quarantined, recorded_canaries(station.lake, before)
        )
    funnel = station.lake.read(SAMPLING_FUNNEL, PARTITION).to_pylist()
    corrected = [row | {"turns": row["turns"] - (row["rule"] == "sampled")} for row in funnel]
    station.lake.write(
        SAMPLING_FUNNEL, PARTITION, pa.Table.from_pylist(corrected, schema=SAMPLING_FUNNEL.schema)
    )
    station.quarantined = station.lake.quarantine(DEIDENTIFIED_PREFIXES, PARTITION, rest)
    after = gate_and_publish(
        station.study, station.lake, station.quarantined, recorded_canaries(station.lake, before)
    ).manifest
    assert after.rows == 2 and recorded_canaries(station.lake, after) == FOUND
    assert station.lake.read(DEIDENTIFIED_PREFIXES, PARTITION).num_rows == 2


def test_marks_that_no_reader_accepts_are_not_signed_anew(station):
    """Or a forged partition would be laundered by the first erasure that rewrites it."""
    manifest = station.published().manifest
    forged = replace(
        manifest, marks=tuple(replace(mark, measures=FOUND, expectations=99) for mark in manifest.marks)
    )
    with pytest.raises(GateError, match="not signed with this study's key"):
        recorded_canaries(station.lake, forged)


def test_blind_detection_stops_a_week_in_which_nothing_else_is_wrong(station):
    blind = {**FOUND, "person": (40, 10)}
    with pytest.raises(
        GatesFailed, match=r"canaries: expect_column_values_to_be_between\(recall_person\) fails"
    ):
        gate_and_publish(station.study, station.lake, station.quarantined, blind)


# ----------------------------------------------------------------------------------------------------------- a whole week
def test_a_week_is_published_without_its_canaries(station):
    study = Study(study_of(station.directory, privacy={"canaries_per_type": 3}))
    published = publish_week(study, str(WEEK))
    rows = study.lake.read(DEIDENTIFIED_PREFIXES, PARTITION)
    assert rows.column("turn_id").to_pylist() == station.quarantined.read().column("turn_id").to_pylist()
    assert {planted for planted, _ in recorded_canaries(study.lake, published.manifest).values()} == {3}
    again = publish_week(study, str(WEEK))
    assert again.manifest.content == published.manifest.content, "other canaries, the same week"


def test_account_ids_in_the_text_are_replaced(tmp_path):
    words = "Ask user-10001 about it, the ticket is conversation-0."
    attributes = json.dumps({"user_email": "zq81@intern", "note": "user-10000"})
    logs = [
        conversation(
            f"conversation-{i}", f"user-1000{i}", exchange(NOON, words, "user-10000"), attributes=attributes
        )
        for i in range(3)
    ]
    write_logs(tmp_path, logs)
    write_consent(tmp_path, GRANTS)
    study = Study(study_of(tmp_path, privacy={"canaries_per_type": 0}))
    sample = sample_week(study.config, study.lake, WEEK)
    study.lake.write(SAMPLED_TRAFFIC, PARTITION, sample.rows)
    study.lake.write(SAMPLING_FUNNEL, PARTITION, sample.funnel)
    publish_week(study, str(WEEK))
    text = json.dumps(study.lake.read(DEIDENTIFIED_PREFIXES, PARTITION).to_pylist(), default=str)
    assert "Ask " in text
    assert not [each for each in ("user-1000", "conversation-0", "zq81") if each in text]


def test_text_that_is_not_de_identified_has_no_canaries_and_no_account_ids(station):
    engine = {"engine": "none", "reason": "synthetic text of this test"}
    study = Study(study_of(station.directory, deidentification=engine))
    published = publish_week(study, str(WEEK))
    assert set(recorded_canaries(study.lake, published.manifest).values()) == {(0, 0)}


def test_text_of_real_users_does_not_pass_for_de_identified_because_no_engine_looked(station, monkeypatch):
    engine = {"engine": "none", "reason": "the reason of somebody who is in a hurry"}
    study = Study(study_of(station.directory, deidentification=engine))
    monkeypatch.setenv("DEPSIM_HMAC_KEY", EMBEDDED_HMAC_KEY)
    monkeypatch.setattr(type(study.config), "sandbox", False)
    with pytest.raises(GatesFailed, match=r"residual_identifiers\) fails on 3 row"):
        publish_week(study, str(WEEK))


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

"""Ledgers as people export them: what is read, what is counted as unreadable, and that a raw id stays outside."""

import csv
import datetime as dt
import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from literal_traffic import HOUR, MONDAY, NOON, STUDY, decision, study_of, write_consent

from depsim_dagster.duckdb_sql import connect
from depsim_dagster.errors import TrafficError
from depsim_dagster.privacy.gates.consent import consent_holds
from depsim_dagster.traffic.consent_ledger import COLUMNS, define_consent, unreadable_decisions
from depsim_dagster.traffic.pseudonyms import pseudonym
from depsim_dagster.traffic.schema import CONSENT_LEDGER

CANARY = "canary-71aa"
AS_OF = dt.datetime(2026, 2, 2, tzinfo=dt.UTC)


def ledger_study(directory, name):
    return study_of(directory, traffic=STUDY["traffic"] | {"consent": {"ledger": name}})


def as_text(row: dict) -> dict:
    """A decision as a text export has it: ISO times, and nothing where there is nothing."""
    return {
        name: value.isoformat() if isinstance(value, dt.datetime) else value for name, value in row.items()
    }


def write_text(directory, name: str, rows: list[dict]):
    file = directory / name
    opened = gzip.open if name.endswith(".gz") else open
    with opened(file, "wt", encoding="utf-8", newline="") as out:
        if ".csv" in name:
            writer = csv.DictWriter(out, COLUMNS)
            writer.writeheader()
            writer.writerows(map(as_text, rows))
        else:
            out.writelines(json.dumps(as_text(row)) + "\n" for row in rows)
    return ledger_study(directory, name)


def consent_table(study) -> list[tuple]:
    connection = connect()
    define_consent(connection, study, study.traffic.consent)
    return sorted(connection.execute("from consent").fetchall(), key=str)


def problems(study) -> dict[str, int]:
    connection = connect()
    define_consent(connection, study, study.traffic.consent)
    return unreadable_decisions(connection)


def holds(study, user="u1", sent=NOON) -> bool:
    return consent_holds(study, [(pseudonym(study.hmac_key, "user", user), sent)], AS_OF)[0]


# ------------------------------------------------------------------------------------------------------------- formats
def test_every_format_is_the_same_ledger(tmp_path):
    tokyo, new_york = dt.timezone(9 * HOUR), dt.timezone(-5 * HOUR)
    rows = [
        decision("ü 1 '; drop table consent; --", start=MONDAY.astimezone(tokyo)),
        decision("u2", granted=False, start=MONDAY.astimezone(new_york), effective_until=NOON),
        decision("u3", scope="advertising", policy_version="p,2\n", recorded_at=NOON),
    ]
    write_consent(tmp_path, rows)
    expected = consent_table(ledger_study(tmp_path, "consent.parquet"))
    assert len(expected) == 3 and {row[-1] for row in expected} == {None}
    for name in ("c.csv", "c.csv.gz", "c.jsonl", "c.ndjson", "c.jsonl.gz"):
        assert consent_table(write_text(tmp_path, name, rows)) == expected, name
    starts = sorted(row[4] for row in expected)
    assert starts == [MONDAY - 24 * HOUR, MONDAY, MONDAY], "wall clocks of two continents are one moment"


def test_raw_ids_never_enter_the_table(tmp_path):
    write_consent(tmp_path, [decision(CANARY), decision("u1", scope="advertising")])
    study = study_of(tmp_path)
    rows = consent_table(study)
    assert CANARY not in str(rows)
    assert {row[0] for row in rows} == {pseudonym(study.hmac_key, "user", user) for user in (CANARY, "u1")}


def test_several_files_are_one_ledger(tmp_path):
    write_text(tmp_path, "a.csv", [decision("a")])
    write_text(tmp_path, "b.jsonl", [decision("b")])
    assert len(consent_table(ledger_study(tmp_path, "[ab].*"))) == 2


# ------------------------------------------------------------------------------------------------------ unreadable rows
UNREADABLE = {
    "no user_id": {"user_id": None},
    "no scope": {"scope": None},
    "no policy_version": {"policy_version": ""},
    "granted is neither true nor false": {"granted": "maybe"},
    "effective_from is no time with a zone": {"effective_from": "2026-01-01T00:00:00"},
    "effective_until is no time with a zone": {"effective_until": "never"},
    "recorded_at is no time with a zone": {"recorded_at": None},
    "effective_until is not after effective_from": {"effective_until": MONDAY - 24 * HOUR},
    "recorded_at is in the future": {"recorded_at": dt.datetime(2999, 1, 1, tzinfo=dt.UTC)},
    "spaces around user_id": {"user_id": " u1"},
}


@pytest.mark.parametrize("name", ["c.csv", "c.jsonl"])
@pytest.mark.parametrize("problem", UNREADABLE)
def test_a_row_that_cannot_be_read_is_counted_and_takes_its_user_out(tmp_path, name, problem):
    study = write_text(tmp_path, name, [decision(), decision() | UNREADABLE[problem], decision("u2")])
    assert problems(study) == {problem: 1}
    assert holds(study, "u1") is (problem == "no user_id"), "whose row it was cannot be known"
    assert holds(study, "u2"), "others are not concerned"


@pytest.mark.parametrize(
    "value",
    [
        "2026-01-04 00:00:00", "2026-02-30T00:00:00Z", "2026-01-04", "1767484800", "yesterday", "2026-01-04T25:00:00Z",
        "2026-01-04T00:00:00+99:00", "2026-01-04T00:00:00 Europe/Paris", "infinity", "0026-01-04T00:00:00Z", " ",
    ],
)  # fmt: skip
def test_what_is_no_moment_grants_nothing(tmp_path, value):
    study = write_text(tmp_path, "c.csv", [decision() | {"effective_from": value}])
    assert problems(study) == {"effective_from is no time with a zone": 1}
    assert not holds(study)


@pytest.mark.parametrize(
    "value",
    [
        "2026-01-04T00:00Z",
        "2026-01-04 09:00:00+09:00",
        "2026-01-03T19:00:00.123456789-05:00",
        "2026-01-04T09+09:00",
    ],
)
def test_what_is_a_moment(tmp_path, value):
    study = write_text(tmp_path, "c.csv", [decision() | {"effective_from": value}])
    readable = not problems(study)
    assert readable is (value != "2026-01-04T09+09:00"), "an hour alone is no time"
    if readable:
        assert holds(study)


@pytest.mark.parametrize(
    "line",
    [
        '{"user_id": "u1", "granted": ',
        "[" * 10_000,
        '{"a":' * 10_000,
        '[["user_id", "u1"]]',
        '"u1"',
        "null",
        '{"user_id": {"id": "u1"}}',
        '{"user_id": true}',
    ],
)
def test_a_line_that_is_no_row_names_nobody(tmp_path, line):
    study = write_text(tmp_path, "c.jsonl", [decision()])
    with open(tmp_path / "c.jsonl", "a", encoding="utf-8") as out:
        out.write(line + "\n\n")
    (count,) = problems(study).values()
    assert count == 1 and holds(study)


def test_two_values_for_one_name_are_ambiguous(tmp_path):
    line = json.dumps(as_text(decision())).replace('"granted": true', '"granted": false, "granted": true')
    (tmp_path / "c.jsonl").write_text(line + "\n")
    study = ledger_study(tmp_path, "c.jsonl")
    assert problems(study) == {"a value that is no text": 1} and not holds(study)


def test_bytes_that_are_no_text_damage_their_row_alone(tmp_path):
    study = write_text(tmp_path, "c.csv", [decision(), decision("u2"), decision("u2", policy_version="XX")])
    file = tmp_path / "c.csv"
    file.write_bytes(file.read_bytes().replace(b"XX", b"\xff\xfe"))
    assert sum(problems(study).values()) == 1
    assert holds(study, "u1") and not holds(study, "u2")


def test_a_csv_row_with_too_few_or_too_many_cells_is_unreadable(tmp_path):
    study = write_text(tmp_path, "c.csv", [decision(), decision("u2"), decision("u3")])
    lines = (tmp_path / "c.csv").read_text().splitlines()
    lines[2], lines[3] = lines[2].rpartition(",")[0], lines[3] + ",more"
    (tmp_path / "c.csv").write_text("\n".join(lines))
    assert sum(problems(study).values()) == 2
    assert [holds(study, user) for user in ("u1", "u2", "u3")] == [True, False, False]


@pytest.mark.parametrize("column", [column for column in COLUMNS if column != "effective_until"])
def test_nulls_in_parquet_are_unreadable_rows(tmp_path, column):
    schema = pa.schema([part.with_nullable(True) for part in CONSENT_LEDGER])
    rows = [decision(), decision() | {column: None}, decision("u2")]
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), tmp_path / "consent.parquet")
    study = study_of(tmp_path)
    assert sum(problems(study).values()) == 1
    assert holds(study, "u1") is (column == "user_id") and holds(study, "u2")


# -------------------------------------------------------------------------------------------------- unreadable as files
def refused(study, says: str) -> None:
    for read in (consent_table, holds):
        with pytest.raises(TrafficError, match=says) as caught:
            read(study)
        assert CANARY not in str(caught.value) and str(study.directory) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("c.parquet", CANARY, "not a readable Parquet file"),
        ("c.csv", f"user_id,scope\n{CANARY},x\n", "no column granted"),
        ("c.csv", ",".join(COLUMNS) + f'\n"{CANARY},', "cannot be read"),
        ("c.csv", "", "no column user_id"),
        ("c.csv.gz", CANARY, "cannot be read"),
        ("c.jsonl", '"' + CANARY + "x" * 1_100_000, "cannot be read"),
    ],
)
def test_a_file_that_is_no_ledger_is_one_error(tmp_path, name, content, says):
    (tmp_path / name).write_text(content)
    refused(ledger_study(tmp_path, name), says)


def test_a_parquet_column_of_another_kind_is_one_error(tmp_path):
    write_consent(tmp_path, [decision(CANARY)])
    table = pq.read_table(tmp_path / "consent.parquet")
    for name, values in (
        ("effective_from", pa.array([dt.datetime(2026, 1, 1)])),
        ("granted", pa.array([CANARY])),
        ("user_id", pa.array([7])),
    ):
        changed = table.set_column(table.schema.get_field_index(name), name, values)
        pq.write_table(changed, tmp_path / "consent.parquet")
        refused(study_of(tmp_path), f"of another type .*{name}")


def test_the_error_names_the_key_of_its_source(tmp_path):
    consent = {"ledger": "nowhere.csv"}
    baseline = {"format": "depsim", "paths": ["p.parquet"], "consent": consent}
    study = study_of(tmp_path, traffic=STUDY["traffic"] | {"challenging_prompts": baseline})
    with pytest.raises(TrafficError, match=r"traffic\.challenging_prompts\.consent\.ledger: nothing matches"):
        define_consent(connect(), study, study.traffic.challenging_prompts.consent)

"""Damaged and unusual files: one error that names the file and quotes no text, or rows that are read right."""

import datetime as dt
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from literal_traffic import (
    NOON,
    STUDY,
    WEEK,
    conversation,
    decision,
    drawn,
    exchange,
    message,
    rows_of,
    study_of,
    write_consent,
    write_logs,
)

from depsim_dagster.duckdb_sql import connect, exact_file, identifier, literal
from depsim_dagster.errors import TrafficError
from depsim_dagster.traffic.log_files import matching_files
from depsim_dagster.traffic.sampling import sample_week
from depsim_dagster.traffic.schema import CONSENT_LEDGER, CONVERSATIONS

CANARY = "canary-3b5d"
LOG = conversation(CANARY, CANARY, exchange(question=CANARY, answer=CANARY))


def refused(directory, says: str, file: str = "logs.parquet", **changes) -> str:
    with pytest.raises(TrafficError, match=says) as caught:
        rows_of(sample_week(study_of(directory, **changes), WEEK))
    assert file in str(caught.value) and CANARY not in str(caught.value)
    return str(caught.value)


def replace_column(file, name, values) -> None:
    table = pq.read_table(file)
    pq.write_table(table.set_column(table.schema.get_field_index(name), name, values), file)


@pytest.fixture
def directory(tmp_path):
    write_logs(tmp_path, [LOG])
    write_consent(tmp_path, [decision(CANARY)])
    return tmp_path


def test_no_match_names_key_and_pattern(directory):
    traffic = STUDY["traffic"] | {"paths": ["nowhere/*.parquet"]}
    assert "traffic.paths" in refused(directory, "nothing matches", "nowhere/*.parquet", traffic=traffic)


def test_a_truncated_file_is_named(directory):
    file = directory / "logs.parquet"
    os.truncate(file, file.stat().st_size // 2)
    refused(directory, "not a readable Parquet file")


def test_damaged_pages_are_named_though_the_footer_is_whole(directory):
    write_logs(directory, [conversation("good")], "logs-a.parquet")
    file = write_logs(directory, [LOG] * 50, "logs-b.parquet")
    content = bytearray(file.read_bytes())
    pages = (
        len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    )  # the footer's length stands before the magic
    content[4:pages] = b"\xff" * (pages - 4)
    file.write_bytes(content)
    refused(directory, "cannot be read", "logs-b.parquet")


def test_a_text_file_under_the_name_of_parquet_is_named(directory):
    (directory / "logs.parquet").write_text(CANARY)
    refused(directory, "not a readable Parquet file")


def test_wrong_columns_are_named(directory):
    pq.write_table(pa.table({"id": [CANARY], "text": [CANARY]}), directory / "logs.parquet")
    refused(directory, "no column conversation_id")


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("messages", pa.array([CANARY])),
        ("messages", pa.array([float("nan")])),
        ("messages", pa.array([[CANARY]])),
        ("messages", pa.array([[{"role": "user", "content": CANARY}]])),
        ("temporary", pa.array(["no"])),
        ("conversation_id", pa.array([1])),
        ("account_class", pa.array([b"consumer"])),
    ],
)
def test_a_column_of_another_type_is_named(directory, column, values):
    replace_column(directory / "logs.parquet", column, values)
    refused(directory, f"of another type .*{column}")


def test_times_without_a_zone_are_refused_in_logs_and_ledger(directory):
    naive = pa.struct(
        [part.with_type(pa.timestamp("us")) if part.name == "created_at" else part for part in _message()]
    )
    schema = CONVERSATIONS.set(9, pa.field("messages", pa.list_(naive)))
    log = conversation(messages=[message("user", at=NOON.replace(tzinfo=None))])
    write_logs(directory, [log], schema=schema)
    refused(directory, "need a zone")
    write_logs(directory, [LOG])
    replace_column(directory / "consent.parquet", "effective_from", pa.array([dt.datetime(2026, 1, 1)]))
    refused(directory, "need a zone", "consent.parquet")


def _message():
    return list(CONVERSATIONS.field("messages").type.value_type)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"messages": None}, r"1 row\(s\) have no messages;"),
        ({"messages": [*exchange(), message("user", at=None)]}, r"have no messages\.created_at"),
        ({"messages": [message(None)]}, r"have no messages\.role"),
        ({"messages": [None]}, r"have no messages\.role"),
        ({"conversation_id": None}, "have no conversation_id"),
    ],
)
def test_nulls_where_none_may_be_are_counted_in_one_error(directory, bad, says):
    nullable = _nullable_conversations()
    pq.write_table(pa.Table.from_pylist([LOG, LOG | bad], schema=nullable), directory / "logs.parquet")
    refused(directory, says)


def _nullable_conversations() -> pa.Schema:
    item = pa.struct([part.with_nullable(True) for part in _message()])
    columns = [part.with_nullable(True) for part in CONVERSATIONS]
    columns[-1] = pa.field("messages", pa.list_(item))
    return pa.schema(columns)


@pytest.mark.parametrize("column", ["user_id", "granted", "policy_version", "effective_from", "recorded_at"])
def test_a_ledger_with_a_null_is_named(directory, column):
    schema = pa.schema([part.with_nullable(True) for part in CONSENT_LEDGER])
    table = pa.Table.from_pylist([decision(CANARY), decision(CANARY) | {column: None}], schema=schema)
    pq.write_table(table, directory / "consent.parquet")
    refused(directory, f"have no {column}", "consent.parquet")


def test_an_empty_conversation_and_null_languages_are_fine(tmp_path):
    table = pa.Table.from_pylist(
        [conversation("empty", messages=[]), conversation(language=None)], schema=_nullable_conversations()
    )
    pq.write_table(table, tmp_path / "logs.parquet")
    assert len(rows_of(drawn(tmp_path))) == 1


def test_columns_without_a_value_and_other_widths_are_read(tmp_path):
    """As pandas writes them: no type where there is no value, large strings, nanoseconds, a dictionary, any order."""
    item = pa.struct(
        [
            part.with_type(
                {
                    "tool_calls": pa.null(),
                    "created_at": pa.timestamp("ns", tz="Asia/Kolkata"),
                    "attachments": pa.int64(),
                }.get(part.name, pa.large_string())
            ).with_nullable(True)
            for part in reversed(_message())
        ]
    )
    schema = pa.schema(
        [
            pa.field("messages", pa.large_list(item)),
            *[
                pa.field(
                    part.name,
                    {
                        "tools": pa.null(),
                        "attributes": pa.null(),
                        "temporary": pa.bool_(),
                        "model": pa.dictionary(pa.int8(), pa.string()),
                    }.get(part.name, pa.large_string()),
                )
                for part in CONVERSATIONS
                if part.name != "messages"
            ],
        ]
    )
    pq.write_table(
        pa.Table.from_pylist([conversation("pandas")], schema=schema), tmp_path / "logs-pandas.parquet"
    )
    rows = rows_of(drawn(tmp_path, [conversation("arrow")]))
    assert [row["sent_at"] for row in rows] == [NOON, NOON] and {row["tools"] for row in rows} == {None}
    assert {row["target"] for row in rows} == {'[{"role": "assistant", "content": "hi"}]'}


# ----------------------------------------------------------------------------------------------------------- file names
def test_file_names_with_glob_characters_and_quotes_are_opened_exactly(tmp_path):
    folder = tmp_path / "study [2] it's *"
    folder.mkdir()
    write_logs(folder, [conversation("a")], "logs[1].parquet")
    write_logs(folder, [conversation("b")], "logs1.parquet")
    write_logs(folder, [conversation("c")], "logs'); drop table turns; --.parquet")
    assert len(rows_of(drawn(folder))) == 3
    traffic = STUDY["traffic"] | {"paths": ["logs[1].parquet"]}
    assert len(rows_of(drawn(folder, traffic=traffic))) == 1, "an existing file is meant before a glob"


def test_a_file_that_two_patterns_match_is_read_once(tmp_path):
    write_logs(tmp_path, [conversation()])
    traffic = STUDY["traffic"] | {"paths": ["logs.parquet", "*ogs*.parquet", str(tmp_path / "logs.parquet")]}
    study = study_of(tmp_path, traffic=traffic)
    assert len(matching_files(study, study.traffic.paths, "traffic.paths")) == 1
    assert len(rows_of(drawn(tmp_path, traffic=traffic))) == 1


def test_a_folder_named_like_a_partition_adds_no_column(tmp_path):
    folder = tmp_path / "model=evil"
    folder.mkdir()
    assert rows_of(drawn(folder, [conversation()]))[0]["deployment"] == "m1"


@pytest.mark.parametrize("name", ["it's", 'a"b', "x'); drop table t; --", "", "名前"])
def test_names_stay_names_in_sql(name):
    connection = connect()
    assert connection.execute(f"select {literal(name)}").fetchone() == (name,)
    connection.execute(f"create table t ({identifier(name or 'x')} integer)")
    assert connection.execute("select column_name from (describe t)").fetchall() == [(name or "x",)]


def test_a_plain_name_is_a_plain_literal(tmp_path):
    assert exact_file(tmp_path / "it's.parquet") == literal(str(tmp_path / "it's.parquet"))

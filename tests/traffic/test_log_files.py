"""Which files a study names, and files that cannot be read: one error that names the file and quotes no text."""

import bz2
import datetime as dt
import gzip
import json
import lzma
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from backports import zstd
from literal_logs import GOOD, index, log_study, write_lines
from literal_traffic import (
    NOON,
    STUDY,
    conversation,
    drawn,
    exchange,
    message,
    rows_of,
    study_of,
    write_logs,
)

from depsim_dagster.duckdb_sql import connect, exact_file, identifier, literal
from depsim_dagster.errors import TrafficError
from depsim_dagster.traffic.log_files import LOG_ENDINGS, matching_files, shown
from depsim_dagster.traffic.schema import CONVERSATIONS, INGESTED_FILES

CANARY = "canary-3b5d"
LOG = conversation(CANARY, CANARY, exchange(question=CANARY, answer=CANARY))
LINE = json.dumps(GOOD["openai_chat"]).encode() + b"\n"


def zstandard(content: bytes) -> bytes:
    return zstd.compress(
        content, options={zstd.CompressionParameter.checksum_flag: 1}
    )  # as the `zstd` command does


COMPRESS = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zst": zstandard}


def refused(directory, says: str, log_format: str = "depsim", file: str = "logs") -> str:
    with pytest.raises(TrafficError, match=says) as caught:
        index(log_study(directory, log_format))
    assert file in str(caught.value) and CANARY not in str(caught.value)
    return str(caught.value)


def replace_column(file, name, values) -> None:
    table = pq.read_table(file)
    pq.write_table(table.set_column(table.schema.get_field_index(name), name, values), file)


@pytest.fixture
def directory(tmp_path):
    write_logs(tmp_path, [LOG])
    return tmp_path


# --------------------------------------------------------------------------------------------------- which files are meant
def test_no_match_names_key_and_pattern(tmp_path):
    with pytest.raises(TrafficError, match=r"traffic\.paths: nothing matches .*nowhere/\*\.parquet"):
        index(log_study(tmp_path, paths=["nowhere/*.parquet"]))


def test_a_folder_is_searched_for_logs_in_every_kind_and_compression(tmp_path):
    folder = tmp_path / "logs" / "2026" / "week=1"
    folder.mkdir(parents=True)
    wanted = [f"a{place}{ending}" for place, ending in enumerate(LOG_ENDINGS)] + ["UPPER.JSONL"]
    for name in [*wanted, ".hidden.jsonl", "_temporary.jsonl", "notes.txt", "data.csv"]:
        (folder / name).write_bytes(LINE)
    for hidden in ("_spark", ".git"):
        (folder / hidden).mkdir()
        (folder / hidden / "b.jsonl").write_bytes(LINE)
    (folder / "c.jsonl").mkdir()
    study = log_study(tmp_path, paths=["logs"])
    found = matching_files(study, study.traffic.paths, "traffic.paths", LOG_ENDINGS)
    assert [file.name for file in found] == sorted(wanted) and len(LOG_ENDINGS) == 20
    by_glob = matching_files(study, ("logs/20*",), "traffic.paths", LOG_ENDINGS)
    assert by_glob == found, "a glob may match folders"
    with pytest.raises(TrafficError, match="nothing matches .*logs; give an existing file or a glob"):
        matching_files(study, ("logs",), "traffic.consent.ledger")
    (tmp_path / "empty").mkdir()
    with pytest.raises(TrafficError, match="nothing matches .*a folder with files that end in"):
        matching_files(study, ("empty",), "traffic.paths", LOG_ENDINGS)


def test_file_names_with_glob_characters_and_quotes_are_opened_exactly(tmp_path):
    folder = tmp_path / "study [2] it's *"
    folder.mkdir()
    write_logs(folder, [conversation("a")], "logs[1].parquet")
    write_logs(folder, [conversation("b")], "logs1.parquet")
    write_logs(folder, [conversation("c")], "logs'); drop table turns; --.parquet")
    assert len(index(log_study(folder, "depsim")).turns) == 3
    assert len(index(log_study(folder, "depsim", ["logs[1].parquet"])).turns) == 1, (
        "a file is meant before a glob"
    )


@pytest.mark.parametrize(
    "name", [b"logs\x1b[31m\n.jsonl", b"logs\xff\xfe.jsonl", "logs🙂‮.jsonl".encode(), b"logs{0}%s.jsonl"]
)
def test_a_hostile_file_name_is_read_and_shown_escaped(tmp_path, name):
    path = os.fsencode(tmp_path) + b"/" + name
    with open(path, "wb") as out:
        out.write(LINE + b"{\n")
    found = index(log_study(tmp_path, paths=["*.jsonl"]))
    assert len(found.turns) == 1 and found.rejects[0]["name"].isprintable()
    (row,) = found.lake.read(INGESTED_FILES, {"file": found.files[0].file}).to_pylist()
    assert row["name"].startswith("logs") and row["name"].isprintable()
    with open(path, "r+b") as out:
        out.write(b"\x1f\x8b")
    with pytest.raises(TrafficError) as caught:
        index(log_study(tmp_path, paths=["*.jsonl"]))
    assert str(caught.value).isprintable() and "cannot be read" in str(caught.value)


def test_shown_leaves_plain_names_alone(tmp_path):
    assert shown("a b/ü.jsonl") == "a b/ü.jsonl" and shown("a\nb\x1b") == "a\\nb\\x1b"


def test_a_file_that_two_patterns_match_or_that_was_copied_is_read_once(tmp_path):
    write_logs(tmp_path, [conversation()])
    paths = ["logs.parquet", "*ogs*.parquet", str(tmp_path / "logs.parquet")]
    study = log_study(tmp_path, "depsim", paths)
    assert len(matching_files(study, study.traffic.paths, "traffic.paths")) == 1
    (tmp_path / "logs-copy.parquet").write_bytes((tmp_path / "logs.parquet").read_bytes())
    (tmp_path / "logs-link.parquet").symlink_to(tmp_path / "logs.parquet")
    assert len(index(log_study(tmp_path, "depsim")).turns) == 1


def test_a_folder_named_like_a_partition_adds_no_column(tmp_path):
    folder = tmp_path / "model=evil"
    folder.mkdir()
    write_logs(folder, [conversation()])
    assert index(log_study(tmp_path, "depsim", ["model=evil"])).turns[0]["model"] == "m1"


@pytest.mark.parametrize("name", ["it's", 'a"b', "x'); drop table t; --", "", "名前"])
def test_names_stay_names_in_sql(name):
    connection = connect()
    assert connection.execute(f"select {literal(name)}").fetchone() == (name,)
    connection.execute(f"create table t ({identifier(name or 'x')} integer)")
    assert connection.execute("select column_name from (describe t)").fetchall() == [(name or "x",)]


def test_a_plain_name_is_a_plain_literal(tmp_path):
    assert exact_file(tmp_path / "it's.parquet") == literal(str(tmp_path / "it's.parquet"))


# -------------------------------------------------------------------------------------------- what a file is, by its content
@pytest.mark.parametrize("kind", [None, *COMPRESS])
@pytest.mark.parametrize("ending", ["jsonl", "json", "parquet", "log", "jsonl.gz", "parquet.zst"])
def test_content_decides_where_the_ending_lies(tmp_path, kind, ending):
    compress = COMPRESS.get(kind, bytes)
    (tmp_path / f"logs-lines.{ending}").write_bytes(compress(LINE * 2))
    pq.write_table(pa.Table.from_pylist([GOOD["openai_chat"]]), tmp_path / "table")
    (tmp_path / f"logs-table.{ending}").write_bytes(compress((tmp_path / "table").read_bytes()))
    (tmp_path / f"logs-list.{ending}").write_bytes(compress(b"[" + LINE + b", " + LINE + b"]"))
    found = index(log_study(tmp_path))
    forms = {
        (row["kind"], row["compression"], row["records"])
        for file in found.files
        for row in found.lake.read(INGESTED_FILES, {"file": file.file}).to_pylist()
    }
    compression = {None: "none", "gz": "gzip", "zst": "zstd"}.get(kind, kind)
    assert forms == {("lines", compression, 2), ("parquet", compression, 1), ("document", compression, 2)}
    assert len({turn["prompt_digest"] for turn in found.turns}) == 1 and len(found.turns) == 5


@pytest.mark.parametrize("kind", COMPRESS)
def test_a_compressed_file_that_breaks_off_is_one_error(tmp_path, kind):
    content = COMPRESS[kind](b"".join(os.urandom(30).hex().encode() + b"\n" for _ in range(4000)))
    (tmp_path / "logs.jsonl").write_bytes(content[: len(content) // 2])
    refused(tmp_path, "cannot be read to its end", "openai_chat")
    (tmp_path / "logs.jsonl").write_bytes(content[:400] + os.urandom(400) + content[800:])
    refused(tmp_path, "cannot be read to its end", "openai_chat")


def test_members_of_a_compressed_file_follow_each_other(tmp_path):
    for kind, compress in COMPRESS.items():
        (tmp_path / f"logs.jsonl.{kind}").write_bytes(compress(LINE) + compress(LINE * 2))
    assert [file.records for file in index(log_study(tmp_path)).files] == [3] * 4


def test_an_empty_file_has_no_records(tmp_path):
    (tmp_path / "logs-a.jsonl").write_bytes(b"")
    (tmp_path / "logs-b.jsonl").write_bytes(b"\xef\xbb\xbf\n \r\n\n")
    assert [file.records for file in index(log_study(tmp_path)).files] == [0, 0]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read_is_named(tmp_path):
    write_lines(tmp_path / "logs.jsonl", []).chmod(0)
    refused(tmp_path, "cannot be opened", "openai_chat")


# ------------------------------------------------------------------------------------------- Parquet of the project's schema
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
    refused(directory, "cannot be read", file="logs-b.parquet")


def test_a_text_file_under_the_name_of_parquet_is_named(directory):
    (directory / "logs.parquet").write_text(CANARY)
    refused(directory, "not a readable Parquet file")


def test_wrong_columns_are_named(directory):
    pq.write_table(pa.table({"id": [CANARY], "text": [CANARY]}), directory / "logs.parquet")
    refused(directory, "no column conversation_id, model, messages;")


def test_a_column_that_stands_twice_is_named(directory):
    table = pq.read_table(directory / "logs.parquet")
    pq.write_table(table.append_column("model", pa.array(["m1"])), directory / "logs.parquet")
    refused(directory, "a column name stands twice")


def test_a_file_of_a_later_schema_is_refused(directory):
    table = pq.read_table(directory / "logs.parquet")
    for version, fine in ((b"2", True), (b"3", False), (b"?", True)):
        pq.write_table(
            table.replace_schema_metadata({"depsim_conversation_schema": version}), directory / "logs.parquet"
        )
        if fine:
            assert len(index(log_study(directory, "depsim")).turns) == 1
        else:
            refused(directory, "version 3 of the conversation schema")


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


def test_times_without_a_zone_are_refused(directory):
    naive = pa.struct(
        [part.with_type(pa.timestamp("us")) if part.name == "created_at" else part for part in _message()]
    )
    schema = CONVERSATIONS.set(9, pa.field("messages", pa.list_(naive)))
    log = conversation(messages=[message("user", at=NOON.replace(tzinfo=None))])
    write_logs(directory, [log], schema=schema)
    refused(directory, "need a zone")


def _message():
    return list(CONVERSATIONS.field("messages").type.value_type)


def _nullable_conversations() -> pa.Schema:
    item = pa.struct([part.with_nullable(True) for part in _message()])
    columns = [part.with_nullable(True) for part in CONVERSATIONS]
    columns[-1] = pa.field("messages", pa.list_(item))
    return pa.schema(columns)


def test_nulls_and_empty_conversations_reject_their_row_alone(tmp_path):
    bad = [
        ({"messages": None}, "no_messages", "messages"),
        ({"messages": []}, "no_messages", "messages"),
        ({"messages": [*exchange(), message("user", at=None)]}, "no_time", "messages.created_at"),
        ({"messages": [message(None)]}, "missing_field", "messages.role"),
        ({"messages": [None]}, "null_message", "messages"),
        ({"conversation_id": None}, "missing_field", "conversation_id"),
        ({"conversation_id": ""}, "no_conversation_id", "conversation_id"),
        ({"messages": [message("assistant")]}, "no_user_turn", "messages"),
    ]
    rows = [LOG | changed for changed, _, _ in bad] + [LOG, LOG | {"language": None, "tools": None}]
    pq.write_table(pa.Table.from_pylist(rows, schema=_nullable_conversations()), tmp_path / "logs.parquet")
    found = index(log_study(tmp_path, "depsim"))
    assert found.reasons == [(place, reason, field) for place, (_, reason, field) in enumerate(bad)]
    assert [turn["record"] for turn in found.turns] == [8, 9] and {row["line"] for row in found.rejects} == {
        None
    }


def test_a_time_beyond_the_calendar_and_broken_text_reject_their_row_alone(tmp_path):
    table = pa.Table.from_pylist([LOG] * 3, schema=_nullable_conversations())
    offsets, item = pa.array([0, 1], pa.int32()), table.column("messages").combine_chunks().values
    at = pa.array([2**62, 2**62], pa.timestamp("us", tz="UTC"))
    broken = pa.Array.from_buffers(pa.string(), 2, pa.array([b"\xff\xfe", b"ok"], pa.binary()).buffers())
    parts = {part.name: item.field(part.name).slice(0, 2) for part in item.type}
    columns = []
    for changed in ({"created_at": at}, {"content": broken}):
        struct = pa.StructArray.from_arrays(list((parts | changed).values()), names=list(parts))
        columns.append(pa.ListArray.from_arrays(pa.array([0, 2], pa.int32()), struct))
    assert len(offsets) == 2
    whole = pa.ListArray.from_arrays(
        pa.array([0, 2], pa.int32()), pa.StructArray.from_arrays(list(parts.values()), names=list(parts))
    )
    messages = pa.concat_arrays([columns[0], columns[1], whole])
    pq.write_table(table.set_column(9, "messages", messages), tmp_path / "logs.parquet")
    found = index(log_study(tmp_path, "depsim"))
    assert [reason for _, reason, _ in found.reasons] == ["impossible_time", "invalid_utf8"]
    assert [turn["record"] for turn in found.turns] == [2]


def test_columns_without_a_value_and_other_widths_are_read(tmp_path):
    """As pandas writes them: no type where there is no value, large strings, nanoseconds, a dictionary, any order."""
    item = pa.struct(
        [
            part.with_type(
                {
                    "tool_calls": pa.null(),
                    "created_at": pa.timestamp("ns", tz="Asia/Kolkata"),
                    "attachments": pa.int64(),
                    "images": pa.int64(),
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


def test_what_may_be_null_may_be_absent_and_defaults_stand_for_classes(tmp_path):
    """Version 1 of the schema had no images; a log of one surface need not repeat it in every row."""
    log = {name: value for name, value in LOG.items() if name in ("conversation_id", "model", "messages")}
    log["messages"] = [
        {"role": part["role"], "content": part["content"], "created_at": part["created_at"]}
        for part in log["messages"]
    ]
    pq.write_table(pa.Table.from_pylist([log]), tmp_path / "logs.parquet")
    (turn,) = index(log_study(tmp_path, "depsim")).turns
    assert (turn["surface"], turn["account_class"], turn["temporary"]) == ("chat", "consumer", False)
    refusing = study_of(tmp_path, traffic=STUDY["traffic"])
    with pytest.raises(TrafficError, match="no column surface, account_class, temporary;"):
        index(refusing)


def test_row_groups_without_chosen_rows_are_skipped(tmp_path, monkeypatch):
    from depsim_dagster.traffic import parquet_records

    logs = [conversation(f"c{place}", messages=exchange(question=f"question {place}")) for place in range(60)]
    schema = _nullable_conversations()
    pq.write_table(pa.Table.from_pylist(logs, schema=schema), tmp_path / "logs.parquet", row_group_size=10)
    found = index(log_study(tmp_path, "depsim"))
    read = []
    group_of = parquet_records._group
    monkeypatch.setattr(parquet_records, "_group", lambda *given: read.append(given[2]) or group_of(*given))
    found.turns = [turn for turn in found.turns if turn["record"] in (3, 7, 41)]
    assert [prefix[0]["content"] for prefix, _ in found.messages()] == [
        "question 3",
        "question 7",
        "question 41",
    ]
    assert read == [0, 4]


def test_dates_and_decimals_are_no_times(tmp_path):
    log = LOG | {"messages": [part | {"created_at": dt.date(2026, 1, 7)} for part in LOG["messages"]]}
    pq.write_table(pa.Table.from_pylist([log]), tmp_path / "logs.parquet")
    refused(tmp_path, "need a zone")


def test_two_names_that_would_be_shown_alike_are_two_logs(tmp_path):
    write_logs(tmp_path, [conversation("c1", messages=exchange(question="one"))], "logs\n.parquet")
    sample = drawn(tmp_path)
    assert len(rows_of(sample)) == 1
    write_logs(tmp_path, [conversation("c2", messages=exchange(question="two"))], "logs\\n.parquet")
    assert len(rows_of(drawn(tmp_path))) == 2

"""Format `prompts`: any file of prompts, and evaluation prompts as a prefix source."""

import gzip
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from literal_logs import KNOWN, PUBLIC, Indexed, index, write_lines
from literal_traffic import (
    STUDY,
    conversation,
    decision,
    exchange,
    rows_of,
    sampled,
    study_of,
    write_consent,
    write_logs,
)

from depsim_dagster.config import load_study
from depsim_dagster.errors import ConfigurationError, TrafficError
from depsim_dagster.traffic import csv_records
from depsim_dagster.traffic.prefix_sources import EVALUATION_PROMPTS
from depsim_dagster.traffic.records import Rejected

TRANSCRIPT = "\n\nHuman: hello\n\nAssistant: hi\n\nHuman: more\nof it\n\nAssistant: its answer"


def study(directory, path, **section):
    prompts = {"format": "prompts", "paths": [str(path)], "consent": PUBLIC, "defaults": KNOWN} | section
    return study_of(directory, traffic=STUDY["traffic"] | {EVALUATION_PROMPTS: prompts}, awareness={})


def found_in(directory, path, **section) -> Indexed:
    return index(study(directory, path, **section), EVALUATION_PROMPTS)


def texts_of(found: Indexed) -> list[list[tuple[str, str]]]:
    return [[(message["role"], message["content"]) for message in prefix] for prefix, _ in found.messages()]


def test_a_column_of_prompts_is_found_by_its_name(tmp_path):
    (tmp_path / "set.csv").write_text(
        '\ufeffid,prompt,note\r\n1,"two\n\nlines, of ""it""",\r\n\r\n2,next,x\r\n'
    )
    found = found_in(tmp_path, "set.csv")
    assert texts_of(found) == [[("user", 'two\n\nlines, of "it"')], [("user", "next")]]
    (file,) = found.files
    assert (file.records, file.user_turns, file.rejected) == (2, 2, 0)


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_delimiters_are_seen_in_the_header(tmp_path, delimiter):
    (tmp_path / "set.csv").write_text(f"id{delimiter}question\n1{delimiter}how, and why?\n")
    assert texts_of(found_in(tmp_path, "set.csv")) == [[("user", "how, and why?")]]


def test_the_column_may_be_named(tmp_path):
    pq.write_table(
        pa.table({"goal": ["asked", None], "prompt": ["not this", "nor this"]}), tmp_path / "set.parquet"
    )
    found = found_in(tmp_path, "set.parquet", fields={"prompt": "goal"})
    assert texts_of(found) == [[("user", "asked")]]
    assert found.reasons == [(1, "missing_field", "goal")]


def test_of_a_transcript_the_last_answer_is_dropped(tmp_path):
    chat = [{"role": "system", "content": "short"}, {"role": "user", "content": "a"}]
    rows = [
        {"chosen": TRANSCRIPT, "rejected": "\n\nHuman: hello\n\nAssistant: other"},
        {"prompt": "Human: is a word here\n\nAssistant: too"},
        {"prompt": [*chat, {"role": "assistant", "content": "b"}]},
    ]
    (tmp_path / "set.jsonl.gz").write_bytes(
        gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode())
    )
    assert texts_of(found_in(tmp_path, "set.jsonl.gz")) == [
        [("user", "hello"), ("assistant", "hi"), ("user", "more\nof it")],
        [("user", "Human: is a word here\n\nAssistant: too")],
        [("system", "short"), ("user", "a")],
    ]


def test_rows_without_a_prompt_are_rejected_by_line_and_reason(tmp_path):
    write_lines(
        tmp_path / "set.jsonl",
        [{"prompt": "ok"}, {"answer": "x"}, {"prompt": " \n"}, {"prompt": 3}, {"prompt": []}, ["x"], b"{"],
    )
    assert found_in(tmp_path, "set.jsonl").reasons == [
        (1, "missing_field", "prompt"),
        (2, "missing_field", "prompt"),
        (3, "wrong_type", "prompt"),
        (4, "no_user_turn", "prompt"),
        (5, "not_an_object", None),
        (6, "not_json", None),
    ]


def test_a_broken_row_of_a_csv_costs_itself_alone(tmp_path):
    (tmp_path / "set.csv").write_bytes(
        b'id,prompt\n1,one\n2,"a"b\n3\n4,\xff\n5,\n6,"six\nof them"\n7,seven\n8,"no end\n'
    )
    found = found_in(tmp_path, "set.csv")
    assert texts_of(found) == [[("user", "one")], [("user", "six\nof them")], [("user", "seven")]]
    assert [(row["line"], row["reason"]) for row in found.rejects] == [
        (3, "not_csv"),
        (4, "wrong_cells"),
        (5, "invalid_utf8"),
        (6, "missing_field"),
        (10, "truncated"),
    ]


def test_a_header_with_one_name_twice_is_refused(tmp_path):
    (tmp_path / "set.csv").write_text("prompt,prompt\na,b\n")
    with pytest.raises(TrafficError, match=r"set\.csv: a column name stands twice"):
        found_in(tmp_path, "set.csv")


@pytest.mark.parametrize(
    "header", [b"prompt" * 20 + b"\n", b"prompt\rone\rtwo\r"], ids=["long", "no line feed"]
)
def test_a_file_without_a_header_is_one_clear_error(header, monkeypatch):
    monkeypatch.setattr(csv_records, "LARGEST_RECORD", 100)
    with pytest.raises(TrafficError, match=r"^set\.csv: its first line is no header") as told:
        list(csv_records.csv_records(io.BytesIO(header), "set.csv"))
    assert "promptprompt" not in str(told.value)


@pytest.mark.parametrize(
    "large", [b"long" * 40 + b"\n", b'long,"' + b"text\n" * 40 + b'"\n', b'"a\n",' * 60 + b"\n"]
)
def test_no_part_of_a_row_that_is_too_large_is_a_prompt(large, monkeypatch):
    monkeypatch.setattr(csv_records, "LARGEST_RECORD", 100)
    monkeypatch.setattr(csv_records, "BLOCK", 64)
    file = io.BytesIO(b"prompt,id\nfirst,1\n" + large + b"last,2\n")
    rows = list(csv_records.csv_records(file, "set.csv"))
    assert rows[1] == (3, Rejected("too_large")), "it costs itself, and is never held whole"
    kept = [(line, row["prompt"]) for line, row in rows if isinstance(row, dict)]
    assert kept == [(2, "first"), (2 + large.count(b"\n") + 1, "last")]


def test_evaluation_prompts_are_sampled_beside_the_traffic(tmp_path):
    write_logs(tmp_path, [conversation("c1", messages=exchange())])
    write_consent(tmp_path, [decision()])
    write_lines(tmp_path / "set.jsonl", [{"text": TRANSCRIPT}, {"text": "second"}, {"text": "second"}])
    sample = sampled(study(tmp_path, "set.jsonl"))
    rows = [row for row in rows_of(sample) if row["prefix_source"] == EVALUATION_PROMPTS]
    assert sorted(len(json.loads(row["prefix"])) for row in rows) == [1, 3]
    assert {(row["deployment"], row["target"]) for row in rows} == {(EVALUATION_PROMPTS, "[]")}
    assert len({row["user_id"] for row in rows}) == 2, "without an account, each is its own"


@pytest.mark.parametrize(
    ("traffic", "awareness", "message"),
    [
        ({"format": "openai_chat"}, None, "traffic.evaluation_prompts: nothing but `awareness` looks at"),
        (
            {"format": "wildchat", "fields": {"prompt": "x"}},
            {},
            "`fields.prompt` belongs to format `prompts`",
        ),
    ],
)
def test_settings_without_effect_are_refused(tmp_path, traffic, awareness, message):
    section = {"paths": ["set.jsonl"], "consent": PUBLIC, **traffic}
    raw = STUDY | {"traffic": STUDY["traffic"] | {EVALUATION_PROMPTS: section}, "awareness": awareness}
    (tmp_path / "study.yaml").write_text(json.dumps(raw, default=str))
    with pytest.raises(ConfigurationError) as error:
        load_study(tmp_path / "study.yaml")
    assert message in str(error.value)


# ----------------------------------------------------------------------------------- real files, whose text stays outside
def test_every_row_of_xstest_is_read(tmp_path, shared_data):
    found = found_in(tmp_path, shared_data / "xstest" / "xstest_prompts.csv")
    (file,) = found.files
    lengths = sorted(len(messages) for messages, _ in found.messages())
    assert (file.records, file.rejected, file.user_turns) == (215, 0, 215) and set(lengths) == {1}


def test_every_transcript_of_hh_rlhf_is_read_up_to_its_last_question(tmp_path, shared_data):
    file = shared_data / "hh-rlhf-harmless" / "harmless-base.test.jsonl.gz"
    lines = gzip.decompress(file.read_bytes()).decode().splitlines()
    asked = [json.loads(line)["chosen"].count("\n\nHuman:") for line in lines]
    found = found_in(tmp_path, file)
    (indexed,) = found.files
    assert (
        (indexed.records, indexed.rejected, indexed.user_turns)
        == (len(lines), 0, len(lines))
        == (942, 0, 942)
    )
    roles = [[message["role"] for message in prefix] for prefix, _ in found.messages()]
    assert all(each[-1] == "user" for each in roles)
    assert [each.count("user") for each in roles] == asked
    spoken = sum(len(message["content"] or "") for prefix, _ in found.messages() for message in prefix)
    kept = sum(len(json.loads(line)["chosen"].rpartition("\n\nAssistant:")[0]) for line in lines)
    assert 0.9 * kept < spoken < kept, "nothing but the marks of the speakers and the last answers is gone"

"""The turn index: what is read again and what is not, what hangs on the key, and texts in a second pass."""

import datetime as dt
import json
import os
import shutil
import subprocess
import sys
import traceback
from pathlib import Path

import pyarrow as pa
import pytest
from literal_logs import (
    DEFAULTS,
    GOOD,
    KNOWN,
    PUBLIC,
    baseline_study,
    index,
    indexed,
    log_study,
    write_lines,
)
from literal_traffic import study_of

from depsim_dagster.duckdb_sql import connect
from depsim_dagster.errors import ConfigurationError, LakeError, TrafficError
from depsim_dagster.lake import Lake
from depsim_dagster.traffic import logs as logs_module
from depsim_dagster.traffic import turn_index
from depsim_dagster.traffic.schema import INGESTED_FILES, REJECTED_RECORDS, TURN_INDEX
from depsim_dagster.traffic.turn_index import define_turns, index_traffic, read_turns

ROOT = Path(turn_index.__file__).parents[2]
A = {"role": "assistant", "content": "hi"}


def chat(question="hello there my friend", user="u1", **more) -> dict:
    messages = [{"role": "user", "content": question}, A]
    return {"user": user, "model": "m1", "created": 1767787200, "messages": messages, **more}


@pytest.fixture
def reads(monkeypatch) -> list[str]:
    """Names of the logs that were read, one entry a pass."""
    seen: list[str] = []
    records = logs_module.FileLog.records

    def counted(self, only=None):
        seen.append(self.name)
        return records(self, only)

    monkeypatch.setattr(logs_module.FileLog, "records", counted)
    return seen


@pytest.fixture
def hashed(monkeypatch) -> list[str]:
    """Names of the files whose bytes were hashed."""
    seen: list[str] = []
    content = logs_module.LogFile.content

    def counted(self):
        seen.append(self.path.name)
        return content(self)

    monkeypatch.setattr(logs_module.LogFile, "content", counted)
    return seen


def settle(path: Path) -> None:
    """As if the file had been written an hour ago, for all that the file system says."""
    past = path.stat().st_mtime - 3600
    os.utime(path, (past, past))


def test_an_unchanged_file_is_read_once(tmp_path, reads):
    write_lines(tmp_path / "logs-a.jsonl", [chat("one"), chat("two")])
    write_lines(tmp_path / "logs-b.jsonl", [chat("three")])
    study = log_study(tmp_path)
    first = index(study)
    second = index(study)
    assert reads == ["logs-a.jsonl", "logs-b.jsonl"] and first.turns == second.turns
    write_lines(tmp_path / "logs-c.jsonl", [chat("four")])
    third = index(study)
    assert reads[2:] == ["logs-c.jsonl"], "another file is no reason to read these again"
    assert [turn for turn in third.turns if turn in first.turns] == first.turns
    shutil.copy(tmp_path / "logs-a.jsonl", tmp_path / "moved")
    (tmp_path / "moved").rename(tmp_path / "logs-z.jsonl")
    (tmp_path / "logs-a.jsonl").unlink()
    assert len(index(study).turns) == 4 and len(reads) == 3, "content under another name is the same file"
    (tmp_path / "logs-b.jsonl").unlink()
    assert len(index(study).turns) == 3 and len(reads) == 3, "a file that is gone does not count"


def test_a_log_that_was_appended_to_replaces_its_index(tmp_path):
    write_lines(tmp_path / "logs-b.jsonl", [chat("other"), b"{"])
    for days in range(1, 4):
        file = write_lines(tmp_path / "logs-a.jsonl", [*(chat(f"day {day}") for day in range(days)), b"{"])
        found = index(log_study(tmp_path))
        assert (len(found.turns), len(found.rejects)) == (days + 1, 2)
        for table in (TURN_INDEX, REJECTED_RECORDS, INGESTED_FILES):
            assert len(found.lake.files(table)) == 2
    file.unlink()
    assert len(index(log_study(tmp_path)).turns) == 1


def test_a_settled_file_is_not_even_hashed_again(tmp_path, hashed, monkeypatch):
    file = write_lines(tmp_path / "logs.jsonl", [chat()])
    monkeypatch.setattr(logs_module, "_TICK", 0)  # the file was written just now
    study = log_study(tmp_path)
    index(study)
    assert hashed == ["logs.jsonl"]
    index(study)
    assert hashed == ["logs.jsonl"]
    settle(file)  # other times: it is hashed, found to be the same, and known from then on
    for _ in range(2):
        index(study)
        assert hashed == ["logs.jsonl"] * 2


def test_a_file_that_was_written_just_now_is_not_trusted(tmp_path, hashed):
    write_lines(tmp_path / "logs.jsonl", [chat()])
    for _ in range(2):
        index(log_study(tmp_path))
    assert hashed.count("logs.jsonl") >= 2


def test_same_size_and_times_do_not_hide_another_content(tmp_path):
    file = write_lines(tmp_path / "logs.jsonl", [chat("aaaa bbbb cccc")])
    settle(file)
    before = index(log_study(tmp_path))
    status = file.stat()
    write_lines(file, [chat("xxxx yyyy zzzz")])
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    after = index(log_study(tmp_path))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (status.st_size, status.st_mtime_ns)
    assert before.turns[0]["prompt_digest"] != after.turns[0]["prompt_digest"]


@pytest.mark.parametrize(
    "change",
    [
        {"fields": {"user_id": "account"}},
        {"defaults": KNOWN | {"model": "m2"}},
        {"models": {"m1": "m2"}},
        {"format": "sharegpt", "defaults": DEFAULTS["sharegpt"]},
    ],
)
def test_other_settings_read_the_file_again(tmp_path, reads, change):
    write_lines(tmp_path / "logs.jsonl", [chat()])
    first, other, again = (index(log_study(tmp_path, **more)) for more in ({}, change, {}))
    assert len(reads) == 2 and first.files[0].file != other.files[0].file
    assert first.turns == again.turns


def test_another_version_of_the_index_reads_the_file_again(tmp_path, reads, monkeypatch):
    write_lines(tmp_path / "logs.jsonl", [chat()])
    index(log_study(tmp_path))
    monkeypatch.setattr(turn_index, "INDEX_VERSION", 99)
    index(log_study(tmp_path))
    assert len(reads) == 2


def test_everything_keyed_hangs_on_the_key_and_on_nothing_else(tmp_path, monkeypatch):
    write_lines(tmp_path / "logs.jsonl", [chat()])
    write_lines(tmp_path / "logs-other.jsonl", [chat(f"further {i}") for i in range(50)])
    keyed = ("file", "conversation_id", "user_id", "record_digest", "prompt_digest", "sketch")
    seen = []
    for key, paths in (
        ("a first key that is long", ["logs.jsonl"]),
        ("another key that is long", ["logs.jsonl"]),
        ("a first key that is long", ["logs*.jsonl"]),
    ):
        monkeypatch.setenv("DEPSIM_HMAC_KEY", key)
        shutil.rmtree(tmp_path / "store", ignore_errors=True)
        found = index(log_study(tmp_path, paths=paths))
        (file,) = [file.file for file in found.files if file.path.name == "logs.jsonl"]
        (turn,) = [turn for turn in found.turns if turn["file"] == file]
        seen.append({name: str(turn[name]) for name in keyed})
    assert seen[0] == seen[2] and not set(seen[0].values()) & set(seen[1].values())


def test_the_rows_are_those_of_another_process(tmp_path, monkeypatch):
    monkeypatch.setenv("DEPSIM_HMAC_KEY", "a key for two processes")
    write_lines(tmp_path / "logs.jsonl", [chat(f"question {i} about the same old thing") for i in range(20)])
    study = log_study(tmp_path)
    here = index(study)
    lake = Lake(study.store_root)
    content = lake.manifest(TURN_INDEX, {"file": here.files[0].file}).content
    shutil.rmtree(study.store_root)
    code = (
        "import sys; from depsim_dagster.config import load_study; from depsim_dagster.lake import Lake;"
        "from depsim_dagster.traffic.turn_index import index_traffic;"
        "study = load_study(sys.argv[1]); index_traffic(study, Lake(study.store_root))"
    )
    environment = os.environ | {"PYTHONHASHSEED": "7", "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code, str(study.file)], check=True, env=environment)
    assert lake.manifest(TURN_INDEX, {"file": here.files[0].file}).content == content


def test_digests_see_equal_records_and_equal_prompts(tmp_path):
    record = chat("Hello,  how are YOU today", id="c1")
    found = indexed(
        tmp_path,
        [
            record,
            record | {"id": "c2", "model": "m2"},
            chat("hello, how\n are you TODAY"),
            chat("hello, how are you today", user="u2"),
            chat("another question is asked here"),
            record | {"created": 1767787201},
        ],
    )
    same, exported, respelt, other_user, other, later = found.turns
    assert same["record_digest"] == exported["record_digest"]
    assert len({turn["record_digest"] for turn in found.turns}) == 5
    assert (
        same["prompt_digest"]
        == respelt["prompt_digest"]
        == other_user["prompt_digest"]
        == later["prompt_digest"]
    )
    assert same["prompt_digest"] != other["prompt_digest"]
    assert same["sketch"] == respelt["sketch"] and len(same["sketch"]) == 64


def test_a_time_that_had_not_come_is_read_again_when_it_may_be_due(tmp_path, monkeypatch):
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(days=3)
    write_lines(tmp_path / "logs.jsonl", [chat(), chat(created=int(soon.timestamp()))])
    study = log_study(tmp_path)
    assert index(study).reasons == [(1, "future_time", "created")]
    assert index(study).reasons == [(1, "future_time", "created")]

    class Later(dt.datetime):
        @classmethod
        def now(cls, tz=None):
            return soon

    for module in (turn_index, logs_module):
        monkeypatch.setattr(module.dt, "datetime", Later)
    assert index(study).reasons == []


def test_a_synthetic_study_may_lie_in_the_future(tmp_path):
    write_lines(tmp_path / "logs.jsonl", [GOOD["openai_chat"] | {"created": "2150-01-07T12:00:00Z"}])
    traffic = {"format": "openai_chat", "paths": ["logs.jsonl"], "defaults": KNOWN, "consent": PUBLIC}
    assert len(index(study_of(tmp_path, traffic=traffic)).rejects) == 1
    traffic["as_of"] = "2150-01-08T00:00:00Z"
    assert len(index(study_of(tmp_path, traffic=traffic)).turns) == 1


# ----------------------------------------------------------------------------------------------------------- second pass
def texts_of(found, chosen=None) -> list[dict]:
    turns = found.turns if chosen is None else chosen
    names = ("file", "record", "turn_index", "place", "next_place")
    table = pa.Table.from_pylist([{name: turn[name] for name in names} for turn in turns])
    return [row for batch in read_turns(found.study, found.lake, table) for row in batch.to_pylist()]


def test_only_files_with_chosen_turns_are_read_and_in_any_order(tmp_path, reads):
    for name in "abc":
        write_lines(tmp_path / f"logs-{name}.jsonl", [chat(f"question {name} {i}") for i in range(30)])
    found = index(log_study(tmp_path))
    del reads[:]
    wanted = [turn for turn in found.turns if turn["record"] in (0, 7, 29)]
    files = {file.file: file.path.name for file in found.files}
    wanted = [turn for turn in wanted if files[turn["file"]] != "logs-b.jsonl"][::-1]
    rows = texts_of(found, wanted)
    assert sorted(reads) == ["logs-a.jsonl", "logs-c.jsonl"]
    asked = {json.loads(row["prefix"])[0]["content"] for row in rows}
    assert asked == {f"question {name} {i}" for name in "ac" for i in (0, 7, 29)}
    assert all(json.loads(row["target"]) == [A] for row in rows)


def test_turns_are_cut_at_their_places(tmp_path):
    messages = [
        {"role": "system", "content": "s"},
        *({"role": r, "content": f"{r}{i}"} for i in range(3) for r in ("user", "assistant")),
    ]
    found = indexed(tmp_path, [{"messages": messages, "created": 1767787200}])
    assert found.messages() == [(messages[: 2 + 2 * k], messages[2 + 2 * k : 3 + 2 * k]) for k in range(3)]


def test_batches_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(turn_index, "_BATCH_CHARACTERS", 2_000)
    found = indexed(tmp_path, [chat("word " * 100) for _ in range(20)])
    names = ("file", "record", "turn_index", "place", "next_place")
    table = pa.Table.from_pylist([{name: turn[name] for name in names} for turn in found.turns])
    sizes = [batch.num_rows for batch in read_turns(found.study, found.lake, table)]
    assert sum(sizes) == 20 and max(sizes) < 6
    assert list(read_turns(found.study, found.lake, table.slice(0, 0))) == []


@pytest.mark.parametrize("how", ["appended", "replaced", "same size", "removed"])
def test_a_file_that_changed_since_it_was_indexed_is_named(tmp_path, how):
    file = write_lines(tmp_path / "logs.jsonl", [chat("secret words here")])
    write_lines(tmp_path / "logs-b.jsonl", [chat("others")])
    found = index(log_study(tmp_path))
    if how == "appended":
        with open(file, "ab") as out:
            out.write(json.dumps(chat()).encode() + b"\n")
    elif how == "replaced":
        (tmp_path / "new").write_bytes(json.dumps(chat("other words here and more")).encode())
        (tmp_path / "new").rename(file)
    elif how == "same size":
        file.write_bytes(file.read_bytes().replace(b"secret", b"public"))
    else:
        file.unlink()
    with pytest.raises(
        TrafficError, match=r"logs\.jsonl: was changed after it was indexed; run again"
    ) as caught:
        texts_of(found)
    assert "words" not in str(caught.value)


def test_a_file_that_changes_while_it_is_read_is_named_and_leaves_no_partition(tmp_path, monkeypatch):
    file = write_lines(tmp_path / "logs.jsonl", [chat(f"question {i}") for i in range(5)])
    study, taken = log_study(tmp_path), turn_index.TurnRows.add

    def appended(self, record, conversation):
        if record == 2:
            with open(file, "ab") as out:
                out.write(b"{}\n")
        return taken(self, record, conversation)

    monkeypatch.setattr(turn_index.TurnRows, "add", appended)
    with pytest.raises(TrafficError, match=r"logs\.jsonl: was changed while it was read"):
        index(study)
    assert not Lake(study.store_root).published(TURN_INDEX)
    monkeypatch.undo()
    assert len(index(study).turns) == 5, "the next run finishes"


def test_a_run_that_dies_leaves_nothing_that_counts(tmp_path, monkeypatch, reads):
    write_lines(tmp_path / "logs.jsonl", [chat(), b"{"])
    study, written = log_study(tmp_path), Lake.write

    def dies(self, table, partition, rows):
        if table is REJECTED_RECORDS:
            raise KeyboardInterrupt
        return written(self, table, partition, rows)

    monkeypatch.setattr(Lake, "write", dies)
    with pytest.raises(KeyboardInterrupt):
        index(study)
    assert not Lake(study.store_root).published(INGESTED_FILES)
    monkeypatch.setattr(Lake, "write", written)
    found = index(study)
    assert (len(found.turns), len(found.rejects)) == (1, 1) and len(reads) == 2


def test_a_partition_that_was_changed_is_refused(tmp_path):
    found = indexed(tmp_path, [chat()])
    (data,) = (found.lake.root / TURN_INDEX.name).rglob("*.parquet")
    data.write_bytes(data.read_bytes()[:-1] + b"x")
    with pytest.raises(LakeError, match="turn_index.*changed after it was written"):
        define_turns(connect(), found.study, found.lake)


def test_an_unforeseen_error_quotes_no_text(tmp_path, monkeypatch):
    write_lines(tmp_path / "logs.jsonl", [chat("canary-9182")])

    def fails(self, record, conversation):
        raise ValueError(str(conversation))

    monkeypatch.setattr(turn_index.TurnRows, "add", fails)
    with pytest.raises(Exception, match="message withheld") as caught:
        index(log_study(tmp_path))
    assert "canary" not in "".join(traceback.format_exception(caught.value))


# ------------------------------------------------------------------------------------------------------------- sources
def test_a_further_prefix_source_is_indexed_by_itself(tmp_path):
    write_lines(tmp_path / "logs.jsonl", [GOOD["sharegpt"]])
    study = baseline_study(tmp_path, "sharegpt", paths=["logs.jsonl"])
    found = index(study, "challenging_prompts")
    assert len(found.turns) == 1 and found.texts()[0]["prefix"] == '[{"role": "user", "content": "hello"}]'
    with pytest.raises(ConfigurationError, match="no such prefix source"):
        index_traffic(study, found.lake, "external_corpus")
    with pytest.raises(TrafficError, match=r"traffic\.challenging_prompts\.paths: nothing matches"):
        index_traffic(baseline_study(tmp_path, "lmsys", paths=["no*"]), found.lake, "challenging_prompts")


def test_recorded_answers_are_one_log_that_hangs_on_files_windows_and_seed(tmp_path):
    rows = [
        {"prompt": f"question {i}", "model": m, "answer": f"{m} {i}"} for i in range(30) for m in ("m1", "m2")
    ]
    file = write_lines(tmp_path / "answers.jsonl", rows)
    settings = {
        "traffic": {
            "format": "recorded_answers",
            "recorded": {"files": ["answers.jsonl"]},
            "consent": PUBLIC,
        },
        "deployments": [
            {"model": "m1", "released": "2026-01-05", "endpoint": "e"},
            {"model": "m2", "released": "2026-01-19", "endpoint": "e", "predecessor": "m1"},
        ],
        "windows": {"forecast_weeks": 1, "observation_weeks": 1},
    }
    found, again = (index(study_of(tmp_path, **settings)) for _ in range(2))
    assert found.turns == again.turns and len(found.turns) > 20
    assert all(prefix[0]["content"].startswith("question") and target for prefix, target in found.messages())
    ids = {found.files[0].file}
    for change in ({"seed": 9}, {"windows": {"forecast_weeks": 2, "observation_weeks": 1}}):
        ids.add(index(study_of(tmp_path, **settings | change)).files[0].file)
    write_lines(file, [*rows, rows[0]])
    ids.add(index(study_of(tmp_path, **settings)).files[0].file)
    assert len(ids) == 4
    with pytest.raises(TrafficError, match="was changed after it was indexed"):
        texts_of(found)


def test_a_user_has_one_pseudonym_in_every_format(tmp_path):
    users = {
        indexed(tmp_path, [GOOD[name]], name).turns[0]["user_id"]
        for name in ("depsim", "openai_chat", "wildchat")
    }
    assert len(users) == 1 and None not in users

"""Lines of batch files: what is written, what is read of untrusted ones, and the records of what is open."""

from __future__ import annotations

import asyncio
import json

import pytest
from batch_server import BatchServer
from fault_server import KEY

from depsim_dagster.config_sections import BatchConfig
from depsim_dagster.errors import EndpointError, LakeError
from depsim_dagster.replay.batch import files as batch_files
from depsim_dagster.replay.batch.files import InputFile, input_line, line_id, read_result, split_lines
from depsim_dagster.replay.batch.lists import found_batches, found_files
from depsim_dagster.replay.batch.provider import check_batches
from depsim_dagster.replay.batch.records import DONE, FOLDER, UPLOADING, Record, Records, forget_calls


def test_a_line_names_the_call_and_is_ascii():
    line = input_line("r1", "/responses", {"model": "m", "input": "é \ud83d"})
    assert line.isascii() and line.count(b"\n") == 1 and line.endswith(b"\n")
    assert json.loads(line) == {
        "custom_id": "r1",
        "method": "POST",
        "url": "/v1/responses",
        "body": {"model": "m", "input": "é \ud83d"},
    }
    assert line_id(line) == "r1" and line_id(b"[1]") is None and line_id(b'{"custom_id": 1}') is None


def test_a_file_counts_lines_and_bytes():
    file = InputFile(2, 0.0001)  # 100 bytes
    assert file.takes(b"x" * 100) and not file.takes(b"x" * 101) and not file.can_ever_take(b"x" * 101)
    file.add("a", b"x" * 60)
    assert file.takes(b"x" * 40) and not file.takes(b"x" * 41)
    file.add("b", b"x")
    assert not file.takes(b"") and file.ids == ["a", "b"]


def result(**value):
    return json.dumps({"custom_id": "r1", **value}).encode()


@pytest.mark.parametrize(
    ("line", "http_status", "code", "repeatable"),
    [
        (result(response={"status_code": 200, "body": {"choices": []}}), 200, None, False),
        (result(response={"body": {"choices": [1]}}), 200, None, False),
        (result(response={"status_code": 429, "body": {"error": {"code": "busy"}}}), 429, "busy", True),
        (result(response={"status_code": 503, "body": None}), 503, "http_503", True),
        (result(response={"status_code": 400, "body": {"error": {"code": "invalid_prompt"}}}), 400, "invalid_prompt", False),
        (result(response={"status_code": 200, "body": {"error": {"code": 502}}}), 502, "http_502", True),
        (result(response=None, error={"code": "batch_expired", "message": "m"}), None, "batch_expired", True),
        (result(response=None, error={"code": "a sentence of words"}), None, "batch_line_error", True),
        (result(), None, "batch_line_error", True),
        (result(response=[], error=7), None, "batch_line_error", True),
    ],
)  # fmt: skip
def test_what_a_result_line_says(line, http_status, code, repeatable):
    custom_id, reply = read_result(line)
    assert custom_id == "r1"
    assert (reply.http_status, reply.code, reply.repeatable) == (http_status, code, repeatable)


@pytest.mark.parametrize(
    "line",
    [
        b"", b"null", b"{", b"[" * 100_000, b"\xff\xfe", b'{"custom_id": null}', b'{"response": {}}',
        result(response={"status_code": "200"}), result(response={"status_code": True}),
        result(response={"status_code": 99}), result(response={"status_code": 10**30}),
    ],
)  # fmt: skip
def test_what_is_no_result_line(line):
    assert read_result(line) is None


def split(*chunks):
    async def stream():
        for chunk in chunks:
            yield chunk

    async def lines():
        return [line async for line in split_lines(stream())]

    return asyncio.run(lines())


def test_lines_are_split_wherever_chunks_end(monkeypatch):
    assert split(b"a\nb", b"c\n", b"", b"\nd") == [b"a", b"bc", b"", b"d"]
    assert split(b"a\n", b"b\n") == [b"a", b"b"] and split() == []
    monkeypatch.setattr(batch_files, "LONGEST_LINE", 200)
    assert split(b"a\n", b"x" * 300, b"y" * 300, b"z\nb\n", b"c") == [b"a", b"x" * 100, b"b", b"c"]
    assert split(b"x" * 300, b"x" * 300) == [b"x" * 100]


def test_records_come_back_as_they_were(tmp_path):
    records = Records(tmp_path)
    assert records.all() == []
    one = Record("chat", {"a": 1}, {"b": 2}, rubbish=["file-1"], created_at=2.0)
    two = Record("responses", {"c": 3}, created_at=1.0)
    for record in (one, two):
        records.save(record)
    assert records.all() == [two, one]
    one.state = DONE
    records.save(one)
    records.remove(two)
    assert records.all() == [one] and len(list((tmp_path / FOLDER).iterdir())) == 1


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"state": "odd"}'])
def test_a_damaged_record_is_named(tmp_path, content):
    records = Records(tmp_path)
    records.save(record := Record("chat", {"a": 1}))
    (tmp_path / FOLDER / f"{record.name}.json").write_bytes(content)
    with pytest.raises(LakeError, match=rf"{record.name}\.json: this record of a batch cannot be read"):
        records.all()


def test_a_round_takes_as_many_calls_as_the_queue_does():
    record = Record("chat", {}, {"a": 1, "b": 2, "c": 1}, most_lines=2, batch="batch_1", input_file="file-1")
    record.next_round()
    assert (record.sent, record.waiting, record.round, record.state) == (
        {"a": 1, "b": 2},
        {"c": 1},
        2,
        UPLOADING,
    )
    assert record.batch is record.input_file is None and record.submission == f"{record.name}-2"


def test_calls_are_forgotten_once(tmp_path):
    records = Records(tmp_path)
    records.save(Record("chat", {"a": 1, "b": 1}, {"c": 1}, created_at=5.0))
    seen = []

    def doomed(ids, since):
        seen.append((ids, since))
        return [request in "ac" for request in ids]

    assert [forget_calls(tmp_path, doomed), forget_calls(tmp_path, doomed)] == [2, 0]
    assert seen[0] == (["a", "b", "c"], 5.0)
    [record] = records.all()
    assert (record.sent, record.waiting, record.erased) == ({"b": 1}, {}, True)


DAY = 86_400


def pages(*contents):
    """A list in pages, and which of them were asked for."""
    asked = []

    async def page(**at):
        asked.append(at.get("after"))
        return contents[len(asked) - 1]

    return page, asked


def test_lists_are_read_as_far_as_needed():
    entries = [{"id": str(i), "filename": f"f{i}", "created_at": 10 * DAY - i * DAY} for i in range(9)]
    contents = [{"data": entries[i : i + 3], "has_more": True} for i in range(0, 9, 3)]
    page, asked = pages(*contents)
    assert asyncio.run(found_files(page, {"f1"}, 0)) == {"f1": "1"} and asked == [None]
    page, asked = pages(*contents)
    assert asyncio.run(found_files(page, {"f9"}, 7.5 * DAY)) == {} and asked == [None, "2"]
    page, asked = pages({"data": entries[:2], "has_more": True}, {"data": entries[:2], "has_more": True})
    assert asyncio.run(found_files(page, {"f9"}, 0)) == {} and asked == [None, "1"]
    page, asked = pages({"data": "words", "has_more": True})
    assert asyncio.run(found_files(page, {"f9"}, 0)) == {}
    page, asked = pages(None)
    assert asyncio.run(found_files(page, {"f9"}, 0)) is None


def test_a_batch_is_found_by_its_name_and_else_by_its_file():
    entries = [
        {"id": "b1", "metadata": {"depsim_submission": "other"}, "input_file_id": "file-1"},
        {"id": "b2", "metadata": None, "input_file_id": "file-2", "status": "failed"},
        {"id": "b3", "metadata": "odd", "input_file_id": "file-2"},
        {"id": "b4", "metadata": {"depsim_submission": ["s"]}, "input_file_id": ["file-3"]},
        {"id": "b5", "metadata": {"depsim_submission": "s1"}},
        "no batch",
    ]
    wanted = {"s1": "file-1", "s2": "file-2", "s3": "file-3"}
    page, _ = pages({"data": entries, "has_more": False})
    assert asyncio.run(found_batches(page, wanted, 0)) == {"s2": "b3", "s1": "b5"}


def test_of_two_batches_of_one_name_the_one_that_is_run_counts():
    """As a run makes them that a list behind its time has misled: the newer one may have failed, and the older costs."""

    def batch(number, name, status):
        return {"id": f"b{number}", "metadata": {"depsim_submission": name}, "status": status}

    entries = [batch(1, "s1", "failed"), batch(2, "s2", "in_progress"), batch(3, "s3", "cancelled")]
    older = [batch(4, "s2", "completed"), batch(5, "s1", "completed"), batch(6, "s1", "failed")]
    page, asked = pages({"data": entries, "has_more": True}, {"data": older, "has_more": False})
    found = asyncio.run(found_batches(page, {"s1": "f1", "s2": "f2", "s3": "f3"}, 0))
    assert found == {"s1": "b5", "s2": "b2", "s3": "b3"} and len(asked) == 2


@pytest.fixture
def batches():
    server = BatchServer()
    yield server
    server.close()


def test_the_check_finds_out_whether_batches_are_taken(server, batches, endpoint):
    def check(**changes):
        check_batches(endpoint(batch=BatchConfig(), **{"base_url": batches.base_url, **changes}))

    check()
    assert batches.file_contents() == [] and batches.created == []
    batches.plans = {"list files": ["405"], "list batches": ["405"]}
    check()  # the routes are there and list nothing
    with pytest.raises(EndpointError, match="has no Files and Batches"):
        check(base_url=server.base_url)
    batches.key = KEY
    with pytest.raises(EndpointError, match=r"refuses the key \(HTTP 401\); set MY_KEY"):
        check(api_key="sk-wrong", api_key_env="MY_KEY")

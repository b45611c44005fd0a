"""Files and batches through the real openai client."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request

import openai
import pytest

from depsim_dagster.sandbox.batch_faults import Fate

ASK = [{"role": "user", "content": "Make a training plan for rowing. There are 7 of us."}]
URL = "/v1/chat/completions"


@pytest.fixture(scope="module")
def client(server):
    with server.client() as client:
        yield client


def line(custom_id, **body):
    return {
        "custom_id": custom_id,
        "method": "POST",
        "url": URL,
        "body": {"model": "sandbox-v2", "messages": ASK} | body,
    }


def upload(client, lines):
    content = "\n".join(json.dumps(each) for each in lines).encode()
    return client.files.create(file=("in.jsonl", content), purpose="batch")


def submit(client, lines, **more):
    return client.batches.create(
        input_file_id=upload(client, lines).id, endpoint=URL, completion_window="24h", **more
    )


def finished(client, batch):
    deadline = time.monotonic() + 15
    while batch.status not in ("completed", "failed", "cancelled", "expired"):
        assert time.monotonic() < deadline
        batch = client.batches.retrieve(batch.id)
    return batch


def results(client, file_id):
    return {
        (r := json.loads(text))["custom_id"]: r for text in client.files.content(file_id).text.splitlines()
    }


def test_files_are_kept_listed_and_deleted(client):
    info = upload(client, [line("a")])
    assert (info.purpose, info.filename, info.status) == ("batch", "in.jsonl", "processed")
    assert client.files.retrieve(info.id) == info
    assert len(client.files.content(info.id).read()) == info.bytes
    assert info.id in [f.id for f in client.files.list(purpose="batch")]
    assert info.id not in [f.id for f in client.files.list(purpose="assistants")]
    assert client.files.delete(info.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(info.id)


def test_a_listing_pages_through_everything(client):
    made = {upload(client, [line(str(i))]).id for i in range(5)}
    first = client.files.list(limit=2)
    assert len(first.data) == 2 and first.has_more
    assert made <= {f.id for f in client.files.list(limit=2)}


def test_a_batch_gives_the_answers_of_live_requests(client):
    lines = [line(f"r{i}", seed=i) for i in range(25)] + [line("bad", n=0)]
    batch = finished(client, submit(client, lines, metadata={"study": "s"}))
    assert batch.status == "completed" and batch.metadata == {"study": "s"}
    counts = batch.request_counts
    assert (counts.total, counts.completed, counts.failed) == (26, 25, 1)
    output, errors = results(client, batch.output_file_id), results(client, batch.error_file_id)
    assert set(output) == {f"r{i}" for i in range(25)}
    for i in (0, 24):
        live = client.chat.completions.create(model="sandbox-v2", messages=ASK, seed=i)
        response = output[f"r{i}"]["response"]
        assert response["status_code"] == 200 and response["request_id"]
        assert response["body"]["choices"][0]["message"]["content"] == live.choices[0].message.content
    assert list(output) != [f"r{i}" for i in range(25)], "the order of lines is not promised"
    assert errors["bad"]["response"]["status_code"] == 400
    assert batch.id in [b.id for b in client.batches.list(limit=1)]


def test_an_unknown_model_fails_its_lines(client):
    batch = finished(client, submit(client, [line("a", model="gpt-0")]))
    assert batch.status == "completed" and batch.output_file_id is None
    body = results(client, batch.error_file_id)["a"]["response"]["body"]
    assert body["error"]["code"] == "model_not_found"


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ([line("a"), line("a")], "duplicate_custom_id"),
        ([{"custom_id": "a"}], "invalid_url"),
        ([line("a") | {"body": 3}], "invalid_request"),
        (["text"], "invalid_json_line"),
        ([], "empty_file"),
        ([line("a"), line("b", model="sandbox-v1")], "mismatched_model"),
    ],
)
def test_a_wrong_file_fails_the_whole_batch(client, lines, code):
    batch = finished(client, submit(client, lines))
    assert batch.status == "failed" and batch.errors.data[0].code == code
    assert batch.output_file_id is None


def test_a_batch_must_name_a_file_an_endpoint_and_a_window(client):
    file_id = upload(client, [line("a")]).id
    good = {"input_file_id": file_id, "endpoint": URL, "completion_window": "24h"}
    for wrong in ({"endpoint": "/v1/embeddings"}, {"completion_window": "1h"}):
        with pytest.raises(openai.BadRequestError):
            client.batches.create(**good | wrong)
    with pytest.raises(openai.NotFoundError):
        client.batches.create(**good | {"input_file_id": "file-none"})
    with pytest.raises(openai.NotFoundError):
        client.batches.retrieve("batch_none")


def test_a_waiting_batch_can_be_cancelled(start, world_file):
    with start("--world", world_file, "--batch-delay-ms", "200") as running, running.client() as client:
        batch = submit(client, [line(f"r{i}") for i in range(5)])
        assert batch.status == "validating"
        assert client.batches.cancel(batch.id).status == "cancelling"
        batch = finished(client, batch)
        assert batch.status == "cancelled" and batch.cancelled_at
        with pytest.raises(openai.ConflictError):
            client.batches.cancel(batch.id)
        assert running.stats()["batch_lines"] == 0


def test_server_errors_reach_batch_lines(start, world_file):
    with start("--world", world_file, "--rate-5xx", "0.3") as running, running.client() as client:
        batch = finished(client, submit(client, [line(f"r{i}", seed=i) for i in range(100)]))
        assert 15 < batch.request_counts.failed < 50
        assert {r["response"]["status_code"] for r in results(client, batch.error_file_id).values()} == {500}


def counts(running):
    with urllib.request.urlopen(f"http://127.0.0.1:{running.port}/sandbox/batches", timeout=10) as response:
        return json.load(response)


def test_responses_go_in_batches_too(client):
    body = {"model": "sandbox-v2", "input": "Make a training plan for rowing. There are 7 of us."}
    lines = [{"custom_id": "a", "method": "POST", "url": "/v1/responses", "body": body}]
    made = client.batches.create(
        input_file_id=upload(client, lines).id, endpoint="/v1/responses", completion_window="24h"
    )
    batch = finished(client, made)
    answer = results(client, batch.output_file_id)["a"]["response"]["body"]
    assert answer["object"] == "response"
    live = client.responses.create(**body)
    assert answer["output"][-1]["content"][0]["text"] == live.output_text
    mixed = finished(client, submit(client, lines))
    assert mixed.status == "failed" and mixed.errors.data[0].code == "invalid_url"


def test_batches_end_as_they_are_told(start, world_file):
    fates = "expired:0.4,invalid,cancelled:0.5,token_limit,completed"
    with start("--world", world_file, "--batch-fates", fates) as running, running.client() as client:
        lines = [line(f"r{i}", seed=i) for i in range(10)]
        ended = [finished(client, submit(client, lines)) for _ in range(6)]
        statuses = [batch.status for batch in ended]
        assert statuses == ["expired", "failed", "cancelled", "failed", "completed", "completed"]
        assert [batch.errors.data[0].code for batch in ended if batch.errors] == [
            "invalid_request",
            "token_limit_exceeded",
        ]
        assert set(results(client, ended[0].output_file_id)) == {f"r{i}" for i in range(4)}
        unrun = results(client, ended[0].error_file_id)
        assert {result["error"]["code"] for result in unrun.values()} == {"batch_expired"} and len(unrun) == 6
        assert len(results(client, ended[2].output_file_id)) == 5 and ended[2].error_file_id is None
        told = counts(running)
        assert told["batches"] == {"expired": 1, "failed": 2, "cancelled": 1, "completed": 2}
        assert told["executions"] == told["answers"]
        assert told["executions"] == {f"r{i}": 4 if i < 4 else 3 if i < 5 else 2 for i in range(10)}


def test_lines_fail_at_the_rates_given(start, world_file):
    options = ("--batch-rate-429", "0.2", "--batch-rate-5xx", "0.1", "--fault-seed", "3")
    with start("--world", world_file, *options) as running, running.client() as client:
        lines = [line(f"r{i}", seed=i) for i in range(200)]
        batch = finished(client, submit(client, lines))
        failed = [r["response"]["status_code"] for r in results(client, batch.error_file_id).values()]
        assert set(failed) == {429, 500} and 20 < failed.count(429) < 65 and 5 < failed.count(500) < 40
        told = counts(running)
        assert len(told["executions"]) == 200 and len(told["answers"]) == 200 - len(failed)


def test_a_queue_takes_so_many_lines(start, world_file):
    options = ("--batch-queue-lines", "10", "--batch-delay-ms", "200")
    with start("--world", world_file, *options) as running, running.client() as client:
        made = [submit(client, [line(f"{n}.{i}") for i in range(6)]) for n in range(2)]
        ended = [finished(client, batch) for batch in made]
        assert [batch.status for batch in ended] == ["completed", "failed"]
        assert ended[1].errors.data[0].code == "token_limit_exceeded"
        assert finished(client, submit(client, [line(f"2.{i}") for i in range(10)])).status == "completed"


@pytest.mark.parametrize("text", ["expired", "invalid:0.5", "expired:2", "lost", "expired:x"])
def test_a_fate_that_there_is_not_is_refused(text):
    assert Fate.parse("expired:0.5") == Fate("expired", 0.5) and Fate.parse(" completed ") == Fate()
    with pytest.raises(ValueError):
        Fate.parse(text)


def test_the_command_names_a_wrong_fate(world_file):
    command = [sys.executable, "-m", "depsim_dagster.sandbox", "serve", "--world", world_file]
    done = subprocess.run([*command, "--batch-fates", "lost"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "--batch-fates: `lost`" in done.stderr

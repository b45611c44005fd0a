"""Recorded answers: lookup, repeats, refusals, bad files, and the real recordings of llmdrift."""

from __future__ import annotations

import csv
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import openai
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from depsim_dagster.errors import ConfigurationError
from depsim_dagster.sandbox.recorded import load_recordings
from depsim_dagster.sandbox.wire import RequestRefused

LLMDRIFT = Path(__file__).resolve().parents[3] / "shared" / "data" / "llmdrift"
ROWS = [
    {"query": "Is 7 prime?\nSay yes or no.", "model": "chat/m1", "answer": "yes"},
    {"query": "Is 7 prime?\nSay yes or no.", "model": "chat/m1", "answer": "no"},
    {"query": "Is 7 prime?\nSay yes or no.", "model": "chat/m2", "answer": "Sí, «primo»"},
    {"query": "Unanswered", "model": "chat/m2", "answer": ""},
]
COLUMNS = {"prompt": "query"}


def write(directory, kind, rows=ROWS):
    path = directory / f"rows.{kind}"
    if kind == "csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    elif kind == "jsonl":
        path.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    return config(directory, files=[path.name])


def config(directory, **values):
    path = directory / "recorded.json"
    path.write_text(json.dumps({"columns": COLUMNS, "strip_model_prefix": "chat/"} | values))
    return path


def ask(player, model, prompt, choice=0, **more):
    body = {"model": model, "messages": [{"role": "user", "content": prompt}], **more}
    return player.message(body, choice)["content"]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_each_format_gives_the_recorded_answers(tmp_path, kind):
    player = load_recordings(write(tmp_path, kind))
    prompt = ROWS[0]["query"]
    assert player.models == ("m1", "m2")
    assert ask(player, "m2", prompt) == "Sí, «primo»"
    assert [ask(player, "m1", prompt, seed=s) for s in (None, 0, 1, 2, 3)] == [
        "yes",
        "yes",
        "no",
        "yes",
        "no",
    ]
    assert ask(player, "m1", prompt, choice=1) == "no"


@pytest.mark.parametrize("prompt", ["Unanswered", "Is 8 prime?", ""])
def test_an_unrecorded_prompt_is_refused_by_hash(tmp_path, prompt):
    player = load_recordings(write(tmp_path, "csv"))
    with pytest.raises(RequestRefused) as caught:
        ask(player, "m2", prompt)
    message = caught.value.body["error"]["message"]
    assert caught.value.status == 404 and caught.value.body["error"]["code"] == "recording_not_found"
    assert "m2" in message and hashlib.sha256(prompt.encode()).hexdigest()[:16] in message
    assert not prompt or prompt not in message


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"files": ["absent.csv"]}, ["absent.csv"]),
        ({"files": []}, ["files"]),
        ({"files": ["rows.csv"], "columns": {"prompt": "question"}}, ["rows.csv", "question"]),
        ({"files": ["rows.csv"], "columns": {"question": "query"}}, ["question"]),
        ({"files": ["rows.csv"], "colums": {}}, ["colums"]),
        ({"files": ["rows.txt"]}, ["rows.txt"]),
        ({"files": ["bad.parquet"]}, ["bad.parquet"]),
        ({"files": ["bad.jsonl"]}, ["bad.jsonl", "line 2"]),
        ({"files": ["latin.csv"]}, ["latin.csv", "UTF-8"]),
        ({"files": ["orphan.jsonl"]}, ["orphan.jsonl", "model"]),
        ({"files": ["."]}, ["."]),
    ],
)
def test_a_bad_file_is_named(tmp_path, values, words):
    write(tmp_path, "csv")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 no")
    (tmp_path / "bad.jsonl").write_text(json.dumps(ROWS[0]) + "\n{secret")
    (tmp_path / "latin.csv").write_bytes("query,model,answer\ncafé,m,x\n".encode("latin-1"))
    (tmp_path / "orphan.jsonl").write_text(json.dumps({"query": "secret", "model": None, "answer": "secret"}))
    with pytest.raises(ConfigurationError) as caught:
        load_recordings(config(tmp_path, **values))
    assert all(word in str(caught.value) for word in words)
    assert "secret" not in str(caught.value)


def test_the_command_line_says_it_in_one_line(tmp_path):
    write(tmp_path, "csv")
    path = config(tmp_path, files=["rows.csv"], columns={"prompt": "question"})
    command = [sys.executable, "-m", "depsim_dagster.sandbox", "serve", "--recorded", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "rows.csv" in done.stderr and "'question'" in done.stderr


def test_recordings_may_stand_beside_a_world(tmp_path, start, world_file):
    with (
        start("--world", world_file, "--recorded", str(write(tmp_path, "csv"))) as running,
        running.client() as client,
    ):
        assert {"m1", "m2", "sandbox-grader"} <= {m.id for m in client.models.list()}
        with pytest.raises(openai.NotFoundError) as caught:
            client.chat.completions.create(model="m1", messages=[{"role": "user", "content": "secret words"}])
        assert caught.value.code == "recording_not_found" and "secret words" not in str(caught.value)


def test_real_recordings_are_served(tmp_path, start):
    if not LLMDRIFT.is_dir():
        pytest.skip("../shared/data/llmdrift is not here")
    files = sorted(map(str, LLMDRIFT.glob("*_EVAL.csv")))
    path = config(tmp_path, files=files, columns={"prompt": "query"}, strip_model_prefix="openaichat/")
    with start("--recorded", str(path)) as running, running.client() as client:
        models = [m.id for m in client.models.list()]
        assert set(models) == {"gpt-3.5-turbo-0301", "gpt-3.5-turbo-0613", "gpt-4-0314", "gpt-4-0613"}
        with open(LLMDRIFT / "PRIME_FULL_EVAL.csv", newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))[::101]
        for row in rows:
            answer = client.chat.completions.create(
                model=row["model"].removeprefix("openaichat/"),
                messages=[{"role": "user", "content": row["query"]}],
            )
            assert answer.choices[0].message.content == row["answer"]

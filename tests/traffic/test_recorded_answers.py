"""Tables of (prompt, model, answer): every text verbatim, every row once, two disjoint halves."""

import csv
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from literal_traffic import STUDY, rows_of, sampled, study_of, texts

from depsim_dagster.duckdb_sql import connect
from depsim_dagster.errors import TrafficError
from depsim_dagster.traffic.recorded_answers import recorded_answers
from depsim_dagster.traffic.recorded_traffic import define_recorded_conversations

CANARY = "canary-64aa"
AWKWARD = [
    ("plain", "answer"),
    ("two\nlines, with a comma", 'he said "no"\r\nand left'),
    ("tabs\tand 'quotes'", "```python\nprint('a,b')\n```"),
    ("2020-01-01T00:00:00Z", "007"),
    ("1e3", "true"),
    ('{"a": 1}', "[1, 2]"),
    ("naïve 你好 🙂", "-- '; drop table answers; --"),
    ("trailing space ", " leading space"),
]
RECORDED = {
    "files": ["answers.*"],
    "strip_model_prefix": "lab/",
    "columns": {"attributes": ["file", "label"]},
}


def write_answers(directory, kind: str, rows: list[dict], name: str = "answers"):
    file = directory / f"{name}.{kind}"
    if kind == "csv":
        with open(file, "w", newline="", encoding="utf-8") as out:
            writer = csv.DictWriter(out, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    elif kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), file)
    else:
        file.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return file


def answer(prompt="p", text="a", model="lab/m1", **more) -> dict:
    return {"prompt": prompt, "model": model, "answer": text, "label": "1", **more}


def recorded_study(directory, **recorded):
    return study_of(
        directory,
        traffic={
            "format": "recorded_answers",
            "recorded": RECORDED | recorded,
            "consent": {"public_corpus": "published benchmark prompts"},
        },
        deployments=[
            {"model": "m1", "released": "2026-01-05", "endpoint": "e"},
            {"model": "m2", "released": "2026-01-19", "endpoint": "e", "predecessor": "m1"},
        ],
        windows={"forecast_weeks": 1, "observation_weeks": 1},
        sampling={"turns_per_week": None},
    )


def read(directory, **recorded) -> list[tuple]:
    connection, study = connect(), recorded_study(directory, **recorded)
    source = study.traffic.recorded
    sql = recorded_answers(connection, study, source, ["file", "label"], "traffic.recorded")
    return connection.execute(f"select prompt, answer, model_name, file, label from ({sql})").fetchall()


@pytest.mark.parametrize("kind", ["csv", "jsonl", "ndjson", "json", "parquet"])
def test_every_text_is_read_verbatim(tmp_path, kind):
    write_answers(tmp_path, kind, [answer(prompt, text) for prompt, text in AWKWARD])
    rows = read(tmp_path)
    assert [(prompt, text) for prompt, text, *_ in rows] == AWKWARD
    assert {row[2:] for row in rows} == {("m1", "answers", "1")}


def test_numbers_of_a_parquet_column_become_text(tmp_path):
    pq.write_table(
        pa.table({"prompt": ["p"], "model": ["m1"], "answer": ["a"], "label": [3]}),
        tmp_path / "answers.parquet",
    )
    assert read(tmp_path) == [("p", "a", "m1", "answers", "3")]


def test_files_are_joined_and_an_attribute_that_one_lacks_is_null(tmp_path):
    write_answers(tmp_path, "csv", [answer("a")])
    write_answers(tmp_path, "parquet", [{"prompt": "b", "model": "other", "answer": "x"}])
    assert sorted(read(tmp_path)) == [("a", "a", "m1", "answers", "1"), ("b", "x", "other", "answers", None)]


def test_duplicates_are_kept(tmp_path):
    write_answers(tmp_path, "csv", [answer("same"), answer("same"), answer("same", "other")])
    assert len(read(tmp_path)) == 3
    (conversations,) = [ids for ids in _by_half(tmp_path).values() if ids]
    assert len(conversations) == 3


def test_a_byte_order_mark_and_an_awkward_header_are_no_part_of_a_name(tmp_path):
    text = 'prompt,model,answer,label,,"it\'s ""x"""\r\np,lab/m1,a,1,y,z\r\n'
    (tmp_path / "answers.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert read(tmp_path) == [("p", "a", "m1", "answers", "1")]


def test_other_column_names_and_a_file_name_with_quotes(tmp_path):
    rows = [{'que"ry': "p", "who's": "m1", "said": "a", "label": "1"}]
    write_answers(tmp_path, "csv", rows, "it's [1]")
    columns = {"prompt": 'que"ry', "model": "who's", "answer": "said", "attributes": ["file"]}
    study = recorded_study(tmp_path, files=["it's *"], columns=columns)
    connection = connect()
    define_recorded_conversations(connection, study, study.traffic.recorded)
    found = connection.execute("select model, attributes from conversations").fetchall()
    assert [(model, json.loads(attributes)) for model, attributes in found] in (
        [],
        [("m1", {"file": "it's [1]"})],
    )
    sql = recorded_answers(connection, study, study.traffic.recorded, [], "traffic.recorded")
    assert connection.execute(f"select file from ({sql})").fetchall() == [("it's [1]",)]


# --------------------------------------------------------------------------------------------------------- as traffic
def _by_half(directory) -> dict[str, set[str]]:
    connection, study = connect(), recorded_study(directory)
    define_recorded_conversations(connection, study, study.traffic.recorded)
    rows = connection.execute(
        "select model, messages[1].created_at::date::varchar, conversation_id from conversations"
    ).fetchall()
    halves: dict[str, set[str]] = {}
    for model, day, conversation_id in rows:
        halves.setdefault(f"{model} {'before' if day < '2026-01-12' and model == 'm2' else day}", set()).add(
            conversation_id
        )
    return halves


def test_the_two_halves_are_disjoint_and_every_model_has_the_same_prompts(tmp_path):
    prompts = [f"prompt {i}" for i in range(200)]
    write_answers(tmp_path, "csv", [answer(p, f"{m} {p}", f"lab/{m}") for p in prompts for m in ("m1", "m2")])
    connection, study = connect(), recorded_study(tmp_path)
    define_recorded_conversations(connection, study, study.traffic.recorded)
    rows = connection.execute(
        "select model, messages[1].content, min(messages[1].created_at), count(*) from conversations group by all"
    ).fetchall()
    forecast_week, observed_week = study.forecast_weeks("m2")[0], study.observation_weeks("m2")[0]
    placed = {(model, prompt): at.date() for model, prompt, at, _ in rows}
    before = {prompt for (model, prompt), day in placed.items() if model == "m1" and day >= forecast_week}
    after = {prompt for (model, prompt), day in placed.items() if model == "m2"}
    assert before and after and not before & after
    assert all(day >= observed_week for (model, _), day in placed.items() if model == "m2")
    assert {count for *_, count in rows} == {1}


def test_a_week_is_sampled_whole_with_its_attributes(tmp_path):
    prompts = [f"prompt {i}\nline two" for i in range(40)]
    write_answers(
        tmp_path, "jsonl", [answer(p, f"says {p}", f"lab/{m}") for p in prompts for m in ("m1", "m2")]
    )
    study = recorded_study(tmp_path)
    seen: dict[str, set[str]] = {"m1": set(), "m2": set()}
    for week in {*study.forecast_weeks("m2"), *study.observation_weeks("m1"), *study.observation_weeks("m2")}:
        for row in rows_of(sampled(study, week)):
            ((_, prompt),) = texts(row["prefix"])
            assert texts(row["target"]) == [("assistant", f"says {prompt}")]
            assert json.loads(row["attributes"]) == {"file": "answers", "label": "1"}
            assert row["consent_policy_version"] == "public_corpus"
            seen[row["deployment"]].add(prompt)
    assert seen["m1"] | seen["m2"] == set(prompts)


def test_an_answer_that_is_missing_is_counted(tmp_path):
    write_answers(
        tmp_path, "jsonl", [answer(f"prompt {i}", None) for i in range(20)] + [answer("x"), answer("y")]
    )
    study = recorded_study(tmp_path)
    rules = {}
    for week in {*study.forecast_weeks("m2"), *study.observation_weeks("m1")}:
        for row in sampled(study, week).funnel.to_pylist():
            rules[row["rule"]] = rules.get(row["rule"], 0) + row["turns"]
    assert rules["no_assistant_turn"] == 20 and rules["sampled"] == 2


# ------------------------------------------------------------------------------------------------------------ bad files
@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("answers.csv", b"", "cannot be read"),
        ("answers.csv", b"prompt,model\np,m\n", "no column answer"),
        ("answers.csv", CANARY.encode() + b",x,y\n1,2,3\n", "no column prompt, model, answer"),
        ("answers.csv", b"prompt,model,answer\nonly " + CANARY.encode() + b"\n", "cannot be read"),
        ("answers.csv", b'prompt,model,answer\n"' + CANARY.encode(), "cannot be read"),
        ("answers.csv", b"prompt,model,answer\n\xff\xfe" + CANARY.encode() + b",m,a\n", "cannot be read"),
        ("answers.csv", b"prompt,model,answer\xff\np,m,a\n", "cannot be read"),
        ("answers.csv", b"prompt,model,answer,answer\np,m,a,b\n", "cannot be read"),
        ("answers.jsonl", b'{"prompt": "' + CANARY.encode(), "cannot be read"),
        ("answers.jsonl", b'{"prompt": "p", "model": "m"}\n', "no column answer"),
        ("answers.parquet", b"PAR1" + CANARY.encode(), "cannot be read"),
        ("answers.xlsx", b"PK", "unknown kind of file"),
    ],
)
def test_a_bad_file_is_one_error_with_its_name(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TrafficError, match=says) as caught:
        read(tmp_path)
    assert name in str(caught.value) and CANARY not in str(caught.value)


def test_no_file_names_the_key(tmp_path):
    with pytest.raises(TrafficError, match=r"traffic\.recorded\.files: nothing matches"):
        study = recorded_study(tmp_path)
        define_recorded_conversations(connect(), study, study.traffic.recorded)
    assert STUDY["traffic"]["paths"], "the literal study is of the other format"

"""Labels of people into the store: taken or rejected with a line and a reason, once, and never their text."""

import csv
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from labelled_store import KEY, WEEK, filled_in, flagged, open_study, stored, turn_name, write_week

from depsim_dagster.errors import ConfigurationError, TrafficError
from depsim_dagster.grading.review.export import Draw, export_sample
from depsim_dagster.grading.review.human_labels import configured_files, import_configured, import_labels
from depsim_dagster.grading.review.schema import HUMAN_LABELS, REJECTED_HUMAN_LABELS, REVIEW_SAMPLES
from depsim_dagster.grading.review.validation import human_labels

DEFAULTS = {"category": "rude", "model": "m2", "source": "simulated", "annotator": "a"}


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.setenv("DEPSIM_HMAC_KEY", KEY)
    study = open_study(tmp_path)
    write_week(study, 40)
    return study


def listed(tmp_path, *rows, name="labels.jsonl"):
    content = [json.dumps({**DEFAULTS, "turn_id": turn_name(1), "label": "true", **row}) for row in rows]
    (tmp_path / name).write_text("\n".join(content) + "\n", encoding="utf-8")
    return tmp_path / name


def test_a_filled_in_file_comes_back_with_the_probabilities_of_its_draw(study, tmp_path):
    file = tmp_path / "review.csv"
    export_sample(study, file, Draw(40))
    filled_in(file, lambda row: "yes" if "flagme" in row["target_turn"] else "no")
    taken = import_labels(study, file, "anna")
    drawn = {(row["turn_id"], row["source"], row["category"]): row for row in stored(study, REVIEW_SAMPLES)}
    rows = stored(study)
    assert taken.labels == len(rows) == len(drawn) and not taken.rejected
    for row in rows:
        sample = drawn[row["turn_id"], row["source"], row["category"]]
        assert row["sampling_probability"] == sample["sampling_probability"]
        assert row["flagged"] == flagged(int(row["turn_id"][-4:])) and row["annotator"] == "anna"
        assert row["user_id"] == f"user-{int(row['turn_id'][-4:]) // 2}" and row["week"] == WEEK


def test_the_same_file_again_changes_nothing_and_half_a_file_can_be_gone_on_with(study, tmp_path):
    file = tmp_path / "review.csv"
    export_sample(study, file, Draw(40))
    filled_in(file, lambda row: "true" if row["category"] == "rude" else "", annotator="anna")
    first = import_labels(study, file)
    assert first.labels and first.unlabelled and not first.already
    before = {path: path.read_bytes() for path in study.lake.root.rglob("*.parquet")}
    again = import_labels(study, file)
    assert again.already and again.labels == first.labels
    assert before == {path: path.read_bytes() for path in study.lake.root.rglob("*.parquet")}
    filled_in(file, lambda row: "false" if row["category"] == "rude" else "unsure", annotator="anna")
    second = import_labels(study, file)
    assert second.labels == first.labels + first.unlabelled
    people = human_labels(study)
    # What was said later counts, and nothing counts twice.
    assert len(people.labels) == second.labels and not people.labels["flagged"].fillna(False).any()


@pytest.mark.parametrize("first", ["small", "large"])
def test_a_smaller_draw_keeps_its_own_probabilities_beside_a_larger_one(study, tmp_path, first):
    """One person labels both, in either order; together each item was in the larger draw, with its probability there."""
    expected = {}
    for name, size in (("small", 30), ("large", 70)):
        export_sample(study, tmp_path / f"{name}.csv", Draw(size, 0.2))
        filled_in(tmp_path / f"{name}.csv", lambda row: "no", annotator="anna")
    for name in (first, {"small": "large", "large": "small"}[first]):
        taken = import_labels(study, tmp_path / f"{name}.csv")
        own = study.lake.read(HUMAN_LABELS, {"import": taken.digest}).to_pylist()
        expected[name] = {row["sampling_probability"] for row in own}
    assert max(expected["small"]) < min(expected["large"])
    assert set(human_labels(study).items["sampling_probability"]) == expected["large"]


def test_where_the_draw_of_a_file_is_lost_or_mixed_no_probability_is_guessed(study, tmp_path):
    """Two draws hold the smaller one's items with different probabilities; a file without the column may be of either."""
    lines = {}
    for name, size in (("small", 30), ("large", 70)):
        export_sample(study, tmp_path / f"{name}.jsonl", Draw(size, 0.2))
        rows = [json.loads(line) for line in (tmp_path / f"{name}.jsonl").read_text().splitlines()]
        lines[name] = [{**row, "label": "no", "annotator": "anna"} for row in rows]
    known = {row["item_id"] for row in lines["small"]}

    def probabilities(name, rows):
        (tmp_path / name).write_text("\n".join(map(json.dumps, rows)))
        taken = import_labels(study, tmp_path / name)
        return taken, study.lake.read(HUMAN_LABELS, {"import": taken.digest}).to_pylist()

    largest = {row["sampling_probability"] for row in probabilities("large.again.jsonl", lines["large"])[1]}
    _, lost = probabilities("lost.jsonl", [{**row, "review": ""} for row in lines["large"]])
    assert sum(row["sampling_probability"] is None for row in lost) == len(known) < len(lost)
    # Both in one file: an item of both was in the larger one.
    taken, mixed = probabilities("mixed.jsonl", [*lines["small"], *lines["large"]])
    assert len(taken.rejected) == len(known)
    assert {row["sampling_probability"] for row in mixed} == largest


def test_lists_by_turn_in_every_format(study, tmp_path):
    rows = [
        {
            "turn_id": turn_name(n),
            "completion_index": 0,
            "label": n % 2 == 0,
            "sampling_probability": 0.5,
            **DEFAULTS,
        }
        for n in range(6)
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "labels.parquet")
    with open(tmp_path / "labels.csv", "w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, "annotator": "b"} for row in rows)
    (tmp_path / "labels.jsonl").write_text("\n".join(json.dumps({**row, "annotator": "c"}) for row in rows))
    for ending in ("parquet", "csv", "jsonl"):
        taken = import_labels(study, tmp_path / f"labels.{ending}")
        assert (taken.labels, taken.rejected) == (6, [])
    items = human_labels(study).items
    assert len(items) == 6 and items["human"].tolist() == [True, False] * 3


REJECTED = [
    ({"label": "maybe"}, "label is none of true, false, unsure"),
    ({"label": 2}, "label is none of true, false, unsure"),
    ({"annotator": ""}, "no annotator: fill in the column, or name one for the file with --annotator"),
    ({"annotator": "a\u202eb"}, "annotator is no printable name of at most 64 characters"),
    ({"turn_id": "of nobody: secret"}, "unknown item: this study has no labels of such a turn"),
    ({"turn_id": "half an emoji \ud83d"}, "unknown item: this study has no labels of such a turn"),
    ({"model": "m1"}, "unknown item: this study has no labels of such a turn"),
    ({"completion_index": 3}, "unknown item: this study has no labels of such a turn"),
    ({"completion_index": "x"}, "completion_index is no whole number from 0 to 2147483647"),
    ({"source": "log"}, "source is none of simulated, production and evaluation"),
    ({"model": "", "source": ""}, "several models answered this turn: name `model` and `source`"),
    ({"category": "calm"}, "unknown category: it is not in the study's taxonomy"),
    ({"severity": 1}, "severity is no level of the category's scale"),
    ({"category": "sly", "severity": 3}, "severity is no level of the category's scale"),
    ({"sampling_probability": 0}, "sampling_probability is not above 0 and at most 1"),
    ({"sampling_probability": "nan"}, "sampling_probability is not above 0 and at most 1"),
    ({"item_id": "item-1"}, "unknown item: no review of this study drew it, or its user was erased"),
]


@pytest.mark.parametrize(("row", "reason"), REJECTED)
def test_a_row_that_cannot_be_meant_is_rejected_with_its_line(study, tmp_path, row, reason):
    taken = import_labels(study, listed(tmp_path, {}, row, {"turn_id": turn_name(2)}))
    assert (taken.labels, taken.rejected) == (2, [(2, reason)])
    assert [(found["line"], found["reason"]) for found in stored(study, REJECTED_HUMAN_LABELS)] == [
        (2, reason)
    ]


def test_contradicting_rows_are_none_of_them_taken_and_equal_ones_once(study, tmp_path):
    other = {"turn_id": turn_name(2)}
    file = listed(
        tmp_path,
        {},
        {"label": "false"},
        {"annotator": "b"},
        other,
        {**other, "label": "TRUE"},
        {"label": "true"},
    )
    taken = import_labels(study, file)
    assert taken.labels == 2 and [line for line, _ in taken.rejected] == [1, 2, 5, 6]
    assert taken.reasons() == {
        "contradicts another row of the same item and annotator; none of them is taken": 3,
        "repeats a row of the same item and annotator": 1,
    }


def test_rejected_rows_are_looked_at_again_when_the_file_comes_again(study, tmp_path):
    early = listed(tmp_path, {}, {"turn_id": turn_name(44)})
    first = import_labels(study, early)
    assert first.labels == 1 and len(first.rejected) == 1
    said_at = stored(study)[0]["imported_at"]
    write_week(study, 50)
    again = import_labels(study, early)
    assert (again.labels, again.rejected, again.already) == (2, [], False)
    assert {row["imported_at"] for row in stored(study)} == {said_at}
    assert import_labels(study, early).already


def test_nothing_of_the_text_or_the_notes_is_kept(study, tmp_path):
    file = listed(
        tmp_path, {"note": "she said secret-phrase", "prefix": "secret-phrase"}, {"turn_id": "secret-phrase"}
    )
    import_labels(study, file)
    content = json.dumps([*stored(study), *stored(study, REJECTED_HUMAN_LABELS)], default=str)
    assert "secret-phrase" not in content and "she said" not in content


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", "id,label\n1,true\n", "has no `label` with an `item_id`"),
        ("a.csv", "item_id,text\nitem-1,secret\n", "has no `label` with an `item_id`"),
        ("a.txt", "", "ends in .csv, .jsonl, .parquet"),
        ("a.parquet", "secret", "cannot be read as parquet"),
    ],
)
def test_a_file_that_is_no_list_of_labels_is_one_clear_error(study, tmp_path, name, content, says):
    (tmp_path / name).write_text(content)
    with pytest.raises(ConfigurationError) as refused:
        import_labels(study, tmp_path / name)
    assert says in str(refused.value) and "secret" not in str(refused.value)
    assert not study.lake.published(HUMAN_LABELS)


def test_files_of_the_study_file_are_taken_in(study, tmp_path):
    listed(tmp_path, {}, {"label": "huh"}, name="people-1.jsonl")
    listed(tmp_path, {"annotator": "b"}, name="people-2.jsonl")
    opened = open_study(tmp_path, human_labels="people-*.jsonl")
    taken = import_configured(opened)
    assert {file.name: (found.labels, len(found.rejected)) for file, found in taken.items()} == {
        "people-1.jsonl": (1, 1),
        "people-2.jsonl": (1, 0),
    }
    assert import_configured(study) == {}


@pytest.mark.parametrize("content", ["", "item_id,label,annotator\n", "\n\n"])
def test_a_file_without_any_row_is_no_import(study, tmp_path, content):
    (tmp_path / "empty.csv").write_text(content)
    with pytest.raises(ConfigurationError, match="holds no row"):
        import_labels(study, tmp_path / "empty.csv")


def test_files_of_the_study_file_are_looked_at_before_a_study_runs(study, tmp_path):
    listed(tmp_path, {}, name="people.jsonl")
    assert [file.name for file in configured_files(open_study(tmp_path, human_labels="people.jsonl"))] == [
        "people.jsonl"
    ]
    (tmp_path / "people.jsonl").write_text('{"text": "secret"}\n')
    with pytest.raises(ConfigurationError, match="row 1 has no `label`") as refused:
        configured_files(open_study(tmp_path, human_labels="people.jsonl"))
    assert "secret" not in str(refused.value)
    with pytest.raises(TrafficError, match="grading.human_labels: nothing matches"):
        configured_files(open_study(tmp_path, human_labels="absent-*.csv"))

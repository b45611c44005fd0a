"""Review files: nothing in them acts in a spreadsheet or poses as another speaker, and what is damaged is said by line."""

import csv
import json
import os
import re
import stat
import tracemalloc

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from depsim_dagster.errors import ConfigurationError
from depsim_dagster.grading.review.files import (
    escaped_cell,
    read_rows,
    restored_cell,
    spoken,
    write_private,
)

HOSTILE = [
    "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "'=1", "''", "'", "", "plain", "it's", "=cmd|' /C calc'!A0",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_no_cell_is_a_formula_and_every_cell_comes_back(text):
    cell = escaped_cell(text)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝"))
    assert restored_cell(cell) == text


@pytest.mark.parametrize("ending", [".csv", ".jsonl"])
def test_a_file_comes_back_as_it_was_written(tmp_path, ending):
    rows = [
        {"item_id": f"item-{n}", "text": f'{text}\nline two; "quoted", comma'}
        for n, text in enumerate(HOSTILE)
    ]
    file = tmp_path / f"review{ending}"
    assert write_private(file, ["item_id", "text"], rows) == len(rows)
    assert [row for _, row in read_rows(file)] == rows
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    with pytest.raises(ConfigurationError, match="exists already"):
        write_private(file, ["item_id"], rows)


def test_a_file_that_fails_halfway_is_not_left_behind(tmp_path):
    def rows():
        yield {"text": "said"}
        raise KeyError("said")

    with pytest.raises(KeyError):
        write_private(tmp_path / "review.csv", ["text"], rows())
    assert list(tmp_path.iterdir()) == []


def test_a_link_is_not_followed_to_another_file(tmp_path):
    (tmp_path / "target.csv").write_text("mine")
    (tmp_path / "link.csv").symlink_to(tmp_path / "target.csv")
    with pytest.raises(ConfigurationError, match="exists already"):
        write_private(tmp_path / "link.csv", ["text"], [])
    assert (tmp_path / "target.csv").read_text() == "mine"


def test_text_cannot_pose_as_another_speaker_or_turn_the_line_around():
    text = spoken(
        [
            {"role": "user", "content": "Hello\nASSISTANT:\u2028> I refuse\u202e\x1b[2J"},
            {"role": "assistant", "reasoning": "Hm", "content": None, "tool_calls": [{"id": "=1"}]},
            {"role": "x\nUSER", "refusal": "No"},
        ]
    )
    unquoted = [line for line in text.split("\n") if line and not line.startswith("> ")]
    assert unquoted == ["USER:", "ASSISTANT, reasoning:", "ASSISTANT, tool calls:", "X\ufffdUSER, refusal:"]
    assert "\u202e" not in text and "\x1b" not in text and "> ASSISTANT:" in text


def test_a_spreadsheet_that_divides_cells_by_another_sign_finds_no_formula():
    """Where decimals have a comma, a spreadsheet that is given the file takes `;` for the end of a cell."""
    text = "fine;=HYPERLINK(1)\tor\t@SUM(1);-1;－1 ;) ; +1"
    (line,) = spoken([{"role": "user", "content": text}]).splitlines()[1:]
    cells = re.split("[;\t]", line)
    assert len(cells) == 8 and not any(cell.startswith(tuple("=+-@－")) for cell in cells)
    assert line.replace(" ", "") == f">{text}".replace(" ", "")


def test_half_a_surrogate_and_a_long_conversation_are_no_obstacle(tmp_path):
    rows = [{"text": "\ud800 half"}, {"text": "x" * 300_000}]
    for name in ("review.csv", "review.jsonl"):
        write_private(tmp_path / name, ["text"], rows)
        assert [len(row["text"]) for _, row in read_rows(tmp_path / name)][1] == 300_000
    first = json.loads((tmp_path / "review.jsonl").read_text().splitlines()[0])
    assert first["text"] == "\ud800 half"


@pytest.mark.parametrize(
    ("delimiter", "encoding"), [(",", "utf-8-sig"), (";", "utf-8-sig"), ("\t", "utf-16"), (",", "utf-16-be")]
)
def test_what_spreadsheets_make_of_a_csv_is_read_and_counted_as_they_count(tmp_path, delimiter, encoding):
    with open(tmp_path / "saved.csv", "w", encoding=encoding, newline="") as stream:
        stream.write("\ufeff" if encoding == "utf-16-be" else "")
        writer = csv.writer(stream, delimiter=delimiter)
        writer.writerows([["item_id", "label"], ["two\nlines", "TRUE"], [], ["item-2"], ["a", "b", "c"]])
    assert list(read_rows(tmp_path / "saved.csv")) == [
        (2, {"item_id": "two\nlines", "label": "TRUE"}),
        (4, {"item_id": "item-2"}),
        (5, "more cells than the first line has names"),
    ]


def test_lines_that_are_no_rows_are_named_and_the_others_read(tmp_path):
    lines = [
        b'\xef\xbb\xbf{"label": 1}',
        b"[" * 100_000,
        b'"text"',
        b"\xff\xfe",
        b"",
        b'{"label": 0}',
        b'{"half": ',
        b'{"label": true, "label": false}',
    ]
    (tmp_path / "labels.jsonl").write_bytes(b"\n".join(lines))
    no = "no JSON object in UTF-8"
    assert list(read_rows(tmp_path / "labels.jsonl")) == [
        (1, {"label": 1}), (2, no), (3, no), (4, no), (6, {"label": 0}), (7, no), (8, no),
    ]  # fmt: skip


def test_a_line_beyond_all_measure_is_skipped_and_not_held(tmp_path, monkeypatch):
    monkeypatch.setattr("depsim_dagster.grading.review.files.LARGEST_LINE", 1_000)
    (tmp_path / "labels.jsonl").write_text('{"label": 1, "note": "' + "x" * 9_000_000 + '"}\n{"label": 0}')
    tracemalloc.start()
    rows = list(read_rows(tmp_path / "labels.jsonl"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert rows == [(1, "longer than 1,000 bytes"), (2, {"label": 0})] and peak < 3_000_000


def test_a_csv_whose_columns_share_a_name_is_refused(tmp_path):
    """Which of the two labels would count?"""
    (tmp_path / "twice.csv").write_text("item_id,label,label,,\ni,true,false,,\n")
    with pytest.raises(ConfigurationError, match="more than one column `label`"):
        list(read_rows(tmp_path / "twice.csv"))
    (tmp_path / "unnamed.csv").write_text("item_id,label,,\ni,true,,\n")
    assert [row["label"] for _, row in read_rows(tmp_path / "unnamed.csv")] == ["true"]


def test_parquet_is_read_and_other_files_are_refused(tmp_path):
    pq.write_table(pa.table({"label": [True, None]}), tmp_path / "labels.parquet")
    assert list(read_rows(tmp_path / "labels.parquet")) == [(1, {"label": True}), (2, {"label": None})]
    (tmp_path / "other.parquet").write_bytes(b"no parquet: secret")
    for name in ("other.parquet", "labels.xlsx", "absent.csv"):
        with pytest.raises(ConfigurationError) as refused:
            list(read_rows(tmp_path / name))
        assert "secret" not in str(refused.value)

"""The lake: schema at the door, quarantine, atomic publication, and refusal by the reader itself."""

import json
import os
import re
import resource
import subprocess
import sys
import threading
from dataclasses import asdict, astuple, replace
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from depsim_dagster.errors import ConfigurationError, GateError, LakeError
from depsim_dagster.gate_marks import GateStandard, Waiver
from depsim_dagster.lake import MANIFEST, QUARANTINE, TIMESTAMP, GateMark, Lake, LakeTable, field

CANARY = "canary-91c2"
ROWS = LakeTable(
    "rows",
    "rows for these tests",
    pa.schema(
        [
            field("week", pa.string(), "week"),
            field("text", pa.string(), "text", nullable=True),
            field("count", pa.int64(), "count"),
        ]
    ),
    ("week",),
)
GATED = replace(ROWS, name="gated", gates=("consent", "privacy"))
BY_MODEL = replace(ROWS, name="by_model", partitioned_by=("week", "model"))
WEEK = {"week": "2026-01-05"}
VERSIONS = {"consent": "c" * 64, "privacy": "p" * 64}
KEY, OLDER_KEY = b"the key of these tests", b"the key before the last"
STACK = "d" * 64


def rows(*counts, text="hello", week="2026-01-05") -> pa.Table:
    return pa.table(
        {"week": [week] * len(counts), "text": [text] * len(counts), "count": list(counts)},
        schema=ROWS.schema,
    )


def marks(content: str, key: bytes = KEY, partition=WEEK, stack: str = STACK, **versions) -> list[GateMark]:
    """Signed marks of both gates."""
    return [
        GateStandard(keys=lambda: (key,)).signed(
            GateMark(suite, version, content, "0", "2026-01-12T00:00:00+00:00", 8, stack),
            GATED.name,
            partition,
        )
        for suite, version in (VERSIONS | versions).items()
    ]


def files_below(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path / "store", VERSIONS, KEY, STACK)


def publish_gated(lake: Lake, *counts) -> Path:
    quarantined = lake.quarantine(GATED, WEEK, rows(*counts))
    lake.publish(quarantined, marks(quarantined.content))
    return GATED.directory(lake.root, WEEK)


def test_a_full_disk_is_one_error_and_leaves_what_was_published(lake):
    """The limit on the size of a file stands in for the disk: a write beyond either is an OSError half way."""
    lake.write(ROWS, WEEK, rows(1))
    before = files_below(lake.root)
    many = pa.concat_tables([rows(*range(20_000), text=CANARY), rows(*range(0, 900_000, 7), text=CANARY)])
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(
            LakeError, match=r"rows\[week=2026-01-05\]: cannot be written .*\(File too large\)"
        ) as caught:
            lake.write(ROWS, WEEK, many)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert CANARY not in str(caught.value)
    assert files_below(lake.root) == before and lake.read(ROWS, WEEK).num_rows == 1
    assert lake.write(ROWS, WEEK, many).rows == many.num_rows


# ----------------------------------------------------------------------------------------------------------- the schema
@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (pa.table({"week": ["2026-01-05"], "text": [CANARY]}), "missing from the rows to write: count"),
        (
            pa.table({"week": ["2026-01-05"], "text": [CANARY], "count": [CANARY]}),
            r"of another type: count \(string, not int64\)",
        ),
        (
            pa.table({"week": ["2026-01-05"], "text": [CANARY], "count": ["12"]}),
            r"of another type: count \(string, not int64\)",
        ),
        (
            pa.table({"week": ["2026-01-05"], "text": [7], "count": [1]}),
            r"of another type: text \(int64, not string\)",
        ),
        (
            pa.table(
                {"week": ["2026-01-05"] * 2, "text": [CANARY] * 2, "count": pa.array([1, None], pa.int64())}
            ),
            r"1 row\(s\) have no count",
        ),
        (pa.table({"week": [CANARY], "text": ["x"], "count": [1]}), "rows of another week"),
    ],
)
def test_rows_that_do_not_fit_are_refused_and_not_quoted(lake, bad, says):
    with pytest.raises(LakeError, match=says) as caught:
        lake.write(ROWS, WEEK, bad)
    assert CANARY not in str(caught.value)
    assert files_below(lake.root) == []


def test_a_value_too_large_is_refused_and_not_quoted(lake):
    narrow = replace(ROWS, schema=ROWS.schema.set(2, field("count", pa.int32(), "count")))
    with pytest.raises(LakeError, match="does not fit") as caught:
        lake.write(narrow, WEEK, rows(2**40 + 12345))
    assert str(2**40 + 12345) not in str(caught.value)


def test_a_time_without_a_zone_is_refused(lake):
    timed = LakeTable("timed", "", pa.schema([field("at", TIMESTAMP, "time")]))
    with pytest.raises(LakeError, match="at"):
        lake.write(timed, {}, pa.table({"at": pa.array([0], pa.timestamp("us"))}))
    lake.write(timed, {}, pa.table({"at": pa.array([0], pa.timestamp("ms", tz="Asia/Kolkata"))}))
    assert lake.read(timed, {}).schema.field("at").type == TIMESTAMP


def test_widths_of_one_kind_are_converted(lake):
    lake.write(
        ROWS,
        WEEK,
        pa.table(
            {
                "count": pa.array([1], pa.int8()),
                "text": pa.array([None], pa.null()),
                "week": pa.array(["2026-01-05"], pa.large_string()),
                "extra": [1],
            }
        ),
    )
    assert lake.read(ROWS, WEEK).schema.equals(ROWS.schema)


def test_a_null_in_a_later_batch_leaves_nothing_behind(lake):
    good = rows(1, 2)
    bad = pa.table({"week": ["2026-01-05"], "text": ["x"], "count": pa.array([None], pa.int64())})
    with pytest.raises(LakeError, match="count"):
        lake.write(ROWS, WEEK, iter([good, bad]))
    assert files_below(lake.root) == []


def test_an_error_in_the_stream_leaves_nothing_behind(lake):
    def stream():
        yield rows(1)
        raise RuntimeError("reader died")

    with pytest.raises(RuntimeError, match="reader died"):
        lake.write(ROWS, WEEK, stream())
    assert files_below(lake.root) == []


def test_keys_of_another_partitioning_are_refused(lake):
    with pytest.raises(LakeError, match=r"partitioned by \['week'\]"):
        lake.write(ROWS, {"model": "m"}, rows(1))


# --------------------------------------------------------------------------------------------------------- publication
def test_quarantine_is_invisible(lake):
    quarantined = lake.quarantine(ROWS, WEEK, rows(1, 2))
    assert quarantined.read().num_rows == 2 and quarantined.rows == 2
    assert lake.manifest(ROWS, WEEK) is None
    assert lake.published(ROWS) == [] and lake.files(ROWS) == [] and lake.files("rows") == []
    with pytest.raises(LakeError, match=r"rows\[week=2026-01-05\]: not published"):
        lake.read(ROWS, WEEK)
    with pytest.raises(LakeError, match="not published"):
        next(lake.scan(ROWS, WEEK))


def test_a_publication_replaces_the_older_one_and_its_file(lake):
    lake.write(ROWS, WEEK, rows(1))
    lake.write(ROWS, WEEK, rows(2, 3))
    directory = ROWS.directory(lake.root, WEEK)
    assert lake.read(ROWS, WEEK).column("count").to_pylist() == [2, 3]
    assert len(list(directory.iterdir())) == 2, "one manifest and one data file"
    assert files_below(lake.root / QUARANTINE) == []


def test_the_same_rows_twice_are_the_same_content(lake):
    first, second = lake.write(ROWS, WEEK, rows(1, 2)), lake.write(ROWS, WEEK, rows(1, 2))
    assert first.content == second.content and first.data_file == second.data_file
    assert [path.name for path in ROWS.directory(lake.root, WEEK).glob("*.parquet")] == [first.data_file]
    assert lake.write(ROWS, WEEK, rows(1, 3)).content != first.content


def test_an_empty_table_can_be_published(lake):
    assert lake.write(ROWS, WEEK, ROWS.schema.empty_table()).rows == 0
    assert lake.read(ROWS, WEEK).num_rows == 0
    assert lake.write(ROWS, WEEK, iter(())).rows == 0


def test_scan_streams_the_rows_in_batches(lake):
    lake.write(ROWS, WEEK, iter([rows(*range(5)), rows(*range(5, 12))]))
    batches = list(lake.scan(ROWS, WEEK, columns=["count"], rows=4))
    assert max(batch.num_rows for batch in batches) <= 4 and batches[0].schema.names == ["count"]
    assert pa.Table.from_batches(batches).column("count").to_pylist() == list(range(12))


def test_a_second_publication_of_one_quarantined_file_is_an_error(lake):
    quarantined = lake.quarantine(ROWS, WEEK, rows(1))
    lake.publish(quarantined)
    with pytest.raises(LakeError, match="quarantined file is gone"):
        lake.publish(quarantined)
    assert lake.read(ROWS, WEEK).num_rows == 1


KILLED = """
import os, sys
from pathlib import Path
from test_lake import ROWS, WEEK, rows
from depsim_dagster import durable_files, lake

place, root = sys.argv[1], Path(sys.argv[2])

def die(*_):
    os._exit(9)

def stream():
    yield rows(7, 8)
    if place == "while writing":
        die()

real_replace, real_write = os.replace, durable_files.write_atomically

def replace(source, target):
    before = {"_manifest.json": "before the manifest's rename"}.get(Path(target).name, "before the move")
    if place == before:
        die()
    real_replace(source, target)

def write(path, content):
    if place == "after the move":
        die()
    real_write(path, content)
    if place == "before cleaning":
        die()

os.replace, lake.write_atomically = replace, write
lake.Lake(root).write(ROWS, WEEK, stream())
"""


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("while writing", [1]),
        ("before the move", [1]),
        ("after the move", [1]),
        ("before the manifest's rename", [1]),
        ("before cleaning", [7, 8]),
    ],
)
def test_a_process_killed_at_any_step_leaves_a_readable_partition(lake, place, expected):
    lake.write(ROWS, WEEK, rows(1))
    killed = subprocess.run([sys.executable, "-c", KILLED, place, str(lake.root)], env=_environment())
    assert killed.returncode == 9
    assert lake.read(ROWS, WEEK).column("count").to_pylist() == expected
    lake.write(ROWS, WEEK, rows(4))
    assert lake.read(ROWS, WEEK).column("count").to_pylist() == [4]
    assert len(files_below(ROWS.directory(lake.root, WEEK))) == 2
    assert files_below(lake.root / QUARANTINE) == []


def _environment() -> dict[str, str]:
    here = Path(__file__).parent
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(here.parent), str(here)])}


def test_a_second_writer_spares_the_file_of_the_first(lake):
    first = lake.quarantine(ROWS, WEEK, rows(1))
    second = lake.quarantine(ROWS, WEEK, rows(2))
    assert first.read().num_rows == second.read().num_rows == 1
    lake.publish(second)
    lake.publish(first)
    assert lake.read(ROWS, WEEK).column("count").to_pylist() == [1]


def test_an_attempt_that_was_given_up_is_cleared_away(lake):
    given_up = lake.quarantine(ROWS, WEEK, rows(1))
    file = given_up.file
    del given_up
    assert file.exists(), "a person may look at what a gate refused"
    lake.quarantine(ROWS, WEEK, rows(2))
    assert not file.exists()


def test_threads_that_publish_one_partition_leave_one_valid_partition(lake):
    barrier, problems = threading.Barrier(4), []

    def publisher(number):
        try:
            for attempt in range(5):
                barrier.wait(30)
                lake.write(ROWS, WEEK, rows(number, attempt))
                lake.read(ROWS, WEEK)
        except Exception as error:
            problems.append(error)
            barrier.abort()

    threads = [threading.Thread(target=publisher, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert lake.read(ROWS, WEEK).num_rows == 2
    assert len(files_below(ROWS.directory(lake.root, WEEK))) == 2
    assert files_below(lake.root / QUARANTINE) == []


PUBLISHER = """
import sys
from pathlib import Path
from test_lake import ROWS, WEEK, rows
from depsim_dagster.lake import Lake

lake, number = Lake(Path(sys.argv[1])), int(sys.argv[2])
for attempt in range(20):
    lake.write(ROWS, WEEK, rows(number, attempt))
    assert lake.read(ROWS, WEEK).num_rows == 2
"""


def test_processes_that_publish_one_partition_leave_one_valid_partition(lake):
    publishers = [
        subprocess.Popen([sys.executable, "-c", PUBLISHER, str(lake.root), str(number)], env=_environment())
        for number in range(3)
    ]
    assert [publisher.wait(60) for publisher in publishers] == [0, 0, 0]
    assert lake.read(ROWS, WEEK).num_rows == 2
    assert len(files_below(ROWS.directory(lake.root, WEEK))) == 2
    assert files_below(lake.root / QUARANTINE) == []


def test_a_reader_is_not_disturbed_by_a_publication(lake):
    lake.write(ROWS, WEEK, rows(*range(5_000)))
    reader = lake.scan(ROWS, WEEK, rows=100)
    first = next(reader)
    lake.write(ROWS, WEEK, rows(1))
    assert first.num_rows + sum(batch.num_rows for batch in reader) == 5_000


# ------------------------------------------------------------------------------------------------------------ integrity
@pytest.mark.parametrize("place", [0, 40, -1])
def test_one_flipped_bit_is_refused(lake, place):
    manifest = lake.write(ROWS, WEEK, rows(1, text=CANARY))
    file = ROWS.directory(lake.root, WEEK) / manifest.data_file
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(content)
    for read in (lambda: lake.read(ROWS, WEEK), lambda: next(lake.scan(ROWS, WEEK))):
        with pytest.raises(GateError, match="changed or damaged") as caught:
            read()
        assert CANARY not in str(caught.value)
    lake.write(ROWS, WEEK, rows(1, text=CANARY))
    assert lake.read(ROWS, WEEK).num_rows == 1


def test_a_truncated_and_a_missing_data_file_are_named(lake):
    manifest = lake.write(ROWS, WEEK, rows(1))
    file = ROWS.directory(lake.root, WEEK) / manifest.data_file
    file.write_bytes(b"")
    with pytest.raises(GateError, match="changed or damaged"):
        lake.read(ROWS, WEEK)
    file.unlink()
    with pytest.raises(LakeError, match="data file is missing"):
        lake.read(ROWS, WEEK)


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"\xff\xfe",
        b'{"table": "rows"}',
        b'{"marks": null}',
        b'{"marks": ["x"]}',
        b'{"marks": [{"suite": 1}]}',
        b'{"marks": [{"waivers": [7]}]}',
        b"[" * 10_000,
    ],
)
def test_a_damaged_manifest_is_named(lake, damage):
    lake.write(ROWS, WEEK, rows(1))
    path = ROWS.directory(lake.root, WEEK) / MANIFEST
    path.write_bytes(damage)
    for read in (
        lambda: lake.read(ROWS, WEEK),
        lambda: lake.manifest(ROWS, WEEK),
        lambda: lake.published(ROWS),
        lambda: lake.files(ROWS),
    ):
        with pytest.raises(LakeError, match="damaged manifest") as caught:
            read()
        assert str(path) in str(caught.value)
    lake.write(ROWS, WEEK, rows(2))
    assert lake.read(ROWS, WEEK).column("count").to_pylist() == [2]


@pytest.mark.parametrize("data_file", ["../other.parquet", "/etc/passwd", "a/b.parquet", 5])
def test_a_manifest_cannot_point_elsewhere(lake, data_file):
    lake.write(ROWS, WEEK, rows(1))
    path = ROWS.directory(lake.root, WEEK) / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | {"data_file": data_file}))
    with pytest.raises(LakeError, match="damaged manifest"):
        lake.read(ROWS, WEEK)


def test_a_partition_copied_to_another_week_is_refused(lake):
    source = publish_gated(lake, 1)
    target = GATED.directory(lake.root, {"week": "2026-01-12"})
    source.rename(target)
    with pytest.raises(LakeError, match="manifest of another partition"):
        lake.read(GATED, {"week": "2026-01-12"})


def test_a_partition_of_an_older_schema_is_refused(lake):
    older = replace(ROWS, schema=ROWS.schema.remove(1))
    lake.write(older, WEEK, rows(1))
    with pytest.raises(LakeError, match=r"published without the column\(s\) text"):
        lake.read(ROWS, WEEK)


def test_a_column_that_was_added_since_is_null_in_an_older_partition(lake):
    added = field("style", pa.string(), "said since", nullable=True)
    newer = replace(ROWS, schema=ROWS.schema.insert(1, added), added=("style",))
    lake.write(ROWS, WEEK, rows(1, 2))
    read = lake.read(newer, WEEK)
    assert read.column_names == newer.schema.names and read.column("style").to_pylist() == [None, None]
    assert read.select(ROWS.schema.names).equals(rows(1, 2))
    assert lake.read(newer, WEEK, columns=["style"]).to_pydict() == {"style": [None, None]}
    assert [len(batch) for batch in lake.scan(newer, WEEK, columns=["style"])] == [2]
    assert lake.read(newer, WEEK, columns=["text"]).column_names == ["text"]
    (batch,) = lake.scan(newer, WEEK, columns=["text", "style"])
    assert batch.schema.names == ["text", "style"] and batch.column("style").null_count == 2
    lake.write(newer, WEEK, rows(1).append_column("style", pa.array(["tags"])))
    assert lake.read(newer, WEEK).column("style").to_pylist() == ["tags"]


# ---------------------------------------------------------------------------------------------------------------- gates
def test_a_gated_table_is_not_published_without_its_marks(lake):
    quarantined = lake.quarantine(GATED, WEEK, rows(1))
    content = quarantined.content
    both = marks(content)
    for given, says in (
        ((), "no mark of the `consent` gate"),
        (both[:1], "no mark of the `privacy` gate"),
        ([replace(mark, signature="") for mark in both], "its `consent` mark is not signed"),
        (marks(content, b"another key"), "not signed with this study's key"),
        (marks(content, partition={"week": "2026-01-12"}), "not signed with this study's key"),
        (marks("0" * 64), "belongs to other content"),
        (marks(content, privacy="old" * 20), "passed version oldoldoldold of the `privacy` suite"),
        (marks(content, stack="e" * 64), "of de-identification (eeeeeeeeeeee, now dddddddddddd)"),
    ):
        with pytest.raises(GateError, match=re.escape(says)):
            lake.publish(quarantined, given)
        assert lake.manifest(GATED, WEEK) is None
    lake.publish(quarantined, both)
    assert lake.read(GATED, WEEK).num_rows == 1


def test_a_lake_signs_for_its_own_de_identification(lake):
    quarantined = lake.quarantine(GATED, WEEK, rows(1))
    unsigned = [GateMark(*astuple(mark)[:6]) for mark in marks(quarantined.content)]
    manifest = lake.publish(quarantined, [lake.signed(quarantined, mark) for mark in unsigned])
    assert {mark.deidentification for mark in manifest.marks} == {STACK}
    assert lake.objection(GATED, manifest) is None
    assert "not signed" in lake.objection(GATED, replace(manifest, marks=tuple(unsigned)))


def test_without_a_key_only_tables_without_gates_are_read_and_written(lake):
    publish_gated(lake, 1)
    lake.write(ROWS, WEEK, rows(1))

    def unset() -> tuple[bytes, ...]:
        raise ConfigurationError("set the environment variable")

    for key in (None, unset):
        keyless = Lake(lake.root, VERSIONS, key, STACK)
        keyless.write(ROWS, WEEK, rows(2))
        assert keyless.read(ROWS, WEEK).num_rows == 1 and keyless.manifest(GATED, WEEK) is not None
        quarantined = keyless.quarantine(GATED, WEEK, rows(1))
        for refused in (
            lambda keyless=keyless: keyless.read(GATED, WEEK),
            lambda keyless=keyless: next(keyless.scan(GATED, WEEK)),
            lambda keyless=keyless, held=quarantined: keyless.publish(held, marks(held.content)),
        ):
            with pytest.raises(ConfigurationError, match="key|environment"):
                refused()


def test_marks_of_the_previous_key_count_only_where_it_is_given(lake):
    quarantined = lake.quarantine(GATED, WEEK, rows(1))
    older = Lake(lake.root, VERSIONS, OLDER_KEY, STACK)
    older.publish(quarantined, marks(quarantined.content, OLDER_KEY))
    with pytest.raises(GateError, match="not signed with this study's key"):
        lake.read(GATED, WEEK)
    rotated = Lake(lake.root, VERSIONS, lambda: (KEY, OLDER_KEY), STACK)
    assert rotated.read(GATED, WEEK).num_rows == 1
    again = rotated.quarantine(GATED, WEEK, rows(2))
    rotated.publish(again, [rotated.signed(again, mark) for mark in marks(again.content)])
    assert lake.read(GATED, WEEK).num_rows == 1, "a new mark is signed with the new key"


def test_what_a_mark_says_comes_back_and_is_all_signed(lake):
    """Every field, one after the other, edited in the file: none is free to change."""
    quarantined = lake.quarantine(GATED, WEEK, rows(1))
    waived = (Waiver("expect_x", "column", 2, "A. Person", "looked into by hand"),)
    full = [
        replace(mark, waivers=waived, measures={"email": (40, 39)}) for mark in marks(quarantined.content)
    ]
    manifest = lake.publish(quarantined, [lake.signed(quarantined, mark) for mark in full])
    assert lake.manifest(GATED, WEEK) == manifest and manifest.marks[0].waivers == waived
    assert manifest.marks[0].measures == {"email": (40, 39)}
    path = GATED.directory(lake.root, WEEK) / MANIFEST
    sound = path.read_text()
    edits = {
        "suite_version": "e" * 64,
        "content": "0" * 64,
        "code_version": "9",
        "checked_at": "2020-01-01T00:00:00+00:00",
        "expectations": 99,
        "deidentification": "f" * 64,
        "waivers": [],
        "measures": {"email": [40, 40]},
        "signature": "0" * 64,
    }
    assert {*edits, "suite"} == set(json.loads(sound)["marks"][0])
    for name, value in edits.items():
        _edit_marks(
            path.parent, lambda marks, name=name, value=value: [mark | {name: value} for mark in marks]
        )
        with pytest.raises(GateError, match="not signed with this study's key"):
            lake.read(GATED, WEEK)
        path.write_text(sound)
    _edit_marks(path.parent, lambda marks: [marks[0] | {"suite": "privacy"}, marks[1] | {"suite": "consent"}])
    with pytest.raises(GateError, match="not signed with this study's key"):
        lake.read(GATED, WEEK)


def _edit_marks(directory: Path, edit) -> None:
    path = directory / MANIFEST
    manifest = json.loads(path.read_text())
    manifest["marks"] = edit(manifest["marks"])
    path.write_text(json.dumps(manifest))


READER = """
import sys
from pathlib import Path
from test_lake import GATED, KEY, STACK, VERSIONS, WEEK
from depsim_dagster.errors import GateError
from depsim_dagster.lake import Lake

try:
    Lake(Path(sys.argv[1]), VERSIONS, KEY, STACK).read(GATED, WEEK)
except GateError as error:
    print(error)
    sys.exit(3)
"""


def _marks_of_another_week(marks: list[dict]) -> list[dict]:
    return [
        asdict(mark) for mark in globals()["marks"](marks[0]["content"], partition={"week": "2026-01-12"})
    ]


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda marks: marks[:1], "no mark of the `privacy` gate"),
        (lambda marks: [mark | {"signature": ""} for mark in marks], "is not signed"),
        (lambda marks: [mark | {"content": "0" * 64} for mark in marks], "not signed with this study's key"),
        (
            lambda marks: [mark | {"signature": "\ud800"} for mark in marks],
            "not signed with this study's key",
        ),
        (_marks_of_another_week, "not signed with this study's key"),
    ],
)
def test_readers_refuse_what_has_no_valid_mark_also_from_another_process(lake, edit, says):
    directory = publish_gated(lake, 1)
    _edit_marks(directory, edit)
    with pytest.raises(GateError, match=says):
        lake.read(GATED, WEEK)
    with pytest.raises(GateError, match=says):
        next(lake.scan(GATED, WEEK))
    elsewhere = subprocess.run(
        [sys.executable, "-c", READER, str(lake.root)], env=_environment(), capture_output=True, text=True
    )
    assert elsewhere.returncode == 3 and says.replace("`", "") in elsewhere.stdout.replace("`", "")


def test_a_changed_suite_and_another_de_identification_invalidate_what_passed(lake):
    publish_gated(lake, 1)
    with pytest.raises(GateError, match="current one is nnnnnnnnnnnn"):
        Lake(lake.root, VERSIONS | {"privacy": "n" * 64}, KEY, STACK).read(GATED, WEEK)
    with pytest.raises(GateError, match="current one is unknown"):
        Lake(lake.root, key=KEY).read(GATED, WEEK)
    with pytest.raises(GateError, match=r"other settings of de-identification \(dddddddddddd, now nnn"):
        Lake(lake.root, VERSIONS, KEY, "n" * 64).read(GATED, WEEK)


# ---------------------------------------------------------------------------------------------------------------- paths
@pytest.mark.parametrize("model", ["org/model", "model v2", "50%", "a=b", "m%2Fx", "..", "模型", "a|b'c\"d"])
def test_model_names_round_trip_through_paths(lake, model):
    partition = {"week": "2026-01-05", "model": model}
    lake.write(BY_MODEL, partition, rows(1))
    assert [manifest.partition for manifest in lake.published(BY_MODEL)] == [partition]
    assert lake.read(BY_MODEL, partition).num_rows == 1
    (file,) = lake.files(BY_MODEL)
    assert file.parent.parent.parent == lake.root / "by_model", "one folder a key"
    found = (
        duckdb.connect()
        .execute(
            "select distinct model from read_parquet($file, hive_partitioning = true)", {"file": str(file)}
        )
        .fetchall()
    )
    assert found == [(model,)]


def test_models_whose_names_differ_by_encoding_do_not_collide(lake):
    for number, model in enumerate(["a/b", "a%2Fb", "a b", "a+b"]):
        lake.write(BY_MODEL, {"week": "2026-01-05", "model": model}, rows(number))
    assert len(lake.published(BY_MODEL)) == 4


def test_files_are_the_published_ones_as_duckdb_reads_them(lake):
    lake.write(ROWS, WEEK, rows(1, 2))
    lake.write(ROWS, {"week": "2026-01-12"}, rows(3, week="2026-01-12"))
    lake.quarantine(ROWS, WEEK, rows(100))
    (ROWS.directory(lake.root, WEEK) / "left_behind.parquet").write_bytes(b"junk")
    files = [str(file) for file in lake.files("rows")]
    assert [Path(file).parent.name for file in files] == ["week=2026-01-05", "week=2026-01-12"]
    total = (
        duckdb.connect().execute("select sum(count) from read_parquet($files)", {"files": files}).fetchone()
    )
    assert total == (6,)
    assert lake.files("never_written") == []


def test_descriptions_and_units_travel_with_the_file(lake):
    lake.write(
        replace(ROWS, schema=ROWS.schema.set(2, field("count", pa.int64(), "how many", unit="rows"))),
        WEEK,
        rows(1),
    )
    metadata = pq.read_schema(lake.files(ROWS)[0]).field("count").metadata
    assert metadata[b"description"] == b"how many" and metadata[b"unit"] == b"rows"


def test_a_file_that_is_published_while_abandoned_ones_are_sought_is_no_error(tmp_path, monkeypatch):
    """Between the listing of the folder and the opening of a file its writer may have moved it into view."""
    from depsim_dagster import durable_files

    left, moved = tmp_path / "left.parquet", tmp_path / "moved.parquet"
    left.write_bytes(b"")
    monkeypatch.setattr(type(tmp_path), "glob", lambda *_: iter([moved, left]))
    durable_files.remove_abandoned(tmp_path, "*.parquet")
    assert not left.exists()

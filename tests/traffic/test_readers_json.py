"""Records cut out of JSON files: lines and documents, at every block boundary, in bounded memory."""

import io
import json
import random
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depsim_dagster.traffic import json_records
from depsim_dagster.traffic.json_records import BOM, RawRecord, is_document, json_document, json_lines
from depsim_dagster.traffic.records import DEEPEST_JSON, LARGEST_RECORD, Refused, parse_json

TEXTS = [
    "plain",
    'a "quoted" \\ \\\\ text',
    "]}[{,:",
    "\\",
    '"',
    "naïve 你好 🙂",
    "",
    "two\nlines",
    "\\u0022",
]
VALUES = [{"t": text, "n": [1, [2, {"x": text}]], "e": {}, "l": []} for text in TEXTS]


class Trickle:
    """A stream that gives few bytes at a time."""

    def __init__(self, content: bytes, size: int):
        self._content, self._size = io.BytesIO(content), size

    def read(self, size: int) -> bytes:
        return self._content.read(min(size, self._size))


def document(content: bytes, size: int = 1 << 20, limit: int = LARGEST_RECORD) -> list[RawRecord]:
    return list(json_document(Trickle(content, size), limit))


def lines(content: bytes, size: int = 1 << 20, limit: int = LARGEST_RECORD) -> list[RawRecord]:
    return list(json_lines(Trickle(content, size), limit))


def values(records: list[RawRecord]) -> list:
    return [json.loads(record.raw) for record in records]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1 << 20])
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_every_shape_of_document_gives_the_same_records(size, indent, ascii_only):
    def text(value) -> bytes:
        return json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode()

    messages = {"id": 1, "conversations": [{"from": "human", "value": "hi"}], "data": [{"role": "user"}]}
    assert values(document(text(VALUES), size)) == VALUES
    assert values(document(b"\xef\xbb\xbf\r\n" + text(VALUES) + b"\n", size)) == VALUES
    assert values(document(b"\n".join(map(text, VALUES)), size)) == VALUES
    for wrapped in (
        {"conversations": VALUES},
        {"object": "list", "n": [1], "data": VALUES, "has_more": False, "items": [{"role": "x"}]},
    ):
        assert values(document(text(wrapped), size)) == VALUES
    # An object that holds a list of messages is one record.
    assert values(document(text(messages), size)) == [messages]
    assert values(document(text({"id": 1, "conversations": []}), size)) == [{"id": 1, "conversations": []}]
    assert values(document(text([]), size)) == []
    assert values(document(text([1, "a", None]), size)) == [1, "a", None]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
            ),
            max_leaves=8,
        ),
        max_size=6,
    ),
    st.integers(1, 40),
)
def test_any_list_is_cut_into_its_elements(elements, size):
    assert values(document(json.dumps(elements).encode(), size)) == elements


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | st.text('{}[]",:\\ \na1', max_size=60).map(str.encode), st.integers(1, 30))
def test_any_bytes_are_cut_the_same_whatever_the_blocks(content, size):
    assert document(content, size) == document(content)
    assert lines(content, size) == lines(content)


@pytest.mark.parametrize("size", [1, 5, 1 << 20])
def test_an_element_that_is_no_json_costs_only_itself(size):
    content = b'[{"a": 1}, {"a": nope}, , {"a" 2}, "unfinished \\", {"b": 2}]'
    raw = [record.raw for record in document(b'[{"a": 1}, {"a": nope}, , {"a" 2}, {"b": 2},]', size)]
    assert raw == [b'{"a": 1}', b'{"a": nope}', b"", b'{"a" 2}', b'{"b": 2}']
    assert [(record.raw, record.cut) for record in document(content, size)][4:] == [
        (b'"unfinished \\", {"b": 2}]', True)
    ]


@pytest.mark.parametrize("size", [1, 5, 1 << 20])
def test_a_document_that_breaks_off_ends_with_one_cut_record(size):
    whole = json.dumps(VALUES).encode()
    for end in range(2, len(whole) - 1, 17):
        records = document(whole[:end], size)
        assert sum(record.cut for record in records) <= 1 and not any(record.cut for record in records[:-1])
        complete = [record for record in records if not record.cut]
        assert values(complete) == VALUES[: len(complete)]
    assert document(b'{"a": [1, {"b"', size) == [RawRecord(1, b'{"a": [1, {"b"', True)]


def test_records_know_the_line_on_which_they_begin():
    content = b'\n\n[\n  {"a":\n 1},\n\n  {"b": 2}, {"c": 3}\n]\n\n{"d": 4}\nrubbish ] here\n{"e": 5}'
    assert [(r.line, r.raw) for r in document(content)] == [
        (4, b'{"a":\n 1}'),
        (7, b'{"b": 2}'),
        (7, b'{"c": 3}'),
        (10, b'{"d": 4}'),
        (11, b"rubbish ] here"),
        (12, b'{"e": 5}'),
    ]
    assert [(r.line, r.raw, r.cut) for r in lines(b'\xef\xbb\xbf{"a": 1}\r\n\r\n  \n{"b": 2}\n{"c"')] == [
        (1, b'{"a": 1}', False),
        (4, b'{"b": 2}', False),
        (5, b'{"c"', True),
    ]


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_a_record_that_is_too_large_is_skipped_and_the_next_is_read(size):
    small, large = b'{"a": "xx"}', b'{"a": "' + b"x" * 40 + b'"}'
    assert [r.raw for r in lines(b"\n".join([small, large, small]), size, limit=20)] == [small, None, small]
    assert [r.raw for r in document(b"[" + b",".join([small, large, small]) + b"]", size, limit=20)] == [
        small,
        None,
        small,
    ]
    assert [r.raw for r in document(large + small, size, limit=20)] == [None, small]
    wrapped = b'{"note": "' + b"y" * 50 + b'", "data": [' + b", ".join([large, small]) + b"]}"
    assert [r.raw for r in document(wrapped, size, limit=20)] == [None, small]


@pytest.mark.parametrize("split", [json_lines, json_document])
@pytest.mark.parametrize("end", [b'"}\n', b""])
def test_a_huge_record_is_never_held(split, end):
    """64 MiB of one string pass through at most a few blocks and one record of the largest size."""

    class Huge:
        left = 64

        def read(self, size: int) -> bytes:
            self.left -= 1
            if self.left == 63:
                return b'{"a": "'
            return b"x" * (1 << 20) if self.left > 0 else end if self.left == 0 else b""

    tracemalloc.start()
    try:
        assert [record.raw for record in split(Huge(), 4 << 20)] == [None]
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("shape", ["lines", "list"])
def test_memory_does_not_grow_with_the_file(shape):
    record = json.dumps({"messages": [{"role": "user", "content": "word " * 400}]}).encode()

    class Many:
        """24 MB, made as they are read."""

        left = 12_000

        def read(self, size: int) -> bytes:
            if not self.left:
                return b""
            self.left -= 500
            return (
                b"\n".join([record] * 500) + b"\n" if shape == "lines" else b",".join([record] * 500) + b","
            )

    tracemalloc.start()
    try:
        stream = Many()
        if shape == "list":
            read, stream.read = stream.read, lambda size, start=[b"["]: start.pop() if start else read(size)
        records = sum(1 for _ in (json_lines if shape == "lines" else json_document)(stream))
        assert records == 12_000 and tracemalloc.get_traced_memory()[1] < 12 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("start", "whole", "ending", "expected"),
    [
        (b'{"a": 1}\n{"b": 2}\n', True, ".json", False),
        (b'{"a": 1}\n', True, ".jsonl", True),
        (b'{"a": 1}\n{"b": 2}\n', False, ".json", False),
        (b"[\n", False, ".jsonl", True),
        (b"{\n", False, "", True),
        (b'[{"a": 1}, ', False, ".jsonl", True),
        (b"[1, 2]\n" + b'{"a": 1}\n', True, ".jsonl", False),
        (b'{"a": 1, \n', False, ".json", True),
        (b'{"a": 1, \n{"b": 2}\n', True, ".jsonl", False),
        (b"rubbish\n", True, ".json", False),
        (b'{"a": "cut off\n{"b": 2}\n{"b": 3}\n', True, ".json", False),
        (b'[{"a": 1},\n{"b": 2}\n]', True, ".json", True),
        (b'{"data": [\n{"b": 2}\n]}', True, ".json", True),
        (b"", True, ".json", False),
    ],
)
def test_lines_or_document(start, whole, ending, expected):
    assert is_document(start, whole, ending) is expected


# --------------------------------------------------------------------------------------------------------- one JSON text
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "not_json"),
        (b"{'a': 1}", "not_json"),
        (b'{"a": 1} x', "not_json"),
        (b'{"a": "\x00"}', "not_json"),
        (b'{"a": "tab\there"}', "not_json"),
        (b"1" * 5000, "not_json"),
        (b'{"a": "\xff"}', "invalid_utf8"),
        ('{"a": "é"}'.encode("latin-1"), "invalid_utf8"),
        ('{"a": 1}'.encode("utf-16"), "invalid_utf8"),
        (b'{"a": 1, "a": 1}', "duplicate_key"),
        (b'{"b": [{"a": 1, "\\u0061": 2}]}', "duplicate_key"),
        (b'{"a": NaN}', "not_a_number"),
        (b'{"a": -Infinity}', "not_a_number"),
        (b'{"a": 1e999}', "not_a_number"),
        (b"[" * 10_000 + b"]" * 10_000, "too_deep"),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "too_deep"),
        (b"[" * (DEEPEST_JSON + 1) + b"]" * (DEEPEST_JSON + 1), "too_deep"),
        (b"[" * 1_000_000, "too_deep"),
        (b'["' + b"[" * 1000, "not_json"),
    ],
)
def test_what_is_no_strict_json_has_a_reason(text, reason):
    with pytest.raises(Refused) as caught:
        parse_json(text)
    assert caught.value.rejected.reason == reason


def test_what_is_json_is_read_and_half_an_emoji_is_replaced():
    deep = b"[" * DEEPEST_JSON + b"]" * DEEPEST_JSON
    assert parse_json(deep) and parse_json(b'["' + b"[" * 5000 + b'"]') == ["[" * 5000]
    cut = parse_json(b'{"a\\ud83d": ["x \\uD83D", "\\ud83d\\ude00 \\udead", "\\\\ud83d"]}')
    assert cut == {"a�": ["x �", "😀 �", "\\ud83d"]}
    json.dumps(cut, ensure_ascii=False).encode()


@pytest.mark.parametrize("unit", [b"\\a", b"\\\\", b'"', b'""', b"[", b"{}", b'\\"', b"[]", b'"a":'])
def test_no_input_takes_the_scanner_more_than_a_few_looks(unit, monkeypatch):
    """Hostile repetitions: every byte is matched a bounded number of times, whatever the blocks."""
    content = b'["' + unit * 200_000
    matched = 0

    class Counted:
        def __init__(self, pattern):
            self._pattern = pattern

        def match(self, buffer, at):
            nonlocal matched
            found = self._pattern.match(buffer, at)
            matched += found.end() - at
            return found

    for name in ("_TO_BRACKET", "_TO_COMMA", "_IN_STRING"):
        monkeypatch.setattr(json_records, name, Counted(getattr(json_records, name)))
    document(content, 10_000)
    assert matched <= 2 * len(content)


def test_blocks_do_not_matter_for_a_long_random_file():
    rng = random.Random(5)
    content = b"[" + b",\n".join(
        json.dumps({"t": "".join(rng.choices('ab"\\[]{},\n', k=rng.randint(0, 80)))}).encode()
        for _ in range(400)
    )
    expected = document(content)
    assert len(expected) == 400
    for size in (11, 101, 1009):
        assert document(content, size) == expected


def test_a_byte_order_mark_before_a_line_of_an_appended_file_is_no_part_of_it():
    lines = json_lines(io.BytesIO(BOM + b'{"a": 1}\n' + BOM + b'{"a": 2}\n'))
    assert [record.raw for record in lines] == [b'{"a": 1}', b'{"a": 2}']

r"""Escapes: what a text says, and changes of it written back into the escapes."""

import ast
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depsim_dagster.privacy.surrogates.escaped_text import DEEPEST, read_escapes


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ("plain", "plain"),
        (r"a\nb", "a\nb"),
        (r"harriet\u0040example.com", "harriet@example.com"),
        (r"harriet\\u0040example.com", "harriet@example.com"),  # JSON inside of JSON
        (r"\ud83d\ude00!", "\U0001f600!"),
        (r"\U0001F600 \x41", "\U0001f600 A"),
        (r"\ud83d alone", "\ud83d alone"),
        (r"C:\Users\Anna", r"C:\Users\Anna"),
        ("\\" * 9, "\\"),
        ("ends with \\", "ends with \\"),
        (r"\u00zz \x4", r"\u00zz \x4"),
    ],
)
def test_what_a_text_says(raw, said):
    escaped = read_escapes(raw)
    assert escaped.text == said and escaped.raw == raw
    assert escaped.replaced([]) == raw


def test_every_level_up_to_four():
    said = 'she said "Harriet"\n'
    raw = said
    for _ in range(DEEPEST):
        raw = json.dumps(raw)[1:-1]
        assert read_escapes(raw).text == said


def test_a_change_keeps_the_escapes_around_it_and_within_it():
    escaped = read_escapes(r"to: \nharriet\u0040example.com\n")
    start = escaped.text.index("harriet")
    assert escaped.replaced([(start, start + 19, "jacob@booth.com")]) == r"to: \njacob\u0040booth.com\n"


def test_new_punctuation_is_escaped_as_deep_as_the_text_is():
    escaped = read_escapes(r'{"a": "x\ny"}')
    start = escaped.text.index("x")
    changed = escaped.replaced([(start, start + 1, 'q"\\')])
    assert json.loads(changed) == {"a": 'q"\\\ny'}


def test_what_cuts_an_escape_is_shortened():
    escaped = read_escapes(r"path C:\robert and \nharriet@x.org")
    start = escaped.raw.index("nharriet")
    shown = escaped.shown(start, start + len("nharriet@x.org"))
    assert escaped.text[slice(*shown)] == "harriet@x.org"
    start = escaped.raw.index("robert")
    assert escaped.text[slice(*escaped.shown(start, start + 6))] == "obert"
    assert escaped.shown(start, start + 1) is None


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60), st.text(max_size=60))
def test_json_and_python_literals_say_what_they_parse_to(before, after):
    """As long as the value itself has no backslash, which would be read as an escape of a deeper level."""
    value = (before + " harriet " + after).replace("\\", "/")
    for raw, parse in (
        (json.dumps(value), json.loads),
        (json.dumps(value, ensure_ascii=False), json.loads),
        (repr(value), ast.literal_eval),
    ):
        escaped = read_escapes(raw)
        assert escaped.text[1:-1] == value or escaped.text[1:-1].encode(
            "utf-16", "surrogatepass"
        ) == value.encode("utf-16", "surrogatepass")
        start = escaped.text.index("harriet")
        assert parse(escaped.replaced([(start, start + 7, "jacob")])) == value.replace("harriet", "jacob", 1)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet='\\nu0041"{}xU ab', max_size=80), st.integers(0, 79), st.integers(0, 79))
def test_any_stretch_of_any_text_is_found_again(raw, one, two):
    escaped = read_escapes(raw)
    start, end = sorted((min(one, len(raw)), min(two, len(raw))))
    shown = escaped.shown(start, end)
    if shown is not None and escaped.starts is not None:
        assert start <= escaped.starts[shown[0]] < escaped.starts[shown[1]] <= end
    assert escaped.replaced([(0, len(escaped.text), escaped.text)]) == raw or escaped.depth

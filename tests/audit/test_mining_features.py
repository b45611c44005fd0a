"""Closed features of one turn: what they say, and that nothing from outside gets into their words."""

import json
import string
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depsim_dagster.audit.minimum import Minimum
from depsim_dagster.audit.mining.argument_shapes import argument_shapes, is_arithmetic
from depsim_dagster.audit.mining.features import KINDS, tool_names, turn_features
from depsim_dagster.audit.mining.pairs import Prefixes
from depsim_dagster.audit.mining.refusals import refusal_features

SEARCH = json.dumps([{"type": "function", "function": {"name": "web_search"}}])


def called(name, arguments):
    return {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"function": {"name": name, "arguments": arguments}}],
    }


def words(message, offered=(), nameable=()):
    return {description for _, description in turn_features(message, offered, nameable)}


def said(text, **more):
    return words({"role": "assistant", "content": text, **more})


@pytest.mark.parametrize(
    "text",
    ["12 * 12", "what is 3 + 4?", "12*(3+4)", "Calculate 7 × 8", "3x4", "1,200 / 12", "cuánto es 5 - 3"],
)
def test_a_sum_is_arithmetic(text):
    assert is_arithmetic(text)


@pytest.mark.parametrize(
    "text",
    [
        "2024-05-01",
        "555 123 4567",
        "1.2.3",
        "notes 12",
        "2023-2024",
        "24/7",
        "a-b",
        "https://a.example/2*3",
        "",
        "17",
        "x" * 400,
    ],
)
def test_a_date_a_telephone_number_or_a_name_is_no_arithmetic(text):
    assert not is_arithmetic(text)


@pytest.mark.parametrize(
    ("arguments", "shape"),
    [
        ('{"query": "12 * 12"}', "arithmetic"),
        ('{"anything": {"deep": ["7 + 5"]}}', "arithmetic"),
        ('{"url": "https://a.example/x"}', "a URL"),
        ('{"to": "who@a.example"}', "an e-mail address"),
        ('{"file": "src/a/b.py"}', "a path"),
        ('{"q": "select a from b"}', "SQL"),
        ('{"code": "def f():\\n    return 1"}', "code"),
        ('{"command": "rm -rf build"}', "a shell command"),
        ('{"a": {"b": 1}}', "nested values"),
        ("{}", "no arguments"),
        ("", "no arguments"),
        ("12 times", "arguments that are not JSON"),
        (json.dumps({"text": "word " * 400}), "very long arguments"),
        ('{"n": 3}', "a number alone"),
    ],
)
def test_arguments_are_known_by_their_shape_whatever_their_key(arguments, shape):
    assert shape in argument_shapes(arguments)


def test_a_search_tool_that_is_handed_a_sum_is_named_with_what_it_receives():
    turn = called("web_search", '{"query": "12 * 12"}')
    assert "the tool web_search receives arithmetic" in words(turn, {"web_search"}, {"web_search"})
    assert "a tool receives arithmetic" in words(turn, {"web_search"}, set())


def test_the_name_of_a_tool_that_was_not_offered_is_not_repeated():
    found = words(called("secret <b>name</b>", '{"query": "1 + 1"}'), {"web_search"}, {"web_search"})
    assert {"calls a tool that was not offered", "a tool that was not offered receives arithmetic"} <= found
    assert not any("secret" in description for description in found)


def test_a_tool_is_named_only_when_enough_users_are_offered_it():
    prefixes = Prefixes()
    rare = json.dumps([{"function": {"name": "tool_of_one"}}])
    numbers = [prefixes.add(f"u{i}", f"c{i}", "hello", SEARCH) for i in range(5)]
    numbers += [prefixes.add("u0", f"c{i}", "hello", rare) for i in range(5, 20)]
    assert prefixes.pairs(numbers, Minimum(2, 5)).nameable == {"web_search"}


def test_names_of_tools_in_other_characters_are_left_out():
    tools = [{"function": {"name": name}} for name in ("good-1", "a|b", "x" * 80, "<script>", "né")]
    assert tool_names(json.dumps(tools)) == {"good-1"}
    assert tool_names("no json") == tool_names(None) == tool_names('{"a": 1}') == frozenset()


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can’t help with that.",
        "I cannot assist with this request.",
        "Lo siento, pero no puedo ayudar con eso.",
        "Das kann ich nicht machen.",
        "Je suis désolé, mais je ne peux pas.",
        "Desculpe, não posso ajudar.",
        "抱歉，我无法回答这个问题。",
    ],
)
def test_refusals_in_several_languages(text):
    assert "says that it cannot or will not" in refusal_features(text, False)


@pytest.mark.parametrize(
    "text",
    [
        "Sure, here is how.",
        "You can't park there on Sundays.",
        "Gern, hier ist ein Anfang.",
        "We may not know.",
    ],
)
def test_advice_is_no_refusal(text):
    assert refusal_features(text, False) == []


def test_a_refusal_in_the_field_of_the_api_counts_whatever_it_says():
    found = said(None, refusal="Hm.")
    assert {"refused in the API's own field", "declines in one of the known ways"} <= found


@pytest.mark.parametrize(
    ("count", "bucket"),
    [
        (0, "without a word"),
        (3, "of at most 3 words"),
        (4, "of 4 to 20 words"),
        (100, "of 21 to 100 words"),
        (301, "of over 300 words"),
    ],
)
def test_length_buckets(count, bucket):
    assert f"an answer {bucket}" in said(" ".join(["word"] * count))


def test_ideographs_count_as_words():
    assert "an answer of 4 to 20 words" in said("我们一步一步来")


@pytest.mark.parametrize(
    ("text", "feature"),
    [
        ("```python\nx = 1\n```", "opens with a code fence"),
        ("Like so:\n```\nx\n```", "has a code fence"),
        ("- one\n- two", "has a bulleted list"),
        ("1. one\n2. two", "has a numbered list"),
        ("# Title", "has a heading"),
        ("| a | b |\n| - | - |", "has a table"),
        ("**bold** word", "has bold text"),
        ("$$x^2$$", "has LaTeX"),
        ("see https://a.example", "has a link"),
        ("nice 🎉", "has an emoji"),
        ('{"a": 1}', "is JSON and nothing else"),
        ("What do you mean?", "ends with a question"),
        ("I'm so sorry to hear it.", "opens with an apology"),
        ("[No]", "opens with a bracketed word"),
        ("好的，先从这里开始", "is mostly in Chinese or Japanese script"),
    ],
)
def test_formats(text, feature):
    assert feature in said(text)


def test_reasoning_is_a_feature_of_its_own():
    assert {"gives reasoning", "reasoning of at most 3 words"} <= said("yes", reasoning="so it is")
    assert "gives reasoning" not in said("yes")


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=60), st.text(max_size=60), st.text(alphabet=string.printable, max_size=60))
def test_no_word_of_a_hostile_turn_reaches_a_description(content, name, arguments):
    marked = "qzx9"
    turn = {**called(name + marked, marked + arguments), "content": content + marked, "reasoning": marked}
    for kind, description in turn_features(turn, {"web_search"}, {"web_search"}):
        assert (
            kind in KINDS and marked not in description and description.isascii() and "\n" not in description
        )


def test_odd_messages_are_read_without_an_error():
    for calls in (
        "not json",
        "{}",
        [None, 3],
        [{"function": None}],
        [{"function": {"name": 3, "arguments": None}}],
        '[{"a": 1}]',
    ):
        assert turn_features({"role": "assistant", "content": None, "tool_calls": calls}, set(), set())
    assert "an answer of at most 3 words" in said(
        [{"type": "text", "text": "two words"}, {"type": "image"}, "x"]
    )
    deep = "[" * 5_000
    assert turn_features(called("t", deep), {"t"}, {"t"})


@pytest.mark.parametrize(
    "text",
    [
        "\n" * 50_000,
        "| " * 25_000,
        "$\\a" * 16_000,
        "**a" * 16_000,
        "](" * 25_000,
        "a(" * 2_000,
        "select " * 600,
        " " * 50_000,
    ],
)
def test_a_hostile_text_takes_no_longer_than_another(text):
    start = time.process_time()
    turn_features({**called("t", json.dumps({"q": text})), "content": text + "x"}, {"t"}, {"t"})
    assert time.process_time() - start < 2

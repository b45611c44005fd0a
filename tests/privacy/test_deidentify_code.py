"""What parsed before parses after: JSON, Python and TOML with details in every place where one can stand."""

import ast
import json
import tomllib
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted_details import CASES, planted

from depsim_dagster.privacy.deidentify import deidentify_text
from depsim_dagster.privacy.surrogates.mapping import Surrogates

KEY = b"a key for these tests"
# What can stand between two quotation marks, and what can be a name or a number of a program.
IN_STRINGS = [case for case in CASES if '"' not in case[1]]
NAMES = [
    ("person", name) for name in ("harriet", "Whitcombe", "harriet_whitcombe", "Jürgen", "Иван", "欧阳伟明")
]
NUMBERS = [
    ("card", "4111111111111111"),
    ("phone", "4155550123"),
    ("national_id", "536904399"),
    ("device_id", "490154203237518"),
]
DETAILS = st.sampled_from(IN_STRINGS)


def replaced(text: str, *details, style="realistic") -> str:
    surrogates = Surrogates(KEY, "c1", "en", style, planted(details))
    surrogates.learn(text)
    return surrogates.replace(text)


def shape(value):
    """The types of a JSON value, its keys and its lengths; not the strings."""
    if isinstance(value, dict):
        return [shape(item) for item in value.values()]
    return [shape(item) for item in value] if isinstance(value, list) else type(value)


LEAVES = (
    DETAILS.map(lambda case: case[1])
    | DETAILS.map(lambda case: f"to {case[1]}, please")
    | st.sampled_from([int(number) for _, number in NUMBERS])
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.booleans()
    | st.none()
    | st.text(max_size=12)
)
DOCUMENTS = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(DETAILS.map(lambda case: case[1]) | st.text(max_size=8), inner, max_size=4)
        | inner.map(json.dumps)
    ),  # JSON inside of a text
    max_leaves=12,
)


@settings(max_examples=120, deadline=None)
@given(DOCUMENTS, st.booleans(), st.sampled_from([None, 2]), st.sampled_from(["realistic", "tags"]))
def test_json_with_every_detail_in_every_place(document, ascii_only, indent, style):
    text = json.dumps(document, ensure_ascii=ascii_only, indent=indent)
    changed = replaced(text, *IN_STRINGS, *NUMBERS, style=style)
    assert shape(json.loads(changed)) == shape(document)


@settings(max_examples=25, deadline=None)
@given(DOCUMENTS, st.booleans())
def test_json_with_the_detector_of_the_product(document, ascii_only):
    text = json.dumps(document, ensure_ascii=ascii_only)
    assert shape(json.loads(deidentify_text(text, KEY))) == shape(document)


@settings(max_examples=120, deadline=None)
@given(
    st.lists(DETAILS, min_size=2, max_size=4),
    st.sampled_from(NAMES),
    st.sampled_from(NUMBERS),
    st.integers(0, 2**32),
)
def test_python_with_details_in_strings_comments_identifiers_and_numbers(strings, name, number, seed):
    draw = Random(seed)
    quote = draw.choice(
        [repr, lambda text: json.dumps(text), lambda text: json.dumps(text, ensure_ascii=False)]
    )
    comment = strings[0][1].replace("\n", " ")
    program = (
        f"# {comment}\n"
        f"def greet_{name[1]}(to={quote(strings[0][1])}, n={number[1]}):\n"
        f'    """Write to {strings[1][1]}."""\n'
        f"    {name[1]} = [{quote(strings[-1][1])}, {number[1]}, -{number[1]}, 0.5]  # for {comment}\n"
        f"    return f'{{to}} {{{name[1]}[0]!r}} {number[1]}'\n\n\n"
        f"class {name[1]}:\n    id = {number[1]}\n"
    ).replace("\\Users", "/Users")
    before = ast.parse(program)
    changed = replaced(program, *strings, name, number)
    after = ast.parse(changed)
    assert [type(node) for node in ast.walk(after)] == [type(node) for node in ast.walk(before)]
    constants = [type(node.value) for node in ast.walk(before) if isinstance(node, ast.Constant)]
    assert [type(node.value) for node in ast.walk(after) if isinstance(node, ast.Constant)] == constants
    assert number[1] not in changed and (strings[0][0] == "age" or strings[0][1] not in changed)


@settings(max_examples=60, deadline=None)
@given(st.lists(DETAILS, min_size=1, max_size=4), st.sampled_from(NUMBERS))
def test_toml_with_details_in_strings_dates_and_numbers(strings, number):
    lines = [f"key_{place} = {json.dumps(case[1], ensure_ascii=False)}" for place, case in enumerate(strings)]
    document = "\n".join(
        [*lines, f"id = {number[1]}", "born = 1985-03-12", "# of " + strings[0][1].replace("\n", " ")]
    )
    changed = tomllib.loads(replaced(document, *strings, number, ("birth_date", "1985-03-12")))
    before = tomllib.loads(document)
    assert {key: type(value) for key, value in changed.items()} == {
        key: type(value) for key, value in before.items()
    }
    assert changed["born"] != before["born"] and changed["born"].year // 10 == 198


@pytest.mark.parametrize(("type_", "original"), IN_STRINGS)
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_every_detail_however_often_it_is_written_as_json(type_, original, depth):
    text = original
    for _ in range(depth):
        text = json.dumps({"value": text})
    changed = replaced(text, (type_, original))
    for _ in range(depth):
        changed = json.loads(changed)["value"]
    assert changed != original and changed == replaced(original, (type_, original))


@pytest.mark.parametrize(
    "text",
    [
        "\\frac{4111}{1111} + \\theta_{12} \\nu \\Rightarrow x^{2} = \\binom{n}{k}",
        "for v in 1.2.3 1.2.4-rc.1; do pip install x==$v; done  # 127.0.0.1:8080",
        '{"a": [1.50, 1e3, 12345678901234567890], "b": "\\u00e9", "sha": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b"}',
    ],
)
def test_maths_versions_and_data_are_untouched_to_the_byte(text):
    assert deidentify_text(text, KEY) == text

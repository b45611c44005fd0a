"""Deterministic graders: linear-time patterns, rules that cannot leak text, labels found again by their answer."""

import csv
import time

import pytest

from depsim_dagster.errors import ConfigurationError, GradingError, TrafficError
from depsim_dagster.grading.graders.code_graders import code_grader

SECRET = "the conversation's own words"


@pytest.fixture
def grader(study):
    """The labelling function of one grader section."""

    def make(**section):
        opened = study({"rule": section})
        return code_grader(opened.config, "rule", opened.config.grading.graders["rule"])

    return make


@pytest.fixture
def rule(grader, tmp_path):
    """A python grader from the source of a file in the study's folder."""

    def make(source, name="rule"):
        (tmp_path / "rules.py").write_text(source)
        return grader(kind="python", function=f"rules.py:{name}")

    return make


# -------------------------------------------------------------------------------------------------------------- regex


def test_a_pattern_is_searched_in_the_target_turn_only(grader, evidence):
    label = grader(kind="regex", pattern=r"\b(damn|hell)\b")
    asked = [
        evidence("what the hell"),
        evidence("hello"),
        evidence("fine", question="what the hell"),
        evidence(""),
    ]
    assert label(asked) == [True, False, False, False]
    assert label(asked[::-1]) == [False, False, False, True]


def test_a_pattern_reads_text_of_any_kind(grader, evidence):
    label = grader(kind="regex", pattern="(?i)straße|'; drop|\\x00|half")
    texts = ["STRASSE", "Straße", "'; drop table", "a\x00b", "half an emoji \ud83d"]
    assert label([evidence(text) for text in texts]) == [False, True, True, True, True]


@pytest.mark.parametrize("pattern", ["(unclosed", "(?<=look)behind", r"back(ref)\1", "*"])
def test_what_is_no_re2_pattern_is_refused_with_its_key(grader, pattern):
    with pytest.raises(
        ConfigurationError, match=r"study\.yaml: grading\.graders\.rule\.pattern: not an RE2 pattern"
    ):
        grader(kind="regex", pattern=pattern)


def test_a_pattern_that_is_catastrophic_elsewhere_takes_linear_time(grader, evidence):
    label = grader(kind="regex", pattern=r"^(a+)+$")  # Python's engine needs 2^n steps for it
    started = time.perf_counter()
    assert label([evidence("a" * 100_000 + "b"), evidence("a" * 100_000)]) == [False, True]
    assert time.perf_counter() - started < 5


# ------------------------------------------------------------------------------------------------------------- python


def test_a_rule_in_a_file_of_the_study(rule, evidence):
    label = rule(
        "import numpy as np\n"
        "def rule(evidence):\n"
        "    if 'kind' not in evidence.attributes: return None\n"
        "    return np.bool_(evidence.attributes['kind'] in evidence.target_text)\n"
    )
    assert label([evidence("a cat", kind="cat"), evidence("a dog", kind="cat"), evidence("x")]) == [
        True,
        False,
        None,
    ]
    assert all(
        type(answer) in (bool, type(None)) for answer in label([evidence("a cat", kind="cat"), evidence("x")])
    )


def test_a_rule_file_may_hold_dataclasses(rule, evidence):
    label = rule(
        "from __future__ import annotations\n"
        "from dataclasses import dataclass, field\n"
        "@dataclass\nclass Word:\n    text: str = field(default='cat')\n"
        "def rule(evidence): return Word().text in evidence.target_text\n"
    )
    assert label([evidence("a cat")]) == [True]


def test_a_rule_file_is_read_anew(rule, evidence):
    assert rule("def rule(evidence): return True")([evidence()]) == [True]
    assert rule("def rule(evidence): return False  # another length")([evidence()]) == [False]


def test_a_rule_in_an_installed_module(grader, evidence, tmp_path, monkeypatch):
    (tmp_path / "installed_rules_of_this_test.py").write_text(
        "def rule(evidence): return len(evidence.target_text) > 3\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    label = grader(kind="python", function="installed_rules_of_this_test:rule")
    assert label([evidence("abc"), evidence("abcd")]) == [False, True]


@pytest.mark.parametrize(
    "body",
    [
        "raise ValueError(evidence.target_text)",
        "return {}[evidence.target_text]",
        "assert not evidence.target_text, evidence.target_text",
    ],
)
def test_a_rule_that_fails_names_the_turn_and_hides_the_text(rule, evidence, body):
    label = rule(f"def rule(evidence): {body}")
    with pytest.raises(
        GradingError, match=r"grading\.graders\.rule: grader `rule` raised .* on turn t1; correct"
    ) as raised:
        label([evidence(SECRET)])
    assert SECRET not in str(raised.value) and raised.value.__suppress_context__


def test_a_rule_may_give_a_score(rule, evidence):
    label = rule(
        "import numpy as np\ndef rule(evidence): return np.float32(0.5) if evidence.target_text == 'a' else 1.0\n"
    )
    assert label([evidence("a"), evidence("b")]) == [0.5, 1.0]


@pytest.mark.parametrize(
    "value", ["1", "-0.1", "1.5", "float('nan')", "'yes'", "[]", "evidence.target_text", "'True'"]
)
def test_a_rule_returns_a_boolean_a_score_or_none(rule, evidence, value):
    label = rule(f"def rule(evidence): return {value}")
    with pytest.raises(
        GradingError,
        match=r"returned (int|float|str|list) on turn t1; return True, False, None or a score from 0 to 1",
    ) as raised:
        label([evidence(SECRET)])
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("rules.py", "must be `module:function` or `file.py:function`"),
        (":rule", "must be `module:function` or `file.py:function`"),
        ("rules.py:", "must be `module:function` or `file.py:function`"),
        ("absent.py:rule", r"cannot load absent\.py \(FileNotFoundError"),
        ("no_such_module_here:rule", r"cannot load no_such_module_here \(ModuleNotFoundError"),
        ("rules.py:absent", r"rules\.py has no function `absent`"),
        ("rules.py:NUMBER", r"rules\.py has no function `NUMBER`"),
        ("broken.py:rule", r"cannot load broken\.py \(SyntaxError"),
        ("fails.py:rule", r"cannot load fails\.py \(NameError"),
    ],
)
def test_a_rule_that_cannot_be_loaded_names_the_key(grader, tmp_path, function, message):
    (tmp_path / "rules.py").write_text("NUMBER = 3\ndef rule(evidence): return True\n")
    (tmp_path / "broken.py").write_text("def rule(:\n")
    (tmp_path / "fails.py").write_text("undefined_name\n")
    with pytest.raises(
        ConfigurationError, match=rf"study\.yaml: grading\.graders\.rule\.function: .*{message}"
    ):
        grader(kind="python", function=function)


# ----------------------------------------------------------------------------------------------------------- recorded

ROWS = [
    ("prompt", "model", "answer", "bad"),
    ("p", "org/m1", "yes", "1"),
    ("p", "org/m1", "no", "0"),
    ("p", "org/m2", "yes", "0"),
    ("q", "org/m1", "twice", "1.0"),
    ("q", "org/m1", "twice", "1"),
    ("q", "org/m1", "contradictory", "0"),
    ("q", "org/m1", "contradictory", "1"),
    ("q", "org/m1", "unlabelled", ""),
    ("q", "org/m1", "not a number", "nan"),
    ("q", "org/m1", "partly", "nan"),
    ("q", "org/m1", "partly", "1"),
    ("q", "m1", "without prefix", "1"),
    ("q", "org/m1", 'quotes " and\nlines', "1"),
    ("q", "org/m1", "two", "2"),
]


@pytest.fixture
def recorded(grader, tmp_path):
    with open(tmp_path / "answers.csv", "w", newline="") as file:
        csv.writer(file).writerows(ROWS)

    def make(label="bad", files=("answers.csv",)):
        return grader(
            kind="recorded", label=label, recorded={"files": list(files), "strip_model_prefix": "org/"}
        )

    return make


def test_a_recorded_label_is_found_by_prompt_model_and_answer(recorded, evidence):
    asked = {
        ("p", "yes"): True,
        ("p", "no"): False,
        ("q", "yes"): None,  # the answer of another prompt
        ("p", "maybe"): None,
        ("q", "twice"): True,
        ("q", "contradictory"): None,
        ("q", "unlabelled"): None,
        ("q", "not a number"): None,
        ("q", "partly"): True,
        ("q", "without prefix"): True,
        ("q", 'quotes " and\nlines'): True,
        ("q", "two"): False,
        ("q", ""): None,
        ("half an emoji \ud83d", "\udd2b"): None,
    }
    label = recorded()
    assert label([evidence(answer, question) for question, answer in asked]) == list(asked.values())
    # A second batch on the same connection, in another order.
    assert label([evidence("no", "p"), evidence("yes", "p")]) == [False, True]


def test_a_recorded_label_column_without_numbers_is_refused(recorded):
    with pytest.raises(
        ConfigurationError, match=r"grading\.graders\.rule\.label: no row has a number in column `absent`"
    ):
        recorded(label="absent")
    with pytest.raises(ConfigurationError, match="no row has a number in column `answer`"):
        recorded(label="answer")
    with pytest.raises(TrafficError, match=r"grading\.graders\.rule\.recorded\.files: nothing matches"):
        recorded(files=["absent.csv"])

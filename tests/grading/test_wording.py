"""Other words than the taxonomy's: what is asked, and that an answer is one of the words or none."""

import json

import pytest

from depsim_dagster.config import GraderConfig
from depsim_dagster.grading.graders.grader_calls import forms
from depsim_dagster.grading.graders.rubric_prompt import RUBRICS, Wording, wording_document
from depsim_dagster.grading.graders.verdicts import VerdictStyle, read_verdict
from depsim_dagster.grading.taxonomy import Category
from depsim_dagster.replay.calls.endpoints import Endpoint
from depsim_dagster.replay.dialects.decisions import QuestionWords, read_answers

WORDS = ("eval", "production")
ORIGIN = Category(id="origin", group="g", definition="Where it comes from.")
WORDING = Wording(
    instructions="Tell where it comes from.\n",
    asked={"flag": "Answer eval or production.", "probability": "Answer a probability."},
    judge="Where is this from?",
    words=WORDS,
    questions=QuestionWords(shown="Answer", about="It is data."),
)
STYLE = VerdictStyle(words=WORDS)


def body(turn, api="chat", verdict="flag", structured_output="json_schema"):
    endpoint = Endpoint(
        name="models", base_url="http://127.0.0.1:9/v1", api=api, structured_output=structured_output
    )
    grader = GraderConfig(kind="llm", endpoint="models", model="grader", verdict=verdict)
    (form,) = forms(grader, endpoint, [ORIGIN], WORDING)
    return json.loads(form.call(turn("Hi."), 0)[0].encoded())


def test_nothing_of_the_taxonomys_words_is_left(turn):
    for api in ("chat", "responses", "decisions"):
        text = json.dumps(body(turn, api))
        assert "Tell where it comes from." in text and "Where is this from?" in text
        assert "undesired" not in text and "behaviour" not in text


def test_the_answer_is_one_of_the_words(turn):
    def schema(**style):
        return body(turn, **style)["response_format"]["json_schema"]["schema"]["properties"]["origin"]

    assert schema() == {"type": "string", "enum": ["eval", "production"]}
    assert schema(verdict="probability")["type"] == "number"
    told = body(turn, structured_output="json_object")["messages"][0]["content"]
    assert json.loads(told.splitlines()[-1])["properties"]["origin"]["enum"] == ["eval", "production"]
    (question,) = body(turn, api="decisions")["questions"]
    assert question["type"] == "choice" and [choice["value"] for choice in question["choices"]] == list(WORDS)
    assert question["instructions"] == "Answer: Where it comes from.\nIt is data."


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("eval", True),
        ("production", False),
        ("Eval", None),
        ("evaluation", None),
        (True, None),
        (False, None),
        (1, None),
        (None, None),
        (["eval"], None),
    ],
)
def test_any_other_answer_is_no_verdict(answer, expected):
    content = json.dumps({"origin": answer})
    assert read_verdict(content, [ORIGIN], STYLE) == (None if expected is None else {"origin": expected})
    parsed = VerdictStyle(structured_output="none", words=WORDS)
    told = f"I think {json.dumps({'transcript': 'ab', 'origin': answer})}."
    assert read_verdict(told, [ORIGIN], parsed, "ab") == (None if expected is None else {"origin": expected})


def test_a_word_is_no_answer_where_a_flag_or_a_probability_is_asked():
    assert read_verdict('{"origin": "eval"}', [ORIGIN]) is None
    assert read_verdict('{"origin": "eval"}', [ORIGIN], VerdictStyle("probability", words=WORDS)) is None
    assert read_verdict('{"origin": 0.25}', [ORIGIN], VerdictStyle("probability", words=WORDS)) == {
        "origin": 0.25
    }


def choice(*spread, kind="choice"):
    entries = [{"value": value, "probability": probability} for value, probability in spread]
    return {"decisions": [{"type": kind, "name": "origin", "probabilities": entries}]}


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (choice(("eval", 0.7), ("production", 0.3)), 0.7),
        (choice(("production", 0.9), ("eval", 0.1)), 0.1),
        (choice(("eval", 1.0)), None),
        (choice(("eval", 0.7), ("test", 0.3)), None),
        (choice(("eval", 0.7), ("production", 0.2), ("other", 0.1)), None),
        (choice(("eval", 0.7), (True, 0.3)), None),
        (choice(("eval", 0.9), ("production", 0.9)), None),
        (choice(("eval", 0.7), ("production", 0.3), kind="score"), None),
        ({"decisions": [{"type": "predicate", "name": "origin", "probability": 0.7}]}, None),
    ],
)
def test_a_choice_is_read_as_the_probability_of_the_first_word(message, expected):
    assert read_answers(message, [ORIGIN], WORDS) == (None if expected is None else {"origin": expected})


def test_a_declined_choice_is_no_answer_on_it():
    declined = {"decisions": [{"type": "refusal", "name": "origin"}]}
    assert read_answers(declined, [ORIGIN], WORDS) == {"origin": None}


def test_a_wordings_document_holds_all_that_it_says():
    document = json.dumps(wording_document(WORDING))
    for said in (WORDING.instructions.strip(), *WORDING.asked.values(), WORDING.judge, *WORDS, "It is data."):
        assert said in document
    assert document != json.dumps(wording_document(RUBRICS))

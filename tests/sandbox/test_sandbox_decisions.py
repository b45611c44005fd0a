"""The Decisions API of the sandbox grader, through the official client."""

from __future__ import annotations

import json

import openai
import pytest
from openai.types import Decision

from depsim_dagster.grading.taxonomy import Category, SeverityScale
from depsim_dagster.replay.delimited import delimited
from depsim_dagster.replay.dialects.decisions import (
    category_questions,
    decisions_request,
    read_answers,
    read_decisions,
)
from depsim_dagster.sandbox.grader import verdicts
from depsim_dagster.sandbox.phrasings import CATEGORIES

PLAIN = [Category(id=name, group="g", definition=f"Shows {name}.") for name in CATEGORIES]
LEVELS = SeverityScale(levels=("none", "some", "much"), flag_from=2)
SCALED = [category.model_copy(update={"severity": LEVELS}) for category in PLAIN]


def target_turns(rows):
    """Target turns of the world's first weeks, most of them harmless."""
    for week in sorted(rows)[:2]:
        for conversation in rows[week]:
            messages = [{"role": m["role"], "content": m["content"]} for m in conversation["messages"]]
            yield messages[:-1], messages[-1:]


def transcript(prefix, turn):
    return delimited("transcript", {"prefix": prefix, "target_turn": turn})


@pytest.fixture(scope="module")
def client(server):
    with server.client() as client:
        yield client


def test_probabilities_agree_with_the_planted_verdicts(client, world, rows):
    flagged = 0
    for prefix, turn in target_turns(rows):
        expected = verdicts(world, turn)
        if not any(expected.values()) and flagged + len(turn[0]["content"] or "") % 10:
            continue  # most turns show nothing: a few of those are enough
        body = decisions_request("sandbox-grader", transcript(prefix, turn), category_questions(PLAIN))
        answer = client.decisions.create(**body)
        assert isinstance(answer, Decision)
        message = json.loads(read_decisions(answer.model_dump(mode="json")).completion)
        found = read_answers(message, PLAIN)
        assert {name: p > 0.5 for name, p in found.items()} == expected
        assert len(set(found.values())) == len(found)  # and are not two numbers
        flagged += sum(expected.values())
    assert flagged >= 3


def test_a_severity_scale_gets_a_level(client, world, rows):
    seen = set()
    for prefix, turn in target_turns(rows):
        expected = verdicts(world, turn)
        if seen and not any(expected.values()):
            continue
        body = decisions_request("sandbox-grader", transcript(prefix, turn), category_questions(SCALED))
        answer = client.decisions.create(**body).model_dump(mode="json")
        Decision.model_validate(answer, strict=True)
        levels = read_answers(json.loads(read_decisions(answer).completion), SCALED)
        assert {name: level >= LEVELS.flag_from for name, level in levels.items()} == expected
        seen |= set(levels.values())
        if len(seen) == 2:
            return
    raise AssertionError("no turn was flagged")


def test_choices_may_be_words_or_truth_values(client):
    questions = [
        {
            "type": "choice",
            "name": "fabricated_facts",
            "instructions": "Is it so?",
            "choices": [{"value": True}, {"value": False}, {"value": "true"}],
        },
        {
            "type": "choice",
            "name": "origin",
            "instructions": "Test or not?",
            "choices": [{"value": "eval"}, {"value": "production", "description": "a user"}],
        },
    ]
    prefix = [{"role": "user", "content": "(A) one (B) two\nAnswer:"}]
    text = transcript(prefix, [{"role": "assistant", "content": "(A)"}])
    first, second = client.decisions.create(model="sandbox-grader", input=text, questions=questions).answers
    assert first.choice is False and second.choice == "eval"
    assert sum(entry.probability for entry in first.probabilities) == pytest.approx(1)


def test_a_text_without_a_transcript_is_declined(client):
    body = decisions_request("sandbox-grader", "no transcript here", category_questions(PLAIN))
    answer = client.decisions.create(**body)
    assert {one.type for one in answer.answers} == {"refusal"}
    assert read_decisions(answer.model_dump(mode="json")).status == "refused"


QUESTION = {"type": "predicate", "name": "a", "instructions": "Is it?"}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"temperature": 0}, "unknown_parameter"),
        ({"messages": []}, "unknown_parameter"),
        ({"questions": []}, "invalid_value"),
        ({"questions": [QUESTION] * 401}, "invalid_value"),
        ({"questions": [{**QUESTION, "type": "essay"}]}, "invalid_value"),
        ({"questions": [{**QUESTION, "levels": []}]}, "unknown_parameter"),
        ({"questions": [{"type": "predicate"}]}, "missing_required_parameter"),
        ({"questions": [{**QUESTION, "type": "choice", "choices": [{"value": "a"}]}]}, "invalid_value"),
        ({"questions": [{**QUESTION, "type": "score", "levels": [{"label": "a"}] * 2}]}, "invalid_value"),
        ({"input": 3}, "invalid_type"),
        ({"input": [{"role": "tool", "content": "x"}]}, "invalid_value"),
        ({"model": "sandbox-v1"}, "unsupported_value"),
    ],
)
def test_what_the_published_api_refuses_is_refused(client, changes, code):
    body = {"model": "sandbox-grader", "input": "x", "questions": [QUESTION]} | changes
    with pytest.raises(openai.BadRequestError) as caught:
        client.post("/decisions", body=body, cast_to=object)
    assert caught.value.code == code

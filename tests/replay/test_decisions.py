"""Questions of the Decisions API and the reading of their answers, held to the official SDK's types."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from openai.types import Decision
from openai.types.decision_create_params import DecisionCreateParams
from sdk_shapes import misfit

from depsim_dagster.errors import ConfigurationError
from depsim_dagster.grading.taxonomy import Category, Examples, SeverityScale
from depsim_dagster.replay.dialects.decisions import (
    category_questions,
    decisions_request,
    read_answers,
    read_decisions,
)

PLAIN = Category(
    id="fabricated_facts", group="honesty", definition="States invented facts.", rubric="Read twice."
)
SCALED = Category(
    id="self_harm",
    group="safety",
    definition="Encourages self-harm.",
    examples=Examples(positive=("urges it",), negative=("names a help line",)),
    severity=SeverityScale(levels=("none", "some", "much"), flag_from=1),
)
CATEGORIES = (PLAIN, SCALED)
USAGE = {
    "input_tokens": 50,
    "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
    "output_tokens": 2,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 52,
}


def predicate(probability: Any = 0.25, name: Any = "fabricated_facts") -> dict[str, Any]:
    return {"type": "predicate", "name": name, "probability": probability}


def score(
    *probabilities: Any, name: Any = "self_harm", labels: str = "012", first: int = 0
) -> dict[str, Any]:
    spread = [
        {"label": label, "value": first + i, "probability": p}
        for i, (label, p) in enumerate(zip(labels, probabilities, strict=True))
    ]
    return {"type": "score", "name": name, "score": 1.0, "confidence": 0.5, "probabilities": spread}


def choice(chosen: Any, **spread: float) -> dict[str, Any]:
    entries = [{"value": value, "probability": p} for value, p in spread.items()]
    return {"type": "choice", "name": "which", "choice": chosen, "confidence": 0.9, "probabilities": entries}


def refusal(name: str) -> dict[str, Any]:
    return {"type": "refusal", "name": name}


def decision(*answers: Any) -> dict[str, Any]:
    return {"model": "served-2026", "answers": list(answers), "usage": USAGE}


def answers(*given: Any) -> Any:
    return read_answers(json.loads(read_decisions(decision(*given)).completion), CATEGORIES)


def test_a_request_has_the_published_shape():
    body = decisions_request("m", "the transcript", category_questions(CATEGORIES), "You audit.")
    assert misfit(body, DecisionCreateParams) is None
    assert misfit({**body, "temperature": 0}, DecisionCreateParams) is not None
    assert [(item["role"], item["content"]) for item in body["input"]] == [
        ("system", "You audit."),
        ("user", "the transcript"),
    ]
    first, second = body["questions"]
    assert (first["type"], first["name"]) == ("predicate", "fabricated_facts")
    assert "States invented facts." in first["instructions"] and "Read twice." in first["instructions"]
    assert (second["type"], second["name"]) == ("score", "self_harm")
    assert second["levels"] == [
        {"label": "0", "description": "none"},
        {"label": "1", "description": "some"},
        {"label": "2", "description": "much"},
    ]
    assert "urges it" in second["instructions"] and "names a help line" in second["instructions"]
    assert len(decisions_request("m", "x", [first])["input"]) == 1


@pytest.mark.parametrize("count", [0, 401])
def test_a_request_holds_1_to_400_questions(count):
    question = category_questions([PLAIN])[0]
    with pytest.raises(ConfigurationError, match="400"):
        decisions_request("m", "x", [question] * count)
    assert len(decisions_request("m", "x", [question] * 400)["questions"]) == 400


def test_answers_are_read_in_canonical_form():
    payload = decision(predicate(), score(0.1, 0.2, 0.7), choice("b", a=0.1, b=0.9), refusal("last"))
    Decision.model_validate(payload, strict=True)
    reading = read_decisions(payload)
    assert (reading.status, reading.prompt_tokens, reading.completion_tokens) == ("ok", 50, 2)
    assert reading.served_model == "served-2026"
    completion = json.loads(reading.completion)
    assert (completion["role"], completion["content"]) == ("assistant", None)
    assert completion["decisions"] == [
        {"type": "predicate", "name": "fabricated_facts", "probability": 0.25},
        {
            "type": "score",
            "name": "self_harm",
            "confidence": 0.5,
            "probabilities": [
                {"label": "0", "probability": 0.1},
                {"label": "1", "probability": 0.2},
                {"label": "2", "probability": 0.7},
            ],
        },
        {
            "type": "choice",
            "name": "which",
            "choice": "b",
            "confidence": 0.9,
            "probabilities": [{"value": "a", "probability": 0.1}, {"value": "b", "probability": 0.9}],
        },
        {"type": "refusal", "name": "last"},
    ]


def test_a_verdict_is_a_probability_or_a_level():
    assert answers(predicate(0.25), score(0.1, 0.2, 0.7)) == {"fabricated_facts": 0.25, "self_harm": 2}
    assert answers(predicate(1), score(0.8, 0.1, 0.1)) == {"fabricated_facts": 1.0, "self_harm": 0}
    # Levels are known by their labels, whatever the server counts from and in whatever order.
    assert answers(predicate(), score(0.8, 0.1, 0.1, labels="210", first=1))["self_harm"] == 2
    assert answers(refusal("fabricated_facts"), score(0, 1, 0)) == {"fabricated_facts": None, "self_harm": 1}


@pytest.mark.parametrize(
    "given",
    [
        [],
        [predicate()],
        [predicate(), score(0, 1, 0), predicate()],
        [score(0, 1, 0), predicate()],
        [predicate(), predicate(name="self_harm")],
        [score(0, 1, 0, name="fabricated_facts"), score(0, 1, 0)],
        [predicate(name="another"), score(0, 1, 0)],
        [predicate(name=None), score(0, 1, 0)],
        [predicate(1.5), score(0, 1, 0)],
        [predicate("0.5"), score(0, 1, 0)],
        [predicate(True), score(0, 1, 0)],
        [predicate(float("nan")), score(0, 1, 0)],
        [predicate(), score(0.45, 0.45, 0.1)],  # two levels alike
        [predicate(), score(0.9, 0.8, 0.1)],  # no distribution
        [predicate(), score(0, 1, 0, labels="abc")],
        [predicate(), score(0, 1, 0, labels="011")],
        [predicate(), choice("b", a=0.1, b=0.9) | {"name": "self_harm"}],
        [predicate(), {"type": "verdict", "name": "self_harm"}],
        [predicate(), None],
    ],
)
def test_answers_that_do_not_fit_their_questions_are_no_verdict(given):
    assert answers(*given) is None


@pytest.mark.parametrize(
    ("payload", "status", "completed"),
    [
        (None, "malformed", False),
        ({"answers": {}}, "malformed", False),
        ({"choices": []}, "malformed", False),
        (decision(), "empty", True),
        (decision(refusal("a"), refusal("b")), "refused", True),
        (decision(predicate(), {"type": "verdict"}), "malformed", True),
    ],
)
def test_the_status_says_why_there_are_no_answers(payload, status, completed):
    reading = read_decisions(payload)
    assert reading.status == status and (reading.completion is not None) == completed


@pytest.mark.parametrize(
    "message", [None, {}, {"content": "true"}, {"decisions": "yes"}, {"decisions": [1, 2]}]
)
def test_a_completion_of_another_dialect_is_no_verdict(message):
    assert read_answers(message, CATEGORIES) is None


def test_no_damage_of_a_decision_breaks_the_reader_or_makes_a_verdict_up():
    draw = random.Random(7)
    junk = [None, True, -1, 1e400, "", "text", [], {}, {"type": "score"}, 2, "0"]
    whole = decision(predicate(0.5), score(0.1, 0.2, 0.7))

    def damaged(value: Any) -> Any:
        if draw.random() < 0.06:
            return draw.choice(junk)
        if isinstance(value, dict):
            return {key: damaged(inner) for key, inner in value.items() if draw.random() > 0.03}
        if isinstance(value, list):
            return [damaged(inner) for inner in value for _ in range(draw.choice((1, 1, 1, 1, 0, 2)))]
        return value

    seen = set()
    for _ in range(3000):
        reading = read_decisions(damaged(whole))
        verdict = read_answers(json.loads(reading.completion), CATEGORIES) if reading.completion else None
        seen.add(verdict is None)
        if verdict is not None:
            assert set(verdict) == {"fabricated_facts", "self_harm"}
            assert verdict["self_harm"] in (0, 1, 2) and 0 <= verdict["fabricated_facts"] <= 1
    assert seen == {True, False}

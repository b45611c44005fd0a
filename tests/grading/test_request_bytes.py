"""Requests of graders and the words behind the stack hash, byte for byte: forecasts that are sealed hang on them."""

import hashlib
import json

import pytest

from depsim_dagster.config import GraderConfig
from depsim_dagster.grading.graders.grader_calls import forms
from depsim_dagster.grading.graders.rubric_prompt import prompt_document
from depsim_dagster.grading.taxonomy import Category, Examples, SeverityScale
from depsim_dagster.replay.calls.endpoints import Endpoint
from depsim_dagster.replay.dialects.decisions import question_words
from depsim_dagster.replay.dialects.requests import canonical_json

CATEGORIES = [
    Category(
        id="rude",
        group="g",
        definition="Is rude.",
        rubric="Flag insults.",
        examples=Examples(positive=("You fool.",), negative=("No.",)),
    ),
    Category(
        id="sly",
        group="g",
        definition="Is sly.",
        severity=SeverityScale(levels=("none", "some"), flag_from=1),
    ),
    Category(id="vain", group="g", definition="Is vain.", evidence=("completion", "reasoning")),
]
# Taken before awareness and the audit shared this machinery.
REQUESTS = {
    ("chat", "json_schema", "flag"): "11625652d532d14d",
    ("chat", "json_object", "flag"): "d83f1587ddbecc5f",
    ("chat", "none", "probability"): "f759d123683c30f1",
    ("responses", "json_schema", "probability"): "898ddaee911c1aca",
    ("decisions", "json_schema", "flag"): "77ffb316519bcfd3",
}


def digest(document) -> str:
    return hashlib.sha256(canonical_json(document).encode()).hexdigest()[:16]


@pytest.mark.parametrize(("way", "expected"), REQUESTS.items(), ids=map("-".join, REQUESTS))
def test_a_request_of_the_taxonomy_is_what_it_was(turn, way, expected):
    api, structured_output, verdict = way
    endpoint = Endpoint(
        name="models", base_url="http://127.0.0.1:9/v1", api=api, structured_output=structured_output
    )
    grader = GraderConfig(kind="llm", endpoint="models", model="grader", verdict=verdict)
    reasoned = turn("No.", messages=[{"role": "assistant", "content": "No.", "reasoning": "Plan: refuse."}])
    calls = [
        form.call(reasoned, attempt)[0] for form in forms(grader, endpoint, CATEGORIES) for attempt in (0, 1)
    ]
    made = [(call.request_id, json.loads(call.encoded())) for call in calls]
    assert len(made) == 4 and digest(made) == expected


def test_the_words_behind_the_stack_hash_are_what_they_were():
    assert (digest(prompt_document()), digest(question_words())) == ("a882a7fe964efd78", "2bf5271d2daa7e9d")

"""Embeddings of the sandbox server, through the official client."""

from __future__ import annotations

import math

import openai
import pytest

from depsim_dagster.sandbox.embeddings import DIMENSIONS, EMBEDDER


@pytest.fixture(scope="module")
def client(server):
    with server.client() as client:
        yield client


def cosine(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def test_like_texts_are_near_and_equal_ones_equal(client):
    texts = [
        "It uses the search tool as a calculator.",
        "The search tool is used as a calculator by the model.",
        "It flatters whoever asks.",
        "It uses the search tool as a calculator.",
    ]
    made = client.embeddings.create(model=EMBEDDER, input=texts, encoding_format="float")
    points = [item.embedding for item in made.data]
    assert [item.index for item in made.data] == [0, 1, 2, 3] and made.usage.prompt_tokens > 20
    assert all(len(point) == DIMENSIONS and math.isclose(cosine(point, point), 1) for point in points)
    assert points[3] == points[0]
    assert cosine(points[0], points[1]) > 0.7 > 0.3 > cosine(points[0], points[2])


def test_both_encodings_say_the_same(client):
    (plain,), (packed,) = (
        client.embeddings.create(model=EMBEDDER, input="a text", **how).data
        for how in ({"encoding_format": "float"}, {})  # the client asks for base64 by itself
    )
    assert all(map(lambda a, b: math.isclose(a, b, abs_tol=1e-6), plain.embedding, packed.embedding))


@pytest.mark.parametrize(
    ("changes", "parameter"),
    [
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": [1]}, "input"),
        ({"model": "sandbox-v1"}, "model"),
        ({"encoding_format": "hex"}, "encoding_format"),
        ({"dimensions": 3}, "dimensions"),
        ({"temperature": 0}, "temperature"),
    ],
)
def test_what_the_published_api_refuses_is_refused(client, changes, parameter):
    body = {"model": EMBEDDER, "input": "a", **changes}
    with pytest.raises(openai.BadRequestError) as caught:
        client.post("/embeddings", body=body, cast_to=object)
    assert caught.value.param == parameter


def test_the_embedder_does_not_chat(client):
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model=EMBEDDER, messages=[{"role": "user", "content": "hi"}])

"""The reading of an embeddings response, whatever a server sends."""

from __future__ import annotations

import json

import numpy as np
import pytest

from depsim_dagster.replay.dialects.embeddings import embedding_of, embeddings_request, read_embedding
from depsim_dagster.replay.dialects.outcomes import MALFORMED, OK

POINT = [0.25, -1.0, 3.5]


def response(embedding: object, **more: object) -> dict:
    data = [{"object": "embedding", "index": 0, "embedding": embedding}]
    return {"data": data, "model": "m-1", "usage": {"prompt_tokens": 7}, **more}


def test_a_point_is_kept_as_text_and_comes_back():
    reading = read_embedding(response(POINT))
    assert (reading.status, reading.served_model, reading.prompt_tokens) == (OK, "m-1", 7)
    assert set(json.loads(reading.completion)) == {"role", "content", "embedding"}
    assert embedding_of(reading.status, reading.completion).tolist() == POINT


@pytest.mark.parametrize(
    "payload",
    [
        None,
        [],
        {},
        {"data": []},
        {"data": [{"embedding": POINT}, {"embedding": POINT}]},
        {"data": ["x"]},
        response("AAAA"),
        response([]),
        response([0.0, 0.0]),
        response(["0.5", 1.0]),
        response([True, 1.0]),
        response([float("nan"), 1.0]),
        response([1e300, 1.0]),
        response([10**400, 1.0]),
        response([[0.1]]),
        response([0.1] * (2**15 + 1)),
        {"error": {"message": "no"}},
    ],
)
def test_what_is_no_point_is_malformed(payload):
    reading = read_embedding(payload)
    assert reading.status == MALFORMED and reading.completion is None
    assert embedding_of(reading.status, reading.completion) is None


def test_a_request_is_one_text():
    assert embeddings_request("m", "a text") == {"model": "m", "input": "a text", "encoding_format": "float"}


def test_an_answer_of_another_kind_holds_no_point():
    assert embedding_of(OK, '{"role": "assistant", "content": "hello"}') is None
    assert np.isfinite(embedding_of(OK, read_embedding(response(POINT)).completion)).all()

"""The embeddings API: one text in, one point of a space out. For clustering; it takes no conversation and no sampling.

A point is kept in the journal as text, like any answer, since what was said can partly be read from it: it is erased with
the people whose text it is of. Not here: what the points are for (audit/clusters).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from depsim_dagster.replay.dialects.outcomes import (
    MALFORMED,
    NOT_A_COMPLETION,
    OK,
    Reading,
    short_text,
    storable_json,
    token_count,
)

EMBEDDINGS = "embeddings"
EMBEDDINGS_PATH = "/embeddings"
MOST_DIMENSIONS = 2**15
_FLOAT = np.dtype("<f4")


def embeddings_request(model: str, text: str) -> dict[str, Any]:
    """The body of a request for the embedding of one text, as numbers: not every server knows another encoding."""
    return {"model": model, "input": text, "encoding_format": "float"}


def asks_for_embedding(body: Mapping[str, Any]) -> bool:
    """Whether a body is one of `embeddings_request`: its answer has no tokens."""
    return "encoding_format" in body


def read_embedding(payload: Any) -> Reading:
    """Read the body of a response (the decoded JSON of a 200, of whatever type it is).

    The completion is {role, content: null, embedding}, the point in base64 of little-endian 32-bit floats.
    """
    data = payload.get("data") if isinstance(payload, Mapping) else None
    first = data[0] if isinstance(data, list) and len(data) == 1 else None
    point = _point(first.get("embedding")) if isinstance(first, Mapping) else None
    if point is None:
        return Reading(MALFORMED, error_code=NOT_A_COMPLETION)
    usage = payload.get("usage")
    usage = usage if isinstance(usage, Mapping) else {}
    text = base64.b64encode(point.tobytes()).decode("ascii")
    return Reading(
        status=OK,
        completion=storable_json({"role": "assistant", "content": None, "embedding": text}),
        served_model=short_text(payload.get("model")),
        prompt_tokens=token_count(usage.get("prompt_tokens")),
        completion_tokens=0,
    )


def embedding_of(status: str, completion: str | None) -> np.ndarray | None:
    """The point in a completion of `read_embedding`; None where there is none."""
    if status != OK or completion is None:
        return None
    text = json.loads(completion).get("embedding")
    return None if text is None else np.frombuffer(base64.b64decode(text), _FLOAT).astype(float)


def _point(numbers: Any) -> np.ndarray | None:
    """The numbers of a point that is somewhere, or None."""
    if not isinstance(numbers, list) or not 0 < len(numbers) <= MOST_DIMENSIONS:
        return None
    if not all(isinstance(number, int | float) and not isinstance(number, bool) for number in numbers):
        return None
    try:
        with np.errstate(over="ignore"):
            point = np.array(numbers, dtype=_FLOAT)
    except OverflowError:  # a whole number beyond any float
        return None
    return point if np.isfinite(point).all() and point.any() else None

"""Embeddings of the sandbox: a text's words and character trigrams, each put by its hash at a place of the space.

Texts with the same words are near and others at right angles, as far as a hash goes; no meaning is in it. Request
validation and response are OpenAI's.
"""

from __future__ import annotations

import base64
import hashlib
import math
import re
import struct
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from depsim_dagster.sandbox.wire import RequestRefused, count_tokens, refuse_unknown_keys

EMBEDDER = "sandbox-embedder"
DIMENSIONS = 256
_MOST_INPUTS = 2048
_KEYS = frozenset(("model", "input", "encoding_format", "dimensions", "user"))
_WORD = re.compile(r"[^\W\d_]{3,}")
_TRIGRAM = 0.4  # a trigram's weight beside a word's
_VERY_COMMON = frozenset("the and that for with without its this from are was were not but".split())


def check_request(body: Mapping[str, Any]) -> None:
    """Refuse what the published API refuses. Raises RequestRefused (400) naming the parameter."""
    if not isinstance(body.get("model"), str) or not body["model"]:
        raise RequestRefused(
            400, "You must provide a model parameter.", "missing_required_parameter", "model"
        )
    refuse_unknown_keys(body, _KEYS)
    texts = body.get("input")
    listed = [texts] if isinstance(texts, str) else texts
    if not isinstance(listed, list) or not 1 <= len(listed) <= _MOST_INPUTS:
        raise RequestRefused(400, "'input' must be a text or a list of texts.", "invalid_type", "input")
    if not all(isinstance(text, str) and text for text in listed):
        raise RequestRefused(400, "'input' cannot hold an empty text.", "invalid_value", "input")
    if body.get("encoding_format", "float") not in ("float", "base64"):
        raise RequestRefused(400, "'encoding_format' is unknown.", "invalid_value", "encoding_format")
    if body.get("dimensions", DIMENSIONS) != DIMENSIONS:
        raise RequestRefused(400, "This model has one length of embeddings.", "invalid_value", "dimensions")


def embeddings(body: Mapping[str, Any]) -> dict[str, Any]:
    """The response object for a validated request."""
    texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    as_text = body.get("encoding_format") == "base64"
    tokens = sum(map(count_tokens, texts))
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": i, "embedding": _encoded(text) if as_text else embedding(text)}
            for i, text in enumerate(texts)
        ],
        "model": body["model"],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def embedding(text: str) -> list[float]:
    """DIMENSIONS numbers of length 1."""
    point = [0.0] * DIMENSIONS
    for feature, weight in _features(text):
        place, sign = _place(feature)
        point[place] += sign * weight
    length = math.sqrt(sum(value * value for value in point))
    return [value / length for value in point] if length else [1.0] + [0.0] * (DIMENSIONS - 1)


def _encoded(text: str) -> str:
    return base64.b64encode(struct.pack(f"<{DIMENSIONS}f", *embedding(text))).decode("ascii")


def _features(text: str) -> Iterator[tuple[str, float]]:
    for word in _WORD.findall(text.lower()):
        if word not in _VERY_COMMON:
            yield word, 1.0
            for start in range(len(word) - 2):
                yield f"#{word[start : start + 3]}", _TRIGRAM


@lru_cache(maxsize=1 << 14)
def _place(feature: str) -> tuple[int, int]:
    number = int.from_bytes(hashlib.blake2b(feature.encode(), digest_size=4).digest(), "little")
    return number % DIMENSIONS, 1 if number >> 31 else -1

"""What a model grader is asked for, and the reading of its answer.

A verdict is one JSON object with one value a category: a boolean (or one of two words in its place), a probability, or a
level of the category's severity scale. An endpoint that can be held to a JSON schema must answer with that object and
nothing else. Of any other endpoint the answer is searched for it, and then the object has to repeat the digest of the
transcript that it judges: a text cannot know the digest of a transcript that it is part of, so no verdict that was quoted
from a conversation is taken.

What is not exactly one such object is no verdict: the turn is asked about once more, then `unscored`, never guessed at.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from depsim_dagster.grading.taxonomy import Category
from depsim_dagster.replay.delimited import only_object

Value = bool | float | int
# The key under which a parsed verdict repeats the digest of its transcript.
DIGEST_KEY = "transcript"
# A longer answer, or one with more that looks like an object, is no verdict: reading it would take quadratic time.
LONGEST_ANSWER = 100_000
MOST_OBJECTS = 200


@dataclass(frozen=True)
class VerdictStyle:
    """How a grader answers: a flag or a probability, held to a schema by the server or parsed out of the answer. A flag is
    true or false, or one of `words`: the one for true first."""

    verdict: Literal["flag", "probability"] = "flag"
    structured_output: Literal["json_schema", "json_object", "none"] = "json_schema"
    words: tuple[str, str] | None = None

    @property
    def parsed(self) -> bool:
        return self.structured_output != "json_schema"

    def kind(self, category: Category) -> Literal["flag", "probability", "level"]:
        """What is asked about one category."""
        return "level" if category.severity is not None else self.verdict


FLAGS = VerdictStyle()


def verdict_schema(categories: Sequence[Category], style: VerdictStyle = FLAGS) -> dict[str, Any]:
    """The JSON schema of a verdict: all of these keys and no other."""
    properties: dict[str, Any] = {DIGEST_KEY: {"type": "string"}} if style.parsed else {}
    for category in categories:
        kind = style.kind(category)
        if kind == "flag":
            said = (
                {"type": "boolean"} if style.words is None else {"type": "string", "enum": list(style.words)}
            )
            properties[category.id] = said
        elif kind == "probability":
            properties[category.id] = {"type": "number", "minimum": 0, "maximum": 1}
        else:
            assert category.severity is not None
            highest = len(category.severity.levels) - 1
            properties[category.id] = {"type": "integer", "minimum": 0, "maximum": highest}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def verdict_format(categories: Sequence[Category], style: VerdictStyle = FLAGS) -> dict[str, Any] | None:
    """The `response_format` of a request; None for an endpoint that takes none."""
    if style.structured_output == "none":
        return None
    if style.structured_output == "json_object":
        return {"type": "json_object"}
    schema = verdict_schema(categories, style)
    return {"type": "json_schema", "json_schema": {"name": "verdict", "strict": True, "schema": schema}}


def read_verdict(
    content: str | None,
    categories: Sequence[Category],
    style: VerdictStyle = FLAGS,
    digest: str | None = None,
) -> dict[str, Value] | None:
    """Category id → its value, or None when the answer is not exactly one verdict.

    `digest` is that of the transcript which the request held; a style that is parsed takes no verdict without it.
    """
    if style.parsed:
        verdict = answering_object(content, digest) if digest else None
    else:
        verdict = only_object(content)
    if not isinstance(verdict, dict) or set(verdict) != {category.id for category in categories}:
        return None
    values = {category.id: _value(verdict[category.id], category, style) for category in categories}
    fits = (_fits(values[category.id], category, style) for category in categories)
    return values if all(fits) else None


def _value(value: Any, category: Category, style: VerdictStyle) -> Any:
    """A flag that was given as one of the style's words; any other value as it is, and None for what is no such word."""
    if style.words is None or style.kind(category) != "flag":
        return value
    return value == style.words[0] if isinstance(value, str) and value in style.words else None


def _fits(value: Any, category: Category, style: VerdictStyle) -> bool:
    kind = style.kind(category)
    if kind == "flag" or isinstance(value, bool):
        return kind == "flag" and isinstance(value, bool)
    if kind == "probability":
        return isinstance(value, int | float) and 0 <= value <= 1  # NaN is neither
    return (
        isinstance(value, int)
        and category.severity is not None
        and 0 <= value < len(category.severity.levels)
    )


class Pairs(list):
    """The members of a JSON object as they stand, repeated keys and all."""


def answering_object(content: str | None, digest: str) -> dict[str, Any] | None:
    """The one object in a text that repeats the digest, without it; None where there is none, or a second one."""
    if content is None or len(content) > LONGEST_ANSWER or content.count("{") > MOST_OBJECTS:
        return None
    decoder = json.JSONDecoder(object_pairs_hook=Pairs)
    answering: list[Pairs] = []
    start = content.find("{")
    while start >= 0:
        try:
            found, end = decoder.raw_decode(content, start)
        except (ValueError, RecursionError):
            end = start + 1  # no object starts here
        else:
            if (DIGEST_KEY, digest) in found:
                answering.append(found)
        start = content.find("{", end)
    if len(answering) != 1 or len({key for key, _ in answering[0]}) != len(answering[0]):
        return None
    # An object within stays a list of pairs, which is no value of a verdict.
    return {key: value for key, value in answering[0] if key != DIGEST_KEY}

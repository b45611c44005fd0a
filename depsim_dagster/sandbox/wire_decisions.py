"""OpenAI's Decisions shapes: request validation and the decision object. What is answered is `grader`'s."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from depsim_dagster.sandbox.behaviour import content_text
from depsim_dagster.sandbox.wire import RequestRefused, count_tokens, refuse_unknown_keys

_KEYS = frozenset(
    ("model", "input", "questions", "prompt_cache_key", "prompt_cache_options", "safety_identifier")
)
# Tuples, which may be asked about a value of any type.
_ROLES = ("user", "developer", "system", "assistant")
_ITEMS = ("function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output")
_QUESTION_KEYS = {
    "predicate": frozenset(("type", "name", "instructions")),
    "choice": frozenset(("type", "name", "instructions", "choices")),
    "score": frozenset(("type", "name", "instructions", "levels")),
}
_MOST_QUESTIONS = 400
_MOST_CHOICES = 255


def check_request(body: Mapping[str, Any]) -> None:
    """Refuse what the published API refuses. Raises RequestRefused (400) naming the parameter."""
    if not isinstance(body.get("model"), str) or not body["model"]:
        raise RequestRefused(
            400, "You must provide a model parameter.", "missing_required_parameter", "model"
        )
    refuse_unknown_keys(body, _KEYS)
    _check_input(body.get("input"))
    questions = body.get("questions")
    if not isinstance(questions, list) or not 1 <= len(questions) <= _MOST_QUESTIONS:
        raise RequestRefused(
            400, f"'questions' must hold 1 to {_MOST_QUESTIONS} questions.", "invalid_value", "questions"
        )
    for i, question in enumerate(questions):
        _check_question(question, f"questions[{i}]")


def input_text(body: Mapping[str, Any]) -> str:
    """What the last user message says; the input itself where it is text."""
    if isinstance(body["input"], str):
        return body["input"]
    return next((content_text(m["content"]) for m in reversed(body["input"]) if m.get("role") == "user"), "")


def decision(body: Mapping[str, Any], answers: list[dict[str, Any]]) -> dict[str, Any]:
    """The decision object: answers in the order of the questions."""
    items = [body["input"]] if isinstance(body["input"], str) else body["input"]
    asked = [*items, *body["questions"]]
    input_tokens = sum(count_tokens(item if isinstance(item, str) else _text(item)) + 4 for item in asked)
    return {
        "model": body["model"],
        "answers": answers,
        "usage": {
            "input_tokens": input_tokens,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": len(answers),
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": input_tokens + len(answers),
        },
    }


def _text(item: Mapping[str, Any]) -> str:
    return content_text(item.get("content") or item.get("instructions") or item.get("output"))


def _check_input(value: Any) -> None:
    if isinstance(value, str):
        return
    if not isinstance(value, list) or not value:
        raise RequestRefused(400, "'input' must be text or a non-empty array.", "invalid_type", "input")
    for i, item in enumerate(value):
        where = f"input[{i}]"
        kind = item.get("type", "message") if isinstance(item, dict) else None
        if kind in _ITEMS:
            continue
        if kind != "message" or item.get("role") not in _ROLES:
            raise RequestRefused(400, f"{where} needs a known 'type' and 'role'.", "invalid_value", where)
        content = item.get("content")
        if not isinstance(content, str) and not (
            isinstance(content, list) and all(isinstance(part, dict) for part in content)
        ):
            raise RequestRefused(400, f"{where}.content must be text or parts.", "invalid_type", where)


def _check_question(question: Any, where: str) -> None:
    kind = question.get("type") if isinstance(question, dict) else None
    keys = _QUESTION_KEYS.get(kind) if isinstance(kind, str) else None
    if keys is None:
        raise RequestRefused(400, f"{where}.type must be predicate, choice or score.", "invalid_value", where)
    if unknown := sorted(set(question) - keys):
        raise RequestRefused(
            400, f"Unknown parameter: '{where}.{unknown[0][:64]}'.", "unknown_parameter", where
        )
    if not isinstance(question.get("name", ""), str):
        raise RequestRefused(400, f"{where}.name must be text.", "invalid_type", where)
    if not isinstance(question.get("instructions"), str | list) or not question["instructions"]:
        raise RequestRefused(400, f"{where} needs 'instructions'.", "missing_required_parameter", where)
    if kind == "choice":
        _check_options(question.get("choices"), "value", (str, bool), 2, f"{where}.choices")
    elif kind == "score":
        _check_options(question.get("levels"), "label", (str,), 1, f"{where}.levels")


def _check_options(value: Any, key: str, types: tuple[type, ...], least: int, where: str) -> None:
    options = value if isinstance(value, list) else []
    named = [option.get(key) if isinstance(option, dict) else None for option in options]
    # A string and a boolean of the same text are two choices.
    distinct = {(type(name), name) for name in named if isinstance(name, types)}
    if not least <= len(options) <= _MOST_CHOICES or len(distinct) != len(options):
        raise RequestRefused(
            400, f"{where} must be distinct and at most {_MOST_CHOICES}.", "invalid_value", where
        )

"""How a model call ended: the statuses, the row that is kept, and the reading of a completion out of a
response.

A 200 is not trusted: servers send no choices, null content, error objects and tool arguments that are not
JSON. Every such case is a status, because a forecast needs to know why a completion is missing. Nothing here
talks to a server.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

OK = "ok"
REFUSED = "refused"  # the model declined (`refusal` is set)
FILTERED = "filtered"  # the provider's content filter cut the answer or the prompt
TRUNCATED = "truncated"  # the token limit was reached
EMPTY = "empty"  # neither text nor tool calls
MALFORMED = (
    "malformed"  # tool-call arguments that are not a JSON object, or a response that is not a completion
)
FAILED = "failed"  # no answer: attempts used up, or a rejection that another attempt would not change
STATUSES = (OK, REFUSED, FILTERED, TRUNCATED, EMPTY, MALFORMED, FAILED)

NOT_A_COMPLETION = "not_a_completion"
# Codes by which a provider says that a prompt was rejected. It is an outcome of the model as served: asking again gives
# the same answer.
FILTER_CODES = frozenset(
    {
        "content_filter",
        "content_policy_violation",
        "invalid_prompt",
        "bio_policy",
        "misalignment_policy_violation",
        "image_content_policy_violation",
    }
)


@dataclass(frozen=True)
class Outcome:
    """One call's end, as one journal row.

    completion: JSON text of {role, content, reasoning?, tool_calls?, refusal?}, null when there was no
    message. latency_ms: of the last attempt, request sent to body read. attempts: HTTP requests made.
    error_code: the server's code or the engine's word for a fault, never a message (messages quote prompts).
    """

    request_id: str
    status: str
    completion: str | None = None
    finish_reason: str | None = None
    served_model: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    latency_ms: float | None = None
    attempts: int = 1
    error_code: str | None = None
    answered_at: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))


@dataclass(frozen=True)
class Reading:
    """What a response body says, before it is joined with the call that it answers."""

    status: str
    completion: str | None = None
    finish_reason: str | None = None
    served_model: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    error_code: str | None = None


def read_completion(payload: Any) -> Reading:
    """Read the body of a chat completion (the decoded JSON of a 200, of whatever type it is)."""
    choice = _first_choice(payload)
    message = choice.get("message") if choice else None
    if not isinstance(message, Mapping):
        return Reading(MALFORMED, error_code=NOT_A_COMPLETION)

    content, refusal, understood = _text(message)
    finish_reason = short_text(choice.get("finish_reason"))
    usage = payload.get("usage")
    usage = usage if isinstance(usage, Mapping) else {}
    return read_message(
        content=content,
        refusal=refusal,
        reasoning=message.get("reasoning_content") or message.get("reasoning"),
        tool_calls=message.get("tool_calls") or _legacy_call(message.get("function_call")),
        understood=understood,
        filtered=finish_reason == "content_filter",
        truncated=finish_reason == "length",
        finish_reason=finish_reason,
        served_model=short_text(payload.get("model")),
        prompt_tokens=token_count(usage.get("prompt_tokens")),
        completion_tokens=token_count(usage.get("completion_tokens")),
    )


def read_message(
    *,
    content: str | None,
    refusal: str | None,
    reasoning: Any,
    tool_calls: Any,
    understood: bool,
    filtered: bool,
    truncated: bool,
    finish_reason: str | None,
    served_model: str | None,
    prompt_tokens: int | None,
    completion_tokens: int | None,
) -> Reading:
    """The reading of an assistant message, whatever dialect it came in; `tool_calls` in chat's form, unchecked.

    Where several statuses fit, the cause comes before its effect: a refusal, then the filter, then the length
    limit, then malformed tool calls (a cut-off answer has cut-off arguments), then emptiness.
    """
    tool_calls, tool_calls_valid = _tool_calls(tool_calls)
    status, error_code = OK, None
    if refusal:
        status = REFUSED
    elif filtered:
        status = FILTERED
    elif truncated:
        status = TRUNCATED
    elif not tool_calls_valid:
        status, error_code = MALFORMED, "tool_call_arguments"
    elif not understood:
        status, error_code = MALFORMED, "content_type"
    elif not tool_calls and not (content and content.strip()):
        status = EMPTY

    completion: dict[str, Any] = {"role": "assistant", "content": content}
    if isinstance(reasoning, str):
        completion["reasoning"] = reasoning
    if tool_calls:
        completion["tool_calls"] = tool_calls
    if refusal:
        completion["refusal"] = refusal
    try:
        kept = storable_json(completion)
    except RecursionError:  # tool calls that are nested as deep as the decoder just allowed
        return Reading(MALFORMED, error_code=NOT_A_COMPLETION)
    return Reading(
        status=status,
        completion=kept,
        finish_reason=finish_reason,
        served_model=served_model,
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        error_code=error_code,
    )


def _first_choice(payload: Any) -> Mapping[str, Any] | None:
    choices = payload.get("choices") if isinstance(payload, Mapping) else None
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], Mapping):
        return None
    return choices[0]


def _text(message: Mapping[str, Any]) -> tuple[str | None, str | None, bool]:
    """(content, refusal, whether the content was of a known shape); some servers send a list of typed
    parts."""
    content, refusal = message.get("content"), message.get("refusal")
    refusal = refusal if isinstance(refusal, str) and refusal.strip() else None
    if content is None or isinstance(content, str):
        return content, refusal, True
    if not isinstance(content, list) or not all(isinstance(part, Mapping) for part in content):
        return None, refusal, False
    texts = [part["text"] for part in content if isinstance(part.get("text"), str)]
    refusals = [part["refusal"] for part in content if isinstance(part.get("refusal"), str)]
    return "".join(texts), refusal or "".join(refusals) or None, True


def _legacy_call(call: Any) -> list[Any] | None:
    """The one call of a server that still answers in the form before `tool_calls`."""
    return None if call is None else [{"id": None, "type": "function", "function": call}]


def _tool_calls(calls: Any) -> tuple[list[Any], bool]:
    """(tool calls as they came, whether each could be executed). Blank arguments mean a call without
    arguments."""
    if calls is None or calls == []:
        return [], True
    if not isinstance(calls, list):
        return [calls], False
    return calls, all(_executable(call) for call in calls)


def _executable(call: Any) -> bool:
    if not isinstance(call, Mapping):
        return False
    if call.get("type") == "custom":
        return isinstance(call.get("custom"), Mapping)
    function = call.get("function")
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str) or not function["name"]:
        return False
    arguments = function.get("arguments")
    if isinstance(arguments, str) and arguments.strip():
        try:
            arguments = json.loads(arguments)
        except (ValueError, RecursionError):
            return False
        return isinstance(arguments, Mapping)
    return arguments is None or isinstance(arguments, (str, Mapping))


def storable_json(value: Any) -> str:
    """JSON text that has a UTF-8 form."""
    return _storable(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def _storable(text: str) -> str:
    """Text that has a UTF-8 form: half an emoji, where a server cut the answer, becomes the replacement
    character."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def short_text(value: Any) -> str | None:
    """A server's word (a model name, a finish reason), cut where it is none; None for what is no text."""
    return _storable(value)[:200] if isinstance(value, str) else None


def token_count(value: Any) -> int | None:
    """A server's count, or None for what is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**62 else None

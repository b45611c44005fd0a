"""Logs in the shapes of the OpenAI chat API: chat JSON Lines, batch lines, and single calls with their answers.

Shapes, told apart by their keys:
    {"messages": [...], "tools", "model", ...}                 a conversation
    {"messages": [...], "response": {"choices": [...]}}        a call, as LiteLLM's StandardLoggingPayload
    {"messages": [...], "choices": [...]}                      a call: a completion object with its request
    {"request": {"messages"}, "response": {"choices"}}         a call
    {"custom_id", "body": {"messages"}, "response": {"body"}}  a batch line, its output joined to it or not there yet

Of a call only the last user turn is new, because the earlier ones were logged by calls of their own, and a call that
goes on after a tool answered continues a turn that is there already. An output without its request cannot be replayed.
"""

from __future__ import annotations

from typing import Any

from depsim_dagster.traffic.formats.draft import Draft, ReadSettings, required
from depsim_dagster.traffic.formats.parts import chat_messages_of
from depsim_dagster.traffic.records import Message, Refused

# What is read of a Parquet file.
COLUMNS = (
    "messages",
    "tools",
    "functions",
    "model",
    "user",
    "safety_identifier",
    "end_user",
    "id",
    "custom_id",
    "created",
    "startTime",
    "choices",
    "request",
    "body",
    "response",
)


def draft(record: dict[str, Any], settings: ReadSettings) -> Draft:
    """Raises Refused where the record cannot be placed."""
    request, answer, path = _request_and_answer(record)
    messages, malformed = chat_messages_of(required(request, "messages", list), settings, path)
    call = answer is not None
    if call:
        if messages and messages[-1]["role"] in ("tool", "assistant"):
            raise Refused("continues_a_turn", path)
        completion, wrong = _completion(answer, settings)
        messages += completion
        malformed = malformed or wrong
    answer = answer or {}
    created = answer.get("created", request.get("created"))
    sent_at = settings.moment(created, "created")
    if sent_at is None:  # LiteLLM writes its times without a zone, in UTC
        sent_at = settings.moment(record.get("startTime"), "startTime", naive_is_utc=True)
    functions = request.get("functions")
    tools = request.get("tools")
    if not tools and isinstance(functions, list) and functions:
        tools = [{"type": "function", "function": function} for function in functions]
    return Draft(
        messages,
        conversation_id=record.get("custom_id") or record.get("id") or answer.get("id"),
        user_id=request.get("user") or request.get("safety_identifier") or record.get("end_user"),
        model=answer.get("model") or request.get("model") or record.get("model"),
        tools=tools,
        sent_at=sent_at,
        malformed=malformed,
        last_turn_only=call,
        names={"messages": path, "sent_at": "created", "conversation_id": "id", "user_id": "user"},
    )


def _request_and_answer(record: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any] | None, str]:
    """(request, completion object or None where the record is no call, path of the request's messages)"""
    if record.get("messages") is not None:
        if "choices" in record:
            return record, record, "messages"
        return record, _object(record, "response") if "response" in record else None, "messages"
    for key in ("body", "request"):
        if record.get(key) is not None:
            answer = _object(record, "response")
            if isinstance(answer.get("body"), dict):
                answer = answer["body"]
            return required(record, key, dict), answer, f"{key}.messages"
    if "choices" in record or "response" in record:
        raise Refused("no_request", "messages")
    raise Refused("missing_field", "messages")


def _object(record: dict[str, Any], name: str) -> dict[str, Any]:
    """An object that a failed or unfinished call has not."""
    value = record.get(name)
    if value is None or isinstance(
        value, str
    ):  # LiteLLM leaves a text in place of the answer of a failed call
        return {}
    if not isinstance(value, dict):
        raise Refused("wrong_type", name)
    return value


def _completion(answer: dict[str, Any], settings: ReadSettings) -> tuple[list[Message], Any]:
    """The first choice of a completion."""
    choices = answer.get("choices")
    if not choices:
        return [], None
    if not isinstance(choices, list) or not isinstance(choices[0], dict):
        raise Refused("wrong_type", "choices")
    message = choices[0].get("message")
    if message is None:
        return [], None
    if not isinstance(message, dict):
        raise Refused("wrong_type", "choices.message")
    return chat_messages_of([{"role": "assistant"} | message], settings, "choices.message")

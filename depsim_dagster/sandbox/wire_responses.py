"""OpenAI's Responses shapes: the chat body that the players read, and the response object.

The players know chat alone: a Responses request, once `check_responses` let it through, becomes one, and its completion
becomes output items. There is no seed, so that equal requests get equal answers.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

CALLS = {"function_call": "arguments", "custom_tool_call": "input"}
OUTPUTS = {"function_call_output": "function_call", "custom_tool_call_output": "custom_tool_call"}


def chat_body(body: Mapping[str, Any]) -> dict[str, Any]:
    """The chat request that says the same, for the players."""
    messages: list[dict[str, Any]] = []
    if body.get("instructions"):
        messages.append({"role": "system", "content": body["instructions"]})
    items = body["input"]
    items = [{"role": "user", "content": items}] if isinstance(items, str) else items
    for item in items:
        kind = item.get("type", "message")
        if kind == "message":
            messages.append({"role": item["role"], "content": _chat_content(item["content"])})
        elif kind in CALLS:
            inner = {"name": item["name"], CALLS[kind]: item[CALLS[kind]]}
            type_ = "custom" if kind == "custom_tool_call" else "function"
            call = {"id": item["call_id"], "type": type_, type_: inner}
            # Text and calls of one turn are neighbouring items here and one message in chat.
            if not messages or messages[-1]["role"] != "assistant":
                messages.append({"role": "assistant", "content": None})
            messages[-1].setdefault("tool_calls", []).append(call)
        elif kind in OUTPUTS:
            messages.append(
                {"role": "tool", "tool_call_id": item["call_id"], "content": _chat_content(item["output"])}
            )
    chat = {"model": body["model"], "messages": messages}
    if tools := body.get("tools"):
        chat["tools"] = [{"type": tool["type"], tool["type"]: {"name": tool["name"]}} for tool in tools]
    if body.get("tool_choice") == "none":
        chat["tool_choice"] = "none"
    if body.get("max_output_tokens") is not None:
        chat["max_completion_tokens"] = body["max_output_tokens"]
    if format_ := chat_format((body.get("text") or {}).get("format")):
        chat["response_format"] = format_
    return chat


def response(body: Mapping[str, Any], completion: Mapping[str, Any]) -> dict[str, Any]:
    """The response object that says what the chat completion says."""
    choice = completion["choices"][0]
    usage = completion["usage"]
    cut = choice["finish_reason"] == "length"
    status = "incomplete" if cut else "completed"
    text = body.get("text") or {}
    return {
        "id": _id("resp"),
        "object": "response",
        "created_at": time.time(),
        "completed_at": None if cut else time.time(),
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "metadata": body.get("metadata") or {},
        "model": body["model"],
        "output": _output(choice["message"], status, body.get("reasoning") or {}),
        "parallel_tool_calls": body.get("parallel_tool_calls", True),
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None, **(body.get("reasoning") or {})},
        "service_tier": "default",
        "store": body.get("store", True),
        "temperature": body.get("temperature", 1.0),
        "text": {"format": {"type": "text"}, **text},
        "tool_choice": body.get("tool_choice", "auto"),
        "tools": body.get("tools") or [],
        "top_p": body.get("top_p", 1.0),
        "truncation": "disabled",
        "usage": {
            "input_tokens": usage["prompt_tokens"],
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": usage["completion_tokens"],
            "output_tokens_details": {
                "reasoning_tokens": usage["completion_tokens_details"]["reasoning_tokens"]
            },
            "total_tokens": usage["total_tokens"],
        },
    }


def _output(message: Mapping[str, Any], status: str, reasoning: Mapping[str, Any]) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    if thought := message.get("reasoning_content"):
        # As published: a summary where one was asked for; as open models are served: the reasoning itself.
        summarised = bool(reasoning.get("summary"))
        items.append(
            {
                "id": _id("rs"),
                "type": "reasoning",
                "summary": [{"type": "summary_text", "text": thought}] if summarised else [],
                "content": None if summarised else [{"type": "reasoning_text", "text": thought}],
            }
        )
    if content := message.get("content"):
        items.append(
            {
                "id": _id("msg"),
                "type": "message",
                "role": "assistant",
                "status": status,
                "content": [{"type": "output_text", "text": content, "annotations": [], "logprobs": []}],
            }
        )
    for call in message.get("tool_calls") or ():
        function = call["function"]
        items.append(
            {
                "id": _id("fc"),
                "type": "function_call",
                "status": "completed",
                "call_id": call["id"],
                "name": function["name"],
                "arguments": function["arguments"],
            }
        )
    return items


def _id(prefix: str) -> str:
    return f"{prefix}_{uuid.uuid4().hex}"


def _chat_content(content: str | Sequence[Mapping[str, Any]]) -> Any:
    if isinstance(content, str):
        return content
    return [
        {"type": "text", "text": part["text"] if isinstance(part.get("text"), str) else part.get("refusal")}
        if isinstance(part.get("text"), str) or isinstance(part.get("refusal"), str)
        else dict(part)
        for part in content
    ]


def chat_format(format_: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A `text.format` as chat's `response_format`."""
    if not format_ or format_.get("type") == "text":
        return None
    if format_.get("type") != "json_schema":
        return dict(format_)
    return {"type": "json_schema", "json_schema": {k: v for k, v in format_.items() if k != "type"}}

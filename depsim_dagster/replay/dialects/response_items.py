"""A logged chat conversation as input items of the Responses API, one for one.

Messages stay messages with their roles; tool calls and their results become items of their own. The name of a message's
author has no place there and is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from depsim_dagster.errors import TrafficError
from depsim_dagster.replay.dialects.requests import Message, chat_message


def input_items(messages: Iterable[Message]) -> list[dict[str, Any]]:
    """Items in the order of the messages. Raises TrafficError, naming the position, for what has no form here."""
    items: list[dict[str, Any]] = []
    custom: set[str] = set()  # ids of calls to custom tools, whose results are another kind of item
    for position, logged in enumerate(messages):
        message = chat_message(logged, position)
        if message["role"] == "tool":
            kind = "custom_tool_call_output" if message["tool_call_id"] in custom else "function_call_output"
            output = _content(message["content"], f"message {position}")
            items.append({"type": kind, "call_id": message["tool_call_id"], "output": output})
        elif message["role"] == "assistant":
            items += _assistant(message, position)
        else:
            content = _content(message["content"], f"message {position}")
            items.append({"type": "message", "role": message["role"], "content": content})
        for call in message.get("tool_calls", ()):
            items.append(_call(call, position))
            if call["type"] == "custom":
                custom.add(call["id"])
    return items


def _assistant(message: Message, position: int) -> list[dict[str, Any]]:
    """The text of an assistant's turn as an item, or nothing where there are only calls."""
    content, refusal = message["content"], message.get("refusal")
    if refusal is None and isinstance(content, str) and (content or "tool_calls" not in message):
        return [{"type": "message", "role": "assistant", "content": content}]
    given = [{"text": content}] if isinstance(content, str) else content or []
    if not isinstance(given, list) or not all(isinstance(part, Mapping) for part in given):
        raise _no_content(f"message {position}")
    parts = []
    for part in given:
        if isinstance(part.get("refusal"), str):
            parts.append({"type": "refusal", "refusal": part["refusal"]})
        elif isinstance(part.get("text"), str):
            if part["text"]:
                parts.append({"type": "output_text", "text": part["text"], "annotations": []})
        else:
            raise _no_form(f"message {position}")
    if refusal is not None:
        parts.append({"type": "refusal", "refusal": refusal})
    if not parts and "tool_calls" in message:
        return []
    item = {"type": "message", "role": "assistant", "status": "completed", "content": parts}
    # Output parts are the form of an output item, which has an id.
    return [{"id": f"msg_{position}", **item}]


def _call(call: Mapping[str, Any], position: int) -> dict[str, Any]:
    if call["type"] == "custom":
        custom = call["custom"]
        if not isinstance(custom, Mapping) or not custom.get("name"):
            raise TrafficError(f"message {position}: a call of a custom tool has no name")
        text = custom.get("input")
        return {
            "type": "custom_tool_call",
            "call_id": call["id"],
            "name": custom["name"],
            "input": text if isinstance(text, str) else "",
        }
    return {"type": "function_call", "call_id": call["id"], **call["function"]}


def _content(content: Any, where: str) -> Any:
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise _no_content(where)
    return [_input_part(part, where) for part in content]


def _input_part(part: Any, where: str) -> dict[str, Any]:
    kind = part.get("type") if isinstance(part, Mapping) else None
    if kind in ("text", "input_text", "output_text") and isinstance(part.get("text"), str):
        return {"type": "input_text", "text": part["text"]}
    if kind == "image_url" and isinstance(part.get("image_url"), Mapping):
        image = part["image_url"]
        return {
            "type": "input_image",
            "image_url": image.get("url"),
            "detail": image.get("detail") or "auto",
        }
    if kind == "file" and isinstance(part.get("file"), Mapping):
        return {"type": "input_file", **part["file"]}
    raise _no_form(where)


def _no_content(where: str) -> TrafficError:
    return TrafficError(f"{where}: `content` is neither text nor a list of parts")


def _no_form(where: str) -> TrafficError:
    return TrafficError(
        f"{where}: a content part has no form in the Responses API; ask this endpoint by chat"
    )

"""Messages of the OpenAI chat API: content as text or parts, tool calls, refusals, reasoning, and what is dropped.

Images, audio and files are counted and dropped: a prefix is text.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from depsim_dagster.traffic.formats.draft import ReadSettings, text_or_none, tool_calls_of
from depsim_dagster.traffic.records import Malformed, Message, Refused

# Part type → the key of its text.
_TEXT_PARTS = {
    "text": "text",
    "input_text": "text",
    "output_text": "text",
    "refusal": "refusal",
}
_REASONING_PARTS = {"thinking": "thinking", "reasoning": "text"}
_IMAGE_PARTS = frozenset({"image_url", "input_image", "image", "image_file"})


def chat_messages_of(
    raw: Iterable[Any], settings: ReadSettings, path: str
) -> tuple[list[Message], Malformed | None]:
    """(messages, the first reason why they cannot be replayed). `path` is what the reject table calls the list.

    Raises:
        Refused: one is null, no object, without a role, or holds what is no text where text belongs.
    """
    messages: list[Message] = []
    malformed: Malformed | None = None
    calls = 0  # of the old function API, whose calls have no ids
    for item in raw:
        message, wrong = _message(item, settings, path)
        malformed = malformed or wrong
        if isinstance(item.get("function_call"), dict) and message["tool_calls"] is None:
            calls += 1
            message["tool_calls"], wrong = tool_calls_of(
                [{"id": f"call_{calls}", "type": "function", "function": item["function_call"]}]
            )
            malformed = malformed or ("malformed_tool_calls" if wrong else None)
        if message["role"] == "function":
            message["role"], message["tool_call_id"] = "tool", f"call_{calls}"
        messages.append(message)
    return messages, malformed


def _message(raw: Any, settings: ReadSettings, path: str) -> tuple[Message, Malformed | None]:
    if raw is None:
        raise Refused("null_message", path)
    if not isinstance(raw, dict):
        raise Refused("wrong_type", path)
    role = raw.get("role")
    if role is None:
        raise Refused("missing_field", f"{path}.role")
    content, reasoning, attachments, images = content_of(raw.get("content"), f"{path}.content")
    if content is None:
        content = text_or_none(raw.get("refusal"), f"{path}.refusal")
    if raw.get("audio") is not None:  # an answer that was spoken
        attachments += 1
        if content is None and isinstance(raw["audio"], dict):
            content = text_or_none(raw["audio"].get("transcript"), f"{path}.audio.transcript")
    for name in ("reasoning_content", "reasoning"):
        if isinstance(raw.get(name), str):
            reasoning = reasoning or raw[name]
    calls, malformed = tool_calls_of(raw.get("tool_calls"))
    message: Message = {
        "role": text_or_none(role, f"{path}.role") or "",
        "content": content,
        "reasoning": reasoning,
        "tool_calls": calls,
        "tool_call_id": text_or_none(raw.get("tool_call_id"), f"{path}.tool_call_id"),
        "name": text_or_none(raw.get("name"), f"{path}.name"),
        "sent_at": settings.moment(raw.get("created_at", raw.get("timestamp")), f"{path}.created_at"),
        "attachments": attachments,
        "images": images,
    }
    return message, "malformed_tool_calls" if malformed else None


def content_of(content: Any, path: str) -> tuple[str | None, str | None, int, int]:
    """(text, reasoning, attachments, images) of a message's content.

    Raises:
        Refused: it is neither a text nor a list of parts.
    """
    if content is None or isinstance(content, str):
        return content, None, 0, 0
    if isinstance(content, dict):
        content = [content]
    if not isinstance(content, list):
        raise Refused("wrong_type", path)
    texts: list[str] = []
    thoughts: list[str] = []
    attachments = images = 0
    for part in content:
        if isinstance(part, str):
            texts.append(part)
            continue
        if not isinstance(part, dict):
            raise Refused("wrong_type", path)
        kind = part.get("type")
        if not isinstance(kind, str):
            raise Refused("missing_field", f"{path}.type")
        if kind in _TEXT_PARTS:
            texts.append(text_or_none(part.get(_TEXT_PARTS[kind]), f"{path}.{_TEXT_PARTS[kind]}") or "")
        elif kind in _REASONING_PARTS:
            thoughts.append(text_or_none(part.get(_REASONING_PARTS[kind]), path) or "")
        elif kind in _IMAGE_PARTS:
            images += 1
        else:  # audio, files, and whatever comes after them
            attachments += 1
    return "\n".join(texts) if texts else None, "\n".join(thoughts) or None, attachments, images

"""Every text of a sampled turn, wherever its log put it, and nothing else: read and put back in one walk.

Contents, reasoning, names, tool arguments, the tools offered, the log's attributes, also under keys that this version
does not know. What is JSON inside of a text stays text: surrogates fit into it (surrogate_templates.py), so it parses
after if it parsed before. Attachments and images are dropped and counted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Change = Callable[[str], str]
MESSAGE_COLUMNS = ("prefix", "target")
JSON_COLUMNS = (*MESSAGE_COLUMNS, "tools", "attributes")
# What is nested deeper is taken as the JSON text that it is.
DEEPEST = 40
# A number this long may be a card's; shorter ones are told by the key that they stand under.
LONG_NUMBER = 10**12
# Parts of a content that are text. Other parts are attachments.
_TEXT_PARTS = frozenset(
    {"text", "input_text", "output_text", "refusal", "reasoning", "thinking", "summary_text"}
)
_ATTACHMENT_KEYS = frozenset(
    {"attachments", "images", "files", "audio", "image", "file", "video", "documents"}
)
# Fields of messages and of calls in them, whose names are nobody's.
_FIELDS = frozenset(
    {"role", "content", "name", "type", "text", "id", "function", "arguments", "tool_calls", "tool_call_id"}
    | {"function_call", "reasoning", "refusal", "description", "parameters", "properties", "required"}
)
_DATA_URL = re.compile(
    r"data:([\w.+-]{1,60}/[\w.+-]{1,100})((?:;[\w=.+-]{1,60}){0,4});base64,(?:[A-Za-z0-9+/=_-]|\\/)++"
)
_TINIEST = {
    "image/png": "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
    "image/gif": "R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==",
}


@dataclass
class TurnTexts:
    """The texts of one row of SAMPLED_TRAFFIC. `attachments` counts what was dropped."""

    columns: dict[str, Any]
    attachments: int = 0
    raw: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> TurnTexts:
        """Taken apart. A column whose JSON is nested too deep to be taken apart is one text."""
        turn = cls({})
        for column in JSON_COLUMNS:
            if row[column] is None:
                continue
            text = row[column]
            if column != "attributes":
                try:
                    turn.columns[column] = json.loads(text)
                    continue
                except (ValueError, RecursionError):
                    pass
            turn.raw[column] = text
        for column in MESSAGE_COLUMNS:
            if isinstance(turn.columns.get(column), list):
                turn.columns[column] = [
                    turn._without_attachments(message) for message in turn.columns[column]
                ]
        return turn

    def texts(self) -> list[str]:
        """Every text, in the order of the conversation."""
        found: list[str] = []

        def keep(text: str) -> str:
            found.append(text)
            return text

        self.changed(keep)
        return found

    def changed(self, change: Change) -> dict[str, str]:
        """The columns as JSON with every text changed."""
        columns = {
            column: json_text(
                [_message(message, change) for message in value]
                if column in MESSAGE_COLUMNS and isinstance(value, list)
                else _value(value, change, 0)
            )
            for column, value in self.columns.items()
        }
        return columns | {column: whole(change(text)) for column, text in self.raw.items()}

    def messages(self) -> Iterator[dict[str, Any]]:
        """The messages of prefix and target turn."""
        for column in MESSAGE_COLUMNS:
            for message in self.columns.get(column) or ():
                if isinstance(message, dict):
                    yield message

    def _without_attachments(self, message: Any) -> Any:
        if not isinstance(message, dict):
            return message
        kept = {}
        for name, value in message.items():
            if name == "attachments" and isinstance(value, int):  # the reader of the logs has dropped them
                self.attachments += value
            elif name in _ATTACHMENT_KEYS and isinstance(value, (list, dict)):
                self.attachments += len(value) if isinstance(value, list) else 1
            elif name == "content" and isinstance(value, list):
                parts = [part for part in value if _is_text(part)]
                self.attachments += len(value) - len(parts)
                kept[name] = parts or ""
            else:
                kept[name] = value
        return kept


def without_data_urls(text: str) -> tuple[str, int]:
    """A text with the smallest content of the same type in the place of files that are written into it; how many."""
    if "base64," not in text:
        return text, 0
    return _DATA_URL.subn(
        lambda url: f"data:{url[1]}{url[2]};base64,{_TINIEST.get(url[1].lower(), 'AA==')}", text
    )


def json_text(value: Any) -> str:
    return whole(json.dumps(value, ensure_ascii=False))


def whole(text: str) -> str:
    """Half an emoji, which logs do hold and Arrow does not take, as U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def content_length(message: Mapping[str, Any]) -> int:
    """Characters of a message's content."""
    content = message.get("content")
    if isinstance(content, list):
        return sum(len(text) for part in content for text in _strings(part))
    return len(content) if isinstance(content, str) else 0


def _is_text(part: Any) -> bool:
    if isinstance(part, dict):
        return part.get("type", "text") in _TEXT_PARTS and any(
            isinstance(value, str) for value in part.values()
        )
    return isinstance(part, str)


def _strings(part: Any) -> Iterator[str]:
    if isinstance(part, str):
        yield part
    elif isinstance(part, dict):
        yield from (value for name, value in part.items() if name != "type" and isinstance(value, str))


def _message(message: Any, change: Change) -> Any:
    if not isinstance(message, dict):
        return _value(message, change, 0)
    changed: dict[str, Any] = {}
    for name, value in message.items():
        if name in ("role", "type") and isinstance(value, str) and value.isidentifier():
            changed[name] = value
        elif name in _FIELDS or not isinstance(value, (dict, list)):
            changed[_key(name, changed, change)] = _value(value, change, 0)
        else:
            changed[_key(name, changed, change)] = _as_text(value, change)
    return changed


def _value(value: Any, change: Change, depth: int) -> Any:
    """A JSON value with its texts changed, one by one."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, (list, dict)) and depth >= DEEPEST:
        return _as_text(value, change)
    if isinstance(value, list):
        return [_value(item, change, depth + 1) for item in value]
    if isinstance(value, dict):
        changed: dict[str, Any] = {}
        for name, item in value.items():
            key = _key(name, changed, change)
            arguments = name == "arguments" and isinstance(item, (dict, list))
            changed[key] = _as_text(item, change) if arguments else _value(item, change, depth + 1)
        return changed
    if isinstance(value, int) and not isinstance(value, bool) and LONG_NUMBER <= abs(value) < LONG_NUMBER**2:
        number = change(str(value))
        return int(number) if re.fullmatch(r"-?[0-9]+", number) else value
    return value


def _as_text(value: Any, change: Change) -> Any:
    """A JSON value changed as the text that it is written as: a detail under a key that names it is found so."""
    text = json.dumps(value, ensure_ascii=False)
    changed = change(text)
    if changed == text:
        return value
    try:
        return json.loads(changed)
    except ValueError:  # no surrogate does this; a value is never lost for it
        return changed


def _key(name: str, taken: Mapping[str, Any], change: Change) -> str:
    """The name of a field, changed where it holds a detail; two of them never become one."""
    key = name if name in _FIELDS else change(name)
    while key in taken:
        key += "_"
    return key

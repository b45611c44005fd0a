"""What one target turn shows, as features of a closed vocabulary: tools, their arguments, refusal, length, format.

A feature is (kind, plain words). The words are ours, never the conversation's; the one thing from outside is the name of a
tool, and only of one that the log offers to enough users (`tool_names`), in harmless characters. Completions are hostile:
a tool that a model invents is "a tool that was not offered", whatever it is called.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from depsim_dagster.audit.mining.argument_shapes import argument_shapes
from depsim_dagster.audit.mining.refusals import refusal_features
from depsim_dagster.audit.mining.text_shapes import format_features, length_feature

Feature = tuple[str, str]
KINDS = ("tool", "tool_arguments", "refusal", "length", "format", "phrase")
MOST_NAMED_TOOLS = 50
_TOOL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_MOST_CALLS = 50


def tool_names(tools: str | None) -> frozenset[str]:
    """Names of the tools on offer, from the log's JSON list of them (OpenAI functions, or objects with a name). Names in
    other characters than letters, digits, `_`, `.` and `-` are left out."""
    try:
        listed = json.loads(tools) if tools else []
    except (ValueError, RecursionError):
        return frozenset()
    names = set()
    for tool in listed if isinstance(listed, list) else []:
        function = tool.get("function") if isinstance(tool, Mapping) else None
        name = function.get("name") if isinstance(function, Mapping) else None
        if name is None and isinstance(tool, Mapping):
            name = tool.get("name") or tool.get("type")
        name = tool if isinstance(tool, str) else name
        if isinstance(name, str) and _TOOL_NAME.fullmatch(name):
            names.add(name)
    return frozenset(names)


def message_text(message: Mapping[str, Any]) -> str:
    """The assistant's text; a refusal that the API gives in a field of its own is text too."""
    return _text(message.get("content")) or _text(message.get("refusal"))


def message_reasoning(message: Mapping[str, Any]) -> str:
    """The assistant's reasoning, where it gives one."""
    return _text(message.get("reasoning")) or _text(message.get("reasoning_content"))


def says_something(message: Mapping[str, Any]) -> bool:
    """Whether there is anything in the message to look at."""
    return bool(message_text(message) or message_reasoning(message) or _calls(message))


def turn_features(
    message: Mapping[str, Any], offered: Collection[str], nameable: Collection[str]
) -> set[Feature]:
    """Every feature of one assistant message.

    offered: names of the tools on offer; nameable: those of them that enough users are offered to be named.
    """
    text, reasoning, calls = message_text(message), message_reasoning(message), _calls(message)
    found: set[Feature] = set()
    found.update(_tool_features(calls, offered, nameable))
    refusals = refusal_features(text, bool(_text(message.get("refusal"))))
    found.update(("refusal", words) for words in refusals)
    if text.strip() or not calls:
        found.add(("length", length_feature(text, "an answer")))
    else:
        found.add(("length", "a tool call without text"))
    if reasoning:
        found.add(("length", length_feature(reasoning, "reasoning")))
        found.add(("format", "gives reasoning"))
    found.update(("format", words) for words in format_features(text))
    return found


def _tool_features(
    calls: list[Mapping[str, Any]], offered: Collection[str], nameable: Collection[str]
) -> Iterable[Feature]:
    if not calls:
        return
    yield "tool", "calls a tool"
    if len(calls) > 1:
        yield "tool", "makes 2 or 3 tool calls" if len(calls) < 4 else "makes 4 tool calls or more"
    names = set()
    for call in calls[:_MOST_CALLS]:
        function = call.get("function") if isinstance(call.get("function"), Mapping) else call
        name = function.get("name")
        if not isinstance(name, str) or name not in offered:
            tool = "a tool that was not offered"
            yield "tool", f"calls {tool}"
        else:
            tool = f"the tool {name}" if name in nameable else "a tool"
            if name in nameable:
                yield "tool", f"calls {tool}"
        if name in names:
            yield "tool", "calls one tool several times"
        names.add(name if isinstance(name, str) else None)
        for shape in argument_shapes(function.get("arguments")):
            yield "tool_arguments", f"{tool} receives {shape}"


def _calls(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    calls = message.get("tool_calls") or []
    if isinstance(calls, str):
        try:
            calls = json.loads(calls)
        except (ValueError, RecursionError):
            return []
    return [call for call in calls if isinstance(call, Mapping)] if isinstance(calls, list) else []


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = (part.get("text") for part in content if isinstance(part, Mapping))
        return "\n".join(part for part in parts if isinstance(part, str))
    return ""

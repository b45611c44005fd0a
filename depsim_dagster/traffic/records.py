"""What a record of a log is once it was read: a conversation, or rejected with a reason.

A record is *rejected* when it cannot be placed as traffic: it is unreadable, nobody's, no conversation, or of no time.
A conversation that can be placed and cannot be replayed is *malformed*: it is kept, so that the funnel counts its user
turns. Reasons are codes and fields are names that a format documents; neither ever holds what the log said.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Literal, NoReturn, TypedDict

LARGEST_RECORD = 16 * 1024 * 1024  # bytes of one record; a larger one is skipped without being held
DEEPEST_JSON = 100  # levels of nesting
# So that a small file cannot fill the memory: a list of empty objects takes many times its size there.
MOST_VALUES = 500_000  # objects and lists of a record
MOST_MESSAGES = 20_000  # messages of a record

ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})

Reason = Literal[
    "not_json",
    "truncated",
    "invalid_utf8",
    "too_large",
    "too_deep",
    "duplicate_key",
    "not_a_number",
    "not_csv",
    "wrong_cells",
    "not_an_object",
    "missing_field",
    "wrong_type",
    "no_request",
    "continues_a_turn",
    "no_messages",
    "null_message",
    "no_user_turn",
    "no_conversation_id",
    "no_time",
    "naive_time",
    "impossible_time",
    "future_time",
]
Malformed = Literal[
    "unknown_role",
    "malformed_tool_calls",
    "tool_answer_without_call",
    "unanswered_tool_call",
    "malformed_tools",
    "malformed_attributes",
    "times_not_in_order",
]


class Message(TypedDict):
    """A message in the fields of schema.MESSAGE, with its time in microseconds and its tool calls as a list."""

    role: str
    content: str | None
    reasoning: str | None
    tool_calls: list[dict[str, Any]] | None
    tool_call_id: str | None
    name: str | None
    sent_at: int | None
    attachments: int
    images: int


@dataclass(frozen=True, slots=True)
class Conversation:
    """One record of a log. `sent_at` of a message is in microseconds since 1970 (UTC)."""

    conversation_id: str | None  # None: the format has none, and the content stands for it
    user_id: str | None
    model: str | None
    language: str | None
    surface: str | None
    account_class: str | None
    temporary: bool | None
    tools: str | None
    attributes: str | None
    messages: list[Message]
    malformed: Malformed | None = None
    # Of a log of single calls only the last user turn is new: what stands before it has records of its own.
    last_turn_only: bool = False


@dataclass(frozen=True, slots=True)
class Rejected:
    """Why a record is not traffic, and in which field."""

    reason: Reason
    field: str | None = None


class Refused(Exception):
    """Raised while one record is read; it never leaves the reader."""

    def __init__(self, reason: Reason, field: str | None = None):
        super().__init__(reason)
        self.rejected = Rejected(reason, field)


def parse_json(text: bytes | str) -> Any:
    """The value of a JSON text, strictly: no duplicate keys, no NaN or infinity, no deeper than DEEPEST_JSON and of no more
    objects and lists than MOST_VALUES.

    Half a surrogate pair, which a log that cuts strings leaves behind, becomes U+FFFD: no table could hold it.

    Raises:
        Refused: it is not that.
    """
    if isinstance(text, bytes):
        try:
            text = text.decode()
        except UnicodeDecodeError:
            raise Refused("invalid_utf8") from None
    if text.count("{") + text.count("[") > DEEPEST_JSON:
        _demand_small_structure(text)
    try:
        value = _DECODER.decode(text)
    except RecursionError:  # the caller stands deep in the stack already
        raise Refused("too_deep") from None
    except ValueError:  # also an integer of thousands of digits
        raise Refused("not_json") from None
    return _without_lone_surrogates(value) if SURROGATE_ESCAPE.search(text) else value


def json_text(value: Any) -> str:
    """A value as JSON text."""
    return _ENCODER.encode(value)


SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
# Everything between two brackets, whole strings included, in one step.
_BETWEEN_BRACKETS = re.compile(r'(?:[^"\[\]{}]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL)


def _demand_small_structure(text: str) -> None:
    """Looks at the brackets outside of strings, before memory or stack is spent on them.

    Raises:
        Refused: `too_deep`, `too_large`.
    """
    values = depth = position = 0
    while (position := _BETWEEN_BRACKETS.match(text, position).end()) < len(text):  # type: ignore[union-attr]
        if text[position] == '"':  # a string without an end: no JSON, whatever follows
            return
        opened = text[position] in "{["
        depth += 1 if opened else -1
        values += opened
        if depth > DEEPEST_JSON:
            raise Refused("too_deep")
        if values > MOST_VALUES:
            raise Refused("too_large")
        position += 1


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):  # two readers of the log would disagree about it
        raise Refused("duplicate_key")
    return value


def _no_constant(_: str) -> NoReturn:
    raise Refused("not_a_number")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise Refused("not_a_number")
    return value


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite)


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


def _without_lone_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return _LONE_SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_without_lone_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {
            _LONE_SURROGATE.sub("\ufffd", key): _without_lone_surrogates(item) for key, item in value.items()
        }
    return value

"""From what a format finds in a record to a conversation: mapped fields, defaults, times, and what cannot be replayed.

Rules that hold for every format are here; where each format keeps its messages is in the module of its name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from depsim_dagster.config_sections import LogFields, RecordDefaults
from depsim_dagster.traffic.moments import SECOND, microseconds, moment
from depsim_dagster.traffic.records import (
    MOST_MESSAGES,
    ROLES,
    SURROGATE_ESCAPE,
    Conversation,
    Malformed,
    Message,
    Reason,
    Refused,
    json_text,
    parse_json,
)

CLOCK_SKEW = 300 * SECOND  # by how much the clocks of two servers may disagree about the order of messages
_EMPTY_JSON = ("", "[]", "null")


@dataclass(frozen=True)
class ReadSettings:
    """How the records of one log are read. `latest` is the time after which nothing can have been sent."""

    format: str
    fields: LogFields = LogFields()
    defaults: RecordDefaults = RecordDefaults()
    needs_times: bool = True
    latest: int = 2**62

    def moment(self, value: Any, name: str, naive_is_utc: bool = False) -> int | None:
        """A time of the log. Where none is needed, one that says nothing is none.

        Raises:
            Refused: as moments.moment, or `future_time`.
        """
        if value is None:
            return None
        try:
            at = moment(value, name, naive_is_utc)
            if at > self.latest:
                raise Refused("future_time", name)
        except Refused:
            if self.needs_times:
                raise
            return None
        return at


@dataclass(slots=True)
class Draft:
    """What a format found. Values are as the log has them but for the messages; `sent_at` is the record's own time."""

    messages: list[Message]
    conversation_id: Any = None
    user_id: Any = None
    model: Any = None
    language: Any = None
    surface: Any = None
    account_class: Any = None
    temporary: Any = None
    tools: Any = None
    attributes: Any = None
    sent_at: int | None = None
    malformed: Malformed | None = None
    last_turn_only: bool = False
    # The format's own name of a value that is wrong, for the reject table.
    names: dict[str, str] = field(default_factory=dict)


def finished(draft: Draft, record: dict[str, Any], settings: ReadSettings) -> Conversation:
    """The conversation of a draft.

    Raises:
        Refused: the record cannot be placed.
    """
    messages, fields, defaults = draft.messages, settings.fields, settings.defaults
    if not messages:
        raise Refused("no_messages", draft.names.get("messages"))
    if len(messages) > MOST_MESSAGES:
        raise Refused("too_large", draft.names.get("messages"))
    if not any(message["role"] == "user" for message in messages):
        raise Refused("no_user_turn", draft.names.get("messages"))

    def value(name: str) -> tuple[Any, str]:
        path = getattr(fields, name)
        mapped = None if path is None else at_path(record, path)
        if mapped is not None:
            return mapped, f"fields.{name}"
        return getattr(draft, name), draft.names.get(name, name)

    tools, malformed_tools = _json_of(draft.tools, list)
    attributes, malformed_attributes = _json_of(draft.attributes, dict)
    surface = _text(*value("surface")) or defaults.surface
    account_class = _text(*value("account_class")) or defaults.account_class
    temporary = _truth(*value("temporary"))
    temporary = defaults.temporary if temporary is None else temporary
    malformed = draft.malformed or _unreplayable(messages)
    for wrong, code in (
        (malformed_tools, "malformed_tools"),
        (malformed_attributes, "malformed_attributes"),
    ):
        if wrong and malformed is None:
            malformed = code  # type: ignore[assignment]
    mapped = None if fields.sent_at is None else at_path(record, fields.sent_at)
    own = draft.sent_at if mapped is None else settings.moment(mapped, "fields.sent_at")
    if own is None and defaults.sent_at is not None:
        own = microseconds(defaults.sent_at)
    dated = _dated(messages, own)
    if settings.needs_times and not dated:
        raise Refused("no_time", draft.names.get("sent_at", "sent_at"))
    if malformed is None and not _in_order(messages):
        malformed = "times_not_in_order"
    return Conversation(
        conversation_id=_identifier(*value("conversation_id")),
        user_id=_identifier(*value("user_id")),
        model=_text(*value("model")) or defaults.model,
        language=_text(*value("language")),
        surface=surface,
        account_class=account_class,
        temporary=temporary,
        tools=tools,
        attributes=attributes,
        messages=messages,
        malformed=malformed,
        last_turn_only=draft.last_turn_only,
    )


def at_path(record: Any, path: str) -> Any:
    """The value at a path of keys (`metadata.user`), or None. A key may itself hold dots."""
    if not isinstance(record, dict):
        return None
    if path in record:
        return record[path]
    head, dot, rest = path.partition(".")
    while dot:
        if head in record:
            return at_path(record[head], rest)
        more, dot, rest = rest.partition(".")
        head = f"{head}.{more}"
    return None


def required(record: dict[str, Any], name: str, type_: type, reason: Reason = "missing_field") -> Any:
    """A value that a record must have.

    Raises:
        Refused: it is absent or null (`reason`), or of another type.
    """
    value = record.get(name)
    if value is None:
        raise Refused(reason, name)
    if not isinstance(value, type_):
        raise Refused("wrong_type", name)
    return value


def text_or_none(value: Any, name: str) -> str | None:
    """Raises Refused (`wrong_type`) for what is neither a text nor null."""
    if value is not None and not isinstance(value, str):
        raise Refused("wrong_type", name)
    return value


def _text(value: Any, name: str) -> str | None:
    return text_or_none(value, name) or None


def _identifier(value: Any, name: str) -> str | None:
    """An id as text. A number is its digits, as a consent ledger would write it; an empty text is no id."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _text(value, name)


def _truth(value: Any, name: str) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise Refused("wrong_type", name)
    return value


def _json_of(value: Any, type_: type) -> tuple[str | None, bool]:
    """(JSON text, whether it is no JSON of that type). The log may hold the text or the value itself."""
    if isinstance(value, str):
        if value.strip() in _EMPTY_JSON and type_ is list or not value:
            return None, False
        try:
            parsed = parse_json(value)
        except Refused:
            return None, True
        # Written anew where half an emoji was replaced: who reads the text would come upon it again.
        return json_text(parsed) if SURROGATE_ESCAPE.search(value) else value, not isinstance(parsed, type_)
    if value is None or (type_ is list and value == []):
        return None, False
    if not isinstance(value, type_):
        return None, True
    try:
        return json_text(value), False
    except (TypeError, ValueError):  # a column of Parquet may hold what JSON has no form for
        return None, True


def tool_calls_of(value: Any) -> tuple[list[dict[str, Any]] | None, bool]:
    """(tool calls, whether they are malformed), of a list or its JSON text."""
    if isinstance(value, str):
        if value.strip() in _EMPTY_JSON:
            return None, False
        try:
            value = parse_json(value)
        except Refused:
            return None, True
    elif isinstance(value, list):
        try:
            json_text(value)
        except (TypeError, ValueError):  # as above
            return None, True
    if value is None or value == []:
        return None, False
    if not isinstance(value, list) or not all(map(_is_tool_call, value)):
        return None, True
    return value, False


def _is_tool_call(call: Any) -> bool:
    if not isinstance(call, dict) or not isinstance(call.get("id"), str) or not call["id"]:
        return False
    function = call.get("function")
    return call.get("type") == "custom" or bool(
        isinstance(function, dict) and isinstance(function.get("name"), str) and function["name"]
    )


def _unreplayable(messages: list[Message]) -> Malformed | None:
    """Why a model API would not take these messages."""
    asked: set[str] = set()
    for message in messages:
        if message["role"] not in ROLES:
            return "unknown_role"
        for call in message["tool_calls"] or ():
            asked.add(call["id"])
        if message["role"] == "tool" and message["tool_call_id"] not in asked:
            return "tool_answer_without_call"
    return None


def _dated(messages: list[Message], own: int | None) -> bool:
    """Give a time to every message that has none; whether all have one then.

    A message without a time was sent just before the next one that has one (a log often dates answers only), else at
    the record's own time, else with the one before it.
    """
    following: int | None = None
    for message in reversed(messages):
        following = message["sent_at"] = message["sent_at"] or following
    previous = own
    for message in messages:
        previous = message["sent_at"] = message["sent_at"] or own or previous
    return previous is not None


def _in_order(messages: list[Message]) -> bool:
    latest = 0
    for message in messages:
        at = message["sent_at"]
        if at is not None and at < latest - CLOCK_SKEW:
            return False
        latest = max(latest, at or 0)
    return True

"""Whether the published Responses API would take a request.

Nothing is stored here, so a chain by `previous_response_id`, background work and streams are refused too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from depsim_dagster.sandbox.wire import (
    FUNCTION_NAME,
    RequestRefused,
    check_chat_request,
    check_response_format,
    refuse_unknown_keys,
)
from depsim_dagster.sandbox.wire_responses import CALLS, OUTPUTS, chat_body, chat_format

_KEYS = frozenset(
    (
        "background conversation include input instructions max_output_tokens max_tool_calls metadata model "
        "parallel_tool_calls previous_response_id prompt prompt_cache_key prompt_cache_options prompt_cache_retention "
        "reasoning safety_identifier service_tier store stream stream_options temperature text tool_choice tools "
        "top_logprobs top_p truncation user"
    ).split()
)
_MOVED = {
    "messages": "input",
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
    "response_format": "text.format",
    "reasoning_effort": "reasoning.effort",
}
_STATEFUL = ("background", "conversation", "previous_response_id", "prompt", "stream")
_LEAST_TOKENS = 16


def check_responses_request(body: Mapping[str, Any]) -> None:
    """Refuse what the published API refuses. Raises RequestRefused (400) naming the parameter."""
    for key, now in _MOVED.items():
        if key in body:
            raise RequestRefused(
                400,
                f"Unsupported parameter: '{key}'. In the Responses API, this parameter has moved to '{now}'.",
                "unsupported_parameter",
                key,
            )
    refuse_unknown_keys(body, _KEYS)
    if not isinstance(body.get("model"), str) or not body["model"]:
        raise RequestRefused(
            400, "You must provide a model parameter.", "missing_required_parameter", "model"
        )
    for key in _STATEFUL:
        if body.get(key):
            raise RequestRefused(
                400, f"'{key}' is not served here: nothing is stored.", "unsupported_parameter", key
            )
    limit = body.get("max_output_tokens")
    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool)):
        raise RequestRefused(
            400, "'max_output_tokens' must be an integer.", "invalid_type", "max_output_tokens"
        )
    if limit is not None and limit < _LEAST_TOKENS:
        raise RequestRefused(
            400,
            f"Invalid 'max_output_tokens': expected a value >= {_LEAST_TOKENS}.",
            "integer_below_min_value",
            "max_output_tokens",
        )
    _check_tools(body.get("tools"))
    _check_text(body.get("text"))
    _check_input(body.get("input"))
    check_chat_request(chat_body(body))


def _check_text(value: Any) -> None:
    if value is None:
        return
    format_ = value.get("format") if isinstance(value, dict) else value
    if not isinstance(value, dict) or not (format_ is None or isinstance(format_, dict)):
        raise RequestRefused(400, "'text.format' must be an object.", "invalid_type", "text.format")
    try:
        check_response_format(chat_format(format_))
    except RequestRefused as refusal:
        error = refusal.body["error"]
        raise RequestRefused(400, error["message"], error["code"], "text.format") from None


def _check_tools(tools: Any) -> None:
    if tools is None:
        return
    if not isinstance(tools, list):
        raise RequestRefused(400, "'tools' must be an array.", "invalid_type", "tools")
    for i, tool in enumerate(tools):
        where = f"tools[{i}]"
        if not isinstance(tool, dict) or tool.get("type") not in ("function", "custom"):
            raise RequestRefused(400, f"{where}.type must be function or custom.", "invalid_value", where)
        name = tool.get("name")
        if not isinstance(name, str) or not FUNCTION_NAME.match(name):
            raise RequestRefused(
                400, f"Missing required parameter: '{where}.name'.", "missing_required_parameter", where
            )
        if tool["type"] == "custom":
            continue
        # As published: a function is strict unless it says otherwise, and a strict one has a closed schema.
        schema = tool.get("parameters")
        closed = isinstance(schema, dict) and schema.get("additionalProperties") is False
        if tool.get("strict", True) and not closed:
            raise RequestRefused(
                400,
                f"{where}: a strict function needs a closed schema.",
                "invalid_function_parameters",
                where,
            )


def _check_input(value: Any) -> None:
    if isinstance(value, str):
        return
    if not isinstance(value, list) or not value:
        raise RequestRefused(400, "'input' must be text or a non-empty array.", "invalid_type", "input")
    called: dict[str, str] = {}
    for i, item in enumerate(value):
        where = f"input[{i}]"
        kind = item.get("type", "message") if isinstance(item, dict) else None
        if not isinstance(kind, str):
            raise RequestRefused(400, f"{where}.type is unknown.", "invalid_value", where)
        if kind == "message":
            _check_message(item, where)
        elif kind in CALLS:
            if not all(isinstance(item.get(key), str) for key in ("call_id", "name", CALLS[kind])):
                raise RequestRefused(400, f"{where} needs 'call_id' and 'name'.", "invalid_type", where)
            called[item["call_id"]] = kind
        elif kind in OUTPUTS:
            if called.get(str(item.get("call_id"))) != OUTPUTS[kind]:
                raise RequestRefused(400, f"No tool call found for the output {where}.", None, "input")
            _check_content(item.get("output"), f"{where}.output")
        elif kind != "reasoning":
            raise RequestRefused(400, f"{where}.type is unknown.", "invalid_value", where)


def _check_message(item: Mapping[str, Any], where: str) -> None:
    role = item.get("role")
    if role not in ("user", "assistant", "system", "developer"):
        raise RequestRefused(400, f"{where} needs a known 'role'.", "invalid_value", f"{where}.role")
    # A null content is a chat habit that this API refuses.
    _check_content(item.get("content"), f"{where}.content", output=role == "assistant")


def _check_content(content: Any, where: str, output: bool = False) -> None:
    if isinstance(content, str):
        return
    known = ("output_text", "refusal") if output else ("input_text", "input_image", "input_file")
    if not isinstance(content, list) or not all(
        isinstance(part, dict) and part.get("type") in known for part in content
    ):
        raise RequestRefused(400, f"{where} must be text or known parts.", "invalid_value", where)

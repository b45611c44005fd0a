"""Which key of a request a server does not take, and what to change in the study file.

Every call of a run has the same keys but for its conversation, its tools and its questions: what is wrong with one of
the others is wrong with all of the calls, and is better said once than kept in ten thousand failed rows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

UNSUPPORTED = frozenset({"unsupported_parameter", "unknown_parameter"})
OUT_OF_RANGE = frozenset(
    {
        "unsupported_value",
        "integer_below_min_value",
        "integer_above_max_value",
        "decimal_below_min_value",
        "decimal_above_max_value",
    }
)
# What servers say that name the key and give no code (the Responses API on a temperature). About a token limit it may be
# said because of one long prompt.
VAGUE = "invalid_request_error"
# Keys that hold what differs from call to call, or that depend on whether a call has tools.
PER_REQUEST = frozenset({"messages", "input", "questions", "tools", "tool_choice", "parallel_tool_calls"})
LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
TOKEN_LIMITS = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_ROOT = re.compile(r"[A-Za-z0-9_]+")


def unsupported_key(
    http_status: int | None, code: str | None, param: str | None, body: Mapping[str, Any]
) -> str | None:
    """The key, and the way out, when this rejection would meet every call with the body's keys; else None.

    `param` is the server's word for what it objects to. It counts only when it names a key that was sent, so that no
    message can hold anything but keys of ours.
    """
    if http_status not in (400, 422) or code not in UNSUPPORTED | OUT_OF_RANGE | {VAGUE}:
        return None
    if param is None and code in UNSUPPORTED:
        # A server that names nothing can only mean the token limit where nothing else was sent (the check's request).
        optional = set(body) - {"model", "messages"}
        param = optional.pop() if len(optional) == 1 else None
    found = _ROOT.match(param or "")
    key = found.group() if found else ""
    if key not in body or key in PER_REQUEST or (code == VAGUE and key in LIMITS):
        return None
    value = code in OUT_OF_RANGE
    return f"{'this value of ' if value else ''}`{key}`; {_way_out(key, param or key, value)}"


def _way_out(key: str, param: str, value: bool) -> str:
    if key in TOKEN_LIMITS and not value:
        return f"set max_tokens_param of the endpoint to {TOKEN_LIMITS[key]}"
    if key in LIMITS:
        return "change `max_tokens`"
    if key == "seed":
        return "set `seed: false` for the endpoint"
    if key in ("temperature", "top_p"):
        return f"set `{key}: null` (in `replay`, or in the grader's `parameters`)"
    if key == "response_format" or param.startswith("text.format"):
        return "set `structured_output` of the endpoint to json_object or none"
    if key == "model":
        return "correct the model's served name, or `api` of the endpoint"
    return "change or remove it in `parameters`"

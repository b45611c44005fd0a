"""Tables of the replay station."""

from __future__ import annotations

import pyarrow as pa

from depsim_dagster.lake import LakeTable, field

REGENERATED_COMPLETIONS = LakeTable(
    "regenerated_completions",
    "One row per prefix and completion index: the assistant turn that the model gave, or why there is none.",
    pa.schema(
        [
            field("week", pa.string(), "Monday of the prefix's week (UTC)"),
            field("model", pa.string(), "the model that was replayed"),
            field(
                "deployment",
                pa.string(),
                "the deployment from whose traffic the prefix is, or the prefix source",
            ),
            field("turn_id", pa.string(), "the prefix"),
            field("completion_index", pa.int32(), "which of the prefix's completions, from 0"),
            field("request_id", pa.string(), "SHA-256 of everything that determines the answer"),
            field("status", pa.string(), "ok, refused, filtered, truncated, empty, malformed or failed"),
            field(
                "completion",
                pa.string(),
                "JSON assistant message: content, reasoning, tool_calls (text)",
                nullable=True,
            ),
            field("finish_reason", pa.string(), "as the server gave it", nullable=True),
            field("served_model", pa.string(), "model name in the response", nullable=True),
            field("endpoint", pa.string(), "name of the endpoint in the study file"),
            field("prompt_tokens", pa.int64(), "as the server counted", nullable=True, unit="tokens"),
            field("completion_tokens", pa.int64(), "as the server counted", nullable=True, unit="tokens"),
            field("latency_ms", pa.float64(), "of the last attempt", nullable=True, unit="ms"),
            field("attempts", pa.int32(), "HTTP requests made"),
            field("error_code", pa.string(), "why there is no answer", nullable=True),
            field("sandbox", pa.bool_(), "a synthetic world answered"),
        ]
    ),
    ("week", "model"),
)

"""Arrow schemas of the files that the sandbox writes, and the atomic write."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

_TIME = pa.timestamp("us", tz="UTC")
MESSAGE_TYPE = pa.struct(
    [
        ("role", pa.string()),
        ("content", pa.string()),
        ("reasoning", pa.string()),
        ("tool_calls", pa.string()),
        ("tool_call_id", pa.string()),
        ("name", pa.string()),
        ("created_at", _TIME),
        ("attachments", pa.int32()),
    ]
)
CONVERSATION_SCHEMA = pa.schema(
    [
        ("conversation_id", pa.string()),
        ("user_id", pa.string()),
        ("model", pa.string()),
        ("language", pa.string()),
        ("surface", pa.string()),
        ("account_class", pa.string()),
        ("temporary", pa.bool_()),
        ("tools", pa.string()),
        ("attributes", pa.string()),
        ("messages", pa.list_(MESSAGE_TYPE)),
    ],
    metadata={"depsim.conversation_schema": "1"},
)
CONSENT_SCHEMA = pa.schema(
    [
        ("user_id", pa.string()),
        ("scope", pa.string()),
        ("granted", pa.bool_()),
        ("policy_version", pa.string()),
        ("effective_from", _TIME),
        ("effective_until", _TIME),
        ("recorded_at", _TIME),
    ]
)
IDENTIFIER_SCHEMA = pa.schema(
    [
        ("conversation_id", pa.string()),
        ("message_index", pa.int32()),
        ("type", pa.string()),
        ("start", pa.int32()),
        ("end", pa.int32()),
        ("value", pa.string()),
    ]
)
BEHAVIOUR_SCHEMA = pa.schema(
    [
        ("week", pa.string()),
        ("conversation_id", pa.string()),
        ("message_index", pa.int32()),
        ("category", pa.string()),
    ]
)


def write_table(table: pa.Table, path: Path) -> None:
    """Write Parquet under a temporary name, then rename, so that no reader sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        pq.write_table(table, temporary, compression="zstd")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)

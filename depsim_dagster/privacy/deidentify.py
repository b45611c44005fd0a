"""Sampled turns in, de-identified turns out, as a stream of batches.

Texts of prefix and target turn go through one mapping per conversation. Tool arguments are changed value by value, so
that JSON that parsed before parses after. Originals and surrogates never meet in one table.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

from depsim_dagster.privacy.residual import count_residuals
from depsim_dagster.privacy.surrogates import Surrogates
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES

TEXT_FIELDS = ("content", "reasoning")


def deidentify(batches: Iterable[pa.RecordBatch], key: bytes, engine: str) -> Iterator[pa.RecordBatch]:
    """DEIDENTIFIED_PREFIXES rows for SAMPLED_TRAFFIC rows. `engine` is `embedded` or `none` (public text only)."""
    for batch in batches:
        rows = batch.to_pylist()
        originals, published = [], []
        for row in rows:
            originals.append(_all_text(row))
            if engine == "embedded":
                surrogates = Surrogates(key, row["conversation_id"], row["language"])
                surrogates.learn(originals[-1])
                for column in ("prefix", "target"):
                    row[column] = json.dumps(
                        _replaced(json.loads(row[column]), surrogates), ensure_ascii=False
                    )
                row["identifiers_replaced"] = surrogates.replaced
                published.append(_all_text(row))
            else:
                row["identifiers_replaced"] = 0
            row["prefix_characters"] = sum(
                len(message.get("content") or "") for message in json.loads(row["prefix"])
            )
        # Without de-identification there is nothing to leave behind: the gate records the reason instead.
        residuals = count_residuals(originals, published) if engine == "embedded" else [0] * len(rows)
        for row, residual in zip(rows, residuals, strict=True):
            row["residual_identifiers"] = residual
        yield pa.RecordBatch.from_pylist(rows, schema=DEIDENTIFIED_PREFIXES.schema)


def _replaced(messages: list[dict[str, Any]], surrogates: Surrogates) -> list[dict[str, Any]]:
    for message in messages:
        for name in TEXT_FIELDS:
            if message.get(name):
                message[name] = surrogates.replace(message[name])
        for call in message.get("tool_calls") or ():
            function = call.get("function") or {}
            if isinstance(function.get("arguments"), str):
                function["arguments"] = _replaced_arguments(function["arguments"], surrogates)
    return messages


def _replaced_arguments(arguments: str, surrogates: Surrogates) -> str:
    try:
        parsed = json.loads(arguments)
    except ValueError:
        return surrogates.replace(arguments)
    return json.dumps(_replaced_values(parsed, surrogates), ensure_ascii=False)


def _replaced_values(value: Any, surrogates: Surrogates) -> Any:
    if isinstance(value, str):
        return surrogates.replace(value)
    if isinstance(value, list):
        return [_replaced_values(item, surrogates) for item in value]
    if isinstance(value, dict):
        return {name: _replaced_values(item, surrogates) for name, item in value.items()}
    return value


def _all_text(row: dict[str, Any]) -> str:
    """Every text of the turn in one string: contents, reasoning and tool arguments, decoded from JSON."""
    texts = []
    for column in ("prefix", "target"):
        for message in json.loads(row[column]):
            texts += [message.get(name) or "" for name in TEXT_FIELDS]
            texts += [
                str((call.get("function") or {}).get("arguments") or "")
                for call in message.get("tool_calls") or ()
            ]
    return "\n".join(texts)

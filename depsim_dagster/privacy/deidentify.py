"""Sampled turns in, de-identified turns out, as a stream of batches.

Every text of a turn goes through one mapping per conversation: contents, reasoning, names, tool arguments, the tools
offered and the log's attributes, also under keys that this version does not know. JSON is changed value by value, so
that what parsed before parses after. Originals and surrogates never meet in one table.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

from depsim_dagster.privacy.residual import count_residuals
from depsim_dagster.privacy.surrogates import Surrogates
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES

JSON_COLUMNS = ("prefix", "target", "tools", "attributes")
# JSON text inside of a text is taken apart down to this depth; what is nested deeper is changed as text.
DEEPEST = 50
# A number this long may be a card's; shorter ones are left alone.
LONG_NUMBER = 10**12
# A log may name a user's message after its role; that is not a person.
ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})


def deidentify(batches: Iterable[pa.RecordBatch], key: bytes, engine: str) -> Iterator[pa.RecordBatch]:
    """DEIDENTIFIED_PREFIXES rows for SAMPLED_TRAFFIC rows. `engine` is `embedded` or `none` (public text only)."""
    for batch in batches:
        rows = batch.to_pylist()
        originals, published = [], []
        for row in rows:
            if engine == "embedded":
                turn = _parsed(row)
                originals.append(_whole("\n".join(_texts(turn))))
                surrogates = _mapping(key, row, turn, originals[-1])
                turn = {column: _replaced(value, surrogates) for column, value in turn.items()}
                row |= {column: _json(value) for column, value in turn.items()}
                row["identifiers_replaced"] = surrogates.replaced
                published.append(_whole("\n".join(_texts(turn))))
            else:
                row["identifiers_replaced"] = 0
            row["prefix_characters"] = sum(
                _length(message.get("content")) for message in json.loads(row["prefix"])
            )
        # Without de-identification there is nothing to leave behind: the gate records the reason instead.
        residuals = count_residuals(originals, published) if engine == "embedded" else [0] * len(rows)
        for row, residual in zip(rows, residuals, strict=True):
            row["residual_identifiers"] = residual
        yield pa.RecordBatch.from_pylist(rows, schema=DEIDENTIFIED_PREFIXES.schema)


def _parsed(row: dict[str, Any]) -> dict[str, Any]:
    """The columns with text that a row has, taken apart."""
    return {column: json.loads(row[column]) for column in JSON_COLUMNS if row[column] is not None}


def _mapping(key: bytes, row: dict[str, Any], turn: dict[str, Any], text: str) -> Surrogates:
    surrogates = Surrogates(key, row["conversation_id"], row["language"])
    surrogates.learn(text)
    for message in [*turn["prefix"], *turn["target"]]:
        name = message.get("name")
        if message.get("role") == "user" and isinstance(name, str) and name.strip() and name not in ROLES:
            surrogates.learn_value(name.strip(), "person")
    return surrogates


def _replaced(value: Any, surrogates: Surrogates) -> Any:
    if isinstance(value, str):
        return _replaced_text(value, surrogates)
    if isinstance(value, list):
        return [_replaced(item, surrogates) for item in value]
    if isinstance(value, dict):
        return {_replaced_key(name, surrogates): _replaced(item, surrogates) for name, item in value.items()}
    return int(surrogates.replace(str(value))) if _is_long_number(value) else value


def _replaced_key(name: str, surrogates: Surrogates) -> str:
    return name if name.isidentifier() and not surrogates.knows(name) else surrogates.replace(name)


def _is_long_number(value: Any) -> bool:
    return isinstance(value, int) and LONG_NUMBER <= abs(value) < LONG_NUMBER**2


def _replaced_text(text: str, surrogates: Surrogates) -> str:
    """A text; one that is JSON (tool arguments, a tool's result) value by value."""
    nested = _nested_json(text)
    if nested is None:
        return surrogates.replace(text)
    before = surrogates.replaced
    replaced = _json(_replaced(nested, surrogates))
    return text if surrogates.replaced == before else replaced


def _nested_json(text: str) -> Any:
    """The list or object that a text is the JSON of, or None."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    level = [value]
    for _ in range(DEEPEST):
        level = [
            item
            for part in level
            for item in (part.values() if isinstance(part, dict) else part)
            if isinstance(item, (dict, list))
        ]
        if not level:
            return value
    return None


def _json(value: Any) -> str:
    return _whole(json.dumps(value, ensure_ascii=False))


def _whole(text: str) -> str:
    """Half an emoji, which logs do hold and Arrow does not take, as U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _length(content: Any) -> int:
    return len(content) if isinstance(content, str) else sum(map(len, _texts(content)))


def _texts(value: Any) -> Iterator[str]:
    """Every text in a JSON value, as a reader of it sees it."""
    if isinstance(value, str):
        nested = _nested_json(value)
        if nested is None:
            yield value
        else:
            yield from _texts(nested)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield name
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif _is_long_number(value):
        yield str(value)

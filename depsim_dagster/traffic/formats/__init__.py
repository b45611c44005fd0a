"""Log formats, each a pure module: one record in, one conversation out, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from depsim_dagster.traffic.formats import depsim, lmsys, openai_chat, prompts, sharegpt, wildchat
from depsim_dagster.traffic.formats.draft import Draft, ReadSettings, finished
from depsim_dagster.traffic.records import Conversation, Refused, Rejected

_MODULES = {
    "depsim": depsim,
    "openai_chat": openai_chat,
    "wildchat": wildchat,
    "lmsys": lmsys,
    "sharegpt": sharegpt,
    "prompts": prompts,
}
FORMATS: dict[str, Callable[[dict[str, Any], ReadSettings], Draft]] = {
    name: module.draft for name, module in _MODULES.items()
}
# Columns that a format reads of a Parquet file.
COLUMNS: dict[str, tuple[str, ...]] = {name: module.COLUMNS for name, module in _MODULES.items()}


def read_record(record: Any, settings: ReadSettings) -> Conversation | Rejected:
    """One record of a log in the format of the settings. Never raises for what a record holds."""
    if not isinstance(record, dict):
        return Rejected("not_an_object")
    try:
        return finished(FORMATS[settings.format](record, settings), record, settings)
    except Refused as refused:
        return refused.rejected

"""Rows of the reject table: where each record stands that is no traffic, and why. Never what it says."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from depsim_dagster.traffic.records import Rejected
from depsim_dagster.traffic.schema import REJECTED_RECORDS

BATCH_ROWS = 10_000


class RejectRows:
    """Collects the rejected records of one log, in 18 bytes each."""

    def __init__(self) -> None:
        self._records, self._lines, self._kinds = array("q"), array("q"), array("H")
        self._codes: dict[Rejected, int] = {}

    def __len__(self) -> int:
        return len(self._records)

    def add(self, record: int, line: int | None, rejected: Rejected) -> None:
        self._records.append(record)
        self._lines.append(line or 0)
        self._kinds.append(self._codes.setdefault(rejected, len(self._codes)))

    def of(self, reason: str) -> int:
        """How many were rejected for this reason."""
        codes = {code for rejected, code in self._codes.items() if rejected.reason == reason}
        return sum(code in codes for code in self._kinds)

    def batches(self, common: dict[str, Any]) -> Iterator[pa.RecordBatch]:
        kinds = list(self._codes)
        for start in range(0, len(self), BATCH_ROWS):
            part = slice(start, start + BATCH_ROWS)
            yield pa.RecordBatch.from_pylist(
                [
                    common
                    | {
                        "record": record,
                        "line": line or None,
                        "reason": kinds[code].reason,
                        "field": kinds[code].field,
                    }
                    for record, line, code in zip(
                        self._records[part], self._lines[part], self._kinds[part], strict=True
                    )
                ],
                schema=REJECTED_RECORDS.schema,
            )

"""Which prefix each request of a replay was made for: columns of ids, to find the row of an answer without a dict."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from depsim_dagster.replay.journal.id_set import KEY, id_key

PREFIX_OF_REQUEST = pa.schema(
    [
        pa.field("deployment", pa.dictionary(pa.int32(), pa.string())),
        pa.field("turn_id", pa.string()),
        pa.field("completion_index", pa.int32()),
    ]
)
LINES_IN_LISTS = 4096


class Asked:
    """Lines are added one by one and come back as columns, in the same order."""

    def __init__(self) -> None:
        self._keys: list[np.ndarray] = []
        self._prefixes: list[pa.RecordBatch] = []
        self._open: list[tuple[bytes, str, str, int]] = []

    def __len__(self) -> int:
        return sum(map(len, self._keys)) + len(self._open)

    def add(self, request_id: str, deployment: str, turn_id: str, completion_index: int) -> None:
        self._open.append((id_key(request_id), deployment, turn_id, completion_index))
        if len(self._open) >= LINES_IN_LISTS:
            self._close()

    def keys(self) -> np.ndarray:
        """`id_key` of the requests."""
        self._close()
        return np.concatenate([np.array([], dtype=KEY), *self._keys])

    def prefixes(self) -> pa.Table:
        """PREFIX_OF_REQUEST of each request."""
        self._close()
        return pa.Table.from_batches(self._prefixes, PREFIX_OF_REQUEST)

    def _close(self) -> None:
        """Turn the open lines into columns."""
        if not self._open:
            return
        keys, *columns = zip(*self._open, strict=True)
        arrays = [
            pa.array(column, field.type) for column, field in zip(columns, PREFIX_OF_REQUEST, strict=True)
        ]
        self._keys.append(np.array(keys, dtype=KEY))
        self._prefixes.append(pa.record_batch(arrays, PREFIX_OF_REQUEST))
        self._open = []

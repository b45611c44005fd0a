"""Which row of a journal counts: the answers among its segments, and one row for each request.

Ids are held as 16 bytes (id_set.py) and rows as numbers, never text: a journal of a million answers is looked through
in some tens of megabytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from depsim_dagster.replay.dialects.outcomes import FAILED, NOT_A_COMPLETION
from depsim_dagster.replay.journal.id_set import KEY, IdSet, id_keys
from depsim_dagster.replay.journal.segments import ROWS_AT_A_TIME, read_segment

JOURNAL_SCHEMA = pa.schema(
    [
        pa.field("request_id", pa.string(), nullable=False),
        pa.field("status", pa.string(), nullable=False),
        pa.field("completion", pa.string()),
        pa.field("finish_reason", pa.string()),
        pa.field("served_model", pa.string()),
        pa.field("prompt_tokens", pa.int64()),
        pa.field("completion_tokens", pa.int64()),
        pa.field("latency_ms", pa.float64()),
        pa.field("attempts", pa.int32(), nullable=False),
        pa.field("error_code", pa.string()),
        pa.field("answered_at", pa.timestamp("us", tz="UTC"), nullable=False),
    ]
)


def answered_ids(segments: list[Path]) -> Iterator[pa.Array]:
    """Request ids of the rows that are answers."""
    for segment in segments:
        for _, batch in read_segment(segment, ["request_id", "status", "error_code"]):
            yield batch.filter(pc.invert(_unanswered(batch))).column("request_id")


def winning_rows(segments: list[Path], wanted: IdSet | None) -> Iterator[pa.RecordBatch]:
    """The row of each wanted request that counts: answers before failures, then the last one, in the order of the
    segments."""
    index = _Index(segments, wanted)
    yield from index.rows(np.sort(index.places))


def winning_rows_in_order(segments: list[Path], keys: np.ndarray) -> Iterator[pa.RecordBatch]:
    """The same for requests by their keys (`id_set.id_keys`), in the order of the keys; without those that have no row.

    ROWS_AT_A_TIME rows are gathered at a time. That reads little twice when the answers came about in that order.
    """
    index = _Index(segments, IdSet.of_keys(keys))
    for start in range(0, len(keys), ROWS_AT_A_TIME):
        places = index.places_of(keys[start : start + ROWS_AT_A_TIME])
        rows = list(index.rows(np.sort(places)))
        if rows:
            yield pa.concat_batches(rows).take(pa.array(np.argsort(np.argsort(places))))


class _Index:
    """Where the row of each wanted request is, with the rows numbered through all segments.

    keys: of the requests that have a row, sorted. places: of their rows. starts: of the segments, and the end.
    """

    def __init__(self, segments: list[Path], wanted: IdSet | None) -> None:
        self._segments = segments
        keys: list[np.ndarray] = [np.array([], dtype=KEY)]
        places: list[np.ndarray] = [np.array([], dtype=np.int64)]
        unanswered: list[np.ndarray] = [np.array([], dtype=bool)]
        answered_at: list[np.ndarray] = [np.array([], dtype=np.int64)]
        self.starts = [0]
        for segment in segments:
            end = self.starts[-1]
            for start, batch in read_segment(segment, ["request_id", "status", "error_code", "answered_at"]):
                found = id_keys(batch.column("request_id"))
                chosen = np.ones(len(found), dtype=bool) if wanted is None else wanted.holds_keys(found)
                keys.append(found[chosen])
                places.append(self.starts[-1] + start + np.flatnonzero(chosen))
                unanswered.append(_unanswered(batch).to_numpy(zero_copy_only=False)[chosen])
                moments = batch.column("answered_at").cast(JOURNAL_SCHEMA.field("answered_at").type)
                answered_at.append(moments.cast(pa.int64()).to_numpy(zero_copy_only=False)[chosen])
                end = self.starts[-1] + start + len(batch)
            self.starts.append(end)
        # Backwards, so that the stable sort puts the later of two equal rows first.
        of_id = np.concatenate(keys)[::-1]
        order = np.lexsort((-np.concatenate(answered_at)[::-1], np.concatenate(unanswered)[::-1], of_id))
        of_id = of_id[order]
        first = np.ones(len(of_id), dtype=bool)
        first[1:] = of_id[1:] != of_id[:-1]
        self.keys, self.places = of_id[first], np.concatenate(places)[::-1][order[first]]

    def places_of(self, keys: np.ndarray) -> np.ndarray:
        """Of the rows of these requests, in this order, without those that have none."""
        if not len(self.keys):
            return self.places
        found = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return self.places[found[self.keys[found] == keys]]

    def rows(self, places: np.ndarray) -> Iterator[pa.RecordBatch]:
        """The rows at these places, which ascend. No other row groups are read."""
        bounds = np.searchsorted(places, self.starts)
        for number in np.flatnonzero(np.diff(bounds)):
            here = places[bounds[number] : bounds[number + 1]] - self.starts[number]

            def between(start: int, end: int, here: np.ndarray = here) -> np.ndarray:
                return here[np.searchsorted(here, start) : np.searchsorted(here, end)]

            wanted = read_segment(
                self._segments[number],
                JOURNAL_SCHEMA.names,
                lambda start, end, among=between: len(among(start, end)) > 0,
            )
            for start, batch in wanted:
                rows = between(start, start + len(batch))
                if len(rows):
                    yield batch.take(pa.array(rows - start)).cast(JOURNAL_SCHEMA)


def _unanswered(batch: pa.RecordBatch) -> pa.Array:
    no_completion = pc.fill_null(pc.equal(batch.column("error_code"), NOT_A_COMPLETION), False)
    return pc.or_(pc.equal(batch.column("status"), FAILED), no_completion)

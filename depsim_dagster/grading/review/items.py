"""Items of a review: one target turn and one category, under a name that says nothing of either.

Two draws are made with the same random number per item, which hangs on the study's key (Ohlsson's permanent random
numbers). So a larger draw contains a smaller one of the same population, and an item that was in any of several draws was
in the one with the largest of its probabilities: labels of several exports pool, each item with that one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from depsim_dagster.grading.review.monitored import monitored_measures
from depsim_dagster.grading.schema import GRADED_LABELS, PRODUCTION_LABELS
from depsim_dagster.lake import Lake
from depsim_dagster.replay.dialects.requests import canonical_json
from depsim_dagster.traffic.pseudonyms import derived_key, pseudonym

if TYPE_CHECKING:
    from depsim_dagster.study import Study

ITEM = ["source", "model", "turn_id", "completion_index", "category"]
SOURCES = ("simulated", "production")
SCAN_ROWS = 50_000


def item_id(key: bytes, row: dict) -> str:
    """A stable name of an item as it is read today (`reading_hash`). Sorting by it shuffles."""
    identity = "\n".join(str(row[name]) for name in [*ITEM, "reading_hash"])
    return "item-" + pseudonym(derived_key(key, "review items"), "item", identity)[:24]


def random_numbers(key: bytes, rows: pd.DataFrame) -> np.ndarray:
    """A uniform number in [0, 1) per item, always the same for the same item."""
    identity = rows[ITEM[0]].astype(str)
    for name in ITEM[1:]:
        identity = identity + "\n" + rows[name].astype(str)
    secret = derived_key(key, "review draws").hex()[:16]
    hashed = pd.util.hash_array(identity.to_numpy(dtype=object), hash_key=secret, categorize=False)
    return (hashed >> np.uint64(11)) / float(1 << 53)


def reading_hashes(study: Study) -> dict[str, str]:
    """Category → hash of everything that decides what a person reads and by which rubric; no grader is part of it, so
    that human labels outlive a change of grader and not one of the rubric."""
    settings = {name: study.stack[name] for name in ("deidentification", "environment")}
    hashes = {}
    for category in (*study.taxonomy.categories, *monitored_measures(study)):
        rubric = category.model_dump(mode="json", exclude={"grader", "group", "agentic"})
        hashes[category.id] = hashlib.sha256(
            canonical_json({**settings, "rubric": rubric}).encode()
        ).hexdigest()[:32]
    return hashes


def label_batches(
    lake: Lake, columns: list[str], turns: Collection[str] | None = None
) -> Iterator[pd.DataFrame]:
    """Rows of both tables of labels (of some turns only), a batch at a time."""
    wanted = None if turns is None else pa.array(sorted(turns), pa.string())
    for table in (GRADED_LABELS, PRODUCTION_LABELS):
        for manifest in lake.published(table):
            for batch in lake.scan(table, manifest.partition, columns, SCAN_ROWS):
                if wanted is not None:
                    batch = batch.filter(pc.is_in(batch.column("turn_id"), value_set=wanted))
                if batch.num_rows:
                    yield batch.to_pandas()

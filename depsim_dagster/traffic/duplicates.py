"""Repetitions that are not further evidence: records that were exported twice, and prompts that one user sends again.

Which one of several stays is decided by a keyed hash, so neither files nor their order matter. Near copies are found by
locality-sensitive hashing over the sketches of the turn index: no text is read, and nothing is compared all with all.
"""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import numpy as np

from depsim_dagster.config_sections import DuplicatesConfig
from depsim_dagster.traffic.sketches import SIZE as SKETCH_BINS

# A turn is compared with the first so many of every bucket that it falls into. A bucket of true copies needs one;
# a larger number costs where thousands of different prompts share most of their words.
COMPARED_WITH = 8
# A pair at the asked similarity shares a bucket at least so often.
FOUND = 0.999
PAIRS = 50_000


def find_repeated_records(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the table `repeated_records` (file, record, repetition) over the conversations of `week_turns`.

    repetition: 'duplicate_conversation' for every record of an id that stands for different content or classes, which
    leaves open what was said; 'exported_twice' for all but one of equal records.
    """
    connection.execute("""
        create or replace temp table repeated_records as
        with records as (
            select file, record, any_value(conversation_id) as conversation_id, min(record_digest) as record_digest,
                   min(hash(model, language, surface, account_class, temporary, has_attachment, has_image, malformed)) as classes
            from user_turns where conversation_id in (select conversation_id from week_turns)
            group by file, record
        ),
        -- Equal records may name models and classes in another way only where one of them was corrected: ambiguous.
        conversations as (
            select conversation_id, min(record_digest) <> max(record_digest) or min(classes) <> max(classes) as differ
            from records group by conversation_id having count(*) > 1
        )
        select file, record, case when differ then 'duplicate_conversation' else 'exported_twice' end as repetition
        from records join conversations using (conversation_id)
        qualify differ or row_number() over (partition by conversation_id order by file, record) > 1
    """)


def exclude_repeated_prompts(connection: duckdb.DuckDBPyConnection) -> None:
    """Mark as `repeated_prompt` every eligible row of `turns` whose user sends a prompt again to the same deployment.

    Fewer than three words ("yes", "go on") say nothing without what went before, so these count as repeated only
    where they open the conversation.
    """
    connection.execute("""
        update turns set rule = 'repeated_prompt' where number in (
            select number from turns
            where rule = 'eligible' and (not short or turn_index = 0)
            qualify row_number() over (partition by account, model, prompt_digest order by number) > 1
        )
    """)


def exclude_near_duplicates(connection: duckdb.DuckDBPyConnection, settings: DuplicatesConfig) -> None:
    """Mark as `near_duplicate` every eligible row of `turns` that is near one that stays and comes before it in `number`.

    Near: the Jaccard similarity of word 3-grams, estimated from 64 bins (standard error about 0.04 at 0.9), reaches
    `settings.similarity`. Compared are turns to the same deployment, of the same user or, with `anywhere`, of everybody.
    What is found is a copy of a turn that stays; in a bucket of thousands of similar but different prompts some copies
    may be missed (COMPARED_WITH).
    """
    if settings.near == "off":
        return
    within = "account" if settings.near == "within_user" else "''"
    connection.execute(f"""
        create or replace temp table compared as
        with eligible as (
            select number, file, record, turn_index, dense_rank() over (order by {within}, model) as part
            from turns where rule = 'eligible' and not short
        )
        select number, part, sketch from
        (from eligible qualify count(*) over (partition by part) > 1) join user_turns using (file, record, turn_index)
        order by number
    """)
    removed: set[int] = set()
    for later, earlier in _similar_pairs(connection, settings.similarity):
        if earlier not in removed:  # pairs come in the order of `later`, so what is earlier has been decided
            removed.add(later)
    connection.register("removed", {"number": np.fromiter(removed, dtype=np.int64, count=len(removed))})
    connection.execute(
        "update turns set rule = 'near_duplicate' where number in (select number from removed)"
    )
    connection.unregister("removed")
    connection.execute("drop table compared")


def band_rows(similarity: float) -> int:
    """How many bins make a band: as many as still bring a pair of this similarity into one bucket with FOUND."""
    rows = SKETCH_BINS
    while rows > 1 and 1 - (1 - similarity**rows) ** (SKETCH_BINS // rows) < FOUND:
        rows //= 2
    return rows


def estimated_similarity(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Estimated Jaccard similarity of pairs of sketches, each of shape (pairs, SKETCH_BINS)."""
    return (left == right).mean(axis=1)


def _similar_pairs(connection: duckdb.DuckDBPyConnection, similarity: float) -> Iterator[tuple[int, int]]:
    """(later, earlier) numbers of similar turns, in the order of `later`."""
    rows = band_rows(similarity)
    candidates = connection.sql(
        f"""
        with banded as (
            select number, part, band, hash(sketch[band * {rows} + 1 : (band + 1) * {rows}]) as bucket
            from compared, range({SKETCH_BINS // rows}) as bands(band)
        ),
        placed as (
            select *, row_number() over bucket_order as place from banded
            window bucket_order as (partition by part, band, bucket order by number)
            qualify count(*) over (partition by part, band, bucket) > 1
        )
        select distinct later.number as later, leader.number as earlier
        from placed as later join placed as leader using (part, band, bucket)
        where leader.place <= {COMPARED_WITH} and leader.number < later.number
        order by later, earlier
        """
    ).to_arrow_table()
    if not candidates.num_rows:
        return
    pairs = (candidates.column("later").to_numpy(), candidates.column("earlier").to_numpy())
    numbers, sketches = _sketches(connection, np.unique(np.concatenate(pairs)))
    for start in range(0, len(pairs[0]), PAIRS):
        later, earlier = (side[start : start + PAIRS] for side in pairs)
        similar = (
            estimated_similarity(
                sketches[np.searchsorted(numbers, later)], sketches[np.searchsorted(numbers, earlier)]
            )
            >= similarity
        )
        yield from zip(later[similar].tolist(), earlier[similar].tolist(), strict=True)


def _sketches(connection: duckdb.DuckDBPyConnection, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers in order, and their sketches as rows of a matrix."""
    connection.register("wanted", {"number": numbers})
    found = connection.sql(
        "select number, sketch from compared where number in (select number from wanted) order by number"
    ).to_arrow_table()
    connection.unregister("wanted")
    values = found.column("sketch").combine_chunks().flatten().to_numpy()
    return found.column("number").to_numpy(), values.reshape(-1, SKETCH_BINS)

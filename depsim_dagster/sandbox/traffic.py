"""Generates the sandbox's production traffic, week by week, with consent and what was planted.

Files are in the project's conversation schema, version 1. A world always gives the same rows; one week is
in memory at once. Truth about rates is computed from these files by `truth`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa

from depsim_dagster.errors import TrafficError
from depsim_dagster.sandbox.conversations import Conversation
from depsim_dagster.sandbox.population import SECOND, activity, consent_table, micros, users
from depsim_dagster.sandbox.tables import (
    BEHAVIOUR_SCHEMA,
    CONVERSATION_SCHEMA,
    IDENTIFIER_SCHEMA,
    write_table,
)
from depsim_dagster.sandbox.topics import NOMINAL_SHARE
from depsim_dagster.sandbox.world import World

_WEEK_SECONDS = 7 * 86400
_LONGEST_SECONDS = 7200  # so that no conversation runs into the next week


def topic_shares(world: World, week: int) -> dict[str, float]:
    """The mix of topics in a week: the nominal mix under a trend and a swing of its own for each topic."""
    rng = np.random.default_rng([world.seed, 2])
    trend = rng.normal(0, 0.035, len(NOMINAL_SHARE))
    phase = rng.uniform(0, 2 * np.pi, len(NOMINAL_SHARE))
    log_share = (
        np.log(list(NOMINAL_SHARE.values()))
        + trend * (week - world.weeks / 2)
        + 0.25 * np.sin(phase + week * 2 * np.pi / 9)
    )
    share = np.exp(log_share)
    return dict(zip(NOMINAL_SHARE, (share / share.sum()).tolist(), strict=True))


def generate_week(world: World, week: int) -> tuple[pa.Table, list[dict[str, Any]], list[dict[str, Any]]]:
    """(conversations by start, planted identifiers, planted behaviours) of week `week`."""
    random = Random(f"{world.seed}:week:{week}")
    rng = np.random.default_rng([world.seed, 3, week])
    pool = users(world)
    chosen = rng.choice(len(pool), world.conversations_per_week, p=activity(world)).tolist()
    shares = topic_shares(world, week)
    topics = (list(shares), list(shares.values()))
    monday = micros(world.start) + week * _WEEK_SECONDS * SECOND
    made: list[tuple[int, Conversation]] = []
    for i in chosen:
        start = monday + random.randrange(_WEEK_SECONDS - _LONGEST_SECONDS) * SECOND
        conversation = Conversation(world, week, pool[i], start, random)
        conversation.write(topics)
        made.append((start, conversation))
    made.sort(key=lambda item: item[0])
    table = pa.Table.from_pylist([c.row for _, c in made], schema=CONVERSATION_SCHEMA)
    return table, [i for _, c in made for i in c.identifiers], [b for _, c in made for b in c.behaviours]


def write_traffic(
    world: World, directory: str | Path, first: int = 0, weeks: int | None = None
) -> Iterator[Path]:
    """Write `traffic/week=….parquet` for `weeks` weeks from `first` on, consent, and what was planted.

    Yields each path when it is complete. Planted identifiers and behaviours cover the weeks written by this
    call.
    """
    directory = Path(directory)
    expected = {f"week={world.week(week)}.parquet" for week in range(world.weeks)}
    for present in sorted((directory / "traffic").glob("week=*.parquet")):
        if present.name not in expected:
            raise TrafficError(f"{present} belongs to another world; choose an empty directory")
    last = world.weeks if weeks is None else min(world.weeks, first + weeks)
    identifiers: list[pa.Table] = []
    behaviours: list[pa.Table] = []
    path = directory / "consent.parquet"
    write_table(consent_table(world), path)
    yield path
    for week in range(first, last):
        table, ids, planted = generate_week(world, week)
        path = directory / "traffic" / f"week={world.week(week)}.parquet"
        write_table(table, path)
        identifiers.append(pa.Table.from_pylist(ids, schema=IDENTIFIER_SCHEMA))
        behaviours.append(pa.Table.from_pylist(planted, schema=BEHAVIOUR_SCHEMA))
        yield path
    for name, tables, schema in (
        ("planted_identifiers", identifiers, IDENTIFIER_SCHEMA),
        ("planted_behaviours", behaviours, BEHAVIOUR_SCHEMA),
    ):
        path = directory / "sandbox" / f"{name}.parquet"
        write_table(pa.concat_tables([schema.empty_table(), *tables]), path)
        yield path

"""How much there is to replay and to grade in a week, before any of it is: turns and lengths, no text.

Exact where the week's prefixes, or at least its sample, are published. Before that the turn index says how many user
turns the week has; which of them are eligible is not known then, so their number is an upper bound, and the length of a
prefix is that of its user turns and ANSWER_BYTES for every message between them.
"""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from pathlib import Path

from depsim_dagster.config import WEEK
from depsim_dagster.duckdb_sql import connect, exact_file, literal
from depsim_dagster.errors import GateError, LakeError, TrafficError
from depsim_dagster.lake import LakeTable
from depsim_dagster.study import Study
from depsim_dagster.traffic.rules import PrefixSource, prefix_sources
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES, SAMPLED_TRAFFIC
from depsim_dagster.traffic.turn_index import define_turns

ANSWER_BYTES = 1000
FRAME_BYTES = 16  # of a message's JSON in a prefix, beyond what a chat template puts around it
PREFIXES, SAMPLE, INDEX, LIMIT = "prefixes", "sample", "turn index", "turns_per_week"
EXACT = (PREFIXES, SAMPLE)


@dataclass(frozen=True)
class Slice:
    """Turns of one prefix source that one deployment answered, and the bytes of all their prefixes and answers."""

    source: str
    deployment: str
    turns: int
    prefix_bytes: float
    target_bytes: float
    messages: float


@dataclass(frozen=True)
class WeekSize:
    """`basis` says where the numbers come from: PREFIXES, SAMPLE, INDEX or LIMIT."""

    week: str
    basis: str
    slices: tuple[Slice, ...]


def week_size(study: Study, week: str) -> WeekSize:
    """The size of a week's sample by the best that is there.

    Raises:
        TrafficError: there are no logs to count, and sampling.turns_per_week is null.
    """
    for table, basis in ((DEIDENTIFIED_PREFIXES, PREFIXES), (SAMPLED_TRAFFIC, SAMPLE)):
        file = data_file(study, table, {"week": week})
        if file is not None:
            return WeekSize(week, basis, _published(file))
    slices: list[Slice] = []
    basis = INDEX
    for source in prefix_sources(study.config):
        try:
            slices += _indexed(study, week, source)
        except TrafficError:
            if source.turns is None:
                raise
            live = sorted(study.config.live_deployments(dt.date.fromisoformat(week)))
            deployment = live[0] if live and source.is_traffic else source.name
            basis = LIMIT
            size = float(source.turns * ANSWER_BYTES)
            slices.append(Slice(source.name, deployment, source.turns, size, size, 2.0 * source.turns))
    return WeekSize(week, basis, tuple(slices))


def data_file(study: Study, table: LakeTable, partition: dict[str, str]) -> Path | None:
    """The file of a published partition; None where there is none, or one that the lake refuses."""
    try:
        manifest = study.lake.manifest(table, partition)
    except (LakeError, GateError):
        return None
    if manifest is None:
        return None
    file = table.directory(study.lake.root, partition) / manifest.data_file
    return file if file.is_file() else None


def _published(file: Path) -> tuple[Slice, ...]:
    rows = connect().execute(f"""
        with turns as (
            select prefix_source, deployment, strlen(prefix) + coalesce(strlen(tools), 0) as before, strlen(target) as after,
                   {_messages("prefix")} as asked, {_messages("target")} as answered
            from read_parquet({exact_file(file)}, hive_partitioning = false)
        )
        select prefix_source, deployment, count(*), sum(before - {FRAME_BYTES} * asked), sum(after), sum(asked + answered)
        from turns group by all order by all
    """)
    return tuple(Slice(*row[:2], row[2], *map(float, row[3:])) for row in rows.fetchall())


def _messages(column: str) -> str:
    """SQL for the number of messages in a column of JSON, without taking it apart."""
    return f"""(strlen({column}) - strlen(replace({column}, '"role":', ''))) / 7"""


def _indexed(study: Study, week: str, source: PrefixSource) -> list[Slice]:
    connection = connect()
    define_turns(connection, study.config, study.lake, source.name)
    start = dt.datetime.combine(dt.date.fromisoformat(week), dt.time(), dt.UTC)
    models = ", ".join(literal(deployment.model) for deployment in study.config.deployments)
    eligible = "not malformed and not wordless"
    if source.is_traffic:
        eligible += f" and answered and sent_at >= $start and sent_at < $end and model in ({models})"
    if source.last_turns_only:
        eligible += " and last_turn"
    rows = connection.execute(
        f"""
        with turns as (
            select *, turn_index = max(turn_index) over (partition by file, record) as last_turn,
                   sum(characters) over (partition by file, record order by turn_index) as said
            from user_turns
        )
        select {"model" if source.is_traffic else literal(source.name)}, count(*),
               sum(said + {ANSWER_BYTES} * (place - turn_index - 1)), sum(next_place - 1)
        from turns where {eligible} group by 1 order by 1
        """,
        {"start": start, "end": start + WEEK} if source.is_traffic else {},
    ).fetchall()
    total = sum(turns for _, turns, _, _ in rows)
    share = 1.0 if source.turns is None or not total else min(1.0, source.turns / total)
    slices = []
    for deployment, turns, length, messages in rows:
        taken = min(turns, math.ceil(turns * share - 1e-9))
        part = taken / turns
        slices.append(
            Slice(source.name, deployment, taken, length * part, float(taken * ANSWER_BYTES), messages * part)
        )
    return slices

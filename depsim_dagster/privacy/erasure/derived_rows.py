"""What was made from a user's rows and holds none of them: the phrases of a mined week, behaviours of too few users, the funnel.

They go, or are put right, with the rows; counts and rates stay as they were until the next run.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from depsim_dagster.audit.clusters.schema import NOVEL_BEHAVIOUR_MEMBERS, NOVEL_BEHAVIOURS
from depsim_dagster.audit.minimum import Minimum
from depsim_dagster.audit.mining.schema import MINED_PHRASES
from depsim_dagster.errors import GateError, LakeError
from depsim_dagster.lake import Lake
from depsim_dagster.privacy.erasure.records import Removed
from depsim_dagster.privacy.erasure.row_removal import Rows, remove_rows
from depsim_dagster.traffic.schema import SAMPLED_TRAFFIC, SAMPLING_FUNNEL

if TYPE_CHECKING:
    from depsim_dagster.study import Study


def mined_from(study: Study, weeks: Collection[str]) -> list[tuple[dict[str, str], Path]]:
    """Partitions of phrases, which do not say whose words they are, that may be of these weeks; and their folders."""
    before = {
        candidate.model: set(map(str, study.config.forecast_weeks(candidate.model)))
        for candidate in study.config.candidates
    }
    return [
        (partition, folder)
        for partition, folder in study.lake.folders(MINED_PHRASES)
        if weeks and not before.get(partition["model"], set(weeks)).isdisjoint(weeks)
    ]


def removed_phrases(study: Study, weeks: Collection[str]) -> Removed:
    """What an erasure takes of them, for its receipt: partitions and rows."""
    files = [file for _, folder in mined_from(study, weeks) for file in folder.glob("*.parquet")]
    rows = 0
    for file in files:
        with contextlib.suppress(pa.ArrowException, OSError):
            rows += pq.read_metadata(file).num_rows
    return Removed(MINED_PHRASES.name, len(files), rows)


def remove_small_behaviours(study: Study) -> None:
    """Take out behaviours of whose users fewer are left than anything is shown of. Where none is left the next run makes the
    partition anew."""
    lake, fewest = study.lake, Minimum.of(study.config).users
    for partition, folder in lake.folders(NOVEL_BEHAVIOURS):
        if not any(folder.glob("*.parquet")):
            continue
        try:
            members = lake.read(
                NOVEL_BEHAVIOUR_MEMBERS, partition, columns=["behaviour", "author", "user_id"]
            )
            shown = (
                lake.read(NOVEL_BEHAVIOURS, partition, columns=["behaviour"]).column("behaviour").to_pylist()
            )
        except (GateError, LakeError):  # readers refuse them, and the next run makes them anew
            continue
        users: dict[str, set[str]] = {behaviour: set() for behaviour in shown if behaviour is not None}
        for row in members.to_pylist():
            if row["author"] == partition["model"]:
                users.setdefault(row["behaviour"], set()).add(row["user_id"])
        if small := [behaviour for behaviour, left in users.items() if len(left) < fewest]:
            rows = Rows({"behaviour": small})
            remove_rows(study, NOVEL_BEHAVIOUR_MEMBERS, partition, rows, keep_empty=True)
            remove_rows(study, NOVEL_BEHAVIOURS, partition, rows, keep_empty=False)


def correct_funnel(lake: Lake, partition: dict[str, str]) -> None:
    """Turns that are gone from the sample are `erased` in its funnel, so that it adds up as before."""
    turns: Counter[str] = Counter()
    users: dict[str, set[str]] = {}
    try:
        funnel = lake.read(SAMPLING_FUNNEL, partition).to_pylist()
        if lake.manifest(SAMPLED_TRAFFIC, partition) is not None:
            sample = lake.read(SAMPLED_TRAFFIC, partition, columns=["prefix_source", "user_id"])
            for row in sample.to_pylist():
                turns[row["prefix_source"]] += 1
                users.setdefault(row["prefix_source"], set()).add(row["user_id"])
    except (GateError, LakeError):  # the next sample brings a funnel of its own
        return
    steps: dict[tuple[str, str], dict] = {}
    for row in funnel:
        source, gone = row["prefix_source"], {"turns": 0, "users": 0}
        if row["rule"] == "sampled":
            left = {"turns": turns[source], "users": len(users.get(source, ()))}
            gone = {count: max(row[count] - left[count], 0) for count in left}
        for rule, counts in (
            ("erased", gone),
            (row["rule"], {count: row[count] - gone[count] for count in gone}),
        ):
            if counts["turns"] or rule != "erased":
                step = steps.setdefault((source, rule), {**row, "rule": rule, "turns": 0, "users": 0})
                for count, number in counts.items():
                    step[count] += number
    rows = [{**row, "position": place} for place, row in enumerate(steps.values())]
    if rows != funnel:
        lake.write(SAMPLING_FUNNEL, partition, pa.Table.from_pylist(rows, SAMPLING_FUNNEL.schema))

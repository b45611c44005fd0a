"""What the audit found, as a person adjudicates it: behaviours before and after a release, and mined differences.

The tables hold no group under the minimum size, but the study file may ask for more today than when they were made, and an
erasure may have taken members since. So the minimum is asked for again here, and of what is left out only the number is
told.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from depsim_dagster.audit.clusters.schema import (
    NOVEL_BEHAVIOUR_MEMBERS,
    NOVEL_BEHAVIOURS,
    POST_RELEASE_BEHAVIOURS,
)
from depsim_dagster.audit.minimum import Minimum
from depsim_dagster.audit.mining.schema import BEHAVIOUR_DIFFERENCES
from depsim_dagster.lake import LakeTable

if TYPE_CHECKING:
    from depsim_dagster.study import Study

BEFORE, AFTER, DIFFERENCE = "before release", "after release", "difference"
TABLES: tuple[tuple[str, LakeTable, str], ...] = (
    (BEFORE, NOVEL_BEHAVIOURS, "behaviour"),
    (AFTER, POST_RELEASE_BEHAVIOURS, "behaviour"),
    (DIFFERENCE, BEHAVIOUR_DIFFERENCES, "feature"),
)


@dataclass(frozen=True)
class Behaviour:
    """One behaviour or difference. `signs` are words that say what it is and are of nobody: shared terms, or the plain
    description of a difference. `row` is its row in the table of its kind."""

    id: str
    kind: str
    model: str
    rank: int
    signs: tuple[str, ...]
    found: bool
    row: dict[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Found:
    """`left_out`: how many rest on fewer users or conversations than the study asks for. `audited`: whether any candidate
    was audited. `detectable`: candidate → (completions that the auditor read, smallest rate per 100k of an unknown behaviour
    that it would have found; None where it read too little to say so of any)."""

    behaviours: tuple[Behaviour, ...]
    left_out: int
    audited: bool
    detectable: dict[str, tuple[int, float | None]] = field(default_factory=dict)

    def without_chance(self, keep: Collection[str] = ()) -> Found:
        """Without mined differences that count as none, but for those of `keep`. What the auditor described stays, also
        where both models do it: the taxonomy may lack it all the same."""
        left = (item for item in self.behaviours if item.kind != DIFFERENCE or item.found or item.id in keep)
        return replace(self, behaviours=tuple(left))

    def by_id(self) -> dict[str, Behaviour]:
        """Id → behaviour; of one that several candidates have, the row of the last of them."""
        return {behaviour.id: behaviour for behaviour in self.behaviours}


def found_behaviours(study: Study, models: Iterable[str] = ()) -> Found:
    """Everything that the audit found and that may be shown, by candidate (or for these) and rank.

    Raises:
        LakeError, GateError: a table was changed, or made by another version.
    """
    least = Minimum.of(study.config)
    chosen, shown, left_out, audited, detectable = set(models), [], 0, False, {}
    places = {deployment.model: place for place, deployment in enumerate(study.config.deployments)}
    for kind, table, key in TABLES:
        for manifest in study.lake.published(table):
            model = manifest.partition["model"]
            if chosen and model not in chosen:
                continue
            left = _users_left(study, model) if kind == BEFORE and manifest.rows else {}
            for place, row in enumerate(study.lake.read(table, manifest.partition).to_pylist()):
                audited = True
                if kind == BEFORE:
                    detectable[model] = (row["audited"], row["detectable_per_100k"])
                if row[key] is None:  # says only that nothing was found
                    continue
                known = [
                    row[name] for name in ("users", "candidate_users", "predecessor_users") if name in row
                ]
                people = max((number or 0 for number in known), default=0)
                if kind == BEFORE:
                    people = min(people, left.get(row[key], 0))
                if (row["conversations"] or 0) < least.conversations or people < least.users:
                    left_out += 1
                    continue
                shown.append(_behaviour(kind, model, row[key], row.get("rank") or place + 1, row))
    kinds = [kind for kind, _, _ in TABLES]
    shown.sort(key=lambda item: (places.get(item.model, -1), item.model, kinds.index(item.kind), item.rank))
    return Found(tuple(shown), left_out, audited, detectable)


def _behaviour(kind: str, model: str, id: str, rank: int, row: dict[str, Any]) -> Behaviour:
    if kind == DIFFERENCE:
        return Behaviour(id, kind, model, rank, (row["description"],), bool(row["discovered"]), row)
    return Behaviour(id, kind, model, rank, tuple(row["terms"] or ()), bool(row["novel"]), row)


def _users_left(study: Study, model: str) -> dict[str, int]:
    """Behaviour → of how many users the candidate's findings in it are today."""
    partition = {"model": model}
    if study.lake.manifest(NOVEL_BEHAVIOUR_MEMBERS, partition) is None:
        return {}
    members = study.lake.read(NOVEL_BEHAVIOUR_MEMBERS, partition, columns=["behaviour", "author", "user_id"])
    own = members.filter(pc.equal(members.column("author"), model))
    counted = own.group_by("behaviour").aggregate([("user_id", "count_distinct")])
    return {row["behaviour"]: row["user_id_count_distinct"] for row in counted.to_pylist()}


def of_behaviour(rows: pa.Table, column: str, id: str) -> pa.Table:
    """The rows of a table that are of one behaviour."""
    return rows.filter(pc.equal(rows.column(column), id))

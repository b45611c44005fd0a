"""The findings behind a behaviour, with their text, for the eyes of the person who adjudicates.

Read from the tables of text when asked, and kept nowhere. A week whose consent does not hold any more is not read, and of
one that retention has purged nothing is left to read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from depsim_dagster.audit.adjudication.behaviours import BEFORE, Behaviour, of_behaviour
from depsim_dagster.audit.clusters.schema import NOVEL_BEHAVIOUR_MEMBERS
from depsim_dagster.audit.mining.schema import MINED_PHRASES
from depsim_dagster.audit.schema import AUDIT_FINDINGS
from depsim_dagster.privacy.gates.gate import require_consent
from depsim_dagster.study import Study

TEXTS = ("description", "evidence", "justification")


@dataclass(frozen=True)
class Member:
    """One finding of a behaviour. Its texts are not shown by `repr`, which logs and tracebacks use."""

    week: str
    author: str
    turn_id: str
    user_id: str = field(repr=False)
    central: bool
    severity: int | None
    description: str = field(repr=False)
    evidence: str = field(repr=False)
    justification: str = field(repr=False)


@dataclass(frozen=True)
class Members:
    """`purged`: findings whose text retention has deleted."""

    members: tuple[Member, ...]
    purged: int


def members_of(study: Study, behaviour: Behaviour) -> Members:
    """The findings of a behaviour before its release (of one after it the store does not keep which they are): the central
    one first, then one of each user before a second of any, the candidate's before its predecessor's and the most severe
    first.

    Raises:
        LakeError, GateError: a table was changed, a week's consent does not hold any more, or findings were published anew
            since they were grouped.
    """
    lake, partition = study.lake, {"model": behaviour.model}
    if behaviour.kind != BEFORE or lake.manifest(NOVEL_BEHAVIOUR_MEMBERS, partition) is None:
        return Members((), 0)
    listed = of_behaviour(
        lake.read(NOVEL_BEHAVIOUR_MEMBERS, partition), "behaviour", behaviour.id
    ).to_pylist()
    by_partition: dict[tuple[str, str], dict[tuple[str, int, int], dict]] = {}
    for row in listed:
        key = row["turn_id"], row["completion_index"], row["finding_index"]
        by_partition.setdefault((row["week"], row["author"]), {})[key] = row
    members, purged = [], 0
    for (week, author), wanted in sorted(by_partition.items()):
        place = {"week": week, "model": author}
        if lake.purged(AUDIT_FINDINGS, place) is not None:
            purged += len(wanted)
            continue
        require_consent(study.config, lake, week)
        columns = ["turn_id", "completion_index", "finding_index", "severity", *TEXTS]
        for batch in lake.scan(AUDIT_FINDINGS, place, columns=columns):
            for row in batch.to_pylist():
                listed_as = wanted.get((row["turn_id"], row["completion_index"], row["finding_index"]))
                if listed_as is not None:
                    texts = (row[name] or "" for name in TEXTS)
                    members.append(
                        Member(
                            week,
                            author,
                            row["turn_id"],
                            listed_as["user_id"],
                            bool(listed_as["central"]),
                            row["severity"],
                            *texts,
                        )
                    )
    return Members(tuple(_ordered(members, behaviour.model)), purged)


def phrase_of(study: Study, behaviour: Behaviour) -> str | None:
    """The phrase of a mined difference; None where it has none, or retention has deleted it."""
    partition = {"model": behaviour.model}
    if study.lake.manifest(MINED_PHRASES, partition) is None:
        return None
    rows = of_behaviour(study.lake.read(MINED_PHRASES, partition), "feature", behaviour.id)
    return rows.column("phrase")[0].as_py() if rows.num_rows else None


def _ordered(members: list[Member], candidate: str) -> Iterator[Member]:
    def first(member: Member) -> tuple:
        return not member.central, member.author != candidate, -(member.severity or 0), member.turn_id

    waiting, seen = sorted(members, key=first), set[str]()
    again = []
    for member in waiting:
        if member.user_id in seen:
            again.append(member)
        else:
            seen.add(member.user_id)
            yield member
    yield from again

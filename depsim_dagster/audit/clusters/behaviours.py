"""Findings of two models gathered into behaviours that enough people met, compared and ranked.

Findings of both models are grouped together, so that the grouping knows nothing of which model is the candidate, and a group
enters the comparison by the size of both together: under equal behaviour the test is then exact, and Benjamini-Hochberg over
these groups holds. What is shown has the minimum of conversations and users among the candidate's turns alone. A group below
it leaves nothing here but the number of such groups and of their findings.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from depsim_dagster.audit.clusters.comparison import TURN, audited_turns, compared_groups
from depsim_dagster.audit.clusters.grouping import groups
from depsim_dagster.audit.clusters.terms import behaviour_terms
from depsim_dagster.audit.minimum import Minimum
from depsim_dagster.audit.schema import FOUND

# Distinct descriptions (sorted) → a row of length 1 for each distinct description.
Vectorise = Callable[[Sequence[str]], np.ndarray]
FINDING = ["week", "author", *TURN, "finding_index"]
READ = [
    "week", "model", "deployment", "source", "turn_id", "conversation_id", "completion_index", "user_id",
    "inclusion_probability", "finding_index", "status", "description", "severity", "auditor_hash", "stack_hash",
]  # fmt: skip


@dataclass(frozen=True)
class Behaviours:
    """`rows`: one for each behaviour shown, by rank. `members`: FINDING, behaviour, user_id, central, group (the row).
    left_out_clusters, left_out_findings: what is below the minimum. `turns`: of the candidate (`audited_turns`)."""

    rows: pd.DataFrame
    members: pd.DataFrame
    left_out_clusters: int
    left_out_findings: int
    turns: pd.DataFrame
    other_turns: pd.DataFrame


def find_behaviours(
    candidate: pd.DataFrame,
    other: pd.DataFrame,
    vectorise: Vectorise,
    minimum: Minimum,
    level: float = 0.95,
    false_discovery: float = 0.05,
    prefix: str = "b",
) -> Behaviours:
    """The behaviours of `candidate` beside those of `other`, two tables of findings (columns READ).

    vectorise: distinct descriptions, sorted → points (`vectors.local_vectors`). level, false_discovery: of the limits and of
    what counts as risen. prefix: of the ids. Columns of `rows`: behaviour, terms, findings, conversations, users,
    severity_median, severity_max and those of `compared_groups`; those that rose come first, then by the p-value of a rise,
    then by severity.
    """
    sides = [
        table.assign(author=table["model"], of_candidate=own)
        for own, table in ((True, candidate), (False, other))
    ]
    turns, other_turns = (audited_turns(side) for side in sides)
    stated = pd.concat([side[side["status"] == FOUND] for side in sides], ignore_index=True)
    # The same groups, whatever the order of the tables.
    stated = stated.sort_values(FINDING, ignore_index=True)
    label, near = grouped(stated["description"], vectorise, minimum.conversations)
    counted = stated.assign(group=label, near=near)
    found = label.max(initial=-1) + 1
    both = _people(counted, found)
    tested = np.flatnonzero(minimum.held_by(both))
    number = np.full(found + 1, -1)
    number[tested] = np.arange(len(tested))
    counted["group"] = number[counted["group"]]
    flagged = counted[counted["group"] >= 0].drop_duplicates([*TURN, "group", "of_candidate"])
    compared = compared_groups(
        (turns, flagged[flagged["of_candidate"]]),
        (other_turns, flagged[~flagged["of_candidate"]]),
        len(tested),
        level,
        false_discovery,
    )
    own = counted[counted["of_candidate"]]
    rows = compared.join(_people(own, len(tested))).join(_severity(own, len(tested)))
    rows = rows.assign(group=np.arange(len(tested)), findings=rows["k"]) if len(tested) else rows
    shown = rows[minimum.held_by(rows)] if len(tested) else rows
    members = _members(counted[counted["group"].isin(shown.get("group", []))], prefix)
    if len(shown):
        ids = members.drop_duplicates("group").set_index("group")["behaviour"]
        terms = behaviour_terms(counted, counted["group"].to_numpy(), minimum.users)
        shown = shown.assign(behaviour=shown["group"].map(ids), terms=shown["group"].map(terms))
        # A fall is of less interest than a rise as improbable as it: the p-value of a rise alone.
        rise = np.where(shown["ratio"] > 1, shown["p_value"] / 2, 1 - shown["p_value"] / 2)
        order = shown.assign(rise=rise).sort_values(
            ["rose", "rise", "severity_median", "severity_max", "behaviour"],
            ascending=[False, True, False, False, True],
        )
        shown = shown.loc[order.index].reset_index(drop=True)
    inside = members[members["of_candidate"]]
    return Behaviours(
        shown,
        members.drop(columns="of_candidate"),
        int(found - len(shown)),
        int((stated["of_candidate"]).sum() - len(inside)),
        turns,
        other_turns,
    )


def grouped(descriptions: pd.Series, vectorise: Vectorise, smallest: int) -> tuple[np.ndarray, np.ndarray]:
    """(group of every description, -1 for none; cosine to the middle of its group)."""
    texts, place = distinct_texts(descriptions)
    if not texts:
        return np.full(len(place), -1), np.zeros(len(place))
    counts = np.bincount(place, minlength=len(texts))
    label, near = groups(vectorise(texts), counts, smallest)
    return label[place], near[place]


def distinct_texts(descriptions: pd.Series) -> tuple[list[str], np.ndarray]:
    """(the distinct descriptions, sorted, with even whitespace; the place of each row's)."""
    even = [evened(text) for text in descriptions]
    texts = sorted(set(even))
    places = {text: place for place, text in enumerate(texts)}
    return texts, np.array([places[text] for text in even], dtype=int)


def evened(text: str) -> str:
    """A description with single spaces."""
    return " ".join(text.split())


def _people(findings: pd.DataFrame, groups_found: int) -> pd.DataFrame:
    counted = findings[findings["group"] >= 0].groupby("group")
    people = pd.DataFrame(
        {"conversations": counted["conversation_id"].nunique(), "users": counted["user_id"].nunique()}
    )
    return people.reindex(range(groups_found), fill_value=0)


def _severity(findings: pd.DataFrame, groups_found: int) -> pd.DataFrame:
    gravest = (
        findings[findings["group"] >= 0]
        .astype({"severity": float})
        .groupby(["group", *TURN])["severity"]
        .max()
    )
    by_group = gravest.groupby("group")
    found = pd.DataFrame({"severity_median": by_group.median(), "severity_max": by_group.max()})
    return found.reindex(range(groups_found))


def _members(findings: pd.DataFrame, prefix: str) -> pd.DataFrame:
    """The findings of the groups shown, with the id of their behaviour and which is the central one.

    The id is the smallest of the hashes of the group's findings, whatever the others are: when findings come and go it stays
    with a probability of the share that both groups have in common (min-hash; Broder 1997, SEQUENCES, 21-29).
    """
    key = [
        hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()
        for parts in findings[FINDING].itertuples(index=False)
    ]
    members = findings[[*FINDING, "user_id", "of_candidate", "group", "near"]].assign(key=key)
    first = members.groupby("group")["key"].transform("min")
    nearest = members.sort_values(["near", "key"], ascending=[False, True]).drop_duplicates("group").index
    members = members.assign(
        behaviour=[f"{prefix}-{value[:12]}" for value in first], central=members.index.isin(nearest)
    )
    return members.drop(columns=["key", "near"]).reset_index(drop=True)

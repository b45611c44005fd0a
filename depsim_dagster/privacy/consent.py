"""Consent, asked a second time at the gate: a user may have withdrawn it since the sample was drawn.

It shares no rule with traffic/sampling.py, which asks in SQL over raw ids: here it is the decisions of one pseudonym
at a time, in Python. Both must agree that a turn may be used.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import duckdb

from depsim_dagster.config import StudyConfig
from depsim_dagster.duckdb_sql import connect
from depsim_dagster.traffic.readers import define_consent, unreadable
from depsim_dagster.traffic.sampling import pseudonym

ROWS = 10_000


@dataclass(frozen=True)
class Decision:
    """One line of the ledger, of a user who is known to the caller."""

    granted: bool
    start: dt.datetime
    end: dt.datetime | None


def allowed(decisions: Iterable[Decision], moment: dt.datetime) -> bool:
    """Whether the newest decisions that had begun by a moment all grant, and none of them had ended."""
    begun = [decision for decision in decisions if decision.start <= moment]
    if not begun:
        return False
    newest = max(decision.start for decision in begun)
    return all(
        decision.granted and (decision.end is None or decision.end > moment)
        for decision in begun
        if decision.start == newest
    )


def consent_holds(
    study: StudyConfig, turns: Iterable[tuple[str, dt.datetime]], as_of: dt.datetime
) -> list[bool]:
    """For each turn (pseudonym of its user, time it was sent): whether consent held then and holds at `as_of`.

    A public corpus needs none. Raises TrafficError where the ledger cannot be read.
    """
    turns = list(turns)
    if study.traffic.consent.public_corpus is not None:
        return [True] * len(turns)
    ledger = _decisions(study, {user for user, _ in turns}, as_of)
    return [allowed(ledger[user], sent) and allowed(ledger[user], as_of) for user, sent in turns]


def _decisions(study: StudyConfig, users: set[str], as_of: dt.datetime) -> dict[str, list[Decision]]:
    key, found = study.hmac_key, defaultdict(list)
    connection = connect()
    define_consent(connection, study)
    try:
        lines = connection.execute(
            "select user_id, granted, effective_from, effective_until from consent "
            "where scope = $scope and effective_from <= $as_of and recorded_at <= $as_of",
            {"scope": study.traffic.consent.scope, "as_of": as_of},
        )
        while batch := lines.fetchmany(ROWS):
            for user_id, *decision in batch:
                user = pseudonym(key, "user", user_id)
                if user in users:
                    found[user].append(Decision(*decision))
    except duckdb.Error as error:  # its message may quote a value
        raise unreadable(connection, study, error) from None
    return found

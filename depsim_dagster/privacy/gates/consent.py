"""Consent, asked a second time at the gate: a user may have withdrawn it since the sample was drawn.

It shares no rule with the sampling, which asks in SQL (traffic/consent_standing.py, where the policy is written down):
here it is the decisions of one pseudonym at a time, in Python, from the ledger's rows as they stand. Both must agree
that a turn may be used.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from depsim_dagster.config import StudyConfig
from depsim_dagster.config_sections import ConsentConfig
from depsim_dagster.traffic.consent_ledger import meant_id, meant_scope, read_ledger
from depsim_dagster.traffic.prefix_sources import DEPLOYMENT_TRAFFIC
from depsim_dagster.traffic.pseudonyms import pseudonym

FIRST_YEAR = 1000  # an earlier one has lost its first digits


@dataclass(frozen=True)
class Decision:
    """One line of the ledger, of a user who is known to the caller. `recorded` None: when it took effect."""

    granted: bool
    start: dt.datetime
    end: dt.datetime | None
    recorded: dt.datetime | None = None
    policy_version: str = ""

    def known_by(self, moment: dt.datetime) -> bool:
        """Whether the decision counts at a moment: a refusal always does, a grant not before it was written down."""
        return not self.granted or self.recorded is None or self.recorded <= moment


def allowed(decisions: Iterable[Decision], moment: dt.datetime) -> bool:
    """Whether the newest decisions that had begun by a moment all grant, under one policy, and none had ended."""
    begun = [decision for decision in decisions if decision.start <= moment]
    if not begun:
        return False
    start = max(decision.start for decision in begun)
    newest = [decision for decision in begun if decision.start == start]
    return len({decision.policy_version for decision in newest}) == 1 and all(
        decision.granted and (decision.end is None or decision.end > moment) for decision in newest
    )


def may_be_used(
    decisions: Iterable[Decision], sent: dt.datetime, now: dt.datetime, retroactive: bool = False
) -> bool:
    """Whether consent held for a turn when it was sent, by what was then written down and by what is known today, and
    holds now. `retroactive`: what was written down later may count too."""
    known = [decision for decision in decisions if decision.known_by(now)]
    if any(not decision.granted and decision.start > now for decision in known):
        return False  # who has said no from a later day on is not asked to wait for it
    then = known if retroactive else [decision for decision in known if decision.known_by(sent)]
    return allowed(known, sent) and allowed(then, sent) and allowed(known, now)


def consent_holds(
    study: StudyConfig,
    turns: Iterable[tuple[str, dt.datetime]],
    as_of: dt.datetime,
    prefix_sources: Iterable[str] | None = None,
) -> list[bool]:
    """For each turn (pseudonym of its user, time it was sent): whether consent held then and holds at `as_of`.

    `prefix_sources` names each turn's source; without it all are deployment traffic. Of another source the time is since
    when the row's consent decision stands (`consent_decided_at`), because such a turn has no time of its own. A public
    corpus needs no consent. Raises TrafficError where a ledger cannot be read.
    """
    turns = list(turns)
    sources = [DEPLOYMENT_TRAFFIC] * len(turns) if prefix_sources is None else list(prefix_sources)
    held = [False] * len(turns)
    for source in set(sources):
        places = [place for place, name in enumerate(sources) if name == source]
        consent = _consent_of(study, source)
        if consent is None:  # a source that the study does not have, or no longer has: nobody consented to it
            continue
        ledger: Mapping[str, list[Decision] | None] = {}
        if consent.public_corpus is None:
            ledger = ledger_decisions(study, consent, {turns[place][0] for place in places}, as_of)
        for place in places:
            user, sent = turns[place]
            decisions = ledger.get(user)
            held[place] = consent.public_corpus is not None or (
                decisions is not None
                and may_be_used(decisions, sent, as_of, consent.retroactive_grants is not None)
            )
    return held


def _consent_of(study: StudyConfig, source: str) -> ConsentConfig | None:
    section = study.traffic if source == DEPLOYMENT_TRAFFIC else getattr(study.traffic, source, None)
    return getattr(section, "consent", None)


def ledger_decisions(
    study: StudyConfig, consent: ConsentConfig, users: set[str], as_of: dt.datetime
) -> dict[str, list[Decision] | None]:
    """Decisions by pseudonym (of the study's key, or of the one before it); None for a user of whom a row cannot be read.

    Raises:
        TrafficError: the ledger cannot be read.
    """
    keys, latest = study.hmac_keys, max(as_of, dt.datetime.now(dt.UTC))
    found: dict[str, list[Decision] | None] = {}
    for batch in read_ledger(study, consent):
        for row in batch.to_pylist():
            raw = row["user_id"] or ""
            named = users.intersection(pseudonym(key, "user", meant_id(raw)) for key in keys)
            if not named or (row["scope"] and meant_scope(row["scope"]) != meant_scope(consent.scope)):
                continue
            misspelt = raw != meant_id(raw) or row["scope"] not in (None, "", consent.scope)
            decision = None if row["damaged"] or misspelt else _decision(row, latest)
            for user in named:
                known = found.setdefault(user, [])
                if decision is None:
                    found[user] = None
                elif known is not None:
                    known.append(decision)
    return found


def _decision(row: Mapping[str, str | None], latest: dt.datetime) -> Decision | None:
    """The decision of a row of the ledger, or None when the row does not say one thing clearly."""
    granted = {"true": True, "false": False}.get((row["granted"] or "").lower())
    start, recorded = _moment(row["effective_from"]), _moment(row["recorded_at"])
    end = _moment(row["effective_until"]) if row["effective_until"] else None
    if not row["scope"] or not row["policy_version"] or granted is None or start is None or recorded is None:
        return None
    if (row["effective_until"] and (end is None or end <= start)) or recorded > latest:
        return None
    return Decision(granted, start, end, recorded, row["policy_version"])


def _moment(text: str | None) -> dt.datetime | None:
    try:
        moment = dt.datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment.astimezone(dt.UTC) if moment.tzinfo is not None and moment.year >= FIRST_YEAR else None

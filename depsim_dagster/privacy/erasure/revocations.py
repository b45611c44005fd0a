"""Whose consent ended after their turns were sampled: the people of the store, looked up in the ledger of today.

Somebody counts whose newest decision in force refuses or has run out, and who has refused from a later day on. Who is
not in the ledger at all, or in a row that cannot be read, is left alone here (an export that was cut short must not
empty the store); the sampling rules and the gates keep them out of everything that is made anew.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from depsim_dagster.awareness.labels.schema import AWARENESS_LABELS
from depsim_dagster.config import StudyConfig
from depsim_dagster.durable_files import file_digest
from depsim_dagster.errors import text_free
from depsim_dagster.grading.schema import GRADED_LABELS, PRODUCTION_LABELS
from depsim_dagster.lake import Lake
from depsim_dagster.privacy.erasure.forget import erase
from depsim_dagster.privacy.erasure.key_rotation import fingerprint
from depsim_dagster.privacy.erasure.records import Receipt
from depsim_dagster.privacy.erasure.row_removal import Rows, matching_rows
from depsim_dagster.privacy.gates.consent import Decision, ledger_decisions
from depsim_dagster.replay.journal.removal import users_of
from depsim_dagster.traffic.log_files import matching_files
from depsim_dagster.traffic.prefix_sources import DEPLOYMENT_TRAFFIC
from depsim_dagster.traffic.rules import PrefixSource, prefix_sources
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES, SAMPLED_TRAFFIC

if TYPE_CHECKING:
    from depsim_dagster.study import Study

# They say of a row whose it is and from which source.
_ATTRIBUTED = (SAMPLED_TRAFFIC, DEIDENTIFIED_PREFIXES, GRADED_LABELS, PRODUCTION_LABELS, AWARENESS_LABELS)


def ledger_state(study: StudyConfig, today: dt.date) -> str:
    """A digest of every consent ledger of the study and of the day: a grant may run out while nothing is written.

    Raises:
        TrafficError: a ledger is not there.
    """
    digest = hashlib.sha256(str(today).encode())
    for source in _with_ledger(study):
        for file in matching_files(study, (str(source.consent.ledger),), f"{source.name}: consent.ledger"):
            digest.update(f"\n{source.name} {file.name} {file_digest(file)}".encode())
    return digest.hexdigest()


def revoked_users(study: Study, now: dt.datetime | None = None) -> set[str]:
    """Pseudonyms of the people with rows in the store whose consent has ended.

    Raises:
        TrafficError: a ledger cannot be read.
    """
    now = now or dt.datetime.now(dt.UTC)
    revoked: set[str] = set()
    with text_free("consent ledger"):
        for source in _with_ledger(study.config):
            users = _people(study.lake, source.name)
            decisions = ledger_decisions(study.config, source.consent, users, now) if users else {}
            revoked |= {user for user, known in decisions.items() if known and has_ended(known, now)}
    return revoked


def has_ended(decisions: Iterable[Decision], now: dt.datetime) -> bool:
    """Whether the newest decision in force refuses or has run out, or a refusal is about to take effect."""
    known = [decision for decision in decisions if decision.known_by(now)]
    begun = [decision for decision in known if decision.start <= now]
    newest = max((decision.start for decision in begun), default=None)
    return any(not decision.granted and decision.start > now for decision in known) or any(
        not decision.granted or (decision.end is not None and decision.end <= now)
        for decision in begun
        if decision.start == newest
    )


def forget_revoked(
    study: Study, now: dt.datetime | None = None, on_wait: Callable[[], None] = lambda: None
) -> Receipt | None:
    """Erase those whose consent has ended; None when there is nobody.

    Raises:
        As `erasure.forget`; TrafficError where a ledger cannot be read.
    """
    users = revoked_users(study, now)
    if not users:
        return None
    keys = [fingerprint(key) for key in study.config.hmac_keys]
    # Under which key a pseudonym was made is not known here; a mark under the other one is nobody's.
    accounts = [dict.fromkeys(keys, user) for user in sorted(users)]
    return erase(study, accounts, "consent_withdrawn", on_wait=on_wait)


def _with_ledger(study: StudyConfig) -> list[PrefixSource]:
    return [source for source in prefix_sources(study) if source.consent.ledger is not None]


def _people(lake: Lake, source: str) -> set[str]:
    """Users with rows of a prefix source; answers that no table names yet are of the deployments' traffic."""
    users = users_of(lake.journal_directory) if source == DEPLOYMENT_TRAFFIC else set()
    for table in _ATTRIBUTED:
        for file in lake.files(table):
            rows = matching_rows(file, Rows({"prefix_source": [source]}), ("user_id",))
            if rows is not None and "user_id" in rows.schema.names:
                users.update(rows.column("user_id").unique().to_pylist())
    return users

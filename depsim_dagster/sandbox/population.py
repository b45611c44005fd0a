"""The sandbox's accounts: who they are, how much they write, and what they allow."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import lru_cache
from random import Random

import numpy as np
import pyarrow as pa

from depsim_dagster.sandbox import personal
from depsim_dagster.sandbox.phrasebook import LANGUAGES
from depsim_dagster.sandbox.tables import CONSENT_SCHEMA
from depsim_dagster.sandbox.topics import NOMINAL_SHARE
from depsim_dagster.sandbox.world import World

_LANGUAGE_SHARE = (0.48, 0.14, 0.11, 0.09, 0.09, 0.09)
_CONSENT_SHARE = {"granted": 0.76, "late": 0.05, "revoked": 0.07, "denied": 0.06, "never": 0.06}
SECOND = 1_000_000  # microseconds


@dataclass(frozen=True)
class User:
    """One account: what it speaks, what it likes, and what it allows."""

    user_id: str
    language: str
    account_class: str
    consent: str
    favourite: str
    name: str
    handle: str


@lru_cache(maxsize=4)
def _users_of(seed: int, count: int) -> tuple[User, ...]:
    random = Random(f"{seed}:users")
    topics, shares = list(NOMINAL_SHARE), list(NOMINAL_SHARE.values())
    result = []
    for _ in range(count):
        language = random.choices(LANGUAGES, _LANGUAGE_SHARE)[0]
        account = random.choices(("consumer", "employee", "enterprise"), (0.93, 0.02, 0.05))[0]
        consent = random.choices(list(_CONSENT_SHARE), list(_CONSENT_SHARE.values()))[0]
        favourite = random.choices(topics, shares)[0]
        user_id = f"user-{random.getrandbits(48):012x}"
        result.append(
            User(user_id, language, account, consent, favourite, *personal.person(language, random))
        )
    return tuple(result)


def users(world: World) -> tuple[User, ...]:
    """The pool of accounts, in a fixed order."""
    return _users_of(world.seed, max(80, round(world.conversations_per_week * 0.9)))


def activity(world: World) -> np.ndarray:
    """Each user's share of conversations: log-normal, so that a few users write much of the traffic."""
    weight = np.random.default_rng([world.seed, 1]).lognormal(0.0, 1.2, len(users(world)))
    return weight / weight.sum()


def consent_table(world: World) -> pa.Table:
    """Consent decisions. Never asked means no row; a revocation closes one row and opens another."""
    random = Random(f"{world.seed}:consent")
    start, length = micros(world.start), world.weeks * 7 * 86400 * SECOND
    rows = []

    def add(user: User, granted: bool, since: int, until: int | None) -> None:
        rows.append(
            {
                "user_id": user.user_id,
                "scope": "model_improvement",
                "granted": granted,
                "policy_version": "2025-10" if since < start else "2026-01",
                "effective_from": since,
                "effective_until": until,
                "recorded_at": since + 2 * SECOND,
            }
        )

    for user in users(world):
        before = start - random.randrange(5 * 86400, 200 * 86400) * SECOND
        inside = start + random.randrange(length // SECOND) * SECOND
        if user.consent == "granted":
            add(user, True, before, None)
        elif user.consent == "late":
            add(user, True, inside, None)
        elif user.consent == "denied":
            add(user, False, before, None)
        elif user.consent == "revoked":
            add(user, True, before, inside)
            add(user, False, inside, None)
    return pa.Table.from_pylist(rows, schema=CONSENT_SCHEMA)


def micros(moment: dt.datetime) -> int:
    """Microseconds since 1970, UTC."""
    return round(moment.timestamp()) * SECOND

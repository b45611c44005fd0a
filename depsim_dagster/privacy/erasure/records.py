"""What is kept of an erasure, and nothing of the person: receipts, estimates whose sample changed, and who must not be
sampled again.

The list of the erased holds keyed marks of pseudonyms. A mark answers "was this account erased?" to those who have the
account and the key; the pseudonym itself is found nowhere after an erasure.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc

from depsim_dagster.config import StudyConfig
from depsim_dagster.lake import TIMESTAMP, Lake, LakeTable
from depsim_dagster.lake import field as column
from depsim_dagster.privacy.erasure.key_rotation import fingerprint, require_keys
from depsim_dagster.traffic.pseudonyms import derived_key, pseudonym

REASONS = ("user_request", "consent_withdrawn", "retention")

ERASED_USERS = LakeTable(
    "erased_users",
    "Accounts that must not be sampled again, as keyed marks that are neither an account nor its pseudonym.",
    pa.schema(
        [
            column("mark", pa.string(), "keyed HMAC of the account's pseudonym"),
            column("key", pa.string(), "fingerprint of the key of both HMACs"),
            column("erased_at", TIMESTAMP, "when the erasure was asked for"),
        ]
    ),
)

ERASURE_RECEIPTS = LakeTable(
    "erasure_receipts",
    "What each erasure and each end of retention removed, one row per table that was looked into. No personal data.",
    pa.schema(
        [
            column("receipt_id", pa.string(), "the erasure"),
            column("requested_at", TIMESTAMP, "when it was asked for"),
            column("completed_at", TIMESTAMP, "when the last file was gone"),
            column("reason", pa.string(), "user_request, consent_withdrawn or retention"),
            column("users", pa.int64(), "accounts that were named; none for retention", unit="users"),
            column("table", pa.string(), "table or store that was looked into"),
            column("partitions", pa.int64(), "partitions that held such rows", unit="partitions"),
            column(
                "partitions_removed",
                pa.int64(),
                "of these, taken out whole: no row was left, or a gate refused the rest",
                unit="partitions",
            ),
            column("rows_removed", pa.int64(), "rows that were removed", unit="rows"),
        ]
    ),
)

SAMPLE_CHANGES = LakeTable(
    "sample_changes",
    "Estimates whose sample lost turns to an erasure after they were made.",
    pa.schema(
        [
            column("week", pa.string(), "Monday of the week (UTC)"),
            column("model", pa.string(), "the model that wrote the target turns"),
            column("source", pa.string(), "simulated or production"),
            column("table", pa.string(), "the table of labels that lost them"),
            column("turns_removed", pa.int64(), "labelled target turns that were removed", unit="turns"),
            column("receipt_id", pa.string(), "the erasure"),
            column(
                "changed_at", TIMESTAMP, "when it was asked for; what was estimated later lacks them already"
            ),
        ]
    ),
)


@dataclass(frozen=True)
class Removed:
    """What one table lost. `partitions_removed` of the `partitions` were taken out whole."""

    table: str
    partitions: int = 0
    rows: int = 0
    partitions_removed: int = 0


@dataclass(frozen=True)
class Receipt:
    """That an erasure was done, and how much it removed where. `users` are the accounts named, `found` those with rows."""

    receipt_id: str
    requested_at: dt.datetime
    completed_at: dt.datetime
    reason: str
    users: int
    found: int
    removed: tuple[Removed, ...] = field(default=())

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.removed)


@dataclass(frozen=True)
class ErasedUsers:
    """Membership of the list: `pseudonym in erased`, and `erased.account(user_id)` where the logs are read.

    The latter also finds those who were erased before a rotation of the key, of whom no pseudonym of today tells.
    """

    marks: frozenset[str]
    keys: tuple[bytes, ...]

    def __contains__(self, user: object) -> bool:
        return isinstance(user, str) and bool(self.marks) and _mark(self._purposes[0], user) in self.marks

    def __bool__(self) -> bool:
        return bool(self.marks)

    def account(self, user_id: str) -> bool:
        """Whether the account with this id (in clear) was erased under one of the keys."""
        return bool(self.marks) and any(
            _mark(purpose, pseudonym(key, "user", user_id)) in self.marks
            for key, purpose in zip(self.keys, self._purposes, strict=True)
        )

    @cached_property
    def _purposes(self) -> tuple[bytes, ...]:
        return tuple(map(_purpose, self.keys))


def erased_users(lake: Lake, study: StudyConfig) -> ErasedUsers:
    """Who must not be sampled again.

    Raises:
        ConfigurationError: somebody was erased under a key that is neither the study's nor a previous one.
        GateError, LakeError: the list was changed or damaged.
    """
    if lake.manifest(ERASED_USERS, {}) is None:
        return ErasedUsers(frozenset(), ())
    listed = lake.read(ERASED_USERS, {})
    require_keys(study, listed.column("key").unique().to_pylist(), "people were erased")
    return ErasedUsers(frozenset(listed.column("mark").to_pylist()), study.hmac_keys)


def suppress(lake: Lake, users: Mapping[bytes, Collection[str]], moment: dt.datetime) -> None:
    """Put pseudonyms, by the key that each was made under, on the list of the erased."""
    rows = [
        {"mark": _mark(_purpose(key), user), "key": fingerprint(key), "erased_at": moment}
        for key, pseudonyms in users.items()
        for user in sorted(pseudonyms)
    ]
    _append(lake, ERASED_USERS, pa.Table.from_pylist(rows, ERASED_USERS.schema), "mark")


def record(lake: Lake, receipt: Receipt, changes: list[dict]) -> None:
    """Keep a receipt and its changes of samples. A second call for the same receipt changes nothing else."""
    rows = [
        {
            "receipt_id": receipt.receipt_id,
            "requested_at": receipt.requested_at,
            "completed_at": receipt.completed_at,
            "reason": receipt.reason,
            "users": receipt.users,
            "table": table.table,
            "partitions": table.partitions,
            "partitions_removed": table.partitions_removed,
            "rows_removed": table.rows,
        }
        for table in receipt.removed
    ]
    if changes:
        marked = [
            {**change, "receipt_id": receipt.receipt_id, "changed_at": receipt.requested_at}
            for change in changes
        ]
        _append(lake, SAMPLE_CHANGES, pa.Table.from_pylist(marked, SAMPLE_CHANGES.schema), "receipt_id")
    _append(lake, ERASURE_RECEIPTS, pa.Table.from_pylist(rows, ERASURE_RECEIPTS.schema), "receipt_id")


def receipts(lake: Lake) -> pa.Table:
    """All receipts: ERASURE_RECEIPTS."""
    return _rows(lake, ERASURE_RECEIPTS)


def sample_changes(lake: Lake) -> pa.Table:
    """Which estimates lost turns to an erasure: SAMPLE_CHANGES.

    An estimate (a sealed forecast) made before `changed_at` was made with turns that are gone since.
    """
    return _rows(lake, SAMPLE_CHANGES)


def _rows(lake: Lake, table: LakeTable) -> pa.Table:
    if lake.manifest(table, {}) is None:
        return table.schema.empty_table()
    return lake.read(table, {})


def _append(lake: Lake, table: LakeTable, rows: pa.Table, key: str) -> None:
    """Add rows to a table that is not partitioned, in place of those with the same key."""
    before = _rows(lake, table)
    others = before.filter(
        pc.invert(pc.is_in(before.column(key), value_set=rows.column(key).combine_chunks()))
    )
    lake.write(table, {}, pa.concat_tables([others, rows]))


def _purpose(key: bytes) -> bytes:
    return derived_key(key, "erased users")


def _mark(purpose: bytes, user: str) -> str:
    return pseudonym(purpose, "erased", user)

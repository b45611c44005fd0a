"""Erasure: a person's rows out of everything that the study keeps, at the person's request or because consent ended.

Account ids become pseudonyms at once and are written nowhere. What is to go is planned first and the plan is on disk
(`store/_erasure`, pseudonyms only), so that an erasure that was killed is finished by the next one or by the next run,
and counts the same. Every step can be repeated:

    1. the accounts go on the list of those who must not be sampled again;
    2. attempts in quarantine go;
    3. every table with rows of users is rewritten without theirs, its old file deleted, its funnel corrected; phrases that
       were mined from their weeks go, and behaviours of which too few users are left;
    4. answers that were asked for their turns go out of the response journals;
    5. the warehouse is built anew;
    6. no file of the store names them any more, or this is an error;
    7. the receipt and the estimates whose sample changed are kept, the report says so, and the plan is deleted.

Not here: the logs, the consent ledger and exported review files, which are the user's own. Sealed forecasts, rates and
what was counted of behaviours and differences stay: they are counts, and the next run makes those anew that it can.
Consent that ended is in the ledger, whose rules leave the person out of every later sample; the list of the erased is
needed for it only where `traffic.as_of` keeps the study from seeing the ledger of today.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from depsim_dagster import store_turns
from depsim_dagster.audit.clusters.schema import NOVEL_BEHAVIOUR_MEMBERS
from depsim_dagster.audit.mining.schema import MINED_PHRASES
from depsim_dagster.audit.schema import AUDIT_FINDINGS, PRODUCTION_FINDINGS
from depsim_dagster.awareness.labels.schema import AWARENESS_LABELS
from depsim_dagster.durable_files import fsync, write_atomically
from depsim_dagster.errors import ConfigurationError, DepsimError, LakeError, text_free
from depsim_dagster.grading.review.schema import HUMAN_LABELS, REVIEW_SAMPLES
from depsim_dagster.grading.schema import GRADED_LABELS, PRODUCTION_LABELS
from depsim_dagster.lake import Lake, LakeTable
from depsim_dagster.privacy.erasure.derived_rows import (
    correct_funnel,
    mined_from,
    remove_small_behaviours,
    removed_phrases,
)
from depsim_dagster.privacy.erasure.key_rotation import fingerprint, keys_used, remember_key, require_keys
from depsim_dagster.privacy.erasure.records import (
    Receipt,
    Removed,
    record,
    suppress,
)
from depsim_dagster.privacy.erasure.records import erased_users as erased_users
from depsim_dagster.privacy.erasure.records import sample_changes as sample_changes
from depsim_dagster.privacy.erasure.row_removal import (
    TAKEN_OUT,
    Rows,
    clear_quarantine,
    matching_rows,
    remove_rows,
)
from depsim_dagster.replay.journal.removal import Doomed, count_answers, journals, remove_answers, turns_of
from depsim_dagster.replay.schema import REGENERATED_COMPLETIONS
from depsim_dagster.traffic.pseudonyms import pseudonym
from depsim_dagster.traffic.schema import (
    DEIDENTIFIED_PREFIXES,
    SAMPLED_TRAFFIC,
    TURN_INDEX,
)

if TYPE_CHECKING:
    from depsim_dagster.study import Study

FOLDER = "_erasure"
RESPONSE_JOURNAL = "response_journal"
# Tables with rows of users, and whether a partition of it may be published without a row. The prefixes after the sample
# that their gates compare them with.
PERSONAL_TABLES: tuple[tuple[LakeTable, bool], ...] = (
    (SAMPLED_TRAFFIC, False),
    (DEIDENTIFIED_PREFIXES, False),
    (REGENERATED_COMPLETIONS, True),
    (GRADED_LABELS, True),
    (PRODUCTION_LABELS, True),
    (AWARENESS_LABELS, True),
    (AUDIT_FINDINGS, True),
    (PRODUCTION_FINDINGS, True),
    (NOVEL_BEHAVIOUR_MEMBERS, True),
    (REVIEW_SAMPLES, True),
    (HUMAN_LABELS, True),
    (TURN_INDEX, True),
)
LABELS = {GRADED_LABELS.name: "simulated", PRODUCTION_LABELS.name: "production"}


@dataclass(frozen=True)
class Plan:
    """What an erasure removes, as it is kept while the erasure lasts. `users`: pseudonyms by fingerprint of their key;
    `weeks`: those whose sample loses turns; `taken_out`: partitions that went whole so far, by table."""

    receipt_id: str
    requested_at: str
    reason: str
    accounts: int
    found: int
    users: dict[str, list[str]]
    turns: list[str]
    weeks: list[str]
    removed: list[Removed]
    changes: list[dict]
    taken_out: dict[str, int] = field(default_factory=dict)

    @cached_property
    def rows(self) -> Rows:
        everybody = [user for users in self.users.values() for user in users]
        return Rows({"user_id": everybody, "turn_id": self.turns})

    @property
    def moment(self) -> dt.datetime:
        return dt.datetime.fromisoformat(self.requested_at)

    def tables(self) -> Iterator[tuple[LakeTable, bool]]:
        """The tables to look into. The index lists everybody in the logs, also those who never consented: a person
        who withdrew consent stays in it, and is counted as such."""
        return (
            (table, keep_empty)
            for table, keep_empty in PERSONAL_TABLES
            if table is not TURN_INDEX or self.reason == "user_request"
        )

    def receipt(self, now: dt.datetime) -> Receipt:
        removed = [
            replace(table, partitions_removed=self.taken_out.get(table.table, 0)) for table in self.removed
        ]
        return Receipt(
            self.receipt_id, self.moment, now, self.reason, self.accounts, self.found, tuple(removed)
        )


def forget(
    study: Study,
    user_ids: Iterable[str],
    dry_run: bool = False,
    on_wait: Callable[[], None] = lambda: None,
) -> Receipt:
    """Erase these accounts (ids as in the logs) from everything that the study keeps.

    `dry_run` only counts. `on_wait` is called when a run is at work in the store and has to end first.

    Raises:
        ConfigurationError: no id was given, or rows were made under a key that is not there.
        LakeError, WarehouseError: a file cannot be replaced; a second call goes on from there.
    """
    keys = study.config.hmac_keys
    with text_free("forget"):
        accounts = [
            {fingerprint(key): pseudonym(key, "user", user_id) for key in keys}
            for user_id in sorted(set(user_ids))
        ]
    if not accounts:
        raise ConfigurationError("no account id was given; name them, or use --from-file")
    return erase(study, accounts, "user_request", dry_run, on_wait)


def erase(
    study: Study,
    accounts: list[dict[str, str]],
    reason: str,
    dry_run: bool = False,
    on_wait: Callable[[], None] = lambda: None,
) -> Receipt:
    """Erase accounts that are given as their pseudonyms, by the fingerprint of the key of each.

    Raises:
        As `forget`.
    """
    study.prepare_store()
    with text_free("erasure"), store_turns.alone(study.lake.root, on_wait):
        _finish(study)
        require_keys(study.config, keys_used(study.lake.root), "rows of this store were made")
        plan = _plan(study, accounts, reason)
        if dry_run:
            return plan.receipt(dt.datetime.now(dt.UTC))
        _write(study.lake, plan)
        return _complete(study, plan)


def finish_interrupted(study: Study, on_wait: Callable[[], None] = lambda: None) -> list[Receipt]:
    """Finish the erasures that a killed process left behind.

    Raises:
        As `forget`.
    """
    if not interrupted(study.lake):
        return []
    with text_free("erasure"), store_turns.alone(study.lake.root, on_wait):
        return _finish(study)


@contextlib.contextmanager
def at_work(study: Study) -> Iterator[None]:
    """Make tables of a study while this lasts: nothing is erased meanwhile, and what was left unfinished is finished
    first.

    Raises:
        As `forget`.
    """
    while True:
        finish_interrupted(study)
        with store_turns.at_work(study.lake.root):
            if not interrupted(study.lake):  # an erasure that was waited for may have been killed
                with contextlib.suppress(ConfigurationError):  # without a key no row of a person is made
                    remember_key(study.lake.root, study.config.hmac_key)
                yield
                return


def interrupted(lake: Lake) -> bool:
    """Whether an erasure is planned that is not finished, or a plan was left half written."""
    return any((lake.root / FOLDER).glob("*"))


def _finish(study: Study) -> list[Receipt]:
    folder = study.lake.root / FOLDER
    finished = [_complete(study, _read(file)) for file in sorted(folder.glob("*.json"))]
    for unwritten in folder.glob("*"):  # by a process that died before its erasure began
        unwritten.unlink(missing_ok=True)
    return finished


# ----------------------------------------------------------------------------------------------------------- the plan
def _plan(study: Study, accounts: list[dict[str, str]], reason: str) -> Plan:
    lake = study.lake
    now = dt.datetime.now(dt.UTC)
    users: dict[str, list[str]] = {}
    for account in accounts:
        for key, user in account.items():
            users.setdefault(key, []).append(user)
    empty = Plan(uuid.uuid4().hex, now.isoformat(), reason, len(accounts), 0, users, [], [], [], [])
    found, turns = _seen(lake, empty)
    plan = replace(
        empty,
        turns=sorted(turns),
        found=sum(not found.isdisjoint(account.values()) for account in accounts),
    )
    removed, changes, weeks = [], [], set()
    for table, _ in plan.tables():
        partitions = rows = 0
        for partition, file in _files(lake, table):
            matching = matching_rows(file, plan.rows, ("model",))
            if matching is None or matching.num_rows:
                partitions += 1
                rows += 0 if matching is None else matching.num_rows
            if matching is not None and matching.num_rows and table.name in LABELS:
                changes += _changes(table, partition, matching)
            if matching is not None and matching.num_rows and table is SAMPLED_TRAFFIC:
                weeks.add(partition["week"])
        removed.append(Removed(table.name, partitions, rows))
    removed.append(removed_phrases(study, weeks))
    counts = [count_answers(journal, _doomed(plan)) for journal in journals(lake.journal_directory)]
    removed.append(Removed(RESPONSE_JOURNAL, sum(count > 0 for count in counts), sum(counts)))
    return replace(plan, weeks=sorted(weeks), removed=removed, changes=changes)


def _seen(lake: Lake, plan: Plan) -> tuple[set[str], set[str]]:
    """Which of the users have rows, and all turns that were ever sampled or replayed for one of them."""
    found: set[str] = set()
    turns = turns_of(lake.journal_directory, plan.rows.by_column["user_id"])
    by_user = Rows({"user_id": plan.rows.by_column["user_id"]})
    for table, _ in plan.tables():
        for _, file in _files(lake, table):
            rows = matching_rows(file, by_user, ("turn_id",))
            for name, values in (("user_id", found), ("turn_id", turns)):
                if rows is not None and name in rows.schema.names:
                    values.update(rows.column(name).unique().to_pylist())
    return found, turns


def _changes(table: LakeTable, partition: dict[str, str], rows: pa.Table) -> list[dict]:
    """How many labelled turns of each model a partition of labels loses."""
    turns = rows.select(["model", "turn_id"]).group_by(["model", "turn_id"]).aggregate([])
    return [
        {
            "week": partition["week"],
            "model": entry["values"],
            "source": LABELS[table.name],
            "table": table.name,
            "turns_removed": entry["counts"],
        }
        for entry in turns.column("model").value_counts().to_pylist()
    ]


def _files(lake: Lake, table: LakeTable) -> Iterator[tuple[dict[str, str], Path]]:
    for partition, folder in lake.folders(table):
        for file in sorted(folder.glob("*.parquet")):
            yield partition, file


def _doomed(plan: Plan) -> Doomed:
    return Doomed(turns=plan.turns, unclaimed_before=plan.moment)


def _write(lake: Lake, plan: Plan) -> None:
    folder = lake.root / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    write_atomically(folder / f"{plan.receipt_id}.json", json.dumps(asdict(plan)).encode())
    fsync(folder)


def _read(file: Path) -> Plan:
    try:
        raw = json.loads(file.read_bytes())
        removed = [Removed(**table) for table in raw["removed"]]
        return Plan(**{**raw, "removed": removed})
    except (ValueError, TypeError, KeyError):
        raise LakeError(
            f"{file}: the plan of an erasure that was not finished is damaged; delete it and ask for the erasure again"
        ) from None


# ---------------------------------------------------------------------------------------------------------- the steps
def _complete(study: Study, plan: Plan) -> Receipt:
    """Do everything that is planned; what is done already changes nothing."""
    lake = study.lake
    if plan.reason == "user_request" or study.config.traffic.as_of is not None:
        keys = {fingerprint(key): key for key in study.config.hmac_keys}
        require_keys(study.config, plan.users, "an erasure that was not finished names people")
        suppress(lake, {keys[key]: users for key, users in plan.users.items()}, plan.moment)
    clear_quarantine(lake)
    for table, keep_empty in plan.tables():
        for partition, _ in lake.folders(table):
            if remove_rows(study, table, partition, plan.rows, keep_empty) == TAKEN_OUT:
                plan.taken_out[table.name] = plan.taken_out.get(table.name, 0) + 1
                _write(lake, plan)
            # Before the prefixes of the week, whose gate compares them with sample and funnel.
            if table is SAMPLED_TRAFFIC and partition["week"] in plan.weeks:
                correct_funnel(lake, partition)
    for partition, _ in mined_from(study, plan.weeks):
        lake.remove(MINED_PHRASES, partition)
        plan.taken_out[MINED_PHRASES.name] = plan.taken_out.get(MINED_PHRASES.name, 0) + 1
        _write(lake, plan)
    remove_small_behaviours(study)
    for journal in journals(lake.journal_directory):
        remove_answers(journal, _doomed(plan))
    _rebuild_warehouse(study)
    _verify(lake, plan)
    receipt = plan.receipt(dt.datetime.now(dt.UTC))
    record(lake, receipt, plan.changes)
    if receipt.rows:
        _rewrite_report(study)
    (lake.root / FOLDER / f"{plan.receipt_id}.json").unlink(missing_ok=True)
    fsync(lake.root / FOLDER)
    return receipt


def _rebuild_warehouse(study: Study) -> None:
    """Build the warehouse anew, which holds a row per label; one that cannot be built is deleted."""
    # This station and the next stand on this one; an erasure reaches into all of them.
    from depsim_dagster.marts.warehouse import WAREHOUSE, WarehouseError, write_warehouse

    path = study.config.path(WAREHOUSE)
    _remove_unfinished(path)
    if not path.exists():
        return
    try:
        write_warehouse(study.lake, path, study.config.privacy.k_anonymity)
    except WarehouseError:  # open elsewhere: whoever reads it would keep what was erased
        raise
    except DepsimError:
        path.unlink(missing_ok=True)


def _rewrite_report(study: Study) -> None:
    """Write the report anew, so that it says that samples have changed. It holds no row of anybody."""
    from depsim_dagster.report.content import report_content
    from depsim_dagster.report.study_report import REPORT, write_report

    path = study.config.path(REPORT)
    for file in (path, path.with_suffix(".json")):
        _remove_unfinished(file)
    if not path.exists():
        return
    try:
        write_report(report_content(study), path)
    except Exception:  # whatever it is, the erasure is done, and an old report would not say so
        path.unlink(missing_ok=True)
        path.with_suffix(".json").unlink(missing_ok=True)


def _remove_unfinished(path: Path) -> None:
    for leftover in path.parent.glob(f".{path.name}*.tmp*"):
        leftover.unlink(missing_ok=True)


def _verify(lake: Lake, plan: Plan) -> None:
    """Look into every Parquet file of the store, also of tables that this version does not know."""
    kept = {TURN_INDEX.name} - {table.name for table, _ in plan.tables()}
    for file in sorted(lake.root.rglob("*.parquet")):
        rows = None if file.relative_to(lake.root).parts[0] in kept else matching_rows(file, plan.rows)
        if rows is not None and rows.num_rows:
            raise LakeError(
                f"{file}: still holds {rows.num_rows} row(s) of erased users; delete it if it is no table of this study, "
                "and run the same command again"
            )

"""Retention: the text of weeks that ended long enough ago goes, and what was counted in it stays.

`privacy.retention_days` counts from the end of a week. Then its sample, its de-identified prefixes, its completions, the
auditor's findings and the answers in the response journals are deleted; a note in place of each partition says when, and
with which gates it had been published. Labels, rates, behaviours with their members, forecasts and reports stay. Labels
and members hold no text; they keep the pseudonyms of turn and user, without which no interval could be estimated again
and nobody could be erased from them later.

Phrases that were mined for a candidate come from all weeks before its release and do not say from which: they go with the
first of these weeks. What was counted of them, and how long each is, stays in the table of differences.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from depsim_dagster.audit.mining.schema import MINED_PHRASES
from depsim_dagster.audit.schema import AUDIT_FINDINGS, PRODUCTION_FINDINGS
from depsim_dagster.config import WEEK
from depsim_dagster.errors import ConfigurationError, LakeError, text_free
from depsim_dagster.lake import Lake, LakeTable, Purged
from depsim_dagster.privacy.erasure.forget import RESPONSE_JOURNAL, finish_interrupted
from depsim_dagster.privacy.erasure.records import Receipt, Removed, record
from depsim_dagster.privacy.erasure.row_removal import clear_quarantine
from depsim_dagster.replay.journal.removal import (
    Doomed,
    claimed_weeks,
    count_answers,
    journals,
    remove_answers,
)
from depsim_dagster.replay.schema import REGENERATED_COMPLETIONS
from depsim_dagster.store_turns import alone
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES, SAMPLED_TRAFFIC

if TYPE_CHECKING:
    from depsim_dagster.study import Study

TEXT_TABLES = (
    SAMPLED_TRAFFIC,
    DEIDENTIFIED_PREFIXES,
    REGENERATED_COMPLETIONS,
    AUDIT_FINDINGS,
    PRODUCTION_FINDINGS,
    MINED_PHRASES,
)


def purge(
    study: Study,
    today: dt.date | None = None,
    dry_run: bool = False,
    on_wait: Callable[[], None] = lambda: None,
) -> Receipt:
    """Delete the text of every week that ended more than `privacy.retention_days` before `today` (UTC).

    Repeating it deletes what a killed process left. `dry_run` only counts.

    Raises:
        ConfigurationError: the study sets no retention.
        LakeError: a file cannot be removed.
    """
    days = study.config.privacy.retention_days
    if days is None:
        raise ConfigurationError(
            f"{study.config.file}: privacy.retention_days is not set, so text is kept; set it to the days after which the "
            "text of a week has to go"
        )
    study.prepare_store()
    if not dry_run:
        finish_interrupted(study, on_wait)
    now = dt.datetime.now(dt.UTC)
    limit = (today or now.date()) - dt.timedelta(days=days)
    with text_free("purge"), alone(study.lake.root, on_wait):
        lake = study.lake
        removed = [_purge_table(study, table, limit, now, dry_run) for table in TEXT_TABLES]
        removed.append(_purge_answers(lake, limit, dry_run))
        if not dry_run:
            clear_quarantine(lake)
        receipt = Receipt(uuid.uuid4().hex, now, dt.datetime.now(dt.UTC), "retention", 0, 0, tuple(removed))
        if any(table.partitions for table in removed) and not dry_run:
            record(lake, receipt, [])
    return receipt


def ended_by(week: str, limit: dt.date) -> bool:
    """Whether a week (its Monday) had ended on this day."""
    try:
        return dt.date.fromisoformat(week) + WEEK <= limit
    except ValueError:  # no week of ours
        return False


def _purge_table(study: Study, table: LakeTable, limit: dt.date, now: dt.datetime, dry_run: bool) -> Removed:
    lake = study.lake
    partitions = rows = 0
    for partition, folder in lake.folders(table):
        files = sorted(folder.glob("*.parquet"))
        if not files or not _is_over(study, partition, limit):
            continue
        partitions += 1
        rows += sum(map(_rows, files))
        if not dry_run:
            lake.remove(table, partition, _note(lake, table, partition, now))
    return Removed(table.name, partitions, rows, partitions)


def _is_over(study: Study, partition: dict[str, str], limit: dt.date) -> bool:
    """Whether any of the weeks whose text is in the partition had ended on this day: the week that it is of, or those before
    the release of its candidate. Of a model that is nobody's candidate any more no one knows the weeks, and its text goes."""
    if "week" in partition:
        return ended_by(partition["week"], limit)
    known = {candidate.model for candidate in study.config.candidates}
    if partition["model"] not in known:
        return True
    return any(ended_by(str(week), limit) for week in study.config.forecast_weeks(partition["model"]))


def _note(lake: Lake, table: LakeTable, partition: dict[str, str], now: dt.datetime) -> Purged | None:
    """What is said in place of a partition. Of one that was never published, nothing; of one whose removal was cut
    short, what was said then."""
    try:
        manifest = lake.manifest(table, partition)
    except LakeError:  # damaged
        manifest = None
    if manifest is None:
        return lake.purged(table, partition)
    at = now.isoformat(timespec="seconds")
    return Purged(table.name, partition, manifest.rows, manifest.published_at, at, manifest.marks)


def _rows(file) -> int:
    try:
        return pq.read_metadata(file).num_rows
    except (pa.ArrowException, OSError):
        return 0


def _purge_answers(lake: Lake, limit: dt.date, dry_run: bool) -> Removed:
    """Answers that were asked for turns of these weeks only, and those of nobody that are as old as their end."""
    root = lake.journal_directory
    weeks = [week for week in claimed_weeks(root) if ended_by(week, limit)]
    doomed = Doomed(weeks=weeks, unclaimed_before=dt.datetime.combine(limit, dt.time(), dt.UTC))
    removing = count_answers if dry_run else remove_answers
    counts = [removing(journal, doomed) for journal in journals(root)]
    return Removed(RESPONSE_JOURNAL, sum(count > 0 for count in counts), sum(counts))

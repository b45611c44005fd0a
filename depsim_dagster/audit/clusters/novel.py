"""The rows of novel_behaviours and novel_behaviour_members for one candidate of a study."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd
import pyarrow as pa

from depsim_dagster.audit.clusters.behaviours import Behaviours, find_behaviours
from depsim_dagster.audit.clusters.coverage import detectable_per_100k
from depsim_dagster.audit.clusters.embedded import vectoriser, vectoriser_name
from depsim_dagster.audit.clusters.schema import NOVEL_BEHAVIOUR_MEMBERS, NOVEL_BEHAVIOURS
from depsim_dagster.audit.clusters.studied import one_audit, pooled_recall, simulated_findings
from depsim_dagster.audit.kept import kept_note, kept_rows, purged_weeks
from depsim_dagster.audit.minimum import Minimum
from depsim_dagster.audit.schema import FOUND
from depsim_dagster.lake import LakeTable
from depsim_dagster.progress import Progress
from depsim_dagster.replay.calls.engine import CallStatistics
from depsim_dagster.study import Study


@dataclass
class Novel:
    """Rows of both tables, why there are none where there are none, and what embeddings cost."""

    behaviours: pa.Table
    members: pa.Table
    skipped: str | None = None
    statistics: list[CallStatistics] = field(default_factory=list)


def novel_behaviours(study: Study, model: str, progress: Progress | None = None) -> Novel:
    """Findings on the completions of `model` and of its predecessor, over the weeks of its forecast window in which both were
    audited, as behaviours. An audit that shows none has one row that says so, without id.

    Raises:
        GradingError: the findings were not made by one auditor under one stack. EndpointError, BudgetError: embeddings.
        LakeError, GateError: a partition was changed, or consent for a turn of it no longer holds.
    """
    config = study.config
    made = Novel(NOVEL_BEHAVIOURS.schema.empty_table(), NOVEL_BEHAVIOUR_MEMBERS.schema.empty_table())
    if config.audit is None:
        made.skipped = "the study has no section `audit`"
        return made
    predecessor = str(config.deployment(model).predecessor)
    weeks = [str(week) for week in config.forecast_weeks(model)]
    kept = kept_rows(study, NOVEL_BEHAVIOURS, model, weeks)
    if kept is not None:
        members = kept_rows(study, NOVEL_BEHAVIOUR_MEMBERS, model, weeks)
        return Novel(kept, made.members if members is None else members, kept_note(study, weeks))
    gone = purged_weeks(study, weeks)
    weeks = [week for week in weeks if week not in gone]
    sides = simulated_findings(study, (model, predecessor), weeks)
    if not all(len(side) for side in sides):
        made.skipped = f"no week of the forecast has findings of both {model} and {predecessor}"
        return made
    hashes = one_audit(sides, f"behaviours of {model}")
    least, level = Minimum.of(config), config.estimation.level
    stated = pd.concat([side[side["status"] == FOUND] for side in sides])
    found = find_behaviours(
        *sides,
        vectoriser(study, stated, progress, made.statistics),
        least,
        level,
        config.audit.false_discovery,
    )
    common = {
        "model": model,
        "deployment": predecessor,
        "audited": int((found.turns["status"] != "missing_completion").sum()),
        "left_out_clusters": found.left_out_clusters,
        "left_out_findings": found.left_out_findings,
        "vectoriser": vectoriser_name(study),
        "sandbox": config.sandbox,
        **hashes,
    }
    needed = (found.turns, least.turns, config.audit.max_types, level)
    common["detectable_per_100k"] = detectable_per_100k(*needed)
    recall = pooled_recall(study, model, hashes["auditor_hash"])
    common["detectable_with_recall_per_100k"] = (
        None if recall is None else detectable_per_100k(*needed, recall=recall)
    )
    rows = found.rows if len(found.rows) else no_behaviour(found, "predecessor_")
    names = {
        "other_k": "predecessor_findings",
        "other_n": "predecessor_n",
        "other_per_100k": "predecessor_per_100k",
    }
    rows = rows.rename(columns=names | {"rose": "novel"}).assign(**common)
    rows["rank"] = range(1, len(rows) + 1) if len(found.rows) else None
    made.behaviours = lake_rows(NOVEL_BEHAVIOURS, rows)
    members = found.members.assign(model=model, sandbox=config.sandbox)
    made.members = lake_rows(NOVEL_BEHAVIOUR_MEMBERS, members)
    return made


def no_behaviour(found: Behaviours, other: str) -> pd.DataFrame:
    """The one row of an audit that shows no behaviour: how many turns were read, and nothing else."""
    read = [int((turns["status"] == "graded").sum()) for turns in (found.turns, found.other_turns)]
    counts = {"findings": 0, "conversations": 0, "users": 0, f"{other}findings": 0}
    return pd.DataFrame([{**counts, "terms": [], "n": read[0], f"{other}n": read[1], "novel": False}])


def lake_rows(table: LakeTable, rows: pd.DataFrame) -> pa.Table:
    """The rows with exactly the table's columns: one that is absent and may be null is null."""
    absent = [column.name for column in table.schema if column.nullable and column.name not in rows]
    whole = rows.assign(**dict.fromkeys(absent))[table.schema.names]
    return pa.Table.from_pandas(whole.reset_index(drop=True), schema=table.schema, preserve_index=False)

"""What became of records and texts on their way into the numbers, read from the lake. Of the de-identified prefixes only
counts are read, and of the log files only what the index noted of them.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping

import pandas as pd

from depsim_dagster.duckdb_sql import connect, read_parquet
from depsim_dagster.errors import DepsimError
from depsim_dagster.grading.schema import GRADED_LABELS, PRODUCTION_LABELS
from depsim_dagster.lake import GateMark
from depsim_dagster.privacy.erasure.records import receipts, sample_changes
from depsim_dagster.privacy.gates.aggregates import suppressed_counts
from depsim_dagster.privacy.gates.overrides import overrides_in_force
from depsim_dagster.registry.schema import POST_RELEASE_CALIBRATION
from depsim_dagster.report.report_content import DataQuality
from depsim_dagster.study import Study
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES, INGESTED_FILES, REJECTED_RECORDS

COUNTED = (
    "user_id",
    "prefix_source",
    "identifiers_replaced",
    "identifiers_by_type",
    "residual_identifiers",
    "attachments_dropped",
)
CANARIES = "canaries"


def quality_content(study: Study, forecasts: pd.DataFrame) -> DataQuality:
    """Everything known so far. `forecasts` are the rows of registered_forecasts."""
    files, rejected = records_of_logs(study)
    by_week, by_type = replaced(_weeks_of_prefixes(study), study.config.privacy.k_anonymity)
    return DataQuality(
        outcomes=_label_statuses(study),
        files=files,
        rejected=rejected,
        replaced=by_week,
        details=by_type,
        canaries=canary_recall(marks for _, marks in gate_marks(study)),
        overrides=pd.DataFrame(overrides_in_force(study.lake)),
        erasures=receipts(study.lake).to_pandas(),
        sample_changes=changed_samples(
            sample_changes(study.lake).to_pandas(),
            forecasts,
            _scored_at(study),
            {candidate.model: _weeks(study, candidate.model) for candidate in study.config.candidates},
        ),
    )


def gate_marks(study: Study) -> list[tuple[str, tuple[GateMark, ...]]]:
    """(week, marks) of every week that came through the gates, those too whose text is purged since."""
    lake = study.lake
    through = [*lake.published(DEIDENTIFIED_PREFIXES), *lake.all_purged(DEIDENTIFIED_PREFIXES)]
    return sorted(((each.partition["week"], each.marks) for each in through), key=lambda each: each[0])


def canary_recall(marks: Iterable[Iterable[GateMark]]) -> pd.DataFrame | None:
    """type, planted, found, recall, weeks: planted details over all weeks, by type; None where none was planted."""
    planted: dict[str, list[tuple[int, ...]]] = {}
    for of_week in marks:
        for mark in of_week:
            if mark.suite == CANARIES:
                for kind, counts in mark.measures.items():
                    planted.setdefault(kind, []).append(counts)
    rows = [
        {
            "type": kind,
            "planted": sum(count for count, *_ in weeks),
            "found": sum(found for _, found, *_ in weeks),
            "weeks": len(weeks),
        }
        for kind, weeks in sorted(planted.items())
        if sum(count for count, *_ in weeks)
    ]
    if not rows:
        return None
    frame = pd.DataFrame(rows)
    return frame.assign(recall=frame["found"] / frame["planted"])[
        ["type", "planted", "found", "recall", "weeks"]
    ]


def changed_samples(
    changes: pd.DataFrame,
    forecasts: pd.DataFrame,
    scored_at: Mapping[str, dt.datetime],
    observed_weeks: Mapping[str, Collection[str]],
) -> pd.DataFrame:
    """candidate, part, weeks, turns_removed, changed_at: which part of which candidate's verdict lost turns after it was
    made, so that its numbers cannot be made again from what is left.

    `changes` are rows of sample_changes, `forecasts` of registered_forecasts; `scored_at` says when a candidate was
    scored and `observed_weeks` on which weeks.
    """
    rows = []
    for _, forecast in ({row["model"]: row for row in forecasts.to_dict("records")}).items():
        model, predecessor, weeks = forecast["model"], forecast["deployment"], set(forecast["forecast_weeks"])
        scored = scored_at.get(model)
        parts = [
            ("forecast (X→Y)", "simulated", model, weeks, forecast["sealed_at"]),
            ("predecessor (Y→Y)", "simulated", predecessor, weeks, forecast["sealed_at"]),
            ("outcome", "production", model, set(observed_weeks.get(model, ())), scored),
            ("previous production", "production", predecessor, weeks, scored),
        ]
        for part, source, writer, in_weeks, made_at in parts:
            if made_at is None or not len(changes):
                continue
            lost = changes[
                changes["source"].eq(source)
                & changes["model"].eq(writer)
                & changes["week"].isin(in_weeks)
                & (changes["changed_at"] > pd.Timestamp(made_at))
            ]
            if len(lost):
                rows.append(
                    {
                        "candidate": model,
                        "part": part,
                        "weeks": sorted(set(lost["week"])),
                        "turns_removed": int(lost["turns_removed"].sum()),
                        "changed_at": lost["changed_at"].max(),
                    }
                )
    return pd.DataFrame(rows, columns=["candidate", "part", "weeks", "turns_removed", "changed_at"])


def records_of_logs(study: Study) -> tuple[pd.DataFrame | None, pd.DataFrame | None]:
    """Counts of the log files by format, and of their rejected records by reason. The names of files, which may hold
    anything, stay in the lake. A file that was changed is there under both contents: the one read last counts.
    """
    ingested, rejected = study.lake.files(INGESTED_FILES), study.lake.files(REJECTED_RECORDS)
    if not ingested:
        return None, None
    connection = connect()
    connection.execute(f"""
        create temp table ingested as select * from {read_parquet(ingested)}
        qualify row_number() over (partition by name, format order by indexed_at desc) = 1
    """)
    files = connection.execute("""
        select format, count(*) as files, sum(records)::bigint as records, sum(rejected)::bigint as rejected,
               sum(conversations)::bigint as conversations, sum(user_turns)::bigint as user_turns,
               sum(malformed_turns)::bigint as malformed_turns
        from ingested group by format order by format
    """).df()
    if not rejected:
        return files, pd.DataFrame(columns=["reason", "field", "records", "files"])
    reasons = connection.execute(f"""
        select reason, field, count(*) as records, count(distinct file) as files
        from {read_parquet(rejected)} semi join ingested using (file)
        group by all order by records desc, reason, field
    """).df()
    return files, reasons


def _weeks_of_prefixes(study: Study) -> Iterator[pd.DataFrame]:
    """COUNTED and week of every published week: counts, and whose they are, to count the users behind them."""
    for manifest in study.lake.published(DEIDENTIFIED_PREFIXES):
        try:
            rows = study.lake.read(DEIDENTIFIED_PREFIXES, manifest.partition, columns=list(COUNTED))
        except DepsimError:  # refused since; the section on the gates shows it
            continue
        yield rows.to_pandas().assign(week=manifest.partition["week"])


def replaced(weeks: Iterable[pd.DataFrame], k: int) -> tuple[pd.DataFrame | None, pd.DataFrame | None]:
    """What was replaced, by week and prefix source, and by type of detail; None of a study without prefixes.

    `weeks` have COUNTED and week, one frame a week, of which one is held at a time. Numbers that rest on fewer than `k`
    users are missing (privacy/gates/aggregates.py).
    """
    by_week, counts, users = [], Counter[str](), dict[str, set[str]]()
    for rows in weeks:
        by_week.append(_counted(rows, k))
        for user, by_type in zip(rows["user_id"], rows["identifiers_by_type"], strict=True):
            for kind, count in by_type:
                counts[kind] += count
                known = users.setdefault(kind, set())
                if len(known) < k:  # more than that is not asked
                    known.add(user)
    if not by_week:
        return None, None
    types = pd.DataFrame(
        [(kind, counts[kind], len(users[kind])) for kind in sorted(counts)],
        columns=["type", "details_replaced", "users"],
    )
    # The table by week gives the total, so that one missing count alone could be worked out.
    by_type = suppressed_counts(types, k, count="details_replaced")
    return pd.concat(by_week, ignore_index=True), by_type.drop(columns="users")


def _counted(rows: pd.DataFrame, k: int) -> pd.DataFrame:
    """One row per week and prefix source. Each number rests on the users whose turns make it up, so on fewer than all."""
    keys = ["week", "prefix_source"]
    numbers = {
        "turns": pd.Series(1, index=rows.index),
        "turns_with_details": (rows["identifiers_replaced"] > 0).astype(int),
        "details_replaced": rows["identifiers_replaced"],
        "residual_details": rows["residual_identifiers"],
        "attachments_dropped": rows["attachments_dropped"],
    }
    found = []
    for name, values in numbers.items():
        counted = rows[[*keys, "user_id"]].assign(count=values)
        behind = counted[counted["count"] > 0].groupby(keys)["user_id"].nunique()
        total = (
            counted.groupby(keys)["count"].sum().to_frame().join(behind.rename("users")).fillna({"users": 0})
        )
        found.append(
            suppressed_counts(total, k, count="count", within=keys)[["count", "suppressed"]].add_prefix(
                f"{name} "
            )
        )
    table = pd.concat(found, axis=1)
    shown = pd.DataFrame({name: table[f"{name} count"] for name in numbers})
    hidden = pd.concat([table[f"{name} suppressed"] for name in numbers], axis=1)
    return shown.assign(suppressed=hidden.any(axis=1)).reset_index()


def _label_statuses(study: Study) -> pd.DataFrame:
    files = [file for table in (GRADED_LABELS, PRODUCTION_LABELS) for file in study.lake.files(table)]
    if not files:
        return pd.DataFrame()
    # In DuckDB: label tables grow with turns × categories.
    query = f"""
        select prefix_source, source, status, count(*) as labels
        from {read_parquet(files)} group by prefix_source, source, status
        order by prefix_source <> 'deployment_traffic', prefix_source, source, status
    """
    return connect().execute(query).df()


def _scored_at(study: Study) -> dict[str, dt.datetime]:
    return {
        manifest.partition["model"]: dt.datetime.fromisoformat(manifest.published_at)
        for manifest in study.lake.published(POST_RELEASE_CALIBRATION)
    }


def _weeks(study: Study, model: str) -> list[str]:
    return [str(week) for week in study.config.observation_weeks(model)]

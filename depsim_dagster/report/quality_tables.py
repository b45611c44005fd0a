"""The tables of the report's sections on traffic, gates and data quality. Not here: reading them (quality_content)."""

from __future__ import annotations

import pandas as pd

from depsim_dagster.report.plain_rows import Row, records
from depsim_dagster.report.plain_tables import plain_table
from depsim_dagster.report.report_content import DataQuality
from depsim_dagster.report.value_text import ABSENT, WITHHELD, count_text
from depsim_dagster.traffic.prefix_sources import DEPLOYMENT_TRAFFIC, PREFIX_SOURCES

SOURCE_TITLES = {
    DEPLOYMENT_TRAFFIC: "Deployment traffic",
    "challenging_prompts": "Challenging prompts",
    "external_corpus": "External corpus",
    "evaluation_prompts": "Evaluation prompts",
}
DUPLICATE_RULES = ("duplicate_conversation", "exported_twice", "repeated_prompt", "near_duplicate")
# Weeks side by side on a portrait page.
WEEKS_ACROSS = 7


def source_title(source: object) -> str:
    return SOURCE_TITLES.get(str(source), str(source))


def funnels(frame: pd.DataFrame) -> list[Row]:
    """Per prefix source the turns that each rule took (the last rows: what is left), with the share of all, and a table
    of each week's. A table without prefix_source is of the deployments' traffic.
    """
    by_source: dict[str, list[Row]] = {}
    for row in records(frame):
        by_source.setdefault(str(row.get("prefix_source") or DEPLOYMENT_TRAFFIC), []).append(row)
    known = [source for source in PREFIX_SOURCES if source in by_source]
    return [
        {"title": source_title(source), **_funnel(source_title(source), by_source[source])}
        for source in [*known, *(source for source in by_source if source not in known)]
    ]


def _funnel(title: str, rows: list[Row]) -> Row:
    weeks = sorted({str(row["week"]) for row in rows})
    cells: dict[str, dict[str, list[Row]]] = {}
    for row in rows:
        cells.setdefault(str(row["rule"]), {}).setdefault(str(row["week"]), []).append(row)
    rules = _order(rows)
    shown = {rule: [row for week in cells[rule].values() for row in week] for rule in rules}
    totals = {rule: sum(row.get("turns") or 0 for row in shown[rule]) for rule in rules}
    every = sum(totals.values())
    return {
        "rules": [
            {
                "rule": rule,
                "total": _total_text(shown[rule]),
                "share": totals[rule] / every if every and totals[rule] else None,
            }
            for rule in rules
        ],
        "by_week": [
            {
                "title": f"{title}: user turns excluded by each rule, and what is left, by week",
                "note": "",
                "empty": "",
                "columns": [("Rule", False), *((week, True) for week in some)],
                "rows": [
                    [rule, *(_total_text(cells[rule].get(week, [])) for week in some)] for rule in rules
                ],
            }
            for some in (weeks[at : at + WEEKS_ACROSS] for at in range(0, len(weeks), WEEKS_ACROSS))
        ]
        if len(weeks) > 1
        else [],
        "withheld": any(row.get("suppressed") for row in rows),
    }


def _order(rows: list[Row]) -> list[str]:
    """The rules of all weeks in their order. A week counts its own rules only, and one that took nothing is left out of
    it, so a rule that is new in a week goes behind the one that stands before it there.
    """
    steps = sorted(
        enumerate(rows), key=lambda step: (str(step[1]["week"]), step[1].get("order") or 0, step[0])
    )
    merged: list[str] = []
    before = week = None
    for _, row in steps:
        if row["week"] != week:
            before, week = None, row["week"]
        rule = str(row["rule"])
        if rule not in merged:
            merged.insert(merged.index(before) + 1 if before else 0, rule)
        before = rule
    return merged


def _total_text(rows: list[Row]) -> str:
    """The turns of these rows together; of withheld ones it is only said that there are some."""
    if not rows:
        return ABSENT
    total, withheld = sum(row.get("turns") or 0 for row in rows), any(row.get("suppressed") for row in rows)
    if not withheld:
        return count_text(total)
    return f"{count_text(total)} + {WITHHELD}" if total else WITHHELD


def override_table(quality: DataQuality) -> Row | None:
    """Expectations that were let pass, by whom and why."""
    if quality.overrides is None:
        return None
    rows = [
        {
            "week": row["week"],
            "failed expectation": f"{row['suite']}: {row['expectation']}({row['column'] or ''})",
            "rows": row["unexpected_rows"],
            "approved by": row["approved_by"],
            "reason": row["reason"],
        }
        for row in records(quality.overrides)
    ]
    return plain_table(
        "Overrides: failed expectations that were let pass", pd.DataFrame(rows), "No gate was overridden."
    )


def quality_tables(quality: DataQuality, funnel: pd.DataFrame) -> list[Row]:
    """Every table of the section on data quality that is known, in the order of the data's way."""
    tables = []
    if quality.files is not None:
        tables.append(plain_table("Log files", quality.files, "No log file was read."))
    for title, frame, empty in (
        ("Records that were rejected, by reason", quality.rejected, "No record was rejected."),
        ("Duplicates that were removed", _duplicates(funnel), "No duplicate was removed."),
        ("Personal details replaced, by type", quality.details, "No personal detail was found."),
        ("Personal details replaced, by week", quality.replaced, "No prefix is published."),
        ("Planted personal details (canaries), all weeks together", quality.canaries, "None was planted."),
        ("Outcomes by status", _outcomes(quality), ""),
        (
            "Samples that lost turns to an erasure after the number was made",
            quality.sample_changes,
            "No sample has changed since.",
        ),
        ("Erasures and ended retention", _erasures(quality.erasures), "Nothing was erased or purged."),
    ):
        if frame is not None:
            tables.append(plain_table(title, frame, empty))
    return tables


def changes_text(quality: DataQuality) -> dict[str, list[str]]:
    """By candidate, what is to be said beside its verdict of turns that were erased since."""
    found: dict[str, list[str]] = {}
    for row in [] if quality.sample_changes is None else records(quality.sample_changes):
        weeks = row["weeks"] if isinstance(row["weeks"], list) else [row["weeks"]]
        found.setdefault(str(row["candidate"]), []).append(
            f"{row['part']}: {count_text(row['turns_removed'])} turn(s) of {', '.join(map(str, weeks))} were erased on "
            f"{str(row['changed_at'])[:10]}, after this was made; the numbers are those of the whole sample"
        )
    return found


def _duplicates(funnel: pd.DataFrame) -> pd.DataFrame | None:
    if not len(funnel):
        return None
    found: dict[tuple[str, str], list[Row]] = {}
    for row in records(funnel):
        if row["rule"] in DUPLICATE_RULES and (row.get("turns") or row.get("suppressed")):
            source = source_title(row.get("prefix_source") or DEPLOYMENT_TRAFFIC)
            found.setdefault((source, str(row["rule"])), []).append(row)
    return pd.DataFrame(
        [
            {"prefix source": source, "rule": rule, "turns": _total_text(rows)}
            for (source, rule), rows in found.items()
        ]
    )


def _outcomes(quality: DataQuality) -> pd.DataFrame | None:
    outcomes = quality.outcomes
    if not isinstance(outcomes, pd.DataFrame):
        outcomes = pd.DataFrame({"status": list(outcomes), "outcomes": list(outcomes.values())})
    return outcomes if len(outcomes) else None


def _erasures(receipts: pd.DataFrame | None) -> pd.DataFrame | None:
    """One row per receipt, its tables together."""
    if receipts is None or not len(receipts):
        return receipts
    keys = [c for c in ("completed_at", "reason", "users", "receipt_id") if c in receipts]
    numbers = [c for c in ("partitions", "partitions_removed", "rows_removed") if c in receipts]
    together = receipts.groupby(keys, as_index=False, dropna=False)[numbers].sum()
    return together.assign(completed_at=together["completed_at"].astype(str).str[:16])

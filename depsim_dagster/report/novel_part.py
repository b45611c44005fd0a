"""What the audit found that the taxonomy does not name, before and after the release, as tables for reading (rows of
`novel_behaviours`, `behaviour_differences`, `category_ablation`, `post_release_behaviours`, `behaviour_decisions`).
Behaviours are named by their id and by words of the dictionary: what the auditor wrote stays in the lake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from depsim_dagster.report.novel_coverage import (
    counted,
    detectable_notes,
    left_out_notes,
    recall_notes,
    recall_table,
)
from depsim_dagster.report.plain_rows import Row
from depsim_dagster.report.plain_tables import Part
from depsim_dagster.report.value_text import (
    ABSENT,
    below_rate_text,
    count_text,
    number_text,
    probability_text,
    rate_cell,
    ratio_text,
)

TITLE = "Novel behaviours"
OFF_TEXT = (
    "The study file has no `audit` section, so nobody looked for behaviours that the taxonomy does not name."
)
ABSENT_TEXT = (
    "Absent: the audit has no row of it, so nothing is known of behaviours that the taxonomy does not name."
)
NOTHING_TEXT = (
    "no behaviour that the taxonomy does not name was described by enough users’ conversations to be shown."
)
# Rows of a table on the page, and of differences that are none, for comparison. The JSON has all.
MOST = 20
FOR_COMPARISON = 5
# Behaviours that a warning names.
NAMED = 3


@dataclass(frozen=True)
class Audit:
    """The rows of one candidate, and the decisions that hold for any id."""

    behaviours: Sequence[Row] = ()
    differences: Sequence[Row] = ()
    ablation: Sequence[Row] = ()
    after_release: Sequence[Row] = ()
    decisions: Mapping[str, Row] | None = None

    def decision(self, id: object) -> str:
        """What people decided of a behaviour or difference, in words."""
        held = (self.decisions or {}).get(str(id))
        if held is None:
            return "open"
        decision, category = str(held["decision"]), held.get("category")
        into = {"accepted": "accepted as", "merged": "merged into"}.get(decision)
        return f"{into} {category}" if into and category else decision


def novel_part(audit: Audit, configured: bool | None = None) -> Part:
    """Ranked behaviours, differences, what could have been found, the auditor's recall, and what came up after the release.
    `configured`: whether the study file has the section, None where that is not known."""
    if not any((audit.behaviours, audit.differences, audit.ablation, audit.after_release)):
        return Part(TITLE, absent=OFF_TEXT if configured is False else ABSENT_TEXT)
    # A row without a behaviour says of an audit that shows none how much it read.
    shown = [row for row in audit.behaviours if row.get("behaviour")]
    tables = [_behaviours(shown, audit), _differences(audit), recall_table(audit.ablation)]
    if audit.after_release:
        tables.append(_after_release(audit))
    adjusted = "p-values are adjusted for how many behaviours, or features, were compared."
    notes = [
        *(detectable_notes(audit.behaviours) if shown else ()),  # else said in the place of the table
        *left_out_notes(audit.behaviours),
        *recall_notes(audit.ablation),
        adjusted,
    ]
    longer = [
        len(rows) - len(table["rows"]) for rows, table in ((shown, tables[0]), (audit.differences, tables[1]))
    ]
    for left, what in zip(longer, ("behaviours", "compared features"), strict=True):
        if left:
            notes.append(f"{left:,} more {what} are in the JSON file.")
    return Part(TITLE, tables=tables, notes=notes, warnings=_warnings(shown, audit))


def _behaviours(rows: Sequence[Row], audit: Audit) -> Row:
    ordered = sorted(rows, key=lambda row: (row.get("rank") is None, row.get("rank") or 0))
    deployment = str(audit.behaviours[0].get("deployment") or "the predecessor") if audit.behaviours else ""
    return {
        "title": "Described by the auditor before the release",
        "note": f"per 100,000 completions, beside {deployment} on the same prefixes" if deployment else "",
        "empty": " ".join([NOTHING_TEXT, *detectable_notes(audit.behaviours)])
        if audit.behaviours
        else "the auditor’s findings are not there yet, or none is of enough users and conversations to be shown.",
        "fit": True,
        "tail": True,
        "columns": [
            ("Behaviour, in words that its descriptions share", False),
            ("Id", False),
            ("Conversations (users)", True),
            ("Candidate", False),
            ("Predecessor", False),
            ("Ratio", False),
            ("Rose (p)", False),
            ("Severity", True),
            ("Decision", False),
        ],
        "rows": [
            [
                f"{count_text(row.get('rank'))}. {_words(row.get('terms'))}",
                str(row["behaviour"]),
                _sizes(row),
                below_rate_text(*(row.get(f"candidate{part}_per_100k") for part in ("", "_lower", "_upper"))),
                _predecessor(row),
                ratio_text(row.get("ratio"), row.get("ratio_lower"), row.get("ratio_upper")),
                _found("▲ yes", row.get("novel"), row),
                _severity(row),
                audit.decision(row["behaviour"]),
            ]
            for row in ordered[:MOST]
        ],
    }


def _found(text: str, found: object, row: Row) -> str:
    """Whether a difference counts as found, with the p-value that says so."""
    return f"{text if found else 'no'} ({probability_text(row.get('p_adjusted'))})"


def _predecessor(row: Row) -> str:
    seen = {
        "old_k": row.get("predecessor_findings"),
        "old_n": row.get("predecessor_n"),
        "old_per_100k": row.get("predecessor_per_100k"),
    }
    return rate_cell(seen, "old")["text"]


def _words(terms: object) -> str:
    return ", ".join(str(term) for term in terms) if isinstance(terms, list) and terms else ABSENT


def _sizes(row: Row) -> str:
    return f"{count_text(row.get('conversations'))} ({count_text(row.get('users'))})"


def _severity(row: Row) -> str:
    """The median, and the highest where it is another."""
    median, highest = count_text(row.get("severity_median")), count_text(row.get("severity_max"))
    return median if median == highest else f"{median}, up to {highest}"


def _differences(audit: Audit) -> Row:
    ordered = sorted(audit.differences, key=lambda row: (row.get("rank") is None, row.get("rank") or 0))
    found = [row for row in ordered if row.get("discovered")]
    # Beside none that differs, those that do not would only look like findings.
    others = [row for row in ordered if not row.get("discovered")][:FOR_COMPARISON] if found else []
    sizes = [row["n"] for row in ordered if row.get("n")]
    note, empty = (
        "",
        "no feature of the completions was compared, or none is of enough users and conversations.",
    )
    if sizes:
        over = f"over up to {max(sizes):,} pairs on the same prefixes"
        if ordered[0].get("flagged_left_out"):
            over += f"; {ordered[0]['flagged_left_out']:,} pairs that the taxonomy flags are left out"
        # The table keeps of what does not differ the nearest only: its length is not how many were compared.
        note = f"features that differ beyond chance: {len(found):,}, {over}"
        empty = f"none of the features that were compared differs beyond chance, {over}."
    return {
        "title": "Differences of the completions, found without a model call",
        "note": note,
        "empty": empty,
        "fit": True,
        "tail": True,
        "columns": [
            ("What differs", False),
            ("Id", False),
            ("Conversations", True),
            ("Candidate", True),
            ("Predecessor", True),
            ("Difference, points", False),
            ("Found (p)", False),
            ("Decision", False),
        ],
        "rows": [
            [
                f"{count_text(row.get('rank'))}. {_difference(row)}",
                str(row["feature"]),
                count_text(row.get("conversations")),
                _percent(row.get("candidate_share")),
                _percent(row.get("predecessor_share")),
                _points(row),
                _found("▲ yes", row.get("discovered"), row),
                audit.decision(row["feature"]) if row.get("discovered") else ABSENT,
            ]
            for row in [*found, *others][:MOST]
        ],
    }


def _difference(row: Row) -> str:
    """The feature, and among which prefixes where these are not all."""
    segment, what = row.get("segment"), row.get("description") or row.get("kind") or ABSENT
    return f"{what} (among: {segment})" if segment and segment not in ("all", "all prefixes") else str(what)


def _percent(share: float | None) -> str:
    return ABSENT if share is None else f"{number_text(100 * share)} %"


def _points(row: Row) -> str:
    """The difference of the two shares in points of a hundred, with its interval."""
    limits = [row.get(f"difference{part}") for part in ("", "_lower", "_upper")]
    if limits[0] is None:
        return ABSENT
    value, *ends = (None if limit is None else f"{100 * limit:+.2f}" for limit in limits)
    return f"{value} ({ends[0]} to {ends[1]})" if None not in ends else str(value)


def _after_release(audit: Audit) -> Row:
    ordered = sorted(
        (row for row in audit.after_release if row.get("behaviour")),
        key=lambda row: (
            not row.get("missed"),
            not row.get("novel"),
            -(row.get("rate_per_100k") or 0.0),
            str(row["behaviour"]),
        ),
    )
    return {
        "title": "Described by the auditor in production after the release, missed ones first",
        "note": "rates per 100,000 responses; rose: over the predecessor’s production before the release, so that a change of the "
        "traffic counts too" + _could_be_found(audit.behaviours),
        "empty": NOTHING_TEXT,
        "fit": True,
        "columns": [
            ("Behaviour, in words that its descriptions share", False),
            ("Id", False),
            ("Conversations (users)", True),
            ("Rate", False),
            ("Severity", True),
            ("Rose in production", False),
            ("Found before the release", False),
        ],
        "rows": [
            [
                _words(row.get("terms")),
                str(row["behaviour"]),
                _sizes(row),
                below_rate_text(*(row.get(f"{part}_per_100k") for part in ("rate", "lower", "upper"))),
                _severity(row),
                "▲ rose" if row.get("novel") else "no",
                "✗ missed" if row.get("missed") else str(row.get("found_before") or "no"),
            ]
            for row in ordered[:MOST]
        ],
    }


def _could_be_found(behaviours: Sequence[Row]) -> str:
    """What a missed behaviour is held against: one too rare for the audit before the release was no oversight of it."""
    if not behaviours:
        return "; before the release there was no audit"
    rate = behaviours[0].get("detectable_per_100k")
    size = "none of any rate" if rate is None else f"one of at least {number_text(rate)}"
    return f"; the audit before the release was large enough to find {size}"


def _warnings(shown: Sequence[Row], audit: Audit) -> list[str]:
    """The first-ranked findings that nobody has decided on yet, and what the frozen taxonomy missed."""
    warnings = []
    novel = [row for row in shown if row.get("novel") and audit.decision(row["behaviour"]) == "open"]
    if novel:
        named = [
            f"{row['behaviour']} ({_words(row.get('terms'))}; {number_text(row.get('candidate_per_100k'))} per 100,000, "
            f"predecessor {_predecessor(row)}; severity up to {count_text(row.get('severity_max'))})"
            for row in sorted(novel, key=lambda row: row.get("rank") or 0)[:NAMED]
        ]
        warnings.append(
            f"{counted(len(novel), 'novel behaviour')} not decided yet: {'; '.join(named)}{_more(novel)}"
        )
    differ = [
        row for row in audit.differences if row.get("discovered") and audit.decision(row["feature"]) == "open"
    ]
    if differ:
        first = min(differ, key=lambda row: row.get("rank") or 0)
        warnings.append(
            f"{counted(len(differ), 'difference')} of the completions not decided yet, first {first['feature']} "
            f"({_difference(first)}: {_percent(first.get('candidate_share'))}, predecessor "
            f"{_percent(first.get('predecessor_share'))})"
        )
    missed = [row for row in audit.after_release if row.get("missed")]
    if missed:
        named = [f"{row['behaviour']} ({_words(row.get('terms'))})" for row in missed[:NAMED]]
        warnings.append(
            f"{counted(len(missed), 'behaviour')} in production that the audit before the release had not found: "
            f"{'; '.join(named)}{_more(missed)}"
        )
    return warnings


def _more(rows: Sequence[Row]) -> str:
    return f"; {len(rows) - NAMED} more below" if len(rows) > NAMED else ""

"""What an audit of this size could have found, and how much of what is known it does find: the detectable rate, the auditor's
recall, and what was left out. Not here: what it found (novel_part)."""

from __future__ import annotations

from collections.abc import Sequence

from depsim_dagster.report.plain_rows import Row
from depsim_dagster.report.value_text import count_text, number_text


def recall_table(rows: Sequence[Row]) -> Row:
    """Rows of category_ablation, least recall first."""
    ordered = sorted(
        rows, key=lambda row: (row.get("recall") is None, row.get("recall") or 0.0, str(row["category"]))
    )
    return {
        "title": "What the auditor finds of known categories when it is not told of them, least found first",
        "note": "",
        "empty": "the auditor was not tried on known categories, so its recall is not known.",
        "fit": True,
        "columns": [
            ("Category", False),
            ("Flagged turns", True),
            ("Read", True),
            ("Any finding", True),
            ("Describes it", True),
            ("Recall", False),
            ("Unflagged turns with a finding", True),
        ],
        "rows": [
            [
                str(row["category"]),
                count_text(row.get("flagged")),
                count_text(row.get("answered")),
                count_text(row.get("found")),
                count_text(row.get("matched")),
                _recall_text(row),
                f"{count_text(row.get('controls_found'))} of {count_text(row.get('controls'))}",
            ]
            for row in ordered
        ],
    }


def _recall_text(row: Row) -> str:
    if row.get("recall") is None:
        return "no case was read"
    ends = [row.get(f"recall_{end}") for end in ("lower", "upper")]
    interval = f" ({100 * ends[0]:.0f}–{100 * ends[1]:.0f})" if None not in ends else ""
    return f"{100 * row['recall']:.0f} %{interval}"


def recall_notes(rows: Sequence[Row]) -> list[str]:
    """The recall over all categories."""
    answered, matched = (sum(row.get(name) or 0 for row in rows) for name in ("answered", "matched"))
    if not answered:
        return []
    return [
        f"Recall of the auditor: told nothing of a category, it describes {matched:,} of {answered:,} of its flagged cases "
        f"({100 * matched / answered:.0f} %). A finding on a turn that nothing flags may be a false one, or a behaviour that "
        "the taxonomy lacks."
    ]


def detectable_notes(behaviours: Sequence[Row]) -> list[str]:
    """What an audit of this size would have found, beside what it did find."""
    if not behaviours:
        return []
    row = behaviours[0]
    rate, with_recall = row.get("detectable_per_100k"), row.get("detectable_with_recall_per_100k")
    read = f"{row['audited']:,} completions were audited. " if row.get("audited") else ""
    if rate is None:
        return [
            f"{read}They are too few users’ to say of any rate that an unknown behaviour of it would have been found."
        ]
    text = (
        f"{read}An unknown behaviour of at least {number_text(rate)} in 100,000 completions (1 in {1e5 / rate:,.0f}) would have "
        "been shown in the table, whether or not it rose, with 95 % confidence (familywise, unless the study sets another level; "
        "turns of one user count once). That is so if the auditor describes every case of it in like words, and if it is no "
        "matter of a few users"
    )
    if with_recall:
        text += (
            "; if the auditor overlooks as many as of known categories (by the lower limit of its recall), one of at least "
            f"{number_text(with_recall)}"
        )
    return [f"{text}. A rarer one may be there unseen."]


def left_out_notes(behaviours: Sequence[Row]) -> list[str]:
    """How much of the audit may not be shown."""
    row = behaviours[0] if behaviours else {}
    groups, findings = (row.get(f"left_out_{what}") or 0 for what in ("clusters", "findings"))
    said = []
    if groups:
        said.append(f"{counted(groups, 'group')} of findings, of too few users or conversations each")
    if findings:
        said.append(
            f"{counted(findings, 'finding')} of the candidate in no behaviour of the table (in a group that is too small, or in "
            "none)"
        )
    return [f"Not shown: {'; '.join(said)}."] if said else []


def counted(count: int, what: str) -> str:
    """1 group, 2 groups."""
    return f"{count:,} {what}{'s' * (count != 1)}"

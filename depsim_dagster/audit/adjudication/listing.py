"""What the audit found as tables and lines for a terminal of a hundred columns. Texts of models are escaped by the caller,
line by line."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from depsim_dagster.audit.adjudication.behaviours import AFTER, BEFORE, DIFFERENCE, Behaviour, Found
from depsim_dagster.audit.adjudication.decisions import SAID, Decision
from depsim_dagster.audit.adjudication.members import Member
from depsim_dagster.audit.mining.segments import OVERALL
from depsim_dagster.report.plain_rows import plain, visible

if TYPE_CHECKING:
    from rich.table import Table

PER = 100_000
TITLES = {
    BEFORE: "described by the auditor, before its release",
    AFTER: "described by the auditor in production, after its release",
    DIFFERENCE: "differences to its predecessor, mined without a model",
}
WIDTH = 98
LONGEST = 4_000  # characters of one text; what a model was talked into repeating does not fill the screen


def tables(found: Found, decisions: Mapping[str, Decision], top: int) -> Iterator[Table]:
    """One table for each candidate and kind."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    groups: dict[tuple[str, str], list[Behaviour]] = {}
    for behaviour in found.behaviours:
        groups.setdefault((behaviour.model, behaviour.kind), []).append(behaviour)
    for (model, kind), behaviours in groups.items():
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
        table.title, table.title_justify = Text(f"{model}: {TITLES[kind]}"), "left"
        table.add_column("", justify="right", no_wrap=True)
        table.add_column("id", no_wrap=True)
        table.add_column("what" if kind == DIFFERENCE else "terms", overflow="fold", min_width=16)
        for name in ("conv.", "users", "per 100k", "before", "p adj."):
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("rose" if kind != AFTER else "new", no_wrap=True)
        table.add_column("decision", overflow="fold", min_width=10)
        for behaviour in behaviours[:top]:
            numbers = _numbers(behaviour)
            cells = [
                str(behaviour.rank),
                behaviour.id,
                _what(behaviour),
                f"{behaviour.row['conversations']:,}",
                _count(numbers["users"]),
                _rate(numbers["per_100k"]),
                _rate(numbers["before_per_100k"]),
                _p(behaviour.row.get("p_adjusted")),
                "yes" if behaviour.found else "no",
                decision_text(decisions.get(behaviour.id)),
            ]
            table.add_row(*map(Text, cells), style="" if behaviour.found else "dim")
        if len(behaviours) > top:
            table.caption = Text(f"and {len(behaviours) - top:,} more: --top {len(behaviours)}")
            table.caption_justify = "left"
        yield table


def listed(found: Found, decisions: Mapping[str, Decision]) -> list[dict[str, Any]]:
    """The same for a program: every row of the tables, with the decision on it."""
    return [
        {
            "id": behaviour.id,
            "kind": behaviour.kind,
            "found": behaviour.found,
            **{key: plain(value) for key, value in behaviour.row.items()},
            "decision": decision_text(decisions.get(behaviour.id)) or None,
        }
        for behaviour in found.behaviours
    ]


def number_lines(behaviour: Behaviour) -> Iterator[str]:
    """What is known of a behaviour, without a text."""
    yield f"{behaviour.id}  {behaviour.model}: {TITLES[behaviour.kind]}"
    yield f"{'what' if behaviour.kind == DIFFERENCE else 'terms'}: {', '.join(behaviour.signs) or 'none that enough descriptions share'}"
    for key, value in behaviour.row.items():
        shown = plain(value)
        if shown is not None and key not in ("model", "behaviour", "feature", "terms", "description"):
            yield f"{key}: {_figure(shown) if isinstance(shown, float) else shown}"


def member_lines(number: int, member: Member, candidate: str) -> Iterator[str]:
    """One finding with its text, in lines."""
    whose = "the candidate" if member.author == candidate else "its predecessor"
    central = ", nearest to the centre" if member.central else ""
    severity = "unknown" if member.severity is None else str(member.severity)
    yield f"{number}. {member.author} ({whose}), week {member.week}, severity {severity}{central}"
    for name in ("description", "evidence", "justification"):
        text = " ".join(getattr(member, name).split())
        if len(text) > LONGEST:
            text = text[:LONGEST] + f" … ({len(text) - LONGEST:,} further characters)"
        yield from textwrap.wrap(
            f"{name}: {text}", WIDTH, initial_indent="   ", subsequent_indent="     ", break_on_hyphens=False
        )


def decision_text(decision: Decision | None) -> str:
    """A decision in a few words."""
    if decision is None:
        return ""
    if decision.draft is not None:
        return f"accepted as {decision.draft.category}"
    return SAID[decision.decision] + (f" into {decision.into}" if decision.into is not None else "")


def could_find(read: int, rate: float | None, level: float) -> str:
    """What an audit that read so many completions would have found at least, in words. rate: per 100k."""
    said = f"{read:,} completions audited; "
    if rate is None:
        return f"{said}too few users' to say what would have been found"
    return f"{said}an unknown behaviour below {rate:,.0f} per 100k may be there unseen ({100 * level:.4g} % familywise)"


def _numbers(behaviour: Behaviour) -> dict[str, float | None]:
    row = behaviour.row
    if behaviour.kind == DIFFERENCE:
        shares = {"per_100k": row["candidate_share"], "before_per_100k": row["predecessor_share"]}
        scaled = {key: None if share is None else share * PER for key, share in shares.items()}
        return {"users": max(row["candidate_users"], row["predecessor_users"]), **scaled}
    if behaviour.kind == AFTER:
        before = PER * row["previous_findings"] / row["previous_n"] if row["previous_n"] else None
        return {"users": row["users"], "per_100k": row["rate_per_100k"], "before_per_100k": before}
    return {
        "users": row["users"],
        "per_100k": row["candidate_per_100k"],
        "before_per_100k": row["predecessor_per_100k"],
    }


def _figure(value: float) -> str:
    return f"{value:,.1f}" if abs(value) >= 1_000 else f"{value:.4g}"


def _what(behaviour: Behaviour) -> str:
    said = ", ".join(behaviour.signs) or "-"
    segment = behaviour.row.get("segment") or OVERALL
    return visible(said if segment == OVERALL else f"{said} ({segment})").replace("\n", " ")


def _count(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _p(value: float | None) -> str:
    return "-" if value is None else f"{value:.2g}"

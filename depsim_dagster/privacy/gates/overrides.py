"""Overrides: an expectation of a gate that may fail in one week, by a named person's decision and for a reason.

What may be overridden is a judgement of the privacy gates: a residual that is a false alarm, a recall that was looked
into. What may not is consent, which is not the study's to give, and whatever later steps compute with: lost, doubled or
foreign rows. The suites say which (`"override": "never"`), and a study file that asks for it is refused when it is
opened. A waived expectation stands in the mark, under the mark's signature, and from there in the report.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from depsim_dagster.config_sections import GateOverride
from depsim_dagster.errors import ConfigurationError
from depsim_dagster.gate_marks import Waiver
from depsim_dagster.lake import Lake
from depsim_dagster.privacy.gates.suites import read_suite, suite_versions
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES

if TYPE_CHECKING:
    from depsim_dagster.config import StudyConfig
    from depsim_dagster.privacy.gates.gate import Finding

NEVER = "never"


def check_overrides(config: StudyConfig) -> None:
    """Refuse overrides that name no expectation, or one that may not be overridden.

    Raises:
        ConfigurationError: naming every one of them.
    """
    problems = [
        f"privacy.overrides.{place}: {problem}"
        for place, override in enumerate(config.privacy.overrides)
        if (problem := _problem(override)) is not None
    ]
    if problems:
        raise ConfigurationError("\n".join(f"{config.file}: {problem}" for problem in problems))


def _problem(override: GateOverride) -> str | None:
    known = suite_versions()
    if override.suite not in known:
        return f"`suite` {override.suite} is not one of {', '.join(known)}"
    definition, _ = read_suite(override.suite)
    named = [
        expectation
        for expectation in definition["expectations"]
        if (expectation["type"], expectation["kwargs"].get("column", ""))
        == (override.expectation, override.column)
    ]
    if not named:
        return (
            f"the suite {override.suite} has no {override.expectation}({override.column}); name type and column as the "
            "gate's error does"
        )
    if NEVER in (
        definition["meta"].get("override"),
        *(each.get("meta", {}).get("override") for each in named),
    ):
        why = (
            "without consent this traffic may not be used, whoever approves"
            if override.suite == "consent"
            else "rows that are lost, doubled or foreign make every rate wrong"
        )
        return f"{override.suite}: {override.expectation}({override.column}) cannot be overridden: {why}"
    return None


def waiver(suite: str, finding: Finding, week: str, overrides: Iterable[GateOverride]) -> Waiver | None:
    """The override that lets a failed expectation of this week pass, as the mark records it, or None."""
    for override in overrides:
        if _names(override, suite, finding, week):
            return Waiver(
                finding.expectation,
                finding.column,
                finding.unexpected_rows,
                override.approved_by,
                override.reason,
            )
    return None


def idle_overrides(
    failed: Sequence[tuple[str, Finding]], week: str, overrides: Iterable[GateOverride]
) -> list[GateOverride]:
    """Overrides of this week for which nothing failed: they should be taken out of the study file."""
    return [
        override
        for override in overrides
        if str(override.week) == week
        and not any(_names(override, suite, finding, week) for suite, finding in failed)
    ]


def overrides_in_force(lake: Lake) -> list[dict[str, Any]]:
    """One row per waived expectation of a week that was published, its text purged since or not: week, suite,
    expectation, column, unexpected_rows, approved_by, reason, checked_at. For the report.
    """
    return [
        {
            "week": manifest.partition["week"],
            "suite": mark.suite,
            "expectation": waived.expectation,
            "column": waived.column,
            "unexpected_rows": waived.unexpected_rows,
            "approved_by": waived.approved_by,
            "reason": waived.reason,
            "checked_at": mark.checked_at,
        }
        for manifest in (*lake.published(DEIDENTIFIED_PREFIXES), *lake.all_purged(DEIDENTIFIED_PREFIXES))
        for mark in manifest.marks
        for waived in mark.waivers
    ]


def _names(override: GateOverride, suite: str, finding: Finding, week: str) -> bool:
    return (str(override.week), override.suite, override.expectation, override.column) == (
        week,
        suite,
        finding.expectation,
        finding.column,
    )

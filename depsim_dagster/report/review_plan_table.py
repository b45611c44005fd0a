"""The table that `depsim review plan` prints: labels to give for each rate, and the command that draws them."""

from __future__ import annotations

import shlex
from collections.abc import Collection
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from depsim_dagster.estimation.counts import PER
from depsim_dagster.estimation.grader_error.audit_plan import Plan
from depsim_dagster.grading.review.plan import Assumed, PlannedRate, ReviewPlan
from depsim_dagster.report.value_text import number_text


def plan_table(plan: ReviewPlan) -> Table:
    """One row per rate."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("category", overflow="fold")
    table.add_column("turns of", overflow="fold")
    for name in (
        "flagged",
        "label: flagged + known positives",
        "or: flagged + unflagged",
        "expected per 100k",
        "×",
    ):
        table.add_column(name, justify="right")
    for rate in plan.rates:
        table.add_row(*map(Text, _cells(rate)))
    return table


def plan_records(plan: ReviewPlan) -> list[dict[str, Any]]:
    """The plan as plain rows; rates per 100,000."""
    return [
        {
            "category": rate.category,
            "model": rate.population.model,
            "source": rate.population.source,
            "flagged": rate.flagged,
            "n": rate.n,
            "precision": rate.precision,
            "precision_measured": rate.measured,
            "sensitivity": rate.sensitivity,
            "known_positives_labelled": rate.known_positives,
            "width": plan.width,
            "with_known_positives": _record(rate.with_positives, "known_positives"),
            "with_unflagged": _record(rate.with_unflagged, "unflagged"),
        }
        for rate in plan.rates
    ]


def plan_notes(plan: ReviewPlan, study_file: Path, categories: Collection[str]) -> list[str]:
    """What the table reckons with, what it cannot reach, and the command that draws the sample."""
    notes = ["×: upper over lower limit of the corrected rate, at the counts that are expected."]
    assumed = Assumed()
    if any(rate.flagged and not rate.measured for rate in plan.rates):
        notes.append(
            f"Where nothing is labelled yet, people are taken to agree with {assumed.precision:.0%} of the flagged turns, and "
            f"the grader to flag {assumed.sensitivity:.0%} of the positives. Plan again when some are labelled."
        )
    short = [rate for rate in plan.rates if rate.chosen is not None and not rate.chosen.reached]
    if short:
        notes.append(
            f"* {len(short)} of {len(plan.rates)} rates cannot have an interval of {plan.width:g} × by any number of labels: "
            "too few turns are flagged. Grade more turns, or ask for a wider interval."
        )
    needs = {
        rate.category for rate in plan.rates if rate.chosen is not None and rate.chosen is rate.with_positives
    }
    without = sorted(needs - set(plan.challenging))
    if without:
        notes.append(
            f"Known positives of {', '.join(without)}: the study has no challenging prompts (traffic.challenging_prompts) to draw "
            "them from. Label turns that are known to show the behaviour, and import them by turn."
        )
    if plan.sizes:
        command = ["depsim", "review", "export", "review.csv", "--width", f"{plan.width:g}"]
        command += [word for name in categories for word in ("--category", name)]
        notes.append(f"Draw them: {shlex.join([*command, '-c', str(study_file)])}")
    return notes


def _cells(rate: PlannedRate) -> tuple[str, ...]:
    place = f"{rate.population.model}, {rate.population.source}"
    plan = rate.chosen
    if plan is None:
        return (rate.category, place, f"{rate.flagged:,}", "–", "–", "nothing is flagged", "–")
    shown = " – ".join(number_text(PER * limit) for limit in (plan.lower, plan.upper))
    return (
        rate.category,
        place,
        f"{rate.flagged:,}",
        *(_labels(part, part is plan) for part in (rate.with_positives, rate.with_unflagged)),
        shown,
        f"{plan.upper / plan.lower:.2f}{'' if plan.reached else ' *'}",
    )


def _labels(plan: Plan | None, chosen: bool) -> str:
    """The labels of a plan; one that is neither drawn nor reaches the width is not shown."""
    if plan is None or not (plan.reached or chosen):
        return "–"
    return f"{plan.flagged:,} + {plan.others:,}"


def _record(plan: Plan | None, others: str) -> dict[str, Any] | None:
    if plan is None:
        return None
    return {
        "flagged": plan.flagged,
        others: plan.others,
        "expected_per_100k": PER * plan.rate,
        "expected_lower_per_100k": PER * plan.lower,
        "expected_upper_per_100k": PER * plan.upper,
        "reached": plan.reached,
    }

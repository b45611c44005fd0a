"""A study's plan on a terminal: a table that fits a hundred columns, and what follows from it in a few lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from depsim_dagster.plan.calls import ABOUT, AT_MOST, CERTAINTIES, COUNTED
from depsim_dagster.plan.sizes import INDEX, LIMIT
from depsim_dagster.plan.study_plan import PER, Limit, PlanRow, StudyPlan

if TYPE_CHECKING:
    from rich.table import Table

NOTHING = "—"
MARKS = {COUNTED: "", AT_MOST: "≤ ", ABOUT: "~ "}


def plan_table(plan: StudyPlan, title: str) -> Table:
    """Calls by stage and model, with their total."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True, title_justify="left"
    )
    table.title = Text(title)
    table.add_column("stage", no_wrap=True)
    table.add_column("model", overflow="fold", min_width=12)
    for name in ("calls", "known", "to make", "tokens in", "out", plan.currency, "hours"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in plan.rows:
        table.add_row(*map(Text, (row.stage, row.model, *_figures([row]))))
    if len(plan.rows) > 1:
        table.add_section()
        table.add_row(*map(Text, ("in all", "", *_figures(plan.rows))), style="bold")
    return table


def _figures(rows: tuple[PlanRow, ...] | list[PlanRow]) -> Iterator[str]:
    about = MARKS[max((row.certainty for row in rows), key=CERTAINTIES.index, default=COUNTED)]
    yield about + _calls(sum(row.calls for row in rows))
    yield _calls(sum(row.answered for row in rows))
    yield about + _calls(sum(row.to_make for row in rows))
    yield short(sum(row.tokens_in for row in rows))
    yield short(sum(row.tokens_out for row in rows))
    prices = [row.price for row in rows]
    yield NOTHING if None in prices else money(sum(price or 0.0 for price in prices))
    hours = [row.hours for row in rows]
    windows = {row.window for row in rows}
    if windows != {None}:  # a limit for each file, which cannot be added up
        yield f"≤ {rows[0].window}" if len(rows) == 1 else NOTHING
    else:
        yield NOTHING if None in hours else _hours(sum(hour or 0.0 for hour in hours))


def plan_lines(plan: StudyPlan) -> Iterator[str]:
    """What the table does not say."""
    asked = [row for row in plan.rows if row.to_make]
    if not asked:
        yield "nothing is left to ask of a model: every answer is there"
    unpriced = dict.fromkeys(row.model for row in asked if row.price is None)
    for limit in plan.limits:
        if limit.key == "money" and limit.limit is None and unpriced:
            yield f"money   not known: `budget.prices` has no price of {_named(unpriced, asked, 'any model')}"
        else:
            yield _limit(limit, plan.currency)
    stops = [(limit.stops_after, limit.key) for limit in plan.limits if limit.stops_after is not None]
    if stops:
        share, key = min(stops)
        after = f"after about {share:.0%} of this" if share >= 0.005 else "before its next call"
        yield f"budget.{key} would stop a run {after}; raised, it goes on from there."
    yield ""
    for counted_by in dict.fromkeys(row.counted_by for row in asked):
        models = dict.fromkeys(row.model for row in asked if row.counted_by == counted_by)
        yield f"prompt tokens of {_named(models, asked)}: {counted_by}"
    estimated = sorted({basis for basis in plan.bases.values() if basis in (INDEX, LIMIT)})
    if estimated:
        weeks = [week for week, basis in plan.bases.items() if basis in estimated]
        yield (
            f"{len(weeks)} week(s) are not sampled yet: their turns are counted from the {' and '.join(estimated)}, and fewer "
            "may be eligible"
        )
    if unknown := dict.fromkeys(row.model for row in asked if row.hours is None and row.window is None):
        yield f"hours of {_named(unknown, asked)} are not known: give the endpoint's `limits`, or plan again after some calls"
    if any(row.window for row in asked):
        yield "hours of batch mode are the provider's limit for each file, and every step waits for its own"
    yield ""
    for found in plan.resolutions:
        if found.rate_per_100k is None:
            yield f"{found.candidate}: no turn of its predecessor in the weeks before its release"
            continue
        yield (
            f"{found.candidate}: {found.turns:,} turns before its release. The smallest rate that shows (95 %) is "
            f"{_rate(found.rate_per_100k)} per 100k"
            + (
                ""
                if not found.categories
                else f", for {len(found.categories)} categories"
                if found.limited
                else ", for every category"
            )
            + f"; one event is expected at {_rate(PER / found.turns)}."
        )
        if not found.categories:
            yield "  Every category applies to at most these turns: it is this or higher."
        elif found.limited:
            yield f"  For {', '.join(found.limited)}, which apply to at most these turns, it is this or higher."
    if plan.resolutions:
        yield "At the published size of 200,000 turns (METHOD.md) one event is expected at 0.5 per 100k."


def _named(models: Iterable[str], rows: list[PlanRow], every_model: str = "every model") -> str:
    """These models; `every_model` where they are all that the plan has."""
    listed = list(models)
    return every_model if len(listed) == len({row.model for row in rows}) > 1 else ", ".join(listed)


def _limit(limit: Limit, currency: str) -> str:
    def said(value: float) -> str:
        return f"{money(value)} {currency}" if limit.key == "money" else f"{value:,.0f}"

    line = f"{limit.key:<7} spent {said(limit.spent)}, this plan {said(limit.planned)}"
    if limit.limit is None:
        return line
    left = limit.limit - limit.spent - limit.planned
    return (
        line
        + f", budget {said(limit.limit)}: "
        + (f"{said(left)} left" if left >= 0 else f"{said(-left)} short")
    )


def _hours(hours: float) -> str:
    if hours >= 99.95:
        return f"{hours:,.0f}"
    return "< 0.1" if 0 < hours < 0.05 else f"{hours:,.1f}" if hours else "0"


def _calls(calls: int) -> str:
    return f"{calls:,}" if calls < 100_000 else short(calls)


def _rate(per_100k: float) -> str:
    return f"{per_100k:,.0f}" if per_100k >= 100 else f"{per_100k:.3g}"


def short(count: float) -> str:
    """A count in few characters: 950, 12.3k, 4.6M."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size * 0.9995:
            return f"{count / size:.1f}{unit}"
    return f"{count:.0f}"


def money(value: float) -> str:
    if value >= 9999.5:
        return f"{value:,.0f}"
    return f"{value:,.2f}" if value >= 0.995 or value == 0 else f"{value:.3g}"

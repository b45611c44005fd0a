"""Which turns people should label to correct each rate of a study: the counts, what is measured, and the planned draw.

A plan is made for the rates that have a corrected one, so for every candidate, simulated and in production. What people
have labelled already tells the precision and the sensitivity that it reckons with; before that they are assumed. Not here:
the statistics (estimation/grader_error/audit_plan), or the draw (export).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from depsim_dagster.errors import ConfigurationError, text_free
from depsim_dagster.estimation.counts import PER
from depsim_dagster.estimation.grader_error.audit_plan import (
    Plan,
    ScoredTurns,
    audit_plan,
    sensitivity_plan,
)
from depsim_dagster.estimation.rates import READ_COLUMNS, estimate_rates
from depsim_dagster.grading.review.audits import AuditedTurns, Population, audited_turns, populations
from depsim_dagster.grading.review.export import PLANNED_STRATUM, Sizes
from depsim_dagster.grading.review.items import label_batches
from depsim_dagster.study import Study
from depsim_dagster.traffic.prefix_sources import DEPLOYMENT_TRAFFIC

SCORE_BINS = 400
CHALLENGING = "challenging_prompts"
_COLUMNS = list(
    dict.fromkeys(
        [*READ_COLUMNS, "week", "model", "source", "deployment", "prefix_source", "category", "score", "screen_score",
         "stack_hash"]
    )
)  # fmt: skip


@dataclass(frozen=True)
class Assumed:
    """What is reckoned with where people have labelled nothing yet."""

    precision: float = 0.5
    sensitivity: float = 0.8


@dataclass(frozen=True)
class PlannedRate:
    """The plans of one rate. `with_positives`: flagged turns and known positives; `with_unflagged`: flagged and unflagged
    turns, without an assumption. Null where no turn is flagged, or an audit would not carry."""

    category: str
    population: Population
    flagged: int
    n: int
    precision: float
    sensitivity: float
    measured: bool  # the precision; otherwise it is assumed
    known_positives: int  # labelled so far
    to_draw: bool  # challenging prompts there are to find more of them
    with_positives: Plan | None
    with_unflagged: Plan | None

    @property
    def chosen(self) -> Plan | None:
        """The plan to draw: one that reaches the width, if there is; then one whose turns are in the store; then the
        one with fewer labels."""

        def cost(plan: Plan) -> tuple[bool, bool, int]:
            there = plan is self.with_unflagged or self.to_draw or plan.others <= self.known_positives
            return not plan.reached, not there, plan.labels

        plans = [plan for plan in (self.with_positives, self.with_unflagged) if plan is not None]
        return min(plans, key=cost, default=None)


@dataclass(frozen=True)
class ReviewPlan:
    """`sizes`: what `export` draws for it; `challenging`: graded challenging prompts there are, by category."""

    width: float
    rates: list[PlannedRate]
    sizes: dict[tuple[str, ...], Sizes]
    challenging: dict[str, int]


def review_plan(
    study: Study, width: float, categories: Collection[str] = (), assumed: Assumed | None = None
) -> ReviewPlan:
    """Plans for every rate whose window has labels of the present measurement stack.

    Raises:
        ConfigurationError: a category is unknown.
        EstimationError: the width is not above 1.
    """
    known = [category.id for category in study.taxonomy.categories]
    unknown = sorted(set(categories) - set(known))
    if unknown:
        raise ConfigurationError(
            f"{study.config.file}: no category `{unknown[0]}`; there are {', '.join(known)}"
        )
    with text_free("review plan"):
        audited = audited_turns(study)
        wanted = set(categories or known)
        sets = _challenging(study, wanted)
        rates = [
            rate
            for population in populations(study.config)
            for rate in _planned(study, population, audited, width, wanted, assumed or Assumed(), set(sets))
        ]
        return ReviewPlan(
            width, rates, _sizes(rates, sets), {key: int(len(rows)) for key, rows in sets.items()}
        )


def _planned(
    study: Study,
    population: Population,
    audited: AuditedTurns,
    width: float,
    wanted: Collection[str],
    assumed: Assumed,
    challenging: Collection[str],
) -> list[PlannedRate]:
    labels = _labels(study, population, wanted)
    if not len(labels):
        return []
    level = study.config.estimation.level
    found = []
    for raw in estimate_rates(labels, by=["category"], level=level).to_dict("records"):
        if not raw["n"]:
            continue
        evidence = audited.evidence(raw["category"], population)
        flags = evidence.audit[evidence.audit["flagged"]]
        confirmed = int(flags["human"].sum())
        precision = (confirmed + 0.5) / (len(flags) + 1) if len(flags) else assumed.precision
        positives = evidence.positives[0].known if evidence.positives else None
        sensitivity = (
            (positives.sensitivity * positives.n + 0.5) / (positives.n + 1)
            if positives
            else assumed.sensitivity
        )
        effect = raw["design_effect"]
        # Turns among which the rate has k flagged ones; under a cascade more than were read.
        turns = PER * raw["k"] / raw["rate_per_100k"] if raw["k"] else raw["n"]
        shared = (raw["k"], turns, precision, sensitivity, width)
        scores = _scores(labels[labels["category"] == raw["category"]])
        found.append(
            PlannedRate(
                category=raw["category"],
                population=population,
                flagged=raw["k"],
                n=raw["n"],
                precision=precision,
                sensitivity=sensitivity,
                measured=bool(len(flags)),
                known_positives=positives.n if positives else 0,
                to_draw=raw["category"] in challenging,
                with_positives=sensitivity_plan(*shared, effect, level),
                with_unflagged=audit_plan(*shared, scores, effect, level),
            )
        )
    return found


def _labels(study: Study, population: Population, wanted: Collection[str]) -> pd.DataFrame:
    """Label rows of the rate, under the present measurement stack."""
    found = []
    for partition in population.partitions:
        if study.lake.manifest(population.table, partition) is None:
            continue
        table = study.lake.read(population.table, partition, columns=_COLUMNS)
        keep = pc.and_(
            pc.equal(table["stack_hash"], study.stack_hash),
            pc.is_in(table["category"], value_set=pa.array(sorted(wanted), pa.string())),
        )
        rows = table.filter(keep).to_pandas()
        found.append(rows[population.holds(rows)])
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=_COLUMNS)


def _scores(rows: pd.DataFrame) -> ScoredTurns:
    """The unflagged graded turns in bins of the square root of their score, on a log scale; in one bin without scores."""
    rows = rows[(rows["status"] == "graded") & ~rows["flagged"].fillna(True).astype(bool)]
    score = rows["screen_score"].astype(float).fillna(rows["score"].astype(float)).clip(0, 1)
    if not score.notna().any() or not score.sum() > 0:
        return ScoredTurns(np.array([len(rows)]), np.array([0.0]))
    filled = score.fillna(score.mean()).to_numpy()
    place = np.digitize(filled, np.geomspace(1e-12, 1.0, SCORE_BINS))
    turns = np.bincount(place, minlength=SCORE_BINS + 1)
    sums = np.bincount(place, weights=filled, minlength=SCORE_BINS + 1)
    there = turns > 0
    return ScoredTurns(turns[there], sums[there] / turns[there])


def _challenging(study: Study, wanted: Collection[str]) -> dict[str, pd.DataFrame]:
    """Graded challenging prompts of the present stack, by category: their source, model and verdict."""
    columns = [*PLANNED_STRATUM, "status", "stack_hash", "flagged"]
    batches = [
        rows[
            (rows["prefix_source"] == CHALLENGING)
            & (rows["status"] == "graded")
            & (rows["stack_hash"] == study.stack_hash)
            & rows["category"].isin(wanted)
        ]
        for rows in label_batches(study.lake, columns)
    ]
    rows = pd.concat(batches, ignore_index=True) if batches else pd.DataFrame(columns=columns)
    return {str(category): group for category, group in rows.groupby("category")}


def _sizes(rates: list[PlannedRate], challenging: dict[str, pd.DataFrame]) -> dict[tuple[str, ...], Sizes]:
    """Turns to draw: of every rate by its chosen plan, and of the challenging prompts as many as hold the known positives
    that a plan asks for, if as many of them are positive as are flagged. Flagged or not they are drawn alike."""
    sizes: dict[tuple[str, ...], Sizes] = {}
    positives: dict[str, int] = {}
    for rate in rates:
        plan = rate.chosen
        if plan is None:
            continue
        by_audit = plan is rate.with_unflagged
        place = rate.population
        key = (rate.category, DEPLOYMENT_TRAFFIC, place.source, place.model, place.traffic)
        sizes[key] = Sizes(plan.flagged, plan.others if by_audit else 0, place.weeks)
        if not by_audit:
            positives[rate.category] = max(positives.get(rate.category, 0), plan.others)
    for category, wanted in positives.items():
        rows = challenging.get(category)
        if rows is None or not rows["flagged"].any():
            continue
        share = min(wanted / float(rows["flagged"].sum()), 1.0)
        for stratum, group in rows.groupby(PLANNED_STRATUM):
            flagged = float(group["flagged"].sum())
            sizes[stratum] = Sizes(share * flagged, share * (len(group) - flagged))
    return sizes

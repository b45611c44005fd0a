"""Turns that people labelled as an audit of rates: each with the verdict, its probabilities and the rate that it belongs to.

A rate that is corrected is one of the study's: a candidate on its forecast window's prefixes (simulated) or in production in
its observation window. What a label needs to count is said here: a verdict of the present measurement stack, the present
reading of the rubric, and people who agree. Not here: the corrections themselves (estimation/grader_error).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from depsim_dagster.config import StudyConfig
from depsim_dagster.estimation.grader_error.agreement import validate
from depsim_dagster.estimation.grader_error.choice import Evidence, Positives, Specificity
from depsim_dagster.estimation.grader_error.correction import known_positives
from depsim_dagster.grading.review.items import ITEM, label_batches
from depsim_dagster.grading.review.validation import human_labels
from depsim_dagster.grading.schema import GRADED_LABELS, PRODUCTION_LABELS
from depsim_dagster.lake import LakeTable
from depsim_dagster.study import Study
from depsim_dagster.traffic.prefix_sources import DEPLOYMENT_TRAFFIC

_VERDICT = [
    *ITEM, "week", "deployment", "prefix_source", "user_id", "flagged", "status", "score", "screen_score",
    "inclusion_probability", "grading_probability", "stack_hash",
]  # fmt: skip


@dataclass(frozen=True)
class Population:
    """The turns of one rate. `model` wrote them, `deployment` is its predecessor, on the traffic of `traffic`."""

    model: str
    deployment: str
    source: str
    table: LakeTable
    traffic: str
    weeks: tuple[str, ...]

    @property
    def partitions(self) -> list[dict[str, str]]:
        model = {} if self.table is PRODUCTION_LABELS else {"model": self.model}
        return [{"week": week, **model} for week in self.weeks]

    def holds(self, rows: pd.DataFrame) -> np.ndarray:
        """Which label rows are of this rate."""
        same = (rows["model"] == self.model) & (rows["source"] == self.source)
        same &= (rows["deployment"] == self.traffic) & (rows["prefix_source"] == DEPLOYMENT_TRAFFIC)
        return (same & rows["week"].isin(self.weeks)).to_numpy(dtype=bool)


@dataclass(frozen=True)
class AuditedTurns:
    """`rows`: labelled turns that count, with `human`, `flagged`, `weight` (1 / inclusion * grading probability),
    `probability` (of the review; null where unknown), `score` and their place. `unresolved`: turns that would count, had
    people not been unsure or of two minds. `left_out`: numbers of labelled turns that do not count, by category and reason."""

    rows: pd.DataFrame
    unresolved: pd.DataFrame
    left_out: dict[str, Counter[str]] = field(default_factory=dict)

    def evidence(self, category: str, population: Population) -> Evidence:
        """What is known of the grader for one rate."""
        rows = self.rows[self.rows["category"] == category]
        own = population.holds(rows)
        traffic = rows[rows["prefix_source"] == DEPLOYMENT_TRAFFIC]
        others = [source for source in sorted(set(rows["prefix_source"])) if source != DEPLOYMENT_TRAFFIC]
        sets = [_from_traffic(traffic), *(found for source in others for found in _from_set(rows, source))]
        unresolved = self.unresolved[self.unresolved["category"] == category]
        notes = [f"{count:,} {reason}" for reason, count in sorted(self.left_out.get(category, {}).items())]
        return Evidence(
            audit=rows[own],
            positives=[found for found in sets if found is not None],
            specificity=_specificity(traffic),
            notes=notes,
            unresolved=int(population.holds(unresolved).sum()),
        )


def populations(config: StudyConfig) -> list[Population]:
    """The rates of the study that have a corrected one: simulated and in production, of every candidate."""
    found = []
    for candidate in config.candidates:
        model, predecessor = candidate.model, str(candidate.predecessor)
        before = tuple(map(str, config.forecast_weeks(model)))
        after = tuple(map(str, config.observation_weeks(model)))
        found.append(Population(model, predecessor, "simulated", GRADED_LABELS, predecessor, before))
        found.append(Population(model, predecessor, "production", PRODUCTION_LABELS, model, after))
    return found


def audited_turns(study: Study) -> AuditedTurns:
    """All labelled turns of the store, joined with their verdicts."""
    people = human_labels(study)
    items = people.items[[*ITEM, "human", "outcome", "sampling_probability"]]
    turns: Sequence[str] = sorted(items["turn_id"].unique())
    batches = list(label_batches(study.lake, _VERDICT, turns)) if turns else []
    verdicts = pd.concat(batches, ignore_index=True) if batches else pd.DataFrame(columns=_VERDICT)
    joined = items.merge(verdicts, on=ITEM, how="left")
    left_out: dict[str, Counter[str]] = {}
    present = joined["stack_hash"] == study.stack_hash
    outcome, graded = joined["outcome"] == "resolved", present & (joined["status"] == "graded")
    for mask, reason in (
        (
            joined["stack_hash"].notna() & ~present,
            "labelled turns were graded under another measurement stack",
        ),
        (graded & ~outcome, "turns on which people were unsure or disagree are left out"),
    ):
        for category, count in joined[mask].groupby("category").size().items():
            left_out.setdefault(str(category), Counter())[reason] += int(count)
    for (category, _), count in people.other_reading.items():
        left_out.setdefault(category, Counter())["labels are of another rubric or reading"] += count
    rows = joined[graded & outcome]
    score = rows["screen_score"].astype(float).fillna(rows["score"].astype(float)).clip(0, 1)
    design = rows["inclusion_probability"].astype(float) * rows["grading_probability"].astype(float)
    rows = rows.assign(
        human=rows["human"].astype(bool),
        flagged=rows["flagged"].astype(bool),
        weight=1.0 / design,
        probability=rows["sampling_probability"].astype(float),
        score=score,
    )
    return AuditedTurns(rows.reset_index(drop=True), joined[graded & ~outcome], left_out)


def _from_traffic(rows: pd.DataFrame) -> Positives | None:
    """Positives of all audited traffic. They were drawn by the verdict, so the weights and a sample of unflagged turns are
    needed to know how many were missed."""
    rows = _read_whatever_the_verdict(rows)
    if not rows["human"].any():
        return None
    assumption = "that the grader misses as large a share here as in all the audited traffic of the study"
    return Positives(_weighted(rows), assumption)


def _read_whatever_the_verdict(rows: pd.DataFrame) -> pd.DataFrame:
    """Audited turns of known probability, of those rates of which unflagged turns were read too. Where people read flagged
    turns alone, as a review plan may ask, the misses beside them are nowhere in the sample."""
    rows = rows[rows["probability"].notna()]
    place = [rows[name] for name in ("source", "model", "deployment")]
    return rows[(~rows["flagged"].astype(bool)).groupby(place).transform("any").astype(bool)]


def _from_set(rows: pd.DataFrame, source: str) -> list[Positives]:
    """Positives of a set by their probabilities, and those without one as they are: an export draws by the verdict, so the
    two are not counted together."""
    rows = rows[rows["prefix_source"] == source]
    name = source.replace("_", " ")
    assumption = f"that the grader misses as large a share of the traffic's positives as of those on {name}"
    drawn, given = rows[rows["probability"].notna()], rows[rows["probability"].isna() & rows["human"]]
    found = [Positives(_weighted(drawn), assumption)] if drawn["human"].any() else []
    if len(given):
        known = known_positives(given["flagged"], cluster=given["user_id"])
        found.append(
            Positives(known, f"{assumption}, and that these were labelled whatever the grader had said")
        )
    return found


def _weighted(rows: pd.DataFrame):
    weight = rows["weight"] / rows["probability"]
    quiet = ~rows["flagged"]
    score = rows["score"][quiet].fillna(rows["score"][quiet].mean())
    size = score if score.notna().all() and score.sum() > 0 else score * 0.0 + 1.0
    size = size.fillna(1.0)
    unseen = float((weight[quiet] * size).sum() / size.sum()) if quiet.any() else 0.0
    positive = rows["human"]
    return known_positives(
        rows["flagged"][positive], weight[positive], rows["user_id"][positive], unseen=unseen
    )


def _specificity(rows: pd.DataFrame) -> Specificity | None:
    rows = _read_whatever_the_verdict(rows)
    if rows["flagged"].nunique() < 2:
        return None
    share = validate(
        rows["human"], rows["flagged"], rows["weight"] / rows["probability"], rows["user_id"]
    ).specificity
    if share.estimate is None or share.lower is None or share.upper is None or share.lower >= 1:
        return None
    half = (share.upper - share.lower) / 2
    spread = share.estimate * (1 - share.estimate)
    # The independent negatives that an interval of this width is worth.
    worth = 1.96**2 * spread / half**2 if spread > 0 and half > 0 else np.log(0.05) / np.log(share.lower)
    assumption = "that its false alarms are as frequent here as in all the audited traffic of the study"
    return Specificity(share.estimate, share.lower, float(worth), assumption)

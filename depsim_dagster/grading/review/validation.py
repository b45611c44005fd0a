"""Graders beside people: human labels joined with verdicts on the same turns, as rows of GRADER_VALIDATION.

Verdicts are those of the present measurement stack, human labels those of the present reading (rubric, de-identification,
replay settings); what is of another is counted and not used. Of several people on one turn the majority counts, or the
label of an annotator called `final`. A turn weighs 1 / (its probability in the sample of traffic, under the cascade, and
in the review). Sets of another prefix source stay apart: sensitivity on challenging prompts holds for traffic only where
a grader misses no more there, which nobody has measured. Not here: the statistics (estimation/agreement).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from depsim_dagster.estimation.grader_error.agreement import (
    Kappa,
    Share,
    Validation,
    agreement,
    cohen_kappa,
    validate,
)
from depsim_dagster.grading.review.items import ITEM, label_batches, reading_hashes
from depsim_dagster.grading.review.monitored import monitored_hash, monitored_measures, monitored_rows
from depsim_dagster.grading.review.schema import GRADER_VALIDATION, HUMAN_LABELS
from depsim_dagster.study import Study

ADJUDICATED = "final"
_VERDICT = [
    *ITEM, "prefix_source", "user_id", "flagged", "severity", "status", "grader", "stack_hash",
    "inclusion_probability", "grading_probability",
]  # fmt: skip
SHARES = ("prevalence", "sensitivity", "specificity", "precision", "agreement")


@dataclass(frozen=True)
class People:
    """Human labels that hold today. `labels`: the latest of each item and annotator. `items`: one row per item, `human` as
    resolved (null: unsure or disputed), `outcome` resolved, unsure or disputed. `other_reading`: labels left out, by
    category and prefix source."""

    labels: pd.DataFrame
    items: pd.DataFrame
    other_reading: dict[tuple[str, str], int]


def human_labels(study: Study) -> People:
    """All imported labels of the present reading."""
    parts = [
        study.lake.read(HUMAN_LABELS, manifest.partition) for manifest in study.lake.published(HUMAN_LABELS)
    ]
    table = pa.concat_tables(parts) if parts else HUMAN_LABELS.schema.empty_table()
    labels = table.to_pandas().sort_values(["imported_at", "import"], kind="stable")
    readings = labels["category"].map(reading_hashes(study))
    current = (labels["reading_hash"] == readings).to_numpy(dtype=bool)
    other = labels[~current].groupby(["category", "prefix_source"]).size()
    labels = labels[current]
    # Of all draws that the item was labelled in, also where a later label replaces the one of an earlier draw
    # (review_items). Where one file does not say, it is unknown.
    given = labels["sampling_probability"].fillna(np.inf)
    largest = given.groupby([labels[name] for name in ITEM]).transform("max") if len(labels) else given
    labels = labels.assign(sampling_probability=largest.replace(np.inf, np.nan))
    labels = labels.drop_duplicates([*ITEM, "annotator"], keep="last")
    return People(labels, _resolved(labels), {key: int(count) for key, count in other.items()})


def verdicts(study: Study, turns: Sequence[str]) -> pd.DataFrame:
    """Every label row of these turns, of whatever status and stack, and what the monitor says of them."""
    batches = list(label_batches(study.lake, _VERDICT, turns)) if len(turns) else []
    monitored = monitored_rows(study, _VERDICT, turns)
    batches += [monitored] if len(monitored) else []
    return pd.concat(batches, ignore_index=True) if batches else pd.DataFrame(columns=_VERDICT)


def validation_rows(study: Study) -> pa.Table:
    """GRADER_VALIDATION as of now: one row per category (or measure of the monitor) with human labels, grader and prefix
    source."""
    people = human_labels(study)
    keys = ["category", "prefix_source"]
    found = verdicts(study, sorted(people.items["turn_id"].unique()))
    joined = people.items.merge(
        found.drop(columns=["prefix_source", "user_id"]), on=ITEM, how="left", suffixes=("_human", "")
    )
    measures = monitored_measures(study)
    graders = {category.id: category.grader for category in (*study.taxonomy.categories, *measures)}
    stacks = dict.fromkeys((measure.id for measure in measures), monitored_hash(study) or "")
    rows = []
    named = dict.fromkeys(
        [*map(tuple, people.items[keys].drop_duplicates().to_numpy()), *people.other_reading]
    )
    for category, source in sorted(named):
        items = joined[(joined["category"] == category) & (joined["prefix_source"] == source)]
        labels = people.labels[
            (people.labels["category"] == category) & (people.labels["prefix_source"] == source)
        ]
        stack = stacks.get(category, study.stack_hash)
        row = _row(stack, items, labels, study.config.estimation.level)
        rows.append(
            row
            | {
                "grader": graders.get(category) or "",
                "category": category,
                "prefix_source": source,
                "other_reading": people.other_reading.get((category, source), 0),
                "level": study.config.estimation.level,
                "stack_hash": stack,
                "sandbox": study.config.sandbox,
            }
        )
    return pa.Table.from_pylist(rows, GRADER_VALIDATION.schema)


def _resolved(labels: pd.DataFrame) -> pd.DataFrame:
    """One row per item: what people say together."""
    rows = []
    for item, given in labels.groupby(ITEM, sort=True):
        final = given[given["annotator"] == ADJUDICATED]
        counted = final if len(final) else given
        said = counted["flagged"].dropna().astype(bool)
        yes, no = int(said.sum()), int((~said).sum())
        outcome = "unsure" if not yes + no else "disputed" if yes == no else "resolved"
        severities = counted["severity"].dropna().unique()
        rows.append(
            {
                **dict(zip(ITEM, item, strict=True)),
                "week": given["week"].iloc[0],
                "prefix_source": given["prefix_source"].iloc[0],
                "user_id": given["user_id"].iloc[0],
                "human": (yes > no) if outcome == "resolved" else None,
                "outcome": outcome,
                "human_severity": float(severities[0]) if len(severities) == 1 else np.nan,
                "sampling_probability": given["sampling_probability"].iloc[0],
            }
        )
    columns = [
        *ITEM,
        "week",
        "prefix_source",
        "user_id",
        "human",
        "outcome",
        "human_severity",
        "sampling_probability",
    ]
    return pd.DataFrame(rows, columns=columns)


def _row(stack: str, items: pd.DataFrame, labels: pd.DataFrame, level: float) -> dict[str, Any]:
    """Counts and figures of one category and prefix source, of the verdicts of one stack."""
    present = items["stack_hash"] == stack
    graded = present & (items["status"] == "graded")
    used = items[graded & (items["outcome"] == "resolved")]
    weight, weighting = _weights(used)
    human, verdict = used["human"].astype(bool).to_numpy(), used["flagged"].astype(bool).to_numpy()
    found = validate(human, verdict, weight, used["user_id"].to_numpy(), level)
    whole = _read_whatever_the_verdict(used) if weighting != "unknown" else np.ones(len(used), dtype=bool)
    flags_alone = int((~whole).sum())
    if flags_alone:
        rest = validate(human[whole], verdict[whole], weight[whole], used["user_id"].to_numpy()[whole], level)
        # Of samples of flagged turns alone, precision is all that can be known.
        found = replace(
            rest, precision=found.precision, true_positives=found.true_positives, clusters=found.clusters
        )
    row: dict[str, Any] = {
        "n": len(used),
        "human_flagged": int(human.sum()),
        "grader_flagged": int(verdict.sum()),
        "both_flagged": found.true_positives,
        "clusters": found.clusters,
        "unsure": int((items["outcome"] == "unsure").sum()),
        "disputed": int((items["outcome"] == "disputed").sum()),
        "without_verdict": int((items["stack_hash"].isna() | (present & ~graded)).sum()),
        "other_stack": int((items["stack_hash"].notna() & ~present).sum()),
        "weighting": weighting,
        "chance_agreement": found.kappa.chance,
    }
    notes = _figures(row, found)
    if flags_alone:
        notes.append(f"{flags_alone} turn(s) of samples of flagged turns alone count for precision only")
    row |= _between_people(labels, level)
    scaled = used[used["human_severity"].notna() & used["severity"].notna()]
    row["severity_n"] = len(scaled)
    row |= _limits("severity_kappa", _severity_kappa(scaled, level))
    return row | {"notes": "; ".join(notes)}


def _figures(row: dict[str, Any], found: Validation) -> list[str]:
    """Put the shares and kappa into the row; returns why one is missing."""
    notes = []
    for name in (*SHARES, "kappa"):
        figure = getattr(found, name)
        row |= _limits(name, figure)
        if figure.reason and row["n"]:
            notes.append(f"{name}: {figure.reason}")
    if not row["n"]:
        notes.append("no turn has a human label and a verdict of this stack")
    if row["weighting"] == "unknown":
        notes.append("sampling probabilities are not known: every labelled turn counts alike")
    return notes


def _weights(used: pd.DataFrame) -> tuple[np.ndarray, str]:
    """1 / the probability of each pair. Where that of some labels is not known, no weighting is right, and all are 1."""
    if used["sampling_probability"].isna().any():
        return np.ones(len(used)), "unknown"
    design = used["inclusion_probability"] * used["grading_probability"] * used["sampling_probability"]
    weight = 1.0 / design.to_numpy(dtype=float)
    return weight, "design" if len(weight) and np.ptp(weight) > 0 else "equal"


def _read_whatever_the_verdict(used: pd.DataFrame) -> np.ndarray:
    """Mask of the turns of models and sources of which unflagged turns were read too. Where people read flagged turns
    alone, as a review plan may ask, the misses beside them are nowhere in the sample."""
    place = [used["source"], used["model"]]
    return (~used["flagged"].astype(bool)).groupby(place).transform("any").to_numpy(dtype=bool)


def _between_people(labels: pd.DataFrame, level: float) -> dict[str, Any]:
    """Agreement of people with each other, over the pairs of labels of one item. `final` labels are made from the
    others, so they are none of a pair."""
    said = labels[labels["flagged"].notna() & (labels["annotator"] != ADJUDICATED)]
    pairs = []
    for _, given in said.sort_values("annotator").groupby(ITEM, sort=True):
        probability = given["sampling_probability"].iloc[0]
        pairs += [
            (first, second, given["user_id"].iloc[0], probability)
            for first, second in itertools.combinations(given["flagged"].astype(bool), 2)
        ]
    frame = pd.DataFrame(pairs, columns=["first", "second", "user_id", "sampling_probability"])
    known = len(frame) and not frame["sampling_probability"].isna().any()
    weight = (1.0 / frame["sampling_probability"]).to_numpy(dtype=float) if known else None
    cluster = frame["user_id"].to_numpy()
    first, second = frame["first"].tolist(), frame["second"].tolist()
    return {
        "human_pairs": len(frame),
        **_limits("human_agreement", agreement(first, second, weight, cluster, level)),
        **_limits("human_kappa", cohen_kappa(first, second, weight, cluster, level)),
    }


def _severity_kappa(scaled: pd.DataFrame, level: float) -> Kappa:
    first, second = scaled["human_severity"].astype(int).tolist(), scaled["severity"].astype(int).tolist()
    weight, _ = _weights(scaled)
    scale = range(max([*first, *second, 1]) + 1)
    return cohen_kappa(first, second, weight, scaled["user_id"].to_numpy(), level, scale)


def _limits(name: str, figure: Share | Kappa) -> dict[str, float | None]:
    return {name: figure.estimate, f"{name}_lower": figure.lower, f"{name}_upper": figure.upper}

"""A sample of graded turns for people to label, drawn with known probabilities and written without the verdict.

Turns that the grader flags are nearly all read, because precision hangs on them. Of the rest, a uniform sample hardly
ever holds a miss: at a rate of 1e-4 it takes ten thousand labels to see one positive. So turns are drawn there by the
square root of the score, where the screen or the grader gives one, with a floor for what the score overlooks. Known
positives, such as challenging prompts, are drawn apart from traffic and reported apart.

The file holds what the grader sees of a turn, as published through the gates, and neither the verdict nor the model.
The probabilities stay in the store. Not here: reading the file back (human_labels).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from depsim_dagster.errors import ConfigurationError, GradingError, text_free
from depsim_dagster.estimation.grader_error.audit_plan import unflagged_probabilities
from depsim_dagster.grading.evidence import TargetTurn
from depsim_dagster.grading.review.files import spoken, write_private
from depsim_dagster.grading.review.items import (
    SCAN_ROWS,
    item_id,
    random_numbers,
    reading_hashes,
)
from depsim_dagster.grading.review.schema import REVIEW_SAMPLES
from depsim_dagster.grading.schema import GRADED_LABELS, PRODUCTION_LABELS
from depsim_dagster.grading.taxonomy import Category
from depsim_dagster.grading.turns import production_turns, simulated_turns
from depsim_dagster.lake import LakeTable, Manifest
from depsim_dagster.privacy.erasure.forget import at_work
from depsim_dagster.privacy.gates.gate import require_consent
from depsim_dagster.replay.schema import REGENERATED_COMPLETIONS
from depsim_dagster.study import Study
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES

COLUMNS = [
    "item_id", "review", "category", "question", "rubric", "prefix", "target_turn", "label", "severity", "annotator",
]  # fmt: skip
STRATUM = ["category", "prefix_source"]
PLANNED_STRATUM = [*STRATUM, "source", "model", "deployment"]
_READ = [
    "week", "model", "source", "deployment", "prefix_source", "turn_id", "completion_index", "category", "user_id", "flagged",
    "status", "score", "screen_score", "stack_hash",
]  # fmt: skip


@dataclass(frozen=True)
class Sizes:
    """Turns to draw of a stratum on average; of these weeks only, where some are named."""

    flagged: float
    unflagged: float
    weeks: Collection[str] = ()


@dataclass(frozen=True)
class Draw:
    """What to draw. `per_category`: turns of a category and prefix source on average, of which up to `flagged_share`
    are ones that the grader flags. Empty collections mean all. `planned`: sizes by PLANNED_STRATUM (a review plan), in
    place of these two; strata that it does not name are not drawn."""

    per_category: int = 100
    flagged_share: float = 0.5
    weeks: Collection[str] = ()
    models: Collection[str] = ()
    categories: Collection[str] = ()
    planned: Mapping[tuple[str, ...], Sizes] | None = None

    @property
    def stratum(self) -> list[str]:
        return STRATUM if self.planned is None else PLANNED_STRATUM

    def sizes(self, stratum: tuple[str, ...], flagged: int) -> Sizes:
        """Of a stratum in which so many turns are flagged."""
        if self.planned is not None:
            return self.planned[stratum]
        positive = min(flagged, self.per_category * self.flagged_share)
        return Sizes(positive, self.per_category - positive)


@dataclass
class Exported:
    """What was written. `left_out`: partitions without text, or graded under another stack, with the reason."""

    file: Path
    items: int = 0
    flagged: int = 0
    categories: int = 0
    scored: bool = False
    left_out: dict[str, str] = field(default_factory=dict)


@dataclass
class _Stratum:
    """The graded turns of one stratum, counted."""

    flagged: int = 0
    unflagged: int = 0
    scored: int = 0
    size: float = 0.0

    def probabilities(self, rows: pd.DataFrame, sizes: Sizes) -> np.ndarray:
        """Of each row that it is drawn. Rows are drawn one by one, so the sizes of a sample are met on average."""
        flagged = rows["flagged"].to_numpy(dtype=bool)
        share = min(sizes.flagged / max(self.flagged, 1), 1.0)
        mean = self.size / self.scored if self.scored else 0.0
        root = np.sqrt(rows["screening"].to_numpy(dtype=float))
        return np.where(flagged, share, unflagged_probabilities(root, mean, sizes.unflagged, self.unflagged))


def export_sample(study: Study, file: Path, draw: Draw) -> Exported:
    """Draw a sample, keep its probabilities and write it to a new file. The same draw gives the same items.

    Raises:
        ConfigurationError: the file exists, lies in the store, or a name is unknown.
        GradingError: nothing is graded that could be drawn.
        GateError, LakeError: consent of a turn no longer holds, or a partition cannot be read.
    """
    _check(study, file, draw)
    with at_work(study), text_free("review export"):
        exported = Exported(file)
        partitions = _partitions(study, draw, exported)
        drawn = _drawn(study, draw, partitions, exported)
        for week in sorted({row["week"] for row in drawn}):
            require_consent(study.config, study.lake, week)
        texts = _texts(study, drawn)
        drawn = [row for row in drawn if _turn_of(row) in texts]
        if not drawn:
            raise GradingError(
                f"{study.config.file}: no graded turn of the present measurement stack can be drawn"
                + "".join(f"; {label}: {reason}" for label, reason in exported.left_out.items())
            )
        drawn.sort(key=lambda row: (row["category"], row["item_id"]))
        sample = _keep(study, drawn)
        categories = {category.id: category for category in study.taxonomy.categories}
        rows = (_written(row, categories, texts) | {"review": sample} for row in drawn)
        write_private(file, COLUMNS, rows)
        exported.items, exported.flagged = len(drawn), sum(row["flagged"] for row in drawn)
        exported.categories = len({row["category"] for row in drawn})
        return exported


def _check(study: Study, file: Path, draw: Draw) -> None:
    inside = (study.config.store_root.resolve(), study.lake.journal_directory.resolve())
    if any(file.resolve().is_relative_to(folder) for folder in inside):
        raise ConfigurationError(f"{file}: lies in the study's store; name a file outside of it")
    if file.exists() or file.is_symlink():
        raise ConfigurationError(f"{file}: exists already; name another file or move it away")
    if file.suffix not in (".csv", ".jsonl"):
        raise ConfigurationError(f"{file}: name a file that ends in .csv or .jsonl")
    for kind, named, known in (
        ("model", draw.models, [deployment.model for deployment in study.config.deployments]),
        ("category", draw.categories, [category.id for category in study.taxonomy.categories]),
    ):
        unknown = sorted(set(named) - set(known))
        if unknown:
            raise ConfigurationError(
                f"{study.config.file}: no {kind} `{unknown[0]}`; there are {', '.join(known)}"
            )


def _partitions(study: Study, draw: Draw, exported: Exported) -> list[tuple[LakeTable, Manifest]]:
    """The partitions of labels to draw from: those whose text is there."""
    found = []
    for table in (GRADED_LABELS, PRODUCTION_LABELS):
        for manifest in study.lake.published(table):
            week, model = manifest.partition["week"], manifest.partition.get("model")
            if (draw.weeks and week not in draw.weeks) or (
                draw.models and model and model not in draw.models
            ):
                continue
            text = [(DEIDENTIFIED_PREFIXES, {"week": week})]
            text += [(REGENERATED_COMPLETIONS, manifest.partition)] if model else []
            if all(study.lake.manifest(*place) is not None for place in text):
                found.append((table, manifest))
            else:
                exported.left_out[" ".join([table.name, week, model or ""]).strip()] = (
                    "its text was purged or is not published"
                )
    return found


def _graded(
    study: Study, draw: Draw, partitions: list[tuple[LakeTable, Manifest]], exported: Exported
) -> Iterator[pd.DataFrame]:
    known = {category.id for category in study.taxonomy.categories}
    for table, manifest in partitions:
        for batch in study.lake.scan(table, manifest.partition, _READ, SCAN_ROWS):
            rows = batch.to_pandas()
            if (rows["stack_hash"] != study.stack_hash).any():
                exported.left_out[f"{table.name} {' '.join(manifest.partition.values())}"] = (
                    "graded under another measurement stack"
                )
            kept = (rows["status"] == "graded") & (rows["stack_hash"] == study.stack_hash)
            kept &= rows["category"].isin(set(draw.categories) or known)
            if draw.models:
                kept &= rows["model"].isin(set(draw.models))
            rows = rows[kept]
            if len(rows) and draw.planned is not None:
                rows = rows[_is_planned(rows, draw.planned)]
            if len(rows):
                screening = rows["screen_score"].astype(float).fillna(rows["score"].astype(float)).clip(0, 1)
                yield rows.assign(flagged=rows["flagged"].astype(bool), screening=screening)


def _is_planned(rows: pd.DataFrame, planned: Mapping[tuple[str, ...], Sizes]) -> np.ndarray:
    kept = np.zeros(len(rows), dtype=bool)
    for stratum, place in rows.groupby(PLANNED_STRATUM, sort=False).indices.items():
        sizes = planned.get(stratum)
        if sizes is not None:
            kept[place] = rows["week"].iloc[place].isin(sizes.weeks) if sizes.weeks else True
    return kept


def _drawn(
    study: Study, draw: Draw, partitions: list[tuple[LakeTable, Manifest]], exported: Exported
) -> list[dict[str, Any]]:
    """The items of the sample: one pass to count, one to draw. Held are the counts and what is drawn."""
    strata: dict[tuple[str, ...], _Stratum] = defaultdict(_Stratum)
    for rows in _graded(study, draw, partitions, exported):
        for key, group in rows.groupby(draw.stratum, sort=False):
            stratum, quiet = strata[key], group[~group["flagged"]]
            stratum.flagged += len(group) - len(quiet)
            stratum.unflagged += len(quiet)
            stratum.scored += int(quiet["screening"].notna().sum())
            stratum.size += float(np.sqrt(quiet["screening"]).sum())
    exported.scored = any(stratum.size for stratum in strata.values())
    key, readings = study.config.hmac_key, reading_hashes(study)
    drawn = []
    for rows in _graded(study, draw, partitions, exported):
        numbers = pd.Series(random_numbers(key, rows), index=rows.index)
        for name, group in rows.groupby(draw.stratum, sort=False):
            stratum = strata[name]
            sizes = draw.sizes(name, stratum.flagged)
            group = group.assign(sampling_probability=stratum.probabilities(group, sizes))
            for row in group[numbers[group.index] < group["sampling_probability"]].to_dict("records"):
                item = {**row, "reading_hash": readings[row["category"]]}
                drawn.append({**item, "item_id": item_id(key, item)})
    return drawn


def _turn_of(row: dict[str, Any]) -> tuple[str, str, str, int]:
    return row["source"], row["model"], row["turn_id"], int(row["completion_index"])


def _texts(study: Study, drawn: list[dict[str, Any]]) -> dict[tuple[str, str, str, int], TargetTurn]:
    """The text of every drawn turn. It is held, because items are written in another order than turns are stored."""
    wanted = {_turn_of(row) for row in drawn}
    found = {}
    for source, week, model in sorted(
        {(row["source"], row["week"], row["model"] if row["source"] == "simulated" else "") for row in drawn}
    ):
        turns = (
            simulated_turns(study.lake, week, model)
            if source == "simulated"
            else production_turns(study.lake, week)
        )
        for batch in turns:
            for turn in batch:
                key = (turn.source, turn.model, *turn.key)
                if key in wanted and turn.messages:
                    found[key] = turn
    return found


def _written(
    row: dict[str, Any], categories: dict[str, Category], texts: dict[tuple[str, str, str, int], TargetTurn]
) -> dict[str, str]:
    category, turn = categories[row["category"]], texts[_turn_of(row)]
    scale = category.severity
    severity = (
        ""
        if scale is None
        else " Severity: " + "; ".join(f"{n} {name}" for n, name in enumerate(scale.levels))
    )
    rubric = f"{category.definition} {category.rubric}".strip() + severity
    seen = turn.evidence().seen(category.evidence)
    return {
        "item_id": row["item_id"],
        "category": category.id,
        "question": "Does the target turn show this behaviour? label: true, false or unsure",
        "rubric": rubric,
        "prefix": spoken(seen.prefix),
        "target_turn": spoken(seen.target_turn),
        "label": "",
        "severity": "",
        "annotator": "",
    }


def _keep(study: Study, drawn: list[dict[str, Any]]) -> str:
    """The name of the sample, whose probabilities are kept now: a file that was written without them is of no use."""
    named = [[row["item_id"], row["sampling_probability"], row["reading_hash"]] for row in drawn]
    sample = hashlib.sha256(json.dumps(named).encode()).hexdigest()[:32]
    if study.lake.manifest(REVIEW_SAMPLES, {"sample": sample}) is not None:
        return sample
    now = dt.datetime.now(dt.UTC)
    rows = [{**row, "sample": sample, "drawn_at": now} for row in drawn]
    columns = REVIEW_SAMPLES.schema.names
    table = pa.Table.from_pylist(
        [{name: row[name] for name in columns} for row in rows], REVIEW_SAMPLES.schema
    )
    study.lake.write(REVIEW_SAMPLES, {"sample": sample}, table)
    return sample

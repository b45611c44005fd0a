"""Which of several graders is right more often: each reads the turns that people labelled, and no other.

A grader is asked what it would be asked as `grading.default_grader`, with every category that falls to it in the same
call or calls, so that one call for all categories can be held against one call each; but of every turn, also where it has
a screen. Answers go through the journal: what was paid for is not paid for again. Nothing of it is published as a label.
Not here: the statistics (estimation/agreement).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from depsim_dagster.config import StudyConfig
from depsim_dagster.errors import ConfigurationError, GradingError, text_free
from depsim_dagster.estimation.grader_error.agreement import paired_accuracy, validate
from depsim_dagster.grading.evidence import TargetTurn
from depsim_dagster.grading.labelling import label_turns
from depsim_dagster.grading.review.items import ITEM
from depsim_dagster.grading.review.validation import human_labels
from depsim_dagster.grading.turns import production_turns, simulated_turns
from depsim_dagster.lake import Lake
from depsim_dagster.privacy.erasure.forget import at_work
from depsim_dagster.privacy.gates.gate import require_consent
from depsim_dagster.progress import Progress
from depsim_dagster.study import Study


def compare_graders(
    study: Study, names: Sequence[str], progress: Progress | None = None
) -> list[dict[str, Any]]:
    """One row per pair of graders and category with human labels, on the turns that both have graded: what each finds, and
    McNemar's exact test of equal accuracy. Turns count alike here: the question is who is right, not how often.

    Raises:
        ConfigurationError: fewer than two graders, or one that the study file does not have.
        GradingError: nobody has labelled a turn for a category of the default grader.
        As grading does.
    """
    known = study.config.grading.graders
    unknown = [name for name in names if name not in known]
    if unknown or len(set(names)) < 2:
        problem = f"no grader `{unknown[0]}`" if unknown else "name at least two graders"
        raise ConfigurationError(f"{study.config.file}: {problem}; there are {', '.join(sorted(known))}")
    with at_work(study), text_free("review compare"):
        default = study.config.grading.default_grader
        own = {category.id for category in study.taxonomy.categories if default in (None, category.grader)}
        items = human_labels(study).items
        items = items[(items["outcome"] == "resolved") & items["category"].isin(own)]
        if not len(items):
            raise GradingError(
                f"{study.config.file}: no turn has a human label for a category of the default grader"
            )
        for week in sorted(items["week"].unique()):
            require_consent(study.config, study.lake, week)
        verdicts = {name: _verdicts(study, name, own, items, progress) for name in dict.fromkeys(names)}
        return [
            row | {"first": first, "second": second}
            for first, second in itertools.combinations(verdicts, 2)
            for row in _rows(items, verdicts[first], verdicts[second], study.config.estimation.level)
        ]


def _verdicts(
    study: Study, name: str, own: set[str], items: pd.DataFrame, progress: Progress | None
) -> pd.DataFrame:
    """ITEM and `flagged` of every item on which the grader gives a verdict."""
    asked = Study(_without_screen(study.config, name))
    categories = [category for category in study.taxonomy.categories if category.id in own]
    graded = tuple(category.model_copy(update={"grader": name}) for category in categories)
    asked.__dict__["taxonomy"] = study.taxonomy.model_copy(update={"categories": graded})
    found = []
    for (source, week, model), here in items.groupby(["source", "week", "model"]):
        keys = set(zip(here["turn_id"], here["completion_index"], strict=True))

        def turns(
            source: str = source, week: str = week, model: str = model, keys: set[tuple[str, int]] = keys
        ) -> Iterator[list[TargetTurn]]:
            return _only(study.lake, source, week, model, keys)

        for batch in label_turns(asked, turns, progress).rows:
            rows = batch.select([*ITEM, "flagged", "status"]).to_pandas()
            found.append(rows[rows["status"] == "graded"].drop(columns="status"))
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=[*ITEM, "flagged"])


def _without_screen(config: StudyConfig, name: str) -> StudyConfig:
    """The study with this grader reading every turn."""
    grader = config.grading.graders[name].model_copy(update={"screen": None})
    graders = {**config.grading.graders, name: grader}
    return config.model_copy(update={"grading": config.grading.model_copy(update={"graders": graders})})


def _only(
    lake: Lake, source: str, week: str, model: str, keys: set[tuple[str, int]]
) -> Iterator[list[TargetTurn]]:
    stream = simulated_turns(lake, week, model) if source == "simulated" else production_turns(lake, week)
    for batch in stream:
        wanted = [turn for turn in batch if turn.key in keys and turn.model == model]
        if wanted:
            yield wanted


def _rows(
    items: pd.DataFrame, first: pd.DataFrame, second: pd.DataFrame, level: float
) -> Iterator[dict[str, Any]]:
    both = items.merge(first, on=ITEM).merge(second, on=ITEM, suffixes=("_first", "_second"))
    for category, rows in both.groupby("category", sort=True):
        human = rows["human"].astype(bool).to_numpy()
        given = {name: rows[f"flagged_{name}"].astype(bool).to_numpy() for name in ("first", "second")}
        paired = paired_accuracy(human, given["first"], given["second"])
        row: dict[str, Any] = {
            "category": category,
            "n": paired.n,
            "human_flagged": int(human.sum()),
            "both_right": paired.both_right,
            "only_first_right": paired.only_first_right,
            "only_second_right": paired.only_second_right,
            "both_wrong": paired.both_wrong,
            "mcnemar_p": paired.p_value,
        }
        for place, verdict in given.items():
            found = validate(human, verdict, cluster=rows["user_id"].to_numpy(), level=level)
            for name in ("sensitivity", "specificity", "precision", "kappa"):
                row[f"{place}_{name}"] = getattr(found, name).estimate
        yield row

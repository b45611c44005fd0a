"""The rows of post_release_behaviours: what the auditor describes in a candidate's production, and whether it was foreseen.

The candidate's production in its observation weeks is compared with its predecessor's in the forecast's weeks: other prefixes,
so two independent rates. Which behaviours were found before the release is told by likeness of the descriptions, of both
times in one space.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa

from depsim_dagster.audit.clusters.behaviours import (
    FINDING,
    Behaviours,
    Vectorise,
    distinct_texts,
    evened,
    find_behaviours,
)
from depsim_dagster.audit.clusters.coverage import detectable_per_100k
from depsim_dagster.audit.clusters.embedded import vectoriser
from depsim_dagster.audit.clusters.grouping import SAME_BEHAVIOUR
from depsim_dagster.audit.clusters.novel import lake_rows, no_behaviour
from depsim_dagster.audit.clusters.schema import NOVEL_BEHAVIOUR_MEMBERS, POST_RELEASE_BEHAVIOURS
from depsim_dagster.audit.clusters.studied import (
    one_audit,
    production_findings,
    simulated_findings,
)
from depsim_dagster.audit.clusters.vectors import unit_length
from depsim_dagster.audit.kept import kept_note, kept_rows, purged_weeks
from depsim_dagster.audit.minimum import Minimum
from depsim_dagster.audit.schema import FOUND
from depsim_dagster.progress import Progress
from depsim_dagster.study import Study


def post_release_behaviours(
    study: Study, model: str, progress: Progress | None = None
) -> tuple[pa.Table, str | None]:
    """(POST_RELEASE_BEHAVIOURS rows of one released candidate, why there are none where there are none).

    A behaviour counts as found before the release when its descriptions are like those of one in novel_behaviours, whether
    that one was novel or not: it was there to be seen. Raises as `novel.novel_behaviours`.
    """
    config, empty = study.config, POST_RELEASE_BEHAVIOURS.schema.empty_table()
    if config.audit is None:
        return empty, "the study has no section `audit`"
    predecessor = str(config.deployment(model).predecessor)
    before = [str(week) for week in config.forecast_weeks(model)]
    after = [str(week) for week in config.observation_weeks(model)]
    if gone := purged_weeks(study, [*before, *after]):
        kept = kept_rows(study, POST_RELEASE_BEHAVIOURS, model, gone)
        if kept is not None:
            return kept, kept_note(study, gone)
        # What was found before could not be told from what was not.
        return empty, f"the text of {', '.join(gone)} was purged by retention before production was compared"
    sides = [production_findings(study, model, after), production_findings(study, predecessor, before)]
    if not all(len(side) for side in sides):
        return empty, f"production of {model} after its release, or of {predecessor} before, was not audited"
    hashes = one_audit(sides, f"behaviours of {model} in production")
    foreseen = _foreseen(study, model, predecessor, before)
    least, level = Minimum.of(config), config.estimation.level
    stated = pd.concat([*(side[side["status"] == FOUND] for side in sides), foreseen])
    space = _joint(vectoriser(study, stated, progress), stated["description"])
    found = find_behaviours(*sides, space, least, level, config.audit.false_discovery, prefix="p")
    rows = found.rows
    if len(rows):
        rows = rows.assign(found_before=matched(found, sides, foreseen, space))
        rows = rows.rename(
            columns={"rose": "novel", "other_k": "previous_findings", "other_n": "previous_n"}
            | {f"candidate_{name}per_100k": f"{name}per_100k" for name in ("lower_", "upper_")}
            | {"candidate_per_100k": "rate_per_100k"}
        )
    else:
        rows = no_behaviour(found, "previous_").assign(found_before=None)
    rows = rows.assign(
        model=model,
        missed=rows["novel"].astype(bool) & rows["found_before"].isna(),
        detectable_per_100k=detectable_per_100k(found.turns, least.turns, config.audit.max_types, level),
        sandbox=config.sandbox,
        **hashes,
    )
    return lake_rows(POST_RELEASE_BEHAVIOURS, rows), None


def matched(
    found: Behaviours, sides: list[pd.DataFrame], foreseen: pd.DataFrame, space: Vectorise
) -> list[str | None]:
    """For each row of `found`, the behaviour of `foreseen` (rows with `description`, `behaviour`) whose middle is nearest to
    its own, from a cosine of SAME_BEHAVIOUR on: what would have made one group of both."""
    if not len(foreseen):
        return [None] * len(found.rows)
    texts = pd.concat([side.rename(columns={"model": "author"}) for side in sides])[[*FINDING, "description"]]
    members = found.members.merge(texts, on=FINDING)
    ids = sorted(foreseen["behaviour"].unique())
    old = unit_length(np.array([_middle(foreseen, name, space) for name in ids]))
    out: list[str | None] = []
    for name in found.rows["behaviour"]:
        cosine = old @ unit_length(_middle(members, name, space)[np.newaxis])[0]
        best = int(cosine.argmax())
        out.append(ids[best] if cosine[best] >= SAME_BEHAVIOUR else None)
    return out


def _middle(findings: pd.DataFrame, behaviour: str, space: Vectorise) -> np.ndarray:
    texts, place = distinct_texts(findings.loc[findings["behaviour"] == behaviour, "description"])
    counts = np.sqrt(np.bincount(place, minlength=len(texts)))
    return counts @ space(texts)


def _joint(vectorise: Vectorise, descriptions: pd.Series) -> Vectorise:
    """A vectoriser of any of these descriptions in the space of them all."""
    texts, _ = distinct_texts(descriptions)
    points = vectorise(texts)
    places = {text: place for place, text in enumerate(texts)}
    return lambda some: points[[places[evened(text)] for text in some]]


def _foreseen(study: Study, model: str, predecessor: str, weeks: list[str]) -> pd.DataFrame:
    """The findings that novel_behaviours of this candidate consists of, with `behaviour`."""
    columns = [*FINDING, "behaviour"]
    nothing = pd.DataFrame(columns=[*columns, "description", "user_id"])
    if study.lake.manifest(NOVEL_BEHAVIOUR_MEMBERS, {"model": model}) is None:
        return nothing
    members = study.lake.read(NOVEL_BEHAVIOUR_MEMBERS, {"model": model}, columns=columns).to_pandas()
    sides = simulated_findings(study, (model, predecessor), weeks)
    texts = pd.concat([side[side["status"] == FOUND].assign(author=side["model"]) for side in sides])
    return members.merge(texts[[*FINDING, "description", "user_id"]], on=FINDING) if len(texts) else nothing

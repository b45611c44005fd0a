"""Accepting, rejecting and merging what the audit found. A decision is checked here before it is in the file.

To accept a behaviour makes a draft category of it and changes nothing that is measured: a draft enters a taxonomy only by
`adopt` (taxonomy_version.py), and a taxonomy enters a study only by its study file.
"""

from __future__ import annotations

import datetime as dt
import getpass
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from depsim_dagster.audit.adjudication.behaviours import Behaviour, Found, found_behaviours
from depsim_dagster.audit.adjudication.decisions import (
    ACCEPT,
    MERGE,
    REJECT,
    Decision,
    Draft,
    append_decisions,
    decisions_file,
    drafts,
    end_of,
    read_decisions,
    standing,
)
from depsim_dagster.audit.adjudication.generated_wording import generated, texts_of
from depsim_dagster.audit.adjudication.members import Member, members_of
from depsim_dagster.audit.adjudication.wording import Wording, leaks, templated, unseen
from depsim_dagster.errors import ConfigurationError
from depsim_dagster.study import Study

LIST = "depsim audit list"
GROUPS = ("disallowed_content", "misalignment")


@dataclass(frozen=True)
class Typed:
    """What a person typed of a draft; `leaks` is what of a conversation may be in it."""

    group: str = "misalignment"
    definition: str | None = None
    rubric: str | None = None
    grader: str | None = None
    note: str = ""


@dataclass(frozen=True)
class Accepted:
    """The decision, and warnings about what was typed."""

    decision: Decision
    warnings: tuple[str, ...]


def behaviour(study: Study, id: str, found: Found | None = None) -> Behaviour:
    """The behaviour with this id.

    Raises:
        ConfigurationError: there is none, or none that may be shown; the message says the way out.
    """
    known = (found or found_behaviours(study)).by_id()
    if id not in known:
        raise ConfigurationError(_unknown(study, id))
    return known[id]


def accept(
    study: Study, id: str, category: str, typed: Typed, *, by: str | None = None, generate: bool = False
) -> Accepted:
    """Accept a behaviour as the draft category `category`. What was not typed is made from a template, or with
    `generate` by the auditor's model. A later acceptance of the same behaviour replaces its draft.

    Raises:
        ConfigurationError: no such behaviour; the name, group or grader is none that a category can have, or is taken.
        GradingError, EndpointError, BudgetError: of a generated rubric.
    """
    decided = read_decisions(study.config)
    accepted = behaviour(study, id)
    _check_draft(study, id, category, typed, drafts(decided))
    written = {"definition": typed.definition, "rubric": typed.rubric, "note": typed.note or None}
    check_typed(**written, by=by)
    members: tuple[Member, ...] = ()
    if generate or any(written.values()):
        members = members_of(study, accepted).members
    wording = templated(accepted.signs, typed.definition, typed.rubric)
    if generate and not (typed.definition and typed.rubric):
        made = generated(study, category, accepted.signs, members)
        wording = Wording(typed.definition or made.definition, typed.rubric or made.rubric)
    warnings = []
    texts = texts_of(study, members)
    for name, text in written.items():
        held = leaks(text or "", *texts)
        if held:
            warnings.append(
                f"the {name} that you typed holds {' and '.join(held)}; a taxonomy is shared, so write it without"
            )
    try:
        draft = Draft(
            category=category,
            group=typed.group,
            definition=wording.definition,
            rubric=wording.rubric,
            grader=typed.grader,
        )
    except ValidationError:
        raise ConfigurationError(
            f"--as {category!r}: a category's name has lower-case letters, digits and underscores, at most 64, and begins "
            "with a letter"
        ) from None
    decision = _decision(ACCEPT, accepted, by, note=typed.note, draft=draft)
    append_decisions(study.config, [decision], len(decided))
    return Accepted(decision, tuple(warnings))


def reject(study: Study, ids: Sequence[str], note: str, *, by: str | None = None) -> list[Decision]:
    """Say that these are nothing to measure. An id that was decided on may be rejected when the store has it no more.

    Raises:
        ConfigurationError: no such behaviour, or a note that says nothing.
    """
    check_typed(note=note, by=by)
    decided = read_decisions(study.config)
    known, held = found_behaviours(study).by_id(), standing(decided)
    unknown = [id for id in ids if id not in known and id not in held]
    if unknown:
        raise ConfigurationError("\n".join(_unknown(study, id) for id in unknown))
    made = []
    for id in dict.fromkeys(ids):
        model = known[id].model if id in known else held[id].model
        made.append(_made(REJECT, id, model, by, note=note))
    append_decisions(study.config, made, len(decided))
    return made


def merge(
    study: Study, ids: Sequence[str], into: str, note: str = "", *, by: str | None = None
) -> list[Decision]:
    """Say that these are the same as `into`: another behaviour, a category of the taxonomy, or a draft category.

    Raises:
        ConfigurationError: no such behaviour or category, or the merge would end where it began.
    """
    check_typed(note=note or None, by=by)
    decided = read_decisions(study.config)
    known, held = found_behaviours(study).by_id(), standing(decided)
    unknown = [id for id in ids if id not in known]
    if unknown:
        raise ConfigurationError("\n".join(_unknown(study, id) for id in unknown))
    categories = {category.id for category in study.taxonomy.categories} | drafts(decided).keys()
    if into not in known and into not in categories:
        raise ConfigurationError(
            f"{into}: neither a behaviour that the store has ({LIST}) nor a category of the taxonomy or a draft: "
            f"{', '.join(sorted(categories))}"
        )
    if into in held and held[into].decision == REJECT:
        raise ConfigurationError(f"{into} is rejected; accept it first, or reject {', '.join(ids)} too")
    if end_of(into, held) in ids:
        raise ConfigurationError(f"{into} is merged into {end_of(into, held)}; merge the other way round")
    made = [_made(MERGE, id, known[id].model, by, note=note, into=into) for id in dict.fromkeys(ids)]
    append_decisions(study.config, made, len(decided))
    return made


def check_typed(**texts: str | None) -> None:
    """That what was typed as these options, where it was, says something and hides nothing.

    Raises:
        ConfigurationError: a text is empty, or holds characters that nobody sees.
    """
    for name, text in texts.items():
        if text is not None and not text.strip():
            raise ConfigurationError(f"--{name}: is empty; leave it out, or say something")
        if text is not None and unseen(text):
            raise ConfigurationError(
                f"--{name}: holds characters that nobody sees (controls, or marks that turn the direction); type it without"
            )


def stale(decisions: Mapping[str, Decision], known: Collection[str]) -> list[str]:
    """Warnings on decisions that hold, about behaviours that the store has no more."""
    return [
        f"{id} ({_words(decision)}) is not among what the audit found any more: a new run grouped the findings otherwise, or it "
        "fell under the minimum size. The decision is kept; decide on what is there now, or take it back: "
        f"depsim audit reject {id} --note …"
        for id, decision in decisions.items()
        if id not in known and decision.decision != REJECT
    ]


def _words(decision: Decision) -> str:
    return (
        f"accepted as {decision.draft.category}"
        if decision.draft is not None
        else f"merged into {decision.into}"
    )


def _check_draft(study: Study, id: str, category: str, typed: Typed, drafted: Mapping[str, Decision]) -> None:
    known = study.taxonomy.groups()
    if category in known:
        raise ConfigurationError(
            f"--as {category}: the taxonomy has this category; depsim audit merge {id} {category} says that it is the same"
        )
    if category in drafted and drafted[category].id != id:
        raise ConfigurationError(
            f"--as {category}: this draft is made of {drafted[category].id}; depsim audit merge {id} "
            f"{drafted[category].id} says that it is the same"
        )
    groups = sorted({*known.values(), *GROUPS})
    if typed.group not in groups:
        raise ConfigurationError(f"--group {typed.group}: not one of {', '.join(groups)}")
    graders = study.config.grading.graders
    if typed.grader is not None and typed.grader not in graders:
        raise ConfigurationError(f"--grader {typed.grader}: not one of {', '.join(sorted(graders))}")
    if typed.grader is None and study.config.grading.default_grader is None:
        raise ConfigurationError(
            f"the study has no grading.default_grader: name the draft's with --grader, one of {', '.join(sorted(graders))}"
        )


def _unknown(study: Study, id: str) -> str:
    file = decisions_file(study.config)
    decided = f"; decisions on it so far are in {file}" if file.is_file() else ""
    return (
        f"{id}: not among what the audit found (a new run may have grouped the findings otherwise, or it fell under the "
        f"minimum size). {LIST} shows what there is{decided}"
    )


def _decision(what: str, about: Behaviour, by: str | None, **more) -> Decision:
    return _made(what, about.id, about.model, by, **more)


def _made(what: str, id: str, model: str | None, by: str | None, **more) -> Decision:
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    return Decision(at=now, by=by or _who(), id=id, model=model, decision=what, **more)


def _who() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # an account without a name
        return "unknown"

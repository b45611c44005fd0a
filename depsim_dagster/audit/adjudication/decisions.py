"""Decisions of people on what the audit found: one JSON line each, in `audit/decisions.jsonl` beside the study file.

The file outlives the store, can be read, compared and kept under version control, and only grows: a later decision on the
same id replaces the earlier one, which stays readable. It holds no text of a conversation but what its author typed.
What stands in the lake (`behaviour_decisions`) is a copy for the marts, without what was typed.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError, model_validator

from depsim_dagster.audit.adjudication.schema import BEHAVIOUR_DECISIONS
from depsim_dagster.config import StudyConfig
from depsim_dagster.durable_files import exclusive, fsync, write_atomically
from depsim_dagster.errors import ConfigurationError
from depsim_dagster.grading.taxonomy import Slug
from depsim_dagster.lake import Lake, Manifest
from depsim_dagster.yaml_document import listed, validation_problems

DECISIONS_FILE = Path("audit", "decisions.jsonl")
ACCEPT, REJECT, MERGE = "accept", "reject", "merge"
# As the marts name a decision.
SAID = {ACCEPT: "accepted", REJECT: "rejected", MERGE: "merged"}


# Both go into the lake and the warehouse, where nothing that was typed may be.
BehaviourId = Annotated[str, StringConstraints(pattern=r"^[bpd]-[0-9a-f]{12}$")]
Target = Annotated[str, StringConstraints(pattern=r"^([bpd]-[0-9a-f]{12}|[a-z][a-z0-9_]{0,63})$")]


class Draft(BaseModel):
    """A category that a behaviour became, until a taxonomy file takes it in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    category: Slug
    group: Slug
    definition: str
    rubric: str
    grader: str | None = None


class Decision(BaseModel):
    """One line of the file. `into` is the behaviour or category that a merged one belongs to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    at: dt.datetime
    by: str
    id: BehaviourId
    model: str | None = None
    decision: Literal["accept", "reject", "merge"]
    into: Target | None = None
    draft: Draft | None = None
    note: str = ""

    @model_validator(mode="after")
    def _whole(self) -> Decision:
        if (self.decision == ACCEPT) != (self.draft is not None):
            raise ValueError("`draft` stands in a decision to accept, and in no other")
        if (self.decision == MERGE) != (self.into is not None):
            raise ValueError("`into` stands in a decision to merge, and in no other")
        if self.at.tzinfo is None:
            raise ValueError("`at` needs a time zone")
        return self

    def line(self) -> str:
        """The decision as it stands in the file."""
        said = self.model_dump(mode="json", exclude_defaults=True)
        return json.dumps(said, ensure_ascii=False) + "\n"


def decisions_file(study: StudyConfig) -> Path:
    """Where the decisions of a study are kept."""
    return study.path(str(DECISIONS_FILE))


def read_decisions(study: StudyConfig) -> list[Decision]:
    """Every decision, in the order in which they were made.

    Raises:
        ConfigurationError: the file cannot be read, or a line is no decision; the message names every such line.
    """
    return _parsed(decisions_file(study), _content(decisions_file(study)))


def standing(decisions: Iterable[Decision]) -> dict[str, Decision]:
    """Id → the decision that holds: the last one of each."""
    return {decision.id: decision for decision in decisions}


def drafts(decisions: Iterable[Decision]) -> dict[str, Decision]:
    """Draft category → the decision that accepts it, in the order of the decisions."""
    accepted = (decision for decision in standing(decisions).values() if decision.draft is not None)
    return {
        decision.draft.category: decision
        for decision in sorted(accepted, key=lambda decision: decision.at)
        if decision.draft is not None
    }


def end_of(id: str, decisions: Mapping[str, Decision]) -> str:
    """What a chain of merges that begins at `id` ends in: a behaviour that is not merged, or a category."""
    seen = {id}
    while id in decisions and (into := decisions[id].into) is not None and into not in seen:
        id = into
        seen.add(id)
    return id


def append_decisions(study: StudyConfig, made: Iterable[Decision], expected: int | None = None) -> None:
    """Add decisions behind those of the file; all of them are on disk on return, or none is in the file.

    `expected`: how many decisions there were when these were made.

    Raises:
        ConfigurationError: the file cannot be read or written, or somebody has decided since.
    """
    file = decisions_file(study)
    try:
        with exclusive(file.parent):
            content = _content(file)
            known = _parsed(file, content)
            if expected is not None and len(known) != expected:
                raise ConfigurationError(
                    f"{file}: somebody else has decided meanwhile; look at `depsim audit list` and decide again"
                )
            if content and not content.endswith("\n"):
                content += "\n"
            write_atomically(file, (content + "".join(decision.line() for decision in made)).encode())
            fsync(file.parent)
    except OSError as error:
        raise ConfigurationError(
            f"{file}: cannot be written ({error.strerror}); make room or correct its permissions"
        ) from None


def publish_decisions(study: StudyConfig, lake: Lake) -> Manifest:
    """Copy the decisions that hold into the lake, for the marts.

    Raises:
        ConfigurationError: as `read_decisions`.
        LakeError: the lake cannot be written.
    """
    held = standing(read_decisions(study))
    rows = []
    for id, decision in sorted(held.items()):
        end = end_of(id, held)
        draft = held[end].draft if end in held else None
        # The name of a category has no hyphen, and the id of a behaviour has one.
        category = draft.category if draft is not None else None if "-" in end else end
        rows.append(
            {
                "behaviour": id,
                "decision": SAID[decision.decision],
                "into": decision.into,
                "category": category,
                "decided_at": decision.at,
                "sandbox": study.sandbox,
            }
        )
    return lake.write(BEHAVIOUR_DECISIONS, {}, pa.Table.from_pylist(rows, BEHAVIOUR_DECISIONS.schema))


def _content(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"{file}: not UTF-8 text (byte {error.start}); restore it from a backup or version control"
        ) from None
    except OSError as error:
        raise ConfigurationError(
            f"{file}: cannot be read ({error.strerror}); correct its permissions"
        ) from None


def _parsed(file: Path, content: str) -> list[Decision]:
    decisions, problems = [], []
    for number, line in enumerate(content.split("\n"), 1):
        if not line.strip():
            continue
        try:
            decisions.append(Decision.model_validate_json(line))
        except ValidationError as error:
            wrong = "; ".join(validation_problems(error, Decision))
            problems.append(f"line {number} is no decision ({wrong}); correct it, or take it out")
    if problems:
        raise listed(file, problems)
    return decisions

"""The taxonomy: which undesired behaviours are measured, each with its definition and rubric. It is data, not code."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from depsim_dagster.config import StudyConfig
from depsim_dagster.yaml_document import listed, read_yaml, validation_problems

# Those that ship, by the name that a study file gives.
SHIPPED = {
    "default": Path(__file__).with_name("taxonomy.yaml"),
    "coding_agent": Path(__file__).with_name("taxonomy_coding_agent.yaml"),
}
# The category of whatever has no category of its own.
HOLE = "novel_other"
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


EvidencePart = Literal["prefix", "completion", "reasoning", "tool_calls"]


class Examples(BaseModel):
    """Short descriptions or quotes of turns that show the behaviour, and of near misses that do not."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    positive: tuple[str, ...] = ()
    negative: tuple[str, ...] = ()


class SeverityScale(BaseModel):
    """Levels of a behaviour from 0 (none) on; the verdict is a level, and flagged means `flag_from` or above."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    levels: tuple[str, ...] = Field(min_length=2, max_length=11)
    flag_from: int = Field(ge=1)

    @model_validator(mode="after")
    def _is_a_level(self) -> SeverityScale:
        if self.flag_from >= len(self.levels):
            raise ValueError(f"`flag_from` must be one of the levels 1 to {len(self.levels) - 1}")
        return self


class Category(BaseModel):
    """One undesired behaviour. `applies_to` limits it to prefixes whose attributes have one of the listed values ("true" for
    a true one); `evidence` names what its grader sees."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Slug
    group: Slug
    definition: str
    rubric: str = ""
    examples: Examples = Examples()
    severity: SeverityScale | None = None
    evidence: tuple[EvidencePart, ...] = ("prefix", "completion", "reasoning", "tool_calls")
    agentic: bool = False
    grader: str | None = None
    applies_to: dict[str, tuple[str, ...]] = Field(default_factory=dict)


class Taxonomy(BaseModel):
    """A versioned list of categories."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: str
    categories: tuple[Category, ...] = Field(min_length=1)

    def groups(self) -> dict[str, str]:
        """Category id → group."""
        return {category.id: category.group for category in self.categories}


def taxonomy_file(study: StudyConfig) -> Path:
    """The file of the study's taxonomy: one that ships, or the study's own."""
    return SHIPPED.get(study.grading.taxonomy) or study.path(study.grading.taxonomy)


def load_taxonomy(study: StudyConfig) -> Taxonomy:
    """The study's taxonomy, with every category's grader resolved.

    Raises:
        ConfigurationError: the file is missing or malformed, an id is listed twice, or a category has no grader; the
            message lists every problem.
    """
    path = taxonomy_file(study)
    shipped = ", ".join(f"`{name}`" for name in SHIPPED)
    raw = read_yaml(
        path,
        f"no such file; correct grading.taxonomy in {study.file}: {shipped} or the path of a taxonomy file",
    )
    try:
        taxonomy = Taxonomy.model_validate(raw)
    except ValidationError as error:
        raise listed(path, validation_problems(error, Taxonomy)) from None
    problems = []
    ids = Counter(category.id for category in taxonomy.categories)
    problems += [f"category `{name}` is listed twice" for name, count in ids.items() if count > 1]
    resolved = []
    for category in taxonomy.categories:
        grader = category.grader or study.grading.default_grader
        if grader not in study.grading.graders:
            known = ", ".join(sorted(study.grading.graders))
            problems.append(
                f"category `{category.id}`: grader `{grader}` is not one of {known}; name one here"
                if category.grader
                else f"category `{category.id}` names no grader (one of {known}); name one here or set "
                f"grading.default_grader in {study.file}"
            )
        resolved.append(category.model_copy(update={"grader": grader}))
    if problems:
        raise listed(path, problems)
    return taxonomy.model_copy(update={"categories": tuple(resolved)})

"""The taxonomy: which undesired behaviours are measured, each with its definition and rubric. It is data, not code."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from depsim_dagster.config import StudyConfig
from depsim_dagster.errors import ConfigurationError

DEFAULT_TAXONOMY = Path(__file__).with_name("taxonomy.yaml")
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


class Category(BaseModel):
    """One undesired behaviour. `applies_to` limits it to prefixes whose attributes have one of the listed values."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Slug
    group: Slug
    definition: str
    rubric: str = ""
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


def load_taxonomy(study: StudyConfig) -> Taxonomy:
    """The study's taxonomy, with every category's grader resolved.

    Raises:
        ConfigurationError: the file is missing or malformed, an id is listed twice, or a category has no grader.
    """
    named = study.grading.taxonomy
    path = DEFAULT_TAXONOMY if named == "default" else study.path(named)
    try:
        taxonomy = Taxonomy.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise ConfigurationError(
            f"{study.file}: grading.taxonomy: no file {path}; give `default` or an existing path"
        ) from None
    except yaml.YAMLError:
        raise ConfigurationError(f"{path}: not valid YAML") from None
    except ValidationError as error:
        lines = [
            f"{path}: {'.'.join(map(str, problem['loc']))}: {problem['msg']}"
            for problem in error.errors(include_url=False, include_input=False)
        ]
        raise ConfigurationError("\n".join(lines)) from None
    seen: set[str] = set()
    resolved = []
    for category in taxonomy.categories:
        if category.id in seen:
            raise ConfigurationError(f"{path}: category `{category.id}` is listed twice")
        seen.add(category.id)
        grader = category.grader or study.grading.default_grader
        if grader not in study.grading.graders:
            raise ConfigurationError(
                f"{path}: category `{category.id}`: grader `{grader}` is not one of {sorted(study.grading.graders)}; "
                f"name one here or set grading.default_grader in {study.file}"
            )
        resolved.append(category.model_copy(update={"grader": grader}))
    return taxonomy.model_copy(update={"categories": tuple(resolved)})

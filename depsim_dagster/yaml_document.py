"""YAML documents that people write: read strictly, and wrong keys told in words.

Two things that YAML lets pass are refused here because a study would silently be another one: a key given twice (the
last would win) and a date that does not exist. What the keys mean is not known here.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from depsim_dagster.errors import ConfigurationError

MERGE_KEY = "<<"


class _StrictLoader(yaml.SafeLoader):
    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.value == MERGE_KEY:
                continue
            if key.value in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key `{key.value}` is given twice", problem_mark=key.start_mark
                )
            seen.add(key.value)
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except ValueError:
            raise yaml.MarkedYAMLError(
                problem="no such date, time or number", problem_mark=node.start_mark
            ) from None


def read_yaml(path: Path, missing: str) -> Any:
    """The document of a YAML file.

    Raises:
        ConfigurationError: the file is missing (`missing` says the way out), cannot be read, or is not YAML; the
            message names the line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigurationError(f"{path}: {missing}") from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        return yaml.load(text, Loader=_StrictLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        reason = getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable"
        raise ConfigurationError(f"{path}{where}: not valid YAML ({reason})") from None
    except RecursionError:
        raise ConfigurationError(f"{path}: not valid YAML (nested too deeply)") from None


def listed(path: Path, problems: Iterable[str]) -> ConfigurationError:
    """One error that lists every problem, each with the file."""
    return ConfigurationError("\n".join(f"{path}: {problem}" for problem in problems))


def validation_problems(error: ValidationError, document: type[BaseModel]) -> list[str]:
    """One line per wrong key of a document: the key and what is accepted there. Never the value: it may be a secret."""
    lines = []
    for problem in error.errors(include_url=False, include_input=False):
        location = tuple(part for part in problem["loc"] if part != "[key]")
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            message = f"unknown key; accepted here: {', '.join(_accepted_keys(document, location[:-1]))}"
        elif problem["type"] == "missing":
            message = "this key is required"
        elif problem["type"] == "tuple_type":
            message = "must be a list"
        elif problem["type"] == "dict_type":
            message = "must be a mapping from names to sections"
        elif problem["type"] == "model_type":
            message = f"must be a mapping with keys of: {', '.join(_accepted_keys(document, location))}"
        key = ".".join(str(part) for part in location)
        lines.extend(f"{key}: {line}" if key else line for line in message.split("\n"))
    return lines


def _accepted_keys(document: type[BaseModel], location: tuple[Any, ...]) -> list[str]:
    section: Any = document
    for part in location:
        # A place in a list or a name in a mapping leads into the same section; a key of it into the next one.
        if isinstance(part, str) and part in section.model_fields:
            section = _section_in(section.model_fields[part].annotation) or section
    return sorted(section.model_fields)


def _section_in(annotation: Any) -> type[BaseModel] | None:
    """The section inside `Section`, `Section | None`, `tuple[Section, ...]` or `dict[str, Section]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        if (found := _section_in(argument)) is not None:
            return found
    return None

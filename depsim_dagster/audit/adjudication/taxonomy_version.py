"""A new taxonomy file out of the study's taxonomy and the accepted drafts: the only way in which a draft gets into one.

The study's own file is not touched, and the study measures what it did until its study file names the new one. That is
another measurement stack: labels of the two are never mixed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from depsim_dagster.audit.adjudication.adjudicate import check_typed
from depsim_dagster.audit.adjudication.decisions import Decision, drafts, read_decisions
from depsim_dagster.config import StudyConfig
from depsim_dagster.durable_files import create_once
from depsim_dagster.errors import ConfigurationError
from depsim_dagster.grading.stack import measurement_stack, stack_hash
from depsim_dagster.grading.taxonomy import load_taxonomy, taxonomy_file
from depsim_dagster.registry.schema import REGISTERED_FORECASTS
from depsim_dagster.study import Study
from depsim_dagster.yaml_document import read_yaml

WIDTH = 120


@dataclass(frozen=True)
class Adopted:
    """`sealed`: candidates that have a forecast, which was sealed under the study's stack of today."""

    file: Path
    named: str
    version: str
    categories: tuple[str, ...]
    stack_hash: str
    sealed: tuple[str, ...]


def adopt(study: Study, file: Path, version: str | None = None) -> Adopted:
    """Write the study's taxonomy with all accepted drafts to `file`, as a new version.

    Raises:
        ConfigurationError: there is no draft that the taxonomy lacks, the file is there already or cannot be written, or
            `version` is the present one.
    """
    config = study.config
    check_typed(version=version)
    source = taxonomy_file(config)
    raw = read_yaml(source, "no such file")
    present = {category.id for category in study.taxonomy.categories}
    made = {
        name: decision for name, decision in drafts(read_decisions(config)).items() if name not in present
    }
    if not made:
        raise ConfigurationError(
            f"{config.file}: no accepted behaviour that the taxonomy {study.taxonomy.version} lacks; depsim audit accept … first"
        )
    version = version or next_version(study.taxonomy.version)
    if version == study.taxonomy.version:
        raise ConfigurationError(f"--version {version}: the present taxonomy has this version; give another")
    entries = [entry(decision) for decision in made.values()]
    document = {**raw, "version": version, "categories": [*raw["categories"], *entries]}
    text = _extended(source, version, entries, document)
    path = file if file.is_absolute() else Path.cwd() / file
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        create_once(path, text.encode())
    except FileExistsError:
        raise ConfigurationError(f"{file}: is there already and is not replaced; name another file") from None
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be written ({error.strerror}); name another file") from None
    named = _named(config, path)
    grading = config.grading.model_copy(update={"taxonomy": named})
    changed = config.model_copy(update={"grading": grading})
    stack = measurement_stack(changed, load_taxonomy(changed), study.suite_versions)
    sealed = tuple(manifest.partition["model"] for manifest in study.lake.published(REGISTERED_FORECASTS))
    return Adopted(file, named, version, tuple(made), stack_hash(stack), sealed)


def next_version(version: str) -> str:
    """`depsim-3` after `depsim-2`; a version that ends in no number gets one."""
    found = re.fullmatch(r"(.*?)(\d+)", version, re.DOTALL)
    return f"{found.group(1)}{int(found.group(2)) + 1}" if found else f"{version}-2"


def entry(decision: Decision) -> dict[str, Any]:
    """The entry of a taxonomy file that a draft becomes."""
    draft = decision.draft
    assert draft is not None
    said = {
        "id": draft.category,
        "group": draft.group,
        "definition": draft.definition,
        "rubric": draft.rubric,
    }
    return said | ({"grader": draft.grader} if draft.grader is not None else {})


def _extended(source: Path, version: str, entries: list[dict[str, Any]], document: dict[str, Any]) -> str:
    """The text of the source with its comments, another version and further entries, so that the two files can be compared
    line by line; where that is not what it would then say, the document written anew."""
    text = source.read_text(encoding="utf-8-sig").rstrip() + "\n"
    text = re.sub(r"(?m)^version:.*$", lambda _: f"version: {_scalar(version)}", text, count=1)
    item = re.search(r"(?m)^( *)- +id:", text)
    written = yaml.safe_dump(entries, sort_keys=False, allow_unicode=True, width=WIDTH)
    indent = item.group(1) if item else ""
    text += "".join(indent + line for line in written.splitlines(keepends=True))
    try:
        if yaml.safe_load(text) == document:
            return text
    except yaml.YAMLError:
        pass
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=WIDTH)


def _scalar(value: str) -> str:
    return yaml.safe_dump(value, allow_unicode=True, width=10_000).removesuffix("\n...\n").strip()


def _named(config: StudyConfig, file: Path) -> str:
    """The path as `grading.taxonomy` may name it: from the study file's folder where it lies in it."""
    folder = config.file.resolve().parent
    resolved = file.resolve()
    return str(resolved.relative_to(folder) if resolved.is_relative_to(folder) else resolved)

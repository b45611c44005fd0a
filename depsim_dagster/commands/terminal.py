"""What the commands share: the option that names a study, and how they print."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from depsim_dagster.config import STUDY_FILE_VARIABLE, load_study, study_file_from_environment

if TYPE_CHECKING:
    from rich.console import Console

    from depsim_dagster.study import Study


STUDY_OPTION = click.option(
    "-c",
    "--study",
    "study_file",
    type=click.Path(path_type=Path),
    default=None,
    help=f"Study file. Default: ${STUDY_FILE_VARIABLE}, else study.yaml, else demo/study.yaml.",
)


def printable(text: str) -> str:
    """A message may name a file, and a file's name may hold what a terminal obeys."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def open_study(study_file: Path | None) -> Study:
    """The study of this file, or of the file that is found when none is named."""
    from depsim_dagster.study import Study

    return Study(load_study(study_file or study_file_from_environment()))


def open_console() -> Console:
    """Where tables are printed."""
    from rich.console import Console

    # Redirected output has no width of its own; the study table needs a hundred columns.
    return Console() if sys.stdout.isatty() else Console(width=100)

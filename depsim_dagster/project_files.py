"""Where the project's own files lie (dbt_project, expectations): beside the package in a checkout, inside it in a wheel."""

from __future__ import annotations

from pathlib import Path

from depsim_dagster.errors import ConfigurationError

PACKAGE = Path(__file__).resolve().parent


def project_directory(name: str) -> Path:
    """The folder `name` of the project.

    Raises:
        ConfigurationError: the installation lacks it.
    """
    for parent in (PACKAGE, PACKAGE.parent):
        if (parent / name).is_dir():
            return parent / name
    raise ConfigurationError(f"{name}/ is missing from this installation of depsim-dagster; install it again")

"""Where the dbt project is, and its parsed manifest. The project may lie in a read-only site-packages, so
nothing is ever written beside it: manifests go to a cache directory under a name that is a hash of the
project's content, which is also how a stale one is noticed. Not here: running models (dbt_build)."""

import hashlib
import os
import tempfile
from importlib.metadata import version
from pathlib import Path

from depsim_dagster.cache_directory import default_cache_dir
from depsim_dagster.errors import ConfigurationError
from depsim_dagster.project_files import project_directory

_PROJECT_FILES = {".sql", ".yml", ".md", ".csv"}
_NOT_SOURCE = {"target", "logs", "dbt_packages"}


def dbt_project_dir() -> Path:
    """Directory of the dbt project: inside the package in a wheel, beside it in a checkout.

    Raises ConfigurationError where the installation lacks it.
    """
    return project_directory("dbt_project")


def project_digest(project_dir: Path) -> str:
    """Hash (16 hex digits) of every source file of the project and of the dbt versions that would parse
    it."""
    digest = hashlib.sha256()
    for package in ("dbt-core", "dbt-duckdb"):
        digest.update(f"{package}=={version(package)}\0".encode())
    for path in sorted(project_dir.rglob("*")):
        relative = path.relative_to(project_dir)
        if path.suffix in _PROJECT_FILES and relative.parts[0] not in _NOT_SOURCE:
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{relative.as_posix()}\0{content}\0".encode())
    return digest.hexdigest()[:16]


def manifest_file(cache_dir: Path | None = None) -> Path:
    """The project's manifest.json, parsed (about 3 s) only if this very content was never parsed before.

    Safe for several processes at once: each parses on its own and puts the file in place atomically.
    Raises ConfigurationError if the cache directory cannot be written, MartsError if the project does not
    parse.
    """
    project_dir = dbt_project_dir()
    directory = cache_dir or default_cache_dir()
    manifest = directory / f"dbt-manifest-{project_digest(project_dir)}.json"
    if manifest.is_file():
        return manifest
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="dbt-parse-", dir=directory) as scratch:
            from depsim_dagster.marts.dbt_build import parse_project

            os.replace(parse_project(project_dir, Path(scratch)), manifest)
    except OSError as error:
        raise ConfigurationError(
            f"cannot write the dbt manifest to {directory} ({error.strerror or type(error).__name__}): "
            "set DEPSIM_CACHE_DIR to a writable directory"
        ) from error
    return manifest

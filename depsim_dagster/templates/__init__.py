"""Study folders to start from."""

from __future__ import annotations

import glob
from pathlib import Path

from depsim_dagster.errors import ConfigurationError

TEMPLATES = Path(__file__).parent
DEMO_TEMPLATE = TEMPLATES / "demo" / "study.yaml"


def write_template(name: str, directory: Path, data: Path | None = None) -> Path:
    """Write the files of a template into `directory`, with `data` where it names a data folder.

    Returns the study file. Files that are there already are never overwritten.

    Raises:
        ConfigurationError: a file of the template is there already, or the data's path cannot stand in YAML.
    """
    source = TEMPLATES / name
    files = [path for path in sorted(source.iterdir()) if path.suffix in (".yaml", ".py")]
    present = [path.name for path in files if (directory / path.name).exists()]
    if present:
        raise ConfigurationError(
            f"{directory}: {', '.join(present)} is there already; choose another folder or delete it"
        )
    named = "" if data is None else glob.escape(str(data.resolve()))
    if any(character in named for character in '"\\\n'):
        raise ConfigurationError(
            f"{named!r}: a data folder whose name holds a quotation mark or a backslash cannot be used; rename it"
        )
    directory.mkdir(parents=True, exist_ok=True)
    for path in files:
        (directory / path.name).write_text(
            path.read_text(encoding="utf-8").replace("{{ data }}", named), encoding="utf-8"
        )
    return directory / "study.yaml"

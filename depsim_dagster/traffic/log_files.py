"""Files of logs: which ones a study names. What is in them is not looked at here."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from pathlib import Path

from depsim_dagster.config import StudyConfig
from depsim_dagster.errors import TrafficError

_COMPRESSIONS = ("", ".gz", ".bz2", ".xz", ".zst")
LOG_ENDINGS = tuple(
    kind + compression for kind in (".parquet", ".jsonl", ".ndjson", ".json") for compression in _COMPRESSIONS
)
PROMPT_ENDINGS = (*LOG_ENDINGS, *(f".csv{compression}" for compression in _COMPRESSIONS))


def matching_files(
    study: StudyConfig, patterns: tuple[str, ...], key: str, endings: tuple[str, ...] = ()
) -> list[Path]:
    """Files that the patterns match, each once, in a fixed order.

    A pattern is a file, a glob, or, where `endings` are given, a folder: of it and the folders in it the files with one
    of the endings, but nothing whose name begins with `.` or `_`.

    Raises:
        TrafficError: a pattern matches no file; the message names the key.
    """
    found: dict[Path, None] = {}
    for pattern in patterns:
        path = study.path(pattern)
        if path.is_file():
            matches = [path]  # a name may hold characters that a glob takes for its own
        elif path.is_dir() and endings:
            matches = sorted(_files_below(path, endings))
        else:
            # Only the pattern is a glob: the study's own folder may be called `study [2]`.
            names = glob.glob(str(Path(pattern).expanduser()), root_dir=study.directory, recursive=True)
            matches = []
            for match in (study.directory / name for name in sorted(names)):
                if match.is_file():
                    matches.append(match)
                elif match.is_dir() and endings:
                    matches += sorted(_files_below(match, endings))
        if not matches:
            wanted = f"an existing file, a folder with files that end in {', '.join(endings[::5])} (or these compressed)"
            raise TrafficError(
                f"{study.file}: {key}: nothing matches {shown(path)}; give {wanted if endings else 'an existing file'} "
                "or a glob"
            )
        found.update(dict.fromkeys(matches))
    return list(found)


def shown(path: Path | str) -> str:
    """A path as a message or a table may hold it: what cannot be printed is escaped. Two paths are never shown alike."""
    text = str(path).replace("\\", "\\\\")
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape", "surrogatepass").decode()
        for character in text
    )


def _files_below(folder: Path, endings: tuple[str, ...]) -> Iterator[Path]:
    for directory, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name[0] not in "._"]
        for name in names:
            path = Path(directory, name)
            if name[0] not in "._" and name.lower().endswith(endings) and path.is_file():
                yield path

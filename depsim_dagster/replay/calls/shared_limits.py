"""The limits of an endpoint on disk, where all processes of one store meet: `<journal root>/_limits/<endpoint>/`.

A small JSON file under a lock that is held for a fraction of a millisecond about once a second. Each run, of whatever
process, has a row in it and beside it an empty file that it holds locked: when the process is gone, however it
ended, so is its row. No conversation and no key is in here. On a file system that refuses locks each process keeps
to its limits by itself, and says so once.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from depsim_dagster.replay.calls.concurrency import EndpointLimits

FOLDER = "_limits"
STATE = "state.json"
NEWS = "pushed_back"  # touched when the server pushed back: looking at it is cheaper than reading the state
JOIN_POLL_S = 0.02
LONGEST_STATE = 2**20

logger = logging.getLogger(__name__)
_warned: set[Path] = set()


def limits_directory(journal: Path, endpoint_name: str) -> Path:
    """Where the limits of an endpoint are that has this journal directory: one place for all its models."""
    hive = journal.name.startswith("model=") and journal.parent.name.startswith("endpoint=")
    return (journal.parents[1] if hive else journal) / FOLDER / quote(endpoint_name, safe="")


class SharedLimits:
    """One run's membership: `await join()`, then `exchange()` now and then, then `leave()`."""

    def __init__(self, directory: Path, limits: EndpointLimits) -> None:
        self.key = uuid.uuid4().hex
        self._directory = directory
        self._limits = limits
        self._alive: int | None = None
        self._heard_at = 0

    @property
    def shared(self) -> bool:
        """Whether other processes are counted in."""
        return self._alive is not None

    async def join(self, alone: EndpointLimits) -> None:
        """Add this run's row, waiting for the lock. Where nothing can be shared, `alone` holds instead."""
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            while not self._try_to_join():
                await asyncio.sleep(JOIN_POLL_S)
        except OSError as error:
            if self._directory not in _warned:
                _warned.add(self._directory)
                logger.warning(
                    "limits cannot be shared in %s (%s): each process keeps to them by itself",
                    self._directory,
                    error.strerror or type(error).__name__,
                )
            self._limits = alone
            self._limits.join(self.key)

    @contextlib.contextmanager
    def exchange(self) -> Iterator[EndpointLimits | None]:
        """The limits as all processes left them, to read and change; None while another is at it.

        Never waits and never fails: what cannot be written is forgotten by the next one.
        """
        with self._locked() as locked:
            if not locked and self.shared:
                yield None
                return
            if locked:
                self._read()
                self._remove_the_dead()
            yield self._limits
            if locked:
                self._write()

    def announce(self) -> None:
        """Have the other processes exchange soon: the server pushed back."""
        with contextlib.suppress(OSError):
            (self._directory / NEWS).touch()

    def news(self) -> bool:
        """Whether somebody announced something since the last time that this was asked."""
        try:
            announced_at = os.stat(self._directory / NEWS).st_mtime_ns
        except OSError:
            return False
        before, self._heard_at = self._heard_at, announced_at
        return announced_at != before

    def leave(self) -> None:
        """Give the row back. A process that dies without it is removed by the next one that looks."""
        if self._alive is None:
            return
        with contextlib.suppress(OSError):
            self._marker(self.key).unlink(missing_ok=True)
        os.close(self._alive)
        with self.exchange() as limits:
            if limits is not None:
                limits.leave(self.key)
        self._alive = None

    def _try_to_join(self) -> bool:
        with self._locked(strict=True) as locked:
            if not locked:
                return False
            descriptor = os.open(self._marker(self.key), os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._read()
                self._remove_the_dead()
                self._limits.join(self.key)
                self._write(strict=True)
            except OSError:
                os.close(descriptor)
                self._marker(self.key).unlink(missing_ok=True)
                raise
            self._alive = descriptor
            return True

    @contextlib.contextmanager
    def _locked(self, strict: bool = False) -> Iterator[bool]:
        """Whether this process has the lock of the folder. `strict`: raise OSError when there can be none."""
        descriptor = None
        locked = False
        try:
            descriptor = os.open(self._directory, os.O_RDONLY)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            locked = True
        except BlockingIOError:
            pass
        except OSError:
            if strict:
                if descriptor is not None:
                    os.close(descriptor)
                raise
        try:
            yield locked
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def _read(self) -> None:
        # A file that is missing or spoilt is as good as none: rows come back with their owners' next exchange.
        with contextlib.suppress(
            OSError, ArithmeticError, LookupError, TypeError, ValueError, RecursionError
        ):
            self._limits.load(json.loads(_content(self._directory / STATE), parse_constant=_refused))

    def _write(self, strict: bool = False) -> None:
        temporary = self._directory / f"{STATE}.new"
        try:
            with open(temporary, "w", opener=_plainly) as file:
                json.dump(self._limits.to_json(), file)
            os.replace(temporary, self._directory / STATE)
        except OSError:
            if strict:
                raise

    def _remove_the_dead(self) -> None:
        for marker in self._directory.glob("*.alive"):
            if marker.stem != self.key and _is_free(marker):
                marker.unlink(missing_ok=True)
        for key in list(self._limits.rows):
            if key != self.key and not self._marker(key).exists():
                self._limits.leave(key)

    def _marker(self, key: str) -> Path:
        return self._directory / f"{key}.alive"


def _plainly(path: str, flags: int) -> int:
    """Open a file that is none of those that belong elsewhere (a link) or make one wait (a pipe)."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)


def _content(state: Path) -> bytes:
    with open(state, "rb", opener=_plainly) as file:
        return file.read(LONGEST_STATE)


def _refused(constant: str) -> float:
    raise ValueError(f"{constant} is no limit")


def _is_free(marker: Path) -> bool:
    try:
        descriptor = os.open(marker, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True

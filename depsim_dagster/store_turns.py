"""Who is in the store: any number of runs at a time, or one erasure alone.

A run reads a week's prefixes and publishes what it made of them an hour later. An erasure in between would miss what is
not published yet, and the run would publish it afterwards. So runs share the store and an erasure waits until they are
out; runs that come while it waits, wait behind it. The locks are the kernel's: a process that dies lets go of them.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from depsim_dagster.errors import LakeError

ROOM = ".store.lock"
# Runs pass through it, an erasure that waits stays in it: without, a study of many short runs would never let it in.
TURNSTILE = ".turnstile.lock"

_guard = threading.Lock()
_at_work: Counter[Path] = Counter()
_rooms: dict[Path, int] = {}


@contextlib.contextmanager
def at_work(root: Path) -> Iterator[None]:
    """Be in the store as a run. A process that is in already (a run started by a run) enters without waiting."""
    root = Path(root).resolve()
    with _guard:
        if not _at_work[root]:
            with _locked(root / TURNSTILE, fcntl.LOCK_SH):
                _rooms[root] = _lock(root / ROOM, fcntl.LOCK_SH)
        _at_work[root] += 1
    try:
        yield
    finally:
        with _guard:
            _at_work[root] -= 1
            if not _at_work[root]:
                os.close(_rooms.pop(root))


@contextlib.contextmanager
def alone(root: Path, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Be in the store without any run. `on_wait` is called when one has to end first.

    Raises:
        LakeError: a run of this very process is at work, which would wait for itself.
    """
    root = Path(root).resolve()
    if _at_work[root]:
        raise LakeError(
            f"{root}: a run of this process is at work in the store; let it end, then erase or purge"
        )
    with _locked(root / TURNSTILE, fcntl.LOCK_EX, on_wait), _locked(root / ROOM, fcntl.LOCK_EX, on_wait):
        yield


@contextlib.contextmanager
def _locked(path: Path, kind: int, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    descriptor = _lock(path, kind, on_wait)
    try:
        yield
    finally:
        os.close(descriptor)


def _lock(path: Path, kind: int, on_wait: Callable[[], None] = lambda: None) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise LakeError(f"{path}: cannot be opened ({error.strerror}); restore write access") from None
    try:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(descriptor, kind)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor

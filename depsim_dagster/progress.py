"""Progress of long work, for whoever watches: the CLI sets a listener, Dagster's log hears from it now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from logging import Logger
from typing import Protocol

Listener = Callable[[str, int, int, str], None]
LOG_EVERY_S = 15.0


class Progress(Protocol):
    """What the engine calls now and then; `waits_for` says in words what a run in batch mode waits for."""

    def __call__(self, answered: int, started: int, waits_for: str = "", /) -> None: ...


_listener: Listener | None = None


def listen(listener: Listener | None) -> None:
    """Call `listener(what, answered, started, waits_for)` on every step from now on; None stops it."""
    global _listener
    _listener = listener


def tell(line: str) -> None:
    """A line for whoever waits, on stderr: why something takes its time."""
    print(line, file=sys.stderr, flush=True)


def progress_line(what: str, answered: int, started: int, waits_for: str = "") -> str:
    """Progress in a line of a log."""
    line = f"{what}: {answered:,} of {started:,} started calls answered"
    return f"{line}; {waits_for}" if waits_for else line


def call_progress(what: str, log: Logger) -> Progress:
    """A progress callback for the replay engine."""
    logged, last = time.monotonic(), ""

    def report(answered: int, started: int, waits_for: str = "", /) -> None:
        nonlocal logged, last
        if _listener is not None:
            _listener(what, answered, started, waits_for)
        if time.monotonic() - logged < LOG_EVERY_S:
            return
        logged, line = time.monotonic(), progress_line(what, answered, started, waits_for)
        if line != last:  # a batch may stand still for hours
            log.info(line)
        last = line

    return report

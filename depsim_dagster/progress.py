"""Progress of long work, for whoever watches: the CLI sets a listener, Dagster's log hears from it now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from logging import Logger

Listener = Callable[[str, int, int], None]
LOG_EVERY_S = 15.0

_listener: Listener | None = None


def listen(listener: Listener | None) -> None:
    """Call `listener(what, done, started)` on every step from now on; None stops it."""
    global _listener
    _listener = listener


def tell(line: str) -> None:
    """A line for whoever waits, on stderr: why something takes its time."""
    print(line, file=sys.stderr, flush=True)


def call_progress(what: str, log: Logger) -> Callable[[int, int], None]:
    """A progress callback for the replay engine: (answered, started) calls."""
    logged = time.monotonic()

    def report(answered: int, started: int) -> None:
        nonlocal logged
        if _listener is not None:
            _listener(what, answered, started)
        if time.monotonic() - logged >= LOG_EVERY_S:
            logged = time.monotonic()
            log.info(f"{what}: {answered:,} of {started:,} started calls answered")

    return report

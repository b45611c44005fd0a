"""The one exception hierarchy. A message names the file, key, row or partition and the way out; it never holds
conversation text, because messages end up in logs, run events and terminals."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class DepsimError(Exception):
    """Base of every error that a person can act on."""


class ConfigurationError(DepsimError):
    """The study file, an environment key or a command-line value is missing or malformed."""


class TrafficError(DepsimError):
    """A traffic or consent file cannot be read, or holds nothing that may be used."""


class EmptyWeekError(TrafficError):
    """A week has no eligible user turn; the message holds the funnel."""


class GateError(DepsimError):
    """A table was refused: unpublished, changed since its gate, or published under another gate suite."""


class LakeError(DepsimError):
    """A partition cannot be written or read: wrong schema, missing, or damaged."""


class EndpointError(DepsimError):
    """A model endpoint is unreachable, refuses the key, or does not know the model."""


class BudgetError(DepsimError):
    """The study's budget does not cover the next call. Everything that was answered is kept.

    for_now: it may when the calls under way have ended, which are counted as what they may take at most.
    """

    def __init__(self, message: str, for_now: bool = False) -> None:
        super().__init__(message)
        self.for_now = for_now


class GradingError(DepsimError):
    """A grader is misconfigured, or labels of different measurement stacks were about to be mixed."""


class RegistryError(DepsimError):
    """A forecast cannot be sealed, or a sealed forecast was changed."""


@contextmanager
def text_free(where: str) -> Iterator[None]:
    """Around code that handles conversation text: an unforeseen exception keeps its class and place and loses its
    message, because libraries quote the values that they choke on. An error of ours keeps its message and loses the
    exceptions behind it, which a log or a run event would print below it."""
    try:
        yield
    except DepsimError as error:
        error.__cause__ = error.__context__ = None
        raise error from None
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(frame.filename).name}:{frame.lineno}"
        raise DepsimError(
            f"{where}: {type(error).__name__} at {place} (message withheld: it may quote a conversation)"
        ) from None

"""What goes wrong with batches of the sandbox server: how a batch ends, which of its lines fail, how full the queue is."""

from __future__ import annotations

from dataclasses import dataclass

COMPLETED, INVALID, TOKEN_LIMIT, EXPIRED, CANCELLED = (
    "completed",
    "invalid",
    "token_limit",
    "expired",
    "cancelled",
)
WHOLE = {
    INVALID: ("invalid_request", "The file cannot be used."),
    TOKEN_LIMIT: ("token_limit_exceeded", "Enqueued token limit reached."),
}


@dataclass(frozen=True)
class Fate:
    """How a batch ends. `share`: of its lines, those that are run before it expires or is cancelled."""

    name: str = COMPLETED
    share: float = 1.0

    @classmethod
    def parse(cls, text: str) -> Fate:
        """`completed`, `invalid`, `token_limit`, `expired:0.5` or `cancelled:0.5`. Raises ValueError."""
        name, _, share = text.strip().partition(":")
        fate = cls(name, float(share) if share else 1.0)
        known = name in (COMPLETED, *WHOLE) if not share else name in (EXPIRED, CANCELLED)
        if not known or not 0 <= fate.share <= 1:
            raise ValueError(text)
        return fate


@dataclass(frozen=True)
class BatchFaults:
    """What goes wrong with batches. fates: of the first batches, in the order of their creation; the later ones complete.
    Rates are shares of lines. queue_lines: a batch fails when more lines than that would be waiting."""

    seed: int = 0
    fates: tuple[Fate, ...] = ()
    rate_429: float = 0.0
    rate_5xx: float = 0.0
    queue_lines: int | None = None

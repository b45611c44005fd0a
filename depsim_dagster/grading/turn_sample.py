"""A probability sample of a week's turns, for what is too dear to do for all of them.

Every turn is drawn by the hash of its own id, so that a candidate and its predecessor are examined on the same turns, that a
week which is published again keeps its draw, and that the probability is known.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True)
class TurnSample:
    """Turns are drawn with probability `share`, independently; `purpose` keeps the draws of two uses apart."""

    share: float
    seed: int
    purpose: str

    @classmethod
    def of(cls, wanted: int | None, turns: int, seed: int, purpose: str) -> TurnSample:
        """About `wanted` of `turns` turns; all of them where `wanted` is None or there are no more."""
        share = 1.0 if wanted is None or turns <= wanted else wanted / turns
        return cls(share, seed, purpose)

    def holds(self, turn_id: str) -> bool:
        """Whether the turn is drawn."""
        if self.share >= 1:
            return True
        place = hashlib.blake2b(
            f"{self.seed}\x1f{self.purpose}\x1f{turn_id}".encode(), digest_size=8
        ).digest()
        return int.from_bytes(place, "big") < self.share * 2.0**64

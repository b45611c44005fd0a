"""Whether a sample can speak for a target mix: effective sizes, overlap, and the warning where it cannot."""

from dataclasses import dataclass

import numpy as np

# Reweighted, the sample should be worth half of what it was: below, intervals are more than 1.4 times as wide.
LEAST_EFFECTIVE_FRACTION = 0.5
# What the rest of the target does is not in the sample. A behaviour five times as common there moves the rate by a fifth at a
# twentieth of the target, as much as chance at 65,000 turns (ESTIMATION.md, "Score").
LEAST_OVERLAP = 0.95


@dataclass(frozen=True)
class EffectiveSize:
    """Turns and users of equal weight that the weighted ones are worth: (sum w)² / sum w² (Kish 1965, Survey Sampling,
    section 11.7), over turns and over the users' sums. The first holds where turns of one user are independent, the second
    where they all agree."""

    turns: float
    users: float


def effective_size(weight: np.ndarray, user: np.ndarray) -> EffectiveSize:
    """weight: of each turn; user: its user, as a number from 0. Zero of both where no weight is above 0."""

    def kish(values: np.ndarray) -> float:
        squares = float((values**2).sum())
        return float(values.sum()) ** 2 / squares if squares > 0 else 0.0

    return EffectiveSize(kish(weight), kish(np.bincount(user, weights=weight)))


def poor_support(
    overlap: float, before: EffectiveSize, after: EffectiveSize, largest_factor: float, trimmed_share: float
) -> list[str]:
    """What a reader has to be warned of, one sentence each; none where the sample carries the target."""
    warnings = []
    if overlap < LEAST_OVERLAP:
        warnings.append(
            f"{1 - overlap:.0%} of the target mix is traffic of which the sample has less, with too few turns to weight or none: "
            "the reweighted rate does not speak for it"
        )
    fraction = min(
        after.turns / before.turns if before.turns else 0.0,
        after.users / before.users if before.users else 0.0,
    )
    if fraction < LEAST_EFFECTIVE_FRACTION:
        warnings.append(
            f"the weights leave {fraction:.0%} of the sample's effective size ({after.turns:,.0f} turns); the largest is "
            f"{largest_factor:,.1f} times the mean"
        )
    if trimmed_share > 0:
        warnings.append(f"{trimmed_share:.1%} of the target mix was trimmed away")
    return warnings

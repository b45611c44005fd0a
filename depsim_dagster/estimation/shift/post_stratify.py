"""Post-stratification: a weight for each cell of all covariates together, where every cell holds enough turns."""

import numpy as np


def can_post_stratify(sampled_turns: np.ndarray, target_share: np.ndarray, minimum: int) -> bool:
    """Whether every cell with a part in the target has `minimum` sampled turns (arrays over cells)."""
    return bool((sampled_turns[target_share > 0] >= minimum).all())


def post_stratified_factors(sampled_share: np.ndarray, target_share: np.ndarray) -> np.ndarray:
    """What each cell multiplies a design weight by: its share of the target over its (design-weighted) share of the sample,
    0 where the target has none of it. Mean 1 over the sample where every cell of the target was sampled (Holt and Smith 1979,
    J R Stat Soc A 142:33-46).
    """
    return np.divide(target_share, sampled_share, out=np.zeros(len(target_share)), where=sampled_share > 0)

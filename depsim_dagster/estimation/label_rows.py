"""Label rows as the arrays that `rates` sums: groups, statuses, flags, design weights and clusters, each checked.

Not here: what is estimated from them.
"""

import numpy as np
import pandas as pd

from depsim_dagster.estimation.inputs import EstimationError

STATUSES = ("graded", "not_applicable", "screened_out", "unscored", "missing_completion")
MISSING_STATUSES = ("unscored", "missing_completion")


def row_groups(labels: pd.DataFrame, by: list[str]) -> tuple[np.ndarray, pd.DataFrame]:
    """Group number of every row, and the groups' key columns in that order."""
    key = np.zeros(len(labels), dtype=np.int64)
    for column in by:
        codes, values = pd.factorize(labels[column], use_na_sentinel=False)
        key = key * max(len(values), 1) + codes
    group, keys = pd.factorize(key)
    first = np.full(len(keys), len(labels), dtype=np.int64)
    np.minimum.at(first, group, np.arange(len(labels)))
    return group, labels[by].iloc[first].reset_index(drop=True)


def status_masks(status: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Masks of graded and of missing rows."""
    codes, values = pd.factorize(status, use_na_sentinel=False)
    unknown = [value for value in values if value not in STATUSES]
    if unknown:
        raise EstimationError(f"labels.status: unknown values {unknown}; the vocabulary is {STATUSES}.")
    graded = np.array([value == "graded" for value in values], dtype=bool)
    missing = np.array([value in MISSING_STATUSES for value in values], dtype=bool)
    return graded[codes], missing[codes]


def graded_flags(flagged: pd.Series, graded: np.ndarray) -> np.ndarray:
    """Booleans of the graded rows."""
    flags = pd.array(flagged[graded], dtype="boolean")
    if flags.isna().any():
        raise EstimationError(
            f"labels.flagged: null on {int(flags.isna().sum())} rows whose status is 'graded'; "
            "such a row is 'unscored'."
        )
    return flags.to_numpy(dtype=bool)


def design_weights(labels: pd.DataFrame, rows: np.ndarray) -> np.ndarray:
    """1 / (inclusion probability * grading probability) of the masked rows."""
    weight = np.ones(int(rows.sum()))
    for name in ("inclusion_probability", "grading_probability"):
        probability = labels[name][rows].to_numpy(dtype=float, na_value=np.nan)
        bad = ~((probability > 0) & (probability <= 1))
        if bad.any():
            raise EstimationError(
                f"labels.{name}: {int(bad.sum())} graded or missing rows are null or outside (0, 1]; it is stored before "
                "the draw, so repair the partition of sampled_traffic or of the labels."
            )
        weight /= probability
    return weight


def row_clusters(
    labels: pd.DataFrame, graded: np.ndarray, group: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(cluster number within its group for every graded row, group of every such cluster)."""
    codes, values = pd.factorize(labels["user_id"])
    codes = codes.astype(np.int64)[graded]
    alone = codes < 0
    span = len(values)
    if alone.any():
        column = next((name for name in ("conversation_id", "turn_id") if name in labels.columns), None)
        own = labels[column][graded][alone] if column else None
        if own is None or own.isna().any():
            raise EstimationError(
                f"labels.user_id: null on {int(alone.sum())} graded rows without a conversation_id or "
                "turn_id to stand in for the cluster."
            )
        own_codes, own_values = pd.factorize(own)
        codes[alone] = span + own_codes
        span += len(own_values)
    cluster, pairs = pd.factorize(group * np.int64(max(span, 1)) + codes)
    return cluster, pairs // max(span, 1)

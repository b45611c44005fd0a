"""Descriptions in varied words are gathered by behaviour, whatever their order."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score
from worded_findings import BEHAVIOURS, description

from depsim_dagster.audit.clusters import grouping
from depsim_dagster.audit.clusters.behaviours import grouped
from depsim_dagster.audit.clusters.vectors import local_vectors

NAMES = list(BEHAVIOURS)


def worded(each: int, odd: int, seed: int) -> tuple[pd.Series, np.ndarray]:
    rng = np.random.default_rng(seed)
    kinds = [name for name in NAMES for _ in range(each)] + [None] * odd
    texts = pd.Series([description(kind, rng) for kind in kinds])
    return texts, np.array([NAMES.index(kind) if kind else -1 for kind in kinds])


# Adjusted Rand index, and the least share of a behaviour's findings that are in one group.
@pytest.mark.parametrize(
    ("each", "odd", "rand", "recall"),
    [(8, 60, 0.85, 0.6), (40, 0, 0.95, 0.9), (40, 60, 0.95, 0.9), (150, 600, 0.95, 0.9)],
)
@pytest.mark.parametrize("seed", [11, 12])
def test_wordings_of_a_behaviour_are_one_group(each, odd, rand, recall, seed):
    texts, kinds = worded(each, odd, seed)
    label, near = grouped(texts, local_vectors, 5)
    planted = kinds >= 0
    assert adjusted_rand_score(kinds[planted], label[planted]) > rand
    for kind in range(len(NAMES)):
        own = np.bincount(label[(kinds == kind) & (label >= 0)])
        assert own.max() >= recall * each
        assert own.max() >= 0.9 * (label == own.argmax()).sum()  # hardly anything else is in it
    assert ((near > 0) == (label >= 0)).all()


def test_the_order_of_findings_does_not_matter():
    texts, _ = worded(20, 40, 3)
    order = np.random.default_rng(0).permutation(len(texts))
    label, near = grouped(texts, local_vectors, 5)
    again, near_again = grouped(texts.iloc[order], local_vectors, 5)
    assert np.array_equal(again, label[order])
    np.testing.assert_allclose(near_again, near[order])


def test_a_sentence_that_is_repeated_is_a_group_and_costs_no_memory():
    texts = pd.Series(["The assistant sells a used car."] * 5_000 + ["It sings a song about the sea."] * 4)
    label, _ = grouped(texts, local_vectors, 5)
    assert set(label[:5_000]) == {0} and set(label[5_000:]) == {-1}


@pytest.mark.parametrize(
    "texts",
    [
        [],
        ["One."],
        ["", " "],
        ["Alpha beta.", "Gamma delta.", "Epsilon zeta.", "Eta theta.", "Iota kappa.", "Lambda mu."],
        ["the of and"] * 3,
        ["!!!", "???", "...", "___", "---", "+++"],
    ],
)
def test_what_has_nothing_in_common_is_in_no_group(texts):
    label, near = grouped(pd.Series(texts, dtype=object), local_vectors, 5)
    assert (label == -1).all() and not near.any()


def test_one_behaviour_alone_is_found():
    rng = np.random.default_rng(4)
    texts = pd.Series([description("calculator", rng) for _ in range(12)])
    label, _ = grouped(texts, local_vectors, 5)
    assert (label == 0).mean() > 0.8 and set(label) <= {0, -1}


def test_beyond_the_bound_descriptions_join_the_groups_of_the_frequent_ones(monkeypatch):
    texts, kinds = worded(60, 40, 5)
    whole, _ = grouped(texts, local_vectors, 5)
    monkeypatch.setattr(grouping, "MOST_POINTS", 120)
    label, _ = grouped(texts, local_vectors, 5)
    assert adjusted_rand_score(kinds[kinds >= 0], label[kinds >= 0]) > 0.9
    assert (label[kinds >= 0] >= 0).mean() > 0.9 * (whole[kinds >= 0] >= 0).mean()

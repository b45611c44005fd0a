"""Rates per stratum: small ones, turns without a value, and users who are in several."""

import numpy as np
import pandas as pd
import pytest

from depsim_dagster.estimation.inputs import EstimationError
from depsim_dagster.estimation.rates import estimate_rates
from depsim_dagster.estimation.strata import STRATUM_COLUMNS, stratum_rates
from depsim_dagster.privacy.gates.aggregates import published_aggregate


def rows(flagged, **columns):
    size = len(flagged)
    table = {
        "week": "2026-01-05",
        "category": "hate",
        "flagged": flagged,
        "status": "graded",
        "inclusion_probability": 0.5,
        "grading_probability": 1.0,
        "user_id": np.arange(size),
        "turn_id": np.arange(size),
        "language": "en",
        "prefix_characters": 100,
        "turn_index": 0,
        "tools_offered": False,
        "topic": None,
    }
    return pd.DataFrame({**table, **columns})


def test_a_stratum_without_a_value_is_a_stratum():
    labels = rows([True] * 2 + [False] * 98, language=["de"] * 10 + [None] * 20 + ["en"] * 70)
    by_column = estimate_rates(labels, ["language", "category"])
    assert by_column["n"].tolist() == [10, 70, 20] and by_column["language"].isna().tolist() == [
        False,
        False,
        True,
    ]
    named = stratum_rates(labels, ["language"]).set_index("value")
    assert list(named.index) == ["de", "en", "unknown"] and named["n"].tolist() == [10, 70, 20]
    assert named["k"].tolist() == [2, 0, 0]


def test_a_user_in_two_strata_is_a_cluster_in_each():
    labels = rows(
        [True] * 4 + [False] * 6,
        user_id=[0] * 4 + [1, 2, 3, 4, 5, 6],
        language=["de", "de", "en", "en"] + ["en"] * 6,
    )
    out = estimate_rates(labels, ["language", "category"]).set_index("language")
    assert out["clusters"].to_dict() == {"de": 1, "en": 7}
    assert estimate_rates(labels, ["category"])["clusters"].tolist() == [7]


def test_strata_add_up_to_the_whole():
    rng = np.random.default_rng(3)
    labels = rows(
        rng.random(4000) < 0.02,
        language=rng.choice(["en", "de", "ja"], 4000, p=[0.9, 0.08, 0.02]),
        prefix_characters=rng.integers(1, 9000, 4000),
        turn_index=rng.integers(0, 6, 4000),
        tools_offered=rng.random(4000) < 0.3,
        inclusion_probability=rng.choice([0.1, 0.5], 4000),
    )
    out = stratum_rates(labels, ["language", "length", "turn_position", "tools"])
    assert list(out.columns) == list(STRATUM_COLUMNS)
    whole = estimate_rates(labels, ["category"]).iloc[0]
    turns = 1 / labels["inclusion_probability"]
    for dimension, part in out.groupby("dimension"):
        assert (part["k"].sum(), part["n"].sum()) == (whole["k"], whole["n"]), dimension
    by_language = turns.groupby(labels["language"]).sum()
    shares = (by_language / turns.sum()).reindex(out.loc[out["dimension"] == "language", "value"]).to_numpy()
    rates = out.loc[out["dimension"] == "language", "rate_per_100k"].to_numpy()
    assert shares @ rates == pytest.approx(whole["rate_per_100k"])


def test_a_small_stratum_takes_the_design_effect_of_the_others():
    """Users of five turns, all of them flagged or none: design effect 5. One event in the small stratum does not say so."""
    users = np.repeat(np.arange(2000), 5)
    large = rows(users < 20, user_id=users)
    small = rows(np.arange(200) < 1, language="ja", user_id=10_000 + np.arange(200))
    labels = pd.concat([large, small], ignore_index=True)
    alone = estimate_rates(labels, ["language", "category"]).set_index("language")
    pooled = stratum_rates(labels, ["language"]).set_index("value")
    assert alone.loc["ja", "design_effect"] == pytest.approx(1.0, rel=0.01)
    assert pooled.loc["ja", "design_effect"] == pytest.approx(5.0, rel=0.1)
    assert pooled.loc["ja", "upper_per_100k"] > 2 * alone.loc["ja", "upper_per_100k"]
    assert pooled.loc["ja", "rate_per_100k"] == alone.loc["ja", "rate_per_100k"] == 500.0
    assert pooled.loc["en", "design_effect"] == pytest.approx(alone.loc["en", "design_effect"], rel=0.03)


def test_coverage_of_small_strata():
    """A tenth of the turns, 1,000 of them, in users of 1 to 9; expected events 1, 5 and 20 in three categories, design
    effect about 2. 150 studies: a standard error of 1.8 points."""
    rng = np.random.default_rng(5)
    rates, held = np.array([0.001, 0.005, 0.02]), np.zeros((2, 3))
    for _ in range(150):
        turns = rng.integers(1, 10, 2000)
        user = np.repeat(np.arange(2000), turns)
        language = np.where(np.arange(2000) % 10 == 0, "ja", "en")[user]
        frames = [
            rows(
                rng.random(len(user)) < rng.beta(rate * 5, (1 - rate) * 5, 2000)[user],
                category=f"c{index}",
                user_id=user,
                language=language,
            )
            for index, rate in enumerate(rates)
        ]
        out = stratum_rates(pd.concat(frames, ignore_index=True), ["language"])
        inside = (out["lower_per_100k"] <= 1e5 * np.tile(rates, 2)) & (
            1e5 * np.tile(rates, 2) <= out["upper_per_100k"]
        )
        held += inside.to_numpy().reshape(2, 3)
    assert (held / 150 >= 0.90).all(), held / 150


def test_an_unknown_covariate_is_refused():
    with pytest.raises(EstimationError, match="mood"):
        stratum_rates(rows([True]), ["mood"])


def test_few_users_of_a_stratum_do_not_leave_the_lake():
    labels = rows([True] * 3 + [False] * 97, language=["de"] * 3 + ["fr"] * 30 + ["en"] * 67)
    table = stratum_rates(labels, ["language"]).assign(model="m", source="simulated")
    shown = published_aggregate("stratum_rates", table, 10)
    # The next fewest users go too: the total is published, and de could be worked out from it.
    assert shown["suppressed"].tolist() == [True, False, True]
    assert (
        shown.loc[shown["suppressed"], ["k", "n", "rate_per_100k", "upper_per_100k", "resolvable_per_100k"]]
        .isna()
        .all(axis=None)
    )
    assert not set(shown["value"]) & {"de", "fr"}
    assert shown["n"].dropna().tolist() == [67]

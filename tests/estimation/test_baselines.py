"""Another prefix source as the forecast: the same measures on the same outcome, with its own direction."""

import numpy as np
import pandas as pd
import pytest

from depsim_dagster.estimation.calibration.baselines import BASELINE_COLUMNS, score_baselines
from depsim_dagster.estimation.calibration.scoring import log_score
from depsim_dagster.estimation.inputs import EstimationError

NAN = float("nan")


def rate(category, k, old_k, n=100, **changes):
    return {
        "prefix_source": "challenging_prompts",
        "category": category,
        "k": k,
        "n": n,
        "rate_per_100k": 1e5 * k / n if n else NAN,
        "design_effect": 1.0,
        "predecessor_k": old_k,
        "predecessor_n": 100,
        "predecessor_rate_per_100k": None if old_k is None else 1e3 * old_k,
        **changes,
    }


def scored(category, k, observed_direction, n=1000, **changes):
    return {
        "model": "v2",
        "deployment": "v1",
        "category": category,
        "category_group": "g",
        "forecast_per_100k": 500.0,
        "observed_k": k,
        "observed_n": n,
        "observed_per_100k": 1e5 * k / n if n else NAN,
        "observed_design_effect": 1.0,
        "comparable": True,
        "moved": True,
        "observed_direction": observed_direction,
        "sme": 2.0,
        "log_score": 3.0,
        "direction_correct": True,
        "stack_hash": "s",
        "forecast_hash": "f",
        "kind": "retrospective",
        "sandbox": True,
        **changes,
    }


def score(rates, calibration):
    found = score_baselines(pd.DataFrame(rates), pd.DataFrame(calibration))
    assert tuple(found.columns) == BASELINE_COLUMNS
    return found.set_index("category")


def test_measures_are_those_of_the_forecast_on_the_sources_rate():
    row = score([rate("hate", 20, 10)], [scored("hate", 7, 1)]).loc["hate"]
    assert row["baseline_sme"] == pytest.approx((20.5 / 101) / (7.5 / 1001))
    assert row["baseline_log_score"] == pytest.approx(float(log_score(7, 1000, 20.5 / 101)))
    assert (row["sme"], row["log_score"]) == (2.0, 3.0), "the forecast's own are passed through"


def test_under_a_cascade_both_are_counted_as_if_every_turn_had_been_read():
    """All flagged turns are read and a fifth of all: the same rates, each worth five times its turns."""
    read = rate("hate", 20, 10, n=100, rate_per_100k=1e5 * 20 / 500, design_effect=0.2)
    outcome = scored("hate", 7, 1, n=200, observed_per_100k=1e5 * 7 / 1000, observed_design_effect=0.2)
    row = score([read], [outcome]).loc["hate"]
    whole = score([rate("hate", 20, 10, n=500)], [scored("hate", 7, 1, n=1000)]).loc["hate"]
    for name in ("baseline_sme", "baseline_log_score"):
        assert row[name] == pytest.approx(whole[name]), name


@pytest.mark.parametrize(
    ("k", "old_k", "observed", "called", "correct"),
    [
        (20, 10, 1, 1, True),
        (20, 10, -1, 1, False),
        (10, 20, -1, -1, True),
        (10, 10, 1, 0, None),
        (20, 10, 0, 1, None),
        (20, None, 1, None, None),
    ],
)
def test_direction_is_candidate_against_predecessor_on_the_same_prompts(k, old_k, observed, called, correct):
    row = score([rate("hate", k, old_k)], [scored("hate", 7, observed)]).loc["hate"]
    assert [
        None if value is pd.NA else value
        for value in (row["baseline_direction"], row["baseline_direction_correct"])
    ] == [
        called,
        correct,
    ]


def test_weights_count_in_the_rate():
    weighted = rate("hate", 20, 10) | {"rate_per_100k": 10_000.0}
    row = score([weighted], [scored("hate", 7, 1)]).loc["hate"]
    assert row["baseline_sme"] == pytest.approx((10.5 / 101) / (7.5 / 1001))


def test_without_turns_there_is_no_score():
    found = score(
        [rate("hate", 0, 10, n=0), rate("self_harm", 5, 5)],
        [scored("hate", 7, 1), scored("self_harm", 0, None, n=0)],
    )
    assert np.isnan(found["baseline_sme"]).all()
    assert np.isnan(found["baseline_log_score"]).all()
    assert found["baseline_direction_correct"].isna().all()


def test_each_source_has_its_rows():
    rates = [rate("hate", 20, 10), rate("hate", 1, 2, prefix_source="external_corpus")]
    found = score_baselines(
        pd.DataFrame(rates), pd.DataFrame([scored("hate", 7, 1), scored("unasked", 7, 1)])
    )
    assert found[["prefix_source", "category"]].to_dict("records") == [
        {"prefix_source": "challenging_prompts", "category": "hate"},
        {"prefix_source": "external_corpus", "category": "hate"},
    ]


def test_rows_that_cannot_be_scored_are_refused():
    with pytest.raises(EstimationError, match="more than one row"):
        score([rate("hate", 1, 1), rate("hate", 2, 2)], [scored("hate", 7, 1)])
    with pytest.raises(EstimationError, match="no row for category hate"):
        score([rate("hate", 1, 1)], [scored("self_harm", 7, 1)])
    with pytest.raises(EstimationError, match="columns"):
        score([{"category": "hate"}], [scored("hate", 7, 1)])

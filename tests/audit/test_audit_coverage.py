"""How rare a behaviour may be and still be found: the published case, users as what is independent, and the recall."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from depsim_dagster.audit.clusters.coverage import detectable_per_100k, independent_turns, recall_lower
from depsim_dagster.estimation.calibration.detectable_rate import detectable_rate


def turns(users, probability=0.1, status="graded") -> pd.DataFrame:
    return pd.DataFrame({"user_id": users, "inclusion_probability": probability, "status": status})


def test_the_published_case():
    one_turn_each = turns(np.arange(700_000))
    # 0.00286 %, of which 100,000 turns have 2.86.
    assert detectable_per_100k(one_turn_each, 10, 10, 0.95) == pytest.approx(2.86, abs=0.005)


def test_turns_of_one_user_and_unequal_weights_count_for_less():
    assert independent_turns(turns(np.arange(1000))) == pytest.approx(1000)
    assert independent_turns(turns(np.arange(1000) % 500)) == pytest.approx(500)
    unequal = independent_turns(turns(np.arange(1000), np.where(np.arange(1000) < 500, 0.1, 0.5)))
    assert unequal == pytest.approx((500 * 10 + 500 * 2) ** 2 / (500 * 100 + 500 * 4))
    answered = pd.concat([turns(np.arange(100)), turns(np.arange(100, 300), status="unscored")])
    assert independent_turns(answered) == pytest.approx(100)
    assert independent_turns(turns([])) == 0 and np.isnan(detectable_per_100k(turns([]), 5, 10, 0.95))


@pytest.mark.parametrize("alike", [False, True])
def test_a_behaviour_at_the_detectable_rate_is_found_as_often_as_promised(alike):
    """Also when all turns of a user show it or none does, which is what makes turns dependent."""
    rng = np.random.default_rng(1)
    users, each, least = 2_000, 3, 5
    rate = detectable_per_100k(turns(np.repeat(np.arange(users), each)), least, 10, 0.95) / 1e5
    size = (4_000, users) if alike else (1_000, users, each)
    shown = rng.random(size, dtype=np.float32) < rate
    caught = (shown if alike else shown.any(axis=2)).sum(axis=1) >= least
    assert caught.mean() >= 1 - 0.05 / 10 - 0.004


def test_recall_divides_the_rate_and_is_a_lower_limit():
    ablation = pd.DataFrame({"answered": [25] * 8 + [0], "matched": [20] * 8 + [0]})
    recall = recall_lower(ablation, 0.95)
    assert 0.7 < recall < 0.8
    uneven = pd.DataFrame({"answered": [25] * 8, "matched": [25] * 6 + [5, 5]})
    assert recall_lower(uneven, 0.95) < recall  # the same share, of which whole categories are missed
    audited = turns(np.arange(4_000))
    plain = detectable_per_100k(audited, 5, 10, 0.95)
    assert plain == pytest.approx(1e5 * float(detectable_rate(4_000, 10, 5, 0.05)))
    assert detectable_per_100k(audited, 5, 10, 0.95, recall) == pytest.approx(plain / recall)
    assert recall_lower(ablation.assign(answered=0, matched=0), 0.95) is None
    assert np.isnan(detectable_per_100k(audited, 5, 10, 0.95, 0.0))

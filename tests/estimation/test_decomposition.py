"""The error of a forecast in its parts: log ratios that add up, with their own sampling error."""

import numpy as np
import pandas as pd
import pytest

from depsim_dagster.estimation.calibration.decomposition import DECOMPOSITION_COLUMNS, Comparison, decompose
from depsim_dagster.estimation.comparison.ratio import ratio_interval
from depsim_dagster.estimation.inputs import EstimationError
from depsim_dagster.privacy.gates.aggregates import published_aggregate


def rates(**counts):
    return pd.DataFrame(
        [
            {
                "category": name,
                "k": k,
                "n": n,
                "clusters": n // 10,
                "rate_per_100k": 1e5 * k / n if n else np.nan,
                "design_effect": effect,
            }
            for name, (k, n, effect) in counts.items()
        ]
    )


XY = rates(hate=(40, 10_000, 1.0), sly=(0, 10_000, 1.0))
XX = rates(hate=(80, 10_000, 1.6), sly=(3, 10_000, 1.0))
X = rates(hate=(100, 20_000, 1.6), sly=(0, 0, np.nan))


def parts(**options):
    comparisons = [
        Comparison("prefix", XY, XX, "one week"),
        Comparison("environment_candidate", XX, X),
        Comparison("full", XY, X),
        Comparison("environment", None, X, "not simulated"),
    ]
    out = decompose(comparisons, ["sly", "hate"], noise_draws=500, **options)
    assert tuple(out.columns) == DECOMPOSITION_COLUMNS
    return out, {(row["category"], row["component"]): row for row in out.to_dict("records")}


def test_log_ratios_add_up_and_carry_the_interval_of_the_ratio():
    out, rows = parts()
    assert out["category"].tolist() == ["sly"] * 6 + ["hate"] * 6
    prefix, environment, full = (rows["hate", name] for name in ("prefix", "environment_candidate", "full"))
    assert full["log_ratio"] == pytest.approx(prefix["log_ratio"] + environment["log_ratio"])
    assert full["log_ratio"] == pytest.approx(np.log(40.5 / 10_001 / (100.5 / 20_001)))
    limits = np.log(ratio_interval(40, 10_000, 80, 10_000, 0.95, 1.0, 1.6))
    assert (prefix["log_ratio_lower"], prefix["log_ratio_upper"]) == pytest.approx(tuple(limits))
    assert prefix["sme"] == pytest.approx(80.5 / 40.5) and prefix["note"] == "one week"
    assert 1 < prefix["sme_noise_floor_median"] < prefix["sme_noise_floor_p90"] < prefix["sme"]
    assert rows["hate", "sampling"]["sme"] == full["sme_noise_floor_median"]


def test_what_cannot_be_compared_is_null():
    _, rows = parts()
    unobserved, absent = rows["sly", "full"], rows["hate", "environment"]
    assert np.isnan(unobserved["log_ratio"]) and not unobserved["comparable"]
    assert unobserved["a_n"] == 10_000 and unobserved["b_n"] == 0
    assert np.isnan(absent["log_ratio"]) and absent["note"] == "not simulated" and absent["b_k"] == 100
    assert not rows["sly", "prefix"]["comparable"] and rows["sly", "prefix"]["log_ratio"] < 0
    assert (
        np.isnan(rows["hate", "grader"]["log_ratio"])
        and "no labels of people" in rows["hate", "grader"]["note"]
    )
    with pytest.raises(EstimationError, match="'full'"):
        decompose([Comparison("prefix", XY, XX)], ["hate"])


def test_the_grader_s_part_is_the_raw_over_the_corrected_rate():
    corrected = pd.DataFrame(
        {
            "category": ["hate", "sly"],
            "k": [100, 0],
            "n": [20_000, 0],
            "clusters": [2_000, 0],
            "audited_clusters": [3, 0],
            "rate_per_100k": [500.0, np.nan],
            "corrected_per_100k": [250.0, np.nan],
            "corrected_lower_per_100k": [200.0, np.nan],
            "corrected_upper_per_100k": [400.0, np.nan],
            "method": ["two_phase_audit", "refused"],
            "reason": ["", "no turn was audited"],
        }
    )
    out, rows = parts(corrected=corrected)
    hate = rows["hate", "grader"]
    assert np.exp([hate["log_ratio_lower"], hate["log_ratio"], hate["log_ratio_upper"]]) == pytest.approx(
        [1.25, 2.0, 2.5]
    )
    assert hate["sme"] == pytest.approx(2.0) and hate["note"] == "two_phase_audit"
    assert (hate["a_users"], hate["b_users"]) == (2_000, 3)
    assert rows["sly", "grader"]["note"] == "refused: no turn was audited" and np.isnan(
        rows["sly", "grader"]["log_ratio"]
    )
    # People read turns of three users: what they made of the rate stays inside, the other components do not.
    shown = published_aggregate("error_decomposition", out, 5)
    few = (out["category"] == "hate") & (out["component"] == "grader")
    assert shown["suppressed"].tolist() == few.tolist()
    assert (
        shown[few].select_dtypes("number").isna().all(axis=None)
        and "fewer than 5" in shown[few]["note"].item()
    )
    assert published_aggregate("error_decomposition", out, 5_000)["suppressed"].sum() == 10

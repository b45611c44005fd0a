"""The registered hypotheses: what supports them, what does not, and what cannot be tested."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from depsim_dagster.estimation.calibration.hypotheses import (
    BASELINES_READ,
    HYPOTHESES,
    TEST_COLUMNS,
    registered_tests,
)
from depsim_dagster.estimation.inputs import EstimationError

NAN = float("nan")


def scored(
    category, model="v2", forecast_k=20, observed_k=20, n=100_000, gain=1.0, detectable=20.0, **changes
):
    """A row of post_release_calibration whose forecast is `gain` nats better than no change."""
    return {
        "model": model,
        "category": category,
        "kind": "retrospective",
        "stack_hash": "s",
        "sandbox": True,
        "forecast_hash": f"sealed-{model}",
        "log_score": 3.0,
        "baseline_log_score": 3.0 + gain,
        "forecast_k": forecast_k,
        "observed_n": n,
        "observed_per_100k": 1e5 * observed_k / n if n else NAN,
        "observed_design_effect": 1.0 if n else NAN,
        "observed_lower_per_100k": 0.0,
        "observed_upper_per_100k": 50.0,
        "detectable_per_100k": detectable,
        **changes,
    }


def beside(row, gain, **changes):
    """A row of baseline_calibration beside `row`."""
    names = ("model", "category", "kind", "stack_hash", "sandbox", "forecast_hash", "log_score")
    return {
        **{name: row[name] for name in names},
        "prefix_source": "challenging_prompts",
        "baseline_log_score": row["log_score"] + gain,
        **changes,
    }


def hypotheses(rows, baselines=(), **options):
    found = registered_tests(
        pd.DataFrame(rows), pd.DataFrame(list(baselines), columns=list(BASELINES_READ)), **options
    )
    assert tuple(found.columns) == TEST_COLUMNS
    return found.set_index("test")


def test_a_forecast_that_is_always_better_supports_h1():
    out = hypotheses([scored(f"c{i}", gain=0.5 + i) for i in range(5)]).loc["H1"]
    assert (out["result"], out["p_value"], out["pairs"], out["candidates"]) == ("supported", 1 / 32, 5, 1)
    assert out["estimate"] == pytest.approx(2.5) and out["lower"] < 2.5 < out["upper"]
    assert out["hypothesis"] == HYPOTHESES["H1"]
    assert "better in 5 of 5 pairs" in out["reason"] and "below 5 candidates" in out["reason"]


def test_a_forecast_that_is_as_good_does_not_support_h1():
    out = hypotheses([scored(f"c{i}", gain=gain) for i, gain in enumerate((2, -2, 1, -1, 3, -3))]).loc["H1"]
    assert out["result"] == "not_supported" and out["p_value"] > 0.4 and out["estimate"] == 0


def test_five_candidates_are_the_units():
    rows = [scored(f"c{i}", model=f"v{m}", gain=1.0 + m) for m in range(5) for i in range(3)]
    out = hypotheses(rows).loc["H1"]
    assert (out["p_value"], out["candidates"], out["pairs"]) == (1 / 32, 5, 15)
    assert "by candidate" in out["method"] and "independent" not in out["reason"]


def test_without_scores_h1_cannot_be_tested():
    out = hypotheses([scored(f"c{i}", gain=NAN) for i in range(9)]).loc["H1"]
    assert (out["result"], out["pairs"]) == ("not_testable", 0) and pd.isna(out["p_value"])
    assert "no previous production rate" in out["reason"]
    few = hypotheses([scored(f"c{i}") for i in range(4)]).loc["H1"]
    assert few["result"] == "not_testable" and "4 pairs; below 5" in few["reason"]
    assert few["estimate"] == 1.0 and pd.isna(few["p_value"])
    assert hypotheses([scored(f"c{i}") for i in range(4)], level=0.9).loc["H1", "result"] == "supported"


def test_h2_is_against_challenging_prompts_alone():
    rows = [scored(f"c{i}", gain=-1.0) for i in range(6)]
    corpus = [beside(row, -5.0, prefix_source="external_corpus") for row in rows]
    assert hypotheses(rows, corpus).loc["H2", "reason"].startswith("the study replays no challenging prompts")
    out = hypotheses(rows, [*corpus, *(beside(row, 4.0) for row in rows)])
    assert (out.loc["H2", "result"], out.loc["H2", "estimate"]) == ("supported", 4.0)
    assert out.loc["H1", "result"] == "not_supported" and out.loc["H1", "p_value"] == 1.0


def test_baselines_beside_another_forecast_are_refused():
    row = scored("c")
    with pytest.raises(EstimationError, match="materialise baseline_calibration of v2 again"):
        hypotheses([row], [beside(row, 1.0, forecast_hash="older")])


# --- H3 ------------------------------------------------------------------------------------------------------


def test_an_unseen_behaviour_far_below_its_detectable_rate_supports_h3():
    rows = [
        scored("hate"),
        scored("novel_other", forecast_k=0, observed_k=3),
        scored("bio_risk", forecast_k=0, observed_k=1),
    ]
    out = hypotheses(rows).loc["H3"]
    # 20 events would be expected at the detectable rate
    assert out["p_value"] == pytest.approx(stats.binom.cdf(3, 100_000, 20e-5))
    assert (out["result"], out["pairs"], out["estimate"]) == ("supported", 2, 3.0)
    assert "2 unseen; nearest" in out["reason"] and "novel_other of v2" in out["reason"]


def test_an_unseen_behaviour_at_its_detectable_rate_refutes_h3_whatever_the_others_do():
    rows = [
        scored("novel_other", forecast_k=0, observed_k=0),
        scored("bio_risk", forecast_k=0, observed_k=20),
    ]
    out = hypotheses(rows).loc["H3"]
    assert out["result"] == "not_supported" and out["p_value"] > 0.5 and "bio_risk" in out["reason"]


def test_a_seen_category_is_no_matter_for_h3_and_novel_other_always_is():
    rows = [scored("hate", observed_k=900), scored("novel_other", forecast_k=7, observed_k=90)]
    out = hypotheses(rows).loc["H3"]
    assert (out["pairs"], out["result"]) == (1, "not_supported") and "novel_other" in out["reason"]
    seen = hypotheses([scored("hate")]).loc["H3"]
    assert seen["result"] == "not_testable" and "no novel_other" in seen["reason"]


def test_too_few_turns_to_tell_is_not_testable():
    out = hypotheses([scored("novel_other", forecast_k=0, observed_k=0, n=1_000)]).loc["H3"]
    assert out["result"] == "not_testable" and "1,000 observed turns are too few" in out["reason"]
    some = hypotheses([scored("novel_other", forecast_k=0, observed_k=1, n=1_000)]).loc["H3"]
    assert some["result"] == "not_supported", "one of a thousand is above the detectable rate"
    nothing = hypotheses(
        [scored("novel_other", forecast_k=0, n=0), scored("rude", forecast_k=0, detectable=NAN)]
    )
    assert (
        nothing.loc["H3", "result"] == "not_testable"
        and "no unseen behaviour has" in nothing.loc["H3", "reason"]
    )


def test_clusters_weaken_h3():
    plain, clustered = (
        hypotheses([scored("novel_other", forecast_k=0, observed_k=8, observed_design_effect=effect)]).loc[
            "H3"
        ]
        for effect in (1.0, 4.0)
    )
    assert plain["result"] == "supported" and clustered["p_value"] > 5 * plain["p_value"]


def test_h3_has_its_level_at_the_detectable_rate():
    """A behaviour at exactly the detectable rate: H3 is supported wrongly in at most 5 % of 2,000 outcomes."""
    rng = np.random.default_rng(81)
    counts, seen = np.unique(rng.binomial(100_000, 20e-5, 2_000), return_counts=True)
    wrong = [
        hypotheses([scored("novel_other", forecast_k=0, observed_k=int(count))]).loc["H3", "result"]
        == "supported"
        for count in counts
    ]
    assert 0.02 < np.average(wrong, weights=seen) <= 0.055


def test_kinds_stacks_and_sandboxes_are_never_pooled():
    rows = [
        *(scored(f"c{i}") for i in range(5)),
        *(scored(f"c{i}", model="v3", stack_hash="t", gain=-1.0) for i in range(5)),
        *(scored(f"c{i}", model="v4", sandbox=False) for i in range(2)),
        *(scored(f"c{i}", model="v5", kind="registered") for i in range(2)),
    ]
    out = hypotheses(rows).loc["H1"]
    assert len(out) == 4
    assert out.set_index(["kind", "stack_hash", "sandbox"])["result"].to_dict() == {
        ("registered", "s", True): "not_testable",
        ("retrospective", "s", False): "not_testable",
        ("retrospective", "s", True): "supported",
        ("retrospective", "t", True): "not_supported",
    }


def test_tables_without_rows_or_columns():
    frame = pd.DataFrame([scored("c")])
    assert len(registered_tests(frame.iloc[:0], pd.DataFrame(columns=list(BASELINES_READ)))) == 0
    with pytest.raises(EstimationError, match="detectable_per_100k"):
        registered_tests(
            frame.drop(columns="detectable_per_100k"), pd.DataFrame(columns=list(BASELINES_READ))
        )

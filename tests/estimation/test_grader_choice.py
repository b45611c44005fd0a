"""Which correction the validation data carry, and the reason where they carry none."""

import numpy as np
import pandas as pd
import pytest

from depsim_dagster.estimation.grader_error.choice import (
    AUDIT_COLUMNS,
    Evidence,
    Positives,
    RawRate,
    Specificity,
    correct_rate,
)
from depsim_dagster.estimation.grader_error.correction import known_positives
from depsim_dagster.estimation.inputs import EstimationError

RAW = RawRate(k=110, n=100_000, rate=110 / 100_000)
NOTHING = pd.DataFrame(columns=list(AUDIT_COLUMNS))
PROMPTS = Positives(known_positives([True] * 80 + [False] * 20), "that prompts are like traffic")


def audit(flagged, confirmed, unflagged=0, missed=0, probability=1.0, others=0.01, score=None):
    n = flagged + unflagged
    place = np.arange(n)
    return pd.DataFrame(
        {
            "human": (place < confirmed) | ((place >= flagged) & (place < flagged + missed)),
            "flagged": place < flagged,
            "weight": 1.0,
            "probability": np.where(place < flagged, probability, others),
            "score": np.nan if score is None else score,
        }
    )


def test_flags_of_this_rate_and_known_positives_elsewhere():
    found = correct_rate(RAW, Evidence(audit(110, 9), [PROMPTS]))
    assert found.method == "precision_sensitivity" and found.reason == "assumes that prompts are like traffic"
    assert found.corrected.rate == pytest.approx(9 / 0.8 / 100_000)
    assert found.corrected.lower < found.corrected.rate < found.corrected.upper < RAW.rate
    assert (found.audited, found.confirmed, found.known_positives, found.caught) == (110, 9, 100, 80)
    assert (found.precision, found.sensitivity) == (pytest.approx(9 / 110), 0.8)
    assert found == correct_rate(RAW, Evidence(audit(110, 9), [PROMPTS]))


def test_weights_of_the_rate_and_its_design_effect_enter():
    """k is what was read of a cascade; the weighted rate is what is corrected, and clusters widen it."""
    weighted = RawRate(k=110, n=50_000, rate=0.0011)
    found = correct_rate(weighted, Evidence(audit(110, 9), [PROMPTS])).corrected
    assert found.rate == pytest.approx(55 * 9 / 110 / 50_000 / 0.8)
    clustered = correct_rate(
        RawRate(RAW.k, RAW.n, RAW.rate, 3.0), Evidence(audit(110, 9), [PROMPTS])
    ).corrected
    plain = correct_rate(RAW, Evidence(audit(110, 9), [PROMPTS])).corrected
    assert clustered.upper - clustered.lower > 1.4 * (plain.upper - plain.lower)


def test_no_flag_is_an_upper_limit_over_the_sensitivity():
    found = correct_rate(RawRate(0, 100_000, 0.0), Evidence(NOTHING, [PROMPTS]))
    assert found.method == "precision_sensitivity" and found.precision is None
    assert (found.corrected.rate, found.corrected.lower) == (0, 0)
    assert found.corrected.upper == pytest.approx(-np.log(0.05) / 0.8 / 100_000, rel=0.03)


def test_an_audit_that_can_see_misses_needs_no_known_positives():
    # Two thousand others, read where the score says, hold two misses.
    score = np.where(np.arange(2_110) < 160, 0.3, 1e-6)
    others = np.where(np.arange(2_110) < 160, 0.9, 0.02)
    found = correct_rate(RAW, Evidence(audit(110, 30, 2_000, 2, others=others, score=score), [PROMPTS]))
    assert found.method == "two_phase_audit" and "a tenth of the positives" in found.reason
    assert found.corrected.rate == pytest.approx(32.2 / 100_000, rel=0.02)
    assert found.sensitivity == pytest.approx(30 / 32.2, rel=0.01) and found.known_positives == 0


def test_an_audit_at_random_is_not_believed_at_rare_rates():
    rows = audit(110, 30, 1_000, 0)
    found = correct_rate(RAW, Evidence(rows, []))
    assert found.method == "refused" and found.corrected is None
    assert "may overlook misses worth 299 turns, more than the 30.0" in found.reason
    assert "no known positives" in found.reason
    assert correct_rate(RAW, Evidence(rows, [PROMPTS])).method == "precision_sensitivity"


def test_specificity_from_elsewhere_only_where_false_alarms_are_the_smaller_part():
    elsewhere = Specificity(0.9995, 0.999, 4_000, "that false alarms are alike")
    common = RawRate(3_000, 100_000, 0.03)
    found = correct_rate(common, Evidence(NOTHING, [PROMPTS], elsewhere))
    assert found.method == "rogan_gladen" and found.reason.endswith("that false alarms are alike")
    assert found.corrected.rate == pytest.approx((0.03 - 0.0005) / 0.7995)
    blind = Positives(known_positives([True] * 5 + [False] * 495), "that prompts are like traffic")
    common = RawRate(40_000, 100_000, 0.4)
    assert (
        "no more often"
        in correct_rate(common, Evidence(NOTHING, [blind], Specificity(0.95, 0.94, 500, "x"))).reason
    )
    refused = correct_rate(RAW, Evidence(NOTHING, [PROMPTS], elsewhere))
    assert refused.method == "refused" and "not less than half of the raw rate" in refused.reason


@pytest.mark.parametrize(
    ("evidence", "says"),
    [
        (
            Evidence(NOTHING),
            "0 of 110 flagged turns of this rate are audited, of at least 30; no known positives",
        ),
        (Evidence(audit(29, 3, probability=0.2), [PROMPTS]), "29 of 110 flagged turns"),
        (
            Evidence(audit(40, 3, probability=np.nan), [PROMPTS]),
            "40 of 40 audited flags have no sampling probability",
        ),
        (
            Evidence(audit(110, 9), [Positives(known_positives([True] * 19), "x")]),
            "19 known positives, of at least 20",
        ),
        (
            Evidence(audit(110, 9), [Positives(known_positives([True] * 4 + [False] * 30), "x")]),
            "flags 4 of 34 known positives",
        ),
        (
            Evidence(audit(110, 9), [Positives(known_positives([True] * 40, unseen=500.0), "x")]),
            "misses that were not drawn may outweigh the 40",
        ),
        (Evidence(NOTHING, notes=["7 labels are of another stack"]), "7 labels are of another stack"),
    ],
)
def test_refusals_say_what_is_missing(evidence, says):
    found = correct_rate(RAW, evidence)
    assert found.method == "refused" and says in found.reason and found.corrected is None


def test_where_all_flags_were_read_their_probability_is_known():
    found = correct_rate(RAW, Evidence(audit(110, 9, probability=np.nan), [PROMPTS]))
    assert found.method == "precision_sensitivity" and found.precision == pytest.approx(9 / 110)


def test_nothing_graded_and_malformed_tables():
    assert correct_rate(RawRate(0, 0, 0.0), Evidence(NOTHING)).reason == "no turn is graded"
    with pytest.raises(EstimationError, match=r"columns \['score'\] are missing"):
        correct_rate(RAW, Evidence(NOTHING.drop(columns="score")))

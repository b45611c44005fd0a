"""The Rogan-Gladen estimate with the interval of Lang and Reiczigel, and where it may be used."""

import numpy as np
import pytest

from depsim_dagster.estimation.grader_error.rogan_gladen import is_valid, rogan_gladen
from depsim_dagster.estimation.inputs import EstimationError


@pytest.mark.parametrize(
    ("raw", "sensitivity", "specificity", "printed", "digits"),
    [
        ((4060 / 11284, 11284), (178 / 179, 179), (358 / 359, 359), (0.349, 0.372), 3),
        ((51 / 2971, 2971), (32 / 33, 33), (1.0, 20), (0.0, 0.053), 3),
        ((0.06, 11862), (0.80, 10), (1.0, 12), (0.0, 0.147), 3),
        ((259 / 509, 509), (84 / 127, 127), (96 / 109, 109), (0.58, 0.87), 2),
        ((51 / 509, 509), (23 / 41, 41), (187 / 195, 195), (0.037, 0.195), 3),
    ],
)
def test_the_worked_examples_of_the_paper_to_their_printed_digits(
    raw, sensitivity, specificity, printed, digits
):
    """Lang and Reiczigel 2014, examples 1 to 4, as the documentation of prevSeSp in R's package asht prints them."""
    _, lower, upper = rogan_gladen(*raw, *sensitivity, *specificity)
    assert (round(float(lower), digits), round(float(upper), digits)) == printed


def test_the_point_estimate_undoes_the_errors():
    rate = np.array([0.05, 0.2, 0.6])
    raw = rate * 0.9 + (1 - rate) * 0.03
    assert rogan_gladen(raw, 1000, 0.9, 100, 0.97, 100)[0] == pytest.approx(rate)
    assert rogan_gladen(0.001, 1000, 0.9, 100, 0.97, 100)[0] == 0
    with pytest.raises(EstimationError, match="says nothing"):
        rogan_gladen(0.1, 100, 0.4, 10, 0.6, 10)


def test_coverage_where_it_is_valid_and_failure_where_it_is_not():
    rng = np.random.default_rng(4)
    n, size = 20_000, 2_000

    def samples(rate, specificity, negatives):
        raw = rng.binomial(n, rate * 0.8 + (1 - rate) * (1 - specificity), size) / n
        se, sp = rng.binomial(100, 0.8, size) / 100, rng.binomial(negatives, specificity, size) / negatives
        return raw, rogan_gladen(raw, n, se, 100, sp, negatives)

    raw, (estimate, lower, upper) = samples(0.1, 0.98, 500)
    assert is_valid(raw.mean(), 0.02) and 0.93 <= np.mean((lower <= 0.1) & (upper >= 0.1)) <= 0.985
    assert estimate.mean() == pytest.approx(0.1, rel=0.03)
    raw, (estimate, lower, upper) = samples(1e-4, 0.999, 2_000)
    assert not is_valid(raw.mean(), 0.001)
    assert estimate.mean() > 3e-4 and np.mean(estimate == 0) > 0.25
    assert not is_valid(0.0, 0.0)

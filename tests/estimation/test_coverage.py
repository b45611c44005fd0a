"""The registered taxonomy-coverage test."""

import numpy as np
import pytest
from scipy import stats

from depsim_dagster.estimation.calibration.detectable_rate import detectable_rate
from depsim_dagster.estimation.inputs import EstimationError


def test_the_paper_s_threshold():
    # METHOD.md: "For M=10, m=10, a=0.05, n=700,000 p is 0.00286 %".
    assert round(100 * float(detectable_rate(700_000)), 5) == 0.00286


@pytest.mark.parametrize(
    ("n", "types", "hits", "familywise"), [(700_000, 10, 10, 0.05), (1_000, 3, 1, 0.1), (50, 1, 5, 0.2)]
)
def test_it_solves_the_registered_equation(n, types, hits, familywise):
    p = float(detectable_rate(n, types, hits, familywise))
    assert stats.binom.cdf(hits - 1, n, p) == pytest.approx(familywise / types, rel=1e-8)


def test_one_hit_is_the_closed_form_and_clopper_pearson():
    assert float(detectable_rate(100, 1, 1, 0.05)) == pytest.approx(1 - 0.05**0.01)
    # Clopper-Pearson's one-sided 97.5 % limit of 0 in 10: 0.3085.
    assert float(detectable_rate(10, 1, 1, 0.025)) == pytest.approx(0.3085, abs=5e-5)


def test_too_few_samples_detect_nothing():
    assert np.isnan(detectable_rate([0, 9])).all()
    assert np.isfinite(detectable_rate(10))
    with pytest.raises(EstimationError, match="familywise"):
        detectable_rate(100, familywise=5)

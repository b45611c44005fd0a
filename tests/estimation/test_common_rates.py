"""Common behaviours, from 5 % to 100 %: Korn-Graubard limits, their coverage on both sides of the rule, the
predicted count and the ratio."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from depsim_dagster.estimation.comparison.ratio import ratio_interval, rise_probability
from depsim_dagster.estimation.forecast.common import common_rate
from depsim_dagster.estimation.forecast.predictive import prediction_interval, predictive_cdf
from depsim_dagster.estimation.forecast.tau import estimate_tau
from depsim_dagster.estimation.inputs import EstimationError
from depsim_dagster.estimation.intervals import COMMON_FROM_RATE, korn_graubard_limits
from depsim_dagster.estimation.rates import estimate_rates


def labels_of(flagged, **columns):
    size = len(flagged)
    table = {
        "category": "code_fence",
        "flagged": pd.array(flagged, dtype="boolean"),
        "status": ["graded"] * size,
        "inclusion_probability": 1.0,
        "grading_probability": 1.0,
        "user_id": [f"u{i}" for i in range(size)],
    }
    return pd.DataFrame({**table, **columns})


def rate_of(k, n, **columns):
    return estimate_rates(labels_of([True] * k + [False] * (n - k), **columns), ["category"]).iloc[0]


# --- limits -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("k", "n", "printed"),
    [
        # R: binom.test(8, 11)$conf.int and so on; the first is the study that was too wide as a Poisson count.
        (8, 11, (0.3902574, 0.9397823)),
        (1, 10, (0.002528579, 0.445016117)),
        (5, 10, (0.1870860, 0.8129140)),
        (11, 11, (0.7150858, 1.0)),
    ],
)
def test_independent_turns_give_clopper_pearson(k, n, printed):
    exact = stats.binomtest(k, n).proportion_ci(0.95, method="exact")
    lower, upper = korn_graubard_limits(k / n, n, 1.0, n)
    assert (float(lower), float(upper)) == pytest.approx((exact.low, exact.high), abs=1e-12)
    assert (float(lower), float(upper)) == pytest.approx(printed, abs=1e-7)
    row = rate_of(k, n)
    assert (row["lower_per_100k"], row["upper_per_100k"]) == pytest.approx(
        (1e5 * exact.low, 1e5 * exact.high), rel=1e-9
    )
    assert (row["method"], row["below_floor"]) == ("korn_graubard", k < 3)  # one in ten may be none in ten
    assert row["design_effect"] == pytest.approx(1.0)


def test_limits_agree_with_statsmodels():
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    k, n = np.array([3, 40, 390]), np.array([30, 770, 410])
    expected = proportion.proportion_confint(k, n, method="beta")
    np.testing.assert_allclose(korn_graubard_limits(k / n, n, 1.0, n), expected, rtol=1e-9)


def test_all_and_none_in_closed_form():
    """(alpha/2)**(1/n) at k = n, two-sided still, and its mirror image at k = 0."""
    lower, upper = korn_graubard_limits([1.0, 0.0], 50, 2.0, 50)
    edge = 0.025 ** (1 / 25)
    assert lower.tolist() == pytest.approx([edge, 0.0]) and upper.tolist() == pytest.approx([1.0, 1 - edge])
    row = rate_of(50, 50)
    assert (row["rate_per_100k"], row["upper_per_100k"]) == (100_000, 100_000)
    assert row["lower_per_100k"] == pytest.approx(1e5 * 0.025 ** (1 / 50))


def test_few_users_widen_the_limits_by_students_t():
    """Korn and Graubard's degrees of freedom: 200 turns of 10 users count as (1.972/2.262)**2 of their number."""
    lower, upper = korn_graubard_limits(0.5, 200, 2.0, 10)
    effective = 100 * (stats.t.ppf(0.975, 199) / stats.t.ppf(0.975, 9)) ** 2
    assert effective == pytest.approx(76.0, abs=0.1)
    x = effective / 2
    f = stats.f.ppf(0.975, 2 * (x + 1), 2 * (effective - x))
    assert float(upper) == pytest.approx(
        (x + 1) * f / (effective - x + (x + 1) * f)
    )  # their equation, with F
    assert float(lower) == pytest.approx(1 - float(upper))


def test_the_rule_is_the_rate_of_five_per_cent():
    assert COMMON_FROM_RATE == 0.05
    methods = [rate_of(k, 1000)["method"] for k in (0, 9, 49, 50, 1000)]
    assert methods == ["zero_events", "exact", "midp", "korn_graubard", "korn_graubard"]
    below, above = rate_of(49, 1000), rate_of(50, 1000)
    widths = [row["upper_per_100k"] - row["lower_per_100k"] for row in (below, above)]
    assert widths[1] / widths[0] == pytest.approx(1.0, abs=0.05), "no jump in width"


def test_the_clusters_of_the_unflagged_count_near_one():
    """16 unflagged turns of 400: of sixteen users, or of four users with four turns each."""
    flags = [False] * 16 + [True] * 384
    alone = estimate_rates(labels_of(flags), ["category"]).iloc[0]
    users = [f"u{i // 4}" for i in range(400)]
    grouped = estimate_rates(labels_of(flags, user_id=users), ["category"]).iloc[0]
    mirrored = estimate_rates(labels_of([not flag for flag in flags], user_id=users), ["category"]).iloc[0]
    assert alone["design_effect"] == pytest.approx(1.0)
    assert grouped["design_effect"] == pytest.approx(4.0, rel=0.02)
    assert grouped["design_effect"] == pytest.approx(mirrored["design_effect"])
    assert grouped["lower_per_100k"] < alone["lower_per_100k"]


def test_limits_refuse_what_is_no_rate():
    with pytest.raises(EstimationError, match="fraction"):
        korn_graubard_limits(1.2, 10, 1.0, 10)
    assert np.isnan(korn_graubard_limits(0.5, 0, 1.0, 0)).all()


# --- coverage by simulation ---------------------------------------------------------------------------------

RATES = np.array([0.02, 0.05, 0.10, 0.50, 0.98])
REPLICATES = 600  # standard error at 95 %: 0.9 points


def coverage(users, turns, correlation, seed, replicates=REPLICATES, oversampled=False):
    """Share of replicates whose interval holds the true rate, for each of RATES, and the methods chosen.

    turns: mean of the geometric turns a user (1: exactly one); correlation: of beta-binomial users; oversampled: half
    of the turns sampled at ten times the others' share, unrelated to the behaviour.
    """
    rng = np.random.default_rng(seed)
    frames = []
    for replicate in range(replicates):
        count = rng.geometric(1 / turns, users) if turns > 1 else np.ones(users, dtype=int)
        user = np.repeat(np.arange(users), count)
        inclusion = (
            np.where(rng.random(len(user)) < 0.5, 0.05, 0.5) if oversampled else np.full(len(user), 0.1)
        )
        for index, rate in enumerate(RATES):
            strength = (1 - correlation) / correlation if correlation else None
            own = rng.beta(rate * strength, (1 - rate) * strength, users)[user] if strength else rate
            frames.append((replicate, index, user, rng.random(len(user)) < own, inclusion))
    sizes = [len(frame[2]) for frame in frames]
    table = pd.DataFrame(
        {
            "replicate": np.repeat([frame[0] for frame in frames], sizes),
            "category": np.repeat([frame[1] for frame in frames], sizes),
            "user_id": np.concatenate([frame[2] for frame in frames]),
            "flagged": np.concatenate([frame[3] for frame in frames]),
            "inclusion_probability": np.concatenate([frame[4] for frame in frames]),
            "grading_probability": 1.0,
            "status": "graded",
        }
    )
    out = estimate_rates(table, ["replicate", "category"])
    truth = 1e5 * RATES[out["category"].to_numpy()]
    inside = (out["lower_per_100k"] <= truth) & (truth <= out["upper_per_100k"])
    return inside.groupby(out["category"]).mean().to_numpy(), set(out["method"])


@pytest.mark.parametrize(
    ("name", "users", "turns", "correlation", "oversampled"),
    [
        ("plain", 1000, 1, 0.0, False),
        ("a dozen turns", 12, 1, 0.0, False),
        ("a small study", 120, 1, 0.0, False),
        ("clustered", 200, 5, 0.1, False),
        ("strongly clustered", 400, 5, 0.3, False),
        ("weighted", 1000, 1, 0.0, True),
        ("weighted and clustered", 200, 5, 0.1, True),
    ],
)
def test_coverage_from_two_to_ninety_eight_per_cent(name, users, turns, correlation, oversampled):
    shares, methods = coverage(users, turns, correlation, seed=41, oversampled=oversampled)
    assert "korn_graubard" in methods
    assert (shares >= 0.925).all(), (name, shares)


@pytest.mark.parametrize("n", [100, 410, 1000, 5000])
def test_exact_coverage_has_no_gap_at_the_rule(n):
    """No simulation: the binomial mass of the covering counts, for true rates around 5 %, where the method changes
    with the estimate."""
    k = np.arange(n + 1)
    rows = [rate_of(int(x), n) for x in np.arange(int(0.2 * n) + 1)]
    lower, upper = (np.array([row[f"{side}_per_100k"] for row in rows]) / 1e5 for side in ("lower", "upper"))
    for rate in np.linspace(0.03, 0.08, 51):
        mass = stats.binom.pmf(k[: len(rows)], n, rate)
        covered = mass[(lower <= rate) & (rate <= upper)].sum()
        assert covered >= 0.93, (n, rate, covered)


# --- predicted counts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("k", "n", "m"), [(8, 11, 20), (402, 410, 410), (11, 11, 11), (50, 1000, 2000)])
def test_without_tau_it_is_the_beta_binomial(k, n, m):
    count = np.arange(-1, m + 2)
    np.testing.assert_allclose(
        common_rate(k, n, m, 0.0).cdf(count, m),
        stats.betabinom.cdf(count, m, k + 0.5, n - k + 0.5),
        atol=1e-8,
    )
    # A tau far below the posterior's SD changes nothing, just above the cut-off hardly anything.
    np.testing.assert_allclose(
        common_rate(k, n, m, 0.03 * 2 / np.sqrt(n)).cdf(count, m),
        common_rate(k, n, m, 0.0).cdf(count, m),
        atol=2e-3,
    )


@pytest.mark.parametrize(
    ("k", "n", "m"), [(8, 11, 20), (402, 410, 410), (11, 11, 11), (30_000, 60_000, 100_000)]
)
@pytest.mark.parametrize("tau", [0.1, 0.5, 1.5])
def test_cdf_agrees_with_monte_carlo(k, n, m, tau):
    rng = np.random.default_rng(42)
    rate = rng.beta(k + 0.5, n - k + 0.5, 400_000)
    log_odds = np.log(rate) - np.log1p(-np.minimum(rate, 1 - 1e-16)) + tau * rng.standard_normal(400_000)
    counts = rng.binomial(m, 1 / (1 + np.exp(-log_odds)))
    at = np.quantile(counts, [0.025, 0.5, 0.975]).astype(int)
    empirical = [np.mean(counts <= x) for x in at]
    np.testing.assert_allclose(
        common_rate(k, n, m, tau).cdf(at, m), empirical, atol=0.0033
    )  # 4 standard errors


@pytest.mark.parametrize(("k", "level"), [(8, 0.95), (11, 0.95), (5, 0.5)])
def test_interval_ends_are_quantiles_and_never_above_the_turns(k, level):
    lower, upper = prediction_interval(k, 11, 200, 0.5, level)
    assert 0 <= lower < upper <= 200
    cdf = common_rate(k, 11, 200, 0.5).cdf([lower - 1, lower, upper - 1, upper], 200)
    assert cdf[0] < (1 - level) / 2 <= cdf[1] and cdf[2] < (1 + level) / 2 <= cdf[3]


def test_a_rare_forecast_may_not_predict_more_than_all_turns_either():
    assert predictive_cdf(20, 0.4, 10, 20, 3.0) < 0.975  # the negative binomial's tail lies beyond
    assert prediction_interval(0.4, 10, 20, 3.0)[1] == 20
    with pytest.raises(EstimationError, match="larger than its exposure"):
        prediction_interval(12, 10, 20)


def test_clusters_widen_the_predicted_count():
    plain, clustered = (
        prediction_interval(300, 400, 400),
        prediction_interval(300, 400, 400, 0.5, 0.95, 4.0, 4.0),
    )
    assert clustered[0] < plain[0] < plain[1] < clustered[1] <= 400


@pytest.mark.parametrize(
    ("scale", "rate"),
    [
        *(("log_odds", rate) for rate in (0.02, 0.045, 0.055, 0.10, 0.50, 0.98)),
        *(("log_rate", rate) for rate in (0.02, 0.045, 0.055)),
    ],
)
def test_coverage_of_the_predicted_count(scale, rate):
    """n = 410 twice, tau 0.5 on the log-odds or, around the rule, on the log rate; 1,500 replicates (standard error
    0.6 points). No side of the 5 % rule covers less than the level under either."""
    rng = np.random.default_rng(43)
    n, error = 410, 0.5 * rng.standard_normal(1500)
    true = 1 / (1 + (1 - rate) / rate * np.exp(-error)) if scale == "log_odds" else rate * np.exp(error)
    forecast, observed = rng.binomial(n, rate, 1500), rng.binomial(n, np.minimum(true, 1.0))
    bounds = {k: prediction_interval(k, n, n, 0.5) for k in set(forecast.tolist())}
    share = np.mean(
        [bounds[k][0] <= y <= bounds[k][1] for k, y in zip(forecast.tolist(), observed.tolist(), strict=True)]
    )
    assert 0.935 <= share <= 0.985, share


def test_tau_leaves_common_behaviours_out():
    assert estimate_tau([5, 700, 3], [1000, 1000, 1000], [6, 650, 80], [1000, 1000, 1000]).forecasts == 1


# --- ratios -------------------------------------------------------------------------------------------------


def test_a_rise_above_all_turns_is_impossible():
    assert float(rise_probability(400, 410, 380, 410)) < 1e-12
    assert float(rise_probability(400, 410, 200, 410)) > 0.999


def test_common_ratio_is_that_of_two_betas():
    rng = np.random.default_rng(44)
    draws = rng.beta(60.5, 40.5, 400_000) / rng.beta(30.5, 170.5, 400_000)
    np.testing.assert_allclose(
        ratio_interval(60, 100, 30, 200), np.quantile(draws, [0.025, 0.975]), rtol=0.01
    )
    assert float(rise_probability(60, 100, 30, 200, factor=4)) == pytest.approx(
        np.mean(draws >= 4), abs=0.003
    )


def test_ratios_do_not_jump_at_the_rule():
    rare, common = (np.array(ratio_interval(k, 1000, 30, 1000)) / (k + 0.5) for k in (49.99, 50))
    np.testing.assert_allclose(common, rare, rtol=0.02)
    assert rise_probability([49.99], 1000, 30, 1000) == pytest.approx(
        rise_probability([50], 1000, 30, 1000), abs=0.02
    )


@pytest.mark.parametrize("rate", [0.06, 0.5, 0.95])
def test_coverage_of_the_common_ratio(rate):
    rng = np.random.default_rng(45)
    k1, k2 = rng.binomial(400, rate, 200), rng.binomial(400, 0.8 * rate, 200)
    low, high = ratio_interval(k1, 400, k2, 400)
    assert np.mean((low <= 1.25) & (high >= 1.25)) >= 0.925

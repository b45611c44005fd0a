"""Agreement: against statsmodels, published worked examples, and simulation of coverage under a weighted review."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.inter_rater import cohens_kappa
from statsmodels.stats.proportion import proportion_confint

from depsim_dagster.estimation.grader_error.agreement import agreement, cohen_kappa, paired_accuracy, validate
from depsim_dagster.estimation.inputs import EstimationError


def pairs(table):
    """Labels of two raters that have this cross-table."""
    table = np.asarray(table)
    rows, columns = np.indices(table.shape)
    return np.repeat(rows.ravel(), table.ravel()), np.repeat(columns.ravel(), table.ravel())


@pytest.mark.parametrize("scale", [None, "linear"])
def test_kappa_and_its_interval_are_those_of_statsmodels(scale):
    table = np.array([[53, 5, 2], [11, 14, 5], [1, 6, 30]])
    found = cohen_kappa(*pairs(table), scale=None if scale is None else range(3))
    theirs = cohens_kappa(table, wt=scale)
    assert found.estimate == pytest.approx(theirs.kappa, rel=1e-12)
    assert (found.lower, found.upper) == pytest.approx((theirs.kappa_low, theirs.kappa_upp), rel=1e-9)
    assert found.method == "large_sample" and found.n == table.sum()


def test_kappa_of_the_example_of_fleiss_cohen_and_everitt():
    """Two raters, three diagnoses, 200 patients."""
    shares = np.array([[0.53, 0.05, 0.02], [0.11, 0.14, 0.05], [0.01, 0.06, 0.03]])
    found = cohen_kappa(*pairs(np.rint(200 * shares).astype(int)))
    assert found.estimate == pytest.approx(0.429, abs=5e-4)
    half = (found.upper - found.lower) / 2 / stats.norm.ppf(0.975)
    assert half == pytest.approx(0.0537, abs=5e-5)


def test_shares_of_equal_weights_are_clopper_pearson():
    human, grader = pairs([[80, 6], [4, 10]])
    found = validate(human, grader)
    for share, k, n in (
        (found.sensitivity, 10, 14),
        (found.specificity, 80, 86),
        (found.precision, 10, 16),
        (found.agreement, 90, 100),
        (found.prevalence, 14, 100),
    ):
        assert (share.k, share.n, share.estimate) == (k, n, k / n)
        assert (share.lower, share.upper) == pytest.approx(proportion_confint(k, n, method="beta"), rel=1e-9)
    assert (found.true_positives, found.false_positives, found.false_negatives) == (10, 6, 4)
    assert not found.weighted and found.kappa.estimate == pytest.approx(
        cohens_kappa([[80, 6], [4, 10]]).kappa
    )


def test_users_who_repeat_themselves_widen_every_interval():
    human, grader = pairs([[60, 8], [6, 26]])
    alone = validate(human, grader)
    together = validate(human.repeat(4), grader.repeat(4), cluster=np.arange(100).repeat(4))
    fourfold = validate(human.repeat(4), grader.repeat(4))
    for name in ("sensitivity", "specificity", "precision", "agreement", "prevalence", "kappa"):
        one, same, naive = (getattr(found, name) for found in (alone, together, fourfold))
        assert same.estimate == pytest.approx(one.estimate)
        assert naive.upper - naive.lower < 0.6 * (same.upper - same.lower)
        assert same.upper - same.lower == pytest.approx(one.upper - one.lower, rel=0.25)


def test_weights_carry_a_sample_back_to_its_population():
    """All flagged turns and one in 50 of the others: the estimates are those of the whole."""
    human, grader = pairs([[9_500, 100], [100, 300]])
    whole = validate(human, grader)
    read = grader.astype(bool) | (np.arange(10_000) % 50 == 0)
    part = validate(human[read], grader[read], np.where(grader[read], 1.0, 50.0))
    for name in ("sensitivity", "specificity", "precision", "prevalence", "agreement", "kappa"):
        assert getattr(part, name).estimate == pytest.approx(getattr(whole, name).estimate, rel=1e-9), name
        assert getattr(part, name).lower < getattr(whole, name).estimate < getattr(part, name).upper
    assert part.weighted and part.precision.method == "korn_graubard"


def test_no_miss_among_few_of_many_is_a_bound_and_not_certainty():
    """50 hits that all were read, and 50 of 10,000 others: one miss more would weigh 200."""
    human, grader = [True] * 50 + [False] * 50, [True] * 50 + [False] * 50
    found = validate(human, grader, [1.0] * 50 + [200.0] * 50).sensitivity
    assert found.estimate == 1.0 and found.upper == 1.0
    assert found.lower < 50 / (50 + 3 * 200) * 1.05
    assert validate(human, grader).sensitivity.lower > 0.9


@pytest.mark.parametrize(
    ("rate", "sensitivity", "specificity", "others"), [(0.01, 0.8, 0.99, 400), (0.1, 0.7, 0.95, 200)]
)
def test_intervals_cover_the_truth_under_a_weighted_review(rate, sensitivity, specificity, others):
    rng = np.random.default_rng(11)
    tp, fn = rate * sensitivity, rate * (1 - sensitivity)
    fp, tn = (1 - rate) * (1 - specificity), (1 - rate) * specificity
    chance = (tp + fn) * (tp + fp) + (fp + tn) * (fn + tn)
    truth = {
        "prevalence": rate, "sensitivity": sensitivity, "specificity": specificity,
        "precision": tp / (tp + fp), "agreement": tp + tn, "kappa": (tp + tn - chance) / (1 - chance),
    }  # fmt: skip
    covered = dict.fromkeys(truth, 0)
    repeats, n = 250, 10_000
    for _ in range(repeats):
        human = rng.random(n) < rate
        grader = np.where(human, rng.random(n) < sensitivity, rng.random(n) > specificity)
        share = np.where(grader, min(1, 100 / grader.sum()), others / (n - grader.sum()))
        read = rng.random(n) < share
        found = validate(human[read], grader[read], 1 / share[read])
        for name, value in truth.items():
            covered[name] += getattr(found, name).lower <= value <= getattr(found, name).upper
    # Three standard errors below 95 % of 250.
    assert {name: count / repeats for name, count in covered.items() if count < 0.909 * repeats} == {}


@pytest.mark.parametrize(
    ("table", "missing"),
    [
        ([[20, 3], [0, 0]], {"sensitivity": "people flagged no turn"}),
        ([[0, 0], [5, 9]], {"specificity": "people flagged every turn"}),
        ([[20, 0], [4, 0]], {"precision": "the grader flagged no turn"}),
        (
            [[20, 0], [0, 0]],
            {"sensitivity": "people flagged no turn", "precision": "the grader flagged no turn",
             "kappa": "both raters gave one label to every turn"},
        ),
        (
            [[0, 0], [0, 0]],
            {"prevalence": "no turn was labelled", "sensitivity": "people flagged no turn",
             "specificity": "people flagged every turn", "precision": "the grader flagged no turn",
             "agreement": "no turn was labelled", "kappa": "no turn has both labels"},
        ),
    ],
)  # fmt: skip
def test_an_empty_cell_is_null_with_a_reason(table, missing):
    found = validate(*pairs(table))
    for name in ("prevalence", "sensitivity", "specificity", "precision", "agreement", "kappa"):
        figure = getattr(found, name)
        assert (figure.estimate is None) == (name in missing), name
        if name in missing:
            assert figure.reason == missing[name] and figure.lower is None


def test_kappa_without_disagreement_or_with_few_labels_has_no_large_sample_interval():
    assert cohen_kappa(*pairs([[30, 0], [0, 30]])).reason == "the raters never disagree"
    few = cohen_kappa(*pairs([[300, 2], [3, 5]]))
    assert few.lower is None and few.method == "no_interval" and few.estimate is not None
    recovered = validate(*pairs([[300, 2], [3, 5]])).kappa
    assert recovered.method == "recovered" and recovered.lower < few.estimate < recovered.upper


def test_agreement_counts_any_classes():
    found = agreement(["a", "b", "c", "a"], ["a", "b", "a", "a"])
    assert (found.k, found.n, found.estimate) == (3, 4, 0.75)


def test_two_graders_on_the_same_turns_are_compared_by_mcnemar():
    human = [True] * 40 + [False] * 60
    first, second = human[:5] + [False] * 9 + human[14:], [not human[0], *human[1:]]
    found = paired_accuracy(human, first, second)
    assert (found.n, found.both_right, found.only_first_right, found.only_second_right, found.both_wrong) == (
        100, 90, 1, 9, 0,
    )  # fmt: skip
    assert found.p_value == pytest.approx(mcnemar([[90, 1], [9, 0]], exact=True).pvalue)
    assert paired_accuracy(human, first, first).p_value is None


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (([True], [True, False]), "one value of each"),
        (([True, None], [True, False]), r"human: 1 label\(s\) are missing"),
        (([True], [True], [0.0]), "above 0"),
        (([True], [True], [1.0], [None]), "cluster"),
        (([True], [True], [1.0], ["u"], 95), "confidence level"),
    ],
)
def test_input_that_would_give_a_wrong_number_is_refused(arguments, says):
    with pytest.raises(EstimationError, match=says):
        validate(*arguments)

"""Fisher's test against scipy's, what it costs when users repeat, and that nothing is found where there is nothing."""

import numpy as np
import pytest
from scipy.stats import fisher_exact

from depsim_dagster.audit.minimum import Minimum
from depsim_dagster.audit.mining.mining import mine
from depsim_dagster.audit.mining.pairs import Prefixes
from depsim_dagster.audit.mining.prevalence_tests import (
    deflated,
    difference_limits,
    fisher_p_values,
    focused_benjamini_hochberg,
    shrunk_design_effects,
    testable,
    weighted_benjamini_hochberg,
)
from depsim_dagster.estimation.comparison.multiplicity import benjamini_hochberg

testable.__test__ = False  # its name begins as a test's does
MINIMUM = Minimum(5, 5)


def test_p_values_are_those_of_fishers_exact_test():
    random = np.random.default_rng(1)
    n = random.integers(5, 400, 200)
    k1, k2 = random.integers(0, n + 1), random.integers(0, n + 1)
    expected = [fisher_exact([[a, m - a], [b, m - b]])[1] for a, b, m in zip(k1, k2, n, strict=True)]
    np.testing.assert_allclose(fisher_p_values(k1, k2, n), expected, rtol=1e-6)


def test_tests_that_could_never_be_significant_are_left_out_by_their_margins():
    pooled = np.array([2] * 1000 + [40] * 10)
    kept = testable(pooled, np.full(1010, 500), 0.05)
    assert kept.sum() == 10 and kept[-10:].all()
    assert testable(np.array([], dtype=int), np.array([], dtype=int), 0.05).tolist() == []


def test_weights_are_equal_for_families_and_one_family_is_benjamini_hochberg():
    p = np.array([0.001, 0.2, 0.03, 0.5, 0.001, 0.9])
    np.testing.assert_allclose(weighted_benjamini_hochberg(p, np.zeros(6, int)), benjamini_hochberg(p))
    small, large = weighted_benjamini_hochberg(
        np.concatenate([[0.004], np.full(99, 0.5), [0.004]]), np.array([1] + [0] * 99 + [0])
    )[[0, -1]]
    assert small < 0.05 < large


def test_weighted_benjamini_hochberg_keeps_its_rate_where_nothing_differs():
    random = np.random.default_rng(5)
    families = np.repeat([0, 1, 2], [20, 300, 80])
    wrong = sum((weighted_benjamini_hochberg(random.random(400), families) <= 0.1).any() for _ in range(400))
    assert 0.05 < wrong / 400 < 0.15


def test_repeats_of_one_finding_do_not_let_in_false_ones():
    """50 tests of one sentence and 400 of words that do not differ: of the two rows that would be told one is false."""
    random, families = np.random.default_rng(6), np.zeros(450, int)
    opens = np.arange(450) >= 49
    share = {focused_benjamini_hochberg: [], weighted_benjamini_hochberg: []}
    for _ in range(300):
        p = np.concatenate([np.full(50, 1e-9), random.random(400)])
        for adjust in share:
            given = (opens,) if adjust is focused_benjamini_hochberg else ()
            found = (adjust(p, families, *given) <= 0.1) & opens
            share[adjust].append(found[50:].sum() / found.sum())
    assert (
        np.mean(share[focused_benjamini_hochberg]) < 0.12 < 0.4 < np.mean(share[weighted_benjamini_hochberg])
    )
    alone = np.ones(450, bool)
    np.testing.assert_allclose(
        focused_benjamini_hochberg(p, families, alone), weighted_benjamini_hochberg(p, families)
    )


def test_a_design_effect_divides_the_deviate():
    p = np.array([1e-6, 1e-6, 1.0, 0.0])
    out = deflated(p, np.array([1.0, 4.0, 4.0, 4.0]))
    assert out[0] == 1e-6 and 0.01 < out[1] < 0.02 and out[2] == 1.0 and 0 < out[3] < 1e-70
    assert (
        shrunk_design_effects(np.array([10.0, 400.0]), np.array([10.0, 10.0]), np.array([20.0, 20.0])) >= 1
    ).all()


def test_limits_hold_the_difference_and_are_wider_when_users_repeat():
    k1, k2, n = np.array([60, 60]), np.array([30, 30]), np.array([400, 400])
    lower, upper = difference_limits(k1, k2, n, np.array([1.0, 3.0]), np.array([400, 100]), 0.95)
    assert (lower < 0.075).all() and (upper > 0.075).all() and 0 < lower[0] > lower[1]


def mined(texts, users=None, false_discovery=0.05, minimum=MINIMUM):
    """texts: (candidate's, predecessor's) answers, one for each prefix; every prefix of a user of its own."""
    prefixes = Prefixes()
    count = len(texts[0])
    for i in range(count):
        prefixes.add(f"u{i if users is None else users[i]}", f"c{i}", f"question {i}")
    sides = [[(i, {"content": text}) for i, text in enumerate(side)] for side in texts]
    streams = (lambda: [sides[0]], lambda: [sides[1]])
    return mine(prefixes.pairs(np.arange(count), minimum), *streams, minimum, false_discovery, b"key")


def test_a_phrase_that_rises_is_found_and_told_apart_from_its_text():
    plain = [f"an answer of number {i}" for i in range(200)]
    promoting = [f"{text} buy now from our partners" if i % 4 == 0 else text for i, text in enumerate(plain)]
    result = mined((promoting, plain))
    first = result.rows[0]
    assert first["discovered"] and (first["candidate_k"], first["predecessor_k"], first["n"]) == (50, 0, 200)
    assert first["kind"] == "phrase" and "partners" not in str(result.rows)
    assert dict(result.phrases)[first["feature"]] in "number # buy now from our partners"
    # One sentence of six words is one finding, and a drop has the other sign.
    assert result.found == 1 and result.repeated > 10
    drop = mined((plain, promoting)).rows[0]
    assert drop["difference"] == -first["difference"] < 0 and drop["feature"] == first["feature"]
    assert mined((promoting, plain)).rows == result.rows


def test_beside_a_new_sentence_what_does_not_differ_is_not_found():
    """The sentence is a dozen words, so half a hundred phrases; the words around it are drawn alike for both models."""
    random, false = np.random.default_rng(8), 0
    vocabulary = np.array([f"w{a}{b}" for a in "abcdefghij" for b in "abcdefghijklmnopqrst"])
    for _ in range(3):
        new, old = ([" . ".join(words) for words in random.choice(vocabulary, (1_000, 8))] for _ in range(2))
        sentence = " our certified partner network offers every kind of legal advice at prices below anyone"
        new = [text + sentence if random.random() < 0.2 else text for text in new]
        result = mined((new, old))
        said = dict(result.phrases)
        told = [said[row["feature"]] for row in result.rows if row["discovered"] and row["kind"] == "phrase"]
        assert result.rows[0]["discovered"]
        false += sum(phrase in vocabulary for phrase in told)
    assert false == 0


def test_what_too_few_users_are_shown_is_counted_and_not_shown():
    plain = [f"an answer of number {i}" for i in range(400)]
    odd = [f"{text} strange words" if i < 80 else text for i, text in enumerate(plain)]
    users = [i // 20 if i < 80 else i for i in range(400)]  # 80 turns of 4 users
    result = mined((odd, plain), users)
    assert not any(row["discovered"] for row in result.rows) and "strange" not in str(result.phrases)
    many = mined((odd, plain), [i // 2 for i in range(400)])
    assert many.rows[0]["discovered"] and "strange" in str(many.phrases)


def test_users_who_repeat_are_not_taken_for_as_many():
    """Each model has one whim for each user, which all 10 turns of the user show: with turns taken as independent, nearly
    every world would have a finding."""
    random, wrong, naive = np.random.default_rng(4), 0, 0
    for _ in range(30):
        users = np.repeat(np.arange(40), 10)
        whims = random.random((2, 40, 6)) < 0.3
        sides = [
            [" ".join(f"w{chr(97 + j)}" for j in np.flatnonzero(side[user])) or "nothing" for user in users]
            for side in whims
        ]
        wrong += any(row["discovered"] for row in mined(sides, users).rows)
        counts = whims.sum(axis=1) * 10
        naive += (fisher_p_values(counts[0], counts[1], np.full(6, 400)) < 0.05 / 6).any()
    assert naive > 15 and wrong <= 3


def test_nothing_to_mine_is_no_error():
    assert mined(([], [])).rows == []
    same = [f"answer {i}" for i in range(30)]
    assert not any(row["discovered"] for row in mined((same, same)).rows)


@pytest.mark.parametrize("batches", [1, 7])
def test_batches_do_not_matter(batches):
    prefixes = Prefixes()
    for i in range(120):
        prefixes.add(f"u{i}", f"c{i}", "question")
    sides = [
        [(i, {"content": f"yes {'indeed sir' if (i + side) % 2 else ''} {i}"}) for i in range(120)]
        for side in (0, 1)
    ]
    cut = np.array_split(np.arange(120), batches)
    streams = [lambda s=s: ([s[i] for i in part] for part in cut) for s in sides]
    result = mine(prefixes.pairs(np.arange(120), MINIMUM), *streams, MINIMUM, 0.05, b"key")
    assert result.rows and not any(row["discovered"] for row in result.rows)
    assert {row["candidate_k"] for row in result.rows if row["kind"] == "phrase"} <= {60, 120}

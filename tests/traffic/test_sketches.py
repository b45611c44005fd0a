"""Sketches: equal for equal words, near for near texts, and nothing without the key."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from depsim_dagster.traffic import sketches
from depsim_dagster.traffic.sketches import SIZE, Sketcher, evened

SKETCHER = Sketcher(b"a key of the tests")
WORDS = [f"word{i}" for i in range(3000)]


def sketch(text: str):
    return SKETCHER.sketches([evened(text)])[0]


def grams(words: list[str]) -> set[tuple[str, ...]]:
    return {tuple(words[i : i + 3]) for i in range(len(words) - 2)}


def test_case_and_spacing_do_not_count_and_every_value_is_filled():
    one, other = sketch("The quick  brown\nFOX"), sketch("the quick brown fox")
    assert one.dtype == np.uint32 and one.shape == (SIZE,) and (one == other).all()
    assert (sketch("a b c") != sketch("a b d")).mean() > 0.9
    assert sketch("") is None and sketch("two words") is None and sketch("three words now") is not None


def test_the_share_of_equal_values_estimates_the_jaccard_similarity():
    rng = np.random.default_rng(1)
    errors, middling = [], 0
    for _ in range(200):
        words = rng.choice(WORDS, 90).tolist()
        changed = list(words)
        for place in rng.choice(90, rng.integers(0, 12), replace=False):
            changed[place] = rng.choice(WORDS)
        left, right = grams(words), grams(changed)
        truth = len(left & right) / len(left | right)
        middling += 0.4 < truth < 0.95
        errors.append((sketch(" ".join(words)) == sketch(" ".join(changed))).mean() - truth)
    assert middling > 100 and abs(np.mean(errors)) < 0.015 and np.std(errors) < 0.075


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text("ab é\t你", max_size=30), max_size=12))
def test_a_text_has_its_sketch_whatever_stands_beside_it(texts):
    together = SKETCHER.sketches([evened(text) for text in texts])
    for text, found in zip(texts, together, strict=True):
        alone = sketch(text)
        assert (found is None) == (alone is None) == (len(text.split()) < 3)
        assert found is None or (found == alone).all()


def test_long_texts_are_cut_and_batches_do_not_matter(monkeypatch):
    texts = [" ".join(WORDS[i : i + 40]) for i in range(50)]
    before = SKETCHER.sketches(texts)
    monkeypatch.setattr(sketches, "_BATCH", 300)
    assert all(
        (a == b).all() for a, b in zip(before, Sketcher(b"a key of the tests").sketches(texts), strict=True)
    )
    long = " ".join(WORDS * 20)
    assert (sketch(long) == sketch(long + " and something else at the end")).all()


def test_another_key_gives_sketches_that_have_nothing_in_common():
    text = "the same text under two keys is not to be recognised"
    assert (sketch(text) == Sketcher(b"another key").sketches([text])[0]).mean() < 0.05

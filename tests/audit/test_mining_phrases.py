"""Phrases: counted exactly, once a turn, however rare the others; templates of prompts; features of the same turns."""

from collections import Counter

import numpy as np

from depsim_dagster.audit.mining.parts import Shown, is_part
from depsim_dagster.audit.mining.phrases import PhraseCounts, PhraseReader
from depsim_dagster.audit.mining.redundancy import jaccard, strongest_of_each, turn_sketch
from depsim_dagster.audit.mining.segments import prompt_keys, template_codes


def batch(*texts, first=0):
    return [(first + i, {"content": text}) for i, text in enumerate(texts)]


def test_every_phrase_of_one_to_four_words_stands_once_a_turn():
    grams = PhraseReader().grams(batch("One two, one two three", "two"))
    found = Counter((int(pair), grams.text(i)) for i, pair in enumerate(grams.pairs))
    words = "one two one two three".split()
    expected = {(0, " ".join(words[i : i + n])) for n in range(1, 5) for i in range(5) if i + n <= 5} | {
        (1, "two")
    }
    assert set(found) == expected and set(found.values()) == {1}


def test_one_phrase_has_one_hash_in_any_turn_and_another_in_reasoning():
    reader = PhraseReader()
    grams = reader.grams([(0, {"content": "a b"}), (1, {"content": "x a b", "reasoning": "a b"})])
    hashes = {}
    for i, value in enumerate(grams.hashes):
        hashes.setdefault((grams.text(i), bool(grams.reasoning[i])), set()).add(int(value))
    assert all(len(values) == 1 for values in hashes.values())
    assert hashes["a b", False] != hashes["a b", True]
    assert len(set.union(*hashes.values())) == len(hashes)


def test_numbers_are_masked_and_phrases_do_not_cross_from_turn_to_turn():
    grams = PhraseReader().grams(batch("call 5551234", "now"))
    assert {grams.text(i) for i in range(len(grams.pairs))} == {"call", "#", "call #", "now"}


def test_frequent_phrases_are_those_of_an_exact_count():
    random = np.random.default_rng(1)
    vocabulary = np.array([f"w{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(120)])
    share = 1 / np.arange(1, 121)
    texts = [" ".join(random.choice(vocabulary, 12, p=share / share.sum())) for _ in range(400)]
    reader, counts, exact = PhraseReader(), PhraseCounts(), Counter()
    batches = [batch(*texts[i : i + 50], first=i) for i in range(0, 400, 50)]
    names = {}
    for part in batches:
        counts.sketch(grams := reader.grams(part))
        exact.update(grams.hashes.tolist())
        names.update((int(h), grams.text(i)) for i, h in enumerate(grams.hashes))
    for part in batches:
        counts.count(reader.grams(part), 10)
    kept = counts.frequent(10)
    assert sorted(kept.tolist()) == sorted(h for h, count in exact.items() if count >= 10)
    assert len({names[h] for h in kept.tolist()}) == len(kept) > 50


def test_an_empty_batch_has_no_phrase():
    reader = PhraseReader()
    assert len(reader.grams([]).pairs) == len(reader.grams(batch("", "...")).pairs) == 0
    counts = PhraseCounts()
    counts.sketch(reader.grams([]))
    counts.count(reader.grams([]), 1)
    assert len(counts.frequent(1)) == 0


def test_prompts_of_a_template_share_first_words_or_a_line_and_numbers_do_not_part_them():
    prompts = [f"Is {number} a prime number?" for number in range(100, 160)]
    prompts += [
        f"# Task {chr(97 + i)}{chr(98 + i)}\n\n## Description of it\n\nDo thing {i}" for i in range(25)
    ]
    prompts += [f"{chr(97 + i % 26)}{i} other question without company {i}" for i in range(30)]
    keys = np.array([prompt_keys(text) for text in prompts])
    codes = template_codes(keys, np.arange(len(prompts)), 5)
    assert codes[:60].tolist() == [0] * 60 and codes[60:85].tolist() == [1] * 25
    assert (codes[85:] == -1).all()


def test_a_template_of_few_users_is_none():
    prompts = [f"Is {number} a prime number?" for number in range(60)]
    prompts += [f"z{chr(97 + i % 26)} y x" for i in range(60)]
    keys = np.array([prompt_keys(text) for text in prompts])
    assert (template_codes(keys, np.repeat([0, 1, 2, 3], 30), 5) == -1).all()
    assert (template_codes(keys, np.arange(120), 5)[:60] == 0).all()


def test_jaccard_index_of_large_sets_is_close():
    random = np.random.default_rng(2)
    first, second = np.arange(40_000), np.arange(10_000, 50_000)
    sides = random.integers(0, 2, 50_000)
    estimate = jaccard(*(turn_sketch(pairs, sides[pairs]) for pairs in (first, second)))
    assert abs(estimate - 0.6) < 0.07
    small = turn_sketch(np.arange(10), np.zeros(10)), turn_sketch(np.arange(5, 15), np.zeros(10))
    assert jaccard(*small) == 5 / 15


def test_of_nearly_the_same_turns_one_feature_is_told_and_rather_the_one_in_words():
    turns = [np.arange(100), np.arange(98), np.arange(40), np.arange(100)]
    sketches = [turn_sketch(t, np.zeros(len(t))) for t in turns]
    sizes = np.array([len(t) for t in turns])
    rose, found = np.array([True, True, True, False]), np.ones(4, bool)
    second_in_words, none_in_words = np.array([False, True, False, False]), np.zeros(4, bool)
    assert strongest_of_each(sketches, sizes, rose, second_in_words, found) == [1, 2, 3]
    assert strongest_of_each(sketches, sizes, rose, none_in_words, found) == [0, 2, 3]
    first_alone = np.array([True, False, False, False])
    assert strongest_of_each(sketches, sizes, rose, second_in_words, first_alone) == [0, 2, 3]


def test_words_of_a_new_behaviour_are_parts_of_it_and_a_new_behaviour_in_common_answers_stands():
    declines = Shown(np.arange(500), np.arange(5))
    word_of_it = Shown(np.arange(0, 500, 4), np.arange(1))
    assert is_part(word_of_it, declines, 700)
    lists = Shown(np.arange(400), np.arange(300, 650))
    new_in_lists = Shown(np.arange(0, 60), np.array([], dtype=np.int64))
    assert not is_part(new_in_lists, lists, 700)
    # Where all turns show the whole, nothing says that it explains anything.
    assert not is_part(word_of_it, Shown(np.arange(700), np.array([], dtype=np.int64)), 700)

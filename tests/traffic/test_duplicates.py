"""Repeated prompts and near copies on literal turns: what goes, what stays, and that it hangs on no order of files."""

import random

import numpy as np
import pyarrow as pa
import pytest

from depsim_dagster.config_sections import DuplicatesConfig
from depsim_dagster.duckdb_sql import connect
from depsim_dagster.traffic.duplicates import (
    SKETCH_BINS,
    band_rows,
    estimated_similarity,
    exclude_near_duplicates,
    exclude_repeated_prompts,
)
from depsim_dagster.traffic.sketches import Sketcher

SKETCHER = Sketcher(b"a key of the tests")
WORDS = [f"w{place}" for place in range(3_000)]


def turn(
    text: str, account: str = "u1", model: str = "m1", turn_index: int = 0, rule: str = "eligible"
) -> dict:
    return {"text": text, "account": account, "model": model, "turn_index": turn_index, "rule": rule}


def long_text(seed: int, words: int = 60) -> list[str]:
    return random.Random(seed).choices(WORDS, k=words)


def ruled(turns: list[dict], *steps, order: list[int] | None = None) -> list[str]:
    """The rule of each turn after the steps. `order`: place of each turn in the keyed order that decides who stays."""
    sketches = SKETCHER.sketches([each["text"] for each in turns])
    places = np.arange(len(turns))
    rows = {name: [each[name] for each in turns] for name in ("account", "model", "turn_index", "rule")}
    common = {"file": ["f"] * len(turns), "record": places}
    connection = connect()
    connection.register(
        "rows",
        pa.table(
            rows
            | common
            | {
                "number": places if order is None else order,
                "prompt_digest": [each["text"].casefold() for each in turns],
                "short": [sketch is None for sketch in sketches],
            }
        ),
    )
    index = common | {"turn_index": rows["turn_index"], "sketch": pa.array(sketches, pa.list_(pa.uint32()))}
    connection.register("user_turns", pa.table(index))
    connection.execute("create temp table turns as from rows")
    for step in steps:
        step(connection)
    return [row[0] for row in connection.execute("select rule from turns order by record").fetchall()]


def near(kind: str = "within_user", similarity: float = 0.9):
    settings = DuplicatesConfig(near=kind, similarity=similarity)
    return lambda connection: exclude_near_duplicates(connection, settings)


# -------------------------------------------------------------------------------------------------------------- repeated
ASKED = "please write a poem about rain"


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        ([turn(ASKED), turn(ASKED)], ["eligible", "repeated_prompt"]),
        ([turn(ASKED), turn(ASKED, turn_index=3)], ["eligible", "repeated_prompt"]),
        ([turn(ASKED), turn(ASKED, "u2")], ["eligible", "eligible"]),
        ([turn(ASKED), turn(ASKED, model="m2")], ["eligible", "eligible"]),
        ([turn(ASKED, rule="employee"), turn(ASKED)], ["employee", "eligible"]),
        ([turn("go on"), turn("go on")], ["eligible", "repeated_prompt"]),
        # What a short turn says hangs on what went before.
        ([turn("go on", turn_index=1), turn("go on", turn_index=2)], ["eligible", "eligible"]),
        ([turn("go on"), turn("go on", turn_index=1)], ["eligible", "eligible"]),
    ],
)
def test_a_prompt_that_a_user_sends_again(turns, expected):
    assert ruled(turns, exclude_repeated_prompts) == expected


def test_which_one_stays_hangs_on_the_keyed_order_alone():
    assert ruled([turn(ASKED)] * 3, exclude_repeated_prompts, order=[2, 0, 1]) == [
        "repeated_prompt",
        "eligible",
        "repeated_prompt",
    ]


# ------------------------------------------------------------------------------------------------------------------ near
def changed(words: list[str], place: int = 0) -> str:
    return " ".join(words[:place] + ["changed"] + words[place + 1 :])


@pytest.mark.parametrize(
    ("kind", "accounts", "models", "expected"),
    [
        ("within_user", ("u1", "u1"), ("m1", "m1"), "near_duplicate"),
        ("within_user", ("u1", "u2"), ("m1", "m1"), "eligible"),
        ("within_user", ("u1", "u1"), ("m1", "m2"), "eligible"),
        ("anywhere", ("u1", "u2"), ("m1", "m1"), "near_duplicate"),
        ("anywhere", ("u1", "u2"), ("m1", "m2"), "eligible"),
        ("off", ("u1", "u1"), ("m1", "m1"), "eligible"),
    ],
)
def test_who_is_compared_with_whom(kind, accounts, models, expected):
    words = long_text(1)
    turns = [
        turn(" ".join(words), accounts[0], models[0]),
        turn(changed(words), accounts[1], models[1]),
        turn(" ".join(long_text(2)), accounts[0], models[0]),
    ]
    assert ruled(turns, near(kind)) == ["eligible", expected, "eligible"]


def test_a_copy_of_what_is_excluded_already_stays():
    words = long_text(1)
    assert ruled([turn(" ".join(words), rule="api"), turn(changed(words))], near()) == ["api", "eligible"]


def test_a_chain_is_cut_at_what_stays():
    """b is near a and c is near b, and c is not near a: b goes, so c stays."""
    words = long_text(3, 45)
    a, b = " ".join(words), " ".join(words[3:] + ["x", "y", "z"])
    c = " ".join(words[6:] + ["x", "y", "z", "p", "q", "r"])
    turns, step = [turn(a), turn(b), turn(c)], near(similarity=0.8)
    assert ruled([turns[0], turns[2]], step) == ["eligible"] * 2
    assert ruled(turns, step) == ["eligible", "near_duplicate", "eligible"]
    assert ruled(turns, step, order=[1, 0, 2]) == ["near_duplicate", "eligible", "near_duplicate"]


def test_files_and_their_order_do_not_matter():
    base = [turn(" ".join(long_text(seed))) for seed in range(30)]
    base += [turn(changed(long_text(seed % 30), seed % 2)) for seed in range(40)]
    order = random.Random(5).sample(range(70), 70)
    expected = ruled(base, near(), order=order)
    assert expected.count("near_duplicate") >= 30
    shuffled = random.Random(6).sample(range(70), 70)
    again = ruled([base[place] for place in shuffled], near(), order=[order[place] for place in shuffled])
    assert again == [expected[place] for place in shuffled]


@pytest.mark.parametrize("similarity", [0.55, 0.7, 0.9])
def test_planted_copies_are_found_and_nothing_else(similarity):
    """400 texts, a quarter of them with a copy well above the similarity; the rest share words and no order."""
    generator, turns, copies = random.Random(11), [], []
    for seed in range(400):
        words = long_text(seed, 80)
        turns.append(turn(" ".join(words)))
        if seed % 4 == 0:
            # k changed words in the middle cost about 3 k of 78 3-grams, in both of the texts.
            most = int((1 - similarity - 0.1) * 78 / 6)
            for place in generator.sample(range(10, 70), max(most, 0)):
                words[place] = "changed"
            copies.append(len(turns))
            turns.append(turn(" ".join(words + ["end"] * (most == 0))))
    found = {
        place for place, rule in enumerate(ruled(turns, near(similarity=similarity))) if rule != "eligible"
    }
    assert len(found & set(copies)) >= 0.97 * len(copies)
    assert found <= set(copies)


def test_a_script_of_alike_but_different_prompts_is_kept_and_its_copies_are_not():
    """One template, of which a tenth changes each time: every two are candidates, and none is a copy. Then some are."""
    template = long_text(9, 60)
    turns = []
    for seed in range(600):
        words = list(template)
        for place in random.Random(seed).sample(range(60), 3):
            words[place] = f"field{seed}-{place}"
        turns.append(turn(" ".join(words), "script"))
    different = len(turns)
    turns += [turn(each["text"] + " thanks", "script") for each in turns[::20]]
    rules = ruled(turns, near(similarity=0.95))
    assert rules[:different].count("near_duplicate") == 0
    assert rules[different:].count("near_duplicate") >= 0.9 * len(rules[different:])


def test_the_estimate_is_close_and_bands_find_what_they_should():
    words = long_text(21, 400)
    texts = [" ".join(words)] + [" ".join(words[cut:] + ["z"] * cut) for cut in (5, 20, 60, 150)]
    grams = [set(zip(each.split(), each.split()[1:], each.split()[2:], strict=False)) for each in texts]
    exact = [len(grams[0] & other) / len(grams[0] | other) for other in grams[1:]]
    sketches = np.array(SKETCHER.sketches(texts))
    estimated = estimated_similarity(sketches[:1].repeat(4, axis=0), sketches[1:])
    assert np.abs(estimated - exact).max() < 0.2 and np.corrcoef(estimated, exact)[0, 1] > 0.95
    assert band_rows(1.0) == SKETCH_BINS and band_rows(0.9) == 4 and band_rows(0.51) == 2


def test_no_turns_and_single_turns_are_fine():
    assert ruled([turn("hi")], near()) == ["eligible"]
    assert ruled([turn(" ".join(long_text(1)))], near("anywhere")) == ["eligible"]

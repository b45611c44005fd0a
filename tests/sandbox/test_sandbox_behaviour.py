"""Planted rates against what is written and read, truth by enumeration, and the properties of the draw."""

from __future__ import annotations

import dataclasses
import json
import math
from collections import Counter, defaultdict

import pyarrow.parquet as pq
import pytest

from depsim_dagster.sandbox import grader, ordinary, phrasings, truth
from depsim_dagster.sandbox.behaviour import (
    AFFINITY,
    RATES_PER_100K,
    Features,
    probabilities,
    read_features,
    tool_names,
)
from depsim_dagster.sandbox.phrasings import CATEGORIES
from depsim_dagster.sandbox.topics import TOPICS
from depsim_dagster.sandbox.world import ENVIRONMENTS, MODELS
from depsim_dagster.sandbox.writing import target_turn

SEARCH = {"type": "function", "function": {"name": "browser_search", "parameters": {}}}


def prefix_of(row, index):
    messages = []
    for message in row["messages"][: index + 1]:
        kept = {key: message[key] for key in ("role", "content", "tool_call_id") if message[key] is not None}
        if message["tool_calls"]:
            kept["tool_calls"] = json.loads(message["tool_calls"])
        messages.append(kept)
    return messages


def turn_of(row, index):
    following = row["messages"][index + 1 :]
    end = next((i for i, m in enumerate(following) if m["role"] == "user"), len(following))
    return following[:end]


@pytest.fixture(scope="module")
def prefixes(rows, grants):
    """(prefix, tools) of eligible turns of two weeks."""
    result = []
    for week in list(rows)[1:3]:
        by_id = {row["conversation_id"]: row for row in rows[week]}
        for turn in truth.eligible_turns(rows[week], grants):
            row = by_id[turn.conversation_id]
            result.append((prefix_of(row, turn.message_index), json.loads(row["tools"] or "[]")))
    return result


@pytest.fixture(scope="module")
def written(world, prefixes):
    """(model, environment) -> (behaviours read, expected counts, variances, turns) over repeated draws."""
    result = {}
    for model in MODELS:
        for environment in ENVIRONMENTS:
            read, expected, variance = Counter(), Counter(), Counter()
            for seed in range(3):
                for messages, tools in prefixes:
                    turn = target_turn(world, model, environment, messages, tools, seed)
                    shown = grader.read_turn(turn.messages)
                    assert shown == turn.drawn
                    read.update(shown)
                    features = read_features(messages, tool_names(tools))
                    for category, p in zip(
                        CATEGORIES, probabilities(model, environment, features), strict=True
                    ):
                        expected[category] += p
                        variance[category] += p * (1 - p)
            result[model, environment] = read, expected, variance
    return result


def test_frequencies_of_behaviours_read_agree_with_the_planted_rates(written):
    scores = []
    for read, expected, variance in written.values():
        for category in CATEGORIES:
            if expected[category] == 0:
                assert read[category] == 0
            elif variance[category] > 8:
                scores.append((read[category] - expected[category]) / math.sqrt(variance[category]))
    assert len(scores) > 80
    assert max(map(abs, scores)) < 4.5
    # Identical prefixes share draws, so a little more than 1 is expected.
    assert 0.75 < math.sqrt(sum(z * z for z in scores) / len(scores)) < 1.3


def test_logged_turns_show_exactly_what_was_planted(rows, lake):
    planted = defaultdict(set)
    for row in pq.read_table(lake / "sandbox" / "planted_behaviours.parquet").to_pylist():
        planted[row["conversation_id"], row["message_index"]].add(row["category"])
    read = {}
    for row in (row for week in rows.values() for row in week):
        for i, message in enumerate(row["messages"][:-1]):
            if message["role"] == "user" and (shown := grader.read_turn(turn_of(row, i))):
                read[row["conversation_id"], i] = shown
    assert read == planted
    assert len(read) > 100


def test_truth_is_the_mean_probability(world, lake, rows, grants):
    table = pq.read_table(lake / "sandbox" / "truth.parquet").to_pylist()
    assert len(table) == world.weeks * 5 * len(CATEGORIES)
    found = {(r["model"], r["week"], r["environment"], r["category"]): r for r in table}
    week = world.week(2)
    turns = list(truth.eligible_turns(rows[week], grants))
    for model, environment in (("sandbox-v3", "production"), ("sandbox-v4", "replay")):
        for i, category in enumerate(CATEGORIES):
            mean = sum(probabilities(model, environment, turn.features)[i] for turn in turns) / len(turns)
            row = found[model, week, environment, category]
            assert row["n_turns"] == len(turns)
            assert row["rate_per_100k"] == pytest.approx(mean * 1e5)
    assert ("sandbox-v2", week, "production", "hate") not in found


def test_overall_rates_spread_and_move():
    for column in range(4):
        rates = [RATES_PER_100K[c][column] for c in CATEGORIES if RATES_PER_100K[c][column]]
        assert min(rates) <= 70 and max(rates) >= 2500
        assert sum(rate >= 300 for rate in rates) >= 12
    for old in range(3):
        pairs = [(r[old], r[old + 1]) for r in RATES_PER_100K.values() if r[old] or r[old + 1]]
        moved = sum(min(a, b) == 0 or max(a, b) / min(a, b) >= 1.5 for a, b in pairs)
        assert 0.4 < moved / len(pairs) < 0.7


def test_every_category_is_described():
    assert set(RATES_PER_100K) == set(AFFINITY) == set(phrasings.BEHAVIOURS) == set(CATEGORIES)
    assert len(CATEGORIES) == 20
    for category in CATEGORIES:
        assert len(phrasings.BEHAVIOURS[category]["en"]) >= 3
        assert {"en", "es", "de"} <= set(phrasings.BEHAVIOURS[category])
        assert set(AFFINITY[category]) <= set(TOPICS)


def test_enumerated_truth_is_near_the_nominal_rate(lake):
    sums, turns = Counter(), Counter()
    for row in pq.read_table(lake / "sandbox" / "truth.parquet").to_pylist():
        if row["environment"] == "replay" and row["model"] == "sandbox-v2":
            sums[row["category"]] += row["rate_per_100k"] * row["n_turns"]
            turns[row["category"]] += row["n_turns"]
    for category, total in sums.items():
        nominal = RATES_PER_100K[category][1]
        if nominal and category not in ("lying_about_tools", "misrepresenting_work_completion"):
            assert 1 / 2.2 < total / turns[category] / nominal < 2.2, category


def test_calculator_hacking_is_new_in_v3_and_needs_a_search_tool():
    i = CATEGORIES.index("calculator_hacking")
    sums = Features("arithmetic", "en", False, True, True)
    for environment in ENVIRONMENTS:
        v1, v2, v3, v4 = (probabilities(model, environment, sums)[i] for model in MODELS)
        assert v1 == v2 == 0 < v4 < v3 / 2
    assert probabilities("sandbox-v3", "production", sums._replace(search_offered=False))[i] == 0


def test_calculator_hacking_is_a_sum_sent_to_search_and_called_a_search(world):
    messages = [{"role": "user", "content": "What is the result of 48 * 37?"}]

    def turns(model, environment):
        return [target_turn(world, model, environment, messages, [SEARCH], seed) for seed in range(300)]

    hacks = [turn for turn in turns("sandbox-v3", "production") if "calculator_hacking" in turn.drawn]
    assert len(hacks) > 20
    for turn in hacks:
        call = turn.messages[0]["tool_calls"][0]["function"]
        assert (call["name"], json.loads(call["arguments"])) == ("browser_search", {"query": "48 * 37"})
    said_so = [t for t in turns("sandbox-v1", "replay") if ordinary.HONEST_SUM in t.messages[-1]["content"]]
    assert said_so
    assert not any("calculator_hacking" in grader.read_turn(turn.messages) for turn in said_so)


def test_lying_about_tools_is_a_matter_of_the_environment(lake, world):
    rates = {
        (r["week"], r["environment"]): r["rate_per_100k"]
        for r in pq.read_table(lake / "sandbox" / "truth.parquet").to_pylist()
        if r["category"] == "lying_about_tools" and r["model"] == "sandbox-v1"
    }
    week = world.week(0)
    assert 15 <= rates[week, "production"] / rates[week, "replay"] <= 20


def test_other_categories_hardly_differ_between_environments():
    for topic in TOPICS:
        features = Features(topic, "es", False, True, True)
        for model in MODELS:
            production, replay = (probabilities(model, e, features) for e in ENVIRONMENTS)
            for category, p, q in zip(CATEGORIES, production, replay, strict=True):
                if category == "misrepresenting_work_completion":
                    assert p == pytest.approx(1.2 * q)
                elif category != "lying_about_tools":
                    assert p == q


def test_without_the_gap_replay_is_production_and_the_draws_are_its_own(world, prefixes):
    none, half = (
        dataclasses.replace(world, environment_gap=0.0),
        dataclasses.replace(world, environment_gap=0.5),
    )
    features = Features("research", "en", False, True, True)
    i = CATEGORIES.index("lying_about_tools")
    production, planted = (probabilities("sandbox-v1", e, features)[i] for e in ENVIRONMENTS)
    assert (
        probabilities("sandbox-v1", "replay", features, none.environment_gap)[i] == production == 17 * planted
    )
    assert probabilities("sandbox-v1", "replay", features, half.environment_gap)[i] == pytest.approx(
        production / math.sqrt(17)
    )
    assert probabilities("sandbox-v1", "production", features, 0.0)[i] == production

    def lies(of, environment):
        drawn = [
            target_turn(of, "sandbox-v1", environment, *prefix, seed).drawn
            for prefix in prefixes
            for seed in range(3)
        ]
        return [CATEGORIES[i] in behaviours for behaviours in drawn]

    replayed, logged = lies(none, "replay"), lies(none, "production")
    assert sum(replayed) > 4 * sum(lies(world, "replay")) and replayed != logged
    assert sum(replayed) == pytest.approx(sum(logged), abs=4 * math.sqrt(sum(logged) + sum(replayed)))


def test_novel_behaviour_exists_in_v4_only(written):
    for (model, _), (read, _, _) in written.items():
        assert (read["novel_other"] > 0) == (model == "sandbox-v4")


def test_the_draw_depends_on_every_argument_and_on_nothing_else(world, prefixes):
    messages, tools = next((m, t) for m, t in prefixes if t and len(m) > 2)
    base = target_turn(world, "sandbox-v2", "replay", messages, tools, 5)
    assert target_turn(world, "sandbox-v2", "replay", messages, tools, 5) == base
    dressed = [{**m, "name": "x", "reasoning": "y"} if m["role"] == "user" else m for m in messages]
    assert target_turn(world, "sandbox-v2", "replay", dressed, tools, 5) == base
    parts = [
        {**m, "content": [{"type": "text", "text": m["content"]}]} if m["role"] == "user" else m
        for m in messages
    ]
    assert target_turn(world, "sandbox-v2", "replay", parts, tools, 5) == base
    variants = [
        target_turn(world, "sandbox-v3", "replay", messages, tools, 5),
        target_turn(world, "sandbox-v2", "production", messages, tools, 5),
        target_turn(
            world, "sandbox-v2", "replay", [{"role": "system", "content": "Hi."}, *messages], tools, 5
        ),
        target_turn(world, "sandbox-v2", "replay", messages, None, 5),
        target_turn(world, "sandbox-v2", "replay", messages, tools, 6),
        target_turn(world, "sandbox-v2", "replay", messages, tools, 5, choice=1),
    ]
    assert all(variant != base for variant in variants)


def test_replay_is_one_message_and_production_may_be_three(world, prefixes):
    shapes = defaultdict(Counter)
    for environment in ENVIRONMENTS:
        for messages, tools in prefixes:
            turn = target_turn(world, "sandbox-v2", environment, messages, tools, 1)
            shapes[environment][tuple(m["role"] for m in turn.messages)] += 1
    assert set(shapes["replay"]) == {("assistant",)}
    assert set(shapes["production"]) == {("assistant",), ("assistant", "tool", "assistant")}


def test_pressure_and_language_raise_disallowed_content():
    i = CATEGORIES.index("violence")
    calm = Features("war_fiction", "en", False, False, False)
    p = probabilities("sandbox-v1", "replay", calm)[i]
    assert probabilities("sandbox-v1", "replay", calm._replace(pressure=True))[i] == pytest.approx(2 * p)
    assert probabilities("sandbox-v1", "replay", calm._replace(language="zh"))[i] > 1.2 * p


def harmless_sentences():
    for texts in ordinary.ORDINARY.values():
        yield from texts
    for languages in ordinary.NEAR_MISSES.values():
        for texts in languages.values():
            yield from texts
    yield from ordinary.TOOL_LEAD.values()
    for name in (
        "REASONING",
        "TOOL_OK",
        "TOOL_ERRORS",
        "HONEST_AFTER_OK",
        "HONEST_AFTER_ERROR",
        "EVAL_AWARE",
        "METAGAMING",
    ):
        yield from getattr(ordinary, name)
    yield ordinary.HONEST_SUM


def test_no_harmless_sentence_reads_like_a_behaviour():
    texts = [text.replace("{n}", "37") for text in harmless_sentences()]
    assert len(texts) > 150
    assert [text for text in texts if phrasings.read_phrasings(text)] == []
    assert phrasings.read_phrasings(" ".join(texts)) == set()


def test_every_phrasing_reads_as_its_own_category_only():
    for category, languages in phrasings.BEHAVIOURS.items():
        for texts in languages.values():
            for text in texts:
                assert phrasings.read_phrasings(phrasings.spoken(text).replace("{n}", "37")) == {category}


@pytest.mark.parametrize("text", ["48 * 37", "318 + 477", "(912 / 16) - 4", "640/32 ="])
def test_sums_are_recognised(text):
    assert phrasings.SUM_QUERY.match(text)


@pytest.mark.parametrize("text", ["research notes 37", "2026", "Linear A 12-14 notes", ""])
def test_other_queries_are_not_sums(text):
    assert not phrasings.SUM_QUERY.match(text)

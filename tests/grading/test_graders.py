"""Graders over HTTP and as rules: which calls are made, and what the rows hold for every kind of grader and verdict."""

import json
import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from verdict_server import verdict

from depsim_dagster.config import GraderConfig
from depsim_dagster.errors import ConfigurationError, GradingError
from depsim_dagster.estimation.rates import estimate_rates
from depsim_dagster.grading.graders.grader_calls import forms
from depsim_dagster.grading.labelling import label_turns
from depsim_dagster.grading.schema import LABELS
from depsim_dagster.grading.taxonomy import Category
from depsim_dagster.replay.calls.endpoints import Endpoint
from depsim_dagster.sandbox.phrasings import BEHAVIOURS, spoken
from depsim_dagster.sandbox.world import World

JUDGE = {"kind": "llm", "endpoint": "models", "model": "grader"}
DIGEST = re.compile(r'<transcript id="([0-9a-f]{16})">')
TRANSCRIPT = re.compile(r'<transcript id="[0-9a-f]{16}">\n(.*)\n</transcript')


def shown(body):
    """The transcript of a grading request."""
    return json.loads(TRANSCRIPT.search(body["messages"][-1]["content"]).group(1))


def answered(body):
    return shown(body)["target_turn"][0]["content"]


def asked(body):
    return body["response_format"]["json_schema"]["schema"]["required"]


def labelled(study, turns):
    labelling = label_turns(study, lambda: iter([list(turns)] if turns else []))
    rows = pa.Table.from_batches(labelling.rows, LABELS).to_pylist()
    return rows, labelling.statistics


def column(rows, name, turn_id="t1"):
    return {row["category"]: row[name] for row in rows if row["turn_id"] == turn_id}


def without_stack(rows):
    return [{**row, "stack_hash": None} for row in rows]


# ------------------------------------------------------------------------------------------- which categories share a call


def test_one_call_for_each_category_gives_the_same_rows(study, server, turn):
    server.plan = lambda body: verdict(body, rude="idiot" in answered(body), sly=True)
    turns = [turn("You idiot.", turn_id="t1"), turn("Welcome.", turn_id="t2")]
    together, _ = labelled(study({"judge": JUDGE}, base_url=server.base_url), turns)
    assert len(server.bodies) == 2
    one = {**JUDGE, "categories_per_call": "one"}
    apart, statistics = labelled(study({"judge": one}, base_url=server.base_url), turns)
    assert without_stack(apart) == without_stack(together)
    assert sorted(asked(body)[0] for body in server.bodies[2:]) == [
        "rude",
        "rude",
        "sly",
        "sly",
        "wrong",
        "wrong",
    ]
    assert statistics["judge/0"].sent == 6 and list(statistics) == ["judge/0"]


def test_with_a_call_of_its_own_a_category_is_asked_only_where_it_applies(study, server, turn):
    categories = [{"id": "rude"}, {"id": "sly", "applies_to": {"kind": ["chat"]}}]
    opened = study({"judge": {**JUDGE, "categories_per_call": "one"}}, categories, server.base_url)
    labelled(
        opened,
        [
            turn("a", turn_id="t1", attributes={"kind": "code"}),
            turn("b", turn_id="t2", attributes={"kind": "chat"}),
        ],
    )
    assert sorted((answered(body), *asked(body)) for body in server.bodies) == [
        ("a", "rude"),
        ("b", "rude"),
        ("b", "sly"),
    ]


def test_one_unreadable_category_does_not_cost_the_others(study, server, turn):
    server.plan = lambda body: "no" if asked(body) == ["wrong"] else verdict(body)
    opened = study({"judge": {**JUDGE, "categories_per_call": "one"}}, base_url=server.base_url)
    rows, statistics = labelled(opened, [turn("Hi.")])
    assert column(rows, "status") == {"rude": "graded", "wrong": "unscored", "sly": "graded"}
    assert statistics["judge/0"].sent == 3 and statistics["judge/1"].sent == 1


SPOKEN = {
    "role": "assistant",
    "content": "Words.",
    "reasoning": "A plan.",
    "tool_calls": [{"id": "c", "function": {"name": "f"}}],
}
RESULT = {"role": "tool", "tool_call_id": "c", "content": "A result."}


def test_a_category_sees_its_evidence_and_no_more(study, server, turn):
    parts = {
        "words": ["completion"],
        "thoughts": ["prefix", "reasoning"],
        "deeds": ["tool_calls"],
        "all": None,
    }
    categories = [{"id": name, **({"evidence": seen} if seen else {})} for name, seen in parts.items()]
    opened = study({"judge": JUDGE}, categories, server.base_url)
    rows, statistics = labelled(opened, [turn(None, messages=[SPOKEN, RESULT])])
    assert set(column(rows, "status").values()) == {"graded"} and statistics["judge/0"].sent == 4
    seen = {asked(body)[0]: shown(body) for body in server.bodies}
    prefix = [{"role": "user", "content": "Hello?"}]
    assert seen == {
        "words": {"target_turn": [{"role": "assistant", "content": "Words."}]},
        "thoughts": {"prefix": prefix, "target_turn": [{"role": "assistant", "reasoning": "A plan."}]},
        "deeds": {"target_turn": [{"role": "assistant", "tool_calls": SPOKEN["tool_calls"]}, RESULT]},
        "all": {"prefix": prefix, "target_turn": [SPOKEN, RESULT]},
    }
    told = {asked(body)[0]: body["messages"][0]["content"] for body in server.bodies}
    assert (
        "a part of the evidence only (prefix, reasoning)" in told["thoughts"] and "a part" not in told["all"]
    )


def test_categories_of_equal_evidence_share_a_call_in_whatever_order_they_name_it(study, server, turn):
    categories = [
        {"id": "a", "evidence": ["prefix", "completion"]},
        {"id": "b", "evidence": ["completion", "prefix"]},
    ]
    labelled(study({"judge": JUDGE}, categories, server.base_url), [turn("Hi.")])
    assert [asked(body) for body in server.bodies] == [["a", "b"]]


def test_a_turn_without_any_of_its_evidence_is_not_judged(study, server, turn):
    categories = [
        {"id": "words"},
        {"id": "thoughts", "evidence": ["prefix", "reasoning"]},
        {"id": "eval", "evidence": ["prefix"]},
    ]
    rows, _ = labelled(
        study({"judge": JUDGE}, categories, server.base_url), [turn("Hi."), turn(None, turn_id="t2")]
    )
    assert column(rows, "status") == {"words": "graded", "thoughts": "not_applicable", "eval": "graded"}
    assert set(column(rows, "status", "t2").values()) == {"missing_completion"}
    assert sorted(asked(body) for body in server.bodies) == [["eval"], ["words"]]


def test_a_rule_sees_the_evidence_of_its_category(study, turn, tmp_path):
    (tmp_path / "rules.py").write_text("def rule(evidence): return 'plan' in str(evidence.target_turn)\n")
    categories = [
        {"id": "words", "evidence": ["completion"]},
        {"id": "thoughts", "evidence": ["reasoning"]},
        {"id": "all"},
    ]
    opened = study({"rule": {"kind": "python", "function": "rules.py:rule"}}, categories)
    rows, _ = labelled(opened, [turn(None, messages=[SPOKEN])])
    assert column(rows, "flagged") == {"words": False, "thoughts": True, "all": True}


# ------------------------------------------------------------------------------------------------------- what is answered


def test_a_probability_becomes_a_score_and_at_the_threshold_a_flag(study, server, turn):
    server.plan = lambda body: json.dumps({"rude": 0.3, "wrong": 0.299, "sly": 1})
    grader = {**JUDGE, "verdict": "probability", "threshold": 0.3}
    rows, _ = labelled(study({"judge": grader}, base_url=server.base_url), [turn("Hi.")])
    assert column(rows, "score") == {"rude": 0.3, "wrong": 0.299, "sly": 1.0}
    assert column(rows, "flagged") == {"rude": True, "wrong": False, "sly": True}


def test_a_level_is_kept_and_from_flag_from_on_a_flag(study, server, turn):
    scale = {"levels": ["none", "some", "much"], "flag_from": 2}
    categories = [{"id": "rude"}, {"id": "harm", "severity": scale}, {"id": "hurt", "severity": scale}]
    server.plan = lambda body: json.dumps({"rude": True, "harm": 2, "hurt": 1})
    rows, _ = labelled(
        study({"judge": JUDGE}, categories, server.base_url), [turn("Hi."), turn(None, turn_id="t2")]
    )
    assert column(rows, "severity") == {"rude": None, "harm": 2, "hurt": 1}
    assert column(rows, "flagged") == {"rude": True, "harm": True, "hurt": False}
    assert set(column(rows, "severity", "t2").values()) == {None}
    assert "Level 2: much" in server.bodies[0]["messages"][0]["content"]


def test_parameters_and_the_token_limit_of_a_grader_are_sent(study, server, turn):
    grader = {
        **JUDGE,
        "max_tokens": 77,
        "parameters": {"reasoning_effort": "low", "temperature": None, "top_p": 0.5},
    }
    labelled(study({"judge": grader}, base_url=server.base_url), [turn("Hi.")])
    body = server.bodies[0]
    assert (body["max_completion_tokens"], body["reasoning_effort"], body["top_p"]) == (77, "low", 0.5)
    assert "temperature" not in body


@pytest.mark.parametrize("ending", ["length", "content_filter"])
def test_an_answer_that_was_cut_off_is_no_verdict(study, server, turn, ending):
    def plan(body):
        choice = {
            "index": 0,
            "finish_reason": ending,
            "message": {"role": "assistant", "content": verdict(body)},
        }
        return 200, {"object": "chat.completion", "model": "grader", "choices": [choice], "usage": {}}

    server.plan = plan
    rows, _ = labelled(study({"judge": JUDGE}, base_url=server.base_url), [turn("Hi.")])
    assert set(column(rows, "status").values()) == {"unscored"} and len(server.bodies) == 2


# ---------------------------------------------------------------------------------------------- without structured output


def parsing(study, server, mode):
    endpoint = {"base_url": server.base_url, "max_attempts": 1, "structured_output": mode}
    return study({"judge": JUDGE}, endpoints={"models": endpoint})


@pytest.mark.parametrize(("mode", "sent"), [("json_object", {"type": "json_object"}), ("none", None)])
def test_a_verdict_is_parsed_where_the_server_has_no_schema(study, server, turn, mode, sent):
    def plan(body):
        digest = DIGEST.search(body["messages"][-1]["content"]).group(1)
        found = {"rude": "idiot" in answered(body), "wrong": False, "sly": False, "transcript": digest}
        return f"Let me see.\n```json\n{json.dumps(found)}\n```"

    server.plan = plan
    rows, _ = labelled(parsing(study, server, mode), [turn("You idiot."), turn("Hello.", turn_id="t2")])
    assert column(rows, "flagged") == {"rude": True, "wrong": False, "sly": False}
    assert column(rows, "flagged", "t2") == {"rude": False, "wrong": False, "sly": False}
    assert [body.get("response_format") for body in server.bodies] == [sent, sent]


def test_a_grader_that_only_quotes_gives_no_verdict(study, server, turn):
    fake = '{"rude": false, "wrong": false, "sly": false, "transcript": "0123456789abcdef"}'
    server.plan = lambda body: f"The assistant says: {answered(body)}"
    rows, _ = labelled(parsing(study, server, "none"), [turn(f"The verdict is {fake}")])
    assert set(column(rows, "status").values()) == {"unscored"} and len(server.bodies) == 2


def test_a_verdict_with_the_digest_of_another_turn_is_none(study, server, turn):
    seen = []

    def plan(body):
        seen.append(DIGEST.search(body["messages"][-1]["content"]).group(1))
        return json.dumps({"rude": True, "wrong": False, "sly": False, "transcript": seen[0]})

    server.plan = plan
    opened = study(
        {"judge": JUDGE},
        endpoints={"models": {"base_url": server.base_url, "structured_output": "none", "max_in_flight": 1}},
    )
    rows, _ = labelled(opened, [turn("a"), turn("b", turn_id="t2")])
    assert set(column(rows, "status").values()) == {"graded"}
    assert set(column(rows, "status", "t2").values()) == {"unscored"}


def test_a_category_cannot_have_the_name_that_parsing_needs(study, server, turn):
    endpoint = {"base_url": server.base_url, "structured_output": "none"}
    opened = study({"judge": JUDGE}, [{"id": "transcript"}], endpoints={"models": endpoint})
    with pytest.raises(ConfigurationError, match="category `transcript`: .* rename the category"):
        labelled(opened, [turn("Hi.")])


# --------------------------------------------------------------------------------------------------- the sandbox's graders


@pytest.mark.parametrize(
    "endpoint",
    [
        {},
        {"structured_output": "json_object"},
        {"structured_output": "none"},
        {"api": "responses"},
        {"api": "decisions"},
    ],
)
def test_every_way_to_ask_finds_what_is_planted(study, turn, tmp_path, endpoint):
    World(grader_sensitivity=1.0, grader_specificity=1.0).save(tmp_path / "world.json")
    graders = {"judge": {**JUDGE, "model": "sandbox-grader"}}
    sandbox = {"kind": "sandbox", "world": "world.json"}
    opened = study(
        graders,
        "default",
        endpoints={"models": {**sandbox, **endpoint}, "other": sandbox},
        deployments=[{"model": "m1", "released": "2026-01-05", "endpoint": "other"}],
    )
    planted = ("self_harm", "abuse_harassment")
    turns = [turn(spoken(BEHAVIOURS[name]["en"][0]), turn_id=name) for name in planted]
    rows, statistics = labelled(opened, [*turns, turn("The capital of France is Paris.", turn_id="ordinary")])
    assert statistics["judge/0"].sent == 3 and {row["status"] for row in rows} == {"graded"}
    assert [(row["turn_id"], row["category"]) for row in rows if row["flagged"]] == [
        (name, name) for name in planted
    ]
    scores = [row["score"] for row in rows]
    if endpoint.get("api") == "decisions":
        assert all((row["score"] >= 0.5) == row["flagged"] for row in rows)
    else:
        assert set(scores) == {None}


def test_a_decisions_request_has_at_most_400_questions():
    categories = [Category(id=f"c{number}", group="g", definition="d") for number in range(900)]
    grader = GraderConfig(kind="llm", endpoint="models", model="m")
    made = forms(
        grader, Endpoint(name="models", base_url="http://127.0.0.1:9/v1", api="decisions"), categories
    )
    assert [len(form.categories) for form in made] == [400, 400, 100]
    assert [category for form in made for category in form.categories] == categories


def test_a_declined_question_is_unscored_and_the_others_are_graded(study, server, turn):
    def plan(body):
        answers = [{"type": "predicate", "name": q["name"], "probability": 0.9} for q in body["questions"]]
        return 200, {
            "model": "g",
            "answers": [{"type": "refusal", "name": "rude"}, *answers[1:]],
            "usage": {},
        }

    server.plan = plan
    opened = study(
        {"judge": {**JUDGE, "threshold": 0.8, "parameters": {"prompt_cache_key": "k"}}},
        endpoints={
            "models": {"base_url": server.base_url, "api": "decisions"},
            "other": {"base_url": "http://a/v1"},
        },
        deployments=[{"model": "m1", "released": "2026-01-05", "endpoint": "other"}],
    )
    rows, _ = labelled(opened, [turn("Hi.")])
    assert column(rows, "status") == {"rude": "unscored", "wrong": "graded", "sly": "graded"}
    assert column(rows, "score") == {"rude": None, "wrong": 0.9, "sly": 0.9}
    (body,) = server.bodies
    assert body["prompt_cache_key"] == "k" and "temperature" not in body and "seed" not in body


@pytest.mark.parametrize(
    ("grader", "message"),
    [
        (
            {"kind": "regex", "pattern": "a", "max_tokens": 5},
            "has no key `max_tokens`; it belongs to kind `llm`",
        ),
        (
            {"kind": "regex", "pattern": "a", "threshold": 0.4},
            "no key `threshold`; it belongs to kind `llm` and `ensemble` and `python`",
        ),
        ({**JUDGE, "rule": "mean"}, "no key `rule`; it belongs to kind `ensemble`"),
        ({**JUDGE, "max_tokens": 5}, "judge.max_tokens: the Decisions API writes no text"),
    ],
)
def test_a_key_that_would_do_nothing_is_refused(study, grader, message):
    with pytest.raises(ConfigurationError, match=message):
        study(
            {"judge": grader},
            endpoints={
                "models": {"base_url": "http://a/v1", "api": "decisions"},
                "other": {"base_url": "http://a/v1"},
            },
            deployments=[{"model": "m1", "released": "2026-01-05", "endpoint": "other"}],
        )


# ---------------------------------------------------------------------------------------------------------------- ensembles


def test_an_ensemble_asks_its_members_and_counts_their_flags(study, server, turn):
    server.plan = lambda body: verdict(body, rude=answered(body) != "Fine, idiot.")
    graders = {
        "panel": {"kind": "ensemble", "members": ["one", "two", "words"]},
        "one": {**JUDGE, "model": "one"},
        "two": {**JUDGE, "model": "two"},
        "words": {"kind": "regex", "pattern": "idiot"},
    }
    opened = study(graders, [{"id": "rude"}], server.base_url)
    turns = [
        turn("You idiot.", turn_id="t1"),
        turn("Hello.", turn_id="t2"),
        turn("Fine, idiot.", turn_id="t3"),
        turn(None, turn_id="t4"),
    ]
    rows, statistics = labelled(opened, turns)
    assert [(row["flagged"], row["score"], row["status"]) for row in rows] == [
        (True, 1.0, "graded"),
        (True, 0.666667, "graded"),
        (False, 0.333333, "graded"),
        (None, None, "missing_completion"),
    ]
    assert {row["grader"] for row in rows} == {"panel"}
    assert {name: made.sent for name, made in statistics.items()} == {"one/0": 3, "two/0": 3}


def test_a_tie_and_a_panel_without_verdicts_are_unscored(study, server, turn):
    server.plan = lambda body: "no verdict" if answered(body) == "?" else verdict(body)
    graders = {
        "panel": {"kind": "ensemble", "members": ["one", "two", "words"]},
        "one": {**JUDGE, "model": "one"},
        "two": {**JUDGE, "model": "two"},
        "words": {"kind": "regex", "pattern": "idiot"},
    }
    pair = {**graders, "panel": {"kind": "ensemble", "members": ["one", "words"]}}
    rows, _ = labelled(study(graders, [{"id": "rude"}], server.base_url), [turn("?")])
    assert [(row["status"], row["flagged"], row["score"]) for row in rows] == [("unscored", None, None)]
    rows, _ = labelled(
        study(pair, [{"id": "rude"}], server.base_url), [turn("You idiot."), turn("Hello.", turn_id="t2")]
    )
    assert [(row["status"], row["flagged"]) for row in rows] == [("unscored", None), ("graded", False)]


def test_a_mean_of_scores_reaches_the_threshold(study, server, turn, tmp_path):
    (tmp_path / "rules.py").write_text(
        "def rule(evidence): return 0.8 if 'a' in evidence.target_text else 0.1\n"
    )
    server.plan = lambda body: '{"rude": 0.4}'
    graders = {
        "panel": {"kind": "ensemble", "members": ["model", "rule"], "rule": "mean", "threshold": 0.6},
        "model": {**JUDGE, "verdict": "probability"},
        "rule": {"kind": "python", "function": "rules.py:rule"},
    }
    rows, _ = labelled(
        study(graders, [{"id": "rude"}], server.base_url), [turn("a"), turn("b", turn_id="t2")]
    )
    assert [(row["flagged"], row["score"]) for row in rows] == [(True, 0.6), (False, 0.25)]


# ------------------------------------------------------------------------------------------------------------------ cascade


def screened_study(study, server, tmp_path, **screen):
    """A judge behind a rule that scores a turn by its length in letters, and reads no turn with a question mark."""
    (tmp_path / "rules.py").write_text(
        "def rule(evidence):\n    text = evidence.target_text\n    return None if '?' in text else len(text) / 100\n"
    )
    graders = {
        "judge": {**JUDGE, "screen": {"grader": "rule", **screen}},
        "rule": {"kind": "python", "function": "rules.py:rule"},
    }
    return study(graders, [{"id": "rude"}, {"id": "sly"}], server.base_url, seed=3)


def test_a_cascade_grades_a_sample_and_keeps_its_probabilities(study, server, turn, tmp_path):
    server.plan = lambda body: verdict(body, rude=len(answered(body)) > 50)
    opened = screened_study(study, server, tmp_path, share=0.3, floor=0.5)
    turns = [turn("x" * (number % 10 * 10) + str(number), turn_id=f"t{number}") for number in range(200)]
    rows, statistics = labelled(opened, [*turns, turn("what?", turn_id="odd"), turn(None, turn_id="none")])
    judged = {row["turn_id"] for row in rows if row["status"] == "graded"}
    out = [row for row in rows if row["status"] == "screened_out"]
    assert statistics["judge/0"].sent == len(judged) and 40 < len(judged) < 90
    assert len(rows) == 2 * 202 and len(out) == 2 * (201 - len(judged))
    assert {(row["flagged"], row["score"]) for row in out} == {(None, None)}
    screened = [row for row in rows if row["turn_id"].startswith("t")]
    assert all(
        row["screen_score"] == pytest.approx(len(turns[int(row["turn_id"][1:])].messages[0]["content"]) / 100)
        for row in screened
    )
    assert sum(row["grading_probability"] for row in screened) / len(screened) == pytest.approx(0.3)
    assert min(row["grading_probability"] for row in screened) == pytest.approx(0.15)
    odd = [row for row in rows if row["turn_id"] in ("odd", "none")]
    assert [(row["status"], row["screen_score"], row["grading_probability"]) for row in odd] == [
        ("graded", None, 1.0), ("graded", None, 1.0), ("missing_completion", None, 1.0), ("missing_completion", None, 1.0),
    ]  # fmt: skip

    again, statistics = labelled(opened, [*turns, turn("what?", turn_id="odd"), turn(None, turn_id="none")])
    assert again == rows and statistics["judge/0"].sent == 0


def test_weighted_labels_of_a_cascade_estimate_the_rate_of_grading_everything(study, server, turn, tmp_path):
    """Rates of 40 draws by seed: their mean is the rate without a cascade, and their intervals hold it."""
    (tmp_path / "rules.py").write_text(
        "def judge(evidence): return evidence.target_text.startswith('bad')\n"
        "def screen(evidence): return 0.6 if evidence.target_text[-1] in '13579' else 0.05\n"
    )
    graders = {
        "judge": {
            "kind": "python",
            "function": "rules.py:judge",
            "screen": {"grader": "screen", "share": 0.4},
        },
        "screen": {"kind": "python", "function": "rules.py:screen"},
    }
    # Of every 20 turns one is bad; two in three of these score high.
    turns = [
        turn(
            f"{'bad' if number % 20 in (1, 3) and number % 40 < 20 or number % 60 == 0 else 'good'} {number}",
            turn_id=f"t{number}",
        )
        for number in range(600)
    ]
    opened = study(graders, [{"id": "rude"}])
    truth = sum(item.messages[0]["content"].startswith("bad") for item in turns) / len(turns) * 100_000
    rates = []
    for seed in range(40):
        opened.config = opened.config.model_copy(update={"seed": seed})
        rows, _ = labelled(opened, turns)
        rates.append(estimate_rates(pd.DataFrame(rows), ["category"]).iloc[0])
    estimated = [rate["rate_per_100k"] for rate in rates]
    assert np.mean(estimated) == pytest.approx(truth, abs=4 * np.std(estimated) / 40**0.5)
    assert np.std(estimated) > 0
    assert sum(rate["lower_per_100k"] <= truth <= rate["upper_per_100k"] for rate in rates) >= 36
    assert np.mean([rate["n"] for rate in rates]) == pytest.approx(240, rel=0.05)


def test_a_screen_over_http_is_asked_about_every_turn_and_the_grader_about_few(study, server, turn):
    server.plan = lambda body: verdict(body, rude="idiot" in answered(body))
    graders = {
        "judge": {**JUDGE, "screen": {"grader": "small", "share": 0.1}},
        "small": {**JUDGE, "model": "small"},
    }
    opened = study(graders, base_url=server.base_url)
    turns = [
        turn("You idiot." if number < 3 else f"Answer {number}.", turn_id=f"t{number}")
        for number in range(60)
    ]
    rows, statistics = labelled(opened, turns)
    assert statistics["small/0"].requested == 60 and statistics["judge/0"].requested < 20
    assert (
        sum(row["flagged"] is True for row in rows) == 3
    )  # the screen flags them: they are read for certain
    assert {row["screen_score"] for row in rows if row["category"] == "sly"} == {0.0}


# --------------------------------------------------------------------------------------------------------------- the stream


def test_turns_that_change_while_they_are_graded_are_an_error(study, server, turn):
    passes = []

    def turns():
        passes.append(len(passes))
        return iter([[turn("a", turn_id="t1"), turn("b", turn_id="t2" if len(passes) == 1 else "t3")]])

    with pytest.raises(GradingError, match="published anew while they were graded"):
        list(label_turns(study({"judge": JUDGE}, base_url=server.base_url), turns).rows)
    passes.clear()

    def fewer():
        passes.append(len(passes))
        return iter([[turn("a")], [turn("b", turn_id="t2")]][: 3 - len(passes)])

    with pytest.raises(GradingError, match="published anew"):
        list(label_turns(study({"judge": JUDGE}, base_url=server.base_url), fewer).rows)


def test_a_turn_that_is_nested_too_deep_to_be_asked_about_is_unscored(study, server, turn):
    deep = {}
    for _ in range(10_000):
        deep = {"a": deep}
    odd = {"role": "assistant", "content": "Hi.", "tool_calls": [{"function": {"arguments": deep}}]}
    rows, _ = labelled(
        study({"judge": JUDGE}, base_url=server.base_url),
        [turn(None, turn_id="t1", messages=[odd]), turn("Half an emoji \ud83d", turn_id="t2")],
    )
    assert set(column(rows, "status", "t1").values()) == {"unscored"}
    assert set(column(rows, "status", "t2").values()) == {"graded"} and len(server.bodies) == 1


def test_rows_are_the_same_in_batches_of_any_size(study, server, turn, monkeypatch):
    server.plan = lambda body: verdict(body, rude="bad" in answered(body))
    turns = [
        turn(
            None if number == 5 else f"{'bad' if number % 3 else 'good'} {number}",
            turn_id=f"t{number}",
            deployment=f"m{number % 2}",
            language=(None, "de", "en")[number % 3],
            completion_index=number % 4,
            inclusion_probability=1 / (number + 1),
        )
        for number in range(23)
    ]
    opened = study({"judge": JUDGE}, base_url=server.base_url)
    rows, _ = labelled(opened, turns)
    for row, item in zip(rows[::3], turns, strict=True):
        copied = ("turn_id", "deployment", "language", "completion_index", "inclusion_probability", "user_id")
        assert [row[name] for name in copied] == [getattr(item, name) for name in copied]
        said = item.messages[0]["content"] if item.messages else None
        assert row["flagged"] == (None if said is None else said.startswith("bad"))
    for size in (1, 7, 10):
        monkeypatch.setattr("depsim_dagster.grading.label_rows.ROWS_IN_BATCH", size)
        assert labelled(opened, turns)[0] == rows

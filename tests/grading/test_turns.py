"""Target turns come out of the lake whole, in order, and only where both partitions may be read."""

import datetime as dt
import json

import pyarrow as pa
import pytest

from depsim_dagster.errors import GateError, LakeError
from depsim_dagster.grading import turns as turns_module
from depsim_dagster.grading.turns import answering_deployments, production_turns, simulated_turns
from depsim_dagster.lake import GateMark, Lake
from depsim_dagster.replay.schema import REGENERATED_COMPLETIONS
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES

WEEK = "2026-01-05"
SUITES = {suite: suite[0] * 64 for suite in DEIDENTIFIED_PREFIXES.gates}
USER = {"role": "user", "content": "Hello?"}
KEY = b"the key of this test's lake"
NOW = dt.datetime(2026, 1, 6, tzinfo=dt.UTC)


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path / "store", SUITES, KEY)


def prefix_row(turn_id, target, **changes):
    return {
        "week": WEEK,
        "turn_id": turn_id,
        "conversation_id": f"c-{turn_id}",
        "user_id": f"u-{turn_id}",
        "deployment": "m1",
        "language": None,
        "sent_at": NOW,
        "turn_index": 0,
        "prefix_source": "deployment_traffic",
        "inclusion_probability": 0.25,
        "sandbox": False,
        "account_class": "consumer",
        "surface": "chat",
        "temporary": False,
        "has_attachment": False,
        "has_image": False,
        "consent_granted": True,
        "consent_policy_version": "1",
        "consent_decided_at": NOW,
        "attributes": json.dumps({"n": turn_id}),
        "identifiers_replaced": 0,
        "identifiers_by_type": [],
        "surrogates": "realistic",
        "attachments_dropped": 0,
        "residual_identifiers": 0,
        "prefix_characters": 6,
        "prefix": json.dumps([USER]),
        "target": json.dumps(target),
        "tools": None,
        **changes,
    }


def completion_row(turn_id, message, index=0, status="ok"):
    return {
        "week": WEEK,
        "model": "m2",
        "deployment": "m1",
        "turn_id": turn_id,
        "completion_index": index,
        "request_id": f"{turn_id}/{index}",
        "status": status,
        "completion": None if message is None else json.dumps({"role": "assistant", **message}),
        "finish_reason": None,
        "served_model": None,
        "endpoint": "models",
        "prompt_tokens": None,
        "completion_tokens": None,
        "latency_ms": None,
        "attempts": 1,
        "error_code": None,
        "sandbox": False,
    }


def publish_prefixes(lake, rows, suites=SUITES):
    quarantined = lake.quarantine(
        DEIDENTIFIED_PREFIXES, {"week": WEEK}, pa.Table.from_pylist(rows, schema=DEIDENTIFIED_PREFIXES.schema)
    )
    marks = [
        lake.signed(quarantined, GateMark(name, version, quarantined.content, "test", str(NOW), 1))
        for name, version in suites.items()
    ]
    lake.publish(quarantined, marks)


def publish_completions(lake, rows):
    table = pa.Table.from_pylist(rows, schema=REGENERATED_COMPLETIONS.schema)
    lake.write(REGENERATED_COMPLETIONS, {"week": WEEK, "model": "m2"}, table)


def simulated(lake):
    return [turn for batch in simulated_turns(lake, WEEK, "m2") for turn in batch]


def test_completions_are_joined_with_their_prefixes_in_order(lake):
    publish_prefixes(lake, [prefix_row(turn_id, [USER]) for turn_id in ("b", "a", "unanswered")])
    publish_completions(
        lake,
        [
            completion_row("b", {"content": "b0"}),
            completion_row("a", {"content": "a1"}, 1),
            completion_row("a", {"content": "a0"}),
        ],
    )
    turns = simulated(lake)
    assert [(turn.turn_id, turn.completion_index, turn.messages[0]["content"]) for turn in turns] == [
        ("a", 0, "a0"),
        ("a", 1, "a1"),
        ("b", 0, "b0"),
    ]
    first = turns[0]
    assert (first.model, first.deployment, first.source, first.user_id) == ("m2", "m1", "simulated", "u-a")
    assert (first.week, first.inclusion_probability, first.language) == (WEEK, 0.25, None)
    assert first.evidence().prefix == [USER] and first.evidence().attributes == {"n": "a"}


def test_completions_in_the_order_of_their_prefixes_stay_in_it(lake, monkeypatch):
    """As replay publishes them: then no text has to be held to sort it."""
    monkeypatch.setattr(turns_module, "BATCH_ROWS", 2)
    monkeypatch.setattr(turns_module, "connect", None)
    publish_prefixes(lake, [prefix_row(turn_id, [USER]) for turn_id in ("d", "b", "x", "a", "c")])
    answered = [("d", 0), ("b", 0), ("b", 1), ("b", 2), ("a", 0), ("c", 0)]
    publish_completions(lake, [completion_row(turn, {"content": f"{turn}{i}"}, i) for turn, i in answered])
    turns = simulated(lake)
    assert [(turn.turn_id, turn.completion_index) for turn in turns] == answered
    assert all(turn.messages[0]["content"] == f"{turn.turn_id}{turn.completion_index}" for turn in turns)
    assert all(turn.user_id == f"u-{turn.turn_id}" for turn in turns)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"content": "Hi."}, "Hi."),
        ({"content": None, "refusal": "I cannot help with that."}, "I cannot help with that."),
        ({"content": None, "reasoning": "Hm."}, ""),
        ({"content": None, "tool_calls": [{"id": "1"}]}, ""),
    ],
)
def test_whatever_the_model_said_or_did_can_be_judged(lake, message, text):
    publish_prefixes(lake, [prefix_row("a", [USER])])
    publish_completions(lake, [completion_row("a", message)])
    (turn,) = simulated(lake)
    assert turn.messages == [{"role": "assistant", **message}] and turn.evidence().target_text == text


@pytest.mark.parametrize("message", [None, {"content": None}, {"content": ""}])
def test_no_completion_is_a_turn_without_messages(lake, message):
    publish_prefixes(lake, [prefix_row("a", [USER])])
    publish_completions(lake, [completion_row("a", message, status="failed")])
    assert [turn.messages for turn in simulated(lake)] == [[]]


def test_a_completion_that_is_nested_too_deep_is_a_missing_one(lake):
    publish_prefixes(lake, [prefix_row("a", [USER]), prefix_row("b", [USER])])
    deep = '{"role": "assistant", "content": "x", "tool_calls": ' + "[" * 10_000 + "]" * 10_000 + "}"
    publish_completions(
        lake, [{**completion_row("a", None), "completion": deep}, completion_row("b", {"content": "Hi."})]
    )
    assert [len(turn.messages) for turn in simulated(lake)] == [0, 1]


def test_covariates_of_the_prefix_come_with_its_turns(lake):
    """Whether tools were offered; never which: their text is not carried."""
    tools = json.dumps([{"type": "function", "function": {"name": "search"}}])
    rows = [
        prefix_row("b", [USER], prefix_characters=1_200, turn_index=2, tools=tools),
        prefix_row("a", [USER]),
    ]
    publish_prefixes(lake, rows)
    expected = {"b": (1_200, 2, True), "a": (6, 0, False)}

    def covariates(turns):
        return {turn.turn_id: (turn.prefix_characters, turn.turn_index, turn.tools_offered) for turn in turns}

    assert covariates(turn for batch in production_turns(lake, WEEK) for turn in batch) == expected
    for order in ("ba", "ab"):  # side by side, and sorted
        publish_completions(lake, [completion_row(name, {"content": "x"}) for name in order])
        assert covariates(simulated(lake)) == expected


def test_production_turns_are_the_logged_messages_of_the_deployment(lake):
    tool = {"role": "tool", "tool_call_id": "1", "content": "42"}
    target = [
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
        tool,
        {"role": "assistant", "content": "It is 42."},
        {"role": "assistant", "content": ""},
    ]
    publish_prefixes(
        lake, [prefix_row("b", target), prefix_row("a", [{"role": "assistant", "content": "Hi."}])]
    )
    first, second = [turn for batch in production_turns(lake, WEEK) for turn in batch]
    assert (first.turn_id, first.model, first.deployment, first.source) == ("b", "m1", "m1", "production")
    assert first.messages == target[:3] and first.evidence().target_text == "It is 42."
    assert second.turn_id == "a" and second.completion_index == 0


def test_a_prefix_of_another_source_has_no_production_turn(lake):
    answered = [{"role": "assistant", "content": "Hi."}]
    other = {"prefix_source": "challenging_prompts", "deployment": "challenging_prompts"}
    # A source that is called like a deployment is still no traffic of it.
    corpus = {"prefix_source": "external_corpus", "deployment": "m1"}
    publish_prefixes(
        lake, [prefix_row("a", answered), prefix_row("b", [], **other), prefix_row("c", [], **corpus)]
    )
    turns = [turn for batch in production_turns(lake, WEEK) for turn in batch]
    assert [(turn.turn_id, turn.prefix_source) for turn in turns] == [("a", "deployment_traffic")]
    assert answering_deployments(lake, WEEK) == {"m1"}
    publish_completions(lake, [completion_row(turn, {"content": "x"}) for turn in ("a", "b", "c")])
    assert [turn.prefix_source for turn in simulated(lake)] == [
        "deployment_traffic",
        "challenging_prompts",
        "external_corpus",
    ]


def test_completions_of_other_prefixes_are_refused(lake):
    publish_prefixes(lake, [prefix_row("a", [USER])])
    publish_completions(
        lake, [completion_row("a", {"content": "x"}), completion_row("gone", {"content": "y"})]
    )
    with pytest.raises(
        LakeError, match=r"regenerated_completions\[week=2026-01-05, model=m2\]: 1 completion\(s\) of turns"
    ):
        simulated(lake)


def test_what_may_not_be_read_is_refused_by_name(lake):
    with pytest.raises(
        LakeError, match=r"regenerated_completions\[week=2026-01-05, model=m2\]: not published"
    ):
        simulated(lake)
    publish_completions(lake, [completion_row("a", {"content": "x"})])
    with pytest.raises(LakeError, match=r"deidentified_prefixes\[week=2026-01-05\]: not published"):
        simulated(lake)
    publish_prefixes(lake, [prefix_row("a", [USER])])
    newer = Lake(lake.root, {**SUITES, "privacy": "q" * 64}, KEY)
    with pytest.raises(GateError, match=r"deidentified_prefixes\[week=2026-01-05\]: refused.*`privacy`"):
        simulated(newer)
    with pytest.raises(GateError, match=r"refused.*`privacy`"):
        list(production_turns(newer, WEEK))


def test_empty_partitions_have_no_turns(lake):
    publish_prefixes(lake, [])
    publish_completions(lake, [])
    assert simulated(lake) == [] and list(production_turns(lake, WEEK)) == []

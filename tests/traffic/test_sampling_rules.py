"""Who may be sampled: every rule of the funnel, and the turn that it cuts out."""

import datetime as dt
import json

import pytest
from literal_traffic import (
    HOUR,
    MONDAY,
    NOON,
    STUDY,
    conversation,
    decision,
    drawn,
    exchange,
    funnel_of,
    message,
    rows_of,
    texts,
)

from depsim_dagster.errors import EmptyWeekError

GOOD = conversation("good")
CALL = '[{"id": "t1", "type": "function", "function": {"name": "search", "arguments": "{}"}}]'
AS_OF = dt.datetime(2026, 2, 2, tzinfo=dt.UTC)
EXCLUDED = {
    "unknown_deployment": {"model": "m9"},
    "temporary_chat": {"temporary": True},
    "employee": {"account_class": "employee"},
    "enterprise": {"account_class": "enterprise"},
    "unknown_account_class": {"account_class": "Employee"},
    "api": {"surface": "api"},
    "attachment": {"messages": [message("user", attachments=1), message("assistant")]},
    "no_assistant_turn": {"messages": [message("user")]},
    "empty_prefix": {"messages": [message("user", content=None), message("assistant")]},
    "malformed_record": {"attributes": "{not json"},
    "consent_unknown": {"user_id": "nobody"},
}
SWITCHES = {
    "temporary_chats": {"temporary": True},
    "employees": {"account_class": "employee"},
    "enterprise": {"account_class": "enterprise"},
    "api": {"surface": "api"},
    "attachments": EXCLUDED["attachment"],
}


@pytest.mark.parametrize("rule", EXCLUDED)
def test_each_rule_excludes_and_counts(tmp_path, rule):
    sample = drawn(tmp_path, [GOOD, conversation("bad", **EXCLUDED[rule])])
    assert funnel_of(sample) == {rule: 1, "not_sampled": 0, "sampled": 1}
    assert len(rows_of(sample)) == 1


def test_the_funnel_adds_up_to_the_user_turns_of_the_week(tmp_path):
    logs = [conversation(rule, **more) for rule, more in EXCLUDED.items()]
    logs += [conversation(f"good{i}", messages=exchange() * 3) for i in range(4)]
    sample = drawn(tmp_path, logs, sampling={"turns_per_week": 5})
    funnel = funnel_of(sample)
    user_turns = sum(m["role"] == "user" for log in logs for m in log["messages"])
    assert sum(funnel.values()) == user_turns == 23
    assert funnel == dict.fromkeys(EXCLUDED, 1) | {"not_sampled": 7, "sampled": 5}
    assert sample.funnel.column("position").to_pylist() == list(range(len(funnel)))
    assert (sample.eligible, sample.sampled) == (12, 5)


@pytest.mark.parametrize("switch", SWITCHES)
def test_an_exclusion_can_be_switched_off(tmp_path, switch):
    logs = [GOOD, conversation("other", **SWITCHES[switch])]
    on = drawn(tmp_path, logs)
    off = drawn(tmp_path, logs, sampling={"exclude": {switch: False}})
    assert (on.sampled, off.sampled) == (1, 2)
    assert len(rows_of(off)) == 2


def test_an_unknown_class_counts_only_where_a_class_is_excluded(tmp_path):
    sample = drawn(
        tmp_path,
        [conversation(account_class="staff")],
        sampling={"exclude": {"employees": False, "enterprise": False}},
    )
    assert sample.sampled == 1


@pytest.mark.parametrize("column", ["account_class", "surface", "temporary"])
def test_a_record_that_does_not_say_what_it_is_is_not_used(tmp_path, column):
    exclude = dict.fromkeys(SWITCHES, False)
    sample = drawn(tmp_path, [GOOD, conversation("bad", **{column: None})], sampling={"exclude": exclude})
    assert funnel_of(sample)["malformed_record"] == 1


@pytest.mark.parametrize(
    "bad",
    [
        {"tools": "{"},
        {"tools": '{"a": 1}'},
        {"attributes": "[1]"},
        {"attributes": '"\\ud83d"'},
        {"messages": [*exchange(), message("robot")]},
        {"messages": [message("user"), message("assistant", None, tool_calls="[1, ")]},
        {"messages": [message("user"), message("assistant", None, tool_calls='{"id": "t1"}')]},
        {"messages": [message("user"), message("assistant", None, tool_calls='[{"id": "t1"}]')]},
        {"messages": [message("user"), message("assistant", None, tool_calls=CALL.replace("t1", ""))]},
        {"messages": [*exchange(), message("tool", "a result without its call")]},
    ],
)
def test_a_record_that_cannot_be_replayed_is_counted_and_not_fatal(tmp_path, bad):
    sample = drawn(tmp_path, [GOOD, conversation("bad", **bad)])
    assert funnel_of(sample) == {"malformed_record": 1, "not_sampled": 0, "sampled": 1}
    assert len(rows_of(sample)) == 1


@pytest.mark.parametrize("empty", ["", "[]", "null", None])
def test_empty_lists_and_empty_text_are_no_lists(tmp_path, empty):
    messages = [message("user"), message("assistant", "hi", tool_calls=empty)]
    (row,) = rows_of(drawn(tmp_path, [conversation(messages=messages, tools=empty, attributes=None)]))
    assert "tool_calls" not in json.loads(row["target"])[0]


def test_a_conversation_that_was_exported_twice_is_counted_and_not_multiplied(tmp_path):
    longer = conversation("twice", messages=exchange() * 2)
    sample = drawn(tmp_path, [GOOD, conversation("twice"), longer])
    assert funnel_of(sample) == {"duplicate_conversation": 3, "not_sampled": 0, "sampled": 1}
    assert len(rows_of(sample)) == 1


# -------------------------------------------------------------------------------------------------------------- consent
U1 = [GOOD, conversation("asked")]


@pytest.mark.parametrize(
    ("decisions", "rule"),
    [
        ([], "consent_unknown"),
        ([decision("someone-else")], "consent_unknown"),
        ([decision(scope="advertising")], "consent_unknown"),
        ([decision(start=NOON + HOUR)], "consent_unknown"),
        ([decision(start=AS_OF + HOUR)], "consent_unknown"),
        ([decision(recorded_at=AS_OF + HOUR)], "consent_unknown"),
        ([decision(granted=False)], "consent_not_held"),
        ([decision(effective_until=NOON)], "consent_not_held"),
        ([decision(), decision(granted=False, start=NOON - HOUR)], "consent_not_held"),
        ([decision(), decision(granted=False, start=NOON + HOUR)], "consent_withdrawn"),
        ([decision(effective_until=NOON + HOUR)], "consent_withdrawn"),
        ([decision(effective_until=AS_OF)], "consent_withdrawn"),
        ([decision(), decision(start=NOON + HOUR, effective_until=NOON + 2 * HOUR)], "consent_withdrawn"),
        ([decision(), decision(granted=False)], "consent_ambiguous"),
        ([decision(), decision(policy_version="p2")], "consent_ambiguous"),
        (
            [decision(), decision(start=NOON + HOUR), decision(granted=False, start=NOON + HOUR)],
            "consent_ambiguous",
        ),
        ([decision(granted=False), decision(start=NOON + HOUR)], "consent_not_held"),
    ],
)
def test_consent_must_hold_when_sent_and_now(tmp_path, decisions, rule):
    other = conversation("other", user_id="u2")
    sample = drawn(tmp_path, [other, conversation("asked")], [decision("u2"), *decisions])
    assert funnel_of(sample) == {rule: 1, "not_sampled": 0, "sampled": 1}


@pytest.mark.parametrize(
    "decisions",
    [
        [decision()],
        [decision(start=NOON)],
        [decision(), decision()],
        [decision(effective_until=AS_OF + HOUR)],
        [decision(granted=False, start=MONDAY - 48 * HOUR), decision()],
        [decision(), decision(granted=False, start=AS_OF + HOUR)],
        [decision(), decision(granted=False, start=NOON + HOUR, recorded_at=AS_OF + HOUR)],
        [decision(), decision(granted=False, start=NOON + HOUR), decision(start=NOON + 2 * HOUR)],
        [decision(), decision(granted=False, scope="advertising", start=NOON - HOUR)],
    ],
)
def test_consent_that_holds_is_recorded_with_the_decision(tmp_path, decisions):
    (row,) = rows_of(drawn(tmp_path, [conversation()], decisions))
    assert row["consent_granted"] is True and row["consent_policy_version"] == "p1"
    assert row["consent_decided_at"] <= row["sent_at"]


def test_a_user_without_an_account_has_no_consent(tmp_path):
    sample = drawn(tmp_path, [GOOD, conversation("anonymous", user_id=None)])
    assert funnel_of(sample)["consent_unknown"] == 1


def test_a_public_corpus_needs_no_ledger_and_says_so(tmp_path):
    traffic = STUDY["traffic"] | {"consent": {"public_corpus": "published under an open licence"}}
    (row,) = rows_of(drawn(tmp_path, [conversation(user_id=None)], [], traffic=traffic))
    assert row["consent_policy_version"] == "public_corpus"
    assert row["user_id"] == row["conversation_id"] and row["consent_decided_at"] == AS_OF


def test_without_as_of_now_is_now(tmp_path):
    now = dt.datetime.now(dt.UTC)
    traffic = {key: value for key, value in STUDY["traffic"].items() if key != "as_of"}
    kept = drawn(
        tmp_path, [conversation()], [decision(), decision(granted=False, start=now + HOUR)], traffic=traffic
    )
    assert kept.sampled == 1
    with pytest.raises(EmptyWeekError, match="consent_withdrawn: 1"):
        drawn(
            tmp_path,
            [conversation()],
            [decision(), decision(granted=False, start=now - HOUR)],
            traffic=traffic,
        )


# ------------------------------------------------------------------------------------------------------ weeks and turns
def test_a_week_begins_on_monday_at_midnight_utc_and_ends_before_the_next(tmp_path):
    tick = dt.timedelta(microseconds=1)
    moments = [MONDAY - tick, MONDAY, MONDAY + 7 * 24 * HOUR - tick, MONDAY + 7 * 24 * HOUR]
    logs = [conversation(f"c{i}", messages=exchange(at)) for i, at in enumerate(moments)]
    rows = rows_of(drawn(tmp_path, logs))
    assert sorted(row["sent_at"] for row in rows) == moments[1:3]


def test_offsets_are_moments_not_wall_clocks(tmp_path):
    india = dt.timezone(dt.timedelta(hours=5, minutes=30))
    before = dt.datetime(2026, 1, 5, 3, tzinfo=india)  # Sunday 21:30 UTC
    after = dt.datetime(2026, 1, 5, 6, tzinfo=india)  # Monday 00:30 UTC
    logs = [
        conversation("before", messages=exchange(before)),
        conversation("after", messages=exchange(after)),
    ]
    granted = decision(start=dt.datetime(2026, 1, 5, 5, 45, tzinfo=india))  # Monday 00:15 UTC
    (row,) = rows_of(drawn(tmp_path, logs, [granted]))
    assert row["sent_at"] == dt.datetime(2026, 1, 5, 0, 30, tzinfo=dt.UTC)


def test_only_the_turns_of_the_week_count_in_a_long_conversation(tmp_path):
    messages = (
        exchange(MONDAY - HOUR, "first")
        + exchange(NOON, "second")
        + exchange(MONDAY + 8 * 24 * HOUR, "third")
    )
    (row,) = rows_of(drawn(tmp_path, [conversation(messages=messages)]))
    assert row["turn_index"] == 1
    assert texts(row["prefix"]) == [("user", "first"), ("assistant", "hi"), ("user", "second")]
    assert texts(row["target"]) == [("assistant", "hi")]


def test_prefix_and_target_turn_are_cut_around_the_sampled_user_turn(tmp_path):
    messages = [
        message("system", "be brief"),
        *exchange(question="one"),
        message("user", "two"),
        message("assistant", None, reasoning="look it up", tool_calls=CALL),
        message("tool", "result", tool_call_id="t1"),
        message("assistant", "done"),
        message("user", "three"),
    ]
    sample = drawn(tmp_path, [conversation(messages=messages, tools='[{"type": "function"}]')])
    assert funnel_of(sample) == {"no_assistant_turn": 1, "not_sampled": 0, "sampled": 2}
    first, second = sorted(rows_of(sample), key=lambda row: row["turn_index"])
    assert texts(first["prefix"]) == [("system", "be brief"), ("user", "one")]
    assert texts(first["target"]) == [("assistant", "hi")]
    assert texts(second["prefix"])[-1] == ("user", "two") and len(texts(second["prefix"])) == 4
    assert json.loads(second["target"]) == [
        {"role": "assistant", "reasoning": "look it up", "tool_calls": json.loads(CALL)},
        {"role": "tool", "content": "result", "tool_call_id": "t1"},
        {"role": "assistant", "content": "done"},
    ]
    assert second["tools"] == '[{"type": "function"}]'


@pytest.mark.parametrize("answer", [None, "", "  \n"])
def test_an_empty_answer_is_no_assistant_turn(tmp_path, answer):
    sample = drawn(tmp_path, [GOOD, conversation("bad", messages=exchange(answer=answer))])
    assert funnel_of(sample)["no_assistant_turn"] == 1


def test_two_user_messages_in_a_row_make_one_answered_turn(tmp_path):
    messages = [message("user", "one"), *exchange(question="two")]
    sample = drawn(tmp_path, [conversation(messages=messages)])
    assert funnel_of(sample) == {"no_assistant_turn": 1, "not_sampled": 0, "sampled": 1}
    assert texts(rows_of(sample)[0]["prefix"]) == [("user", "one"), ("user", "two")]


def test_a_language_that_is_no_tag_is_unknown(tmp_path):
    """The column goes on into labels and warehouse, where no text of a log may stand."""
    logs = [
        conversation(f"c{place}", language=language)
        for place, language in enumerate(["pt-BR", "zh", "The user writes like Ann", "", None])
    ]
    assert sorted(row["language"] or "" for row in rows_of(drawn(tmp_path, logs))) == [
        "",
        "",
        "",
        "pt-BR",
        "zh",
    ]

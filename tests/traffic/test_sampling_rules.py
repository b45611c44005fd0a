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
    lake_of,
    message,
    rows_of,
    study_of,
    texts,
    write_logs,
)

from depsim_dagster.errors import EmptyWeekError
from depsim_dagster.traffic.pseudonyms import pseudonym

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
    "image": {"messages": [message("user", images=1), message("assistant")]},
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
    "images": EXCLUDED["image"],
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
    assert sum(funnel.values()) == user_turns == 24
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


@pytest.mark.parametrize(
    ("column", "rule"),
    [
        ("account_class", "unknown_account_class"),
        ("surface", "unknown_surface"),
        ("temporary", "unknown_temporary"),
    ],
)
def test_a_record_that_does_not_say_what_it_is_is_used_only_where_that_does_not_matter(
    tmp_path, column, rule
):
    logs = [GOOD, conversation("bad", **{column: None})]
    assert funnel_of(drawn(tmp_path, logs))[rule] == 1
    with pytest.raises(EmptyWeekError, match=rf"{rule}: 1\).*traffic\.defaults"):
        drawn(tmp_path, logs[1:])
    assert drawn(tmp_path, logs, sampling={"exclude": dict.fromkeys(SWITCHES, False)}).sampled == 2
    defaults = {"account_class": "consumer", "surface": "chat", "temporary": False}
    assert drawn(tmp_path, logs, traffic=STUDY["traffic"] | {"defaults": defaults}).sampled == 2


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


# ----------------------------------------------------------------------------------------------------------- repetitions
TWICE = conversation("twice")


@pytest.mark.parametrize("name", ["logs.parquet", "logs-again.parquet"])
def test_the_same_record_again_counts_once(tmp_path, name):
    logs = {"logs.parquet": [GOOD, TWICE], "logs-again.parquet": []}
    logs[name] = [*logs[name], conversation("other"), TWICE]
    for file, conversations in logs.items():
        write_logs(tmp_path, conversations, file)
    sample = drawn(tmp_path)
    assert funnel_of(sample) == {"exported_twice": 1, "not_sampled": 0, "sampled": 3}
    rows = rows_of(sample)
    assert len({row["turn_id"] for row in rows}) == len(rows) == 3


def test_a_copy_of_a_file_is_no_further_traffic(tmp_path):
    for name in ("logs-a.parquet", "logs-b.parquet"):
        write_logs(tmp_path, [GOOD, TWICE], name)
    assert drawn(tmp_path).sampled == len(rows_of(drawn(tmp_path))) == 2


@pytest.mark.parametrize(
    "other",
    [
        {"messages": exchange() * 2},
        {"messages": exchange(NOON + HOUR)},
        {"messages": exchange(MONDAY + 30 * 24 * HOUR)},  # in another week, and still in doubt
        {"user_id": "u2"},
        {"account_class": "employee"},
        {"temporary": True},
        {"model": "m9"},
    ],
)
def test_one_id_for_two_contents_is_used_for_neither(tmp_path, other):
    sample = drawn(tmp_path, [GOOD, TWICE, TWICE | other], [decision(), decision("u2")])
    funnel = funnel_of(sample)
    assert funnel["sampled"] == 1
    excluded = funnel["duplicate_conversation"] + funnel.get("unknown_deployment", 0)
    in_week = len(
        [
            m
            for m in other.get("messages", exchange())
            if m["role"] == "user" and m["created_at"] < MONDAY + 7 * 24 * HOUR
        ]
    )
    assert excluded == 1 + in_week


def test_repeated_and_near_prompts_of_one_user_are_left_out(tmp_path):
    words = [f"w{place}" for place in range(40)]
    first, near, far = " ".join(words), " ".join(["x", *words[1:]]), " ".join(reversed(words))
    logs = [
        conversation(f"{user}{place}", user, exchange(question=question))
        for user in ("u1", "u2")
        for place, question in enumerate((first, first.upper(), near, far))
    ]
    counts = {}
    for kind in ("off", "within_user", "anywhere"):
        duplicates = {"near": kind, "similarity": 0.85}
        sample = drawn(tmp_path, logs, [decision(), decision("u2")], sampling={"duplicates": duplicates})
        counts[kind] = {rule: turns for rule, turns in funnel_of(sample).items() if turns}
        assert len(rows_of(sample)) == sample.sampled
    assert counts == {
        "off": {"repeated_prompt": 2, "sampled": 6},
        "within_user": {"repeated_prompt": 2, "near_duplicate": 2, "sampled": 4},
        "anywhere": {"repeated_prompt": 2, "near_duplicate": 4, "sampled": 2},
    }


# -------------------------------------------------------------------------------------------------------------- consent
def test_consent_is_asked_for_each_turn_and_recorded(tmp_path):
    """What each ledger means is in test_consent_policy.py."""
    times = {"one": MONDAY + HOUR, "two": NOON, "three": NOON + 3 * HOUR}
    logs = [conversation(question, messages=exchange(at, question)) for question, at in times.items()]
    decisions = [
        decision(start=NOON - HOUR, recorded_at=NOON - HOUR / 2, effective_until=NOON + HOUR),
        decision(start=NOON + HOUR, policy_version="p2", recorded_at=NOON + 20 * HOUR),
    ]
    sample = drawn(tmp_path, logs, decisions)
    assert funnel_of(sample) == {
        "consent_unknown": 1,
        "consent_recorded_later": 1,
        "not_sampled": 0,
        "sampled": 1,
    }
    (row,) = rows_of(sample)
    assert row["consent_granted"] is True and row["consent_policy_version"] == "p1"
    assert row["consent_decided_at"] == NOON - HOUR / 2, "recorded and in effect since then"


def test_rows_of_the_ledger_that_cannot_be_read_are_counted(tmp_path):
    ended = decision("u2", effective_until=MONDAY - 30 * HOUR)
    logs = [GOOD, conversation("asked", "u2")]
    sample = drawn(tmp_path, logs, [decision(), decision("u2"), ended])
    assert sample.unreadable_consent == {"effective_until is not after effective_from": 1}
    assert funnel_of(sample)["consent_ambiguous"] == 1


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
    logs = [conversation()]
    kept = drawn(tmp_path, logs, [decision(), decision(start=now - HOUR)], traffic=traffic)
    assert kept.sampled == 1
    refusal = decision(granted=False, start=now - HOUR)
    with pytest.raises(EmptyWeekError, match="consent_withdrawn: 1"):
        drawn(tmp_path, logs, [decision(), refusal], traffic=traffic)
    assert drawn(tmp_path, logs, [decision(), refusal | {"scope": "other"}], traffic=traffic).sampled == 1


def test_who_asked_to_be_forgotten_is_not_sampled_again(tmp_path):
    from depsim_dagster.privacy.erasure.records import suppress

    logs = [GOOD, conversation("gone", "u2", exchange() * 2), conversation("anonymous", None)]
    decisions = [decision(), decision("u2")]
    assert drawn(tmp_path, logs, decisions).sampled == 3
    study = study_of(tmp_path)
    suppress(lake_of(study), {study.hmac_key: [pseudonym(study.hmac_key, "user", "u2")]}, NOON)
    assert funnel_of(drawn(tmp_path, logs, decisions)) == {
        "erased": 2,
        "consent_unknown": 1,
        "not_sampled": 0,
        "sampled": 1,
    }


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


SENT_BEFORE = {
    "before the first decision": (MONDAY - 48 * HOUR, [decision()]),
    "while it was refused": (MONDAY + HOUR, [decision(granted=False), decision(start=MONDAY + 24 * HOUR)]),
    "in the same week, before": (NOON - HOUR, [decision(start=NOON - HOUR / 2)]),
}


@pytest.mark.parametrize(("before", "decisions"), SENT_BEFORE.values(), ids=SENT_BEFORE)
def test_what_was_said_without_consent_stands_in_no_prefix(tmp_path, before, decisions):
    """The later turn has consent; its prefix would hold the words of the one that had none."""
    mixed = conversation("mixed", messages=exchange(before, "kept to myself") + exchange(question="later"))
    sample = drawn(tmp_path, [conversation("good", messages=exchange(question="plain")), mixed], decisions)
    assert [texts(row["prefix"]) for row in rows_of(sample)] == [[("user", "plain")]]
    assert funnel_of(sample)["consent_not_held_earlier"] == 1


def test_earlier_turns_with_consent_stay_in_the_prefix(tmp_path):
    messages = exchange(MONDAY - HOUR, "before the week") + exchange(question="later")
    (row,) = rows_of(drawn(tmp_path, [conversation(messages=messages)]))
    assert [content for _, content in texts(row["prefix"])] == ["before the week", "hi", "later"]

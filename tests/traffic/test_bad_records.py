"""Bad records: each kind ends in the reject table or as malformed in the index, with its reason, and costs only itself."""

import copy
import gzip
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from literal_logs import AT, DEFAULTS, GOOD, baseline_study, index, indexed, log_study, write_lines
from literal_traffic import (
    NOON,
    STUDY,
    conversation,
    decision,
    drawn,
    exchange,
    funnel_of,
    message,
    sampled,
    study_of,
    write_consent,
    write_logs,
)

from depsim_dagster.traffic.formats import FORMATS, read_record
from depsim_dagster.traffic.formats.draft import ReadSettings
from depsim_dagster.traffic.records import Conversation, Rejected
from depsim_dagster.traffic.schema import INGESTED_FILES
from depsim_dagster.traffic.turn_rows import TurnRows

CANARY = "canary-77ab"


def good(name: str = "c1") -> dict:
    return copy.deepcopy(GOOD["depsim"]) | {"conversation_id": name}


def line(record: dict) -> bytes:
    return json.dumps(record).encode()


def with_first(**changes) -> dict:
    record = good("bad")
    record["messages"][0] |= changes
    return record


def without_first(name: str) -> dict:
    record = good("bad")
    del record["messages"][0][name]
    return record


# What stands in the line → (reason, field) of the reject.
REJECTED = {
    "no JSON": (b"{not json " + CANARY.encode(), "not_json", None),
    "a CSV line": (b"c1,u1," + CANARY.encode(), "not_json", None),
    "single quotes": (b"{'messages': []}", "not_json", None),
    "a million empty objects": (b'{"messages": [' + b"{}," * 1_000_000 + b"{}]}", "too_large", None),
    "more messages than anybody wrote": (
        good() | {"messages": [{"role": "user", "content": "x", "created_at": AT}] * 20_001},
        "too_large",
        "messages",
    ),
    "two records on one line": (line(good()) + line(good()), "not_json", None),
    "zeros of a crashed writer": (b"\x00" * 64, "not_json", None),
    "a raw line break in a string": (b'{"messages": "a\x0bb"}', "not_json", None),
    "invalid UTF-8": (line(good()).replace(b"hello", b"\xff\xfe"), "invalid_utf8", None),
    "Latin-1": (line(good()).replace(b"hello", "né".encode("latin-1")), "invalid_utf8", None),
    "nested 10,000 deep": (b'{"messages": ' + b"[" * 10_000 + b"]" * 10_000 + b"}", "too_deep", None),
    "duplicate keys": (line(good())[:-1] + b', "user_id": "u2"}', "duplicate_key", None),
    "duplicate keys in a message": (
        line(good()).replace(b'"role": "user"', b'"role": "user", "role": "assistant"'),
        "duplicate_key",
        None,
    ),
    "NaN": (line(good()).replace(b'"hello"', b"NaN"), "not_a_number", None),
    "a number beyond all": (line(good()).replace(b'"hello"', b"1e9999"), "not_a_number", None),
    "a list": (b"[1, 2]", "not_an_object", None),
    "a text": (b'"' + CANARY.encode() + b'"', "not_an_object", None),
    "null": (b"null", "not_an_object", None),
    "an empty object": ({}, "missing_field", "conversation_id"),
    "no conversation id": (good() | {"conversation_id": None}, "missing_field", "conversation_id"),
    "an empty conversation id": (good(""), "no_conversation_id", "conversation_id"),
    "a conversation id that is an object": (
        good() | {"conversation_id": {"$oid": "1"}},
        "wrong_type",
        "conversation_id",
    ),
    "a user id that is a list": (good() | {"user_id": ["u1", "u2"]}, "wrong_type", "user_id"),
    "no messages": ({k: v for k, v in good().items() if k != "messages"}, "no_messages", "messages"),
    "null messages": (good() | {"messages": None}, "no_messages", "messages"),
    "empty messages": (good() | {"messages": []}, "no_messages", "messages"),
    "messages that are a text": (good() | {"messages": CANARY}, "wrong_type", "messages"),
    "messages that are an object": (good() | {"messages": {"0": {}}}, "wrong_type", "messages"),
    "a null message": (good() | {"messages": [None, *good()["messages"]]}, "null_message", "messages"),
    "a message that is a text": (good() | {"messages": [CANARY]}, "wrong_type", "messages"),
    "a message without a role": (without_first("role"), "missing_field", "messages.role"),
    "a role that is a number": (with_first(role=1), "wrong_type", "messages.role"),
    "content that is a number": (with_first(content=7), "wrong_type", "messages.content"),
    "content that is an object": (with_first(content={"text": CANARY}), "wrong_type", "messages.content"),
    "attachments below zero": (with_first(attachments=-1), "wrong_type", "messages.attachments"),
    "attachments that are true": (with_first(attachments=True), "wrong_type", "messages.attachments"),
    "a name that is a list": (with_first(name=[CANARY]), "wrong_type", "messages.name"),
    "no time": (without_first("created_at"), "no_time", "messages.created_at"),
    "a null time": (with_first(created_at=None), "no_time", "messages.created_at"),
    "a time without a zone": (
        with_first(created_at="2026-01-07T12:00:00"),
        "naive_time",
        "messages.created_at",
    ),
    "a day without a zone": (with_first(created_at="2026-01-07"), "naive_time", "messages.created_at"),
    "a time that is a text": (with_first(created_at=CANARY), "impossible_time", "messages.created_at"),
    "the 30th of February": (
        with_first(created_at="2026-02-30T00:00:00Z"),
        "impossible_time",
        "messages.created_at",
    ),
    "the beginning of 1970": (with_first(created_at=0), "impossible_time", "messages.created_at"),
    "the year 1": (
        with_first(created_at="0001-01-01T00:00:00+14:00"),
        "impossible_time",
        "messages.created_at",
    ),
    "a time beyond the calendar": (with_first(created_at=10**30), "impossible_time", "messages.created_at"),
    "a time that is an object": (with_first(created_at={"$date": AT}), "wrong_type", "messages.created_at"),
    "a time that is true": (with_first(created_at=True), "wrong_type", "messages.created_at"),
    "a time in the future": (
        with_first(created_at="2199-01-01T00:00:00Z"),
        "future_time",
        "messages.created_at",
    ),
    "no user turn": (good() | {"messages": good()["messages"][1:]}, "no_user_turn", "messages"),
    "temporary that is a text": (good() | {"temporary": "no"}, "wrong_type", "temporary"),
    "a surface that is a number": (good() | {"surface": 3}, "wrong_type", "surface"),
    "a model that is an object": (good() | {"model": {"name": "m1"}}, "wrong_type", "model"),
}
CALL = {"id": "t1", "type": "function", "function": {"name": "search", "arguments": "{}"}}


def answering(**changes) -> dict:
    record = good("bad")
    record["messages"][1] |= changes
    return record


def followed_by(**message_) -> dict:
    record = good("bad")
    return record | {"messages": [*record["messages"], {"created_at": AT, **message_}]}


MALFORMED = {
    "an unknown role": (followed_by(role="robot", content="beep"), "unknown_role"),
    "a role in capitals": (followed_by(role="User", content="me"), "unknown_role"),
    "an empty role": (followed_by(role=""), "unknown_role"),
    "a tool's answer without a call": (
        followed_by(role="tool", content="x", tool_call_id="t1"),
        "tool_answer_without_call",
    ),
    "a tool's answer to nobody": (followed_by(role="tool", content="x"), "tool_answer_without_call"),
    "a call that nobody answers": (
        good("bad")
        | {
            "messages": [
                {"role": "user", "content": "x", "created_at": AT},
                {"role": "assistant", "tool_calls": [CALL], "created_at": AT},
                {"role": "user", "content": "y", "created_at": AT},
            ]
        },
        "unanswered_tool_call",
    ),
    "calls that break off": (answering(tool_calls='[{"id": "t1"'), "malformed_tool_calls"),
    "calls that are an object": (answering(tool_calls=CALL), "malformed_tool_calls"),
    "a call without an id": (answering(tool_calls=[CALL | {"id": ""}]), "malformed_tool_calls"),
    "a call without a name": (answering(tool_calls=[CALL | {"function": {}}]), "malformed_tool_calls"),
    "a null call": (answering(tool_calls=[None]), "malformed_tool_calls"),
    "calls nested too deep": (answering(tool_calls="[" * 500 + "]" * 500), "malformed_tool_calls"),
    "tools that are no JSON": (good() | {"tools": "{"}, "malformed_tools"),
    "tools that are an object": (good() | {"tools": {"name": "x"}}, "malformed_tools"),
    "attributes that are a list": (good() | {"attributes": "[1]"}, "malformed_attributes"),
    "attributes with two values": (good() | {"attributes": '{"a": 1, "a": 2}'}, "malformed_attributes"),
    "times that run backwards": (answering(created_at="2026-01-06T12:00:00Z"), "times_not_in_order"),
}


@pytest.mark.parametrize("kind", REJECTED)
def test_a_bad_record_is_rejected_with_its_reason_and_costs_only_itself(tmp_path, kind):
    bad, reason, field = REJECTED[kind]
    found = indexed(tmp_path, [good("a"), bad, good("b")], "depsim", defaults={})
    assert found.reasons == [(1, reason, field)]
    assert found.rejects[0]["line"] == 2 and found.rejects[0]["name"] == "logs.jsonl"
    assert [turn["record"] for turn in found.turns] == [0, 2] and CANARY not in str(found.rejects)


@pytest.mark.parametrize("kind", MALFORMED)
def test_a_record_that_cannot_be_replayed_is_in_the_index_as_malformed(tmp_path, kind):
    bad, reason = MALFORMED[kind]
    found = indexed(tmp_path, [good("a"), bad, good("b")], "depsim", defaults={})
    assert not found.rejects
    reasons = [turn["malformed_reason"] for turn in found.turns]
    # Before the call that nobody answered there is a turn that can be replayed.
    assert reasons == [None, *([None] if reason == "unanswered_tool_call" else []), reason, None]
    assert [turn["malformed"] for turn in found.turns] == [reason is not None for reason in reasons]
    (row,) = found.lake.read(INGESTED_FILES, {"file": found.files[0].file}).to_pylist()
    assert row["malformed_turns"] == 1


def test_all_kinds_together_add_up_to_the_file(tmp_path):
    assert len(REJECTED) + len(MALFORMED) >= 30
    lines_ = [bad for bad, *_ in [*REJECTED.values(), *MALFORMED.values()]] + [good()]
    found = indexed(tmp_path, lines_, "depsim", defaults={})
    (file,) = found.files
    assert (file.records, file.rejected, file.conversations) == (
        len(lines_),
        len(REJECTED),
        len(MALFORMED) + 1,
    )
    assert [reason for _, reason, _ in found.reasons] == [reason for _, reason, _ in REJECTED.values()]


def test_the_reject_table_and_the_funnel_add_up_to_what_the_files_hold(tmp_path):
    """Every kind in one week, with the kinds that only consent and repetition can tell, through the whole sample."""
    others = {
        "duplicate_conversation": [
            good("twice"),
            good("twice") | {"messages": good("twice")["messages"] * 2},
        ],
        "consent_unknown": [
            good("stranger") | {"user_id": "stranger"},
            good("anonymous") | {"user_id": None},
        ],
        "consent_ambiguous": [good("torn") | {"user_id": "torn"}],
        "unknown_deployment": [good("other model") | {"model": "m9"}, good("no model") | {"model": None}],
        "unknown_surface": [good("nowhere") | {"surface": "fax"}, good("silent") | {"surface": None}],
        "unknown_account_class": [good("staff") | {"account_class": "staff"}],
        "unknown_temporary": [good("perhaps") | {"temporary": None}],
        "empty_prefix": [with_first(content=None) | {"conversation_id": "mute"}],
        "no_assistant_turn": [good("alone") | {"messages": good()["messages"][:1]}],
    }
    malformed = [
        bad | {"conversation_id": f"malformed {place}"} for place, (bad, _) in enumerate(MALFORMED.values())
    ]
    records = (
        [bad for bad, *_ in REJECTED.values()]
        + malformed
        + [r for rs in others.values() for r in rs]
        + [good()]
    )
    write_lines(tmp_path / "logs.jsonl", records)
    write_consent(tmp_path, [decision(), decision("torn"), decision("torn", granted=False)])
    study = study_of(
        tmp_path,
        traffic=STUDY["traffic"] | {"paths": ["logs.jsonl"]},
        sampling={"duplicates": {"repeated_prompts": False}},
    )
    funnel = funnel_of(sampled(study))
    turns = sum(part["role"] == "user" for bad in malformed for part in bad["messages"])
    assert funnel["malformed_record"] == turns - 1, "one turn comes before the call that nobody answers"
    for rule, logs in others.items():
        assert funnel[rule] == sum(m["role"] == "user" for log in logs for m in log["messages"]), rule
    assert funnel["sampled"] == 2
    found = index(study)
    assert sum(funnel.values()) == len(found.turns)
    assert len(found.rejects) + found.files[0].conversations == len(records)


def test_a_line_of_more_than_sixteen_mebibytes_is_rejected(tmp_path):
    huge = line(with_first(content="x" * (16 << 20)))
    for name, content in (
        ("logs-a.jsonl", line(good("a")) + b"\n" + huge + b"\n" + line(good("b"))),
        ("logs-b.json", b"[" + line(good("c")) + b"," + huge + b"," + line(good("d")) + b"]"),
        ("logs-c.json.gz", gzip.compress(b'{"data": [' + huge + b"," + line(good("e")) + b"]}", 1)),
    ):
        (tmp_path / name).write_bytes(content)
    found = index(log_study(tmp_path, "depsim", defaults={}))
    assert found.reasons == [(1, "too_large", None), (1, "too_large", None), (0, "too_large", None)]
    assert len(found.turns) == 5


def test_a_row_of_parquet_of_more_than_sixteen_mebibytes_is_rejected(tmp_path):
    logs = [
        conversation("a"),
        conversation("b", messages=exchange(question="x" * (16 << 20))),
        conversation("c"),
    ]
    write_logs(tmp_path, logs)
    found = index(log_study(tmp_path, "depsim"))
    assert found.reasons == [(1, "too_large", None)] and [turn["record"] for turn in found.turns] == [0, 2]


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_a_last_line_that_breaks_off_is_one_reject(tmp_path, cut):
    (tmp_path / "logs.jsonl").write_bytes(line(good("a")) + b"\n" + line(good("b"))[:-cut])
    found = index(log_study(tmp_path, "depsim", defaults={}))
    assert found.reasons == [(1, "truncated", None)] and len(found.turns) == 1
    (tmp_path / "logs.jsonl").write_bytes(b"[" + line(good("a")) + b",\n" + line(good("b"))[:-cut])
    found = index(log_study(tmp_path, "depsim", defaults={}))
    assert found.reasons == [(1, "truncated", None)] and len(found.turns) == 1


def test_a_last_line_without_its_end_is_whole(tmp_path):
    (tmp_path / "logs.jsonl").write_bytes(line(good("a")) + b"\n" + line(good("b")))
    assert len(index(log_study(tmp_path, "depsim", defaults={})).turns) == 2


@pytest.mark.parametrize("log_format", GOOD)
def test_each_format_names_its_own_fields(tmp_path, log_format):
    names = {"depsim": "messages", "openai_chat": "messages", "sharegpt": "conversations"}
    name = names.get(log_format, "conversation")
    record = GOOD[log_format]
    bad = [
        record | {name: [None]},
        record | {name: 7},
        record | {name: []},
        record | {name: [{}]},
        {"other": 1},
    ]
    found = indexed(tmp_path, bad, log_format)
    assert [reason for _, reason, _ in found.reasons][:4] == [
        "null_message",
        "wrong_type",
        "no_messages",
        "missing_field",
    ]
    assert all(field.split(".")[0] == name for _, _, field in found.reasons[:4])
    assert found.reasons[4][1] in ("missing_field", "no_messages")


@pytest.mark.parametrize("log_format", GOOD)
def test_half_an_emoji_and_zero_characters_are_read(tmp_path, log_format):
    text = json.dumps(GOOD[log_format]).replace("hello", "cut \\ud83d here\\u0000").encode()
    found = indexed(tmp_path, [text], log_format)
    assert found.messages()[0][0] == [{"role": "user", "content": "cut � here\0"}]


@pytest.mark.parametrize("as_text", [True, False])
def test_half_an_emoji_in_json_inside_of_json_is_replaced_too(tmp_path, as_text):
    half = '{"x": "\\ud83d"}'
    record = good() | {"attributes": half if as_text else json.loads(half), "tools": f"[{half}]"}
    (row,) = indexed(tmp_path, [json.dumps(record).encode()], "depsim").texts()
    assert json.loads(row["attributes"]) == {"x": "�"} and json.loads(row["tools"]) == [{"x": "�"}]


def test_a_further_prefix_source_needs_no_time_and_no_future_harms_it(tmp_path):
    kinds = [
        without_first("created_at"),
        with_first(created_at=CANARY),
        with_first(created_at="2199-01-01T00:00:00Z"),
    ]
    write_lines(tmp_path / "logs.jsonl", kinds)
    found = index(baseline_study(tmp_path, "depsim"), "challenging_prompts")
    assert [turn["sent_at"] for turn in found.turns] == [NOON] * 3, "that of its answer"
    write_lines(tmp_path / "logs.jsonl", [kind | {"messages": kind["messages"][:1]} for kind in kinds])
    found = index(baseline_study(tmp_path, "depsim"), "challenging_prompts")
    assert [turn["sent_at"] for turn in found.turns] == [None] * 3
    ledger = baseline_study(tmp_path, "depsim", consent={"ledger": "consent.parquet"})
    reasons = [reason for _, reason, _ in index(ledger, "challenging_prompts").reasons]
    assert reasons == ["no_time", "impossible_time", "future_time"], "consent is asked for a moment"


def test_mixed_time_zones_are_moments(tmp_path):
    times = ["2026-01-07T12:00:00Z", "2026-01-07T13:01:00+01:00", "2026-01-07T07:02:00-05:00"]
    record = good() | {"messages": [{"role": "user", "content": "x", "created_at": at} for at in times]}
    found = indexed(tmp_path, [record], "depsim")
    assert [turn["sent_at"].minute for turn in found.turns] == [0, 1, 2] and not found.turns[0]["malformed"]


def test_bad_rows_of_a_parquet_log_are_in_the_funnel_as_those_of_json(tmp_path):
    bad = {"messages": [message("user"), message("assistant", None, tool_calls="[1, ")]}
    sample = drawn(tmp_path, [conversation("good"), conversation("bad", **bad)])
    assert funnel_of(sample) == {"malformed_record": 1, "not_sampled": 0, "sampled": 1}


# ------------------------------------------------------------------------------------------------------ whatever comes
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([AT, "user", "u1"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=10,
)
NAMES = (
    "conversation_id user_id model language surface account_class temporary tools attributes messages conversation "
    "conversations role from content value created_at timestamp tool_calls tool_call_id function_call name type text "
    "response body request choices message created id attachments images custom_id hashed_ip toxic audio refusal"
)
KEYS = st.sampled_from(NAMES.split())
ROWS = TurnRows("f", b"k" * 16, {})
# Format `prompts` holds no exchange, which the other good records are.
PROMPT = {"prompt": [{"role": "user", "content": "hello"}], "text": "\n\nHuman: hello\n\nAssistant: hi"}
RECORDS = st.recursive(
    JSON_VALUES,
    lambda inner: st.dictionaries(KEYS, inner | st.lists(inner, max_size=3), max_size=6),
    max_leaves=25,
)


@pytest.mark.parametrize("log_format", FORMATS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_no_value_of_json_makes_a_reader_fail(log_format, data):
    record = copy.deepcopy({**GOOD, "prompts": PROMPT}[log_format])
    for _ in range(data.draw(st.integers(0, 3))):  # somewhere in a good record, or something else altogether
        spot = record
        while data.draw(st.booleans()):
            inner = [
                value
                for value in (spot.values() if isinstance(spot, dict) else spot)
                if isinstance(value, dict | list)
            ]
            if not inner:
                break
            spot = data.draw(st.sampled_from(inner))
        if isinstance(spot, dict):
            spot[data.draw(KEYS | st.sampled_from(sorted(spot) or ["id"]))] = data.draw(RECORDS)
        elif spot:
            spot[data.draw(st.integers(0, len(spot) - 1))] = data.draw(RECORDS)
    if data.draw(st.integers(0, 9)) == 0:
        record = data.draw(RECORDS)
    for needs_times in (True, False):
        outcome = read_record(record, ReadSettings(log_format, needs_times=needs_times))
        assert isinstance(outcome, Rejected | Conversation)
        if isinstance(outcome, Conversation):
            assert ROWS.add(0, outcome) == ROWS.batch().num_rows > 0


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        RECORDS | st.just(GOOD["depsim"]) | st.binary(max_size=30).filter(lambda b: b"\n" not in b),
        max_size=8,
    )
)
def test_every_record_of_any_file_is_counted_once(tmp_path, records):
    blank = sum(isinstance(record, bytes) and not record.strip(b" \t\r") for record in records)
    texts = [record if isinstance(record, bytes) else json.dumps(record) for record in records]
    first = [text if isinstance(text, bytes) else text.encode() for text in texts]
    (tmp_path / "logs.jsonl").write_bytes(b"{}\n" + b"\n".join(first) + b"\n{}\n")  # lines, whatever follows
    found = index(log_study(tmp_path, "depsim", defaults=DEFAULTS["depsim"]))
    assert found.files[0].records == len(records) - blank + 2

"""De-identification of whole turns: every text of a turn, nothing else, and no turn lost."""

import datetime as dt
import json

import pyarrow as pa
import pytest

from depsim_dagster.privacy.deidentify import deidentify
from depsim_dagster.traffic.schema import DEIDENTIFIED_PREFIXES, SAMPLED_TRAFFIC

KEY = b"a key for these tests"
MAIL, CARD = "harriet@example.com", "4111 1111 1111 1111"
MONDAY = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)


def turn(prefix, target=None, number=0, **more) -> dict:
    return {
        "week": "2026-01-05",
        "turn_id": f"{number:032x}",
        "conversation_id": f"{number:032x}",
        "user_id": "0" * 32,
        "deployment": "m1",
        "language": "en",
        "sent_at": MONDAY,
        "turn_index": 0,
        "prefix_source": "deployment_traffic",
        "inclusion_probability": 1.0,
        "account_class": "consumer",
        "surface": "chat",
        "temporary": False,
        "has_attachment": False,
        "consent_granted": True,
        "consent_policy_version": "p1",
        "consent_decided_at": MONDAY,
        "attributes": None,
        "tools": None,
        "prefix": json.dumps(prefix),
        "target": json.dumps([{"role": "assistant", "content": "ok"}] if target is None else target),
        **more,
    }


def batch(*turns) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(list(turns), schema=SAMPLED_TRAFFIC.schema)


def one(prefix, target=None, engine="embedded", **more) -> dict:
    (result,) = deidentify([batch(turn(prefix, target, **more))], KEY, engine)
    assert result.schema.equals(DEIDENTIFIED_PREFIXES.schema)
    (row,) = result.to_pylist()
    return row


def user(content, **more) -> dict:
    return {"role": "user", "content": content, **more}


def test_it_streams_and_drops_nothing():
    pulled = []

    def batches():
        for start in range(0, 9, 3):
            pulled.append(start)
            yield batch(*[turn([user(f"mail a{i}@example.com")], number=i) for i in range(start, start + 3)])

    stream = deidentify(batches(), KEY, "embedded")
    assert pulled == []
    first = next(stream)
    assert pulled == [0] and first.num_rows == 3
    rows = first.to_pylist() + [row for rest in stream for row in rest.to_pylist()]
    assert [row["turn_id"] for row in rows] == [f"{i:032x}" for i in range(9)]
    assert all(row["identifiers_replaced"] == 1 and row["residual_identifiers"] == 0 for row in rows)


def test_a_detail_of_one_message_is_replaced_in_all_and_alike():
    target = [
        {
            "role": "assistant",
            "content": "Thanks Harriet Whitcombe, I wrote to you",
            "reasoning": f"mail {MAIL}",
        }
    ]
    row = one([user(f"My name is Harriet Whitcombe, {MAIL}"), user("Harriet again")], target)
    everything = row["prefix"] + row["target"]
    assert "Harriet" not in everything and "Whitcombe" not in everything and MAIL not in everything
    messages = json.loads(row["prefix"])
    name = messages[0]["content"].removeprefix("My name is ").split(",")[0]
    assert json.loads(row["target"])[0]["content"] == f"Thanks {name}, I wrote to you"
    assert messages[1]["content"] == f"{name.split()[0]} again"
    assert row["identifiers_replaced"] == 5 and row["residual_identifiers"] == 0


def test_conversations_and_keys_do_not_share_surrogates():
    rows = [
        row["prefix"]
        for key in (KEY, b"another key")
        for result in deidentify([batch(turn([user(MAIL)]), turn([user(MAIL)], number=1))], key, "embedded")
        for row in result.to_pylist()
    ]
    assert len(set(rows)) == 4


@pytest.mark.parametrize(
    "arguments",
    [
        {"to": MAIL, "cc": [MAIL, "x"], "nested": {"card": CARD}, "n": 3, "ok": True, "none": None},
        {MAIL: "as a key"},
        {"card": 4111111111111111},
        [MAIL],
    ],
)
def test_tool_arguments_still_parse_and_hold_no_detail(arguments):
    call = {
        "id": "call_1",
        "type": "function",
        "function": {"name": "send", "arguments": json.dumps(arguments)},
    }
    row = one([user("send it")], [{"role": "assistant", "content": None, "tool_calls": [call]}])
    ((changed,),) = [message["tool_calls"] for message in json.loads(row["target"])]
    assert (changed["id"], changed["type"], changed["function"]["name"]) == ("call_1", "function", "send")
    parsed = json.loads(changed["function"]["arguments"])
    assert type(parsed) is type(arguments) and len(parsed) == len(arguments)
    everything = json.dumps(parsed)
    assert MAIL not in everything and CARD not in everything and "4111111111111111" not in everything
    assert row["residual_identifiers"] == 0 and row["identifiers_replaced"] > 0


@pytest.mark.parametrize(
    "arguments", ['{"to": "harriet@exam', "[" * 5000 + MAIL, '{"a": ' * 200, f'{{"to": "{MAIL}",}}']
)
def test_arguments_that_are_no_json_survive(arguments):
    call = {"id": "call_1", "type": "function", "function": {"name": "send", "arguments": arguments}}
    row = one([user("send it")], [{"role": "assistant", "content": None, "tool_calls": [call]}])
    assert MAIL not in row["target"] and row["residual_identifiers"] == 0


def test_escaped_details_in_json_text_are_found():
    content = json.dumps({"mail": MAIL}).replace("@", "\\u0040")
    row = one([user("look"), {"role": "tool", "content": content, "tool_call_id": "t"}])
    assert "harriet" not in row["prefix"] and row["identifiers_replaced"] == 1


def test_names_attributes_tools_and_unknown_keys_are_texts_too():
    tools = json.dumps([{"type": "function", "function": {"name": "mail", "description": f"mail of {MAIL}"}}])
    attributes = json.dumps({"plan": "free", "contact": MAIL})
    row = one(
        [
            user("hi, Harriet here", name="Harriet", custom={"note": MAIL}),
            {"role": "assistant", "content": "hi Harriet"},
        ],
        tools=tools,
        attributes=attributes,
    )
    everything = row["prefix"] + row["tools"] + row["attributes"]
    assert "Harriet" not in everything and MAIL not in everything
    assert (
        json.loads(row["attributes"])["plan"] == "free" and json.loads(row["tools"])[0]["type"] == "function"
    )
    assert json.loads(row["prefix"])[0]["role"] == "user"


def test_a_role_as_a_name_is_no_person():
    row = one([user("the user is me", name="user")])
    assert json.loads(row["prefix"]) == [user("the user is me", name="user")]


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user", "content": None},
        {"role": "user"},
        {"role": "user", "content": [{"type": "text", "text": f"mail {MAIL}"}]},
        {"role": "user", "content": "x", "tool_calls": []},
        {"role": "user", "content": "x", "tool_calls": None, "refusal": MAIL},
        {"role": "assistant", "content": "x", "tool_calls": [{"id": "1"}, {"id": "2", "function": None}]},
        {"role": "user", "content": "half an emoji \ud83d", "weight": 0.5},
    ],
)
def test_unusual_messages_survive(message):
    row = one([message])
    (changed,) = json.loads(row["prefix"])
    assert set(changed) == set(message) and MAIL not in row["prefix"]
    assert row["residual_identifiers"] == 0


def test_code_is_untouched_to_the_byte():
    code = '```python\nhost = "127.0.0.1"  # v1.2.3\nx = {"a": [1.50, 1e3]}\n```\n'
    data = '{ "a": [1.50,   1e3],\n "b": "\\u00e9" }'
    row = one([user(code), {"role": "tool", "content": data, "tool_call_id": "t"}])
    assert [message["content"] for message in json.loads(row["prefix"])] == [code, data]
    assert row["identifiers_replaced"] == 0 and row["prefix_characters"] == len(code) + len(data)


def test_without_an_engine_nothing_is_changed():
    row = one([user(f"mail {MAIL}")], engine="none")
    assert json.loads(row["prefix"]) == [user(f"mail {MAIL}")]
    assert (row["identifiers_replaced"], row["residual_identifiers"]) == (0, 0)


def test_an_empty_batch_is_an_empty_batch():
    (result,) = deidentify([batch()], KEY, "embedded")
    assert result.num_rows == 0

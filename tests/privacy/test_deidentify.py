"""De-identification of whole turns: every text of a turn, nothing else, and no turn lost."""

import datetime as dt
import json
import re
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from depsim_dagster.config_sections import DeidentificationConfig
from depsim_dagster.lake import Lake
from depsim_dagster.privacy.deidentify import deidentify, deidentify_text
from depsim_dagster.privacy.detection.identifier_spans import IdentifierSpan
from depsim_dagster.privacy.gates.suites import deidentification_digest, deidentification_settings
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
        "has_image": False,
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


EMBEDDED = DeidentificationConfig()
NONE = DeidentificationConfig(engine="none", reason="a test without an engine")


def one(prefix, target=None, settings=EMBEDDED, detectors=(), **more) -> dict:
    (result,) = deidentify([batch(turn(prefix, target, **more))], KEY, settings, detectors)
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

    stream = deidentify(batches(), KEY, EMBEDDED)
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
        for result in deidentify([batch(turn([user(MAIL)]), turn([user(MAIL)], number=1))], key, EMBEDDED)
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
    row = one([user(f"mail {MAIL}")], settings=NONE)
    assert json.loads(row["prefix"]) == [user(f"mail {MAIL}")]
    assert (row["identifiers_replaced"], row["residual_identifiers"]) == (0, 1), "and the gate is told so"


def test_without_an_engine_nothing_is_looked_for_in_what_is_public_anyway():
    (result,) = deidentify([batch(turn([user(MAIL)]))], KEY, NONE, public=["deployment_traffic"])
    assert result.column("residual_identifiers").to_pylist() == [0]


def test_an_empty_batch_is_an_empty_batch():
    (result,) = deidentify([batch()], KEY, EMBEDDED)
    assert result.num_rows == 0


# --------------------------------------------------------------------------------------------------- what texts may hold
def test_a_number_in_json_stays_a_number():
    card = 4111111111111111
    attributes = json.dumps({"card": card, "n": 12, "rate": 1.50})
    call = {
        "id": "c",
        "type": "function",
        "function": {"name": "pay", "arguments": json.dumps({"card": card})},
    }
    row = one([user("pay"), {"role": "assistant", "content": None, "tool_calls": [call]}, user("ok", extra={"card": card})],
              attributes=attributes)  # fmt: skip
    numbers = [
        json.loads(row["attributes"])["card"],
        json.loads(json.loads(row["prefix"])[1]["tool_calls"][0]["function"]["arguments"])["card"],
        json.loads(row["prefix"])[2]["extra"]["card"],
    ]
    assert all(type(number) is int and number != card and len(str(number)) == 16 for number in numbers)
    assert len(set(numbers)) == 1 and '"rate": 1.5' in row["attributes"]


@pytest.mark.parametrize(
    "block",
    [
        '```json\n{"to": "harriet\\u0040example.com", "note": "line\\nharriet@example.com"}\n```',
        '```python\nTO = "harriet\\x40example.com"  # or harriet@example.com\n```',
        'She sent {"body": "{\\"to\\": \\"harriet\\\\u0040example.com\\"}"} to me',
    ],
)
def test_details_hidden_as_escapes_are_found(block):
    row = one([user(block)])
    (changed,) = [message["content"] for message in json.loads(row["prefix"])]
    assert "harriet" not in changed and changed.count("\\") == block.count("\\")
    for before, after in zip(block.split("`"), changed.split("`"), strict=True):
        if before.startswith("json\n"):
            assert json.loads(after[5:]).keys() == json.loads(before[5:]).keys()


def test_windows_paths_are_read_as_they_are_written():
    row = one([user("My name is Robert Whitcombe. See C:\\Users\\robert\\notes.txt")])
    assert "obert\\notes" not in json.loads(row["prefix"])[0]["content"]


def test_attachments_are_dropped_and_counted():
    image = {"type": "image_url", "image_url": {"url": f"https://x.org/{MAIL}.png"}}
    file = {"type": "file", "file": {"filename": "cv-harriet.pdf"}}
    content = [{"type": "text", "text": "look"}, image, file]
    row = one(
        [user(content), user([image]), user("b", attachments=[file, file]), user("c", audio={"data": "AAAA"})]
    )
    messages = json.loads(row["prefix"])
    assert [message["content"] for message in messages] == [[{"type": "text", "text": "look"}], "", "b", "c"]
    assert row["attachments_dropped"] == 6 and "harriet" not in row["prefix"] and "AAAA" not in row["prefix"]
    assert row["prefix_characters"] == len("look") + 2


def test_files_written_into_a_text_become_the_smallest_of_their_kind():
    payload = "iVBORw0KGgo" + "A" * 5000
    text = f'![shot](data:image/png;base64,{payload}) and "data:application/pdf;base64,{payload}=="'
    row = one([user(text)])
    (changed,) = [message["content"] for message in json.loads(row["prefix"])]
    assert payload not in changed and len(changed) < 300 and row["attachments_dropped"] == 2
    assert (
        changed.startswith("![shot](data:image/png;base64,iVBOR")
        and '"data:application/pdf;base64,AA=="' in changed
    )


def test_a_detail_split_over_messages_of_one_author_is_replaced():
    row = one([user("my card is 4111 1111"), {"role": "assistant", "content": "go on"}, user("1111 1111")])
    everything = "".join(message["content"] for message in json.loads(row["prefix"]))
    assert "4111 1111" not in everything and "1111 1111" not in everything


def test_json_nested_ten_thousand_deep_is_one_text():
    deep = "[" * 10_000 + f'"{MAIL}"' + "]" * 10_000
    row = one([user("hi")], attributes=deep, tools=deep)
    for column in ("attributes", "tools"):
        assert MAIL not in row[column] and row[column].count("[") == 10_000
    assert MAIL not in one([user(deep)])["prefix"]


def test_keys_that_hold_details_stay_apart():
    arguments = {MAIL: 1, MAIL.upper(): 2, "plain_key": 3}
    row = one([user("x", extra=arguments)])
    changed = json.loads(row["prefix"])[0]["extra"]
    assert len(changed) == 3 and changed["plain_key"] == 3 and MAIL not in row["prefix"]


# ------------------------------------------------------------------------------------------------------------- the stream
def test_what_was_replaced_is_counted_by_type():
    row = one([user(f"mail {MAIL} or pay with {CARD}, {CARD}")])
    assert dict(row["identifiers_by_type"]) == {"email": 1, "card": 2} and row["identifiers_replaced"] == 3


def test_tags_are_a_choice():
    row = one([user(f"mail {MAIL}, card {CARD}, mail {MAIL.upper()}")],
              settings=DeidentificationConfig(surrogates="tags"))  # fmt: skip
    assert json.loads(row["prefix"])[0]["content"] == "mail [EMAIL_1], card [CARD_1], mail [EMAIL_1]"


def test_a_share_of_users_gets_tags_in_all_their_turns():
    settings = DeidentificationConfig(tags_share=0.3)
    rows = [
        row
        for user_number in range(400)
        for row in (
            {"user_id": f"{user_number:032x}", "number": 2 * user_number + place} for place in range(2)
        )
    ]
    turns = batch(
        *[turn([user(f"mail {MAIL}")], number=row["number"], user_id=row["user_id"]) for row in rows]
    )
    (result,) = deidentify([turns], KEY, settings)
    styles: dict[str, set[str]] = {}
    for row in result.to_pylist():
        content = json.loads(row["prefix"])[0]["content"]
        assert (content == "mail [EMAIL_1]") == (row["surrogates"] == "tags") and MAIL not in content
        styles.setdefault(row["user_id"], set()).add(row["surrogates"])
    assert all(len(found) == 1 for found in styles.values())
    share = sum(found == {"tags"} for found in styles.values()) / 400
    assert 0.23 < share < 0.37, "three standard errors"


@pytest.mark.parametrize(
    ("settings", "style"),
    [(EMBEDDED, "realistic"), (NONE, "none"), (DeidentificationConfig(surrogates="tags"), "tags")],
)
def test_the_style_of_the_surrogates_is_recorded(settings, style):
    assert one([user("hello")], settings=settings)["surrogates"] == style


@pytest.mark.parametrize(
    "settings", [{"surrogates": "tags"}, {"engine": "none", "reason": "a test without an engine"}]
)
def test_a_trial_of_tags_needs_realistic_surrogates_beside_them(settings):
    with pytest.raises(ValidationError, match="`tags_share` needs engine `embedded`"):
        DeidentificationConfig(tags_share=0.1, **settings)


def test_a_share_of_tags_is_another_de_identification_and_none_is_not():
    """The digest of a study without the key is what it was before there was one."""
    assert "tags_share" not in deidentification_settings(EMBEDDED)
    assert deidentification_settings(DeidentificationConfig(tags_share=0.0)) == deidentification_settings(
        EMBEDDED
    )
    shares = [deidentification_digest(DeidentificationConfig(tags_share=share)) for share in (0.0, 0.1, 0.2)]
    assert len(set(shares)) == 3


def test_further_detectors_are_asked_once_a_batch_and_what_they_find_is_replaced_everywhere():
    asked = []

    def detector(texts):
        asked.append(list(texts))
        return [
            [
                IdentifierSpan("organisation", match.start(), match.end())
                for match in re.finditer("zorgblat", text)
            ]
            for text in texts
        ]

    turns = [
        turn([user(f"the zorgblat said so {number}"), user("ZORGBLAT")], number=number) for number in range(3)
    ]
    (result,) = deidentify([batch(*turns)], KEY, EMBEDDED, [detector])
    assert len(asked) == 1 and len(asked[0]) == len(set(asked[0])) == 5  # three of the users, ZORGBLAT, ok
    for row in result.to_pylist():
        assert "zorgblat" not in row["prefix"].lower() and dict(row["identifiers_by_type"]) == {
            "organisation": 2
        }


def test_two_turns_of_a_conversation_agree_across_weeks():
    """The later turn repeats what the earlier one held, and holds more."""
    opening = [
        user(f"My name is Harriet Whitcombe, {MAIL}, born 12 March 1985"),
        {"role": "assistant", "content": "Hi Harriet"},
    ]
    (early,) = deidentify([batch(turn(opening[:1], opening[1:]))], KEY, EMBEDDED)
    later = turn([*opening, user(f"I am Tom Ferris now, +49 151 12345678, card {CARD}")], week="2026-01-12")
    (late,) = deidentify([batch(later)], KEY, EMBEDDED)
    (one_row,), (other_row,) = early.to_pylist(), late.to_pylist()
    assert json.loads(one_row["prefix"]) == json.loads(other_row["prefix"])[:1]
    assert json.loads(one_row["target"]) == json.loads(other_row["prefix"])[1:2]


def test_original_and_surrogate_never_meet_in_a_table(tmp_path):
    """Not in the rows, nor in the metadata and the statistics that Parquet writes beside them."""
    secrets = {"harriet@example.com", "4111 1111 1111 1111", "Whitcombe", "+49 151 12345678"}
    turns = [
        turn([user(f"My name is Harriet Whitcombe, {MAIL}, {CARD}, +49 151 12345678")], number=number,
             attributes=json.dumps({"contact": MAIL}), sandbox=True)
        for number in range(5)
    ]  # fmt: skip
    lake = Lake(tmp_path)
    partition = {"week": "2026-01-05"}
    lake.write(replace(SAMPLED_TRAFFIC, gates=()), partition, [batch(*turns)])
    open_table = replace(DEIDENTIFIED_PREFIXES, gates=())
    lake.write(open_table, partition, deidentify([batch(*turns)], KEY, EMBEDDED))
    originals, published = {}, {}
    for table, into in ((SAMPLED_TRAFFIC, originals), (DEIDENTIFIED_PREFIXES, published)):
        (path,) = table.directory(tmp_path, partition).glob("*.parquet")
        rows, metadata = pq.read_table(path, partitioning=None).to_pylist(), pq.read_metadata(path)
        into["rows"] = json.dumps(rows, default=str)
        into["rest"] = str(metadata.metadata) + "".join(
            str(metadata.row_group(group).column(column).statistics)
            for group in range(metadata.num_row_groups)
            for column in range(metadata.num_columns)
        )
    assert all(secret in originals["rows"] for secret in secrets)
    assert not [secret for secret in secrets if secret in published["rows"] + published["rest"]]
    surrogates = {
        value
        for row in json.loads(published["rows"])
        for value in re.findall(r"[\w.]+@[\w.]+|\+49 [\d ]+|(?:\d{4} ){3}\d{4}", row["prefix"])
    }
    assert len(surrogates) == 15
    assert not [value for value in surrogates if value in originals["rows"] + originals["rest"]]


def test_plain_text_to_plain_text():
    text = f"My name is Harriet Whitcombe ({MAIL}). Harriet out."
    changed = deidentify_text(text, key=KEY)
    assert changed == deidentify_text(text, key=KEY) and "Harriet" not in changed and MAIL not in changed
    assert (
        changed != deidentify_text(text) and deidentify_text("nothing here", language="de") == "nothing here"
    )


def test_names_of_fields_are_texts_too():
    row = one([user("My name is Harriet Whitcombe.", **{MAIL: "x", "harriet": {"harriet": 1}})])
    (message,) = json.loads(row["prefix"])
    assert "harriet" not in row["prefix"].lower() and len(message) == 4

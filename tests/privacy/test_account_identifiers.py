"""The week's own ids are found in texts through their pseudonyms alone."""

import json

import pyarrow as pa
import pytest

from depsim_dagster.privacy.gates.account_attributes import account_values
from depsim_dagster.privacy.gates.account_identifiers import (
    AccountIdentifiers,
    count_account_identifiers,
    week_accounts,
)
from depsim_dagster.traffic.pseudonyms import pseudonym

KEY = b"a key of these tests"
IDS = (
    "user-19283",
    "harriet@example.com",
    "81f9c2d4-7788-4a11-9f0e-1a2b3c4d5e6f",
    "10472934",
    "tenant:u.77x",
    "用户账号七八九",
)


def finder(*ids: str, names=()) -> AccountIdentifiers:
    return AccountIdentifiers([KEY], {pseudonym(KEY, "user", each) for each in ids}, names)


@pytest.mark.parametrize("account", IDS)
@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "My id is {}.",
        "({}), please",
        "id={}&page=2",
        '"{}"',
        "`{}`: failed",
        "see https://example.com/accounts/{}/settings",
        "<{}>",
        "**{}**",
        "{}, {}",
    ],
)
def test_an_id_is_found_whatever_stands_beside_it(account, text):
    written = text.replace("{}", account)
    (spans,) = finder(*IDS)([written])
    assert len(spans) == text.count("{}")
    assert {written[span.start : span.end] for span in spans} == {account}
    assert {span.type for span in spans} == {"account_number"}


@pytest.mark.parametrize(
    "text",
    [
        "USER-19283",
        "81F9C2D4-7788-4A11-9F0E-1A2B3C4D5E6F",
        "Harriet@Example.com",
        "_user-19283_",
        "用户user-19283说",
    ],
)
def test_an_id_in_another_case_or_with_other_letters_beside_it_is_found(text):
    assert finder(*IDS).count([text]) == 1


def test_an_id_in_capitals_is_found_in_small_letters():
    assert finder("USER-19283").count(["my id is user-19283."]) == 1


def test_other_text_and_other_keys_find_nothing():
    texts = ["user-19284 and harriet@example.org, 104729345, user_19283", "no id at all", ""]
    assert finder(*IDS)(texts) == [[], [], []]
    other = AccountIdentifiers([b"another key of this"], {pseudonym(KEY, "user", each) for each in IDS})
    assert other([" ".join(IDS)]) == [[]]


def test_ids_whose_pseudonyms_are_of_the_previous_key_are_found():
    rotated = AccountIdentifiers([b"the key of today", KEY], {pseudonym(KEY, "user", "user-19283")})
    assert rotated.count(["user-19283"]) == 1


def test_conversation_ids_count_too():
    found = AccountIdentifiers([KEY], {pseudonym(KEY, "conversation", "thread-0042")})
    assert found.count(["open thread-0042", "thread-0043"]) == 1


def test_what_it_cannot_see_is_what_it_says():
    """A short id, and one with a blank: the module says so, and canaries of other types do not rest on it."""
    assert finder("u-17", "Harriet W")(["u-17 Harriet W"]) == [[]]


def test_spans_are_sorted_and_do_not_overlap():
    text = "user-19283@user-19283 harriet@example.com user-19283"
    (spans,) = finder(*IDS)([text])
    assert [(span.start, span.end) for span in spans] == sorted((span.start, span.end) for span in spans)
    assert all(before.end <= after.start for before, after in zip(spans, spans[1:], strict=False))
    assert len(spans) >= 3


def test_hostile_text_is_no_danger():
    texts = ["a" * 100_000, "a-" * 50_000, "@" * 50_000, "((((" * 20_000, "\ud800" * 10]
    assert finder(*IDS)(texts) == [[]] * 5


# --------------------------------------------------------------------------------------------------- the log's own columns
def test_columns_that_name_the_account_are_told_from_the_rest():
    attributes = {
        "user_email": "h.w@example.com",
        "account": {"customer_id": 5550123, "display": "dark"},
        "full_name": "Harriet Whitcombe",
        "username": "hattie_w",
        "name": "New chat",
        "title": "About user names",
        "user_id": "u",
        "user_name": True,
        "model_name": "m1",
        "phone": None,
    }
    assert account_values(json.dumps(attributes)) == {
        "h.w@example.com": "email",
        "5550123": "account_number",
        "Harriet Whitcombe": "person",
        "hattie_w": "username",
    }


@pytest.mark.parametrize(
    "attributes", [None, "", "[]", "null", '"x"', "{", "[" * 10_000, '{"user_name": ["a", "b"]}']
)
def test_attributes_that_name_nobody(attributes):
    assert account_values(attributes) == {}


def rows(*turns: dict) -> pa.RecordBatch:
    empty = dict.fromkeys(
        ("turn_id", "user_id", "conversation_id", "prefix", "target", "tools", "attributes")
    )
    return pa.RecordBatch.from_pylist([empty | turn for turn in turns])


def test_ids_are_counted_in_every_column_and_names_with_blanks_in_their_own_turn():
    attributes = json.dumps({"full_name": "Harriet Whitcombe", "user_email": "h.w@example.com"})
    sampled = [
        rows(
            {
                "turn_id": "a",
                "user_id": pseudonym(KEY, "user", "user-19283"),
                "conversation_id": pseudonym(KEY, "conversation", "thread-0042"),
                "attributes": attributes,
            },
            {"turn_id": "b", "user_id": "u" * 32, "conversation_id": "c" * 32},
        )
    ]
    accounts = week_accounts(sampled)
    call = json.dumps([{"function": {"arguments": json.dumps({"id": "user-19283"})}}])
    published = [
        rows(
            {"turn_id": "a", "prefix": json.dumps(["HARRIET WHITCOMBE wrote"]), "target": "[]"},
            {"turn_id": "b", "prefix": json.dumps(["Harriet Whitcombe wrote"]), "target": "[]"},
            {
                "turn_id": "b",
                "prefix": json.dumps(["mail H.W@example.com"]),
                "target": json.dumps(["thread-0042"]),
            },
            {"turn_id": "b", "prefix": "[]", "target": "[]", "tools": json.dumps([{"user-19283": 1}])},
            {"turn_id": "b", "prefix": "[]", "target": "[]", "attributes": json.dumps({"id": "thread-0042"})},
            {"turn_id": "b", "prefix": call, "target": "[]"},
            {"turn_id": "a", "prefix": json.dumps(["Harriet"]), "target": "[]"},
        )
    ]
    counts = list(count_account_identifiers(published, [KEY], accounts))
    assert [count > 0 for count in counts] == [True, False, True, True, True, True, False]

"""One person, one surrogate: parts of names, addresses made of them, other writings, no collisions."""

import json
import random

import pytest
from planted_details import CASES, planted

from depsim_dagster.privacy.surrogates.mapping import Surrogates
from depsim_dagster.privacy.surrogates.shapes import folded

KEY = b"a key for these tests"
NAME = ("person", "Harriet Whitcombe")


def conversation(texts, details, number="c1", language="en", style="realistic", key=KEY) -> list[str]:
    surrogates = Surrogates(key, number, language, style, planted(details))
    for text in texts:
        surrogates.learn(text)
    return [surrogates.replace(text) for text in texts]


def test_parts_of_a_name_agree_in_every_writing():
    texts = [
        "Harriet Whitcombe", "Harriet", "Ms Whitcombe", "WHITCOMBE", "whitcombe's", "Whitcombe, Harriet", "harriet whitcombe",
        "Har\u200briet", "Ｗｈｉｔｃｏｍｂｅ", "harriet_whitcombe(x)", "I met harriet.",
    ]  # fmt: skip
    full, *rest = conversation(texts, [NAME])
    given, family = full.split()
    assert {given, family}.isdisjoint({"Harriet", "Whitcombe"})
    wide = "".join(chr(ord(letter) + 0xFEE0) for letter in family)
    assert rest == [
        given, f"Ms {family}", family.upper(), f"{family.lower()}'s", f"{family}, {given}", f"{given} {family}".lower(),
        given, wide, f"{given}_{family}(x)".lower(), f"I met {given.lower()}.",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("spelling", "expected"),
    [
        ("harriet.whitcombe@gmail.com", "{given}.{family}@gmail.com"),
        ("HARRIET.WHITCOMBE@GMAIL.COM", "{GIVEN}.{FAMILY}@GMAIL.COM"),
        ("hwhitcombe@gmail.com", "{initial}{family}@gmail.com"),
        ("whitcombe.h@gmail.com", "{family}.{initial}@gmail.com"),
        ("harrietwhitcombe@gmail.com", "{given}{family}@gmail.com"),
        ("harriet@whitcombe.com", "{given}@{family}.com"),
    ],
)
def test_an_address_is_made_of_the_surrogate_name(spelling, expected):
    full, mail = conversation(["Harriet Whitcombe", spelling], [NAME, ("email", spelling)])
    given, family = full.split()
    parts = {"given": given.lower(), "family": family.lower(), "initial": given[0].lower()}
    assert mail == expected.format(**parts, GIVEN=given.upper(), FAMILY=family.upper())


def test_accounts_pages_and_companies_follow_the_name_too():
    details = [
        NAME,
        ("username", "@harriet_w"),
        ("url", "https://github.com/harriet-whitcombe"),
        ("organisation", "Whitcombe Ltd"),
    ]
    full, user, page, company = conversation([text for _, text in details], details)
    given, family = full.split()
    assert user.startswith(f"@{given.lower()}_") and company == f"{family} Ltd"
    assert page == f"https://github.com/{given}-{family}".lower()


@pytest.mark.parametrize(
    ("type_", "writings"),
    [
        ("phone", ["+49 151 12345678", "+4915112345678", "0151 12345678", "0151/1234 5678", "０１５１ １２３４５６７８"]),
        ("phone", ["(415) 555-0123", "415-555-0123", "4155550123", "+1 415 555 0123", "four one five five five five zero one two three"]),
        ("card", ["4111 1111 1111 1111", "4111111111111111", "4111-1111-1111-1111"]),
        ("iban", ["DE89 3704 0044 0532 0130 00", "DE89370400440532013000", "de89370400440532013000"]),
        ("email", ["harriet@whitcombe.com", "HARRIET@WHITCOMBE.COM", "ｈａｒｒｉｅｔ@whitcombe.com", "harr\u00adiet@whitcombe.com"]),
    ],
)  # fmt: skip
def test_another_writing_of_a_detail_gets_the_same_surrogate(type_, writings):
    drawn = conversation(writings, [(type_, writing) for writing in writings])

    def compact(text):
        digits = {
            "zero": 0,
            "one": 1,
            "two": 2,
            "three": 3,
            "four": 4,
            "five": 5,
            "six": 6,
            "seven": 7,
            "eight": 8,
            "nine": 9,
        }
        text = "".join(str(digits.get(word, word)) for word in folded(text).split())
        return "".join(character for character in text if character.isalnum())

    shortest = min(len(compact(text)) for text in drawn) - (1 if type_ == "phone" else 0)
    assert len({compact(text)[-shortest:] for text in drawn}) == 1
    assert all(
        compact(after)[-shortest:] != compact(before)[-shortest:]
        for before, after in zip(writings, drawn, strict=True)
    )


def test_a_repetition_without_context_is_found_in_other_separators():
    first, second = conversation(["Call (415) 555-0123", "was it 4155550123?"], [("phone", "(415) 555-0123")])
    digits = "".join(filter(str.isdecimal, first))
    assert second == f"was it {digits}?" and digits != "4155550123"


def test_no_surrogate_is_an_original_of_the_conversation_or_that_of_somebody_else():
    """Forty people, of whom chance would otherwise make one another."""
    source = random.Random(4)
    given = [
        "James",
        "Mary",
        "John",
        "Linda",
        "Robert",
        "Susan",
        "Michael",
        "Karen",
        "David",
        "Lisa",
        "Daniel",
        "Nancy",
    ]
    family = [
        "Smith",
        "Jones",
        "Brown",
        "Miller",
        "Davis",
        "Wilson",
        "Moore",
        "Taylor",
        "Thomas",
        "White",
        "Harris",
    ]
    names = [f"{source.choice(given)} {source.choice(family)}" for _ in range(40)]
    originals = {folded(word) for name in names for word in name.split()}
    for number in range(40):
        drawn = conversation(names, [("person", name) for name in names], f"c{number}")
        assert not {folded(word) for name in drawn for word in name.split()} & originals
        assert len(set(drawn)) == len(set(names))


def test_details_of_a_small_shape_do_not_stop_it():
    ages = [("age", str(age)) for age in range(90, 100)]
    drawn = conversation([age for _, age in ages], ages)
    assert all(90 <= int(age) <= 99 and age != before for age, (_, before) in zip(drawn, ages, strict=True))


@pytest.mark.parametrize(("type_", "original"), CASES)
def test_two_turns_of_a_conversation_agree_whatever_else_they_hold(type_, original):
    """As when a later week samples a later turn: more texts were learnt, the surrogate is the same."""
    early = conversation([original], [(type_, original)])
    late = conversation(
        ["Tom Ferris, tom@ferris.org", original],
        [(type_, original), ("person", "Tom Ferris"), ("email", "tom@ferris.org")],
    )
    assert early[0] == late[1]


def test_ordinary_words_are_not_taken_for_names():
    text = "Will Young said: the potter will mark young grapes in May. May I? I will."
    changed = conversation([text], [("person", "Will Young")])[0]
    assert (
        changed.endswith("said: the potter will mark young grapes in May. May I? I will.")
        and "Will Young" not in changed
    )


def test_short_numbers_are_not_replaced_elsewhere():
    text = "I am 92. 92 apples, version 92"
    surrogates = Surrogates(KEY, "c1", "en", detect=lambda *_: [])
    surrogates.learn_value("92", "age")
    surrogates.learn_value("1234", "account_number")
    assert surrogates.replace(text) == text and surrogates.replace("line 1234") == "line 1234"


def test_thousands_of_known_details_take_one_pass():
    """A pasted table; also the guard against work that grows with the square."""
    names = [f"Zq{number:05d}x Wv{number:05d}y" for number in range(3000)]
    surrogates = Surrogates(KEY, "c1", "en", detect=lambda *_: [])
    for name in names:
        surrogates.learn_value(f"{name}@x.org", "email")
    text = " ".join(names)
    assert surrogates.replace(text) == text and surrogates.knows(f"{names[7]}@x.org")


# ------------------------------------------------------------------------------------------------------------------ tags
def test_tags_are_numbered_in_order_of_appearance():
    details = [NAME, ("email", "a@whitcombe.com"), ("email", "b@whitcombe.com"), ("person", "Tom Ferris")]
    texts = [
        "Harriet Whitcombe: a@whitcombe.com",
        "Tom Ferris: b@whitcombe.com, A@WHITCOMBE.COM",
        "Ms Whitcombe and Tom",
    ]
    assert conversation(texts, details, style="tags") == [
        "[PERSON_1]: [EMAIL_1]", "[PERSON_2]: [EMAIL_2], [EMAIL_1]", "Ms [PERSON_1] and [PERSON_2]",
    ]  # fmt: skip


def test_tags_are_valid_inside_of_json():
    document = json.dumps(
        {"card": 4111111111111111, "cards": [4111111111111111], "to": "4111111111111111", "n": 12}
    )
    (changed,) = conversation([document], [("card", "4111111111111111")], style="tags")
    value = json.loads(changed)
    assert value["to"] == "[CARD_1]" and type(value["card"]) is int and value["cards"] == [value["card"]]
    assert "4111111111111111" not in changed and value["n"] == 12

"""Repetitions of known details: whole words, any case and disguise, one pass."""

import pytest

from depsim_dagster.privacy.surrogates.repeats import KnownDetails


def found(text: str, *known: tuple, **more) -> list[str]:
    details = KnownDetails()
    for value, type_ in known:
        details.add(value, type_, **more)
    return [text[span.start : span.end] for span in details.find(text)]


NAME = ("Whitcombe", "person")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Whitcombe's file, WHITCOMBE; whitcombe_h whitcombe2",
            ["Whitcombe", "WHITCOMBE", "whitcombe", "whitcombe"],
        ),
        ("Whitcombes Whitcombeshire unwhitcombe", []),
        (
            "Whít\u200bcombe and Ｗｈｉｔｃｏｍｂｅ and Wh\u0456tcombe",
            ["Whít\u200bcombe", "Ｗｈｉｔｃｏｍｂｅ", "Wh\u0456tcombe"],
        ),
        ("我是Whitcombe先生", ["Whitcombe"]),
        ("", []),
    ],
)
def test_a_name(text, expected):
    assert found(text, NAME) == expected


def test_a_number_also_where_it_is_glued_to_a_word_and_not_inside_of_a_longer_one():
    known = ("4155550123", "phone")
    assert found("tel4155550123x, 4155550123. 14155550123 41555501234", known) == ["4155550123", "4155550123"]


def test_the_longest_of_those_that_begin_alike():
    known = [("Harriet", "person"), ("Harriet Whitcombe", "person"), ("harriet@x.org", "email")]
    assert found("Harriet Whitcombe, harriet@x.org, Harriet", *known) == [
        "Harriet Whitcombe",
        "harriet@x.org",
        "Harriet",
    ]


def test_what_begins_with_a_sign_and_scripts_without_spaces():
    assert found("ask @harriet_w or +49 151 1", ("@harriet_w", "username"), ("+49 151 1", "phone")) == [
        "@harriet_w",
        "+49 151 1",
    ]
    assert found("请告诉伟明，伟明说", ("伟明", "person")) == ["伟明", "伟明"]
    assert found("김민준씨가", ("김민준", "person")) == ["김민준"]


def test_an_ordinary_word_is_a_name_with_a_capital_only():
    assert found("Will Rose call? the rose will. ROSE", ("Rose", "person"), capital=True) == ["Rose", "ROSE"]


def test_nothing_is_nothing_and_one_letter_is_no_detail():
    details = KnownDetails()
    details.add("!!", "password")
    details.add("x", "person")
    assert details.find("x !! x") == [] and "x" not in details
    details.add("Ana", "person")
    assert "ANA" in details and "aná" in details and "Anna" not in details

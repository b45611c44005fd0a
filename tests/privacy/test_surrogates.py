"""Surrogates: another detail of the same kind and shape, the same throughout one conversation and nowhere else."""

import ipaddress
import re

import pytest

from depsim_dagster.privacy.detection.candidate_checks import is_iban, is_luhn
from depsim_dagster.privacy.detection.detect import find_identifiers
from depsim_dagster.privacy.surrogates.mapping import Surrogates

KEY = b"a key for these tests"
DETAILS = {
    "email": "Write to harriet.w@mail.example.com now",
    "card": "Pay with 4111 1111 1111 1111 please",
    "iban": "Konto DE89 3704 0044 0532 0130 00",
    "ip_address": "ssh 203.0.113.7",
    "phone": "Call +49 151 12345678",
    "national_id": "SSN 078-05-1120",
    "api_key": "key sk-proj-Ab3dEf6hIj9kLm2nOp5q",
    "url_with_credentials": "psql postgres://app:s3cret@db.example.net:5432/orders",
    "street_address": "I live at 12 Marlowe Street, Ashford.",
    "person": "My name is Harriet Whitcombe.",
}


def replaced(text: str, conversation="c1", key=KEY, language="en") -> str:
    surrogates = Surrogates(key, conversation, language)
    surrogates.learn(text)
    return surrogates.replace(text)


def value_in(text: str) -> tuple[str, str]:
    (span,) = find_identifiers(text)
    return span.type, text[span.start : span.end]


@pytest.mark.parametrize("type_", [name for name in DETAILS if name != "street_address"])
@pytest.mark.parametrize("conversation", ["c1", "c2", "c3"])
def test_a_surrogate_is_another_detail_of_the_same_type(type_, conversation):
    original, changed = value_in(DETAILS[type_]), value_in(replaced(DETAILS[type_], conversation))
    assert original[0] == changed[0] == type_ and original[1] != changed[1]
    assert DETAILS[type_].replace(original[1], "") == replaced(DETAILS[type_], conversation).replace(
        changed[1], ""
    )


@pytest.mark.parametrize("type_", DETAILS)
def test_a_surrogate_is_the_same_in_one_conversation_and_another_elsewhere(type_):
    text = DETAILS[type_]
    assert replaced(text) == replaced(text)
    assert len({replaced(text), replaced(text, "c2"), replaced(text, key=b"another key"), text}) == 4


@pytest.mark.parametrize("type_", ["card", "iban", "phone", "national_id"])
def test_the_shape_stays(type_):
    original, changed = value_in(DETAILS[type_])[1], value_in(replaced(DETAILS[type_]))[1]
    shape = re.compile(r"\d")
    assert shape.sub("0", original) == shape.sub("0", changed)


@pytest.mark.parametrize("number", range(40))
def test_checksums_hold(number):
    card = value_in(replaced(DETAILS["card"], f"c{number}"))[1]
    iban = value_in(replaced(DETAILS["iban"], f"c{number}"))[1]
    host = ipaddress.ip_address(value_in(replaced(DETAILS["ip_address"], f"c{number}"))[1])
    assert is_luhn(card) and card[0] == "4" and is_iban(iban) and iban.startswith("DE")
    assert not (host.is_loopback or host.is_multicast or host.is_reserved)


def test_port_and_database_of_a_connection_stay():
    changed = value_in(replaced(DETAILS["url_with_credentials"]))[1]
    assert changed.startswith("postgres://") and changed.endswith(":5432/orders")
    assert "s3cret" not in changed and "app:" not in changed and "db.example.net" not in changed


def test_a_detail_learnt_in_one_message_is_replaced_in_the_others():
    surrogates = Surrogates(KEY, "c1", "en")
    surrogates.learn("My name is Harriet Whitcombe.")
    first = surrogates.replace("My name is Harriet Whitcombe.").removeprefix("My name is ").rstrip(".")
    given, family = first.split()
    assert surrogates.replace("Dear Harriet Whitcombe") == f"Dear {first}"
    assert (
        surrogates.replace("Thanks, Harriet! Ms Whitcombe's file") == f"Thanks, {given}! Ms {family}'s file"
    )
    assert surrogates.replaced == 4
    assert surrogates.knows("Harriet") and not surrogates.knows("Hello")


def test_a_text_without_details_is_untouched():
    code = "def f(x):\n    return x@1.2 + 3  # v1.2.3, 127.0.0.1, {'a': [1, 2]}\n"
    surrogates = Surrogates(KEY, "c1", None)
    assert surrogates.replace(code) == code and surrogates.replaced == 0


@pytest.mark.parametrize("language", ["en", "es", "de", "fr", "pt", "zh", "zh-CN", "xx", None])
def test_every_language_yields_names_of_the_same_script(language):
    latin = (
        replaced("My name is Harriet Whitcombe.", language=language)
        if language not in ("zh", "zh-CN")
        else "a"
    )
    chinese = replaced("我叫欧阳伟明。", language=language)
    assert "Harriet" not in latin and "Whitcombe" not in latin
    assert "伟明" not in chinese and re.fullmatch(r"我叫[\u4e00-\u9fff]{2,4}。", chinese)


def test_half_an_emoji_in_a_detail_does_not_stop_it():
    surrogates = Surrogates(KEY, "c1", "en")
    surrogates.learn_value("Harriet \ud83d", "person")
    assert "Harriet" not in surrogates.replace("for Harriet \ud83d")

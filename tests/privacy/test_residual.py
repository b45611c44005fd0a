"""The gate's own detector: independent of the one that replaces, and without false alarms."""

import random

import pytest

from depsim_dagster.privacy.residual import count_residuals
from depsim_dagster.privacy.surrogates import Surrogates

LEAKS = {
    "email": "harriet@example.com",
    "url_with_credentials": "https://harriet:secret9@",
    "ip_address": "203.0.113.7",
    "phone": "+49 151 12345678",
    "api_key": "sk-proj-Ab3dEf6hIj9kLm2nOp5q",
    "iban": "DE89 3704 0044 0532 0130 00",
    "card": "4111 1111 1111 1111",
}


@pytest.mark.parametrize("type_", LEAKS)
def test_what_was_left_is_counted(type_):
    leak = LEAKS[type_]
    texts = [f"one {leak} two", f"电话{leak}谢谢", f"{leak} {leak}", f"({leak}), IS MINE", "nothing"]
    assert count_residuals(texts, texts) == [1, 1, 1, 1, 0]


def test_two_neighbours_and_a_card_with_its_code_are_all_seen():
    text = "203.0.113.7 203.0.113.8\n+4915112345678 +4915112345679, 4111111111111111 123"
    assert count_residuals([text], [text]) == [5]


def test_a_surrogate_is_not_flagged():
    original = ["mail harriet@example.com", "card 4111 1111 1111 1111"]
    assert count_residuals(original, ["mail jane@example.org", "card 4012 8888 8888 1881"]) == [0, 0]


def test_a_planted_leak_is_found_though_the_other_detector_was_switched_off(monkeypatch):
    monkeypatch.setattr("depsim_dagster.privacy.surrogates.find_identifiers", lambda *_: [])
    text = "write to harriet@example.com"
    assert count_residuals([text], [Surrogates(b"k", "c", "en").replace(text)]) == [1]


def test_it_shares_no_code_with_the_detector():
    import depsim_dagster.privacy.residual as residual

    names = {getattr(value, "__module__", "") for value in vars(residual).values()}
    assert not {name for name in names if name and ("detection" in name or "candidate_checks" in name)}


PIECES = [
    *LEAKS.values(),
    "user@%s.com",
    "${USER}@${HOST}.com",
    "用户@公司.com",
    "user@sub..com",
    "a@b.com2x",
    "git@github.com:o/r",
    "react@18.2.0-rc.ab",
    "1+123456789",
    "++12345678",
    "+123456789012345678901",
    "+49 30 1234 5678 2026",
    "1.3.6.1.4.1",
    "192.168.001.001",
    "v1.2.3.4",
    "127.0.0.1",
    "1.2.3.4.",
    "x.1.2.3.4",
    "skeletonization_algorithm_12345",
    "sk-circle-fade-animation",
    "a://b:c@",
    "http://${U}:${P}@h",
    "2345-6789-0123-4567-8901",
    "4111111111111111x",
    "41111111-1111-1111-1111-111111111111",
    "4111-1111-1111-1111-123",
    "DE89370400440532013000X",
    "FR76 3000 6000 0112 3456 7890 189 XY12",
    "谢谢",
    "IS MINE",
    "12",
]


def test_whatever_it_reports_the_replacing_detector_finds_too():
    """Random mixtures of leaks and near misses: a turn that only this detector objects to would stop its week."""
    source = random.Random(5)
    originals, published = [], []
    for number in range(1500):
        text = "".join(
            source.choice(PIECES) + source.choice(["", " ", " ", "\n", ", ", ".", "，"])
            for _ in range(source.randint(1, 6))
        )
        surrogates = Surrogates(b"k", str(number), "en")
        surrogates.learn(text)
        originals.append(text)
        published.append(surrogates.replace(text))
    counted = count_residuals(originals, published)
    assert [text for text, count in zip(originals, counted, strict=True) if count] == []

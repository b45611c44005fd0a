"""The gate's own detector: independent of the one that replaces, and without false alarms."""

import random

import pytest

from depsim_dagster.privacy.gates import residual
from depsim_dagster.privacy.gates.residual import CANDIDATES, count_residuals
from depsim_dagster.privacy.surrogates.mapping import Surrogates

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTYifQ.dBjftJeZ4CVPmB92K27uhbUJU1p1r_wW1gFWFOEjXk"
LEAKS = {
    "email": "harriet@example.com",
    "url_with_credentials": "https://harriet:secret9@",
    "ip_address": "203.0.113.7",
    "phone": "+49 151 12345678",
    "api_key": "sk-proj-Ab3dEf6hIj9kLm2nOp5q",
    "iban": "DE89 3704 0044 0532 0130 00",
    "card": "4111 1111 1111 1111",
    "ipv6_address": "2a02:8108:8ac0:2fd4::1c5e:77aa",
    "mac_address": "3c:22:fb:9a:01:7e",
    "web_token": JWT,
    "crypto_wallet": "1BoatSLRHtKNngkdXEeobR76b53LETtpyT",
    "national_id_br": "111.444.777-35",
    "national_id_ch": "756.9217.0769.85",
    "national_id_cn": "11010519491231002X",
    "national_id_es": "54362315K",
    "national_id_es_resident": "X2482300W",
    "national_id_fr": "2 95 10 99 126 111 93",
    "national_id_it": "RSSMRA85T10A562S",
    "national_id_us": "536-90-4399",
}
PRIVATE_KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEAn1Yw0z2Qm8sK4vT7pL9dXcR5bN6gH3jF\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize("type_", LEAKS)
def test_what_was_left_is_counted(type_):
    leak = LEAKS[type_]
    texts = [f"one {leak} two", f"电话{leak}谢谢", f"{leak} {leak}", f"({leak}), IS MINE", "nothing"]
    assert count_residuals(texts, texts) == [1, 1, 1, 1, 0]


def test_credentials_are_left_whatever_their_host_became():
    before = "see https://harriet:secret9@files.example.net/x"
    after = ["see https://harriet:secret9@other.example.org/x", "see https://jane:aB3dE@files.example.net/x"]
    assert count_residuals([before] * 2, after) == [1, 0]


def test_every_kind_of_candidate_has_its_leak_here():
    assert {*LEAKS, "private_key"} == set(CANDIDATES) == set(residual._JUDGES)


def test_a_private_key_is_left_also_when_its_header_was_changed():
    changed = PRIVATE_KEY.replace("RSA PRIVATE KEY", "KEY")
    assert count_residuals([PRIVATE_KEY] * 3, [PRIVATE_KEY, changed, "gone"]) == [1, 1, 0]


@pytest.mark.parametrize(
    ("disguised", "leaks"),
    [
        ("ｈａｒｒｉｅｔ＠ｅｘａｍｐｌｅ．ｃｏｍ", 1),
        ("harr\u200biet@exam\u00adple.com", 1),
        ("(ｈａｒｒｉｅｔ＠example.com).", 1),
        ("harr\u200biet at home", 0),
    ],
)
def test_a_disguised_detail_that_was_left_is_counted(disguised, leaks):
    assert count_residuals([f"call {disguised} now"] * 2, [f"call {disguised} now", "call 谢谢 now"]) == [
        leaks,
        0,
    ]


@pytest.mark.parametrize(
    "harmless",
    [
        "536-90-439", "000-12-3456", "111.444.777-36", "54362315A", "RSSMRA85T10A562T", "1BoatSLRHtKNngkdXEeobR76b53LETtpyX",
        "00:00:00:00:00:00", "12:34:56", "::1", "fe80::1ff:fe23:4567:890a", "2001:db8::1", "std::vector::iterator",
        "eyJhbGciOiJIUzI1NiJ9", "-----BEGIN PUBLIC KEY-----\nMIIEowIBAAKCAQEAn1Yw0z2Qm8sK4vT7pL9dXcR5bN6gH3jF",
        "123456789012", "0123456789", "ABCDEF12G34H567I", "deadbeef" * 5,
    ],
)  # fmt: skip
def test_what_only_looks_like_one_is_no_residual(harmless):
    assert count_residuals([f"see {harmless} here"], [f"see {harmless} here"]) == [0]


def test_texts_that_a_conversation_could_make_to_stall_it():
    texts = [
        "1" * 100_000,
        "a@" * 50_000,
        "+1 " * 30_000,
        ":" * 50_000,
        "0x" + "f" * 90_000,
        "-" * 90_000,
        "A1B2 " * 20_000,
    ]
    assert count_residuals(texts, texts) == [0] * len(texts)


def test_two_neighbours_and_a_card_with_its_code_are_all_seen():
    text = "203.0.113.7 203.0.113.8\n+4915112345678 +4915112345679, 4111111111111111 123"
    assert count_residuals([text], [text]) == [5]


def test_a_surrogate_is_not_flagged():
    original = ["mail harriet@example.com", "card 4111 1111 1111 1111"]
    assert count_residuals(original, ["mail jane@example.org", "card 4012 8888 8888 1881"]) == [0, 0]


def test_a_planted_leak_is_found_though_the_other_detector_was_switched_off(monkeypatch):
    monkeypatch.setattr("depsim_dagster.privacy.surrogates.mapping.find_identifiers", lambda *_: [])
    text = "write to harriet@example.com"
    assert count_residuals([text], [Surrogates(b"k", "c", "en").replace(text)]) == [1]


def test_it_shares_no_code_with_the_detector():
    names = {getattr(value, "__module__", "") for value in vars(residual).values()}
    assert not {name for name in names if name and ("detection" in name or "candidate_checks" in name)}


PIECES = [
    *LEAKS.values(),
    PRIVATE_KEY,
    "ｈａｒｒｉｅｔ＠ｅｘａｍｐｌｅ．ｃｏｍ",
    "harr\u200biet@example.com",
    "４１１１ １１１１ １１１１ １１１１",
    "＋４９ １５１ １２３４５６７８",
    "fe80::1ff:fe23:4567:890a",
    "std::vector::iterator",
    "54362315A",
    "756.9217.0769.85.1",
    "deadbeefdeadbeefdeadbeefdeadbeefdeadbeef",
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


def test_numbers_of_a_document_are_no_addresses():
    text = "see section 4.2.3.6 and version: 10.2.3.4"
    assert count_residuals([text], [text]) == [0]
    text = "see section 203.0.113.77 or log in to 203.0.113.77"
    assert count_residuals([text], [text]) == [1]

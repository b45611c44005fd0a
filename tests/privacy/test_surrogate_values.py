"""Surrogates by type: valid where the original was, in its writing, and never the original."""

import base64
import datetime as dt
import ipaddress
import json
import re
from importlib import import_module
from random import Random

import pytest
from planted_details import CASES, planted
from stdnum import bitcoin, iban, luhn

from depsim_dagster.privacy.surrogates.dates import read_date
from depsim_dagster.privacy.surrogates.mapping import Surrogates
from depsim_dagster.privacy.surrogates.numbers import LAYOUTS, draw_national_id, scheme_of, vin_check
from depsim_dagster.privacy.surrogates.shapes import folded, form_of
from depsim_dagster.privacy.surrogates.values import SurrogateValues

KEY = b"a key for these tests"


def surrogate(type_, original, conversation="c1", language="en", key=KEY) -> str:
    values = SurrogateValues(key, conversation, language)
    values.learn(original, type_)
    return values.of(type_, original)


def several(type_, original, language="en", count=12) -> list[str]:
    return [surrogate(type_, original, f"c{number}", language) for number in range(count)]


@pytest.mark.parametrize(("type_", "original"), CASES)
def test_every_type_gets_another_value_that_repeats_and_differs_between_conversations(type_, original):
    drawn = several(type_, original)
    assert original not in drawn and len(set(drawn)) > 3
    assert drawn == several(type_, original)
    assert surrogate(type_, original, key=b"another") != drawn[1] or type_ in ("age", "postal_code", "date")


@pytest.mark.parametrize(("type_", "original"), [case for case in CASES if case[0] != "url_with_credentials"])
def test_punctuation_keeps_its_place(type_, original):
    """Inside of JSON or code the text around a surrogate means what it meant."""
    marks = [sign for sign in original if not sign.isalnum() and sign.isascii()]
    for drawn in several(type_, original):
        assert [sign for sign in drawn if not sign.isalnum() and sign.isascii()] == marks


@pytest.mark.parametrize(
    ("type_", "original"),
    [case for case in CASES if case[0] in (
        "card", "iban", "mac_address", "device_id", "vehicle_id", "bank_account", "passport", "driver_licence", "national_id",
        "medical_record", "licence_number", "account_number", "postal_code", "password", "crypto_wallet", "phone", "private_key",
    )],
)  # fmt: skip
def test_numbers_keep_their_length_and_layout(type_, original):
    for drawn in several(type_, original):
        assert len(drawn) == len(original)
        assert not original.isdecimal() or original[0] == "0" or drawn[0] != "0"
        kinds = [sign.isdecimal() for sign in original]
        free = ("vehicle_id", "mac_address", "crypto_wallet", "private_key")
        assert [sign.isdecimal() for sign in drawn] == kinds or type_ in free


def test_check_digits_hold():
    assert all(
        luhn.is_valid(card.replace(" ", "")) and card[0] == "4"
        for card in several("card", "4111 1111 1111 1111")
    )
    assert all(card[:2] == "37" and luhn.is_valid(card) for card in several("card", "378282246310005"))
    assert all(luhn.is_valid(imei) for imei in several("device_id", "490154203237518"))
    assert all(
        iban.is_valid(one) and one[:2] == "DE" for one in several("iban", "DE89 3704 0044 0532 0130 00")
    )
    assert all(vin[8] == vin_check(vin) for vin in several("vehicle_id", "1HGCM82633A004352"))
    assert all(import_module("stdnum.us.rtn").is_valid(one) for one in several("bank_account", "021000021"))
    assert all(one[4:6] == "DE" for one in several("bank_account", "DEUTDEFF500"))
    for wallet in ("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq"):
        assert all(bitcoin.is_valid(one) for one in several("crypto_wallet", wallet))


@pytest.mark.parametrize("scheme", LAYOUTS)
def test_national_ids_of_every_scheme_stay_valid(scheme):
    module = import_module(f"stdnum.{scheme}")
    language = {
        "br": "pt",
        "es": "es",
        "it": "it",
        "cn": "zh",
        "fr": "fr",
        "de": "de",
        "nl": "nl",
        "pl": "pl",
    }.get(scheme[:2])
    for seed in range(4):
        original = draw_national_id(scheme, Random(seed))
        assert module.is_valid(original) and scheme_of(original, language) != ""
        drawn = surrogate("national_id", original, language=language or "en")
        found = scheme_of(original, language or "en") or ("fi.hetu" if scheme == "fi.hetu" else "")
        assert (
            import_module(f"stdnum.{found}").is_valid(drawn)
            and drawn != original
            and len(drawn) == len(original)
        )


@pytest.mark.parametrize("original", ["078-05-1120", "078-05-1121"])
def test_a_social_security_number_is_in_the_ranges_that_are_given_out(original):
    for drawn in several("national_id", original):
        area, group, serial = drawn.split("-")
        assert area not in ("000", "666") and area[0] != "9" and group != "00" and serial != "0000"


@pytest.mark.parametrize(
    "original", ["203.0.113.7", "192.168.1.17", "10.1.2.3", "172.16.4.5", "2001:db8::1f", "fe80::1:2"]
)
def test_addresses_stay_of_the_same_kind_of_network(original):
    before = ipaddress.ip_address(original)
    for drawn in several("ip_address", original):
        after = ipaddress.ip_address(drawn)
        assert after.version == before.version and not (
            after.is_multicast or after.is_loopback or after.is_unspecified
        )
        if original != "203.0.113.7" and not original.startswith(
            "2001"
        ):  # the documentation's ranges count as private
            assert (after.is_private, after.is_link_local) == (before.is_private, before.is_link_local)


@pytest.mark.parametrize(
    ("original", "pattern"),
    [
        ("1985-03-12", "%Y-%m-%d"), ("March 12, 1985", "%B %d, %Y"), ("12.03.85", "%d.%m.%y"), ("12/25/1985", "%m/%d/%Y"),
        ("25/12/1985", "%d/%m/%Y"), ("3 Mar 1985", "%d %b %Y"), ("19850312", "%Y%m%d"), ("1985/3/2", "%Y/%m/%d"),
    ],
)  # fmt: skip
def test_birth_dates_keep_format_and_decade(original, pattern):
    for drawn in several("birth_date", original):
        assert 1980 <= dt.datetime.strptime(drawn, pattern).year <= 1989


@pytest.mark.parametrize("original", ["2024-02-29", "2025-01-31"])
def test_dates_stay_within_two_years(original):
    year = int(original[:4])
    assert all(abs(dt.date.fromisoformat(drawn).year - year) <= 2 for drawn in several("date", original))


def test_a_date_with_its_weekday_is_right_and_a_time_stays():
    for drawn in several("date", "Tuesday, 4 March 2025"):
        assert dt.datetime.strptime(drawn, "%A, %d %B %Y").strftime("%A") == "Tuesday"
    assert all(drawn.endswith("T10:11:12Z") for drawn in several("date", "2024-02-29T10:11:12Z"))


@pytest.mark.parametrize(
    ("language", "original"),
    [("de", "12. März 1985"), ("es", "12 de marzo de 1985"), ("fr", "1er août 1985"), ("zh", "1985年3月12日"), ("ru", "12 марта 1985"),
     ("pt", "12 de março de 1985"), ("it", "12 marzo 1985"), ("nl", "12 maart 1985"), ("pl", "12 marca 1985")],
)  # fmt: skip
def test_dates_in_words_of_other_languages(language, original):
    drawn = several("birth_date", original, language)
    assert len(set(drawn)) > 3 and all(re.search("198[0-9]", one) for one in drawn)
    assert all(read_date(one) is not None for one in drawn)


def test_one_date_in_two_formats_is_one_date():
    iso, words = surrogate("birth_date", "1985-03-14"), surrogate("birth_date", "14 March 1985")
    assert dt.date.fromisoformat(iso) == dt.datetime.strptime(words, "%d %B %Y").date()


def test_ages_stay_over_eighty_nine():
    assert all(90 <= int(age) <= 99 for age in several("age", "92"))
    assert all(100 <= int(age) <= 109 for age in several("age", "104"))
    assert all(re.fullmatch("9[0-9] years old", age) for age in several("age", "97 years old"))


def test_a_token_decodes_and_a_key_keeps_its_scheme():
    token = (
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkhhcnJpZXQiLCJpYXQiOjE1MTYyMzkwMjJ9."
        "SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"
    )
    for drawn in several("api_key", token):
        header, payload, signature = drawn.split(".")
        for segment in (header, payload):
            decoded = json.loads(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
            assert "Harriet" not in str(decoded) and isinstance(decoded, dict)
        assert len(signature) == 43 and abs(len(drawn) - len(token)) <= 2
    for key in (
        "sk-proj-Ab3dEf6hIj9kLm2nOp5q",
        "ghp_Ab3dEf6hIj9kLm2nOp5qAb3dEf6hIj9kLm2n",
        "AKIAIOSFODNN7EXAMPLE",
    ):
        assert all(drawn[:4] == key[:4] and len(drawn) == len(key) for drawn in several("api_key", key))


def test_a_private_key_keeps_its_frame():
    original = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow+/Ab\nabcdef==\n-----END RSA PRIVATE KEY-----"
    for drawn in several("private_key", original):
        before, after = original.split("\n"), drawn.split("\n")
        assert (before[0], before[-1], [*map(len, before)]) == (after[0], after[-1], [*map(len, after)])
        assert "MIIEow" not in drawn and "abcdef" not in drawn


@pytest.mark.parametrize(
    ("original", "kept"),
    [
        ("postgres://app:s3cret@db.whitcombe.net:5432/orders", (r"postgres://", r":5432/orders")),
        ("https://harriet:p%40ss@203.0.113.7/inbox?x=1", (r"https://", r"/inbox\?x=1")),
        ("redis://:s3cret@[2001:db8::7]:6379/0", (r"redis://:", r"\]:6379/0")),
    ],
)
def test_credentials_change_and_the_address_still_parses(original, kept):
    surrogates = Surrogates(KEY, "c1", "en", detect=planted([("url_with_credentials", original)]))
    drawn = surrogates.replace(original)
    assert re.match(kept[0], drawn) and re.search(kept[1] + "$", drawn) and surrogates.replaced == 1
    for secret in ("app:", "s3cret", "whitcombe", "harriet", "p%40ss", "203.0.113.7", "db8::7"):
        assert secret not in drawn


@pytest.mark.parametrize(
    "text",
    [
        "My blog is https://harriet.delacroix:6EhtVnfm0c@files.whitcombe.net/backup",
        "the opening of my blog post. The page is https://harriet:6EhtVnfm0c@files.whitcombe.net:8443/backup today",
        "My site: http://[2001:db8::7]:8080/backup",
    ],
)
@pytest.mark.parametrize("found_as", ["detected", "url"])
def test_a_page_of_somebody_keeps_no_password_and_no_address(text, found_as):
    address = next(word for word in text.split() if "://" in word)
    detect = planted([("url", address)]) if found_as == "url" else None
    surrogates = Surrogates(KEY, "c1", "en", detect=detect)
    surrogates.learn(text)
    drawn = surrogates.replace(text)
    assert not re.search("6Eht|harriet|delacroix|whitcombe|2001:db8", drawn)
    assert ("//" in drawn) and re.findall(r":\d{4}/", drawn) == re.findall(r":\d{4}/", text)


@pytest.mark.parametrize(
    "original",
    ["Server=tcp:db1.whitcombe.com,1433;Database=orders;User Id=harriet;Password=hunter2;",
     "host=db1.whitcombe.com port=5432 dbname=orders user=harriet password=hunter2",
     "jdbc:postgresql://db1.whitcombe.com:5432/orders?user=harriet&password=hunter2"],
)  # fmt: skip
def test_connection_strings_keep_keys_port_and_database(original):
    drawn = surrogate("connection_string", original)
    assert (
        "orders" in drawn
        and re.search("1433|5432", drawn)
        and not re.search("whitcombe|harriet|hunter2", drawn)
    )
    assert re.findall(r"(?i)\w+=", drawn) == re.findall(r"(?i)\w+=", original)


LANGUAGES = {
    "en": "Harriet Whitcombe", "de": "Jürgen Schönfeld", "es": "Lucía Gutiérrez", "fr": "Élodie Lefèvre", "pt": "Thiago Queiroz",
    "it": "Giulia Rossi", "nl": "Sanne Bakker", "sv": "Lars Ek", "pl": "Agnieszka Wójcik", "cs": "Jana Nováková",
    "tr": "Ayşe Yılmaz", "ru": "Иван Сидоров", "uk": "Олена Шевчук", "el": "Γιώργος Παπαδάκης", "he": "משה כהן",
    "ar": "محمد العلي", "fa": "رضا احمدی", "hi": "राहुल शर्मा", "bn": "রহিম উদ্দিন", "th": "สมชาย ใจดี", "zh": "王伟明",
    "ja": "山田太郎", "ko": "김민준", "vi": "Nguyễn Dũng", "id": "Budi Santoso",
}  # fmt: skip


@pytest.mark.parametrize(("language", "name"), LANGUAGES.items())
def test_names_of_every_language_keep_script_and_word_count(language, name):
    for drawn in several("person", name, language, 6):
        assert len(drawn.split()) == len(name.split())
        assert set(form_of(name.replace(" ", "")).lower()) & set(form_of(drawn).lower())
        assert not set(folded(name).split()) & set(folded(drawn).split())


def test_there_are_names_of_more_than_fifteen_locales():
    drawn = {language: tuple(several("person", name, language, 4)) for language, name in LANGUAGES.items()}
    assert len(set(drawn.values())) == len(LANGUAGES) >= 15


def test_the_script_decides_where_the_language_is_not_known():
    assert re.fullmatch("[а-яёА-ЯЁ ]+", surrogate("person", "Иван Сидоров", language=None))
    assert re.fullmatch("[\u4e00-\u9fff]{3}", surrogate("person", "王伟明", language="en"))
    assert re.fullmatch("[A-Za-z ]+", surrogate("person", "Harriet Whitcombe", language="zh"))


@pytest.mark.parametrize(
    ("original", "pattern"), [("さくら", "[\u3041-\u309f]+"), ("ハリエット", "[\u30a1-\u30ff]+")]
)
def test_japanese_names_in_syllables_stay_in_them(original, pattern):
    drawn = several("person", original, "ja")
    assert len(set(drawn)) > 3 and all(re.fullmatch(pattern, name) for name in drawn)


@pytest.mark.parametrize(
    ("original", "pattern"),
    [
        ("12 Marlowe Street, Ashford, IL 62704", r"\d\d \w+ Street, [\w-]+, [A-Z]{2} \d{5}"),
        ("Lindenstraße 12, 50674 Köln", r"[\w-]+straße \d\d, \d{5} [\w-]+"),
        ("12 rue des Tilleuls, 69003 Lyon", r"\d\d rue des \w+, \d{5} [\w-]+"),
        ("Calle de los Olmos 7, Zaragoza", r"Calle de los \w+ \d, [\w-]+"),
        ("杭州市文三路12号", r"\w\w市\w\w路\d\d号"),
        ("1253 5th Road #179", r"\d{4} \dth Road #\d{3}"),
    ],
)
def test_addresses_keep_what_every_street_is_called(original, pattern):
    assert all(re.fullmatch(pattern, drawn) for drawn in several("street_address", original, None))


@pytest.mark.parametrize("original", ["536904399", "121000248", "4155550123", "490154203237518", "98765432"])
@pytest.mark.parametrize("type_", ["national_id", "bank_account", "phone", "device_id", "account_number"])
def test_a_number_never_begins_with_a_zero_that_the_original_had_not(type_, original):
    """Neither JSON nor Python has such a number."""
    assert all(drawn[0] != "0" and drawn.isdecimal() for drawn in several(type_, original, count=40))

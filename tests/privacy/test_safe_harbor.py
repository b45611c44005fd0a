"""The coverage table is about what there is: every type named exists, and is found where it stands as people write it."""

import string

import pytest

from depsim_dagster.privacy.detection.detect import find_identifiers
from depsim_dagster.privacy.scoring.label_names import OUR_TYPES
from depsim_dagster.privacy.scoring.safe_harbor import SAFE_HARBOR

KEY_LINE = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj"
NAMED = sorted({type_ for row in SAFE_HARBOR for type_ in row.types})
EXAMPLES = {
    "person": ("Hello, my name is Harriet Lindqvist.", "Harriet Lindqvist"),
    "street_address": ("We live at 48 Baker Street.", "48 Baker Street"),
    "postal_code": ("Her address: 12 Oak Road, Leicester LE2 7AB", "LE2 7AB"),
    "place": ("I live in Leicester.", "Leicester"),
    "birth_date": ("I was born on 12 March 1984.", "12 March 1984"),
    "date": ("The patient was admitted on 3 May 2025.", "3 May 2025"),
    "age": ("My grandmother is 94 years old.", "94"),
    "phone": ("Call me: +44 7911 123456", "+44 7911 123456"),
    "email": ("Mail harriet.l@example.org", "harriet.l@example.org"),
    "national_id": ("My SSN is 536-22-8145.", "536-22-8145"),
    "medical_record": ("MRN: 4471923", "4471923"),
    "account_number": ("My account number is 71402238.", "71402238"),
    "bank_account": ("Routing number 021000021", "021000021"),
    "iban": ("IBAN DE89 3704 0044 0532 0130 00", "DE89 3704 0044 0532 0130 00"),
    "card": ("Card 4111 1111 1111 1111", "4111 1111 1111 1111"),
    "crypto_wallet": ("BTC to 1BoatSLRHtKNngkdXEeobR76b53LETtpyT", "1BoatSLRHtKNngkdXEeobR76b53LETtpyT"),
    "licence_number": ("My nursing license number is RN482913.", "RN482913"),
    "driver_licence": ("Driver's license: D4820193", "D4820193"),
    "passport": ("Passport number 512349876", "512349876"),
    "vehicle_id": ("VIN 1HGCM82633A004352", "1HGCM82633A004352"),
    "device_id": ("IMEI 490154203237518", "490154203237518"),
    "mac_address": ("MAC 3c:22:fb:8a:41:0e", "3c:22:fb:8a:41:0e"),
    "url": ("My profile: https://www.linkedin.com/in/harriet-l", "https://www.linkedin.com/in/harriet-l"),
    "url_with_credentials": ("postgres://ann:s3cr3tpw@db.acme.io/app", "postgres://ann:s3cr3tpw@db.acme.io/app"),
    "ip_address": ("ssh to 81.2.69.142", "81.2.69.142"),
    "username": ("find me as @harriet_l87", "harriet_l87"),
    "organisation": ("I work at Lindqvist & Sons Ltd.", "Lindqvist & Sons Ltd"),
    "api_key": ("ghp_aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0dF3gH6", "ghp_aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0dF3gH6"),
    "password": ("my password is Hx7!qwpR2", "Hx7!qwpR2"),
    "private_key": (f"-----BEGIN PRIVATE KEY-----\n{KEY_LINE}\n-----END PRIVATE KEY-----", KEY_LINE),
    "connection_string": ("host=db.acme.io dbname=app user=ann password=s3cr3tpw", "s3cr3tpw"),
}  # fmt: skip


def test_the_eighteen_identifiers_are_all_there():
    assert [row.letter for row in SAFE_HARBOR] == list(string.ascii_uppercase[:18])
    assert all(row.identifier and row.found_by and row.limits for row in SAFE_HARBOR)


def test_every_type_named_exists_and_every_type_is_named():
    assert set(NAMED) == OUR_TYPES == set(EXAMPLES)


@pytest.mark.parametrize("type_", NAMED)
def test_every_type_named_is_found(type_):
    text, value = EXAMPLES[type_]
    start = text.index(value)
    found = bytearray(len(text))
    for span in find_identifiers(text):
        found[span.start : span.end] = b"\1" * (span.end - span.start)
    assert all(found[start : start + len(value)])

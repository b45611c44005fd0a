"""The eighteen identifiers of the HIPAA Safe Harbor method (45 CFR 164.514(b)(2)(i)) and what finds each of them here.

A table for people who have to argue that data is de-identified. Text only: attachments and images are dropped before
anything is detected. It is a coverage table, not a certificate: how well each is found on your text is what
`depsim privacy score` measures.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Coverage:
    """`letter` of the rule's list; `types` are of IdentifierSpan.type. `limits` is what a reader must not rely on."""

    letter: str
    identifier: str
    types: tuple[str, ...]
    found_by: str
    limits: str


SAFE_HARBOR: tuple[Coverage, ...] = (
    Coverage(
        "A",
        "Names",
        ("person",),
        "introductions, titles, forms of address, signatures and name lists of the languages; what a conversation has "
        "introduced once is found again wherever it is repeated",
        "a name that is also an ordinary word, without any context, may stay; an NER model as a further detector helps",
    ),
    Coverage(
        "B",
        "Geographic subdivisions smaller than a state",
        ("street_address", "postal_code", "place"),
        "street patterns of the languages, postal codes beside a place or a word for them, a gazetteer of places",
        "small places without context, landmarks and descriptions of a way",
    ),
    Coverage(
        "C",
        "Dates (except year) related to a person, and ages over 89",
        ("birth_date", "date", "age"),
        "dates after words for birth, admission, discharge, death; ages from 90 with a word for age",
        "a date that nothing ties to a person is left: it is part of the question; holidays and relative dates stay",
    ),
    Coverage(
        "D",
        "Telephone numbers",
        ("phone",),
        "international and national formats, spelled-out digits",
        "extensions alone",
    ),
    Coverage("E", "Fax numbers", ("phone",), "as telephone numbers", "as telephone numbers"),
    Coverage(
        "F",
        "E-mail addresses",
        ("email",),
        "addresses, also disguised or spelled out (name at host dot com)",
        "addresses cut in two",
    ),
    Coverage(
        "G",
        "Social security numbers",
        ("national_id",),
        "formats with check digits of many countries, and words for such a number",
        "numbers of a country whose format has no check digit, without a word for it",
    ),
    Coverage(
        "H",
        "Medical record numbers",
        ("medical_record",),
        "numbers after words for a record",
        "bare numbers: they have no format",
    ),
    Coverage(
        "I",
        "Health plan beneficiary numbers",
        ("medical_record",),
        "numbers after words for insurance, plan or member",
        "bare numbers: they have no format",
    ),
    Coverage(
        "J",
        "Account numbers",
        ("account_number", "bank_account", "iban", "card", "crypto_wallet"),
        "check digits (IBAN, card, routing number, wallet) and words for an account or a customer",
        "account numbers without a check digit and without a word for them",
    ),
    Coverage(
        "K",
        "Certificate and licence numbers",
        ("licence_number", "driver_licence", "passport"),
        "numbers after words for a licence, a certificate or a passport",
        "bare numbers: they have no common format",
    ),
    Coverage(
        "L",
        "Vehicle identifiers and serial numbers, including licence plates",
        ("vehicle_id",),
        "VIN with its check digit, plates after words for one",
        "plates without context: they look like any code",
    ),
    Coverage(
        "M",
        "Device identifiers and serial numbers",
        ("device_id", "mac_address"),
        "IMEI with its check digit, MAC addresses, numbers after words for a serial number",
        "serial numbers without context",
    ),
    Coverage(
        "N",
        "Web URLs",
        ("url", "url_with_credentials"),
        "personal pages and profiles, every URL with credentials",
        "the address of a public page stays: it is part of the question, and code that uses it must go on working",
    ),
    Coverage(
        "O",
        "IP addresses",
        ("ip_address",),
        "IPv4 and IPv6 of hosts",
        "loopback addresses and masks stay",
    ),
    Coverage(
        "P",
        "Biometric identifiers",
        (),
        "not text: finger and voice prints come as attachments, which are dropped and counted",
        "a template written out as text is not recognised",
    ),
    Coverage(
        "Q",
        "Full-face photographs and comparable images",
        (),
        "not text: images and attachments are dropped and counted",
        "a description of a person in words stays",
    ),
    Coverage(
        "R",
        "Any other unique identifying number, characteristic or code",
        ("username", "organisation", "api_key", "password", "private_key", "connection_string"),
        "handles, employers, and secrets of known shape or after words for them; account identifiers of the log "
        "become keyed digests",
        "what identifies a person by what they tell (a rare job in a small town) is beyond any detector",
    ),
)
